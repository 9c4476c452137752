"""Print version and path of every CPython of this machine that pyproject.toml declares.

The default Python comes first, then one for each other version: `python3.N` on the path or under
pyenv. What is left out is named on standard error with the reason. `find_pythons.py 3.13` looks for
that version alone.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ASK = """
import ensurepip, sys, sysconfig, venv
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(sys.implementation.name, free_threaded, "%d.%d" % sys.version_info[:2], sys.executable)
"""
PATIENCE_S = 60.0
"""A Python that has not told its version by then is none, seconds; 5 occur on a busy machine."""


def candidates() -> Iterator[Path]:
    """Yield what may be a Python; pyenv has shims on the path for versions that are not there."""
    yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in [*sorted(pyenv.glob("versions/*/bin")), *map(Path, os.get_exec_path())]:
        for path in sorted(folder.glob("python3.*")):
            if re.fullmatch(r"python3\.\d+", path.name):
                yield path


def ask(path: Path) -> tuple[str, str] | None:
    """Return version and path of a CPython that can make an environment, else None."""
    try:
        done = subprocess.run(
            [path, "-c", ASK], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    implementation, free_threaded, version, executable = done.stdout.split(maxsplit=3)
    usable = implementation == "cpython" and free_threaded == "False"  # numba needs both
    return (version, executable.strip()) if usable else None


def declared() -> list[str]:
    """Return the versions among the classifiers of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = " ".join(project["classifiers"])
    return re.findall(r"Python :: (3\.\d+)", texts)


def find_pythons(wanted: list[str]) -> dict[str, str]:
    """Return version -> path, the default Python first."""
    found: dict[str, str] = {}
    for answer in map(ask, candidates()):
        if answer is not None:
            found.setdefault(*answer)
    chosen = {v: path for v, path in found.items() if v in declared()}
    for version in sorted(set(found) - set(chosen), key=lambda v: int(v[2:])):
        if int(version[2:]) > 10:  # older than 3.11: never meant
            print(f"Python {version} left out: not declared in pyproject.toml.", file=sys.stderr)
    return {v: path for v, path in chosen.items() if not wanted or v in wanted}


if __name__ == "__main__":
    pythons = find_pythons(sys.argv[1:])
    if not pythons:
        sys.exit(f"No CPython of {', '.join(sys.argv[1:] or declared())} found on this machine.")
    for version, path in pythons.items():
        print(version, path)
