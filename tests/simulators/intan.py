"""Writes Intan files (.rhd, .rhs) as the published description of the formats says, with truth.

Header and blocks of 128 samples: counts, amplifier words, (RHS: DC and stimulation words), one
word of all digital inputs.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK_SAMPLES = 128
MICROVOLT_PER_BIT = 0.195
ZERO = 32_768
RHD_MAGIC, RHS_MAGIC = 0xC6912702, 0xD69127AC
AMPLIFIER = 0
DIGITAL_INPUT = {"rhd": 4, "rhs": 5}
"""Types of signals in the header."""


@dataclass(frozen=True)
class IntanTruth:
    """What was written: words (sample, channel), and the edges of each input, s and level."""

    folder: Path
    file_path: Path
    samples: np.ndarray
    rate_hz: float
    edges: dict[str, tuple[np.ndarray, np.ndarray]]


def write_recording(
    folder: Path,
    *,
    suffix: str = "rhd",
    n_samples: int = 12_800,
    n_channels: int = 4,
    rate_hz: float = 20_000.0,
    seed: int = 0,
) -> IntanTruth:
    """Write one file with `n_samples` (whole blocks) and two digital inputs, 00 and 03."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    samples = rng.integers(20_000, 45_000, (n_samples, n_channels), np.uint16)
    words = np.zeros(n_samples, np.uint16)
    edges = {}
    for bit, every in ((0, 500), (3, 3000)):
        at = np.arange(200 + bit, n_samples, every)
        levels = 1 - np.arange(len(at)) % 2
        state = np.cumsum(np.bincount(at, np.where(levels, 1, -1), n_samples)).astype(np.uint16)
        words |= state << np.uint16(bit)
        edges[f"DIGITAL-IN-{bit:02d}"] = (at / rate_hz, levels)
    path = folder / f"session_250612_152631.{suffix}"
    header = _header(suffix, n_channels=n_channels, bits=(0, 3), rate_hz=rate_hz)
    path.write_bytes(header + _blocks(suffix, samples, words))
    return IntanTruth(folder, path, samples, rate_hz, edges)


def _header(suffix: str, *, n_channels: int, bits: tuple[int, ...], rate_hz: float) -> bytes:
    """Return the header of a file of version 3."""
    is_rhs = suffix == "rhs"
    parts = [
        struct.pack("<IhhfH", RHS_MAGIC if is_rhs else RHD_MAGIC, 3, 0, rate_hz, 1),
        struct.pack("<8f" if is_rhs else "<6f", *([1.0] * (8 if is_rhs else 6))),
        struct.pack("<hff", 0, 1000.0, 1000.0),
    ]
    if is_rhs:
        parts.append(struct.pack("<hhfff", 0, 0, 1e-5, 1e-9, 0.0))
    parts += [_text("") for _note in range(3)]
    parts.append(struct.pack("<hh", 1 if is_rhs else 0, 13))  # DC saved (RHS), or no thermometer
    parts.append(_text("n/a"))
    groups = [
        ("Port A", "A", [(f"A-{number:03d}", number, AMPLIFIER) for number in range(n_channels)]),
        (
            "Digital In Ports",
            "DIGITAL-IN",
            [(f"DIGITAL-IN-{bit:02d}", bit, DIGITAL_INPUT[suffix]) for bit in bits],
        ),
    ]
    parts.append(struct.pack("<h", len(groups)))
    for name, prefix, channels in groups:
        n_amplifiers = sum(kind == AMPLIFIER for _name, _order, kind in channels)
        parts += [_text(name), _text(prefix), struct.pack("<hhh", 1, len(channels), n_amplifiers)]
        parts += [_channel(*channel, is_rhs=is_rhs) for channel in channels]
    return b"".join(parts)


def _channel(name: str, order: int, kind: int, *, is_rhs: bool) -> bytes:
    """Return the entry of a channel."""
    places = [order, order, kind, 1, order] + [0] * (2 if is_rhs else 1)
    trigger = [0, 0, 0, 0]
    numbers = struct.pack(f"<{len(places) + len(trigger)}h", *places, *trigger)
    return _text(name) + _text(name) + numbers + struct.pack("<ff", 50_000.0, -30.0)


def _text(text: str) -> bytes:
    """Return a text as Qt writes it: its length in bytes, then UTF-16."""
    content = text.encode("utf-16-le")
    return struct.pack("<I", len(content)) + content


def _blocks(suffix: str, samples: np.ndarray, words: np.ndarray) -> bytes:
    """Return the blocks of samples."""
    n_blocks, n_channels = len(words) // BLOCK_SAMPLES, samples.shape[1]
    extra = 2 * n_channels if suffix == "rhs" else 0  # DC and stimulation words
    block = np.dtype(
        [
            ("count", "<i4", BLOCK_SAMPLES),
            ("amplifier", "<u2", (n_channels, BLOCK_SAMPLES)),
            ("extra", "<u2", (extra, BLOCK_SAMPLES)),
            ("digital", "<u2", BLOCK_SAMPLES),
        ]
    )
    blocks = np.zeros(n_blocks, block)
    blocks["count"] = np.arange(len(words)).reshape(n_blocks, BLOCK_SAMPLES)
    cut = samples.reshape(n_blocks, BLOCK_SAMPLES, n_channels)
    blocks["amplifier"] = cut.transpose(0, 2, 1)
    blocks["digital"] = words.reshape(n_blocks, BLOCK_SAMPLES)
    return blocks.tobytes()
