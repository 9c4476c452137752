"""Write constraints.txt: the versions that pip chooses today on every Python found here.

`python3 .ci/make_constraints.py`, before a release, then `.ci/run`. A package whose version differs
between Pythons gets one line for each version, with the Pythons it is for.
"""

import json
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from find_pythons import ROOT, declared, find_pythons

HEAD = """\
# The versions that ace_nwb was tested with, on CPython {pythons}: pip install -c constraints.txt .
# Made by `python3 .ci/make_constraints.py`; not to be edited.
"""


def resolve(interpreter: str) -> dict[str, str]:
    """Return name -> version of all that pip would install in an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report, environment = Path(folder) / "report.json", Path(folder) / "env"
        subprocess.run([interpreter, "-m", "venv", environment], check=True)
        pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
        what = ["--dry-run", "--ignore-installed", "--report", report, f"{ROOT}[all,test]"]
        subprocess.run([*pip, *what], check=True)
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    packages = [entry["metadata"] for entry in installed]
    return {one["name"].lower().replace("_", "-"): one["version"] for one in packages}


def write_lines(versions: dict[str, dict[str, str]]) -> list[str]:
    """Return the lines for Python version -> package -> version."""
    pythons: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python, packages in versions.items():
        for name, version in packages.items():
            pythons[name][version].append(python)
    lines = []
    for name, chosen in sorted(pythons.items()):
        for version, of in sorted(chosen.items()):
            marker = "" if len(of) == len(versions) else f'; python_version in "{" ".join(of)}"'
            lines.append(f"{name}=={version}{marker}")
    return lines


def main() -> None:
    """Ask pip with every declared Python; all must be on the machine."""
    pythons = find_pythons([])
    missing = sorted(set(declared()) - set(pythons))
    if missing:
        raise SystemExit(f"CPython {', '.join(missing)} not found; all declared ones are needed.")
    versions = {python: resolve(pythons[python]) for python in declared()}
    for packages in versions.values():
        del packages["ace-nwb"]
    lines = [HEAD.format(pythons=", ".join(versions)), *write_lines(versions)]
    (ROOT / "constraints.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
