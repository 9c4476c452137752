"""Name -> object tables of formats, engines and stages: built-ins plus installed entry points.

Entries are import paths ("package.module:attribute") and are loaded on first use only.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from ace_nwb.errors import UnknownNameError


@dataclass(frozen=True)
class Registry:
    """A table of named objects that third parties extend by entry point.

    Parameters
    ----------
    kind
        What the entries are, for messages ("format", "engine").
    group
        Entry point group that third-party packages register under.
    built_in
        Name -> import path of the entries that ship with ace_nwb.
    """

    kind: str
    group: str
    built_in: dict[str, str]

    def paths(self) -> dict[str, str]:
        """Return name -> import path; a built-in name cannot be replaced by a plug-in."""
        return _plugged(self.group) | self.built_in

    def names(self) -> list[str]:
        """Return the known names, built-ins first in their declared order."""
        return list(self.built_in) + sorted(set(self.paths()) - set(self.built_in))

    def load(self, name: str) -> Any:
        """Import and return the entry called `name`.

        Raises
        ------
        UnknownNameError
            If there is no such entry; the message lists the known ones.
        """
        path = self.built_in.get(name) or _plugged(self.group).get(name)
        if path is None:
            raise UnknownNameError.among(self.kind, name, self.paths())
        return load_object(path)


@cache
def _plugged(group: str) -> dict[str, str]:
    """Return name -> import path of the installed entry points: a search of every package, once."""
    return {entry.name: entry.value for entry in entry_points(group=group)}


def load_object(path: str) -> Any:
    """Import the object at "package.module:attribute"."""
    module_name, _, attribute = path.partition(":")
    return getattr(import_module(module_name), attribute)


FORMATS = Registry(
    kind="format",
    group="ace_nwb.formats",
    built_in={
        "miniscope-daq": "ace_nwb.interfaces.miniscope_daq:FORMAT",
        "miniscope-v3": "ace_nwb.interfaces.miniscope_v3:FORMAT",
        "open-ephys-miniscope": "ace_nwb.interfaces.open_ephys_miniscope:FORMAT",
        "onix-miniscope": "ace_nwb.interfaces.onix:MINISCOPE_FORMAT",
        "inscopix": "ace_nwb.interfaces.inscopix:FORMAT",
        "movie-files": "ace_nwb.interfaces.mapped_movie:FORMAT",
        "neuralynx": "ace_nwb.interfaces.neuralynx:FORMAT",
        "open-ephys-binary": "ace_nwb.interfaces.open_ephys_binary:FORMAT",
        "open-ephys-legacy": "ace_nwb.interfaces.open_ephys_legacy:FORMAT",
        "onix": "ace_nwb.interfaces.onix:EPHYS_FORMAT",
        "intan": "ace_nwb.interfaces.neo_ephys:INTAN_FORMAT",
        "spikeglx": "ace_nwb.interfaces.neo_ephys:SPIKEGLX_FORMAT",
    },
)

ENGINES = Registry(
    kind="engine",
    group="ace_nwb.engines",
    built_in={
        "cnmfe": "ace_nwb.engines.cnmfe:extract",
        "caiman": "ace_nwb.engines.caiman:extract",
    },
)

STAGES = Registry(kind="stage", group="ace_nwb.stages", built_in={})
"""Stages of other packages; ours are rows of `stages/table.py`."""
