"""Movies kept for several passes: what is kept where changes nothing."""

from pathlib import Path

import numpy as np
import pytest

from ace_nwb.imaging.binning import BinnedMovie
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.movie import ArrayMovie, Movie
from ace_nwb.imaging.packing import (
    PackedMovie,
    PackingSpace,
    RoundedMovie,
    pack,
    pack_frames,
    packed_bytes,
    recorded_bytes,
    unpack_frames,
)

FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def movie() -> ArrayMovie:
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 5, (40, 30, 44)) * rng.uniform(0.1, 50, (40, 1, 1))
    return ArrayMovie(frames.astype(np.float32), 20.0)


def keep(movie: Movie, folder: Path, *, memory: int, disk: int, workers: int = 1) -> Movie:
    return pack(movie, PackingSpace(memory, disk, folder), "kept", workers=workers)


def test_rounding_is_far_below_the_noise(movie: ArrayMovie) -> None:
    packed, scales = pack_frames(movie.frames)
    assert packed.dtype == np.uint16
    error = np.abs(unpack_frames(packed, scales) - movie.frames).max((1, 2))
    assert (error <= 0.51 * np.ptp(movie.frames, axis=(1, 2)) / 65535 + 1e-4).all()


def test_dark_and_bright_ends_come_back(movie: ArrayMovie) -> None:
    restored = unpack_frames(*pack_frames(movie.frames))
    for end in (np.min, np.max):
        np.testing.assert_allclose(
            end(restored, axis=(1, 2)), end(movie.frames, axis=(1, 2)), rtol=1e-5
        )


def test_constant_and_empty_frames_survive() -> None:
    constant = np.full((3, 4, 5), 7.5, np.float32)
    np.testing.assert_array_equal(unpack_frames(*pack_frames(constant)), constant)
    assert unpack_frames(*pack_frames(constant[:0])).shape == (0, 4, 5)


def test_memory_file_and_reading_anew_give_the_same_bits(movie: ArrayMovie, tmp_path: Path) -> None:
    size = packed_bytes(movie)
    in_memory = keep(movie, tmp_path, memory=size, disk=0)
    in_file = keep(movie, tmp_path, memory=size - 1, disk=size, workers=2)
    anew = keep(movie, tmp_path, memory=0, disk=size - 1)
    assert isinstance(in_memory, PackedMovie)
    assert isinstance(in_memory.frames, np.ndarray)
    assert isinstance(in_file, PackedMovie)
    assert isinstance(in_file.frames, Path)
    assert isinstance(anew, RoundedMovie)
    for start, stop in ((0, 40), (7, 12), (35, 99)):
        expected = in_memory.read(start, stop)
        for other in (in_file, anew):
            assert other.read(start, stop).tobytes() == expected.tobytes()


def test_space_is_used_up(movie: ArrayMovie, tmp_path: Path) -> None:
    size = packed_bytes(movie)
    space = PackingSpace(size, size, tmp_path)
    kept = [pack(movie, space, f"copy{number}", workers=1) for number in range(3)]
    assert [type(copy).__name__ for copy in kept] == ["PackedMovie", "PackedMovie", "RoundedMovie"]
    assert (space.memory_bytes, space.disk_bytes) == (0, 0)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == size


@pytest.mark.skipif(not FULL.exists(), reason="Linux has a device that is always full")
def test_a_full_disk_is_told_also_in_the_last_page_of_a_block(tmp_path: Path) -> None:
    (tmp_path / "kept").symlink_to(FULL)
    little = ArrayMovie(np.ones((2, 4, 5), np.float32), 20.0)
    with pytest.raises(OSError, match="No space left"):
        keep(little, tmp_path, memory=0, disk=packed_bytes(little))


def test_the_recorded_size_is_that_of_the_camera_not_of_the_corrected_movie() -> None:
    raw = ArrayMovie(np.zeros((10, 6, 8), np.uint8), 20.0)
    assert recorded_bytes(BinnedMovie(CorrectedMovie(raw), 4)) == 480
