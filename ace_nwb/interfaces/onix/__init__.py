"""ONIX recordings written by Bonsai: Miniscope, RHS2116, BNO055, digital and analog inputs.

All streams are stamped with one 250 MHz clock; times are counts / rate, zero at the start of the
acquisition. `files` finds them, `miniscope` and `streams` read, the interfaces write NWB objects.
"""

from functools import partial
from typing import Any

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.onix.files import (
    EPHYS_NAME,
    MINISCOPE_NAME,
    find_ephys,
    find_miniscopes,
)
from ace_nwb.interfaces.onix.miniscope import read_recording
from ace_nwb.interfaces.onix.streams import summarise_streams

MINISCOPE_FORMAT = Format(
    name=MINISCOPE_NAME,
    title="Miniscope on ONIX (Bonsai)",
    modality="imaging",
    find=find_miniscopes,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.imaging_interfaces:OnixMiniscopeInterface",
    looks_for="a movie .avi beside the raw file of its frame clock",
)

EPHYS_FORMAT = Format(
    name=EPHYS_NAME,
    title="ONIX (Bonsai): RHS2116, digital and analog inputs",
    modality="ephys",
    find=find_ephys,
    summarise=summarise_streams,
    interface_path="ace_nwb.interfaces.onix.interface:OnixInterface",
    looks_for="raw streams of Bonsai with a sample clock each",
)


def __getattr__(name: str) -> Any:
    """Give the data interface where it is looked for, without importing NeuroConv for the rest."""
    if name == "OnixInterface":
        from ace_nwb.interfaces.onix.interface import OnixInterface

        return OnixInterface
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
