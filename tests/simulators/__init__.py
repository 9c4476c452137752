"""Recordings of formats that the demonstration does not need, written to disk for the tests."""
