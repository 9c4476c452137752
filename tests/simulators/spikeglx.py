"""Writes a SpikeGLX run as its metadata guide says: a Neuropixels probe and a NI-DAQ, with truth.

Samples are int16, channel by channel within a sample; the probe's last channel is the sync word
(bit 6), the last of the NI-DAQ the word of its digital lines.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

RANGE_V, PROBE_STEPS, PROBE_GAIN = 0.6, 512, 500
NI_RANGE_V, NI_STEPS = 5.0, 32_768
SYNC_BIT = 6


@dataclass(frozen=True)
class SpikeGlxTruth:
    """What was written.

    Parameters
    ----------
    folder
        Folder of the run.
    probe, analog
        Samples (sample, channel) of the probe and of the NI-DAQ's analog inputs.
    probe_rate_hz, nidq_rate_hz
        Samples per second of either clock.
    sync_edges, edges
        Edges of the probe's sync line and of each line of the NI-DAQ: s, level.
    """

    folder: Path
    probe: np.ndarray
    analog: np.ndarray
    probe_rate_hz: float
    nidq_rate_hz: float
    sync_edges: tuple[np.ndarray, np.ndarray]
    edges: dict[int, tuple[np.ndarray, np.ndarray]]


def write_recording(
    folder: Path,
    *,
    duration_s: float = 1.0,
    n_channels: int = 4,
    first_s: float = 2.0,
    seed: int = 0,
) -> SpikeGlxTruth:
    """Write gate 0, trigger 0 of a run that began `first_s` after the acquisition."""
    rng = np.random.default_rng(seed)
    run = folder / "run_g0"
    probe_folder = run / "run_g0_imec0"
    probe_folder.mkdir(parents=True)
    probe_rate_hz, nidq_rate_hz = 30_000.0, 25_000.0
    n_probe, n_nidq = round(duration_s * probe_rate_hz), round(duration_s * nidq_rate_hz)
    probe = rng.integers(-500, 500, (n_probe, n_channels), np.int16)
    sync_word, sync_edges = _line(n_probe, first=900, every=6000, rate_hz=probe_rate_hz)
    words = np.zeros(n_nidq, np.int16)
    edges = {}
    for bit, (first, every) in {0: (700, 1250), 5: (50, 4000)}.items():
        level, edges[bit] = _line(n_nidq, first=first, every=every, rate_hz=nidq_rate_hz)
        words |= level << bit
    analog = rng.integers(-3000, 3000, (n_nidq, 2), np.int16)
    np.column_stack([probe, sync_word << SYNC_BIT]).astype("<i2").tofile(
        probe_folder / "run_g0_t0.imec0.ap.bin"
    )
    np.column_stack([analog, words]).astype("<i2").tofile(run / "run_g0_t0.nidq.bin")
    _write_meta(
        probe_folder / "run_g0_t0.imec0.ap.meta",
        _probe_entries(n_channels, rate_hz=probe_rate_hz, first=round(first_s * probe_rate_hz)),
    )
    _write_meta(
        run / "run_g0_t0.nidq.meta",
        _nidq_entries(rate_hz=nidq_rate_hz, first=round(first_s * nidq_rate_hz)),
    )
    return SpikeGlxTruth(run, probe, analog, probe_rate_hz, nidq_rate_hz, sync_edges, edges)


def _line(
    n_samples: int, *, first: int, every: int, rate_hz: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the levels of a line that toggles, and its edges."""
    at = np.arange(first, n_samples, every)
    levels = 1 - np.arange(len(at)) % 2
    steps = np.bincount(at, np.where(levels, 1, -1), n_samples)
    return np.cumsum(steps).astype(np.int16), (at / rate_hz, levels)


def _probe_entries(n_channels: int, *, rate_hz: float, first: int) -> dict[str, str]:
    """Return the metadata of the probe."""
    rows = "".join(f"({channel} 0 0 {PROBE_GAIN} 250 1)" for channel in range(384))
    names = "".join(f"(AP{channel};{channel}:{channel})" for channel in range(n_channels))
    return {
        "typeThis": "imec",
        "nSavedChans": str(n_channels + 1),
        "acqApLfSy": "384,384,1",
        "snsApLfSy": f"{n_channels},0,1",
        "snsSaveChanSubset": f"0:{n_channels - 1},768",
        "imSampRate": f"{rate_hz:g}",
        "imAiRangeMax": str(RANGE_V),
        "imAiRangeMin": str(-RANGE_V),
        "imMaxInt": str(PROBE_STEPS),
        "imDatPrb_type": "0",
        "imDatPrb_pn": "NP1000",
        "imDatPrb_port": "1",
        "imDatPrb_slot": "2",
        "firstSample": str(first),
        "fileCreateTime": "2025-06-12T15:26:31",
        "~imroTbl": f"(0,384){rows}",
        "~snsChanMap": f"({n_channels},0,1){names}(SY0;{n_channels}:{n_channels})",
    }


def _nidq_entries(*, rate_hz: float, first: int) -> dict[str, str]:
    """Return the metadata of the NI-DAQ."""
    return {
        "typeThis": "nidq",
        "nSavedChans": "3",
        "acqMnMaXaDw": "0,0,2,1",
        "snsMnMaXaDw": "0,0,2,1",
        "snsSaveChanSubset": "0:2",
        "niSampRate": f"{rate_hz:g}",
        "niAiRangeMax": str(NI_RANGE_V),
        "niAiRangeMin": str(-NI_RANGE_V),
        "niMNGain": "1",
        "niMAGain": "1",
        "niXDBytes1": "1",
        "niXDChans1": "0:7",
        "firstSample": str(first),
        "fileCreateTime": "2025-06-12T15:26:31",
        "~snsChanMap": "(0,0,2,1)(XA0;0:0)(XA1;1:1)(XD0;2:2)",
    }


def _write_meta(path: Path, entries: dict[str, str]) -> None:
    """Write a metadata file, with the size of the samples beside it."""
    samples = path.with_suffix(".bin")
    known = {"fileName": f"D:/data/{samples.name}", "fileSizeBytes": str(samples.stat().st_size)}
    lines = [f"{key}={value}" for key, value in (known | entries).items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
