"""Processing stages: read from the session file, compute, write back.

One module a stage, listed in table.py; what they share stands in the folders.
"""
