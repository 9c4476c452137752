"""NeuroConv data interfaces of the imaging formats that need no folder of their own."""

from pathlib import Path

from ace_nwb.interfaces import inscopix, mapped_movie, miniscope_v3, open_ephys_miniscope
from ace_nwb.interfaces.imaging_interface import ImagingInterface
from ace_nwb.interfaces.imaging_recording import ImagingRecording, ReadOptions
from ace_nwb.interfaces.onix import files as onix_files
from ace_nwb.interfaces.onix import miniscope as onix_miniscope


class MiniscopeV3Interface(ImagingInterface):
    """Converts a legacy recording of Miniscope_DAQ_Software."""

    display_name = "UCLA Miniscope V3"
    associated_suffixes = (".avi", ".dat")
    info = "Scope movie, behaviour camera, notes and settings of Miniscope_DAQ_Software."
    keywords = ("one-photon calcium imaging", "Miniscope")
    format_name = miniscope_v3.NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return miniscope_v3.read_recording(folder_path, options)


class OpenEphysMiniscopeInterface(ImagingInterface):
    """Converts a recording of the Open Ephys Miniscope GUI or of the Bonsai tutorial."""

    display_name = "Open Ephys Miniscope"
    associated_suffixes = (".avi", ".csv")
    info = "Scope movie, head orientation and digital inputs of the Open Ephys Miniscope GUI."
    keywords = ("one-photon calcium imaging", "Miniscope", "Bonsai")
    format_name = open_ephys_miniscope.NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return open_ephys_miniscope.read_recording(folder_path, options)


class OnixMiniscopeInterface(ImagingInterface):
    """Converts the Miniscope of an ONIX acquisition, on its 250 MHz clock."""

    display_name = "Miniscope on ONIX"
    associated_suffixes = (".avi", ".raw", ".csv")
    info = "Scope movie, frame clock and BNO055 of an ONIX acquisition."
    keywords = ("one-photon calcium imaging", "Miniscope", "ONIX")
    format_name = onix_files.MINISCOPE_NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return onix_miniscope.read_recording(folder_path, options)


class InscopixInterface(ImagingInterface):
    """Converts an Inscopix movie (.isxd)."""

    display_name = "Inscopix"
    associated_suffixes = (".isxd",)
    info = "Movie, lost frames and settings of an Inscopix recording."
    keywords = ("one-photon calcium imaging", "Inscopix")
    format_name = inscopix.NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return inscopix.read_recording(folder_path, options)


class MappedMovieInterface(ImagingInterface):
    """Converts movies of any program, with a mapping that says what is what."""

    display_name = "Movie files with a mapping"
    associated_suffixes = (".avi", ".mkv", ".mp4", ".tif", ".tiff", ".csv")
    info = "A scope's movie files and a table of their times, as a mapping names them."
    keywords = ("one-photon calcium imaging",)
    format_name = mapped_movie.NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return mapped_movie.read_recording(folder_path, options)
