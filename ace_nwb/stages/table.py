"""Every stage: its parameters, what it needs, what it writes.

From this table follow the order of a run, the command line, the pipeline schema and staleness.
The code of a stage is the module of the same name (`-` becomes `_`):
`compute(session, params, context)` reads and calculates, `write(writer, result)` stores.
"""

from dataclasses import dataclass
from types import ModuleType

from ace_nwb.errors import UnknownNameError
from ace_nwb.nwb.results import produced_by
from ace_nwb.registry import load_module
from ace_nwb.stages.settings import params as p


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
    decisions
        What it reads of the decisions of reviewers.
    """

    name: str
    params: type[p.StageParams]
    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    revision: int = 1
    writes_in_place: bool = False
    on_request: bool = False
    decisions: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One sentence: what the stage does."""
        return (self.params.__doc__ or "").splitlines()[0]

    @property
    def produces(self) -> tuple[str, ...]:
        """Paths in the file that it writes; `*` matches within a name."""
        return produced_by(self.name)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every stage that this one reads from."""
        return self.requires + self.uses

    def load(self) -> ModuleType:
        """Import the module with `compute` and `write`."""
        return load_module(f"ace_nwb.stages.{self.name.replace('-', '_')}")


GROUPS = "merges and splits"
VERDICTS = "verdicts"
"""What stages read of the decisions of reviewers, as named among the inputs in the history."""

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "sync",
            p.SyncParams,
            revision=8,  # unevenness weighed as a score test, bursts of late stamps as such
        ),
        Stage(
            "preprocess",
            p.PreprocessParams,
            revision=2,
        ),
        Stage(
            "motion",
            p.MotionParams,
            uses=("preprocess",),
            revision=5,
        ),
        Stage(
            "summary",
            p.SummaryParams,
            uses=("preprocess", "motion"),
        ),
        Stage(
            "extract",
            p.ExtractParams,
            uses=("preprocess", "motion"),
            revision=6,
        ),
        Stage(
            "regroup",
            p.RegroupParams,
            requires=("extract",),
            uses=("preprocess", "motion"),
            decisions=(GROUPS,),
            writes_in_place=True,
        ),
        Stage(
            "evaluate",
            p.EvaluateParams,
            requires=("extract",),
            revision=5,
            uses=("regroup",),
            writes_in_place=True,
        ),
        Stage(
            "curate",
            p.CurateParams,
            requires=("extract",),
            uses=("regroup", "evaluate"),
            decisions=(VERDICTS,),
            writes_in_place=True,
        ),
        Stage(
            "dff",
            p.DffParams,
            requires=("extract",),
            revision=3,
            uses=("regroup",),
        ),
        Stage(
            "deconvolve",
            p.DeconvolveParams,
            requires=("dff",),
            revision=3,
        ),
        Stage(
            "events",
            p.EventsParams,
            requires=("deconvolve",),
            revision=3,
            uses=("sync",),
        ),
        Stage(
            "ephys-artifacts",
            p.EphysArtifactsParams,
            revision=2,  # field potentials only: DC, auxiliary and EMG by name
        ),
        Stage(
            "ephys-filter",
            p.EphysFilterParams,
            revision=2,  # field potentials only: DC, auxiliary and EMG by name
            uses=("ephys-artifacts",),
        ),
        Stage(
            "filter",
            p.FilterParams,
            requires=("dff",),
            uses=("sync",),
        ),
        Stage(
            "phase",
            p.PhaseParams,
            requires=("filter",),
            uses=("ephys-filter", "events", "sync"),
        ),
        Stage(
            "spectrogram",
            p.SpectrogramParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "sync"),
            revision=2,  # field potentials only
        ),
        Stage(
            "flash-check",
            p.FlashCheckParams,
            requires=("sync",),
            uses=("preprocess",),
            on_request=True,
        ),
        Stage(
            "conditions",
            p.ConditionsParams,
            uses=("sync",),
            on_request=True,
        ),
        Stage(
            "bouts",
            p.BoutsParams,
            requires=("ephys-filter",),
            on_request=True,
        ),
        Stage(
            "coupling",
            p.CouplingParams,
            requires=("events", "phase"),
            uses=("evaluate", "curate", "conditions"),
        ),
        Stage(
            "coherence",
            p.CoherenceParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "conditions", "sync"),
            revision=3,  # field potentials only
            on_request=True,
        ),
        Stage(
            "correlation",
            p.CorrelationParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "ephys-filter", "conditions", "sync"),
            revision=2,  # field potentials only
            on_request=True,
        ),
        Stage(
            "correlograms",
            p.CorrelogramsParams,
            requires=("events",),
            uses=("evaluate", "curate"),
            on_request=True,
        ),
        Stage(
            "perievent",
            p.PerieventParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-filter", "bouts", "sync"),
            on_request=True,
        ),
        Stage(
            "compare",
            p.CompareParams,
            requires=("events",),
            uses=("evaluate", "curate", "ephys-filter", "conditions"),
            revision=2,
            on_request=True,
        ),
        Stage(
            "register-sessions",
            p.RegisterSessionsParams,
            requires=("extract",),
            uses=("evaluate",),
            on_request=True,
        ),
    )
}


def find_stage(name: str) -> Stage:
    """Return the stage of that name.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the known ones.
    """
    if name not in STAGES:
        raise UnknownNameError.among("stage", name, STAGES)
    return STAGES[name]
