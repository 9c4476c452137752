"""The session file: reading, journaled writing, layout, history. Nothing else knows its inside.

session.py opens it, reading.py and editing.py are what is opened; content/ has one module for each
kind of data, commit/ makes changes safe, objects/ is HDF5 itself.
"""
