"""What people write to us: YAML with the place of every key, and what a field takes, in words.

`yaml_files` reads them, `places` finds keys in them, `fields` says what was found and expected.
"""
