"""NeuroConv data interface of Miniscope-DAQ recordings."""

from pathlib import Path

from ace_nwb.interfaces.imaging_interface import ImagingInterface
from ace_nwb.interfaces.imaging_recording import ImagingRecording, ReadOptions
from ace_nwb.interfaces.miniscope_daq.folder import NAME
from ace_nwb.interfaces.miniscope_daq.recording import read_recording


class MiniscopeDaqInterface(ImagingInterface):
    """Converts a recording of Miniscope-DAQ-QT (v1, v2) with all its devices.

    `folder_path` is the base folder of the recording, or one device folder.
    """

    display_name = "UCLA Miniscope (Miniscope-DAQ-QT)"
    associated_suffixes = (".avi", ".csv", ".json")
    info = "Scope movies, cameras, head orientation, notes and settings of Miniscope-DAQ-QT."
    keywords = ("one-photon calcium imaging", "Miniscope")
    format_name = NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return read_recording(folder_path, options)
