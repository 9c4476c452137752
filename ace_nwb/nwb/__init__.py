"""The session file: reading, journaled writing, layout, history. Nothing else knows its inside."""
