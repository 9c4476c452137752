"""What a check of a session file found: ours (checks.py), the NWB Inspector's, or pynwb's."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something wrong, or not as good as it could be, in a session file.

    Parameters
    ----------
    severity
        "ERROR", "CRITICAL", "BEST_PRACTICE_VIOLATION" (these make a file invalid) or
        "BEST_PRACTICE_SUGGESTION".
    check
        Which rule.
    location
        The object.
    message
        What was found and what was expected.
    """

    severity: str
    check: str
    location: str
    message: str
