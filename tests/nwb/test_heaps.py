"""A heap of texts with zeros in it, in which HDF5 would go on for ever, is refused at opening."""

from struct import unpack_from

import h5py
import numpy as np
import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import heaps
from ace_nwb.nwb.heaps import find_endless_texts
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.nwb.structure import Structure

TEXT = h5py.string_dtype()
N_TEXTS = 40
TEXTS = [f"text number {n}" for n in range(N_TEXTS)]


def lose_heap(path, text):
    """Let zeros stand behind the first object of the heap that holds a text."""
    content = bytearray(path.read_bytes())
    place = content.rindex(b"GCOL", 0, content.rindex(text))
    length = unpack_from("<Q", content, place + 8)[0]
    here = place + 32 + (unpack_from("<Q", content, place + 24)[0] + 7) // 8 * 8
    content[here : place + length] = bytes(place + length - here)
    path.write_bytes(content)


def holder_of_endless(path):
    with h5py.File(path) as h5:
        structure = Structure(h5, path)
        return find_endless_texts(
            path,
            base=h5.userblock_size,
            headers=structure.headers(),
            texts=[one for one in structure.datasets() if one[1].dtype.hasobject],
        )


def contiguous(h5):
    h5.create_dataset("a/x", data=TEXTS, dtype=TEXT)


def chunked(h5):
    h5.create_dataset("a/x", data=TEXTS, dtype=TEXT, chunks=(7,))


def compressed(h5):
    h5.create_dataset("a/x", data=TEXTS, dtype=TEXT, chunks=(7,), compression="gzip", shuffle=True)


def compound(h5):
    rows = np.array([(n, text) for n, text in enumerate(TEXTS)], [("n", "i4"), ("text", TEXT)])
    h5.create_dataset("a/x", data=rows)


def ragged(h5):
    x = h5.create_dataset("a/x", (N_TEXTS,), h5py.vlen_dtype("u1"))
    for n, text in enumerate(TEXTS):
        x[n] = np.frombuffer(text.encode(), "u1")


def attributes(h5):
    h5.create_group("a/x").attrs.update({f"name{n}": text for n, text in enumerate(TEXTS)})


def few_attributes(h5):
    h5.create_group("a/x").attrs.update({f"name{n}": text for n, text in enumerate(TEXTS[:8])})


def attribute_array(h5):
    h5.create_group("a/x").attrs["names"] = TEXTS


KINDS = (
    contiguous,
    chunked,
    compressed,
    compound,
    ragged,
    attributes,
    few_attributes,
    attribute_array,
)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("user_block", [0, 512])
def test_the_object_whose_texts_are_lost_is_named(tmp_path, make, user_block):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=user_block) as h5:
        h5.create_group("b").attrs["sound"] = 1
        make(h5)
    assert holder_of_endless(path) == ""
    lose_heap(path, b"text number 1")
    assert holder_of_endless(path) == "/a/x"


@pytest.mark.parametrize("make", [contiguous, chunked, few_attributes, attributes, attribute_array])
@pytest.mark.parametrize("tracked", [False, True])
def test_headers_of_the_newer_version_are_looked_at(tmp_path, make, tracked):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest", track_order=tracked) as h5:
        make(h5)
    lose_heap(path, b"text number 1")
    assert holder_of_endless(path) == "/a/x"


@pytest.mark.parametrize("n_attributes", [9, 40, 900, 4000])
def test_attributes_kept_apart_from_their_object_are_looked_at(tmp_path, n_attributes):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest") as h5:
        h5.create_group("b").attrs.update({f"other{n}": n for n in range(12)})
        group = h5.create_group("a/x")
        group.attrs.update({f"name{n}": n for n in range(n_attributes - 1)})
        group.attrs["late"] = "text number 1"
    assert holder_of_endless(path) == ""
    lose_heap(path, b"text number 1")
    assert holder_of_endless(path) == "/a/x"


def test_a_damaged_block_of_attributes_is_no_more_than_that(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest") as h5:
        h5.create_group("a/x").attrs.update({f"name{n}": text for n, text in enumerate(TEXTS)})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    start = whole.index(b"FRHP")
    for place in [*range(start + 4, start + 146), *rng.integers(0, len(whole), 200)]:
        content = bytearray(whole)
        content[place : place + 8] = rng.bytes(8)
        path.write_bytes(content)
        with path.open("rb", buffering=0) as file:
            assert len(heaps._dense(file, 0, start)) <= 2**20


def test_texts_that_grow_are_found_in_blocks_that_continue_a_header(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as h5:
        group = h5.create_group("a/x")
        for n in range(300):
            group.attrs[f"before{n}"] = n
            group.create_group(f"g{n}")
        group.attrs["late"] = "text number 1"
    lose_heap(path, b"text number 1")
    assert holder_of_endless(path) == "/a/x"


def test_a_session_with_such_a_heap_is_refused_before_it_is_read(recorded):
    lose_heap(recorded.path, b"recorded")
    damaged = recorded.path.read_bytes()
    for opening in (open_session, edit_session):
        message = "HDF5 would look for them without end"
        with pytest.raises(SessionFileError, match=message), opening(recorded.path):
            pass
    assert recorded.path.read_bytes() == damaged
