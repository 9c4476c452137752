"""Source-extraction engines: one module or folder each, behind the contract in base.py."""
