"""Neuralynx (Cheetah) recordings: `.ncs` samples and `.nev` events, read by our own reader.

NeuroConv's interface (neo, SpikeInterface) refuses a file whose last record is cut off, joins gaps
shorter than 128 samples, refuses channels whose gaps differ, and knows no TTL bits; tests compare
the readers where both can read. `header`, `samples`, `events` read, `interface` writes NWB objects.
"""

from typing import Any

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.neuralynx.folder import find_recordings, summarise_recording

FORMAT = Format(
    name="neuralynx",
    title="Neuralynx (Cheetah)",
    modality="ephys",
    find=find_recordings,
    summarise=summarise_recording,
    interface_path="ace_nwb.interfaces.neuralynx.interface:NeuralynxInterface",
    looks_for="files .ncs, and Events.nev",
)


def __getattr__(name: str) -> Any:
    """Give the data interface where it is looked for, without importing NeuroConv for the rest."""
    if name == "NeuralynxInterface":
        from ace_nwb.interfaces.neuralynx.interface import NeuralynxInterface

        return NeuralynxInterface
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
