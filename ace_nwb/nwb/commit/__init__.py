"""Changing a session file so that a crash leaves it as before or as after."""
