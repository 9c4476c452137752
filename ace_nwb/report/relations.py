"""Read how calcium and ephys relate: phase, coherence, averages around events, conditions."""

from collections.abc import Mapping

import numpy as np

from ace_nwb.nwb.content import coupling as stored
from ace_nwb.nwb.content.spectra import read_spectrogram
from ace_nwb.nwb.session import Session
from ace_nwb.report.content import Band, Course, Effects, Relations
from ace_nwb.signals.resampling import place_on_grid

WHOLE = "whole"
MAX_TRIGGERS = 4
MAX_CHANNELS = 3
Columns = Mapping[str, np.ndarray]


def read_relations(session: Session) -> Relations:
    """Return what the coupling stages wrote."""
    coherence = _read_coherence(session)
    return Relations(
        histograms=_read_histograms(session),
        coherence=coherence,
        course=_read_course(session, coherence),
        perievent=_read_perievent(session),
        effects=_read_effects(session),
    )


def _rows(columns: Columns, **wanted: str) -> Columns:
    """Return the rows in which every given column has the given value."""
    kept = np.ones(len(next(iter(columns.values()))), bool)
    for name, value in wanted.items():
        kept &= columns[name] == value
    return {name: values[kept] for name, values in columns.items()}


def _read_histograms(session: Session) -> tuple[Band, ...]:
    """Return the phases at events per channel, those that most ROIs are locked to first."""
    pairs = stored.read_result_table(session, stored.EVENT_PHASE_COUPLING)
    bins = stored.read_result_table(session, stored.PHASE_HISTOGRAM)
    if not pairs or not bins:
        return ()
    pairs = _rows(pairs, condition=WHOLE)
    bins = _rows(bins, condition=WHOLE, events=str(bins["events"][0]))
    found = []
    for channel in dict.fromkeys(bins["channel"].tolist()):
        rows = _rows(bins, channel=channel)
        q_value = _rows(pairs, channel=channel)["q_value"]
        n_locked = int(np.sum(q_value < 0.05))
        band = Band(
            channel,
            (rows["lower_phase"] + rows["upper_phase"]) / 2,
            rows["count"],
            rows["count"],
            rows["count"],
            rows["null_lower"],
            rows["null_upper"],
            note=f"{n_locked} of {np.isfinite(q_value).sum()} ROIs locked (q < 0.05)",
        )
        found.append((n_locked, band))
    found.sort(key=lambda pair: -pair[0])
    return tuple(band for _, band in found[:MAX_CHANNELS])


def _read_coherence(session: Session) -> tuple[Band, ...]:
    columns = stored.read_result_table(session, stored.MEAN_COHERENCE)
    if not columns:
        return ()
    columns = _rows(columns, condition=WHOLE)
    pairs = _rows(stored.read_result_table(session, stored.ROI_COHERENCE), condition=WHOLE)
    found = []
    for channel in dict.fromkeys(columns["channel"].tolist()):
        rows = _rows(columns, channel=channel)
        q_value = _rows(pairs, channel=channel)["q_value"]
        found.append(
            Band(
                channel,
                rows["frequency_hz"],
                rows["coherence"],
                rows["lower"],
                rows["upper"],
                np.zeros(len(rows["null_level"])),
                rows["null_level"],
                note=f"{np.sum(q_value < 0.05)} of {len(q_value)} ROIs (q < 0.05)",
            )
        )
    return tuple(found)


def _read_course(session: Session, coherence: tuple[Band, ...]) -> Course | None:
    """Return the coherogram of the channel that the mean trace is most coherent with."""
    if not coherence or not session.has(stored.COHEROGRAM):
        return None
    excess = [float(np.nanmax(band.values - band.null_upper)) for band in coherence]
    channel = int(np.argmax(excess))
    found = read_spectrogram(session, stored.COHEROGRAM)
    if channel >= found["power"].shape[1] or len(found["times_s"]) < 2:
        return None
    # Windows with a gap are not stored; in the picture they are left blank.
    grid = place_on_grid(found["power"][:, channel], found["times_s"])
    return Course(
        coherence[channel].name,
        grid.times_s,
        found["band_limits_hz"].mean(axis=1),
        grid.values,
    )


def _read_perievent(session: Session) -> tuple[Band, ...]:
    """Return the mean trace around the triggers, those with the clearest answer first."""
    columns = stored.read_result_table(session, stored.MEAN_PERIEVENT)
    if not columns:
        return ()
    columns = _rows(columns, signal="mean dF/F")
    bands = []
    for trigger in dict.fromkeys(columns["trigger"].tolist()):
        rows = _rows(columns, trigger=trigger)
        p_value = float(rows["p_value"][0])
        band = Band(
            trigger,
            rows["lag_s"],
            rows["mean"],
            rows["mean"] - rows["standard_error"],
            rows["mean"] + rows["standard_error"],
            rows["null_lower"],
            rows["null_upper"],
            note=f"{int(rows['n_events'].max())} events, p = {p_value:.2g}",
        )
        bands.append((p_value, band))
    bands.sort(key=lambda pair: pair[0])
    return tuple(band for _, band in bands[:MAX_TRIGGERS])


def _read_effects(session: Session) -> tuple[Effects, ...]:
    """Return the effects between the first two conditions, one part per measure of ROIs."""
    columns = stored.read_result_table(session, stored.COMPARISON)
    if not columns:
        return ()
    first, second = str(columns["first"][0]), str(columns["second"][0])
    found = []
    for measure in dict.fromkeys(columns["measure"].tolist()):
        rows = _rows(columns, measure=measure, first=first, second=second)
        found.append(
            Effects(
                measure,
                first,
                second,
                rows["subject"],
                rows["effect_size"],
                rows["effect_lower"],
                rows["effect_upper"],
                rows["q_value"],
            )
        )
    return tuple(found)
