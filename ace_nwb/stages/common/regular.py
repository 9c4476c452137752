"""Traces and ephys channels on regular times, as filters and spectra need them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from ace_nwb.nwb.content.artifacts import read_artifacts
from ace_nwb.nwb.content.ephys import EphysSeries, list_ephys
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import Session
from ace_nwb.signals.artefacts import TreatedSamples
from ace_nwb.signals.resampling import RegularGrid, decimate, place_on_grid

Treatment = Literal["none", "missing", "interpolate", "hann"]
MAX_FILL_FRAMES = 2
"""Frames lost in a row that are bridged by a straight line; longer gaps stay gaps."""


@dataclass(frozen=True)
class RegularSignal:
    """Evenly spaced samples of one gap-free stretch of ephys channels.

    Parameters
    ----------
    name
        Name of the series in the file, without "ElectricalSeries".
    path
        Path of the series.
    channel_names
        As the source calls them.
    values
        Shape (sample, channel), volts unless replaced.
    start_s, rate_hz
        Time of the first sample, session clock, seconds, and samples per second.
    """

    name: str
    path: str
    channel_names: tuple[str, ...]
    values: np.ndarray
    start_s: float
    rate_hz: float

    @property
    def times_s(self) -> np.ndarray:
        """Times of the samples, session clock, seconds."""
        return self.start_s + np.arange(len(self.values)) / self.rate_hz

    def with_values(self, values: np.ndarray) -> "RegularSignal":
        """Return the same stretch with other values."""
        return replace(self, values=values)


class LazySamples:
    """Samples of a series in volts times a scale, shape (sample, channel), read when sliced."""

    def __init__(self, series: EphysSeries, *, scale: float = 1.0):
        self.series = series
        self.scale = scale
        self.shape = (series.n_samples, len(series.channel_names))
        self.ndim = 2

    def __getitem__(self, samples: slice) -> np.ndarray:
        return self.series.read(samples.start, samples.stop) * self.scale


def describe_times(times_s: np.ndarray) -> dict[str, Any]:
    """Return times as rate and start where they are regular, as NWB wants, else one by one."""
    steps_s = np.diff(times_s)
    if len(steps_s) and np.ptp(steps_s) < 1e-6:
        return {"rate_hz": 1 / steps_s.mean(), "start_s": times_s[0]}
    return {"timestamps": times_s}


def frames_on_grid(session: Session, values: np.ndarray) -> RegularGrid:
    """Place one value per frame on regular times; frames lost become NaN or are bridged."""
    return place_on_grid(values, NwbMovie(session).timestamps, max_fill_samples=MAX_FILL_FRAMES)


def read_slow_ephys(
    session: Session,
    *,
    max_frequency_hz: float,
    skip: Callable[[str], None],
    treatment: Treatment = "none",
    taper_samples: int = 0,
) -> list[RegularSignal]:
    """Read every gap-free ephys series, decimated without aliasing for frequencies up to a limit.

    Parameters
    ----------
    max_frequency_hz
        Highest frequency of interest; at least ten samples per period are kept where there are.
    skip
        Told why a series is left out.
    treatment
        What becomes of artefacts that the file knows, before the rate is lowered. Those that
        become "missing" are bridged first, so that nothing of them leaks out, and then NaN.
    taper_samples
        Length of the Hann window for "hann", samples of the recording.
    """
    signals = []
    artefacts = read_artifacts(session) if treatment != "none" else {}
    for series in list_ephys(session):
        if not series.is_regular:
            skip(f"{series.name} has irregular time stamps and is left out.")
            continue
        factor = max(1, int(series.rate_hz // (10 * max_frequency_hz)))
        if series.n_samples <= 40 * factor:
            seconds = series.n_samples / series.rate_hz
            skip(f"{series.name} lasts only {seconds:.3g} s and is left out.")
            continue
        spoilt = [
            artefacts.get((series.path, name), np.zeros((0, 2), np.intp))
            for name in series.channel_names
        ]
        samples = TreatedSamples(
            cast(np.ndarray, LazySamples(series)),
            spoilt,
            treatment="hann" if treatment == "hann" else "interpolate",
            taper_samples=taper_samples,
        )
        values = decimate(cast(np.ndarray, samples), factor=factor)
        if treatment == "missing":
            _drop(values, spoilt, factor=factor)
        signals.append(
            RegularSignal(
                name=series.name.removeprefix("ElectricalSeries"),
                path=series.path,
                channel_names=series.channel_names,
                values=values,
                start_s=series.start_s,
                rate_hz=series.rate_hz / factor,
            )
        )
    return signals


def _drop(values: np.ndarray, spoilt: list[np.ndarray], *, factor: int) -> None:
    """Put NaN wherever an artefact lies on or beside a sample that was kept."""
    for channel, artefacts in enumerate(spoilt):
        for start, stop in artefacts:
            values[start // factor : -(-(stop - 1) // factor) + 1, channel] = np.nan
