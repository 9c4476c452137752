"""Time, memory and disk of motion, extract and evaluate on session files of growing length.

Run it by hand: `python -m tests.benchmarks.engine_scaling 2000 6000 18000 --folder /tmp/scaling`.
The movie is rendered straight into the session file, `PERIOD_SLABS` chunks long; what is longer
repeats these chunks. Every stage runs as a command of its own, so that its processor time and peak
memory are its own.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import h5py
import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from pynwb import NWBHDF5IO, NWBFile
from pynwb.ophys import OnePhotonSeries, OpticalChannel

from ace_nwb.imaging.storage import movie_chunk_shape, turn_axes
from ace_nwb.imaging.warping import shift_frames
from ace_nwb.nwb.content.imaging import read_motion
from ace_nwb.nwb.content.movie_writing import write_blocks
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.session import open_session
from ace_nwb.simulation.movie import MovieSpec, SimulatedMovie, build_movie, draw_spikes
from ace_nwb.simulation.scoring import (
    correlate_traces,
    motion_rmse_px,
    rest_offset,
    score_footprints,
)
from ace_nwb.simulation.truth import MovieTruth

STAGES = ("preprocess", "motion", "extract", "evaluate")
COMMAND_LINE = "import sys; from ace_nwb.cli import main; sys.exit(main())"
RATE_HZ = 30.0
CELLS_PER_PIXEL = 80 / 256**2
NOISE_POOL = 2**25
BLOCK_FRAMES = 24
PERIOD_SLABS = 100
COLUMNS = ("frames", "stage", "cpu_s", "cpu_ms_per_frame", "wall_s", "peak_mb", "temp_mb")


@dataclass(frozen=True)
class Cost:
    """What one stage took: processor and wall seconds, peak resident and temporary megabytes."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    temp_mb: float


def describe(n_frames: int, side_px: int) -> MovieSpec:
    """Return a movie of the density of the family "medium", of any size, at 30 Hz."""
    return MovieSpec(
        n_frames=n_frames,
        n_rows=side_px,
        n_columns=side_px,
        n_cells=round(CELLS_PER_PIXEL * side_px**2),
        frame_rate_hz=RATE_HZ,
    )


def render(movie: SimulatedMovie, seed: int) -> Iterator[np.ndarray]:
    """Yield blocks of the movie; noise comes from a pool, which is much faster than drawing it."""
    spec = movie.spec
    pool = np.random.default_rng(seed).standard_normal(NOISE_POOL, dtype=np.float32)
    starts = np.random.default_rng(seed + 1).integers(
        0, NOISE_POOL - spec.n_rows * spec.n_columns, spec.n_frames
    )
    margin = spec.margin_px
    inside = slice(margin, margin + spec.n_rows), slice(margin, margin + spec.n_columns)
    transposed = movie.footprints.T.tocsr().astype(np.float32)
    for first in range(0, spec.n_frames, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, spec.n_frames)
        scene = movie.neuropil.render(first, last)
        scene += movie.resting_light
        scene *= movie.vessels
        cells = transposed @ np.ascontiguousarray(movie.calcium[first:last].T)
        scene += cells.T.reshape(scene.shape)
        moved = shift_frames(
            scene, movie.displacement_px[first:last].astype(float), movie.brightness[first:last]
        )
        light = moved[:, *inside] * movie.vignette
        noise = np.stack([pool[s : s + light[0].size] for s in starts[first:last].tolist()])
        noise = noise.reshape(light.shape)
        variance = np.float32(spec.shot_noise_gain_grey) * np.maximum(light, 0)
        noise *= np.sqrt(variance + np.float32(spec.read_noise_grey**2))
        noise += light + np.float32(spec.dark_grey + 0.5)
        yield np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def simulate(spec: MovieSpec, seed: int) -> tuple[SimulatedMovie, MovieTruth]:
    """Return the movie, to be rendered, and its truth."""
    times_s = np.arange(spec.n_frames) / spec.frame_rate_hz
    return build_movie(spec, seed, spike_times_s=draw_spikes(spec, seed), frame_times_s=times_s)


def period_frames(n_frames: int, side_px: int) -> int:
    """Return after how many frames the movie begins anew: a whole number of chunks."""
    chunk = movie_chunk_shape((n_frames, side_px, side_px), itemsize=1)
    return min(n_frames, PERIOD_SLABS * chunk[0])


def repeat(truth: MovieTruth, n_frames: int) -> MovieTruth:
    """Return the truth of the movie repeated to `n_frames`."""
    frames = np.arange(n_frames) % len(truth.calcium)
    return replace(
        truth, calcium=truth.calcium[frames], displacement_px=truth.displacement_px[frames]
    )


def write_period(path: Path, movie: SimulatedMovie, seed: int) -> None:
    """Render one period of the movie into an HDF5 file, in NWB's axis order."""
    n_frames, n_rows, n_columns = movie.shape
    shape = n_frames, n_columns, n_rows
    chunks = movie_chunk_shape(shape, itemsize=1)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", shape, np.uint8, chunks=chunks, compression="gzip")
        write_blocks(data, (turn_axes(block) for block in render(movie, seed)))


def write_session(path: Path, period_path: Path, n_frames: int) -> None:
    """Write a session file that holds the repeated movie alone, copying chunk by chunk."""
    with h5py.File(period_path) as period:
        part = period["data"]
        declare_session(path, (n_frames, *part.shape[1:]), part.chunks)
        with h5py.File(path, "a") as file:
            data = file["acquisition/OnePhotonSeries/data"]
            for place in product(
                *(range(0, size, step) for size, step in zip(data.shape, data.chunks, strict=True))
            ):
                origin = place[0] % part.shape[0], *place[1:]
                _, content = part.id.read_direct_chunk(origin)
                data.id.write_direct_chunk(place, content)


def declare_session(path: Path, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    """Write a session file whose movie has no frame yet."""
    nwbfile = NWBFile(
        session_description="A simulated recording.",
        identifier=f"scaling-{shape}",
        session_start_time=datetime(2024, 5, 6, tzinfo=UTC),
    )
    plane = nwbfile.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=OpticalChannel(name="Green", description="Green.", emission_lambda=525.0),
        description="The field.",
        device=nwbfile.create_device(name="Miniscope", description="Scope."),
        excitation_lambda=475.0,
        indicator="GCaMP6f",
        location="CA1",
    )
    data = H5DataIO(shape=shape, dtype=np.dtype(np.uint8), compression="gzip", chunks=chunks)
    series = OnePhotonSeries(
        name="OnePhotonSeries",
        description="The movie.",
        data=data,
        unit="n.a.",
        rate=RATE_HZ,
        starting_time=0.0,
        imaging_plane=plane,
    )
    nwbfile.add_acquisition(series)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)


def run_stage(stage: str, path: Path, temporary: Path, workers: int, max_memory: str) -> Cost:
    """Run one stage as a command and measure it."""
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-c", COMMAND_LINE, "process", stage, str(path), "--force"]
    command += ["--workers", str(workers), "--max-memory", max_memory]
    environment = os.environ | {"TMPDIR": str(temporary)}
    largest_disk, largest_memory_kb = [0], [0]
    is_over = threading.Event()
    start = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def watch() -> None:
        while not is_over.wait(0.2):
            largest_disk[0] = max(largest_disk[0], folder_bytes(temporary))
            largest_memory_kb[0] = max(largest_memory_kb[0], peak_memory_kb(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    is_over.set()
    watcher.join()
    if child.returncode:
        raise SystemExit(f"{stage} failed")
    wall_s = time.perf_counter() - start
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(cpu_s, wall_s, largest_memory_kb[0] / 1024, largest_disk[0] / 2**20)


def peak_memory_kb(pid: int) -> int:
    """Return the peak resident memory of a process; the rusage of a child counts its parent's."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder, some of which may just be vanishing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def score(path: Path, truth: MovieTruth) -> str:
    """Return the scores of a processed session file as text."""
    with open_session(path) as session:
        found = read_segmentation(session)
        shifts, _ = read_motion(session)
        table = session.get("/processing/ophys/ImageSegmentation/PlaneSegmentation")
        kept = np.flatnonzero(np.asarray(table["accepted"].data[:], bool))
    origin = tuple(rest_offset(shifts, truth.displacement_px))
    result = score_footprints(found.footprints[:, kept].T.tocsr(), truth, origin_px=origin)
    denoised = correlate_traces(found.denoised[:, kept], truth.calcium, result.matches)
    raw = correlate_traces(found.raw[:, kept], truth.calcium, result.matches)
    return (
        f"{result.n_counting} cells, precision {result.precision:.3f}, recall "
        f"{result.recall:.3f}, F1 {result.f1:.3f}, r denoised {np.median(denoised):.3f}, "
        f"r raw {np.median(raw):.3f}, motion "
        f"{motion_rmse_px(shifts, truth.displacement_px) / np.sqrt(2):.3f} px per axis"
    )


def main() -> None:
    """Print one row per length and stage, and the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lengths", nargs="*", type=int, default=[2000, 6000, 18000])
    parser.add_argument("--side", type=int, default=608, help="rows and columns, px")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-memory", default="4GB")
    parser.add_argument("--folder", type=Path, default=Path("scaling"))
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--only-write", action="store_true", help="write the files, run nothing")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(" | ".join(COLUMNS) + "\n")
    for n_frames in options.lengths:
        period = period_frames(n_frames, options.side)
        movie, truth = simulate(describe(period, options.side), options.seed)
        path = options.folder / f"scaling_{options.side}_{n_frames}_{options.seed}.nwb"
        period_path = options.folder / f"period_{options.side}_{period}_{options.seed}.h5"
        if not period_path.exists():
            unfinished = period_path.with_suffix(".part")
            write_period(unfinished, movie, options.seed)
            unfinished.rename(period_path)
        if not path.exists():
            write_session(path, period_path, n_frames)
        del movie
        if options.only_write:
            continue
        total = Cost(0, 0, 0, 0)
        for stage in options.stages:
            cost = run_stage(
                stage, path, options.folder / "temporary", options.workers, options.max_memory
            )
            print_row(n_frames, stage, cost)
            total = Cost(
                total.cpu_s + cost.cpu_s,
                total.wall_s + cost.wall_s,
                max(total.peak_mb, cost.peak_mb),
                max(total.temp_mb, cost.temp_mb),
            )
        print_row(n_frames, "all", total)
        sys.stdout.write(score(path, repeat(truth, n_frames)) + "\n")
        sys.stdout.flush()


def print_row(n_frames: int, stage: str, cost: Cost) -> None:
    """Print one row of the table."""
    per_frame_ms = 1000 * cost.cpu_s / n_frames
    cells = [str(n_frames), stage, f"{cost.cpu_s:.1f}", f"{per_frame_ms:.1f}", f"{cost.wall_s:.1f}"]
    cells += [f"{cost.peak_mb:.0f}", f"{cost.temp_mb:.0f}"]
    sys.stdout.write(" | ".join(cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
