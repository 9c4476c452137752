"""Ephys formats that SpikeInterface and neo read for NeuroConv too: Intan and SpikeGLX.

Their readers give the samples and digital words; `streams` holds them in one neutral form, `intan`
and `spikeglx` say which stream is what, `interface` writes NWB objects. They come with the extra
`ephys`.
"""

from functools import partial
from typing import Any

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.neo_ephys import intan, spikeglx
from ace_nwb.interfaces.neo_ephys.streams import summarise_streams

INTAN_FORMAT = Format(
    name=intan.NAME,
    title="Intan (RHD2000, RHS2000)",
    modality="ephys",
    find=intan.find_recordings,
    summarise=partial(summarise_streams, intan.read_recording),
    interface_path="ace_nwb.interfaces.neo_ephys.interface:IntanInterface",
    looks_for="files .rhd or .rhs",
)

SPIKEGLX_FORMAT = Format(
    name=spikeglx.NAME,
    title="SpikeGLX (Neuropixels, NI-DAQ)",
    modality="ephys",
    find=spikeglx.find_recordings,
    summarise=partial(summarise_streams, spikeglx.read_recording),
    interface_path="ace_nwb.interfaces.neo_ephys.interface:SpikeGlxInterface",
    looks_for="files RUN_g0_t0.*.meta with their .bin",
)


def __getattr__(name: str) -> Any:
    """Give the data interfaces where they are looked for, without importing NeuroConv."""
    if name in ("IntanInterface", "SpikeGlxInterface"):
        from ace_nwb.interfaces.neo_ephys import interface

        return getattr(interface, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
