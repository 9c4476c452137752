"""Speed, size and memory of conversion beside NeuroConv's own, on the same FFV1 folder.

    python tests/benchmarks/convert_speed.py [--frames 6000] [--folder /tmp/convert_speed]

Every conversion runs in a process of its own; wall clock and CPU seconds (user + system), largest
resident memory and the size of the file are printed, then the time to read one frame and one
64 x 64 patch over all time from either file. Decoding alone is the limit. NeuroConv needs
opencv-python-headless. Our conversion is also run on a quarter of the files, to see whether memory
grows with length.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np

from ace_nwb.simulation.miniscope_daq import write_video

SIDE = 608
PER_FILE = 1000
START = {
    "year": 2025, "month": 6, "day": 12, "hour": 15, "minute": 26, "second": 31, "msec": 176,
    "msecSinceEpoch": 1749756391176,
}  # fmt: skip
METADATA = {
    "NWBFile": {
        "session_description": "Benchmark.",
        "session_start_time": "2025-06-12T15:26:31-04:00",
    },
    "Subject": {"subject_id": "m1", "species": "Mus musculus", "sex": "F", "age": "P90D"},
}  # fmt: skip


def make_folder(folder: Path, n_frames: int) -> Path:
    """Write a V4 recording: smooth tissue and camera noise, so that it compresses as real ones."""
    device = folder / "scope"
    if (folder / "done").exists():
        return folder
    device.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows, columns = np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 2, indexing="ij")
    light = 40 + 90 * np.exp(-(rows**2 + columns**2)) + 8 * np.sin(9 * rows) * np.cos(7 * columns)
    noise = rng.normal(0, 4.5, (PER_FILE // 10, SIDE, SIDE)).astype(np.float32)
    for number, start in enumerate(range(0, n_frames, PER_FILE)):
        count = min(PER_FILE, n_frames - start)
        picks = rng.integers(0, len(noise), count)
        shifts = rng.integers(0, SIDE, (count, 2))
        frames = np.stack(
            [
                np.clip(light + np.roll(noise[pick], shift, (0, 1)), 0, 255).astype(np.uint8)
                for pick, shift in zip(picks, shifts, strict=True)
            ]
        )
        write_video(device / f"{number}.avi", frames, codec="ffv1")
    stamps = 40 + 50 * np.arange(n_frames)
    lines = [f"{row},{stamp},0,{row}" for row, stamp in enumerate(stamps)]
    header = "Frame Number,Time Stamp (ms),Buffer Index,DAQ Frame Number"
    (device / "timeStamps.csv").write_text("\n".join([header, *lines]) + "\n")
    settings = {"deviceName": "scope", "deviceType": "Miniscope_V4_BNO", "framesPerFile": PER_FILE}
    (device / "metaData.json").write_text(json.dumps(settings))
    base = {"animalName": "m1", "miniscopes": ["scope"], "recordingStartTime": START}
    (folder / "metaData.json").write_text(json.dumps(base))
    (folder / "done").touch()
    return folder


def convert_ours(folder: Path, out: Path) -> None:
    """Convert with ace_nwb."""
    from ace_nwb.convert import convert

    warnings.simplefilter("ignore")
    convert(folder, out, metadata=METADATA, overwrite=True)


def convert_neuroconv(folder: Path, out: Path) -> None:
    """Convert with NeuroConv's Miniscope interface, its defaults."""
    from neuroconv.datainterfaces import MiniscopeImagingInterface

    warnings.simplefilter("ignore")
    interface = MiniscopeImagingInterface(folder_path=str(folder / "scope"))
    metadata = interface.get_metadata()
    for section, values in METADATA.items():
        metadata[section].update(values)
    interface.run_conversion(nwbfile_path=str(out), metadata=metadata, overwrite=True)


def decode_only(folder: Path, _out: Path) -> None:
    """Decode every frame and drop it."""
    from ace_nwb.interfaces.video import iterate_frames, probe_movie

    paths = sorted((folder / "scope").glob("*.avi"), key=lambda path: int(path.stem))
    for _frame in iterate_frames([probe_movie(path) for path in paths]):
        pass


WAYS = {"ours": convert_ours, "neuroconv": convert_neuroconv, "decode": decode_only}


def measure(way: str, folder: Path, out: Path) -> dict[str, float]:
    """Run one way in a process of its own."""
    code = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--out", str(out)]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    measured["size_mb"] = out.stat().st_size / 1e6 if out.exists() else 0.0
    return measured


def run_way(way: str, folder: Path, out: Path) -> None:
    """Do it, and print what it took; imports are not counted in wall clock or CPU."""
    if way != "decode":
        import_module("neuroconv.datainterfaces")
        import_module("ace_nwb.convert")
    before = resource.getrusage(resource.RUSAGE_SELF)
    clock = time.perf_counter()
    WAYS[way](folder, out)
    after = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "wall_s": time.perf_counter() - clock,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": after.ru_maxrss / 1000,
    }
    print(json.dumps(measured))


def read_times(path: Path) -> tuple[float, float]:
    """Return the milliseconds to read one frame, and one patch over all time."""
    with h5py.File(path) as h5:
        data = h5["acquisition/OnePhotonSeries/data"]
        clock = time.process_time()
        for frame in np.linspace(0, len(data) - 1, 10, dtype=int):
            data[frame]
        frame_ms = (time.process_time() - clock) * 100
        clock = time.process_time()
        data[:, 100:164, 200:264]
        return frame_ms, (time.process_time() - clock) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=6000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/convert_speed"))
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.way:
        run_way(chosen.way, chosen.folder, chosen.out)
        return
    folder = make_folder(chosen.folder / f"raw{chosen.frames}", chosen.frames)
    short = make_folder(chosen.folder / f"raw{chosen.frames // 4}", chosen.frames // 4)
    outs = {way: chosen.folder / f"{way}.nwb" for way in WAYS}
    print(f"{chosen.frames} frames of {SIDE} x {SIDE}")
    found = {way: measure(way, folder, outs[way]) for way in ("decode", "neuroconv", "ours")}
    for way, item in found.items():
        per_frame = 1000 * item["cpu_s"] / chosen.frames
        print(
            f"{way:10} {item['wall_s']:7.1f} s wall, "
            f"{chosen.frames / item['wall_s']:6.0f} frames/s; "
            f"{item['cpu_s']:7.1f} s CPU, {per_frame:5.2f} ms a frame; "
            f"{item['peak_mb']:6.0f} MB at most; {item['size_mb']:7.1f} MB written"
        )
    quarter = measure("ours", short, chosen.folder / "short.nwb")
    ours, theirs = found["ours"], found["neuroconv"]
    print(f"ours, a quarter of the frames: {quarter['peak_mb']:.0f} MB at most")
    print(
        f"neuroconv / ours: wall {theirs['wall_s'] / ours['wall_s']:.2f}, "
        f"CPU {theirs['cpu_s'] / ours['cpu_s']:.2f}; size ours / neuroconv "
        f"{ours['size_mb'] / theirs['size_mb']:.3f}"
    )
    for way in ("neuroconv", "ours"):
        frame_ms, patch_ms = read_times(outs[way])
        print(f"{way:10} reads a frame in {frame_ms:.1f} ms CPU, a patch in {patch_ms:.0f} ms CPU")
    with h5py.File(outs["ours"]) as a, h5py.File(outs["neuroconv"]) as b:
        pixels = [h5["acquisition/OnePhotonSeries/data"][::97] for h5 in (a, b)]
    print("same pixels:", np.array_equal(*pixels))


if __name__ == "__main__":
    main()
