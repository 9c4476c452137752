"""The contract of a source-extraction engine: a movie goes in, a segmentation comes out.

An engine is a function `extract(movie, *, settings, progress, **parameters)` that returns a
`Segmentation`; `movie` is motion corrected, debleached and cropped. It takes its scientific
parameters as required keyword arguments, named as in `ace_nwb.stages.settings.params`; the same
movie and parameters give the same result for any settings. A parameter named `<engine>_<name>`
there belongs to that engine alone, which gets it as `<name>`. An engine that judges its ROIs itself
returns the metrics `engine_snr`, `engine_r_value` and `engine_accepted`; versions of other programs
go into `software`.
"""

from dataclasses import dataclass

from ace_nwb.imaging.checkpoint import NO_CHECKPOINT, Checkpoint

IMPORTED = "imported"
"""Stands in the history for an engine where another program's ROIs were taken over."""


@dataclass(frozen=True)
class EngineSettings:
    """How an engine runs; nothing here may change its result.

    Parameters
    ----------
    workers
        Number of threads.
    max_memory_bytes
        Memory the engine may use beside the interpreter.
    checkpoint
        Where the engine may keep what it has so far, and finds it after an interruption.
    caiman_python
        The Python (path, environment folder, or name of a conda environment) with CaImAn; None
        looks for one.
    """

    workers: int = 1
    max_memory_bytes: int = 4 * 2**30
    checkpoint: Checkpoint = NO_CHECKPOINT
    caiman_python: str | None = None
