"""What a stage is given beside its parameters: how to run, whom to tell, where to keep its work."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ace_nwb.engines.base import EngineSettings
from ace_nwb.imaging.movie import ProgressCallback, no_progress
from ace_nwb.nwb.commit.scratch import Scratch


@dataclass(frozen=True)
class StageContext:
    """Execution settings of one stage run; nothing here may change a result.

    Parameters
    ----------
    settings
        Threads and memory.
    progress
        Called with (done, of how many).
    remarks
        What the reader of the result should know; kept in the history.
    software
        Programs outside this environment that took part, and their versions.
    scratch
        Where the stage may keep what it has so far; None keeps nothing.
    """

    settings: EngineSettings = field(default_factory=EngineSettings)
    progress: ProgressCallback = no_progress
    remarks: list[str] = field(default_factory=list)
    software: dict[str, str] = field(default_factory=dict)
    scratch: Scratch | None = None


SHOWN_ALIKE = 3
"""Remarks that differ in names and numbers alone, shown of many: one per channel of a probe."""

_NAME_OR_NUMBER = re.compile(r"^[^:]+(?=: )|[0-9][0-9.e+-]*")


def group_alike(remarks: Iterable[str]) -> list[str]:
    """Return remarks in order, of those alike but for names and numbers the first few."""
    alike: dict[str, list[str]] = {}
    for remark in remarks:
        alike.setdefault(_NAME_OR_NUMBER.sub("#", remark), []).append(remark)
    shown = []
    for group in alike.values():
        shown += group[:SHOWN_ALIKE]
        n_more = len(group) - SHOWN_ALIKE
        if n_more > 0:
            shown.append(f"... and {n_more} like it; the history of the file holds all")
    return shown
