"""Spectrograms in a session file."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ace_nwb.nwb import classes, layout
from ace_nwb.nwb.content.series import compressed, read_times, time_arguments
from ace_nwb.nwb.layout import module_and_name
from ace_nwb.nwb.objects.columns import build_column
from ace_nwb.nwb.session import Session, SessionWriter


@dataclass(frozen=True)
class BandPower:
    """Power over time and frequency.

    Parameters
    ----------
    power
        Linear power density, shape (window, channel, band).
    band_limits_hz
        Lower and upper limit of each band, shape (band, 2).
    unit, description
        Of the values.
    source
        Path of the series that was analysed.
    source_rois
        Rows of the ROI table that the channels are, if they are ROIs.
    metric
        What the values are.
    """

    power: np.ndarray
    band_limits_hz: np.ndarray
    unit: str
    description: str
    source: str | None = None
    source_rois: np.ndarray | None = None
    metric: str = "power"


def write_spectrogram(writer: SessionWriter, path: str, found: BandPower, **times: Any) -> str:
    """Write power over time and frequency, replacing the series of that path.

    Parameters
    ----------
    writer
        The session.
    path
        "/processing/spectral/<name>".
    found
        The values.
    **times
        `rate_hz` and `start_s` (centre of the first window), or `timestamps`.

    Returns
    -------
        The path.
    """
    writer.remove([path])
    module, name = module_and_name(path)
    region = None
    if found.source_rois is not None:
        region = classes.DynamicTableRegion(
            name="source_channels",
            description="The ROIs analysed.",
            data=np.asarray(found.source_rois, np.int64),
            table=writer.get(layout.PLANE_SEGMENTATION),
        )
    series = classes.DecompositionSeries(
        name=name,
        data=compressed(np.asarray(found.power, np.float32)),
        metric=found.metric,
        unit=found.unit,
        description=found.description,
        bands=_bands(found.band_limits_hz),
        source_timeseries=writer.get(found.source) if found.source else None,
        source_channels=region,
        **time_arguments(writer, **times),
    )
    writer.module(module).add(series)
    return path


def read_spectrogram(session: Session, path: str) -> dict[str, np.ndarray]:
    """Return `power` (window, channel, band), `band_limits_hz` (band, 2), `times_s` (window,)."""
    series = session.get(path)
    power = np.asarray(series.data[:])
    limits = np.asarray(series.bands["band_limits"].data[:])
    return {"power": power, "band_limits_hz": limits, "times_s": read_times(series)}


def _bands(limits_hz: np.ndarray) -> "classes.FrequencyBandsTable":
    """Build the table of frequency bands."""
    limits = np.asarray(limits_hz, np.float64)
    columns = {
        "band_name": ("Band.", [f"{low:g}-{high:g} Hz" for low, high in limits]),
        "band_limits": ("Lower and upper limit, Hz.", limits),
        "band_mean": ("Centre, Hz.", limits.mean(axis=1)),
        "band_stdev": ("Standard deviation of a flat band, Hz.", np.ptp(limits, axis=1) / 12**0.5),
    }
    built = [build_column(name, text, values) for name, (text, values) in columns.items()]
    return classes.FrequencyBandsTable(columns=built, id=np.arange(len(limits)))
