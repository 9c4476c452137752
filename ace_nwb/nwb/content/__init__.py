"""What a session file holds, one kind of data a module: written, read back."""
