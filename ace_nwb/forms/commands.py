"""Commands that a message tells its reader to type, with paths that a shell takes as one word."""

import os
import shlex
import subprocess
from pathlib import Path


def quoted(path: Path | str) -> str:
    """Return a path as it is typed in the shell of this computer, quoted where needed."""
    return subprocess.list2cmdline([str(path)]) if os.name == "nt" else shlex.quote(str(path))
