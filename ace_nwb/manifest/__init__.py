"""The sessions of a project in one file: `sessions.yaml` or a CSV, checked before anything runs.

models.py says what it holds, reading.py reads it, checking.py lists every problem with its place.
"""

from ace_nwb.manifest.models import Interval, Manifest, SessionEntry
from ace_nwb.manifest.problems import Problem
from ace_nwb.manifest.reading import load_manifest, read_manifest

__all__ = [
    "Interval",
    "Manifest",
    "Problem",
    "SessionEntry",
    "load_manifest",
    "read_manifest",
]
