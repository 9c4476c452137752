"""Relations between calcium and ephys, written to a session file and compared with the truth."""

import h5py
import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.archive import validate
from ace_nwb.engines.base import EngineSettings
from ace_nwb.errors import ParameterError, UnknownNameError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content import coupling as stored
from ace_nwb.nwb.content.conditions import read_conditions
from ace_nwb.nwb.content.spectra import read_spectrogram
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common import doubt
from ace_nwb.stages.conditions import parse_windows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.table import find_stage
from tests.fixtures.coupled_sessions import (
    CHOSEN,
    FIRST,
    FOLLOWER,
    FOLLOWS_BY_S,
    LOCKED,
    RESPONDER,
    RESPONDS_AFTER_S,
    run_stages,
    write_coupled_session,
)

RELATED = {*LOCKED, FOLLOWER}


@pytest.fixture(scope="module")
def uncoupled(tmp_path_factory):
    path = tmp_path_factory.mktemp("unrelated") / "session.nwb"
    write_coupled_session(path, is_coupled=False, seed=1)
    stages = (*FIRST, "coupling", "coherence", "correlation")
    run_stages(path, {stage: CHOSEN.get(stage, {}) for stage in stages})
    return path


def read_rows(path, table, **wanted):
    """Return the columns of the rows in which every given column has the given value."""
    with open_session(path) as session:
        columns = stored.read_result_table(session, table)
    kept = np.ones(len(next(iter(columns.values()))), bool)
    for name, value in wanted.items():
        kept &= columns[name] == value
    return {name: values[kept] for name, values in columns.items()}


def test_locked_rois_and_only_these_are_found_at_their_phases(related):
    rows = read_rows(related.path, layout.EVENT_PHASE_COUPLING, channel="CSC1", condition="whole")
    assert set(rows["roi"][rows["q_value"] < 0.05]) == set(LOCKED)  # a follower has no events
    for roi, phase in LOCKED.items():
        found = rows["preferred_phase"][rows["roi"] == roi]
        assert abs(np.angle(np.exp(1j * (found - phase)))) < 0.5  # half a frame is 0.16
    assert (rows["counts"].sum(axis=1) == rows["n_events"]).all()


def test_rows_refer_to_their_roi_and_electrode(related):
    with open_session(related.path) as session:
        table = session.get(layout.EVENT_PHASE_COUPLING)
        assert table["roi"].table.name == "PlaneSegmentation"
        electrodes = table["electrode"]
        names = np.asarray(electrodes.table["channel_name"].data[:])[electrodes.data[:]]
        assert (names == np.asarray(table["channel"].data[:])).all()


def test_an_unrelated_channel_has_no_locked_roi(related):
    rows = read_rows(related.path, layout.EVENT_PHASE_COUPLING, channel="CSC2", condition="whole")
    assert not (rows["q_value"] < 0.05).any()


@pytest.mark.parametrize(
    "table",
    [
        layout.EVENT_PHASE_COUPLING,
        layout.TRACE_PHASE_COUPLING,
        layout.ROI_COHERENCE,
        layout.ROI_CORRELATION,
    ],
)
def test_spikes_that_know_nothing_of_ephys_are_not_coupled(uncoupled, table):
    rows = read_rows(uncoupled, table)
    assert np.isfinite(rows["q_value"]).any()
    assert not (rows["q_value"] < 0.05).any()


def test_pooled_phases_leave_the_null_band_where_cells_are_locked(related, uncoupled):
    locked = read_rows(related.path, layout.PHASE_HISTOGRAM, channel="CSC1", condition="whole")
    free = read_rows(uncoupled, layout.PHASE_HISTOGRAM, channel="CSC1", condition="whole")
    assert locked["p_value"][0] < 0.05
    assert (locked["count"] > locked["null_upper"]).any()
    assert free["p_value"][0] > 0.05


def test_traces_depend_on_the_phase_they_follow(related):
    rows = read_rows(related.path, layout.TRACE_PHASE_COUPLING, channel="CSC1", condition="whole")
    assert set(rows["roi"][rows["q_value"] < 0.01]) == RELATED
    follows = rows["preferred_phase"][rows["roi"] == FOLLOWER][0]
    assert follows == pytest.approx(2 * np.pi * FOLLOWS_BY_S, abs=0.2)


def test_coherence_of_a_follower_stands_at_its_frequency_and_lag(related):
    rows = read_rows(related.path, layout.ROI_COHERENCE, channel="CSC1", condition="whole")
    at = rows["roi"] == FOLLOWER
    assert rows["q_value"][at] < 0.05
    assert rows["frequency_hz"][at] == pytest.approx(1.0, abs=0.3)
    lag_s = rows["phase"][at] / (2 * np.pi * rows["frequency_hz"][at])
    assert lag_s == pytest.approx(FOLLOWS_BY_S, abs=0.02)
    assert rows["lower"][at] < rows["coherence"][at] < rows["upper"][at]
    assert not (rows["q_value"][~np.isin(rows["roi"], list(RELATED))] < 0.01).any()


def test_coherence_of_the_mean_trace_is_judged_by_shuffled_windows(related, uncoupled):
    rows = read_rows(related.path, layout.MEAN_COHERENCE, channel="CSC1", condition="whole")
    at = np.abs(rows["frequency_hz"] - 1) < 0.15
    assert (rows["surrogate_p"][at] < 0.05).all()
    assert rows["surrogate_p"][rows["frequency_hz"] > 3].min() > 0.05
    above = rows["coherence"] > rows["null_level"]
    np.testing.assert_array_equal(above, rows["surrogate_p"] <= 0.05)
    free = read_rows(uncoupled, layout.MEAN_COHERENCE, condition="whole")
    assert np.nanmin(free["surrogate_p"]) > 0.05


def test_coherogram_has_the_band_of_the_oscillation_all_the_time(related):
    with open_session(related.path) as session:
        found = read_spectrogram(session, layout.COHEROGRAM)
    centres_hz = found["band_limits_hz"].mean(axis=1)
    inside, outside = abs(centres_hz - 1) < 0.2, centres_hz > 3
    assert found["power"].shape[0] >= found["power"].shape[2]
    assert found["power"][:, 0, inside].mean() > 0.8
    assert found["power"][:, 0, outside].mean() < 0.4


def test_lagged_correlation_finds_who_leads(related):
    rows = read_rows(related.path, layout.ROI_CORRELATION, channel="CSC1", condition="whole")
    at = rows["roi"] == FOLLOWER
    assert rows["lag_s"][at] == pytest.approx(FOLLOWS_BY_S, abs=0.051)
    assert rows["q_value"][at] < 0.05
    assert rows["effective_n"][at] < 4000


def test_the_responder_and_only_it_answers_the_pulses(related):
    rows = read_rows(related.path, layout.ROI_PERIEVENT, trigger="StimLine")
    assert rows["roi"][rows["q_value"] < 0.03].tolist() == [RESPONDER]
    peak_s = rows["peak_lag_s"][rows["roi"] == RESPONDER]
    assert peak_s == pytest.approx(RESPONDS_AFTER_S, abs=0.2)
    mean = read_rows(related.path, layout.MEAN_PERIEVENT, trigger="StimLine", signal="mean dF/F")
    assert mean["n_events"].max() == len(related.pulses_s)
    assert (mean["null_lower"] < mean["null_upper"]).all()


def test_autocorrelograms_are_even_and_count_no_event_with_itself(related):
    rows = read_rows(related.path, layout.EVENT_CORRELOGRAMS, partner="itself")
    counts = rows["counts"]
    np.testing.assert_array_equal(counts, counts[:, ::-1])
    assert (counts[:, counts.shape[1] // 2] <= rows["n_events"]).all()


def test_conditions_are_compared_and_the_changed_rois_found(related):
    with open_session(related.path) as session:
        conditions = read_conditions(session)
    assert {name: spans.tolist() for name, spans in conditions.items()} == {
        "baseline": [[5, 100]],
        "drug": [[100, 195]],
    }
    rows = read_rows(
        related.path,
        layout.CONDITION_COMPARISON,
        measure="event rate, Hz (CalciumEventsDeconvolution)",
    )
    changed = set(rows["subject"][rows["q_value"] < 0.05]) - {"mean of the ROIs"}
    assert changed == {"ROI 4", "ROI 5"}
    at = rows["subject"] == "ROI 4"
    assert rows["effect_lower"][at] > 0
    assert rows["n_first"][at] == rows["n_second"][at] == 9


def test_every_condition_has_its_rows(related):
    rows = read_rows(related.path, layout.EVENT_PHASE_COUPLING, roi=0, channel="CSC1")
    n_events = dict(zip(rows["condition"], rows["n_events"], strict=True))
    assert n_events["baseline"] + n_events["drug"] <= n_events["whole"]
    assert min(n_events.values()) > 10


def test_the_file_has_no_finding_above_a_suggestion(related):
    findings = validate(related.path)
    assert {finding.severity for finding in findings} <= {"BEST_PRACTICE_SUGGESTION"}, findings


def test_numbers_do_not_depend_on_workers_and_come_again(related, tmp_path):
    copy = tmp_path / "copy.nwb"
    copy.write_bytes(related.path.read_bytes())
    pipeline.process(
        copy, "coupling", CHOSEN["coupling"], settings=EngineSettings(4, 2**30), force=True
    )
    for table in (layout.EVENT_PHASE_COUPLING, layout.PHASE_HISTOGRAM):
        before, after = read_rows(related.path, table), read_rows(copy, table)
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("baseline=60-0", "baseline=60-0"),
        ("baseline", "name=start-stop"),
        ("baseline=0-60,drug=50-90", "overlap by 10 s"),
        ("whole=0-10", "all of the recording"),
    ],
)
def test_windows_that_make_no_sense_are_refused(text, message):
    with pytest.raises(ParameterError, match=message):
        parse_windows(text)


def test_a_condition_may_have_several_windows():
    windows = parse_windows("rest=0-10, run=10-20, rest=20-30.5")
    assert windows["rest"].tolist() == [[0, 10], [20, 30.5]]


@pytest.mark.parametrize(
    ("stage", "parameters", "error", "message"),
    [
        ("conditions", {"windows": "late=500-600"}, ParameterError, "500 to 600 s"),
        ("coupling", {"channels": "CSC7"}, UnknownNameError, "CSC1"),
        ("perievent", {"around": "Nothing"}, UnknownNameError, "StimLine"),
        ("coherence", {"low_hz": 30.0, "high_hz": 40.0}, ParameterError, "Nyquist frequency"),
    ],
)
def test_refusals_say_what_there_is(related, stage, parameters, error, message):
    with pytest.raises(error, match=message):
        pipeline.process(related.path, stage, parameters)


@pytest.mark.parametrize(
    ("name", "chosen", "said"),
    [
        ("phase", {}, "preferred phases turn by at most"),
        ("coupling", {"n_surrogates": 99}, "preferred phases turn by at most"),
        ("perievent", {"n_surrogates": 99}, "dF/F around StimLine changes by at most"),
    ],
)
def test_stages_say_how_much_an_ambiguous_alignment_changes_them(
    related, monkeypatch, name, chosen, said
):
    monkeypatch.setattr(doubt, "possible_moves_s", lambda _: {-1: -0.05, 2: 0.1})
    stage, context = find_stage(name), StageContext()
    with open_session(related.path) as session:
        stage.load().compute(session, stage.params(**chosen), context)
    remark = next(text for text in context.remarks if said in text)
    assert "calcium moved by -1, +2 frames" in remark
    change = float(remark.partition("at most ")[2].split()[0])
    # 0.1 s are 0.6 rad of the 1 Hz that locked ROIs follow; others turn by anything
    assert change > 0.5 if "phases" in said else 0.01 < change < 2


def test_a_roi_without_dff_leaves_the_relations_of_all_others(related, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(related.path.read_bytes())
    with h5py.File(path, "r+") as file:
        file[f"{layout.DFF_TRACES}/data"][:, 2] = np.nan
    for stage in ("spectrogram", "coupling", "correlation", "coherence"):
        chosen = {"per_roi": True} if stage == "spectrogram" else CHOSEN.get(stage, {})
        pipeline.process(path, stage, chosen, force=True)
    with open_session(path) as session:
        assert np.isfinite(
            read_spectrogram(session, "/processing/spectral/CalciumSpectrogram")["power"]
        ).any()
        n_rois = len(session.get(layout.PLANE_SEGMENTATION).id[:])
        remarks = {name: run.warnings for name, run in current_runs(session).items()}
    for table in (layout.TRACE_PHASE_COUPLING, layout.ROI_CORRELATION, layout.ROI_COHERENCE):
        rows = read_rows(path, table)
        assert set(rows["roi"]) == set(range(n_rois)) - {2}
    for stage in ("spectrogram", "coupling", "correlation", "coherence"):
        assert f"1 of {n_rois} ROIs (rows 2) have no dF/F" in remarks[stage]
