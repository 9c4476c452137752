"""NeuroConv data interface of ephys recordings; each format adds its reader and its objects."""

import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from neuroconv import BaseDataInterface
from pydantic import DirectoryPath
from pynwb import NWBFile

from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.nwb_objects import section
from ace_nwb.interfaces.policies import Policies, check_partial, parse_policies, without_folder


class EphysInterface(BaseDataInterface):
    """Converts the samples, digital lines and messages of an ephys system.

    Parameters
    ----------
    folder_path
        Folder of the recording.
    policies
        Name -> choice of what to do where the recording is irregular.
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    device: ClassVar[str]
    recording: Any

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        choices = parse_policies(policies)
        self.recording = self.read(Path(folder_path), choices)
        self.check(choices)
        for sentence in self.recording.warnings:
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    @abstractmethod
    def read(self, folder_path: Path, policies: Policies) -> Any:
        """Return the recording as read from disk, with `folder_path` and `warnings`."""

    @abstractmethod
    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""

    @abstractmethod
    def add_recording(self, nwbfile: NWBFile, ecephys: dict, *, placer: ArrayPlacer) -> None:
        """Add all objects, as the metadata section `Ecephys` describes them."""

    def check(self, policies: Policies) -> None:
        """Raise for what the policies refuse."""
        check_partial(self.recording.warnings, policies, device=self.device)

    def remarks(self) -> list[str]:
        """Return what was left out, in sentences without paths."""
        return without_folder(self.recording.warnings, self.recording.folder_path)

    def add_to_nwbfile(self, nwbfile: NWBFile, metadata: dict | None = None) -> None:
        """Add all objects; samples are read while the file is written.

        Parameters
        ----------
        nwbfile
            The open file.
        metadata
            NeuroConv metadata; `Ecephys` may hold location, description and channels.
        """
        self.add_objects(
            nwbfile, metadata or {}, placer=ArrayPlacer(deferred=False), nwb_folder=None
        )

    def add_objects(
        self,
        nwbfile: NWBFile,
        metadata: dict,
        *,
        placer: ArrayPlacer,
        nwb_folder: Path | None,  # noqa: ARG002 - one signature for all interfaces
    ) -> None:
        """Add all objects, the large arrays as `placer` decides."""
        self.add_recording(nwbfile, section(metadata, "Ecephys"), placer=placer)
