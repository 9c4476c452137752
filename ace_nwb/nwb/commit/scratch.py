"""The scratch folder beside a session file: what an interrupted stage had found so far.

One file per stage, `<session>.scratch/<stage>.checkpoint`, written beside and renamed: a digest of
all that follows, the key of the computation, the arrays. One that is damaged, or of another
computation, is as good as none. The session file itself never depends on the folder.
"""

import io
import logging
import shutil
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ace_nwb.errors import AceNwbWarning, reason
from ace_nwb.imaging.checkpoint import State
from ace_nwb.nwb.commit.disk import Disk

logger = logging.getLogger(__name__)

MAGIC = b"ACENWBC1"
MAX_BYTES = 2**30
"""A larger state is not kept."""

_PAUSE_PER_COST = 19.0
"""Seconds without a save for each second that a save took: saving takes a twentieth of the time."""

_DIGEST_BYTES = 32
"""Bytes of a BLAKE2b digest: 256 bits, as for any checksum that must not collide."""


@dataclass(frozen=True)
class Scratch:
    """Where a stage of a session keeps what it has so far.

    Parameters
    ----------
    session_path
        The session file.
    name
        Name of the stage.
    mark
        Identifies what is computed: fingerprint of the result, versions of the software.
    """

    session_path: Path
    name: str
    mark: str

    @property
    def folder(self) -> Path:
        """The scratch folder."""
        return self.session_path.with_name(f"{self.session_path.name}.scratch")

    @property
    def path(self) -> Path:
        """The file of this stage."""
        return self.folder / f"{self.name}.checkpoint"

    def open(self, content: bytes) -> "FileCheckpoint":
        """Return the checkpoint of the computation on data with this digest."""
        return FileCheckpoint(self.path, _digest(self.mark.encode(), content))

    def remove(self) -> None:
        """Remove the stage's file, and the folder with the last one."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            _partial_path(self.path).unlink(missing_ok=True)
            self.folder.rmdir()


class FileCheckpoint:
    """Keeps the state of one computation in a file; satisfies `imaging.checkpoint.Checkpoint`.

    Parameters
    ----------
    path
        The file; its folder is made when something is kept.
    key
        Digest of everything that the result depends on.
    """

    def __init__(self, path: Path, key: bytes):
        self.path = path
        self.key = key
        self._next_save_s = 0.0

    def load(self) -> State | None:
        """Return the state kept for the same key, or None if there is none that is whole."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        head = len(MAGIC) + _DIGEST_BYTES
        digest, key = content[len(MAGIC) : head], content[head : head + _DIGEST_BYTES]
        if not content.startswith(MAGIC) or _digest(content[head:]) != digest or key != self.key:
            logger.info("%s is damaged or of another computation and is not used", self.path)
            return None
        logger.info("going on from %s", self.path)
        with np.load(io.BytesIO(content[head + _DIGEST_BYTES :]), allow_pickle=False) as arrays:
            return dict(arrays)

    def save(self, state: State) -> None:
        """Replace the state kept, unless saving would take much of the time."""
        started_s = time.monotonic()
        if started_s < self._next_save_s:
            return
        try:
            self._check_room(sum(array.nbytes for array in state.values()))
            self._write(state)
        except OSError as error:
            self._next_save_s = float("inf")
            warnings.warn(
                f"What {self.path.stem} has found so far cannot be kept in {self.path.parent.name} "
                f"({reason(error)}); if it is interrupted, it begins anew.",
                AceNwbWarning,
                stacklevel=2,
            )
            return
        ended_s = time.monotonic()
        self._next_save_s = ended_s + _PAUSE_PER_COST * (ended_s - started_s)

    def _check_room(self, n_bytes: int) -> None:
        """Raise OSError if the state is too large to be kept."""
        self.path.parent.mkdir(exist_ok=True)
        limit = min(MAX_BYTES, shutil.disk_usage(self.path.parent).free // 2)
        if n_bytes > limit:
            raise OSError(f"{n_bytes / 1e6:.0f} MB, and at most {limit / 1e6:.0f} MB are kept")

    def _write(self, state: State) -> None:
        """Write beside, then rename."""
        arrays = io.BytesIO()
        np.savez(arrays, **state)  # type: ignore[arg-type]
        body = self.key + arrays.getvalue()
        disk, partial = Disk(), _partial_path(self.path)
        partial.unlink(missing_ok=True)
        with disk.open(partial, "xb") as file:
            disk.write_at(file, 0, MAGIC + _digest(body) + body)
            disk.sync(file)
        disk.rename(partial, self.path)


def _partial_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-partial")


def _digest(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()
