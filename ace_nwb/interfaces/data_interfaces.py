"""NeuroConv data interfaces of all formats: a name, what it converts, and its reader."""

from pathlib import Path

from ace_nwb.interfaces import (
    inscopix,
    mapped_movie,
    miniscope_v3,
    open_ephys_binary,
    open_ephys_legacy,
    open_ephys_miniscope,
)
from ace_nwb.interfaces.ephys_interface import EphysInterface
from ace_nwb.interfaces.ephys_recording import EphysRecording
from ace_nwb.interfaces.imaging_interface import ImagingInterface
from ace_nwb.interfaces.imaging_recording import ImagingRecording, ReadOptions
from ace_nwb.interfaces.miniscope_daq import folder as miniscope_daq
from ace_nwb.interfaces.miniscope_daq.recording import read_recording as read_miniscope_daq
from ace_nwb.interfaces.neo_ephys import intan, spikeglx
from ace_nwb.interfaces.neuralynx.folder import read_recording as read_neuralynx
from ace_nwb.interfaces.onix import files as onix_files
from ace_nwb.interfaces.onix import miniscope as onix_miniscope
from ace_nwb.interfaces.onix.streams import read_streams
from ace_nwb.interfaces.policies import Policies


class MiniscopeDaqInterface(ImagingInterface):
    """Converts a recording of Miniscope-DAQ-QT (v1, v2) with all its devices.

    `folder_path` is the base folder of the recording, or one device folder.
    """

    display_name = "UCLA Miniscope (Miniscope-DAQ-QT)"
    associated_suffixes = (".avi", ".csv", ".json")
    info = "Scope movies, cameras, head orientation, notes and settings of Miniscope-DAQ-QT."
    keywords = ("one-photon calcium imaging", "Miniscope")
    format_name = miniscope_daq.NAME

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording."""
        return read_miniscope_daq(folder_path, options)


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


class NeuralynxInterface(EphysInterface):
    """Converts the continuous channels and events of a Neuralynx (Cheetah) folder."""

    display_name = "Neuralynx"
    associated_suffixes = (".ncs", ".nev")
    info = "Continuous channels with their gaps, TTL lines bit by bit, and messages of Cheetah."
    keywords = ("extracellular electrophysiology", "Neuralynx")

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording."""
        return read_neuralynx(folder_path, policies)


class OpenEphysBinaryInterface(EphysInterface):
    """Converts continuous streams and TTL lines of an Open Ephys recording."""

    display_name = "Open Ephys (binary)"
    associated_suffixes = (".dat", ".oebin", ".npy")
    info = "Continuous streams with their gaps and TTL lines of Open Ephys."
    keywords = ("extracellular electrophysiology", "Open Ephys")

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording."""
        return open_ephys_binary.read_recording(folder_path, policies)


class OpenEphysLegacyInterface(EphysInterface):
    """Converts the channels and TTL lines of an Open Ephys recording in its legacy format."""

    display_name = "Open Ephys (legacy)"
    associated_suffixes = (".continuous", ".events")
    info = "Channels with their gaps and TTL lines of Open Ephys's first format."
    keywords = ("extracellular electrophysiology", "Open Ephys")

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording."""
        return open_ephys_legacy.read_recording(folder_path, policies)


class OnixInterface(EphysInterface):
    """Converts RHS2116, digital and analog inputs and port status of an ONIX acquisition."""

    display_name = "ONIX streams"
    associated_suffixes = (".raw", ".csv")
    info = "RHS2116 (AC, DC, recovery), digital and analog inputs, port status of ONIX."
    keywords = ("extracellular electrophysiology", "ONIX", "RHS2116")

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording."""
        return read_streams(folder_path, policies)


class IntanInterface(EphysInterface):
    """Converts an Intan file (.rhd, .rhs): amplifiers, board inputs, digital lines."""

    display_name = "Intan"
    associated_suffixes = (".rhd", ".rhs")
    info = "Amplifiers, board inputs and digital lines of Intan RHD2000 and RHS2000."
    keywords = ("extracellular electrophysiology", "Intan")

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording."""
        return intan.read_recording(folder_path, policies)


class SpikeGlxInterface(EphysInterface):
    """Converts a SpikeGLX run: probes with their sync lines, NI-DAQ with its digital lines."""

    display_name = "SpikeGLX"
    associated_suffixes = (".bin", ".meta")
    info = "Neuropixels probes, analog inputs and digital lines recorded with SpikeGLX."
    keywords = ("extracellular electrophysiology", "Neuropixels", "SpikeGLX")

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording."""
        return spikeglx.read_recording(folder_path, policies)
