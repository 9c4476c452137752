"""NeuroConv data interface of imaging recordings; each format adds its reader and its names."""

import hashlib
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from neuroconv import BaseTemporalAlignmentInterface
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile

from ace_nwb.errors import AceNwbWarning, FormatError
from ace_nwb.interfaces.alignment import align_imaging, check_aligned
from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.behavior_objects import (
    add_control_changes,
    add_notes,
    add_orientation,
    add_orientation_repairs,
    add_signals,
)
from ace_nwb.interfaces.detection import is_segment, load_format
from ace_nwb.interfaces.frame_ledger import first_frames
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
from ace_nwb.interfaces.neuroconv_metadata import OPHYS_SCHEMA, ophys_metadata, scope_entries
from ace_nwb.interfaces.policies import check_allowed, parse_policies


class ImagingInterface(BaseTemporalAlignmentInterface):
    """Converts a recording of scopes and cameras.

    Its timestamps are those of the first scope's movie; where they are aligned, everything else of
    the recording moves with them.

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
        self._aligned_s: np.ndarray | None = None
        self._extractor: Any = None
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

    def get_metadata_schema(self) -> dict:
        """Return NeuroConv's schema, with what can be said of planes and series of scopes."""
        schema = super().get_metadata_schema()
        schema["properties"]["Ophys"] = deepcopy(OPHYS_SCHEMA)
        return schema

    def get_metadata(self) -> DeepDict:
        """Return what the recording says about the session, and where to describe its planes."""
        metadata = super().get_metadata()
        if self.recording.start_time is not None:
            metadata["NWBFile"]["session_start_time"] = self.recording.start_time
        for name, value in self.recording.session.items():
            metadata["NWBFile"][name] = value
        for name, value in self.recording.subject.items():
            metadata["Subject"][name] = value
        metadata["Ophys"] = ophys_metadata(_suffixes(self.recording))
        return metadata

    @property
    def imaging_extractor(self) -> Any:
        """The movie of the first scope as an extractor of roiextractors, with its times."""
        if self._extractor is None:
            from ace_nwb.interfaces.extractor import MovieExtractor

            scope = replace(self.recording.scopes[0], aligned_s=self._aligned_s)
            self._extractor = MovieExtractor(scope)
        return self._extractor

    def get_original_timestamps(self) -> np.ndarray:
        """Return the times of the frames of the first scope on its own clock, s."""
        return self.recording.scopes[0].movie_times_s

    def get_timestamps(self) -> np.ndarray:
        """Return the times of the frames of the first scope as they will be written, s."""
        return self.get_original_timestamps() if self._aligned_s is None else self._aligned_s

    def set_aligned_timestamps(self, aligned_timestamps: np.ndarray) -> None:
        """Set the times (s) of the frames of the first scope.

        Raises
        ------
        TimestampError
            If there is not one for each frame.
        """
        n_frames = len(self.get_original_timestamps())
        self._aligned_s = check_aligned(aligned_timestamps, n_frames, what="frames")
        self._extractor = None

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

    def add_to_nwbfile(  # more arguments than we allow: each is an option of NeuroConv's
        self,
        nwbfile: NWBFile,
        metadata: dict | None = None,
        *,
        cameras: bool = True,
        stub_test: bool = False,
        stub_samples: int = 100,
        always_write_timestamps: bool = False,
        iterator_type: Literal["v2"] | None = "v2",
        iterator_options: dict | None = None,
    ) -> None:
        """Add all objects; movies are read while the file is written.

        Parameters
        ----------
        nwbfile
            The open file.
        metadata
            NeuroConv metadata; `Ophys` may describe planes and series, in lists, in dictionaries,
            or as our own single `ImagingPlane`.
        cameras
            Whether behaviour cameras come along; their files are named relative to the NWB file.
        stub_test
            Write the first `stub_samples` frames of scopes only, to try a conversion.
        stub_samples
            Frames of a stub.
        always_write_timestamps
            Write a time for each frame even where they are regular.
        iterator_type
            "v2" to read movies while the file is written, None to read them into memory.
        iterator_options
            Of hdmf's iterator: `buffer_gb`, `display_progress` and others.
        """
        placer = ArrayPlacer(
            deferred=False,
            most_rows=stub_samples if stub_test else None,
            in_memory=iterator_type is None,
            iterator_options=iterator_options or {},
            has_all_times=always_write_timestamps,
        )
        self.add_objects(
            nwbfile,
            self.get_metadata() if metadata is None else metadata,
            placer=placer,
            cameras=cameras,
        )

    def add_objects(
        self,
        nwbfile: NWBFile,
        metadata: dict,
        *,
        placer: ArrayPlacer,
        nwb_folder: Path | None = None,
        cameras: bool = True,
    ) -> None:
        """Add all objects, the large arrays as `placer` decides."""
        recording = self.recording
        if self._aligned_s is not None:
            recording = align_imaging(recording, self._aligned_s)
        series_names = device_names(recording.devices)
        names = series_names if placer.deferred else _names_apart(recording, series_names)
        entries = iter(scope_entries(metadata, _suffixes(recording)))
        for found, read, name, series_name in zip(
            recording.devices, self.recording.devices, names, series_names, strict=True
        ):
            if found.folder.kind == "camera" and not cameras:
                continue
            device = add_device(nwbfile, found, name=name, program=recording.program)
            if found.folder.kind == "camera":
                add_camera(nwbfile, found, name=series_name, device=device, nwb_folder=nwb_folder)
                add_ledger(nwbfile, found.ledger, suffix=series_name)
                continue
            suffix = name if len(recording.scopes) > 1 else ""
            path = add_scope(
                nwbfile, found, device=device, suffix=suffix, entries=next(entries), placer=placer
            )
            add_ledger(nwbfile, first_frames(found.ledger, placer.most_rows), suffix=suffix)
            if found.orientation is not None and read.orientation is not None:
                add_orientation(nwbfile, found.orientation, suffix=suffix)
                add_orientation_repairs(nwbfile, read.orientation, suffix=suffix)
            add_frame_lines(nwbfile, found, suffix=suffix, source=recording.program)
            add_signals(nwbfile, found.signals, suffix=suffix)
            if found.clock is not None:
                add_clock_facts(nwbfile, [(path, found.clock)])
        _add_texts(nwbfile, recording, names)

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


def _suffixes(recording: ImagingRecording) -> list[str]:
    """Return what the names of each scope's objects end in: nothing if there is one scope."""
    names = device_names(recording.devices)
    scopes = [
        name
        for device, name in zip(recording.devices, names, strict=True)
        if device.folder.kind == "scope"
    ]
    return scopes if len(scopes) > 1 else [""]


def _names_apart(recording: ImagingRecording, names: list[str]) -> list[str]:
    """Return names of devices that no camera's series has.

    NeuroConv (0.10.2) looks for a series under the first object of its name, which is its device.
    """
    return [
        f"{name}Device" if device.folder.kind == "camera" else name
        for device, name in zip(recording.devices, names, strict=True)
    ]


def _add_texts(nwbfile: NWBFile, recording: ImagingRecording, names: list[str]) -> None:
    """Add settings, segments, notes and control changes."""
    add_settings(nwbfile, recording.devices, names)
    add_segments(nwbfile, recording.segments)
    add_notes(nwbfile, recording.notes, source=recording.program)
    known = {
        told: name
        for found, name in zip(recording.devices, names, strict=True)
        for told in (found.folder.name, found.folder.path.name)
    }
    add_control_changes(nwbfile, recording.notes, names=known, source=recording.program)
