"""Spectrograms in a session file."""

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import read_times, write_series
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.objects.writing import (
    create_column,
    create_data,
    create_table,
    link_target,
    region,
)
from ace_nwb.nwb.reading import Session


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
    about = {"unit": found.unit, "description": found.description}
    power = np.asarray(found.power, np.float32)
    write_series(writer, path, power, kind="DecompositionSeries", **about, **times)
    series = writer.h5[path]
    create_data(series, "metric", found.metric)
    text = "Table for describing the bands that DecompositionSeries was generated from."
    bands = _bands(np.asarray(found.band_limits_hz, np.float64))
    create_table(series, "bands", text, bands, kind="FrequencyBandsTable")
    if found.source:
        series["source_timeseries"] = h5py.SoftLink(link_target(writer.h5, found.source))
    if found.source_rois is not None:
        rows = region(writer.node(layout.PLANE_SEGMENTATION), found.source_rois)
        create_column(series, "source_channels", "The ROIs analysed.", rows)
    return path


def read_spectrogram(session: Session, path: str) -> dict[str, np.ndarray]:
    """Return `power` (window, channel, band), `band_limits_hz` (band, 2), `times_s` (window,)."""
    series = session.get(path)
    power = np.asarray(series.data[:])
    limits = np.asarray(series.bands["band_limits"].data[:])
    return {"power": power, "band_limits_hz": limits, "times_s": read_times(series)}


def _bands(limits_hz: np.ndarray) -> Columns:
    """Return the columns of the table of frequency bands."""
    deviations_hz = np.ptp(limits_hz, axis=1) / 12**0.5  # of a flat distribution
    return {
        "band_name": ("Band.", [f"{low:g}-{high:g} Hz" for low, high in limits_hz]),
        "band_limits": ("Lower and upper limit, Hz.", limits_hz),
        "band_mean": ("Centre, Hz.", limits_hz.mean(axis=1)),
        "band_stdev": ("Standard deviation of a flat band, Hz.", deviations_hz),
    }
