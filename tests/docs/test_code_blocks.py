"""Every command and every line of Python in the README and the documentation does what it says.

A page is a newcomer's session: its text is typed in order, in one fresh folder, against what its
earlier commands made. Pages for developers (how it works, how to extend) begin in a demo's folder.
`sh` blocks run line by line in this process; `text` blocks need what only a reader has (a cluster,
results of other programs) and are parsed. Not run are installers, pages that wait for a browser,
and what sends data away; the demo is one of this suite, of its smallest size.
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
from ace_nwb.cli.verbs import build_app
from tests.docs.pages import PAGES, REPOSITORY, WAITS, blocks, commands, fill_in, is_verb

NOT_RUN = ("pip", "conda", "python3", ".", "bash", "ssh", "pytest", "sphinx-build")
NOT_RUN_VERBS = {**WAITS, ("dandi", "upload"): "sends data away"}
KNOWN = ("sh", "python", "yaml", "text", "toml")
SLOW = ("README", "many_sessions")
"""Pages that take a whole recording through every stage."""

NEWCOMERS = [
    page for page in PAGES if page.parent.name == "tasks" or page.stem in ("README", "tutorial")
]
DEVELOPERS = [page for page in PAGES if page not in NEWCOMERS]


def cases(pages):
    return [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else [])
        for page in pages
    ]


@pytest.mark.parametrize("page", cases(NEWCOMERS))
def test_every_command_of_the_page_runs_in_one_fresh_folder(page, demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    type_page(page, demo[1])


@pytest.mark.parametrize("page", cases(DEVELOPERS))
def test_every_block_of_a_page_for_developers_runs(page, demo, tmp_path, monkeypatch):
    lab = Path(shutil.copytree(demo[1], tmp_path / "lab"))
    shutil.copytree(REPOSITORY / "examples", lab / "examples")
    monkeypatch.chdir(lab)
    type_page(page, demo[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_for_readers_with_data_of_their_own_are_ones_we_have(page):
    for language, block in blocks(page):
        for line in commands(block) if language == "text" else ():
            program, *arguments = shlex.split(line, comments=True)
            if program == "ace-nwb":
                parse(arguments)


def type_page(page, demo_folder):
    names = {"__name__": "page"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours
        for language, block in blocks(page):
            assert language in KNOWN, f"{page.name}: a block in {language!r}"
            if language == "sh":
                for line in commands(block):
                    for command in line.split(" && "):
                        run_command(command, demo_folder)
            if language == "python":
                exec(compile(block, str(page), "exec"), names)
            if language == "yaml":
                save_named(block)


def run_command(command, demo_folder):
    program, *arguments = shlex.split(command)
    if program in NOT_RUN:
        return
    if program == "cd":
        os.chdir(arguments[0])
        return
    if program == "python":
        done = subprocess.run([sys.executable, "-W", "ignore", *arguments], check=False)
        assert done.returncode == 0, command
        return
    assert program == "ace-nwb", f"{program!r} is neither ours nor listed as not run"
    arguments, target = redirected(arguments)
    if arguments[0] == "demo":
        output = parse(arguments).arguments.get("output_dir", "ace_nwb_demo")
        shutil.copytree(demo_folder, output)
    elif is_verb(arguments, NOT_RUN_VERBS):
        parse(arguments)
    else:
        with (
            Path(target or os.devnull).open("w", encoding="utf-8") as stream,
            redirect_stdout(stream),
        ):
            assert run(arguments) == 0, command
        if "--template" in arguments:
            fill_in(Path(arguments[arguments.index("--template") + 1]))


def parse(arguments):
    """Return what a command line of ours is taken as; the parser refuses what we do not have."""
    _command, bound, _ignored = build_app().parse_args(
        arguments, exit_on_error=False, print_error=False
    )
    return bound


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
