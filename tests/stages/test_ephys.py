"""Artefacts and band-pass of ephys channels on a session file."""

import numpy as np
import pytest
from scipy import signal as scipy_signal

from ace_nwb import pipeline
from ace_nwb.errors import NothingToDoError, ParameterError, UnknownNameError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.artifacts import read_artifacts
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common.regular import read_slow_ephys
from tests.fixtures.coupled_sessions import ARTEFACTS, EPHYS_RATE_HZ, run_stages
from tests.fixtures.session_files import write_session_file

MERGED = [[ARTEFACTS[0][0], ARTEFACTS[1][1]], list(ARTEFACTS[2])]


@pytest.fixture
def file(coupled_template, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(coupled_template.path.read_bytes())
    return path


@pytest.fixture(scope="module")
def searched_template(coupled_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("searched") / "session.nwb"
    path.write_bytes(coupled_template.path.read_bytes())
    pipeline.process(path, "ephys-artifacts")
    return path


@pytest.fixture
def searched(searched_template, tmp_path):
    path = tmp_path / "searched.nwb"
    path.write_bytes(searched_template.read_bytes())
    return path


def read_filtered(path):
    with open_session(path) as session:
        (series,) = list_filtered_ephys(session)
        return series.read(), series.times()


def missing_within(values, times_s, edge_s=1.6):
    """Return whether a sample is missing beyond the edges of the filter (.5 to 4 Hz, order 2)."""
    is_within = (times_s > times_s[0] + edge_s) & (times_s < times_s[-1] - edge_s)
    return bool(np.isnan(values[is_within]).any())


def test_artefacts_are_intervals_that_refer_to_the_recorded_samples(searched):
    with open_session(searched) as session:
        found = read_artifacts(session)
        table = session.get(layout.EPHYS_ARTIFACTS)
        starts_s, stops_s = table["start_time"].data[:], table["stop_time"].data[:]
    assert {key: value.tolist() for key, value in found.items()} == {
        ("/acquisition/ElectricalSeries0", "CSC1"): MERGED
    }
    np.testing.assert_allclose(starts_s, [low / EPHYS_RATE_HZ for low, _ in MERGED])
    np.testing.assert_allclose(stops_s, [high / EPHYS_RATE_HZ for _, high in MERGED])


def test_the_recorded_samples_stay_as_they_are(searched):
    with open_session(searched) as session:
        volts = list_ephys(session)[0].read()
    assert volts[ARTEFACTS[0][0], 0] == pytest.approx(4000e-6)


def test_missing_artefacts_are_gaps_of_their_channel_only(searched):
    pipeline.process(searched, "ephys-filter")
    values, times_s = read_filtered(searched)
    missing_s = times_s[np.isnan(values[:, 0])]
    start_s, stop_s = np.array(MERGED[1]) / EPHYS_RATE_HZ
    inside = (missing_s >= start_s) & (missing_s < stop_s)
    assert inside.sum() >= (stop_s - start_s) * EPHYS_RATE_HZ / 12 - 1  # decimated by 12
    assert not missing_within(values[:, 1], times_s)
    assert np.nanmax(np.abs(values[:, 0])) < 500e-6


def test_nothing_of_an_artefact_leaks_into_the_band(searched, coupled_template):
    pipeline.process(searched, "ephys-filter", {"treatment": "interpolate"})
    values, times_s = read_filtered(searched)
    truth = 250e-6 * np.cos(
        np.interp(times_s, np.arange(len(coupled_template.phase_rad)) / EPHYS_RATE_HZ,
                  coupled_template.phase_rad)
    )  # fmt: skip
    near = np.abs(times_s - 120.4) < 3
    far = (times_s > 60) & (times_s < 100)
    assert np.corrcoef(values[far, 0], truth[far])[0, 1] > 0.9
    assert np.abs(values[near, 0]).max() < 1.5 * np.abs(values[far, 0]).max()


def test_hann_fades_as_the_predecessor_did(searched, coupled_template):
    with open_session(searched) as session:
        (faded,) = read_slow_ephys(
            session, max_frequency_hz=50.0, skip=print, treatment="hann", taper_samples=75
        )
    gain = np.ones(len(coupled_template.ephys_uv))
    window = scipy_signal.windows.hann(75)
    for start, stop in MERGED:
        gain[start:stop] = 0
        gain[start - 37 : start] = window[:37][::-1]
        gain[stop : stop + 37] = window[:37]
    volts = np.round(coupled_template.ephys_uv[:, 0] / 0.2) * 0.2e-6
    np.testing.assert_allclose(faded.values[:, 0], volts * gain, atol=1e-12)


def test_without_detection_nothing_is_treated(file):
    pipeline.process(file, "ephys-filter", {"treatment": "missing"})
    values, times_s = read_filtered(file)
    assert not missing_within(values.sum(axis=1), times_s)
    assert np.nanmax(np.abs(values[:, 0])) > 500e-6


def test_phase_and_amplitude_are_those_of_the_planted_oscillation(searched, coupled_template):
    run_stages(searched, {stage: {} for stage in ("dff", "ephys-filter", "filter", "phase")})
    with open_session(searched) as session:
        times_s, phase = read_series(session, "/processing/phase/EphysPhase0")
        _, amplitude = read_series(session, "/processing/phase/EphysAmplitude0")
    true = np.interp(
        times_s,
        np.arange(len(coupled_template.phase_rad)) / EPHYS_RATE_HZ,
        coupled_template.phase_rad,
    )
    error = np.angle(np.exp(1j * (phase[:, 0] - true)))
    assert np.nanpercentile(np.abs(error), 95) < 0.35
    assert np.nanmedian(amplitude[:, 0]) == pytest.approx(250e-6, rel=0.1)


@pytest.mark.parametrize(
    ("stage", "parameters", "error", "message"),
    [
        ("ephys-artifacts", {"threshold_uv": 0}, ParameterError, "threshold_uv is 0; .* above 0"),
        ("ephys-artifacts", {"channels": "CSC9"}, UnknownNameError, "CSC1"),
        ("ephys-filter", {"low_hz": 5.0}, ParameterError, "5 to 4 Hz"),
        ("ephys-filter", {"high_hz": 400.0}, ParameterError, "250 Hz at 500 Hz"),
    ],
)
def test_refusals_say_numbers_and_leave_the_file_alone(file, stage, parameters, error, message):
    before = file.read_bytes()
    with pytest.raises(error, match=message):
        pipeline.process(file, stage, parameters)
    assert file.read_bytes() == before


def test_a_stage_that_filters_nothing_reports_no_success(tmp_path):
    path = tmp_path / "pieces.nwb"
    pieces = [(10.0 * number, np.ones((30, 2))) for number in range(5)]
    write_session_file(path, ephys_uv=pieces)
    before = path.read_bytes()
    with pytest.raises(NothingToDoError, match=r"lasts only 0\.3 s.*\(5 such stretches\)"):
        pipeline.process(path, "ephys-filter")
    outcome = pipeline.run(path, pipeline.Plan(stages=("ephys-filter",)))[0]
    assert (outcome.stage, outcome.action) == ("ephys-filter", "not applicable")
    assert "No stretch of ephys can be filtered" in outcome.remarks[0]
    assert path.read_bytes() == before
