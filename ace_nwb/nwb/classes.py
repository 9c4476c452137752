"""The classes of pynwb and hdmf, each imported when it is first used.

pynwb takes a second of CPU to import. A session is read without it (objects/stored.py), so that
`ace-nwb status` is quick and a stage begins to calculate at once; what is written needs it.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "hdmf.backends.hdf5": ("H5DataIO",),
    "pynwb": ("NWBHDF5IO", "NWBFile", "TimeSeries"),
    "pynwb.base": ("Images", "TimeSeriesReference", "TimeSeriesReferenceVectorData"),
    "pynwb.core": ("DynamicTable", "DynamicTableRegion", "VectorData", "VectorIndex"),
    "pynwb.ecephys": ("ElectricalSeries",),
    "pynwb.epoch": ("TimeIntervals",),
    "pynwb.event": ("DurationVectorData", "EventsTable", "TimestampVectorData"),
    "pynwb.image": ("GrayscaleImage",),
    "pynwb.misc": ("DecompositionSeries", "FrequencyBandsTable"),
    "pynwb.ophys": (
        "DfOverF",
        "Fluorescence",
        "ImageSegmentation",
        "PlaneSegmentation",
        "RoiResponseSeries",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the class called `name`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
