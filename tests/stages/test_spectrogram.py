"""The ways of the spectrogram stage, on a session file."""

import sys

import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.archive import validate
from ace_nwb.archive.layout import check_layout
from ace_nwb.engines.base import EngineSettings
from ace_nwb.errors import MissingPackageError, ParameterError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.coupling import read_result_table
from ace_nwb.nwb.content.spectra import read_spectrogram
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common.regular import RegularSignal
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import SpectrogramParams
from ace_nwb.stages.spectrogram import _analyse, _Request
from tests.fixtures.coupled_sessions import N_ROIS, run_stages

SHORT = {"window_s": 10.0, "step_s": 2.0, "high_hz": 5.0, "ephys_high_hz": 10.0}


@pytest.fixture(scope="module")
def template(coupled_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "session.nwb"
    path.write_bytes(coupled_template.path.read_bytes())
    run_stages(path, {"dff": {}, "ephys-artifacts": {}})
    return path


@pytest.fixture
def file(template, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(template.read_bytes())
    return path


def read(path, name):
    with open_session(path) as session:
        found = read_spectrogram(session, f"/processing/spectral/{name}")
    return found["times_s"], found["band_limits_hz"].mean(axis=1), found["power"]


def test_every_roi_can_have_a_spectrogram_and_refers_to_its_row(file):
    pipeline.process(file, "spectrogram", SHORT | {"per_roi": True})
    times_s, frequencies_hz, power = read(file, "RoiSpectrogram")
    assert power.shape == (len(times_s), N_ROIS, len(frequencies_hz))
    with open_session(file) as session:
        series = session.get("/processing/spectral/RoiSpectrogram")
        assert series.source_channels.data[:].tolist() == list(range(N_ROIS))
    _, _, mean = read(file, "CalciumSpectrogram")
    assert mean.shape[0] == power.shape[0]
    assert {f.severity for f in validate(file)} <= {"BEST_PRACTICE_SUGGESTION"}


def test_few_windows_keep_all_rois_and_the_resolution_in_a_valid_file(file):
    fine = SHORT | {"per_roi": True, "step_s": 40.0, "window_s": 30.0, "ephys_high_hz": 30.0}
    pipeline.process(file, "spectrogram", fine)
    for name, high_hz in (("RoiSpectrogram", 5.0), ("EphysSpectrogram", 30.0)):
        times_s, frequencies_hz, power = read(file, name)
        assert len(times_s) < power.shape[1] or len(times_s) < len(frequencies_hz)
        assert np.diff(frequencies_hz).max() <= 2 / 30 + 1e-9  # half of 2 W = 4 / 30 Hz
        assert frequencies_hz[-1] == pytest.approx(high_hz, abs=0.1)
    assert read(file, "RoiSpectrogram")[2].shape[1] == N_ROIS
    assert {f.severity for f in validate(file)} <= {"BEST_PRACTICE_SUGGESTION"}


def test_two_slow_waves_a_resolution_apart_are_two_peaks_in_two_minutes():
    rate_hz, seconds = 20.0, 120.0
    times_s = np.arange(int(rate_hz * seconds)) / rate_hz
    values = np.sin(2 * np.pi * 0.5 * times_s) + np.sin(2 * np.pi * 0.8 * times_s)
    stretch = RegularSignal("", "path", ("mean",), values[:, None], 0.0, rate_hz)
    request = _Request("CalciumSpectrogram", "1/Hz", 10.0, [stretch])
    found = _analyse(request, SpectrogramParams(), StageContext(EngineSettings()))[0]
    centres_hz = found.band_limits_hz.mean(1)
    power = found.power[:, 0].mean(0)
    near = [np.abs(centres_hz - hz).argmin() for hz in (0.5, 0.65, 0.8)]
    assert power[near[1]] < 0.05 * min(power[near[0]], power[near[2]])


@pytest.mark.parametrize("choice", [{}, {"weights": "adaptive"}])
def test_every_method_finds_the_oscillation(file, choice):
    pipeline.process(file, "spectrogram", SHORT | choice)
    _, frequencies_hz, power = read(file, "EphysSpectrogram")
    peak_hz = frequencies_hz[np.nanmean(power[:, 0], axis=0).argmax()]
    assert peak_hz == pytest.approx(1.0, abs=0.2)


def test_wavelet_power_is_the_squared_amplitude(file):
    pipeline.process(file, "spectrogram", SHORT | {"method": "wavelet", "n_cycles": 4.0})
    _, frequencies_hz, power = read(file, "EphysSpectrogram")
    assert frequencies_hz[np.nanmean(power[:, 0], axis=0).argmax()] == pytest.approx(1.0, abs=0.2)
    at = np.abs(frequencies_hz - 1).argmin()
    assert np.nanmedian(power[:, 0, at]) == pytest.approx(250e-6**2, rel=0.3)


def test_mains_hum_is_found_as_a_line(template, tmp_path):
    file = tmp_path / "hum.nwb"
    file.write_bytes(template.read_bytes())
    import h5py

    with h5py.File(file, "r+") as h5:
        data = h5["/acquisition/ElectricalSeries0/data"]
        hum = 100 * np.cos(2 * np.pi * 50 * np.arange(len(data)) / 500)
        data[:, 1] = data[:, 1] + np.round(hum / 0.2).astype(np.int16)
    pipeline.process(file, "spectrogram", SHORT | {"lines": True, "ephys_high_hz": 60.0})
    with open_session(file) as session:
        lines = read_result_table(session, layout.SPECTRAL_LINES)
        assert [one for one in check_layout(session) if one.severity == "ERROR"] == []
    hums = (lines["signal"] == "CSC2") & (np.abs(lines["frequency_hz"] - 50) < 0.11)
    assert hums.sum() >= 50
    assert np.median(lines["amplitude"][hums]) == pytest.approx(100e-6, rel=0.2)
    assert not (np.abs(lines["frequency_hz"][lines["signal"] == "CSC1"] - 50) < 0.11).any()


def test_a_missing_package_names_the_extra(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "multitaper", None)
    monkeypatch.setitem(sys.modules, "multitaper.mtspec", None)
    before = file.read_bytes()
    with pytest.raises(MissingPackageError, match=r"ace-nwb\[multitaper\]"):
        pipeline.process(file, "spectrogram", SHORT | {"method": "multitaper"})
    assert file.read_bytes() == before


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_the_package_gives_the_same_but_for_the_scale(file):
    pytest.importorskip("multitaper")
    slow = SHORT | {"step_s": 30.0}
    pipeline.process(file, "spectrogram", slow)
    ours = read(file, "CalciumSpectrogram")[2]
    pipeline.process(file, "spectrogram", slow | {"method": "multitaper"})
    theirs = read(file, "CalciumSpectrogram")[2]
    assert np.corrcoef(np.log(ours.ravel()), np.log(theirs.ravel()))[0, 1] > 0.99


def test_an_empty_band_is_refused_with_its_numbers(file):
    with pytest.raises(ParameterError, match="12 to 11 Hz"):
        pipeline.process(file, "spectrogram", SHORT | {"low_hz": 12.0, "high_hz": 11.0})
