"""Processing stages: read from the session file, compute, write back."""
