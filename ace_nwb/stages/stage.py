"""The contract of a stage: what the table says of it, and what its parameters share."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ace_nwb.nwb.results import produced_by


class StageParams(BaseModel):
    """Parameters of one stage: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


Rois = Literal["accepted", "all"]
ROIS = "Which ROIs are analysed."
CHANNELS = "Ephys channels analysed, with commas between; all if not given."
SEED = "Seed of the random numbers."


@dataclass(frozen=True)
class Stage:
    """One processing step on a session file.

    Parameters
    ----------
    name
        Name on the command line and in the history.
    params
        Type of its parameters.
    requires
        Stages that must have been run before.
    uses
        Stages whose results are used where they exist.
    revision
        Raised when results change though parameters do not.
    writes_in_place
        Whether its products are columns of a table that another stage or the conversion wrote.
    on_request
        Whether it runs only when it is asked for: its question is not everybody's.
    reads_movie
        Whether it reads the movie itself: others need traces and the times of frames.
    decisions
        What it reads of the decisions of reviewers.
    module
        Import path of its code; the module of its name in `ace_nwb.stages` if empty.
    writes
        Paths in the file that it writes, of a stage that comes from another package; those of
        ours stand in `nwb/results.py`.
    """

    name: str
    params: type[StageParams]
    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    revision: int = 1
    writes_in_place: bool = False
    on_request: bool = False
    reads_movie: bool = False
    decisions: tuple[str, ...] = ()
    module: str = ""
    writes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One sentence: what the stage does."""
        return (self.params.__doc__ or "").splitlines()[0]

    @property
    def produces(self) -> tuple[str, ...]:
        """Paths in the file that it writes; `*` matches within a name."""
        return self.writes or produced_by(self.name)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every stage that this one reads from."""
        return self.requires + self.uses

    def load(self) -> ModuleType:
        """Import the module with `compute` and `write`."""
        return import_module(self.module or f"ace_nwb.stages.{self.name.replace('-', '_')}")
