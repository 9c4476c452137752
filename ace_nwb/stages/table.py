"""Every stage: its parameters, what it needs, what it writes.

From this table follow the order of a run, the command line, the pipeline schema and staleness.
The code of a stage is the module of the same name (`-` becomes `_`):
`compute(session, params, context)` reads and calculates, `write(writer, result)` stores. Stages
of other packages (entry points `ace_nwb.stages`) come after ours.
"""

import warnings

from ace_nwb.errors import AceNwbWarning, UnknownNameError
from ace_nwb.registry import STAGES as REGISTERED
from ace_nwb.stages.settings import params as p
from ace_nwb.stages.stage import Stage

GROUPS = "merges and splits"
VERDICTS = "verdicts"
"""What stages read of the decisions of reviewers, as named among the inputs in the history."""

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "sync",
            p.SyncParams,
            revision=14,  # clocks are seen behind bursts; coarse ones put no press too late
        ),
        Stage(
            "preprocess",
            p.PreprocessParams,
            revision=3,  # frames that show nothing are left out
            reads_movie=True,
        ),
        Stage(
            "motion",
            p.MotionParams,
            uses=("preprocess",),
            revision=6,  # bent fields by fine structure, tissue settled with its shifts
            reads_movie=True,
        ),
        Stage(
            "summary",
            p.SummaryParams,
            uses=("preprocess", "motion"),
            reads_movie=True,
        ),
        Stage(
            "extract",
            p.ExtractParams,
            uses=("preprocess", "motion"),
            revision=7,  # one neuron at two places is one
            reads_movie=True,
        ),
        Stage(
            "regroup",
            p.RegroupParams,
            requires=("extract",),
            uses=("preprocess", "motion"),
            decisions=(GROUPS,),
            writes_in_place=True,
            reads_movie=True,
        ),
        Stage(
            "evaluate",
            p.EvaluateParams,
            requires=("extract",),
            revision=7,  # light that covers more than cells do
            uses=("regroup",),
            writes_in_place=True,
            reads_movie=True,
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
            revision=5,  # peaks stand out of what is around them; noise of any colour
            uses=("sync",),
        ),
        Stage(
            "ephys-artifacts",
            p.EphysArtifactsParams,
            revision=3,  # field potentials only: DC, auxiliary and EMG by name; edges masked
        ),
        Stage(
            "ephys-filter",
            p.EphysFilterParams,
            revision=3,  # field potentials only: DC, auxiliary and EMG by name; edges masked
            uses=("ephys-artifacts",),
        ),
        Stage(
            "filter",
            p.FilterParams,
            requires=("dff",),
            uses=("sync",),
            revision=2,  # edges masked
        ),
        Stage(
            "phase",
            p.PhaseParams,
            requires=("filter",),
            uses=("ephys-filter", "events", "sync"),
            revision=2,  # a period beside ends and gaps masked
        ),
        Stage(
            "spectrogram",
            p.SpectrogramParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "sync"),
            revision=3,  # as fine as the windows resolve, however few they are
        ),
        Stage(
            "flash-check",
            p.FlashCheckParams,
            requires=("sync",),
            uses=("preprocess",),
            on_request=True,
            reads_movie=True,
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
            revision=2,  # a ROI without dF/F is left out
        ),
        Stage(
            "coherence",
            p.CoherenceParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "conditions", "sync"),
            revision=4,  # the coherogram as fine as its windows resolve
            on_request=True,
        ),
        Stage(
            "correlation",
            p.CorrelationParams,
            requires=("dff",),
            uses=("evaluate", "curate", "ephys-artifacts", "ephys-filter", "conditions", "sync"),
            revision=4,  # a ROI without dF/F is left out
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
            revision=2,  # a ROI without dF/F is left out
        ),
        Stage(
            "compare",
            p.CompareParams,
            requires=("events",),
            uses=("evaluate", "curate", "ephys-filter", "conditions"),
            revision=3,  # blocks long against the memory; drifts are declined
            on_request=True,
        ),
        Stage(
            "register-sessions",
            p.RegisterSessionsParams,
            requires=("extract",),
            uses=("evaluate",),
            revision=2,  # foreign fields decide whether cells are shared; calibrated links
            on_request=True,
        ),
    )
}


def _plugged() -> dict[str, Stage]:
    """Return the stages of other packages; what cannot be used is told and left out."""
    found: dict[str, Stage] = {}
    for name in REGISTERED.names():
        try:
            found[name] = _checked(name, REGISTERED.load(name), set(STAGES) | set(found))
        except Exception as error:  # another package's code; ours must run all the same
            warnings.warn(
                AceNwbWarning(f"The stage {name} of another package is left out: {error}"),
                stacklevel=1,
            )
    return found


def _checked(name: str, stage: object, known: set[str]) -> Stage:
    """Return a stage as it was registered, if it can take part."""
    if not isinstance(stage, Stage) or stage.name != name or name in known:
        raise TypeError(f"a new Stage of the name {name!r} was expected, not {stage!r}")
    missing = sorted(set(stage.inputs) - known)
    if missing or not stage.module or not stage.writes:
        raise ValueError(
            f"module and writes were expected, and inputs among the stages before it "
            f"({', '.join(missing) or 'these are'} unknown)"
        )
    return stage


STAGES |= _plugged()


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
