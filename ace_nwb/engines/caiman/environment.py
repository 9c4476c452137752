"""Finding the environment that CaImAn lives in, and saying what is wrong if there is none.

CaImAn needs older packages than we do, so it has an environment of its own. The package `caiman`
of the Python package index is something else (a build tool for MicroPython): it is recognised by
what it lacks and never imported.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ace_nwb.errors import MissingPackageError

CHILD = Path(__file__).with_name("child.py")
VARIABLE = "ACE_NWB_CAIMAN_PYTHON"
ENVIRONMENT_NAME = "caiman"
INSTALL = (
    "Install CaImAn in an environment of its own, `conda env create -f environment-caiman.yml` "
    "(the file is in the root of the ace_nwb repository), and it is found by its name; or give "
    f"`--caiman-python PATH`, or set {VARIABLE}, to the Python of another environment."
)
UNRELATED = (
    "the package `caiman` there is not CaImAn but a build tool for MicroPython of the same name, "
    "which is what pip installs"
)
_PROBE_TIMEOUT_S = 120  # seconds to import CaImAn and all that it needs from a slow disk
_DROPPED_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
_ONE_THREAD = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
_HOME_ROOTS = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".conda")


@dataclass(frozen=True)
class CaimanEnvironment:
    """A Python with CaImAn, and the versions found there."""

    python: Path
    versions: dict[str, str]

    @property
    def software(self) -> dict[str, str]:
        """Packages and versions for the history."""
        return {"caiman": "unknown"} | {
            ("CaImAn's " if name != "caiman" else "") + name: found
            for name, found in self.versions.items()
        }


def find_environment(chosen: str | None = None) -> CaimanEnvironment:
    """Return the environment to run CaImAn in.

    Parameters
    ----------
    chosen
        A Python, the folder of an environment, or the name of a conda environment; None looks at
        the variable ACE_NWB_CAIMAN_PYTHON, at our own environment, and for a conda environment
        called `caiman`.

    Raises
    ------
    MissingPackageError
        If there is no CaImAn; the message says what was found and what to install.
    """
    for text, source in ((chosen, "--caiman-python"), (os.environ.get(VARIABLE), VARIABLE)):
        if text:
            return _check(_resolve(text, source), f"{source} {text}")
    refused = []
    for python in (Path(sys.executable), *_named_environments(ENVIRONMENT_NAME)):
        try:
            return _check(python, str(python))
        except MissingPackageError as error:
            refused.append(error)
    if any(UNRELATED in str(error) for error in refused):
        raise next(error for error in refused if UNRELATED in str(error))
    raise MissingPackageError(
        "The engine caiman needs CaImAn, which was found neither beside ace_nwb nor in a conda "
        f"environment called {ENVIRONMENT_NAME!r}. {INSTALL}"
    )


def child_environment(python: Path, folder: Path | None = None) -> dict[str, str]:
    """Return the environment variables of CaImAn's process.

    Parameters
    ----------
    python
        The Python that will run.
    folder
        Where CaImAn keeps its temporary and data files.
    """
    variables = {k: v for k, v in os.environ.items() if k not in _DROPPED_VARIABLES}
    variables |= {f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD}
    variables |= {"MPLBACKEND": "Agg", "PYTHONUNBUFFERED": "1", "VECLIB_MAXIMUM_THREADS": "1"}
    if sys.platform == "win32":  # libraries of a conda environment that nobody activated
        libraries = [python.parent, python.parent / "Library" / "bin", python.parent / "Scripts"]
        variables["PATH"] = os.pathsep.join([*map(str, libraries), variables.get("PATH", "")])
    if folder is not None:
        places = {"CAIMAN_TEMP": "temp", "CAIMAN_DATA": "data", "TMPDIR": "temp"}
        for variable, name in places.items():
            (folder / name).mkdir(exist_ok=True)
            variables[variable] = str(folder / name)
    return variables


def _resolve(text: str, source: str) -> Path:
    """Return the Python that a path or the name of an environment stands for."""
    path = Path(text).expanduser()
    if path.is_file():
        return path.absolute()
    if path.is_dir():
        python = _python_in(path.absolute())
        if python is None:
            raise MissingPackageError(
                f"{source} is {text}, a folder without a Python. Expected the folder of an "
                f"environment, or its Python. {INSTALL}"
            )
        return python
    for python in _named_environments(text):
        return python
    raise MissingPackageError(
        f"{source} is {text!r}, which is neither a file, nor a folder, nor the name of a conda "
        f"environment. {INSTALL}"
    )


def _check(python: Path, name: str) -> CaimanEnvironment:
    """Return the environment of a Python if CaImAn is in it; imports nothing there."""
    try:
        done = subprocess.run(
            [str(python), str(CHILD), "probe"],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=True,
            stdin=subprocess.DEVNULL,
            env=child_environment(python),
            cwd=CHILD.parent,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise MissingPackageError(
            f"{name} does not run as a Python: {_last_words(error)}. {INSTALL}"
        ) from error
    if found["caiman"] == "real":
        return CaimanEnvironment(python, found["versions"])
    problem = UNRELATED if found["caiman"] == "other" else "there is no CaImAn there"
    raise MissingPackageError(f"{name} cannot run the engine caiman: {problem}. {INSTALL}")


def _last_words(error: Exception) -> str:
    text = (getattr(error, "stderr", None) or str(error)).strip()
    return text.splitlines()[-1] if text else type(error).__name__


def _named_environments(name: str) -> Iterator[Path]:
    """Yield the Pythons of conda environments of that name."""
    if not name or Path(name).name != name:
        return
    seen = set()
    for folder in _environment_folders(name):
        python = _python_in(folder)
        if python is not None and python not in seen:
            seen.add(python)
            yield python


def _environment_folders(name: str) -> Iterator[Path]:
    """Yield where an environment of that name may be."""
    for variable in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT", "CONDA_PREFIX_1", "CONDA_PREFIX"):
        if root := os.environ.get(variable):
            yield Path(root) / "envs" / name
            yield Path(root).parent / name
    if program := os.environ.get("CONDA_EXE"):
        yield Path(program).parent.parent / "envs" / name
    home = Path.home()
    for root in _HOME_ROOTS:
        yield home / root / "envs" / name
    known = home / ".conda" / "environments.txt"
    if known.is_file():
        lines = known.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (Path(line.strip()) for line in lines if Path(line.strip()).name == name)


def _python_in(folder: Path) -> Path | None:
    """Return the Python of an environment's folder."""
    for place in ("bin/python", "python.exe", "Scripts/python.exe"):
        if (folder / place).is_file():
            return folder / place
    return None
