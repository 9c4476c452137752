"""How the documentation is built: `sphinx-build -W docs docs/_build`.

The build makes its own pictures and reference pages from the code (build_steps/), so that they
cannot fall behind it.
"""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from build_steps import pictures, reference

project = "ace_nwb"
author = "the ace_nwb developers"
version = release = version_of("ace-nwb")

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_typehints = "none"
exclude_patterns = ["_build", "build_steps"]
nitpicky = False

html_theme = "furo"
html_title = "ace_nwb"
html_static_path: list[str] = []


def setup(app):
    """Make what is generated before Sphinx looks for pages."""
    folder = Path(app.srcdir) / "generated"
    demo = os.environ.get("ACE_NWB_DOCS_DEMO")
    reference.write_pages(folder)
    pictures.write_pictures(folder, Path(demo) if demo else None)
