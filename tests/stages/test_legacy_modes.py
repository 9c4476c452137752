"""The predecessor's numbers, from the command line on a session file."""

import numpy as np
import pytest
from scipy import signal as scipy_signal

from ace_nwb.cli import run
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.roi_series import read_roi_series
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common.regular import frames_on_grid
from tests.fixtures.coupled_sessions import LEVEL, N_ROIS, run_stages


@pytest.fixture(scope="module")
def template(coupled_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("legacy") / "session.nwb"
    path.write_bytes(coupled_template.path.read_bytes())
    run_stages(path, {"dff": {}, "deconvolve": {}})
    return path


@pytest.fixture
def file(template, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(template.read_bytes())
    return path


@pytest.mark.parametrize(("derivative", "order"), [("first", 1), ("second", 2)])
def test_events_are_those_of_find_peaks_on_the_difference(file, derivative, order):
    arguments = ["--method", "derivative", "--derivative", derivative, "--absolute-height", "0.4"]
    assert run(["process", "events", str(file), *arguments]) == 0
    with open_session(file) as session:
        traces = read_roi_series(session, layout.DFF_TRACES)
        times_s, columns = read_events(session, "/processing/events/CalciumEventsDerivative")
    assert len(times_s) > 50
    assert (np.diff(times_s) >= 0).all()
    for roi in range(N_ROIS):
        theirs = scipy_signal.find_peaks(np.diff(traces[:, roi].astype(float), n=order), height=0.4)
        ours = columns["legacy_index"][columns["roi"] == roi]
        np.testing.assert_array_equal(ours, theirs[0])


def test_dff_stands_on_the_percentiles_of_the_predecessors_windows(file, coupled_template):
    arguments = ["--window-s", "5", "--quantile", "8", "--interpolation", "legacy"]
    arguments += ["--method", "delta_f_over_sqrt_f"]
    assert run(["process", "dff", str(file), *arguments]) == 0
    with open_session(file) as session:
        ours = read_roi_series(session, layout.DFF_TRACES)
        rate_hz = NwbMovie(session).frame_rate_hz
    trace = (coupled_template.raw + LEVEL).astype(np.float32).astype(float)
    n_frames, window = len(trace), round(5 * rate_hz)
    missing = -n_frames % window
    padded = np.pad(trace, ((missing // 2, missing - missing // 2), (0, 0)), mode="reflect")
    levels = np.percentile(padded.reshape(-1, window, N_ROIS), 8, axis=1)
    at = np.linspace(0, len(padded) - 1, len(levels))
    wanted = np.arange(n_frames) + missing // 2
    baseline = np.column_stack([np.interp(wanted, at, column) for column in levels.T])
    np.testing.assert_allclose(ours, (trace - baseline) / np.sqrt(baseline), atol=1e-5)


def test_filtered_traces_are_those_of_filtfilt(file):
    arguments = ["--low-hz", "0.1", "--high-hz", "1.5", "--order", "2", "--padding", "scipy"]
    arguments += ["--no-mask-edges"]
    assert run(["process", "filter", str(file), *arguments]) == 0
    with open_session(file) as session:
        traces = read_roi_series(session, layout.DFF_TRACES).astype(float)
        ours = read_roi_series(session, "/processing/phase/CalciumFiltered")
        rate_hz = frames_on_grid(session, traces).rate_hz
    numerator, denominator = scipy_signal.butter(2, (0.1, 1.5), "bandpass", fs=rate_hz)
    theirs = scipy_signal.filtfilt(numerator, denominator, traces, axis=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_traces_through_few_taps_are_those_of_filtfilt(file):
    arguments = ["--kind", "fir_filtfilt", "--order", "2", "--no-mask-edges"]
    assert run(["process", "filter", str(file), *arguments]) == 0
    with open_session(file) as session:
        traces = read_roi_series(session, layout.DFF_TRACES).astype(float)
        ours = read_roi_series(session, "/processing/phase/CalciumFiltered")
        rate_hz = frames_on_grid(session, traces).rate_hz
    taps = scipy_signal.firwin(3, (0.1, 1.5), pass_zero=False, fs=rate_hz)
    np.testing.assert_allclose(ours, scipy_signal.filtfilt(taps, 1, traces, axis=0), atol=1e-6)


def test_traces_below_an_edge_have_no_phase(file, capsys):
    assert run(["process", "filter", str(file), "--band-type", "lowpass"]) == 0
    assert run(["process", "phase", str(file)]) == 1
    assert "--band-type lowpass" in capsys.readouterr().err


def test_broadband_phase_is_the_hilbert_phase_of_the_trace(file):
    assert run(["process", "filter", str(file)]) == 0
    assert run(["process", "phase", str(file), "--calcium-signal", "broadband"]) == 0
    with open_session(file) as session:
        traces = read_roi_series(session, layout.DFF_TRACES).astype(float)
        ours = read_roi_series(session, "/processing/phase/CalciumPhase")
    theirs = np.angle(scipy_signal.hilbert(traces, axis=0))
    np.testing.assert_allclose(np.exp(1j * ours), np.exp(1j * theirs), atol=1e-5)
