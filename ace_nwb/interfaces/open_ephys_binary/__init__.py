"""Open Ephys recordings in the binary format: samples with their gaps, TTL lines bit by bit.

NeuroConv's interface refuses folders without settings.xml and knows no TTL events; `folder` reads
structure.oebin and what it names, `interface` writes NWB objects.
"""

from typing import Any

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.open_ephys_binary.folder import (
    NAME,
    find_recordings,
    summarise_recording,
)

FORMAT = Format(
    name=NAME,
    title="Open Ephys (binary format)",
    modality="ephys",
    find=find_recordings,
    summarise=summarise_recording,
    interface_path="ace_nwb.interfaces.open_ephys_binary.interface:OpenEphysBinaryInterface",
    looks_for="structure.oebin with continuous.dat",
)


def __getattr__(name: str) -> Any:
    """Give the data interface where it is looked for, without importing NeuroConv for the rest."""
    if name == "OpenEphysBinaryInterface":
        from ace_nwb.interfaces.open_ephys_binary.interface import OpenEphysBinaryInterface

        return OpenEphysBinaryInterface
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
