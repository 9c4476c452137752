"""From a session file to what a report shows: every number is known, because it was written."""

from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.errors import OutputError, RequirementError, SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import write_calcium_events
from ace_nwb.nwb.content.imaging import write_motion, write_projections
from ace_nwb.nwb.content.phase import EventPhase, write_event_phase, write_filtered_ephys
from ace_nwb.nwb.content.roi_series import write_roi_series
from ace_nwb.nwb.content.rois import write_segmentation
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.content.spectra import BandPower, write_spectrogram
from ace_nwb.nwb.content.sync import StoredAlignment, write_alignment
from ace_nwb.nwb.history import RunParameter, StageRun, append_run
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.report import write_overview_png, write_report
from ace_nwb.report.content import read_content
from ace_nwb.report.ephys_line import read_ephys_line
from ace_nwb.stages.running.status import StageStatus
from tests.fixtures.session_files import N_COLUMNS, N_FRAMES, N_ROWS, make_segmentation

N_ROIS = 4
SNR = np.array([2.0, 9.0, 5.0, 7.0])
ACCEPTED = np.array([False, True, True, True])
SHIFTS = np.stack([np.linspace(0, 3, N_FRAMES), np.linspace(0, -1, N_FRAMES)], axis=1)
EVENT_TIMES_S = np.array([0.5, 1.0, 2.3])
EVENT_ROIS = np.array([1, 0, 3])
DFF = np.arange(N_FRAMES * N_ROIS, dtype=float).reshape(N_FRAMES, N_ROIS)
CSC3 = np.linspace(-1, 1, 40)
LOST_ROW = 20


def write_everything(path, frame_times_s):
    with edit_session(path) as writer:
        write_alignment(writer, make_alignment(writer, frame_times_s))
        write_imaging(writer)
        write_ephys(writer)
        append_run(writer, make_run())


def make_alignment(writer, frame_times_s):
    n_rows = N_FRAMES
    pulse = np.arange(n_rows)
    pulse[5:8] = -1
    residual_s = np.full(n_rows, 0.002)
    residual_s[30] = 0.011
    return StoredAlignment(
        times_s={layout.MOVIE: frame_times_s - residual_s + 40e-6 * frame_times_s + 3.0},
        ledger={
            "pulse": ("Pulse.", pulse),
            "session_time_s": ("Time.", frame_times_s + 3.0),
            "confidence": ("Confidence.", np.ones(n_rows)),
            "residual_s": ("Residual.", residual_s),
        },
        fit={
            "drift_ppm": ("Drift.", [-40.0]),
            "verdict": ("Verdict.", ["warn"]),
            "reasons": ("Reasons.", ["Three frames have no pulse."]),
        },
        low_confidence_s=np.array([[3.3, 3.5]]),
        zero_shift_s=3.0,
    )


def write_imaging(writer):
    write_projections(
        writer, {"mean": np.ones((N_ROWS, N_COLUMNS)), "max": np.eye(N_ROWS, N_COLUMNS)}
    )
    write_motion(writer, SHIFTS, np.full(N_FRAMES, 0.9))
    trend = np.linspace(1, 0.5, N_FRAMES)
    for path, values in ((layout.MEAN_FLUORESCENCE, 80 * trend), (layout.BLEACHING_TREND, trend)):
        write_series(writer, path, values, unit="n.a.", description="Brightness.")
    write_segmentation(writer, make_segmentation((N_ROWS, N_COLUMNS), n_rois=N_ROIS))
    columns = {"snr": ("SNR.", SNR), "r_value": ("r.", SNR / 10), "accepted": ("Kept.", ACCEPTED)}
    writer.set_columns(layout.PLANE_SEGMENTATION, columns)
    for name, data in (("DfOverF/RoiResponseSeries", DFF), ("Deconvolution/Denoised", DFF + 1)):
        path = f"/processing/ophys/{name}"
        write_roi_series(writer, path, data, unit="n.a.", description="Traces.")
    write_calcium_events(
        writer,
        "/processing/events/CalciumEventsDeconvolution",
        EVENT_TIMES_S + 3.0,
        roi=EVENT_ROIS,
        columns={"amplitude": np.ones(3)},
        description="Events.",
    )


def write_ephys(writer):
    source = "/acquisition/ElectricalSeries1"
    bands = np.array([[0.0, 1.0], [1.0, 2.0]])
    spectrograms = (
        ("CalciumSpectrogram", (3, 1, 2), layout.DFF_TRACES),
        ("EphysSpectrogram1", (3, 2, 2), source),
    )
    for name, shape, analysed in spectrograms:
        power = np.arange(np.prod(shape), dtype=float).reshape(shape)
        write_spectrogram(
            writer,
            f"/processing/spectral/{name}",
            BandPower(
                power,
                band_limits_hz=bands,
                unit="1/Hz",
                description="Power.",
                source=analysed,
            ),
            rate_hz=1.0,
            start_s=3.2,
        )
    volts = np.stack([np.zeros(40), CSC3], axis=1)
    times = {"rate_hz": 10.0, "start_s": 2.0}
    write_filtered_ephys(
        writer,
        "/processing/ecephys/EphysFiltered1",
        volts,
        source=source,
        description="D.",
        **times,
    )
    path = "/processing/phase/EphysPhase1"
    write_series(writer, path, volts, unit="radians", description="Phase.", **times)
    rows = [
        (0, "CSC3", "CalciumEventsDeconvolution", 9, 0.3, 0.9, 0.001, 0.5),  # a rejected ROI
        (1, "CSC1", "CalciumEventsDeconvolution", 1, 0.1, 0.2, 0.9, 0.0),
        (1, "CSC3", "CalciumEventsDeconvolution", 7, 1.5, 0.8, 0.01, 0.5),
        (3, "CSC3", "CalciumEventsDeconvolution", 0, np.nan, np.nan, np.nan, np.nan),
    ]
    write_event_phase(writer, EventPhase.from_rows(rows))


def make_run():
    return StageRun(
        run_id=0,
        action="run",
        stage="motion",
        revision=1,
        engine="",
        fingerprint="abc",
        started="2024-05-06T10:00:00+00:00",
        duration_s=4.5,
        software="ace-nwb 1.2.3, numpy 2.0",
        inputs={},
        outputs=("processing/ophys/MotionShifts",),
        peak_memory_mb=100.0,
        warnings="12 frames at the edge",
        parameters=(
            RunParameter("max_shift_px", "8", "command line"),
            RunParameter("filter_radius_px", "3.0", "default"),
        ),
    )


@pytest.fixture(scope="module")
def session_path(recorded_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "session.nwb"
    path.write_bytes(recorded_template.path.read_bytes())
    write_everything(path, recorded_template.frame_times_s)
    return path


@pytest.fixture(scope="module")
def content(session_path):
    return read_content(session_path)


@pytest.fixture(scope="module")
def raw_content(recorded_template):
    return read_content(recorded_template.path)


def test_facts_say_who_when_and_with_what(raw_content):
    facts = dict(raw_content.facts.rows)
    assert raw_content.facts.title == "m1 · s1"
    assert facts["Subject"] == "m1, Mus musculus, F, P90D"
    assert facts["Start"] == "2024-05-06 07:08:09 UTC+02:00"
    assert facts["Frames"] == "60 recorded, 0 lost"
    assert facts["Field"] == "20 × 14 px"
    assert facts["Ephys"] == "2 channels (CSC1, CSC3), 100 Hz"
    assert facts["TTL lines"] == "FrameLine"


def test_what_people_wrote_is_shown_with_the_times_of_notes(raw_content):
    said = dict(raw_content.facts.free_text)
    assert said["Description"] == "A synthetic recording."
    assert said["Notes"].splitlines()[0] == "0.5 s: start"


def test_a_recording_without_results_has_frames_and_nothing_else(raw_content, recorded_template):
    assert raw_content.frames.n_recorded == N_FRAMES
    assert raw_content.span_s[0] == pytest.approx(recorded_template.frame_times_s[0])
    parts = ("sync", "motion", "brightness", "outlines", "rois", "traces", "events", "phases")
    assert [getattr(raw_content, part) for part in parts] == [None] * len(parts)
    states = {row.name: row.status for row in raw_content.stages}
    assert (states["motion"], states["curate"], states["bouts"]) == (
        "missing",
        "not applicable",
        "on request",
    )


def test_a_frame_lost_by_the_ledger_is_placed_between_its_neighbours(recorded):
    with edit_session(recorded.path) as writer:
        frame = np.arange(N_FRAMES)
        frame[LOST_ROW] = -1
        writer.set_columns(layout.FRAME_LEDGER, {"movie_frame": ("Frame.", frame)})
    frames = read_content(recorded.path).frames
    assert frames.n_lost == 1
    before, after = recorded.frame_times_s[[LOST_ROW - 1, LOST_ROW + 1]]
    assert before < frames.lost_times_s[0] < after


def test_the_alignment_shows_lateness_drift_and_frames_without_pulses(content):
    sync = content.sync
    assert (sync.n_matched, sync.n_frames) == (N_FRAMES - 3, N_FRAMES)
    assert sync.residuals_ms.max() == pytest.approx(11.0)
    assert np.median(sync.residuals_ms) == pytest.approx(2.0)
    slope = np.polyfit(sync.clock_times_s, sync.clock_difference_ms, 1)[0]
    assert slope == pytest.approx(1e3 * sync.drift_ppm * 1e-6, rel=1e-3)
    assert sync.low_confidence_s.tolist() == [[3.3, 3.5]]
    assert sync.reasons == "Three frames have no pulse."


def test_shifts_come_as_row_and_column_with_the_bound_of_their_run(content):
    assert content.motion.shifts_px == pytest.approx(SHIFTS, abs=1e-6)
    assert content.motion.max_shift_px == 8.0


def test_the_trend_is_scaled_to_the_brightness(content):
    assert content.brightness.trend == pytest.approx(content.brightness.mean)


def test_images_come_as_rows_and_columns(content):
    assert content.images["max"] == pytest.approx(np.eye(N_ROWS, N_COLUMNS))


def test_outlines_follow_the_footprints(content):
    masks = make_segmentation((N_ROWS, N_COLUMNS), n_rois=N_ROIS).image_masks()
    for mask, lines in zip(masks, content.outlines.contours, strict=True):
        strong = np.argwhere(mask == mask.max())[0]
        assert min(np.abs(np.concatenate(lines) - strong).max(axis=1)) <= 1


def test_traces_are_those_of_the_best_accepted_rois(content):
    assert content.traces.numbers.tolist() == [1, 3, 2]
    assert content.traces.raw == pytest.approx(DFF[:, [1, 3, 2]])
    assert content.traces.denoised == pytest.approx(DFF[:, [1, 3, 2]] + 1)
    assert content.traces.unit == "ΔF/F"


def test_events_of_rejected_rois_are_left_out(content):
    assert content.events.times_s == pytest.approx(np.array([0.5, 2.3]) + 3.0)
    assert content.events.rois.tolist() == [0, 2]
    assert content.events.n_rois == 3


def test_the_spectrogram_is_of_the_channel_whose_phase_is_shown(content):
    ephys, calcium = content.spectrograms
    assert (ephys.name, ephys.is_ephys, calcium.is_ephys) == ("CSC3", True, False)
    assert ephys.power.tolist() == [[2, 3], [6, 7], [10, 11]]
    assert ephys.frequencies_hz.tolist() == [0.5, 1.5]
    assert calcium.times_s == pytest.approx([3.2, 4.2, 5.2])


def test_a_spectrogram_is_split_where_its_windows_have_a_gap(recorded):
    times_s = np.array([1.0, 2.0, 3.0, 9.0, 10.0])
    with edit_session(recorded.path) as writer:
        write_spectrogram(
            writer,
            "/processing/spectral/EphysSpectrogram",
            BandPower(
                np.ones((5, 2, 2)),
                band_limits_hz=np.array([[0.0, 1.0], [1.0, 2.0]]),
                unit="1/Hz",
                description="Power.",
                source="/acquisition/ElectricalSeries0",
            ),
            timestamps=times_s,
        )
    pieces = read_content(recorded.path).spectrograms
    assert [piece.times_s.tolist() for piece in pieces] == [[1.0, 2.0, 3.0], [9.0, 10.0]]
    assert {piece.name for piece in pieces} == {"CSC1"}


def test_phases_are_of_the_channel_with_most_locked_rois(content):
    phases = content.phases
    assert phases.channel == "CSC3"
    assert phases.numbers.tolist() == [1]
    assert phases.preferred_rad.tolist() == [1.5]
    expected = np.interp(content.events.times_s, 2.0 + np.arange(40) / 10, CSC3)
    assert phases.event_phases_rad == pytest.approx(expected, abs=1e-6)


def test_an_ephys_channel_is_read_across_its_gap_in_microvolts(session_path):
    with open_session(session_path) as session:
        line = read_ephys_line(session, (1.0, 2.5), "CSC3")
        assert read_ephys_line(session, (1.0, 2.5), "none") is None
    gap = np.flatnonzero(np.isnan(line.values))
    assert line.times_s[gap[0] + 1] - line.times_s[gap[0]] > 0.4
    assert line.times_s[[0, -1]] == pytest.approx([1.0, 2.5], abs=0.02)
    assert np.nanmax(np.abs(line.values)) > 500


def test_stages_show_their_run(content):
    (motion,) = [row for row in content.stages if row.name == "motion"]
    assert motion.changed == ("max_shift_px = 8",)
    assert (motion.duration_s, motion.version) == (4.5, "1.2.3")
    assert "12 frames at the edge" in motion.remark


def test_a_status_that_is_given_is_the_one_shown(session_path):
    given = [StageStatus("motion", "stale", "preprocess re-run")]
    (row,) = read_content(session_path, given).stages
    assert (row.status, row.remark) == ("stale", "preprocess re-run · 12 frames at the edge")


def test_a_report_of_a_file_is_the_same_every_time_and_leaves_the_file_alone(
    session_path, tmp_path
):
    before = session_path.read_bytes()
    first = write_report(session_path, tmp_path / "a.html")
    second = write_report(session_path, tmp_path / "b.html")
    assert first == tmp_path / "a.html"
    assert first.read_bytes() == second.read_bytes()
    assert session_path.read_bytes() == before
    assert str(tmp_path) not in first.read_text()


def test_the_overview_is_one_wide_picture(session_path, tmp_path):
    png = write_overview_png(session_path, tmp_path / "overview.png").read_bytes()
    assert int.from_bytes(png[16:20]) == 1400


def test_an_overview_without_results_names_the_command(recorded_template, tmp_path):
    with pytest.raises(RequirementError, match="ace-nwb run"):
        write_overview_png(recorded_template.path, tmp_path / "overview.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_report, write_overview_png])
def test_the_session_file_is_never_the_output(recorded, write):
    before = recorded.path.read_bytes()
    with pytest.raises(OutputError, match="session file itself"):
        write(recorded.path, recorded.path.parent / "." / recorded.path.name)
    assert recorded.path.read_bytes() == before


def test_a_file_that_is_no_session_is_an_error_and_leaves_no_page(tmp_path):
    (tmp_path / "x.nwb").write_bytes(b"not HDF5")
    with pytest.raises(SessionFileError):
        write_report(tmp_path / "x.nwb", tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_all_accepted_rois_may_lack_a_ratio(content):
    from ace_nwb.report.sections.traces import choose_best

    rois = replace(content.rois, snr=np.full(N_ROIS, np.nan))
    assert choose_best(rois).tolist() == [1, 2, 3]
