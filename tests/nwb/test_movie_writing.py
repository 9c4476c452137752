import h5py
import numpy as np
import pytest

from ace_nwb.errors import MovieError
from ace_nwb.nwb.content.movie_writing import regroup_blocks, write_blocks


def make_dataset(h5: h5py.File, shape, dtype, chunks, *, shuffle: bool = False) -> h5py.Dataset:
    return h5.create_dataset(
        "data", shape=shape, dtype=dtype, chunks=chunks, compression="gzip", shuffle=shuffle
    )


@pytest.mark.parametrize("chunks", [(4, 5, 3), (23, 17, 11), (1, 17, 4), (64, 6, 11)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_plain_h5py_reads_back_what_was_written(tmp_path, chunks, dtype):
    data = np.random.default_rng(0).integers(0, 200, (23, 17, 11)).astype(dtype)
    chunks = tuple(min(chunk, side) for chunk, side in zip(chunks, data.shape, strict=True))
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        dataset = make_dataset(h5, data.shape, dtype, chunks, shuffle=dtype is np.uint16)
        write_blocks(dataset, [data[:7], data[7:8], data[8:]])
    with h5py.File(tmp_path / "a.h5") as h5:
        assert h5["data"].compression == "gzip"
        assert np.array_equal(h5["data"][:], data)


def test_signed_samples_survive_the_shuffle(tmp_path):
    data = np.random.default_rng(0).integers(-(2**15), 2**15, (1000, 3)).astype("<i2")
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        dataset = make_dataset(h5, data.shape, "<i2", (300, 2), shuffle=True)
        write_blocks(dataset, (data[start : start + 77] for start in range(0, 1000, 77)))
        assert np.array_equal(dataset[:], data)


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    data = np.random.default_rng(0).integers(0, 200, (30, 16, 16), dtype=np.uint8)
    files = []
    for workers in (1, 5):
        path = tmp_path / f"{workers}.h5"
        with h5py.File(path, "w") as h5:
            write_blocks(make_dataset(h5, data.shape, np.uint8, (8, 8, 8)), [data], workers=workers)
        files.append(path.read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize(("given", "words"), [(9, "yields 9"), (12, "at least 12")])
def test_another_number_of_rows_than_announced_is_refused(tmp_path, given, words):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        dataset = make_dataset(h5, (10, 4), np.uint8, (4, 4))
        with pytest.raises(MovieError, match=words):
            write_blocks(dataset, [np.zeros((given, 4), np.uint8)])


def test_progress_counts_rows_up_to_all_of_them(tmp_path):
    seen = []
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        dataset = make_dataset(h5, (10, 4), np.uint8, (4, 4))
        write_blocks(
            dataset,
            [np.zeros((10, 4), np.uint8)],
            progress=lambda done, of: seen.append((done, of)),
        )
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_blocks_are_cut_anew_without_loss():
    blocks = [np.arange(3), np.arange(3, 4), np.arange(4, 15)]
    regrouped = list(regroup_blocks(blocks, 4))
    assert [sum(map(len, pieces)) for pieces in regrouped] == [4, 4, 4, 3]
    assert np.array_equal(
        np.concatenate([piece for pieces in regrouped for piece in pieces]), np.arange(15)
    )
