"""Writes a recording of Open Ephys in its binary format: samples and TTL events, with truth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STREAM = "Acquisition_Board-100.Rhythm Data"
FIRST_SAMPLE = 123_456


@dataclass(frozen=True)
class OpenEphysBinaryTruth:
    """What was written: samples (sample, channel), and the edges of each line, s and level."""

    folder: Path
    samples: np.ndarray
    microvolt_per_bit: float
    edges: dict[int, tuple[np.ndarray, np.ndarray]]


def write_recording(
    folder: Path,
    *,
    n_samples: int = 30_000,
    n_channels: int = 4,
    rate_hz: float = 30_000.0,
    is_old: bool = False,
    pulses_s: Mapping[int, np.ndarray] | None = None,
    seed: int = 0,
) -> OpenEphysBinaryTruth:
    """Write `Record Node 101/experiment1/recording1`; `is_old` names the event files as 0.5 did.

    `pulses_s` gives further lines that toggle at these seconds from the first sample.
    """
    rng = np.random.default_rng(seed)
    recording = folder / "Record Node 101" / "experiment1" / "recording1"
    continuous = recording / "continuous" / STREAM
    events = recording / "events" / STREAM / "TTL"
    continuous.mkdir(parents=True)
    events.mkdir(parents=True)
    samples = rng.integers(-2000, 2000, (n_samples, n_channels), np.int16)
    samples.tofile(continuous / "continuous.dat")
    numbers = FIRST_SAMPLE + np.arange(n_samples)
    np.save(continuous / "sample_numbers.npy", numbers)
    np.save(continuous / "timestamps.npy", numbers / rate_hz)
    edges = {}
    rows: list[tuple[int, int]] = []
    changes = {1: np.arange(101, n_samples, 500), 3: np.arange(103, n_samples, 7000)}
    for line, times in (pulses_s or {}).items():
        changes[line] = np.round(np.asarray(times) * rate_hz).astype(int)
    for line, at in changes.items():
        levels = 1 - np.arange(len(at)) % 2
        edges[line] = (at / rate_hz, levels)
        rows += [(int(a), line if level else -line) for a, level in zip(at, levels, strict=True)]
    rows.sort()
    at, states = np.array(rows, np.int64).T
    words = np.cumsum(np.sign(states) << (np.abs(states) - 1)).astype(np.uint64)
    np.save(events / ("channel_states.npy" if is_old else "states.npy"), states.astype(np.int16))
    np.save(events / ("timestamps.npy" if is_old else "sample_numbers.npy"), FIRST_SAMPLE + at)
    np.save(events / "full_words.npy", words)
    if not is_old:
        np.save(events / "timestamps.npy", (FIRST_SAMPLE + at) / rate_hz)
    _write_structure(recording / "structure.oebin", n_channels=n_channels, rate_hz=rate_hz)
    return OpenEphysBinaryTruth(recording, samples, 0.195, edges)


def _write_structure(path: Path, *, n_channels: int, rate_hz: float) -> None:
    """Write structure.oebin."""
    channels = [
        {"channel_name": f"CH{number + 1}", "bit_volts": 0.195, "units": "uV",
         "source_processor_index": number, "recorded_processor_index": number,
         "description": "", "identifier": "", "history": ""}
        for number in range(n_channels)
    ]  # fmt: skip
    shared = {
        "sample_rate": rate_hz, "source_processor_name": "Acquisition_Board",
        "source_processor_id": 100, "stream_name": "Rhythm Data",
        "recorded_processor": "Record Node", "recorded_processor_id": 101,
    }  # fmt: skip
    content = {
        "GUI version": "0.6.7",
        "continuous": [
            {"folder_name": f"{STREAM}/", **shared, "num_channels": n_channels,
             "channels": channels}
        ],
        "events": [
            {"folder_name": f"{STREAM}/TTL/", "channel_name": "TTL", "type": "int16",
             "num_channels": 8, "description": "", "identifier": "", "initial_state": 0, **shared}
        ],
        "spikes": [],
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=4), encoding="utf-8")
