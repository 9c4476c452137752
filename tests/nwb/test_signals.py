"""Events, ephys and spectra of a session file."""

import h5py
import numpy as np
import pytest

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.events import (
    list_event_tables,
    list_ttl_lines,
    read_events,
    read_ttl_line,
    write_calcium_events,
)
from ace_nwb.nwb.content.spectra import BandPower, read_spectrogram, write_spectrogram
from ace_nwb.nwb.session import edit_session, open_session


def test_ttl_lines_are_told_from_other_events(recorded):
    with open_session(recorded.path) as session:
        assert list_ttl_lines(session) == ["FrameLine"]
        assert set(list_event_tables(session)) == {"/events/FrameLine", "/events/Notes"}


def test_the_edges_of_a_line_come_with_their_levels(recorded):
    with open_session(recorded.path) as session:
        times, levels = read_ttl_line(session, "FrameLine")
    assert np.array_equal(times, recorded.edges_s)
    assert np.array_equal(levels[:4], [1, 0, 1, 0])


def test_notes_come_as_text(recorded):
    with open_session(recorded.path) as session:
        times, columns = read_events(session, "/events/Notes")
    assert list(times) == [0.5, 1.5, 2.5]
    assert list(columns["note"]) == ["start", "light on", "rearing"]


def test_calcium_events_come_back_with_their_rois(analysed):
    path = "/processing/events/CalciumEventsDeconvolution"
    times = np.array([0.25, 0.5, 0.5, 2.0])
    columns = {"duration": np.ones(4), "amplitude": np.arange(4.0), "snr": np.arange(4.0) + 3}
    with edit_session(analysed) as writer:
        for factor in (2, 1):
            scaled = {name: values * factor for name, values in columns.items()}
            roi = np.array([0, 2, 1, 0])
            write_calcium_events(writer, path, times, roi=roi, columns=scaled, description="Found.")
    with open_session(analysed) as session:
        found_times, found = read_events(session, path)
        assert (
            session.get(path)["roi"].table.object_id
            == session.get(layout.PLANE_SEGMENTATION).object_id
        )
    assert np.array_equal(found_times, times)
    assert np.array_equal(found["roi"], roi)
    assert all(np.array_equal(found[name], columns[name]) for name in columns)


def test_no_events_are_events_too(analysed):
    path = "/processing/events/CalciumEventsDeconvolution"
    none = np.zeros(0)
    with edit_session(analysed) as writer:
        columns = {"amplitude": none}
        write_calcium_events(
            writer, path, none, roi=none.astype(int), columns=columns, description="None."
        )
    with open_session(analysed) as session:
        times, columns = read_events(session, path)
    assert times.shape == columns["roi"].shape == (0,)


def test_ephys_series_tell_their_channels_and_gaps(recorded):
    with open_session(recorded.path) as session:
        first, second = list_ephys(session)
    assert first.channel_names == ("CSC1", "CSC3")
    assert (first.start_s, first.n_samples, first.rate_hz) == (0.0, 150, 100.0)
    assert (second.start_s, second.n_samples) == (2.0, 400)
    assert first.name == "ElectricalSeries0"


def test_ephys_samples_come_in_volts_with_their_times(recorded):
    with h5py.File(recorded.path) as h5:
        counts = h5["acquisition/ElectricalSeries1/data"][:]
    with open_session(recorded.path) as session:
        series = list_ephys(session)[1]
        assert np.allclose(series.read(10, 20), counts[10:20] * 1e-6)
        assert np.allclose(series.read(channels=[1])[:, 0], counts[:, 1] * 1e-6)
        assert series.times(10, 12) == pytest.approx([2.1, 2.11])
        assert series.is_regular


def test_a_spectrogram_comes_back_with_its_bands_and_source(analysed):
    path = "/processing/spectral/CalciumSpectrogram"
    power = np.random.default_rng(0).random((20, 2, 5)).astype(np.float32)
    limits = np.stack([np.arange(5) * 0.5, np.arange(5) * 0.5 + 0.5], axis=1)
    with edit_session(analysed) as writer:
        write_spectrogram(
            writer,
            path,
            BandPower(
                power,
                band_limits_hz=limits,
                unit="1/Hz",
                description="Power.",
                source=layout.DFF_TRACES,
                source_rois=np.array([0, 2]),
            ),
            rate_hz=0.5,
            start_s=3.25,
        )
    with open_session(analysed) as session:
        found = read_spectrogram(session, path)
        series = session.get(path)
        assert series.source_timeseries.object_id == session.get(layout.DFF_TRACES).object_id
        assert list(series.source_channels.data[:]) == [0, 2]
    assert np.array_equal(found["power"], power)
    assert np.array_equal(found["band_limits_hz"], limits)
    assert found["times_s"][:2] == pytest.approx([3.25, 5.25])
