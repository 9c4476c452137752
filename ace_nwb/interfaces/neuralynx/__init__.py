"""Neuralynx (Cheetah) recordings: `.ncs` samples and `.nev` events, read by our own reader.

NeuroConv's interface (neo, SpikeInterface) refuses a file whose last record is cut off, joins gaps
shorter than 128 samples, refuses channels whose gaps differ, and knows no TTL bits; tests compare
the readers where both can read. `header`, `samples`, `segments`, `events` read files, `folder` puts
them together.
"""

from functools import partial

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.ephys_recording import summarise_ephys
from ace_nwb.interfaces.neuralynx.folder import NAME, find_recordings, read_recording

FORMAT = Format(
    name=NAME,
    title="Neuralynx (Cheetah)",
    modality="ephys",
    find=find_recordings,
    summarise=partial(summarise_ephys, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:NeuralynxInterface",
    looks_for="files .ncs or Events.nev",
)
