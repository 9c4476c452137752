"""All errors and warnings of ace_nwb.

AceNwbError
├── InputError               something given to us is not as it should be
│   ├── FormatError          a folder is not recognised, or by two formats alike
│   ├── MovieError           a movie is missing, cut off, or inconsistent
│   ├── TimestampError       time stamps are missing, unreadable, or disagree with the frames
│   │   └── SeveralSegmentsError  one list of times was given for a recording with gaps
│   ├── EphysError           electrophysiology files are missing or inconsistent
│   ├── MetadataError        metadata are missing or not as the schema says
│   ├── ManifestError        a manifest or spreadsheet of sessions holds mistakes
│   └── CurationError        a decision about ROIs is not possible as things stand
├── OutputError              something cannot be written where it was asked for
├── SessionFileError         a session file is damaged, foreign, or lacks an object
│   ├── JournalError         an unfinished commit cannot be completed
│   └── SessionLockedError   another process is writing the file
├── StageError               a stage cannot run
│   ├── ParameterError       a parameter is unknown or out of bounds
│   └── RequirementError     an earlier stage has not been run
│       └── NothingToDoError the session holds nothing that the stage could work on
├── SyncError                frames and pulses cannot be aligned without guessing
├── UnknownNameError         a format, engine, stage or line of that name does not exist
└── MissingPackageError      an optional package is not installed

AceNwbWarning                legal, but unusual enough to say so

A message has three parts: what was found (value and path), what was expected, what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self


class AceNwbError(Exception):
    """Base of every error that ace_nwb raises on purpose."""


class InputError(AceNwbError):
    """Something given to us is not as it should be.

    Parameters
    ----------
    found
        What was found, with value and path; or the whole message.
    expected
        What was expected, and what to do.
    """

    def __init__(self, found: str = "", expected: str = "") -> None:
        super().__init__(f"{found}. {expected}" if expected else found)
        self.found = found.removesuffix(".")
        self.expected = expected


class FormatError(InputError):
    """A folder is recognised by no format, or by two alike."""


class MovieError(InputError):
    """A movie is missing, cut off, or inconsistent."""


class TimestampError(InputError):
    """Time stamps are missing, unreadable, or disagree with the frames."""


class SeveralSegmentsError(TimestampError, AssertionError):
    """One list of times was given for a recording with gaps; NeuroConv asserts that there is none.

    Parameters
    ----------
    n_segments
        Its gap-free segments.
    """

    def __init__(self, n_segments: int) -> None:
        super().__init__(
            f"Times were given for one segment of {n_segments}. This recording has multiple "
            "segments; please use 'align_segment_timestamps' instead",
            "Of that name is set_aligned_segment_timestamps, with a list of the times of each.",
        )


class EphysError(InputError):
    """Electrophysiology files are missing or inconsistent."""


class MetadataError(InputError):
    """Metadata are missing or not as the schema says."""


class ManifestError(InputError):
    """A manifest or spreadsheet of sessions holds mistakes."""


class CurationError(InputError):
    """A decision about ROIs is not possible as things stand."""


class OutputError(AceNwbError):
    """Something cannot be written where it was asked for."""


class SessionFileError(AceNwbError):
    """A session file is damaged, foreign, or lacks an object."""


class JournalError(SessionFileError):
    """An unfinished commit cannot be completed."""


class SessionLockedError(SessionFileError):
    """Another process is writing the session file."""


class StageError(AceNwbError):
    """A stage cannot run."""


class ParameterError(StageError):
    """A parameter is unknown or out of bounds."""


class RequirementError(StageError):
    """A stage needs the result of another one that has not been run."""


class NothingToDoError(RequirementError):
    """A session holds nothing that a stage could work on; a run of all stages passes it over."""


class SyncError(AceNwbError):
    """Frames and pulses cannot be aligned without guessing."""


class UnknownNameError(AceNwbError):
    """A format, engine, stage or line of that name does not exist."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> Self:
        """Build the error for a name that is not among the known ones."""
        return cls(unknown_name_message(kind, name, known))


class MissingPackageError(AceNwbError):
    """An optional package is not installed."""


class AceNwbWarning(UserWarning):
    """Legal, but unusual enough to say so."""


def unknown_name_message(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, which one may be meant, and which exist."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}."


def reason(error: Exception) -> str:
    """Return what the system says of an error, without its number and the path again."""
    return getattr(error, "strerror", None) or str(error)
