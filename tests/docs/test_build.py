"""The documentation builds without a warning and makes its own pictures."""

import os
import subprocess
import sys
from pathlib import Path

import ace_nwb

DOCS = Path(ace_nwb.__file__).parent.parent / "docs"


def test_the_documentation_builds_without_a_warning(demo, tmp_path):
    environment = os.environ | {"ACE_NWB_DOCS_DEMO": str(demo[1])}
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "html")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "html" / "tutorial.html").read_text()
    assert "<img" in page
    assert (tmp_path / "html" / "_images" / "overview.png").stat().st_size > 10_000
