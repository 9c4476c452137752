"""Light and anonymous copies of a session."""
