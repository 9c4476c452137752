"""Objects written with h5py are those that pynwb writes; the schema comes along."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pynwb
import pytest
from hdmf.common import DynamicTable, DynamicTableRegion, VectorData, VectorIndex
from pynwb import NWBHDF5IO, H5DataIO, NWBFile, TimeSeries
from pynwb.base import Images, TimeSeriesReference, TimeSeriesReferenceVectorData
from pynwb.epoch import TimeIntervals
from pynwb.event import EventsTable, TimestampVectorData
from pynwb.image import GrayscaleImage

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import create_images
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.objects.copying import find_difference
from ace_nwb.nwb.objects.writing import (
    Stored,
    compressed,
    link_target,
    provide_schema,
    region,
    stretches,
)
from ace_nwb.nwb.session import edit_session
from tests.fixtures.changes import add_motion

LONG = np.linspace(0, 9, 6000).reshape(3000, 2)
TIMES_S = np.cumsum(np.linspace(0.1, 0.2, 3000))
WORDS = ["a", "two words", "µm"]
IMAGE = np.arange(12, dtype=np.float32).reshape(3, 4)
TEXT = "Rows."


def add_with_pynwb(nwbfile):
    module = nwbfile.create_processing_module("misc", layout.MODULES["misc"])
    packed = H5DataIO(LONG, compression="gzip", compression_opts=1, shuffle=True, chunks=True)
    about = {"unit": "m", "description": "d"}
    stamps = H5DataIO(TIMES_S, compression="gzip", compression_opts=1, shuffle=True, chunks=True)
    first = TimeSeries(name="First", data=packed, timestamps=stamps, **about)
    module.add(first)
    module.add(TimeSeries(name="Linked", data=LONG[:, 0] > 4, timestamps=first, **about))
    regular = TimeSeries(name="Regular", data=LONG[:5], rate=2.5, starting_time=1.0, **about)
    module.add(regular)
    columns = [
        VectorData(name="word", description=TEXT, data=WORDS),
        VectorData(name="flag", description=TEXT, data=np.array([True, False, True])),
        VectorData(name="pair", description=TEXT, data=LONG[:3]),
    ]
    table = DynamicTable(name="Table", description="T.", columns=columns, id=[5, 6, 7])
    module.add(table)
    samples = TimeSeriesReferenceVectorData(
        name="timeseries",
        description=TEXT,
        data=[TimeSeriesReference(1, 2, regular), TimeSeriesReference(0, 4, first)],
    )
    many = VectorData(name="many", description=TEXT, data=np.arange(300))
    referring = [
        DynamicTableRegion(name="row", description=TEXT, data=np.array([2, 0]), table=table),
        many,
        VectorIndex(name="many_index", data=[100, 300], target=many),
    ]
    module.add(DynamicTable(name="Referring", description="R.", columns=referring, id=np.arange(2)))
    times = [
        VectorData(name=name, description=TEXT, data=LONG[:2, 0])
        for name in ("start_time", "stop_time")
    ]
    index = VectorIndex(name="timeseries_index", data=[1, 2], target=samples)
    intervals = {"columns": [*times, samples, index], "id": np.arange(2)}
    module.add(TimeIntervals(name="Intervals", description="S.", **intervals))
    stamps = TimestampVectorData(name="timestamp", description=TEXT, data=TIMES_S[:2])
    module.add(EventsTable(name="Events", description="E.", columns=[stamps], id=np.arange(2)))
    images = [GrayscaleImage(name="mean", data=IMAGE, description="Mean.")]
    module.add(Images(name="Images", description="I.", images=images))


def add_with_ours(writer):
    about = {"unit": "m", "description": "d"}
    path = "/processing/misc/"
    write_series(writer, f"{path}First", LONG, timestamps=TIMES_S, **about)
    write_series(writer, f"{path}Linked", LONG[:, 0] > 4, timestamps_from=f"{path}First", **about)
    write_series(writer, f"{path}Regular", LONG[:5], rate_hz=2.5, start_s=1.0, **about)
    columns = {"word": WORDS, "flag": [True, False, True], "pair": LONG[:3]}
    described = {name: (TEXT, values) for name, values in columns.items()}
    table = writer.create_table(f"{path}Table", "T.", described, ids=[5, 6, 7])
    series = [(1, 2, writer.h5[f"{path}Regular"]), (0, 4, writer.h5[f"{path}First"])]
    referring = {
        "row": (TEXT, region(table, [2, 0])),
        "many": (TEXT, Stored(np.arange(300), ends=np.array([100, 300]))),
    }
    writer.create_table(f"{path}Referring", "R.", referring)
    intervals = dict.fromkeys(("start_time", "stop_time"), (TEXT, LONG[:2, 0]))
    intervals["timeseries"] = (TEXT, stretches(series))
    writer.create_table(f"{path}Intervals", "S.", intervals, kind="TimeIntervals")
    seconds = {"kind": "TimestampVectorData", "attributes": {"unit": "seconds"}}
    stamps = {"timestamp": (TEXT, compressed(TIMES_S[:2], **seconds))}
    writer.create_table(f"{path}Events", "E.", stamps, kind="EventsTable")
    create_images(writer, f"{path}Images", {"mean": ("Mean.", IMAGE)}, description="I.")


@pytest.fixture
def paths(tmp_path):
    """Two files that hold nothing yet."""
    start = datetime(2024, 5, 6, tzinfo=UTC)
    found = [tmp_path / "theirs.nwb", tmp_path / "ours.nwb"]
    for path in found:
        nwbfile = NWBFile(session_description="d", identifier="i", session_start_time=start)
        if path.stem == "theirs":
            add_with_pynwb(nwbfile)
        with NWBHDF5IO(path, "w") as io:
            io.write(nwbfile)
    return found


def storage(h5):
    """Return how each data set is stored, and forget what no two files share."""
    found = {}

    def visit(path, item):
        if "object_id" in item.attrs:
            assert len(item.attrs["object_id"]) == 36
            item.attrs["object_id"] = ""
        if isinstance(item, h5py.Dataset):
            packed = (item.chunks, item.maxshape, item.compression, item.shuffle)
            types = {name: item.attrs.get_id(name).dtype for name in item.attrs}
            found[path] = (*packed, types)

    h5["processing"].visititems(visit)
    for name in ("file_create_date", ".specloc"):
        h5.attrs.pop(name, None)
    h5.attrs["object_id"] = h5["file_create_date"][...] = ""
    return found


def test_every_kind_of_object_is_stored_as_pynwb_stores_it(paths):
    theirs, ours = paths
    with edit_session(ours) as writer:
        add_with_ours(writer)
    assert pynwb.validate(path=str(ours)) == []
    with h5py.File(theirs, "r+") as first, h5py.File(ours, "r+") as second:
        assert storage(first) == storage(second)
        for h5 in (first, second):
            del h5["file_create_date"], h5["processing/misc"].attrs["object_id"]
        assert find_difference(first, second) is None


def test_links_end_where_the_times_are(paths):
    with edit_session(paths[1]) as writer:
        add_with_ours(writer)
        end = link_target(writer.h5, "/processing/misc/Linked/timestamps")
    assert end == "/processing/misc/First/timestamps"


@pytest.mark.parametrize("known", ["2.6.0", "2.9.0-alpha", None])
def test_a_file_with_an_older_schema_is_given_ours(recorded, known):
    with h5py.File(recorded.path, "r+") as h5:
        schemas = h5["specifications/core"]
        (own,) = schemas
        if known is None:
            del h5["specifications"], h5.attrs[".specloc"]
        else:
            schemas.move(own, known)
    with edit_session(recorded.path) as writer:
        add_motion(writer)
    with h5py.File(recorded.path) as h5:
        assert set(h5["specifications/core"]) == {own, known} - {None}
        assert layout.MOTION_SHIFTS in h5


def test_a_file_with_our_schema_is_left_as_it_is(recorded):
    with h5py.File(recorded.path, "r") as h5:
        provide_schema(h5)  # a file that cannot be written
