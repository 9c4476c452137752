"""A damaged or endless HDF5 file is refused when it is opened, and the object is named."""

import h5py
import numpy as np
import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.nwb.structure import ALWAYS_BYTES, DEEPEST, Structure


def refused(path, message):
    with pytest.raises(SessionFileError, match=message):
        open_session(path)
    before = path.read_bytes()
    with pytest.raises(SessionFileError, match=message), edit_session(path):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("target", ["processing/sync", "processing", "/"])
def test_a_group_within_itself_is_refused(recorded, target):
    with h5py.File(recorded.path, "r+") as h5:
        h5["processing/sync/x"] = h5[target]
    refused(recorded.path, "/processing/sync/x is its own ancestor /")


def test_a_circle_over_two_groups_is_refused(recorded):
    with h5py.File(recorded.path, "r+") as h5:
        h5["processing/sync/x"] = h5["acquisition"]
        h5["acquisition/y"] = h5["processing/sync"]
    refused(recorded.path, "is its own ancestor")


def test_an_object_with_two_names_is_no_circle(recorded):
    with h5py.File(recorded.path, "r+") as h5:
        h5["scratch/x"] = h5["processing/sync"]
    open_session(recorded.path).close()


@pytest.mark.parametrize(("depth", "is_refused"), [(DEEPEST, False), (DEEPEST + 1, True)])
def test_groups_beyond_the_bound_of_depth_are_refused(tmp_path, depth, is_refused):
    with h5py.File(tmp_path / "deep.h5", "w") as h5:
        h5.create_group("/".join("g" * depth))
        if not is_refused:
            assert len(Structure(h5, tmp_path).hard) == depth
            return
        with pytest.raises(SessionFileError, match="groups deep"):
            Structure(h5, tmp_path)


def test_sizes_that_cannot_be_in_the_file_are_refused_with_their_object(recorded):
    with h5py.File(recorded.path, "r+") as h5:
        h5.create_dataset("scratch/x", (10**12,), np.float64, chunks=(1000,))
    refused(recorded.path, "/scratch/x declares 8,000 GB")


def test_a_large_size_of_a_sparse_data_set_is_legal(recorded):
    with h5py.File(recorded.path, "r+") as h5:
        h5.create_dataset("scratch/x", (ALWAYS_BYTES // 8,), np.float64, chunks=(1000,))
    open_session(recorded.path).close()


def test_a_zeroed_page_is_refused_with_its_object(recorded):
    with h5py.File(recorded.path, "r") as h5:
        place = h5py.h5o.get_info(h5["processing/sync/FrameLedger"].id).addr
    content = bytearray(recorded.path.read_bytes())
    content[place : place + 64] = bytes(64)
    recorded.path.write_bytes(content)
    refused(recorded.path, "FrameLedger.* is damaged|follows /processing/sync")
