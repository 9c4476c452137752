"""Fixtures by theme live in tests/fixtures; they are registered here."""

pytest_plugins = ["tests.fixtures.session_files"]
