"""The contract of a source-extraction engine: a movie goes in, a segmentation comes out."""

from dataclasses import dataclass
from typing import Any, Protocol

from ace_nwb.imaging.checkpoint import NO_CHECKPOINT, Checkpoint
from ace_nwb.imaging.movie import Movie, ProgressCallback
from ace_nwb.imaging.segmentation import Segmentation

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


class Engine(Protocol):
    """A function that finds neurons in a movie.

    Engines take their scientific parameters as required keyword arguments, named as in
    `ace_nwb.stages.settings.params`; the same movie and parameters give the same result for any
    settings. A parameter named `<engine>_<name>` there belongs to that engine alone, which gets it
    as `<name>`. An engine that judges its ROIs itself returns the metrics `engine_snr`,
    `engine_r_value` and `engine_accepted`; versions of other programs go into `software`.
    """

    def __call__(
        self,
        movie: Movie,
        *,
        settings: EngineSettings,
        progress: ProgressCallback,
        **parameters: Any,
    ) -> Segmentation:
        """Return the neurons of `movie` (motion corrected, debleached, cropped)."""
        ...
