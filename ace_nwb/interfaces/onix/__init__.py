"""ONIX recordings written by Bonsai: Miniscope, RHS2116, BNO055, digital and analog inputs.

All streams are stamped with one 250 MHz clock; times are counts / rate, zero at the start of the
acquisition. `files` finds them, `miniscope` and `streams` read.
"""

from functools import partial

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.ephys_recording import summarise_ephys
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.onix.files import (
    EPHYS_NAME,
    MINISCOPE_NAME,
    find_ephys,
    find_miniscopes,
)
from ace_nwb.interfaces.onix.miniscope import read_recording
from ace_nwb.interfaces.onix.streams import read_streams

MINISCOPE_FORMAT = Format(
    name=MINISCOPE_NAME,
    title="Miniscope on ONIX (Bonsai)",
    modality="imaging",
    find=find_miniscopes,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:OnixMiniscopeInterface",
    looks_for="a movie .avi beside the raw file of its frame clock",
)

EPHYS_FORMAT = Format(
    name=EPHYS_NAME,
    title="ONIX (Bonsai): RHS2116, digital and analog inputs",
    modality="ephys",
    find=find_ephys,
    summarise=partial(summarise_ephys, read_streams),
    interface_path="ace_nwb.interfaces.data_interfaces:OnixInterface",
    looks_for="raw streams of Bonsai with a sample clock each",
)
