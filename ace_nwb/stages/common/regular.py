"""Traces and ephys channels on regular times, as filters and spectra need them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from ace_nwb.nwb.content.artifacts import read_artifacts
from ace_nwb.nwb.content.ephys import NOT_ANALYSED, EphysSeries, list_analysed
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import Session
from ace_nwb.signals.artefacts import TreatedSamples
from ace_nwb.signals.filters import BandFilter
from ace_nwb.signals.resampling import RegularGrid, decimate, place_on_grid

Treatment = Literal["none", "missing", "interpolate", "hann"]
MAX_FILL_FRAMES = 2
"""Frames lost in a row that are bridged by a straight line; longer gaps stay gaps."""

SHOWN = 3
"""Stretches that a remark names of many that are alike."""


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
    kinds
        What each channel holds, as `EphysSeries` says it; empty if nothing is known.
    """

    name: str
    path: str
    channel_names: tuple[str, ...]
    values: np.ndarray
    start_s: float
    rate_hz: float
    kinds: tuple[str, ...] = ()

    @property
    def times_s(self) -> np.ndarray:
        """Times of the samples, session clock, seconds."""
        return self.start_s + np.arange(len(self.values)) / self.rate_hz

    @property
    def analysed(self) -> tuple[str, ...]:
        """Channels that hold field potentials, as far as is known."""
        kinds = self.kinds or ("",) * len(self.channel_names)
        return tuple(
            name
            for name, kind in zip(self.channel_names, kinds, strict=True)
            if kind not in NOT_ANALYSED
        )

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
    return place_on_grid(values, FrameTimes(session).timestamps, max_fill_samples=MAX_FILL_FRAMES)


def read_slow_ephys(
    session: Session,
    *,
    max_frequency_hz: float,
    skip: Callable[[str], None],
    treatment: Treatment = "none",
    taper_samples: int = 0,
) -> list[RegularSignal]:
    """Read every gap-free series of field potentials, decimated without aliasing.

    Parameters
    ----------
    max_frequency_hz
        Highest frequency of interest; nothing aliases below it, and at least ten samples per
        period are kept where there are.
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
    recorded, left_out = list_analysed(session)
    for remark in left_out:
        skip(remark)
    too_short = []
    for series in recorded:
        if not series.is_regular:
            skip(f"{series.name} has irregular time stamps and is left out.")
            continue
        factor = max(1, int(series.rate_hz // (10 * max_frequency_hz)))
        if series.n_samples <= 40 * factor:
            too_short.append(series)
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
                kinds=series.kinds,
            )
        )
    if too_short:
        skip(_describe_short(too_short))
    return signals


def _describe_short(series: list[EphysSeries]) -> str:
    """Say which stretches are too short; a recording in pieces has thousands."""
    named = ", ".join(
        f"{one.name} lasts only {one.n_samples / one.rate_hz:.3g} s" for one in series[:SHOWN]
    )
    others = f" ({len(series)} such stretches)" if len(series) > SHOWN else ""
    return f"{named}{others}: too short, left out."


def _drop(values: np.ndarray, spoilt: list[np.ndarray], *, factor: int) -> None:
    """Put NaN wherever an artefact lies on or beside a sample that was kept."""
    for channel, artefacts in enumerate(spoilt):
        for start, stop in artefacts:
            values[start // factor : -(-(stop - 1) // factor) + 1, channel] = np.nan


def describe_edges(band: BandFilter, rate_hz: float, *, is_masked: bool) -> list[str]:
    """Return the remark on samples that are left out beside ends and gaps."""
    if not is_masked:
        return []
    edge_s = band.edge_samples / rate_hz
    return [f"{edge_s:.3g} s beside ends and gaps are left out, where the filter has not settled"]


def hilbert_edge(session: Session, stage: str, rate_hz: float) -> int:
    """Return how many samples beside an end of a filtered run have no phase to be trusted.

    One period of the lower edge of the band, in which the phase is up to 2 rad off at the end and
    .1 rad (95 % of noise) behind it; none if the filter's own edges were kept.
    """
    run = current_runs(session).get(stage)
    chosen = {one.name: str(one.value) for one in run.parameters} if run else {}
    if chosen.get("mask_edges", "").lower() != "true":
        return 0
    return int(np.ceil(rate_hz / float(chosen["low_hz"])))
