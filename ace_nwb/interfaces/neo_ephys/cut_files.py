"""Files of samples that break off: refused, or read up to the last whole item (`cut_samples`)."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.policies import Irregularity, Policies

SAMPLE_BYTES = 2  # of Intan's and SpikeGLX's 16-bit samples


class _Numpy:
    """numpy, but for one function."""

    def __init__(self, memmap: Callable[..., np.ndarray]) -> None:
        self.memmap = memmap

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@contextmanager
def whole_items(module: Any) -> Iterator[dict[Path, int]]:
    """Let a reader map the whole items of its files.

    Parameters
    ----------
    module
        The reader's module, which would refuse a file with part of an item at its end.

    Yields
    ------
    dict
        File -> bytes left over at its end.
    """
    left_over: dict[Path, int] = {}

    def memmap(filename: Any, dtype: Any, **details: Any) -> np.ndarray:
        n_bytes = Path(filename).stat().st_size - details.get("offset", 0)
        n_items, left = divmod(n_bytes, np.dtype(dtype).itemsize)
        if left:
            left_over[Path(filename)] = left
            details.setdefault("shape", (n_items,))
        return np.memmap(filename, dtype, **details)

    module.np = _Numpy(memmap)
    try:
        yield left_over
    finally:
        module.np = np


def find_cut_runs(metas: list[Path]) -> dict[Path, tuple[int, int]]:
    """Return the .bin files that are shorter than their .meta states: bytes found and stated."""
    cut: dict[Path, tuple[int, int]] = {}
    for meta in metas:
        text = meta.read_text(encoding="utf-8", errors="replace")
        stated = re.search(r"^fileSizeBytes=(\d+)\s*$", text, re.MULTILINE)
        n_bytes = meta.with_suffix(".bin").stat().st_size
        if stated and n_bytes < int(stated.group(1)):
            cut[meta.with_suffix(".bin")] = (n_bytes, int(stated.group(1)))
    return cut


@contextmanager
def whole_samples(module: Any) -> Iterator[None]:
    """Let a reader of interleaved samples pass over part of a sample at the end of a file."""
    strict = module.get_memmap_shape

    def shape(filename: Any, dtype: Any, num_channels: int = 1, offset: int = 0) -> tuple[int, ...]:
        n_bytes = Path(filename).stat().st_size - offset
        return n_bytes // np.dtype(dtype).itemsize // num_channels, num_channels

    module.get_memmap_shape = shape
    try:
        yield
    finally:
        module.get_memmap_shape = strict


def cut_samples(path: Path, found: str, *, policies: Policies) -> Irregularity:
    """Describe a file of samples that breaks off."""
    return Irregularity(
        policy="cut_samples",
        choice=policies["cut_samples"],
        device=path.name,
        count=1,
        found=f"{path} is cut off: {found}",
        expected="A whole file was expected. Copy the file again from its source.",
        error=EphysError,
    )
