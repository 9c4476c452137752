"""NeuroConv data interface of imaging recordings; each format adds its reader and its names."""

import hashlib
import warnings
from pathlib import Path
from typing import Any, ClassVar

from neuroconv import BaseDataInterface
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile

from ace_nwb.errors import AceNwbWarning, FormatError
from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.behavior_objects import (
    add_control_changes,
    add_notes,
    add_orientation,
    add_signals,
)
from ace_nwb.interfaces.detection import is_segment, load_format
from ace_nwb.interfaces.imaging_objects import (
    add_camera,
    add_clock_facts,
    add_device,
    add_frame_lines,
    add_ledger,
    add_scope,
    add_segments,
    add_settings,
    device_names,
)
from ace_nwb.interfaces.imaging_recording import (
    ImagingRecording,
    ReadOptions,
    parse_zone,
)
from ace_nwb.interfaces.imaging_segments import join_recordings
from ace_nwb.interfaces.nwb_objects import section
from ace_nwb.interfaces.policies import check_allowed, parse_policies


class ImagingInterface(BaseDataInterface):
    """Converts a recording of scopes and cameras.

    Parameters
    ----------
    folder_path
        Folder of the recording, or with `segments` of several.
    policies
        Kind of irregularity -> choice, where it is not the default.
    timezone
        Zone of the recorder's clock, in place of what the recording says.
    segments
        Join all recordings below the folder as segments of one, with their true gaps; or only
        those in these folders.
    mapping
        For files of no known program: which file and column is what.
    decode
        Count frames by decoding every one before anything is written.
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    format_name: ClassVar[str]

    def read(self, folder_path: Path, options: ReadOptions) -> ImagingRecording:
        """Read one recording; every format has its own."""
        raise NotImplementedError

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        timezone: str | None = None,
        segments: bool | list = False,
        mapping: dict | None = None,
        decode: bool = False,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        options = ReadOptions(
            policies=parse_policies(policies),
            zone=parse_zone(timezone),
            mapping=mapping,
            decode=decode,
        )
        self.recording = self._read(Path(folder_path), options, segments=segments)
        check_allowed(self.recording.irregularities)
        if not self.recording.scopes:
            raise FormatError(
                f"{folder_path} holds no Miniscope, only cameras. A recording with the movie of a "
                "scope was expected; give the folder above it."
            )
        for name in self.recording.absent:
            warnings.warn(
                f"{folder_path} lists the camera {name!r}, but there is no folder of it; the file "
                "will be without it.",
                AceNwbWarning,
                stacklevel=2,
            )

    def get_metadata(self) -> DeepDict:
        """Return what the recording says about the session."""
        metadata = super().get_metadata()
        if self.recording.start_time is not None:
            metadata["NWBFile"]["session_start_time"] = self.recording.start_time
        for name, value in self.recording.session.items():
            metadata["NWBFile"][name] = value
        for name, value in self.recording.subject.items():
            metadata["Subject"][name] = value
        return metadata

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = [f"{self.format_name} {self.recording.start_time}"]
        facts += [
            f"{device.folder.name} {device.n_frames} "
            f"{hashlib.sha256(device.ledger.device_time_raw_s.tobytes()).hexdigest()}"
            for device in self.recording.devices
        ]
        return "\n".join(facts)

    def remarks(self) -> list[str]:
        """Return what was repaired, in sentences without paths."""
        counted = [
            f"{item.device}: {item.policy}={item.choice} for {item.count}"
            for item in self.recording.irregularities
        ]
        return [*counted, *self.recording.remarks]

    def add_to_nwbfile(
        self, nwbfile: NWBFile, metadata: dict | None = None, nwb_folder: str | None = None
    ) -> None:
        """Add all objects; movies are read while the file is written.

        Parameters
        ----------
        nwbfile
            The open file.
        metadata
            NeuroConv metadata; `Ophys.ImagingPlane` may hold location, indicator, wavelengths.
        nwb_folder
            Folder of the NWB file, which the paths of camera movies are relative to; without it
            cameras are left out, as absolute paths do not travel.
        """
        folder = None if nwb_folder is None else Path(nwb_folder)
        self.add_objects(
            nwbfile, metadata or {}, placer=ArrayPlacer(deferred=False), nwb_folder=folder
        )

    def add_objects(
        self,
        nwbfile: NWBFile,
        metadata: dict,
        *,
        placer: ArrayPlacer,
        nwb_folder: Path | None,
    ) -> None:
        """Add all objects, the large arrays as `placer` decides."""
        recording = self.recording
        plane = section(section(metadata, "Ophys"), "ImagingPlane")
        names = device_names(recording.devices)
        is_several = len(recording.scopes) > 1
        for found, name in zip(recording.devices, names, strict=True):
            if found.folder.kind == "camera":
                if nwb_folder is not None:
                    device = add_device(nwbfile, found, name=name, program=recording.program)
                    add_camera(nwbfile, found, device=device, nwb_folder=nwb_folder)
                    add_ledger(nwbfile, found.ledger, suffix=name)
                continue
            suffix = name if is_several else ""
            device = add_device(nwbfile, found, name=name, program=recording.program)
            add_scope(nwbfile, found, device=device, suffix=suffix, plane=plane, placer=placer)
            add_ledger(nwbfile, found.ledger, suffix=suffix)
            if found.orientation is not None:
                add_orientation(nwbfile, found.orientation, suffix=suffix)
            add_frame_lines(nwbfile, found, suffix=suffix, source=recording.program)
            add_signals(nwbfile, found.signals, suffix=suffix)
            if found.clock is not None:
                add_clock_facts(nwbfile, [(f"/acquisition/OnePhotonSeries{suffix}", found.clock)])
        add_settings(nwbfile, recording.devices, names)
        add_segments(nwbfile, recording.segments)
        add_notes(nwbfile, recording.notes, source=recording.program)
        known = {
            told: name
            for found, name in zip(recording.devices, names, strict=True)
            for told in (found.folder.name, found.folder.path.name)
        }
        add_control_changes(nwbfile, recording.notes, names=known, source=recording.program)

    def _read(
        self, folder_path: Path, options: ReadOptions, *, segments: bool | list
    ) -> ImagingRecording:
        """Read one recording, or all below a folder as segments."""
        if not segments:
            return self.read(folder_path, options)
        candidates = load_format(self.format_name).find(folder_path)
        found = [item.folder_path for item in candidates if is_segment(item.folder_path, segments)]
        if not found:
            raise FormatError(
                f"{folder_path} holds no recording of {self.format_name}. Folders of one session "
                "were expected; check the path."
            )
        base_path = folder_path.resolve()
        recordings = [self.read(path.resolve(), options) for path in found]
        if len(recordings) == 1:
            return recordings[0]
        return join_recordings(recordings, base_path=base_path)


def movie_extractor(interface: ImagingInterface, scope: int = 0) -> Any:
    """Return the movie of a scope as an extractor of roiextractors."""
    from ace_nwb.interfaces.extractor import MovieExtractor

    return MovieExtractor(interface.recording.scopes[scope])
