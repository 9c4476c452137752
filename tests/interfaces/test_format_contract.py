"""What every format of the table must offer, whoever adds it."""

import inspect
import warnings

import pytest

from ace_nwb.interfaces.arrays import ArrayPlacer, iterate_source
from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.detection import load_format
from ace_nwb.interfaces.imaging_recording import ReadOptions
from ace_nwb.registry import FORMATS
from tests.fixtures.fake_isx import write_isxd
from tests.fixtures.recordings import draw_frames, write_mapped_recording
from tests.simulators import (
    intan,
    miniscope_v3,
    onix,
    open_ephys,
    open_ephys_binary,
    open_ephys_legacy,
    spikeglx,
)


@pytest.fixture(params=FORMATS.names())
def format_(request) -> Format:
    return load_format(request.param)


@pytest.fixture
def folder(format_, toy_source, tmp_path_factory, fake_isx):
    made = tmp_path_factory.mktemp("recording")
    writers = {
        "miniscope-daq": lambda: toy_source.miniscope_folder,
        "neuralynx": lambda: toy_source.ephys_folder,
        "miniscope-v3": lambda: miniscope_v3.write_recording(made).folder,
        "open-ephys-miniscope": lambda: open_ephys.write_recording(made).folder,
        "onix-miniscope": lambda: onix.write_acquisition(made).folder,
        "onix": lambda: onix.write_acquisition(made).folder,
        "open-ephys-binary": lambda: open_ephys_binary.write_recording(made).folder,
        "open-ephys-legacy": lambda: open_ephys_legacy.write_recording(made).folder,
        "intan": lambda: intan.write_recording(made).folder,
        "inscopix": lambda: write_isxd(made / "movie.isxd", draw_frames(9)).parent,
        "spikeglx": lambda: spikeglx.write_recording(made).folder,
        "movie-files": lambda: write_mapped_recording(made),
    }
    return writers[format_.name]()


@pytest.fixture
def interface(format_, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return format_.open_interface(folder)


def test_its_name_is_that_of_the_table(format_):
    assert format_.name in FORMATS.names()
    assert format_.modality in ("imaging", "ephys")


def test_it_finds_its_own_recording_and_no_other(format_, folder, tmp_path):
    (candidate,) = format_.find(folder)
    assert candidate.format_name == format_.name
    assert candidate.score >= 5
    assert format_.find(tmp_path) == []


def test_its_summary_is_of_its_modality(format_, folder):
    summary = format_.summarise(folder, ReadOptions())
    assert bool(summary.movies) == (format_.modality == "imaging")
    assert bool(summary.channels) == (format_.modality == "ephys")


def test_its_interface_is_one_of_neuroconv(interface):
    from neuroconv import BaseDataInterface

    assert isinstance(interface, BaseDataInterface)
    assert next(iter(inspect.signature(type(interface)).parameters)) == "folder_path"
    assert interface.get_source_schema()["required"] == ["folder_path"]
    assert interface.get_conversion_options_schema()["type"] == "object"
    assert interface.display_name
    assert interface.info


def test_its_metadata_pass_the_schema_of_neuroconv(interface):
    metadata = interface.get_metadata()
    metadata["NWBFile"].setdefault("session_start_time", "2025-06-12T15:26:31-04:00")
    interface.validate_metadata(metadata)


def test_its_arrays_can_be_read_in_blocks(interface):
    from datetime import UTC, datetime

    from pynwb import NWBFile

    nwbfile = NWBFile("x", "x", datetime(2025, 6, 12, tzinfo=UTC))
    placer = ArrayPlacer(deferred=True)
    interface.add_objects(nwbfile, {}, placer=placer)
    assert placer.pending
    for item in placer.pending:
        blocks = list(iterate_source(item.source, 50_000))
        assert sum(len(block) for block in blocks) == item.source.shape[0]
        assert blocks[0].dtype == item.source.dtype
        assert blocks[0].shape[1:] == item.source.shape[1:]
        assert len(item.source.chunk_shape) == len(item.source.shape)


def test_its_content_is_described_without_its_place(interface, folder):
    assert interface.describe_content()
    assert str(folder) not in interface.describe_content()
    assert all(str(folder) not in remark for remark in interface.remarks())
