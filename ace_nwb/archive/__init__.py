"""Is a session fit for an archive, what is missing, and how it gets there.

validation.py judges a file, requirements.py lists what a person must still say, dandiset.py lays
sessions out as DANDI wants them, upload.py sends them to a named instance.
"""

from ace_nwb.archive.validation import Finding, is_valid, validate

__all__ = ["Finding", "is_valid", "validate"]
