"""Speed, size and memory of conversion beside NeuroConv's own, on the same FFV1 recording.

    python -m tests.benchmarks.convert_speed [--frames 6000] [--folder /tmp/convert_speed]
        [--neuroconv-python PYTHON]

The movie is coded as Miniscope-DAQ codes it (FFV1 version 1, one slice a frame, a key frame every
twelve), with camera noise that zlib takes to 0.65. Every conversion runs in a process of its own;
wall clock and CPU seconds (user + system), largest resident memory and the size of the file are
printed, then the time to read one frame and one 64 x 64 patch over all time from either file.
Decoding alone is the limit. NeuroConv's MiniscopeConverter needs opencv-python-headless and
ndx-miniscope: give the Python of an environment that has them. Our conversion is also run on a
half and a quarter of the files, to see whether memory grows with length.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

import av
import h5py
import numpy as np

SIDE = 608
PER_FILE = 1000
NOISE_GREY = 3.1
CONFIG = "UserConfigFile.json"
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


def make_recording(root: Path, n_frames: int) -> Path:
    """Write a V4 recording below the folder of an animal and a day; return the animals' folder."""
    folder = root / "m1" / "2025_06_12" / "15_26_31"
    device = folder / "scope"
    if (root / "done").exists():
        return root
    device.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows, columns = np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 2, indexing="ij")
    light = 40 + 90 * np.exp(-(rows**2 + columns**2)) + 8 * np.sin(9 * rows) * np.cos(7 * columns)
    noise = rng.normal(0.5, NOISE_GREY, (100, SIDE, SIDE)).astype(np.float32)
    for number, start in enumerate(range(0, n_frames, PER_FILE)):
        write_movie(device / f"{number}.avi", light, noise, min(PER_FILE, n_frames - start), rng)
    stamps = 40 + 50 * np.arange(n_frames) + rng.integers(-3, 4, n_frames)
    lines = [f"{row},{stamp},0,{row}" for row, stamp in enumerate(stamps)]
    header = "Frame Number,Time Stamp (ms),Buffer Index,DAQ Frame Number"
    (device / "timeStamps.csv").write_text("\n".join([header, *lines]) + "\n")
    settings = {"deviceName": "scope", "deviceType": "Miniscope_V4_BNO", "framesPerFile": PER_FILE}
    (device / "metaData.json").write_text(json.dumps(settings))
    base = {"animalName": "m1", "miniscopes": ["scope"], "recordingStartTime": START}
    (folder / "metaData.json").write_text(json.dumps(base))
    config = {
        "dataDirectory": ".",
        "directoryStructure": ["animalName", "date", "time"],
        "animalName": "m1",
        "devices": {"miniscopes": {"scope": {"deviceType": "Miniscope_V4_BNO"}}},
    }
    (root / CONFIG).write_text(json.dumps(config))
    (root / "done").touch()
    return root


def write_movie(
    path: Path, light: np.ndarray, noise: np.ndarray, n_frames: int, rng: np.random.Generator
) -> None:
    """Write one file of still tissue under moving noise."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=60, options={"level": "1"})
        stream.height = stream.width = SIDE
        stream.pix_fmt = "gray"
        for _frame in range(n_frames):
            shift = rng.integers(0, SIDE, 2)
            grey = light + np.roll(noise[rng.integers(len(noise))], shift, (0, 1))
            picture = np.clip(grey, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())


def convert_ours(folder: Path, out: Path) -> None:
    """Convert with ace_nwb."""
    from ace_nwb.conversion import convert

    warnings.simplefilter("ignore")
    convert(folder, out, metadata=METADATA, overwrite=True)


def convert_neuroconv(folder: Path, out: Path) -> None:
    """Convert with NeuroConv's MiniscopeConverter, its defaults."""
    from neuroconv.converters import MiniscopeConverter

    warnings.simplefilter("ignore")
    converter = MiniscopeConverter(
        folder_path=str(folder), user_configuration_file_path=str(folder / CONFIG)
    )
    metadata = converter.get_metadata()
    for section, values in METADATA.items():
        metadata[section].update(values)
    converter.run_conversion(nwbfile_path=str(out), metadata=metadata, overwrite=True)


def decode_only(folder: Path, _out: Path) -> None:
    """Decode every frame and drop it."""
    from ace_nwb.interfaces.movie_source import iterate_frames
    from ace_nwb.interfaces.video import probe_movie

    paths = sorted(folder.rglob("*.avi"), key=lambda path: int(path.stem))
    for _frame in iterate_frames([probe_movie(path) for path in paths]):
        pass


MODULES = {
    "ours": ("neuroconv.datainterfaces", "ace_nwb.conversion"),
    "neuroconv": ("neuroconv.converters",),
    "decode": ("ace_nwb.interfaces.movie_source",),
}
WAYS = {"ours": convert_ours, "neuroconv": convert_neuroconv, "decode": decode_only}


def measure(way: str, folder: Path, out: Path, python: str) -> dict[str, float]:
    """Run one way in a process of its own."""
    code = [python, __file__, "--way", way, "--folder", str(folder), "--out", str(out)]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        code, capture_output=True, text=True, check=False, env={**os.environ, **paths}
    )
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    measured["size_mb"] = out.stat().st_size / 1e6 if out.exists() else 0.0
    return measured


def run_way(way: str, folder: Path, out: Path) -> None:
    """Do it, and print what it took; imports are not counted in wall clock or CPU."""
    for module in MODULES[way]:
        import_module(module)
    before = resource.getrusage(resource.RUSAGE_SELF)
    clock = time.perf_counter()
    WAYS[way](folder, out)
    after = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "wall_s": time.perf_counter() - clock,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(measured))


def peak_mb() -> float:
    """Return the largest memory of this process; getrusage would count its parent's too."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) / 1000


def read_times(path: Path) -> tuple[float, float]:
    """Return the milliseconds to read one frame, and one patch over all time, by the clock."""
    with h5py.File(path) as h5:
        data = find_movie(h5)
        clock = time.perf_counter()
        for frame in np.linspace(0, len(data) - 1, 20, dtype=int):
            data[frame]
        frame_ms = (time.perf_counter() - clock) * 50
        clock = time.perf_counter()
        data[:, 100:164, 200:264]
        return frame_ms, (time.perf_counter() - clock) * 1000


def find_movie(h5: h5py.File) -> h5py.Dataset:
    """Return the pixels of the only movie."""
    (name,) = [name for name in h5["acquisition"] if name.startswith("OnePhotonSeries")]
    return h5["acquisition"][name]["data"]


def report(way: str, measured: dict[str, float], n_frames: int) -> None:
    """Print one line."""
    per_frame = 1000 * measured["cpu_s"] / n_frames
    print(
        f"{way:12} {n_frames:6} frames {measured['wall_s']:7.1f} s wall, "
        f"{n_frames / measured['wall_s']:6.0f} frames/s; "
        f"{measured['cpu_s']:7.1f} s CPU, {per_frame:5.2f} ms a frame; "
        f"{measured['peak_mb']:6.0f} MB at most; {measured['size_mb']:7.1f} MB written",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=6000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/convert_speed"))
    parser.add_argument("--neuroconv-python", default=sys.executable)
    parser.add_argument("--prepare", action="store_true", help="Write the recordings only.")
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.way:
        run_way(chosen.way, chosen.folder, chosen.out)
        return
    lengths = [chosen.frames // 4, chosen.frames // 2, chosen.frames]
    roots = {n: make_recording(chosen.folder / f"raw{n}", n) for n in lengths}
    if chosen.prepare:
        return
    print(f"{SIDE} x {SIDE} pixels, FFV1, {os.cpu_count()} cores")
    outs = {way: chosen.folder / f"{way}.nwb" for way in WAYS}
    here = sys.executable
    found = {}
    for way in ("decode", "ours", "neuroconv"):
        python = chosen.neuroconv_python if way == "neuroconv" else here
        found[way] = measure(way, roots[chosen.frames], outs[way], python)
        report(way, found[way], chosen.frames)
    for length in lengths[:-1]:
        report("ours", measure("ours", roots[length], chosen.folder / "short.nwb", here), length)
    ours, theirs = found["ours"], found["neuroconv"]
    print(
        f"neuroconv / ours: wall {theirs['wall_s'] / ours['wall_s']:.2f}, "
        f"CPU {theirs['cpu_s'] / ours['cpu_s']:.2f}; size ours / neuroconv "
        f"{ours['size_mb'] / theirs['size_mb']:.3f}; "
        f"decoding alone / ours: wall {found['decode']['wall_s'] / ours['wall_s']:.2f}"
    )
    for way in ("neuroconv", "ours"):
        frame_ms, patch_ms = read_times(outs[way])
        print(f"{way:12} reads a frame in {frame_ms:.1f} ms, a patch in {patch_ms:.0f} ms")
    with h5py.File(outs["ours"]) as a, h5py.File(outs["neuroconv"]) as b:
        print("same pixels:", np.array_equal(find_movie(a)[::97], find_movie(b)[::97]))


if __name__ == "__main__":
    main()
