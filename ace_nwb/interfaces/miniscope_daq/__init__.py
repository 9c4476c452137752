"""UCLA Miniscope recordings of Miniscope-DAQ-QT, v1 and v2.

`folder` finds recordings and their devices, `recording` reads them.
"""

from functools import partial

from ace_nwb.interfaces.base import Format
from ace_nwb.interfaces.imaging_summary import summarise_imaging
from ace_nwb.interfaces.miniscope_daq.folder import NAME, find_recordings
from ace_nwb.interfaces.miniscope_daq.recording import read_recording

FORMAT = Format(
    name=NAME,
    title="UCLA Miniscope (Miniscope-DAQ-QT)",
    modality="imaging",
    find=find_recordings,
    summarise=partial(summarise_imaging, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:MiniscopeDaqInterface",
    looks_for="metaData.json, and folders of devices with timeStamps.csv and 0.avi, 1.avi, ...",
)
