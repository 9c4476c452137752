"""What a stage is given beside its parameters: how to run, and whom to tell."""

from dataclasses import dataclass, field

from ace_nwb.engines.base import EngineSettings
from ace_nwb.imaging.movie import ProgressCallback, no_progress


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
    """

    settings: EngineSettings = field(default_factory=EngineSettings)
    progress: ProgressCallback = no_progress
    remarks: list[str] = field(default_factory=list)
