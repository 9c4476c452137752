"""What libraries raise on a session file is told with the object; our own faults stay faults."""

import h5py
import numpy as np
import pytest

from ace_nwb.cli import FAULT, run
from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.faults import blamed_on
from ace_nwb.nwb.session import edit_session, open_session


def spoil_chunk(path, name):
    with h5py.File(path, "r") as h5:
        chunk = h5[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    stop = chunk.byte_offset + chunk.size
    content[chunk.byte_offset : stop] = bytes(chunk.size)
    path.write_bytes(content)


def compress(path, name):
    with h5py.File(path, "r+") as h5:
        values, attributes = h5[name][()], dict(h5[name].attrs)
        del h5[name]
        created = h5.create_dataset(name, data=values, compression="gzip", chunks=values.shape)
        created.attrs.update(attributes)


def test_data_that_cannot_be_decompressed_are_named(recorded):
    name = f"{layout.MOVIE}/data"
    compress(recorded.path, name)
    spoil_chunk(recorded.path, name)
    with (
        pytest.raises(SessionFileError, match=f"{name} cannot be read") as caught,
        open_session(recorded.path) as session,
    ):
        session.h5[name][:]
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(SessionFileError, match=name), edit_session(recorded.path) as writer:
        writer.h5[name][:]


def test_what_is_missing_is_named(recorded):
    with (
        pytest.raises(SessionFileError, match="/acquisition/nothing cannot be read"),
        open_session(recorded.path) as session,
    ):
        session.h5["acquisition"]["nothing"]
    with (
        pytest.raises(SessionFileError, match="/acquisition/nothing cannot be read"),
        open_session(recorded.path) as session,
    ):
        session.h5["acquisition"].attrs["nothing"]


def test_a_rule_of_nwb_that_the_file_breaks_is_told(recorded):
    with h5py.File(recorded.path, "r+") as h5:
        h5[f"{layout.MOVIE}/timestamps"][5] = np.nan
    with (
        pytest.raises(SessionFileError, match=r"Time 5 is not finite.*ValueError: what follows"),
        open_session(recorded.path),
    ):
        raise ValueError("what follows from it")


@pytest.mark.parametrize("use", [open_session, edit_session, blamed_on])
def test_a_fault_of_ours_on_a_sound_file_stays_one(recorded, use):
    with pytest.raises(ZeroDivisionError), use(recorded.path):
        1 / 0  # noqa: B018


def test_the_command_line_says_that_it_is_our_fault_and_where_to_report(
    recorded, monkeypatch, capsys
):
    def fail(_path):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("ace_nwb.pipeline.overview", fail)
    assert run(["status", str(recorded.path)]) == FAULT
    said = capsys.readouterr().err
    assert "a fault of ours" in said
    assert "test_faults.py" in said
    assert "report" in said
