"""Ephys formats that SpikeInterface and neo read for NeuroConv too: Intan and SpikeGLX.

`streams` holds what their readers give, `intan` and `spikeglx` say which stream is what. The
readers come with the extra `ephys`.
"""

from functools import partial

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.ephys_recording import summarise_ephys
from ace_nwb.interfaces.neo_ephys import intan, spikeglx

INTAN_FORMAT = Format(
    name=intan.NAME,
    title="Intan (RHD2000, RHS2000)",
    modality="ephys",
    find=intan.find_recordings,
    summarise=partial(summarise_ephys, intan.read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:IntanInterface",
    looks_for="files .rhd or .rhs",
)

SPIKEGLX_FORMAT = Format(
    name=spikeglx.NAME,
    title="SpikeGLX (Neuropixels, NI-DAQ)",
    modality="ephys",
    find=spikeglx.find_recordings,
    summarise=partial(summarise_ephys, spikeglx.read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:SpikeGlxInterface",
    looks_for="files RUN_g0_t0.*.meta with their .bin",
)
