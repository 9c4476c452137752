"""Is a session file fit for an archive? The NWB schema, the DANDI rules, and our own checks."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.archive.layout import check_layout
from ace_nwb.errors import SessionFileError, SessionLockedError
from ace_nwb.nwb import layout
from ace_nwb.nwb.checks import check_schema, check_session
from ace_nwb.nwb.findings import Finding
from ace_nwb.nwb.location import as_url
from ace_nwb.nwb.opening import existing_file
from ace_nwb.nwb.session import Session, open_session

__all__ = ["Finding", "is_valid", "validate"]

_HARMLESS = "BEST_PRACTICE_SUGGESTION"
_LOWERED = {"check_empty_table": _HARMLESS}
"""Checks of the Inspector that are no more than hints here: nothing found is a result."""
_NO_ROWS = re.compile(r"During evaluation of '(\w+)'.*(?:empty dimension|(?:size|length) 0\b)")
"""How the Inspector (0.7.2) says that a check of its own broke off at a table without rows: it asks
for the first one."""


def validate(path: str | Path) -> list[Finding]:
    """Check a session file; return what was found, the worst first.

    Nothing is sent anywhere. Stale stages are the pipeline's to find.

    Parameters
    ----------
    path
        A session file, any other NWB file, a Zarr folder, or the URL of a file.
    """
    path = Path(path)
    if not path.is_dir() and as_url(path) is None:
        existing_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the programs repeat as warnings what they report
        findings = _read(path)
    order = ("ERROR", "CRITICAL", "BEST_PRACTICE_VIOLATION", _HARMLESS)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def is_valid(findings: Iterable[Finding]) -> bool:
    """Return whether nothing worse than a suggestion was found."""
    return all(finding.severity == _HARMLESS for finding in findings)


def _read(path: Path) -> list[Finding]:
    """Run all checks of what has been read once: ours, the Inspector's, those of the schema in it.

    Opening is the first.
    """
    try:
        with open_session(path) as session:
            found = [*check_session(session), *check_layout(session), *_inspect(session)]
            return [*found, *check_schema(io=session.io)]
    except SessionLockedError:
        raise
    except SessionFileError as error:
        return [Finding("ERROR", "check_open", str(path), str(error))]


def _inspect(session: Session) -> list[Finding]:
    """Run the NWB Inspector with the configuration of DANDI."""
    from nwbinspector import inspect_nwbfile_object, load_config

    messages = inspect_nwbfile_object(session.nwbfile, config=load_config("dandi"))
    return [
        Finding(
            _severity(session, message),
            message.check_function_name,
            message.location or message.object_name,
            message.message,
        )
        for message in messages
        if message is not None and not breaks_off_without_rows(message.check_function_name)
    ]


def _severity(session: Session, message: Any) -> str:
    """Return how bad a finding of the Inspector is here."""
    name = message.check_function_name
    if name == "check_data_orientation" and _has_time_first(session, message.location):
        return _HARMLESS
    if name == "check_time_series_data_is_not_empty" and _is_of_no_roi(session, message.location):
        return _HARMLESS
    return _LOWERED.get(name, str(message.importance.name))


def _has_time_first(session: Session, path: str | None) -> bool:
    """Return whether time stamps, bands or the ledger of frames say that the first axis is time.

    The Inspector guesses it from the longest axis, which is a side of the picture in a movie of few
    frames, and the bands of a spectrogram of few windows.
    """
    series = session.find(path) if path else None
    if series is None or not hasattr(series, "data"):
        return False
    if series.neurodata_type == "DecompositionSeries":
        return int(series.data.shape[-1]) == len(session.node(f"{path}/bands/id"))
    n_samples = len(series.data)
    if getattr(series, "timestamps", None) is not None:
        return len(series.timestamps) == n_samples
    if not session.has(layout.FRAME_LEDGER):
        return False
    frames = session.read_table(layout.FRAME_LEDGER)["movie_frame"]
    return int(np.count_nonzero(frames >= 0)) == n_samples


def _is_of_no_roi(session: Session, path: str | None) -> bool:
    """Return whether traces have times and no columns: no ROI was found, which is a result."""
    series = session.find(path) if path else None
    if series is None or series.neurodata_type != "RoiResponseSeries":
        return False
    n_frames, *n_rois = series.data.shape
    return n_frames > 0 and n_rois == [0]


def breaks_off_without_rows(text: str) -> bool:
    """Return whether the Inspector tells of a check of its own that wants a table to have rows."""
    return _NO_ROWS.search(text) is not None
