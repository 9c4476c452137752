"""Every command and every line of Python in the README and the documentation does what it says.

A page is a user's session: its blocks run in order, in a folder that holds a raw recording
(`2025_06_12/15_26_31` and `CheetahData`), `meta.yaml`, and `session.nwb`, the processed session.
`sh` blocks run line by line in this process. Programs that are not ours and would change the
computer or need a cluster are not run; which ones is listed here.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from ace_nwb.cli import run
from tests.docs.pages import PAGES, REPOSITORY, WAITS, blocks, commands, fill_in, is_verb

NOT_RUN = ("pip", "conda", "python3", ".", "sbatch", "ssh", "scp", "pytest", "sphinx-build", "cd")
NOT_RUN_VERBS = {
    **WAITS,
    ("demo",): "the lab is made from a demo already",
    ("dandi", "upload"): "sends data away",
}
KNOWN = ("sh", "python", "yaml", "text", "csv", "json", "toml")


@pytest.fixture
def lab(demo, tmp_path, monkeypatch):
    source = demo[1] / "recording"
    lab = tmp_path / "lab"
    shutil.copytree(next((source / "raw").iterdir()), lab)
    shutil.copytree(next((source / "ephys").iterdir()), lab / "CheetahData")
    shutil.copy(source / "meta.yaml", lab)
    shutil.copy(demo[1] / "session.nwb", lab)
    shutil.copytree(source / "raw", lab / "recording" / "raw")  # the session's videos
    shutil.copytree(REPOSITORY / "examples", lab / "examples")
    monkeypatch.chdir(lab)
    return lab


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(page, lab):
    if page.name == "README.md":
        (lab / "session.nwb").unlink()  # its reader converts first
        (lab / "meta.yaml").unlink()
    names = {"__name__": "page"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours
        for language, block in blocks(page):
            assert language in KNOWN, f"{page.name}: a block in {language!r}"
            if language == "sh":
                for line in commands(block):
                    run_command(line)
            if language == "python":
                exec(compile(block, str(page), "exec"), names)
            if language in ("yaml", "csv"):
                save_named(block)


def run_command(line):
    """Run one command; `# exits with N` at its end says that it fails, and how."""
    line, _, remark = line.partition("  # ")
    expected = int(remark.removeprefix("exits with ")) if remark.startswith("exits") else 0
    for part in line.split(" && "):
        program, *arguments = shlex.split(part)
        if program in NOT_RUN or is_verb(arguments, NOT_RUN_VERBS):
            continue
        arguments, target = redirected(arguments)
        with Path(target or os.devnull).open("w", encoding="utf-8") as stream:
            if program == "python":
                command = [sys.executable, "-W", "ignore", *arguments]
                assert subprocess.run(command, stdout=stream, check=False).returncode == 0, part
                continue
            assert program == "ace-nwb", f"{program!r} is neither ours nor listed as not run"
            with redirect_stdout(stream):
                assert run(arguments) == expected, part
            if "--template" in arguments:
                fill_in(Path(arguments[arguments.index("--template") + 1]))


def redirected(arguments):
    if ">" in arguments:
        where = arguments.index(">")
        return arguments[:where], arguments[where + 1]
    return arguments, None


def save_named(block):
    """Save a block whose first line is a comment that names a file."""
    first, _, rest = block.partition("\n")
    if re.fullmatch(r"# [\w./-]+\.\w+", first):
        Path(first.removeprefix("# ")).write_text(rest, encoding="utf-8")
