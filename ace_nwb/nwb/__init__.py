"""The session file, and the only place that knows it: reading, journaled writing, layout, history."""
