"""What a stage is given beside its parameters: how to run, whom to tell, where to keep its work."""

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
