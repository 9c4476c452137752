"""Writes a whole recording: Miniscope folder, Neuralynx folder, metadata file, and the truth.

OUT/raw/<animal>/<date>/<time>/   Miniscope-DAQ-QT v2     OUT/ephys/<date_time>/   Neuralynx
OUT/meta.yaml                     what no file recorded   OUT/truth/               never read
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from ace_nwb.errors import OutputError, UnknownNameError
from ace_nwb.simulation import miniscope_daq, neuralynx
from ace_nwb.simulation.camera import write_camera
from ace_nwb.simulation.ephys import (
    EphysSignals,
    EphysSpec,
    draw_cell_spikes,
    draw_preferred_phases,
    simulate_ephys,
)
from ace_nwb.simulation.metadata import (
    BEHAVIOUR_CAMERA,
    SCOPE,
    list_notes,
    write_device_metadata,
    write_recording_metadata,
    write_session_metadata,
)
from ace_nwb.simulation.movie import MovieSpec, SimulatedMovie, build_movie
from ace_nwb.simulation.randomness import random_stream
from ace_nwb.simulation.truth import MovieTruth, RecordingTruth, save_truth

ProgressCallback = Callable[[int, int], None]
BLOCK_FRAMES = 100  # frames in memory at once
START = datetime(2025, 6, 12, 15, 26, 31, 176000, tzinfo=timezone(timedelta(hours=-4)))


@dataclass(frozen=True)
class RecordingSpec:
    """What is recorded, and what goes wrong.

    Parameters
    ----------
    movie, ephys
        `movie.n_frames` counts the frames taken, lost ones included.
    frames_per_file
        Frames per AVI file.
    n_dropped
        Frames lost between sensor and disk.
    first_frame_s
        Device time of the first frame: seconds after the record press.
    clock_offset_s, clock_drift_ppm
        Ephys time of the record press, and how much faster than the camera's the ephys clock runs.
    after_s
        How long ephys runs on after the last frame.
    gap_start_share, gap_s
        Where in the recording the continuous channels have a gap (0..1), and how long (0: none).
    daq_first_raw, n_daq_failures
        Raw 16-bit frame counter at the first frame (None leaves the column out, as v1 did), and
        how many times reading it failed.
    has_junk_stamp
        Whether the first software time stamp is nonsense.
    stray_before_s, stray_after_s
        Edges on the frame line before the first frame (ephys time) and after the last one
        (seconds after it).
    """

    movie: MovieSpec
    ephys: EphysSpec = field(default_factory=EphysSpec)
    frames_per_file: int = 1000
    n_dropped: int = 5
    first_frame_s: float = 0.041
    clock_offset_s: float = 7.304
    clock_drift_ppm: float = 38.0
    after_s: float = 6.0
    gap_start_share: float = 0.6
    gap_s: float = 0.75
    daq_first_raw: int | None = 1312
    n_daq_failures: int = 0
    has_junk_stamp: bool = True
    stray_before_s: tuple[float, ...] = (1.2504, 1.2527, 4.8113)
    stray_after_s: tuple[float, ...] = (1.7315, 1.7338, 3.9162)

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second of device time."""
        return self.movie.frame_rate_hz


SIZES: dict[str, RecordingSpec] = {
    "toy": RecordingSpec(
        movie=MovieSpec(
            n_frames=400, n_rows=80, n_columns=96, n_cells=12, drift_px=0.6, max_displacement_px=4.0
        ),
        ephys=EphysSpec(concentration=20.0, spike_probability=0.85),  # 16 cycles must do
        frames_per_file=32,
        n_dropped=3,
    ),
    "demo": RecordingSpec(movie=MovieSpec(n_frames=2400, n_rows=160, n_columns=200, n_cells=54)),
    "full": RecordingSpec(
        movie=MovieSpec(n_frames=36_000, n_rows=608, n_columns=608, n_cells=320), n_dropped=12
    ),
}


@dataclass(frozen=True)
class Recording:
    """Where a simulated recording lies.

    Parameters
    ----------
    miniscope_folder, ephys_folder
        What a converter is given.
    metadata_path
        What no acquisition file recorded.
    truth_folder
        For `truth.load_truth`.
    truth
        The same, in memory.
    """

    miniscope_folder: Path
    ephys_folder: Path
    metadata_path: Path
    truth_folder: Path
    truth: RecordingTruth


def recording_spec(size: str) -> RecordingSpec:
    """Return the recording of that size.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if size not in SIZES:
        raise UnknownNameError.among("size", size, SIZES)
    return SIZES[size]


def simulate_recording(
    folder: Path,
    spec_or_size: RecordingSpec | str,
    *,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Recording:
    """Write a recording with known truth; the same seed gives the same bytes.

    Parameters
    ----------
    folder
        Made if needed.
    spec_or_size
        A specification, or one of `SIZES`.
    progress
        Called with (frames written, of how many).

    Raises
    ------
    OutputError
        If the folder holds a recording already: files of two would mix.
    """
    spec = recording_spec(spec_or_size) if isinstance(spec_or_size, str) else spec_or_size
    folder = Path(folder)
    _check_free(folder)
    signals = simulate_ephys(spec.ephys, seed, duration_s=_ephys_duration_s(spec))
    movie, truth = _simulate_truth(spec, seed, signals)
    recording = Recording(
        miniscope_folder=folder / "raw" / "m001" / f"{START:%Y_%m_%d}" / f"{START:%H_%M_%S}",
        ephys_folder=folder / "ephys" / f"{_ephys_start(spec):%Y-%m-%d_%H-%M-%S}",
        metadata_path=folder / "meta.yaml",
        truth_folder=folder / "truth",
        truth=truth,
    )
    save_truth(recording.truth_folder, truth)
    _write_ephys(recording.ephys_folder, spec, seed, signals=signals, truth=truth)
    write_session_metadata(recording.metadata_path)
    report = progress or (lambda _done, _of: None)
    _write_miniscope(
        recording.miniscope_folder, spec, seed, movie=movie, truth=truth, progress=report
    )
    return recording


def _check_free(folder: Path) -> None:
    """Refuse a folder with a recording in it."""
    for name in ("raw", "ephys", "truth"):
        if (folder / name).exists():
            raise OutputError(
                f"{folder / name} exists. A folder without a recording is expected. "
                "Give another folder, or delete this one."
            )


def _ephys_start(spec: RecordingSpec) -> datetime:
    """Return the local time of the first ephys sample."""
    return START - timedelta(seconds=spec.clock_offset_s)


def _device_times_s(spec: RecordingSpec) -> np.ndarray:
    """Return the device time of every frame taken, shape (taken frame,)."""
    return spec.first_frame_s + np.arange(spec.movie.n_frames) / spec.frame_rate_hz


def _to_ephys_s(spec: RecordingSpec, device_times_s: np.ndarray) -> np.ndarray:
    """Turn device times into ephys times."""
    return spec.clock_offset_s + device_times_s * (1 + spec.clock_drift_ppm * 1e-6)


def _ephys_duration_s(spec: RecordingSpec) -> float:
    """Return how long ephys is recorded."""
    return float(_to_ephys_s(spec, _device_times_s(spec)[-1:])[0]) + spec.after_s


def draw_dropped_frames(n_frames: int, n_dropped: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the frames that are lost: two of them neighbours, none near the ends, sorted."""
    edge = min(20, n_frames // 10)
    lost = rng.choice(np.arange(edge, n_frames - edge, 3), max(n_dropped - 1, 0), replace=False)
    if n_dropped == 1:
        return np.array([n_frames // 2])
    return np.sort(np.concatenate([lost, lost[:1] + 1])).astype(int)


def _simulate_truth(
    spec: RecordingSpec, seed: int, signals: EphysSignals
) -> tuple[SimulatedMovie, RecordingTruth]:
    """Let the cells spike; return the movie of all frames taken, the truth of those saved."""
    device_times_s = _device_times_s(spec)
    taken_times_s = _to_ephys_s(spec, device_times_s)
    preferred = draw_preferred_phases(spec.ephys, seed, n_cells=spec.movie.n_cells)
    spikes = draw_cell_spikes(
        spec.ephys,
        seed,
        signals=signals,
        preferred_phase_rad=preferred,
        spike_rate_hz=spec.movie.spike_rate_hz,
    )
    movie, taken = build_movie(spec.movie, seed, spike_times_s=spikes, frame_times_s=taken_times_s)
    dropped = draw_dropped_frames(
        spec.movie.n_frames, spec.n_dropped, random_stream(seed, "dropped frames")
    )
    saved = np.setdiff1d(np.arange(spec.movie.n_frames), dropped)
    sample_times_s = np.arange(len(signals.slow_phase_rad)) / signals.true_rate_hz
    phase = np.interp(taken_times_s[saved], sample_times_s, signals.slow_phase_rad)
    gap = _gap_samples(spec, len(sample_times_s))
    return movie, RecordingTruth(
        movie=_keep_frames(taken, saved),
        saved_frames=saved,
        taken_times_s=taken_times_s,
        device_times_s=device_times_s,
        stray_pulses_s=np.concatenate(
            [spec.stray_before_s, taken_times_s[-1] + np.array(spec.stray_after_s)]
        ),
        clock_offset_s=spec.clock_offset_s,
        clock_drift_ppm=spec.clock_drift_ppm,
        preferred_phase_rad=preferred,
        slow_phase_rad=np.angle(np.exp(1j * phase)),
        gap_s=None
        if gap is None
        else (float(sample_times_s[gap[0]]), float(sample_times_s[gap[1]])),
    )


def _keep_frames(truth: MovieTruth, saved: np.ndarray) -> MovieTruth:
    """Return the truth of some of the frames."""
    return replace(
        truth,
        calcium=truth.calcium[saved],
        displacement_px=truth.displacement_px[saved],
        brightness=truth.brightness[saved],
        frame_times_s=truth.frame_times_s[saved],
    )


def _gap_samples(spec: RecordingSpec, n_samples: int) -> tuple[int, int] | None:
    """Return (first sample lost, first sample present again), or None."""
    if spec.gap_s <= 0:
        return None
    start = int(spec.gap_start_share * n_samples)
    return start, start + round(spec.gap_s * spec.ephys.sampling_rate_hz)


def _write_ephys(
    folder: Path, spec: RecordingSpec, seed: int, *, signals: EphysSignals, truth: RecordingTruth
) -> None:
    """Write the Neuralynx folder."""
    folder.mkdir(parents=True, exist_ok=True)
    duration_s = len(signals.slow_phase_rad) / signals.true_rate_hz
    start = _ephys_start(spec).replace(tzinfo=None)
    recorder = neuralynx.NeuralynxSpec(
        sampling_rate_hz=spec.ephys.sampling_rate_hz,
        true_rate_hz=signals.true_rate_hz,
        first_timestamp_us=3_217_604_915,
        opened=start,
        closed=start + timedelta(seconds=duration_s),
        gap_samples=_gap_samples(spec, len(signals.slow_phase_rad)),
    )
    for number, (name, signal_uv) in enumerate(signals.channels_uv.items()):
        neuralynx.write_ncs(
            folder / f"{name}.ncs", signal_uv, spec=recorder, channel=number, input_range_uv=2000
        )
    ports = _draw_ports(truth, duration_s, random_stream(seed, "ttl"))
    neuralynx.write_nev(folder / "Events.nev", ports, spec=recorder, stop_s=duration_s)


def _draw_ports(
    truth: RecordingTruth, duration_s: float, rng: np.random.Generator
) -> list[neuralynx.PortEvents]:
    """Let the frame line toggle beside a stimulator (bit 1), a lick sensor (bit 7), and port 1."""
    frames = np.sort(np.concatenate([truth.taken_times_s, truth.stray_pulses_s]))
    stimulus_onsets = np.arange(2.5, duration_s - 2, 5.0) + rng.uniform(0, 0.01)
    stimulus = np.sort(np.concatenate([stimulus_onsets, stimulus_onsets + 1.0]))
    licks = np.sort(rng.uniform(0.5, duration_s - 0.5, 2 * round(duration_s / 4)))
    door = np.sort(rng.uniform(0.5, duration_s - 0.5, 2 * (1 + round(duration_s / 60))))
    start_word = int(rng.integers(2))
    return [
        neuralynx.combine_lines(0, {0: frames, 1: stimulus, 7: licks}, start_word=start_word),
        neuralynx.combine_lines(1, {3: door}, start_word=0),
    ]


def _write_miniscope(
    folder: Path,
    spec: RecordingSpec,
    seed: int,
    *,
    movie: SimulatedMovie,
    truth: RecordingTruth,
    progress: ProgressCallback,
) -> None:
    """Write the Miniscope folder with its scope and its behaviour camera."""
    scope, camera = (folder / name.replace(" ", "_") for name in (SCOPE, BEHAVIOUR_CAMERA))
    scope.mkdir(parents=True, exist_ok=True)
    camera.mkdir(exist_ok=True)
    rng = random_stream(seed, "frame clock")
    clock = miniscope_daq.draw_frame_clock(
        truth.device_times_s,
        truth.dropped_frames,
        daq_first_raw=spec.daq_first_raw,
        n_daq_failures=spec.n_daq_failures,
        has_junk_stamp=spec.has_junk_stamp,
        rng=rng,
    )
    write_recording_metadata(folder / "metaData.json", START)
    miniscope_daq.write_notes(
        folder / "notes.csv", list_notes(round(truth.device_times_s[-1] * 1000))
    )
    write_device_metadata(scope, spec.movie, frames_per_file=spec.frames_per_file)
    miniscope_daq.write_timestamps(scope / "timeStamps.csv", clock)
    heads = clock.stamps_ms[:-2]  # the last frames come without orientation
    miniscope_daq.write_head_orientation(
        scope / "headOrientation.csv", heads, miniscope_daq.draw_head_orientation(len(heads), rng)
    )
    write_camera(
        camera,
        duration_s=float(truth.device_times_s[-1]),
        frames_per_file=spec.frames_per_file,
        rng=rng,
    )
    blocks = miniscope_daq.read_saved_blocks(movie.read, clock.saved, block_frames=BLOCK_FRAMES)
    miniscope_daq.write_videos(
        scope,
        _count(blocks, len(clock.saved), progress),
        frames_per_file=spec.frames_per_file,
        codec="ffv1",
    )


def _count(
    blocks: Iterator[np.ndarray], n_frames: int, progress: ProgressCallback
) -> Iterator[np.ndarray]:
    """Pass blocks on and report how many frames went by."""
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        progress(done, n_frames)
