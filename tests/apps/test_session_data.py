"""A file that other programs change while a page reads it."""

import pytest

from ace_nwb.apps import session_data
from ace_nwb.apps.session_data import SessionData
from ace_nwb.archive.description import describe


def change(path):
    """Change the file as another program would."""
    describe(path, {"NWBFile": {"session_description": "Changed."}})


def test_what_changes_while_it_is_read_is_read_again(analysed):
    data, seen = SessionData(analysed), []

    def read(session):
        seen.append(session)
        if len(seen) == 1:
            change(analysed)
            raise OSError("Can't synchronously read data (addr overflow)")
        return session.h5["session_description"].asstr()[()]

    assert data.use(read) == "Changed."
    assert seen[0] is not seen[1]
    data.close()


def test_a_fault_of_a_file_that_stays_as_it_is_is_told(analysed):
    data, seen = SessionData(analysed), []

    def read(session):
        seen.append(session)
        raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"):
        data.use(read)
    assert len(seen) == 1
    data.close()


def test_a_change_while_the_file_is_opened_is_not_taken_for_known(analysed, monkeypatch):
    open_apart = session_data.open_apart

    def open_and_change(path):
        session = open_apart(path)
        change(path)
        return session

    monkeypatch.setattr(session_data, "open_apart", open_and_change)
    data = SessionData(analysed)
    data.open()
    assert not data.is_current
    data.close()
