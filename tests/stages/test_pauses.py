"""A camera that was stopped and started again: nothing reaches from one stretch into the next."""

import h5py
import numpy as np
import pytest

from ace_nwb.imaging.bleaching import estimate_bleaching
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.roi_series import read_roi_series
from ace_nwb.nwb.session import open_session
from tests.fixtures.coupled_sessions import FRAME_RATE_HZ, LEVEL, run_stages

FIRST = 600
"""First frame after the pause."""

PAUSE_S = 40.0
STAGES = {
    "dff": {"window_s": 10.0},
    "deconvolve": {"decay_time_s": 0.4},
    "events": {},
    "filter": {},
    "phase": {},
    "spectrogram": {"window_s": 10.0, "step_s": 2.0},
}


def pause(source, path, *, is_active_before):
    """Copy a session, with a pause; ROI 0 may be active up to it, and is at once after it."""
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as h5:
        times = h5["/acquisition/OnePhotonSeries/timestamps"]
        times[FIRST:] = times[FIRST:] + PAUSE_S
        traces = h5[f"{layout.RAW_TRACES}/data"]
        values = traces[:]
        values[FIRST : FIRST + 8, 0] += 4 * LEVEL * np.exp(-np.arange(8) / 8)
        if is_active_before:
            values[FIRST - 3 : FIRST, 1] += 5 * LEVEL
            values[: FIRST - 50, 2] += 2 * LEVEL
        traces[:] = values
    run_stages(path, STAGES)
    return path


@pytest.fixture(scope="module")
def paused(coupled_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paused")
    return [
        pause(coupled_template.path, folder / f"{number}.nwb", is_active_before=bool(number))
        for number in (0, 1)
    ]


def read(path, name):
    with open_session(path) as session:
        return read_roi_series(session, name)


def test_the_movie_knows_where_it_begins_anew(paused):
    with open_session(paused[0]) as session:
        assert NwbMovie(session).breaks == (FIRST,)


def test_no_event_lies_in_the_pause_or_reaches_over_it(paused):
    with open_session(paused[1]) as session:
        times = NwbMovie(session).timestamps
        onsets, columns = read_events(session, "/processing/events/CalciumEventsDeconvolution")
    start, stop = times[FIRST - 1], times[FIRST]
    assert not np.any((onsets > start) & (onsets < stop - 0.5 / FRAME_RATE_HZ))
    before = onsets <= start
    ends = onsets + columns["duration"]
    assert ends[before].max() <= start + 1 / FRAME_RATE_HZ
    assert np.any(before & (columns["roi"] == 1) & (onsets > start - 5 / FRAME_RATE_HZ))


def test_calcium_of_an_unseen_event_is_no_event(paused):
    denoised = read(paused[0], f"{layout.DECONVOLUTION}/Denoised")[:, 0]
    activity = read(paused[0], f"{layout.DECONVOLUTION}/Deconvolved")[:, 0]
    assert denoised[FIRST] > 2 * denoised[FIRST - 1]
    assert activity[FIRST] == 0


def test_what_was_before_the_pause_changes_nothing_after_it(paused):
    for name in (
        layout.DFF_TRACES,
        "/processing/phase/CalciumFiltered",
        "/processing/phase/CalciumPhase",
    ):
        quiet, active = (read(path, name) for path in paused)
        assert not np.array_equal(quiet[:FIRST], active[:FIRST])
        np.testing.assert_array_equal(quiet[FIRST:], active[FIRST:], err_msg=name)


def test_no_window_of_a_spectrum_holds_both_sides(paused):
    powers = []
    for path in paused:
        with h5py.File(path) as h5:
            spectrum = h5["/processing/spectral/CalciumSpectrogram"]
            powers.append(spectrum["data"][:, 0])
            start, rate = spectrum["starting_time"][()], spectrum["starting_time"].attrs["rate"]
    centres = start + np.arange(len(powers[0])) / rate
    with open_session(paused[0]) as session:
        times = NwbMovie(session).timestamps
    touches = (centres + 4.9 > times[FIRST - 1]) & (centres - 4.9 < times[FIRST])
    is_empty = np.isnan(powers[0]).all(1)
    assert is_empty[touches].all()
    apart = (centres + 5.1 < times[FIRST - 1]) | (centres - 5.1 > times[FIRST])
    assert not is_empty[apart].any()
    after = centres - 5 >= times[FIRST]
    np.testing.assert_array_equal(powers[0][after], powers[1][after])


@pytest.mark.parametrize("is_lit", [True, False])
def test_bleaching_goes_on_in_the_pause_only_if_the_light_was_on(is_lit):
    times_s = np.concatenate([np.arange(1000) / 10, 900 + np.arange(1000) / 10])
    lit_s = times_s if is_lit else np.arange(2000) / 10
    truth = 0.6 + 0.4 * np.exp(-lit_s / 120)
    noise = np.random.default_rng(0).normal(1, 0.002, 2000)
    found = estimate_bleaching(100 * truth * noise, times_s, detrend="exponential")
    np.testing.assert_allclose(found, truth / truth[0], atol=0.01)
