"""Every stage: its parameters, what it needs, what it writes.

From this table follow the order of a run, the command line, the pipeline schema and staleness.
The code of a stage is the module of the same name (`-` becomes `_`):
`compute(session, params, context)` reads and calculates, `write(writer, result)` stores.
"""

from dataclasses import dataclass
from types import ModuleType

from ace_nwb.errors import UnknownNameError
from ace_nwb.nwb.layout import CALCIUM_EVENTS
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
    produces
        Paths in the file that it writes; `*` matches within a name.
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
    produces: tuple[str, ...]
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
    def inputs(self) -> tuple[str, ...]:
        """Every stage that this one reads from."""
        return self.requires + self.uses

    def load(self) -> ModuleType:
        """Import the module with `compute` and `write`."""
        return load_module(f"ace_nwb.stages.{self.name.replace('-', '_')}")


GROUPS = "merges and splits"
VERDICTS = "verdicts"
"""What stages read of the decisions of reviewers, as named among the inputs in the history."""

_OPHYS = "/processing/ophys"
_ECEPHYS = "/processing/ecephys"
_COUPLING = "/processing/coupling"

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "sync",
            p.SyncParams,
            (
                "/processing/sync/ClockFit",
                "/processing/sync/LowConfidence",
                "/processing/sync/Corrections",
            ),
            revision=8,  # unevenness weighed as a score test, bursts of late stamps as such
        ),
        Stage(
            "preprocess",
            p.PreprocessParams,
            (
                f"{_OPHYS}/FieldOfView",
                f"{_OPHYS}/MeanFluorescence",
                f"{_OPHYS}/BleachingTrend",
            ),
            revision=2,
        ),
        Stage(
            "motion",
            p.MotionParams,
            (
                f"{_OPHYS}/MotionShifts",
                f"{_OPHYS}/MotionDeviations",
                f"{_OPHYS}/MotionQuality",
            ),
            uses=("preprocess",),
            revision=5,
        ),
        Stage(
            "summary",
            p.SummaryParams,
            (f"{_OPHYS}/SegmentationImages",),
            uses=("preprocess", "motion"),
        ),
        Stage(
            "extract",
            p.ExtractParams,
            (
                f"{_OPHYS}/ImageSegmentation",
                f"{_OPHYS}/Fluorescence",
                f"{_OPHYS}/BackgroundModel",
                f"{_OPHYS}/BackgroundImages",
                f"{_OPHYS}/Seeds",
                f"{_OPHYS}/ImageSegmentation_extracted",
                f"{_OPHYS}/Fluorescence_extracted",
                f"{_OPHYS}/CurationDecisions",
            ),
            uses=("preprocess", "motion"),
            revision=6,
        ),
        Stage(
            "regroup",
            p.RegroupParams,
            (f"{_OPHYS}/ImageSegmentation/PlaneSegmentation/made_from",),
            requires=("extract",),
            uses=("preprocess", "motion"),
            decisions=(GROUPS,),
            writes_in_place=True,
        ),
        Stage(
            "evaluate",
            p.EvaluateParams,
            tuple(
                f"{_OPHYS}/ImageSegmentation/PlaneSegmentation/{column}"
                for column in (
                    "snr",
                    "r_value",
                    "compactness",
                    "asymmetry",
                    "duplicate_score",
                    "surround",
                    "sharpness",
                    "cell_probability",
                    "accepted",
                    "Accepted",
                )
            ),
            requires=("extract",),
            revision=5,
            uses=("regroup",),
            writes_in_place=True,
        ),
        Stage(
            "curate",
            p.CurateParams,
            tuple(
                f"{_OPHYS}/ImageSegmentation/PlaneSegmentation/{column}"
                for column in ("decision", "reviewer", "decided_at", "reason")
            ),
            requires=("extract",),
            uses=("regroup", "evaluate"),
            decisions=(VERDICTS,),
            writes_in_place=True,
        ),
        Stage(
            "dff",
            p.DffParams,
            (f"{_OPHYS}/DfOverF",),
            requires=("extract",),
            revision=3,
            uses=("regroup",),
        ),
        Stage(
            "deconvolve",
            p.DeconvolveParams,
            (f"{_OPHYS}/Deconvolution",),
            requires=("dff",),
            revision=3,
        ),
        Stage(
            "events",
            p.EventsParams,
            (CALCIUM_EVENTS,),
            requires=("deconvolve",),
            revision=3,
            uses=("sync",),
        ),
        Stage("ephys-artifacts", p.EphysArtifactsParams, (f"{_ECEPHYS}/EphysArtifacts",)),
        Stage(
            "ephys-filter",
            p.EphysFilterParams,
            (f"{_ECEPHYS}/EphysFiltered*",),
            uses=("ephys-artifacts",),
        ),
        Stage(
            "filter",
            p.FilterParams,
            ("/processing/phase/CalciumFiltered",),
            requires=("dff",),
            uses=("sync",),
        ),
        Stage(
            "phase",
            p.PhaseParams,
            (
                "/processing/phase/CalciumPhase",
                "/processing/phase/CalciumAmplitude",
                "/processing/phase/EphysPhase*",
                "/processing/phase/EphysAmplitude*",
                "/processing/phase/EventPhase",
            ),
            requires=("filter",),
            uses=("ephys-filter", "events", "sync"),
        ),
        Stage(
            "spectrogram",
            p.SpectrogramParams,
            ("/processing/spectral/*",),
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "sync"),
        ),
        Stage(
            "flash-check",
            p.FlashCheckParams,
            ("/processing/sync/FlashCheck",),
            requires=("sync",),
            uses=("preprocess",),
            on_request=True,
        ),
        Stage(
            "conditions",
            p.ConditionsParams,
            ("/intervals/Conditions",),
            uses=("sync",),
            on_request=True,
        ),
        Stage(
            "bouts",
            p.BoutsParams,
            (f"{_ECEPHYS}/OscillationBouts",),
            requires=("ephys-filter",),
            on_request=True,
        ),
        Stage(
            "coupling",
            p.CouplingParams,
            (
                f"{_COUPLING}/EventPhaseCoupling",
                f"{_COUPLING}/TracePhaseCoupling",
                f"{_COUPLING}/PhaseHistogram",
            ),
            requires=("events", "phase"),
            uses=("evaluate", "curate", "conditions"),
        ),
        Stage(
            "coherence",
            p.CoherenceParams,
            (
                f"{_COUPLING}/RoiCoherence",
                f"{_COUPLING}/MeanCoherence",
                f"{_COUPLING}/Coherogram",
            ),
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "conditions", "sync"),
            revision=2,
            on_request=True,
        ),
        Stage(
            "correlation",
            p.CorrelationParams,
            (f"{_COUPLING}/RoiCorrelation", f"{_COUPLING}/MeanCorrelation"),
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "ephys-filter", "conditions", "sync"),
            on_request=True,
        ),
        Stage(
            "correlograms",
            p.CorrelogramsParams,
            (f"{_COUPLING}/EventCorrelograms",),
            requires=("events",),
            uses=("evaluate", "curate"),
            on_request=True,
        ),
        Stage(
            "perievent",
            p.PerieventParams,
            (f"{_COUPLING}/RoiPerievent", f"{_COUPLING}/MeanPerievent"),
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-filter", "bouts", "sync"),
            on_request=True,
        ),
        Stage(
            "compare",
            p.CompareParams,
            (f"{_COUPLING}/ConditionComparison",),
            requires=("events",),
            uses=("evaluate", "curate", "ephys-filter", "conditions"),
            revision=2,
            on_request=True,
        ),
        Stage(
            "register-sessions",
            p.RegisterSessionsParams,
            (
                f"{_OPHYS}/SessionRegistration",
                f"{_OPHYS}/SessionMatches",
                f"{_OPHYS}/SessionAlignment",
                f"{_OPHYS}/SessionDisplacement",
            ),
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
