"""A crafted file cannot make us read other files of the reader's computer."""

import h5py
import numpy as np
import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.safety import check_safe
from ace_nwb.nwb.session import edit_session, open_session


@pytest.fixture
def secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "secret"
    path.write_bytes(b"root:x:0:0" * 10)
    return path


def refused(path, match):
    before = path.read_bytes()
    with pytest.raises(SessionFileError, match=match):
        open_session(path)
    with pytest.raises(SessionFileError, match=match):
        edit_session(path).__enter__()
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["elsewhere", "beside"])
def test_external_raw_storage_is_refused_wherever_it_lies(recorded, secret, place):
    source = str(secret)
    if place == "beside":
        source = "raw.bin"
        (recorded.path.parent / source).write_bytes(bytes(100))
    with h5py.File(recorded.path, "r+") as h5:
        h5.create_dataset("acquisition/x", (100,), np.uint8, external=[(source, 0, 100)])
    refused(recorded.path, "/acquisition/x takes its content from")


@pytest.mark.parametrize("target", ["../elsewhere.nwb", "/etc/other.nwb", "sub/../../x.nwb"])
def test_links_out_of_the_folder_are_refused(recorded, target):
    with h5py.File(recorded.path, "r+") as h5:
        h5["acquisition/x"] = h5py.ExternalLink(target, "/data")
    refused(recorded.path, "/acquisition/x takes its content from")


def test_a_symbolic_link_that_leads_out_of_the_folder_is_refused(recorded, secret):
    (recorded.path.parent / "inside.nwb").symlink_to(secret)
    with h5py.File(recorded.path, "r+") as h5:
        h5["acquisition/x"] = h5py.ExternalLink("inside.nwb", "/data")
    refused(recorded.path, "/acquisition/x")


def test_a_link_to_a_file_beside_is_allowed(recorded):
    with h5py.File(recorded.path.parent / "raw.h5", "w") as h5:
        h5["data"] = np.arange(3)
    with h5py.File(recorded.path, "r+") as h5:
        h5["scratch/x"] = h5py.ExternalLink("raw.h5", "/data")
    with open_session(recorded.path) as session:
        assert session.h5["scratch/x"][2] == 2


def test_a_file_beside_cannot_lead_further(recorded, secret):
    with h5py.File(recorded.path.parent / "raw.h5", "w") as h5:
        h5.create_dataset("data", (100,), np.uint8, external=[(str(secret), 0, 100)])
    with h5py.File(recorded.path, "r+") as h5:
        h5["scratch/x"] = h5py.ExternalLink("raw.h5", "/data")
    refused(recorded.path, r"raw\.h5: /data takes its content from")


def test_a_link_to_a_missing_file_is_refused(recorded, tmp_path_factory, monkeypatch):
    """HDF5 would go on to look for it in the current folder."""
    current = tmp_path_factory.mktemp("current")
    with h5py.File(current / "raw.h5", "w") as h5:
        h5["data"] = 1
    monkeypatch.chdir(current)
    with h5py.File(recorded.path, "r+") as h5:
        h5["scratch/x"] = h5py.ExternalLink("raw.h5", "/data")
    refused(recorded.path, "no readable HDF5 file beside it")


def test_files_that_link_to_each_other_are_read(recorded):
    with h5py.File(recorded.path.parent / "raw.h5", "w") as h5:
        h5["data"] = np.arange(3)
        h5["back"] = h5py.ExternalLink(recorded.path.name, "/acquisition")
    with h5py.File(recorded.path, "r+") as h5:
        h5["scratch/x"] = h5py.ExternalLink("raw.h5", "/data")
    with open_session(recorded.path) as session:
        assert session.h5["scratch/x"][2] == 2


def test_a_virtual_data_set_over_another_file_is_refused(recorded, secret):
    virtual = h5py.VirtualLayout((4,), np.float64)
    virtual[:] = h5py.VirtualSource(str(secret), "x", (4,))
    with h5py.File(recorded.path, "r+") as h5:
        h5.create_virtual_dataset("acquisition/x", virtual)
    refused(recorded.path, "/acquisition/x")


def test_a_file_is_checked_once_and_again_when_it_has_changed(recorded, secret, monkeypatch):
    checked = []

    def check(h5, path):
        checked.append(path)
        return check_safe(h5, path)

    monkeypatch.setattr("ace_nwb.nwb.opening.check_safe", check)
    for _time in range(3):
        open_session(recorded.path).close()
    assert checked == [recorded.path]
    with h5py.File(recorded.path, "r+") as h5:
        h5["acquisition/x"] = h5py.ExternalLink(str(secret), "/data")
    refused(recorded.path, "/acquisition/x takes its content from")
