"""NeuroConv's own tests of data interfaces, on each of ours; one of each kind is quick."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.interfaces import data_interfaces as ours
from tests.fixtures.fake_isx import write_isxd
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, write_ncs
from tests.fixtures.recordings import draw_frames, make_tiny_recording, write_mapped_recording
from tests.simulators import (
    intan,
    miniscope_v3,
    onix,
    open_ephys,
    open_ephys_binary,
    open_ephys_legacy,
    spikeglx,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from neuroconv.tools.testing.data_interface_mixins import (
        ImagingExtractorInterfaceTestMixin,
        RecordingExtractorInterfaceTestMixin,
    )

pytestmark = pytest.mark.interop


class Written:
    """A recording that a simulator writes once for the tests of its interface."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def recording(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("recording")
        cls.interface_kwargs = {"folder_path": str(cls.write(folder))}
        cls.save_directory = tmp_path_factory.mktemp("aligned")


class ImagingMixin(Written, ImagingExtractorInterfaceTestMixin):
    optical_series_name = "OnePhotonSeries"


class RecordingMixin(Written, RecordingExtractorInterfaceTestMixin):
    pass


class OnHdf5:
    """Leaves out Zarr, which asks nothing of a format that HDF5 does not: for time's sake."""

    @pytest.mark.parametrize("backend", ["hdf5"])
    def test_all_conversion_checks(self, setup_interface, tmp_path, backend):
        super().test_all_conversion_checks(setup_interface, tmp_path, backend)


class TestMiniscopeDaq(ImagingMixin):
    data_interface_cls = ours.MiniscopeDaqInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return make_tiny_recording(folder).folder


@pytest.mark.slow
class TestMiniscopeV3(OnHdf5, ImagingMixin):
    data_interface_cls = ours.MiniscopeV3Interface

    @staticmethod
    def write(folder: Path) -> Path:
        return miniscope_v3.write_recording(folder).folder


@pytest.mark.slow
class TestOpenEphysMiniscope(OnHdf5, ImagingMixin):
    data_interface_cls = ours.OpenEphysMiniscopeInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return open_ephys.write_recording(folder).folder


@pytest.mark.slow
class TestOnixMiniscope(ImagingMixin):
    data_interface_cls = ours.OnixMiniscopeInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return onix.write_acquisition(folder, n_frames=5, n_samples=600).folder


@pytest.mark.slow
@pytest.mark.usefixtures("fake_isx")
class TestInscopix(OnHdf5, ImagingMixin):
    data_interface_cls = ours.InscopixInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return write_isxd(folder / "movie.isxd", draw_frames(9)).parent


@pytest.mark.slow
class TestMappedMovie(OnHdf5, ImagingMixin):
    data_interface_cls = ours.MappedMovieInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return write_mapped_recording(folder)


class TestNeuralynx(RecordingMixin):
    data_interface_cls = ours.NeuralynxInterface

    @staticmethod
    def write(folder: Path) -> Path:
        for name, bit_volts in (("CSC1", "0.00000003"), ("CSC2", "0.00000006")):
            write_ncs(folder / f"{name}.ncs", draw_samples(1500), bit_volts=bit_volts)
        return folder


@pytest.mark.slow
class TestNeuralynxWithGap(OnHdf5, RecordingMixin):
    data_interface_cls = ours.NeuralynxInterface

    @staticmethod
    def write(folder: Path) -> Path:
        starts_us = FIRST_US + 256_000 * np.array([0, 1, 9])
        write_ncs(folder / "CSC1.ncs", draw_samples(1536), starts_us=starts_us)
        return folder


@pytest.mark.slow
class TestOpenEphysBinary(OnHdf5, RecordingMixin):
    data_interface_cls = ours.OpenEphysBinaryInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return open_ephys_binary.write_recording(folder, n_samples=8000).folder


@pytest.mark.slow
class TestOpenEphysLegacy(OnHdf5, RecordingMixin):
    data_interface_cls = ours.OpenEphysLegacyInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return open_ephys_legacy.write_recording(folder, n_records=3).folder


@pytest.mark.slow
class TestOnix(RecordingMixin):
    data_interface_cls = ours.OnixInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return onix.write_acquisition(folder, n_frames=5, n_samples=600).folder


@pytest.mark.slow
class TestIntan(OnHdf5, RecordingMixin):
    data_interface_cls = ours.IntanInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return intan.write_recording(folder, n_samples=1280).folder


@pytest.mark.slow
class TestSpikeGlx(OnHdf5, RecordingMixin):
    data_interface_cls = ours.SpikeGlxInterface

    @staticmethod
    def write(folder: Path) -> Path:
        return spikeglx.write_recording(folder, duration_s=0.1).folder
