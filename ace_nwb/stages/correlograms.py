"""Stage correlograms: lags between calcium events, of a ROI with itself, all others, and pairs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.perievent import compute_correlogram, compute_correlogram_test
from ace_nwb.signals.runs import find_breaks
from ace_nwb.signals.surrogates import control_false_discoveries
from ace_nwb.stages.common.channels import choose_rois, read_event_times
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import CorrelogramsParams

_COLUMNS = {
    "roi": "The ROI at whose events lag zero is.",
    "partner": "Whose events are counted: itself, all others, or another ROI.",
    "partner_roi": "The other ROI, for a pair; else the ROI itself.",
    "events": "The table of calcium events.",
    "n_events": "Events of the ROI.",
    "n_partner_events": "Events of the partner.",
    "peak_lag_s": "Lag of the bin that is farthest from chance.",
    "p_value": "Probability of such an excursion in any bin, by circular shifts.",
    "q_value": "p corrected for the number of rows of that kind (false discovery rate).",
    "lags_s": "Centres of the bins, positive if the partner's event is later.",
    "counts": "Pairs of events per bin.",
    "null_lower": "Lower limit of the band that circular shifts keep to (95 %).",
    "null_upper": "Upper limit of that band.",
}


@dataclass(frozen=True)
class _Pair:
    """Two trains of events and what they are."""

    roi: int
    partner: str
    partner_roi: int
    first_s: np.ndarray
    second_s: np.ndarray


def compute(
    session: Session, params: CorrelogramsParams, context: StageContext
) -> list[ResultRows]:
    """Count the lags of every ROI with enough events."""
    rois = choose_rois(session, params.rois)
    intervals_s = _recorded(FrameTimes(session).timestamps)
    table = ResultRows(
        layout.EVENT_CORRELOGRAMS,
        "Lags between calcium events: one row per ROI and partner. A row with itself has no test.",
        _COLUMNS,
    )
    for name, (times_s, owners) in read_event_times(session).items():
        trains = {int(roi): np.sort(times_s[owners == roi]) for roi in rois}
        pairs = list(_list_pairs(trains, params))
        rows = []
        for number, pair in enumerate(pairs, start=1):
            rows.append(_count(pair, params, intervals_s=intervals_s))
            context.progress(number, len(pairs))
        _add_rows(table, pairs, rows, name=name)
    n_left_out = len(rois) - len({*table.columns()["roi"][1].tolist()})
    if n_left_out:
        context.remarks.append(
            f"{n_left_out} of {len(rois)} ROIs have fewer than {params.min_events} events"
        )
    return [table]


def write(writer: SessionWriter, result: list[ResultRows]) -> None:
    """Write the table."""
    write_rows(writer, result)


def _recorded(times_s: np.ndarray) -> np.ndarray:
    """Return the gap-free spans of the frames, shape (interval, 2), seconds."""
    edges = np.concatenate([[0], find_breaks(times_s, tolerance=20.0), [len(times_s)]])
    # Events may lie half a frame before the first one.
    half_s = float(np.median(np.diff(times_s))) / 2
    return np.column_stack([times_s[edges[:-1]] - half_s, times_s[edges[1:] - 1] + half_s])


def _list_pairs(trains: dict[int, np.ndarray], params: CorrelogramsParams) -> Iterator[_Pair]:
    """Yield every ROI with itself, with all others, and with every later ROI."""
    busy = [roi for roi, train in trains.items() if len(train) >= params.min_events]
    for roi in busy:
        others = [train for other, train in trains.items() if other != roi]
        yield _Pair(roi, "itself", roi, trains[roi], trains[roi])
        if sum(map(len, others)) >= params.min_events:
            yield _Pair(roi, "all others", roi, trains[roi], np.sort(np.concatenate(others)))
        if params.pairs:
            for other in busy[busy.index(roi) + 1 :]:
                yield _Pair(roi, "another ROI", other, trains[roi], trains[other])


def _count(
    pair: _Pair, params: CorrelogramsParams, *, intervals_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return lags, counts, null band (2, bin) and p of one pair; no test of a ROI with itself."""
    if pair.partner == "itself":
        lags_s, counts = compute_correlogram(
            pair.first_s, pair.second_s, bin_s=params.bin_s, max_lag_s=params.max_lag_s
        )
        return lags_s, counts, np.full((2, len(counts)), np.nan), float("nan")
    return compute_correlogram_test(
        pair.first_s,
        pair.second_s,
        grid=(params.bin_s, params.max_lag_s),
        intervals_s=intervals_s,
        n_surrogates=params.n_surrogates,
        seed=params.seed,
    )


def _add_rows(
    table: ResultRows,
    pairs: list[_Pair],
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]],
    *,
    name: str,
) -> None:
    """Add the rows; p is corrected among rows of one kind."""
    p_value = np.array([row[3] for row in rows])
    kinds = np.array([pair.partner for pair in pairs])
    q_value = np.full(len(rows), np.nan)
    for kind in np.unique(kinds):
        q_value[kinds == kind] = control_false_discoveries(p_value[kinds == kind])
    for pair, (lags_s, counts, band, p), q in zip(pairs, rows, q_value, strict=True):
        centre, reach = band.mean(axis=0), np.ptp(band, axis=0) / 2
        excess = np.abs(counts - centre) / np.where(reach > 0, reach, np.inf)
        table.add(
            roi=pair.roi,
            partner=pair.partner,
            partner_roi=pair.partner_roi,
            events=name,
            n_events=len(pair.first_s),
            n_partner_events=len(pair.second_s),
            peak_lag_s=lags_s[int(np.argmax(excess))] if np.isfinite(p) else np.nan,
            p_value=p,
            q_value=q,
            lags_s=lags_s,
            counts=counts,
            null_lower=band[0],
            null_upper=band[1],
        )
