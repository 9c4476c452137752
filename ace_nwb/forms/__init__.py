"""What people write to us: YAML with the place of every key, and what a field takes, in words.

`yaml_files` and `csv_rows` read them within bounds, `fields` says what was found and expected.
"""
