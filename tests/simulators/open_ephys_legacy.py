"""Writes a recording of Open Ephys in its legacy format, with truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FIRST_SAMPLE = 51_200
RATE_HZ = 30_000.0
RECORD = np.dtype(
    [("t", "<i8"), ("n", "<u2"), ("r", "<u2"), ("x", ">i2", (1024,)), ("marker", "u1", (10,))]
)
EVENT = np.dtype(
    [
        ("t", "<i8"),
        ("position", "<i2"),
        ("kind", "u1"),
        ("processor", "u1"),
        ("id", "u1"),
        ("channel", "u1"),
        ("r", "<u2"),
    ]
)


@dataclass(frozen=True)
class OpenEphysLegacyTruth:
    """What was written: samples (sample, channel), and edges of lines 1 and 4, s and level."""

    folder: Path
    samples: np.ndarray
    names: tuple[str, ...]
    edges: dict[int, tuple[np.ndarray, np.ndarray]]


def write_recording(
    folder: Path,
    *,
    n_records: int = 12,
    names: tuple[str, ...] = ("CH1", "CH2", "CH10", "ADC1"),
    lost: dict[int, int] | None = None,
    seed: int = 0,
) -> OpenEphysLegacyTruth:
    """Write channels of processor 100 and all_channels.events.

    Parameters
    ----------
    lost
        Record -> samples lost before it.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    samples = rng.integers(-3000, 3000, (n_records * 1024, len(names)), np.int16)
    firsts = FIRST_SAMPLE + 1024 * np.arange(n_records)
    for record, count in (lost or {}).items():
        firsts[record:] += count
    for index, name in enumerate(names):
        records = np.zeros(n_records, RECORD)
        records["t"], records["n"] = firsts, 1024
        records["x"] = samples[:, index].reshape(n_records, 1024)
        records["marker"] = [*range(9), 255]
        scale = 0.00015258789 if name.startswith("ADC") else 0.195
        header = _header(f"header.channel = '{name}';\nheader.bitVolts = {scale};\n")
        (folder / f"100_{name}.continuous").write_bytes(header + records.tobytes())
    edges, rows = {}, []
    for line, every in ((1, 700), (4, 2500)):
        at = np.arange(99, n_records * 1024, every)
        levels = 1 - np.arange(len(at)) % 2
        edges[line] = (at / RATE_HZ, levels)
        rows += [(FIRST_SAMPLE + int(a), int(v), line - 1) for a, v in zip(at, levels, strict=True)]
    rows.sort()
    events = np.zeros(len(rows) + 1, EVENT)
    for event, (sample, level, channel) in zip(events[1:], rows, strict=True):
        event["t"], event["id"], event["channel"] = sample, level, channel
    events["kind"], events["processor"] = 3, 100
    events[0]["kind"] = 5  # a message of the network
    (folder / "all_channels.events").write_bytes(_header("") + events.tobytes())
    return OpenEphysLegacyTruth(folder, samples, names, edges)


def _header(entries: str) -> bytes:
    """Return a header of 1024 bytes."""
    text = (
        "header.format = 'Open Ephys Data Format';\nheader.version = 0.4;\n"
        "header.header_bytes = 1024;\nheader.date_created = '23-Feb-2016 121300';\n"
        f"{entries}header.channelType = 'Continuous';\nheader.sampleRate = {RATE_HZ:g};\n"
        "header.blockLength = 1024;\nheader.bufferSize = 1024;\n"
    )
    return text.encode().ljust(1024)
