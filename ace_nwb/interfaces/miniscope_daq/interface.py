"""NeuroConv data interface of Miniscope-DAQ recordings: all of the folder as NWB objects."""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from hdmf.common import DynamicTable, VectorData
from neuroconv import BaseDataInterface
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile
from pynwb.device import Device, DeviceModel
from pynwb.image import ImageSeries
from pynwb.ophys import ImagingPlane, OnePhotonSeries, OpticalChannel

from ace_nwb.errors import AceNwbWarning, FormatError, OutputError
from ace_nwb.interfaces.base import ArrayPlacer
from ace_nwb.interfaces.miniscope_daq.behavior import (
    add_control_changes,
    add_notes,
    add_orientation,
)
from ace_nwb.interfaces.miniscope_daq.folder import absent_cameras
from ace_nwb.interfaces.miniscope_daq.ledger import FrameLedger
from ace_nwb.interfaces.miniscope_daq.recording import DeviceRecording, read_recording
from ace_nwb.interfaces.movie_source import MovieFiles, NwbMovie
from ace_nwb.interfaces.nwb_objects import NOT_STATED, get_module, object_name, section

PATH_SETTINGS = {"deviceDirectory"}
"""Settings that hold absolute paths of the acquisition computer, which do not belong in a file."""

SETTING_UNITS = {"frameRate": "Hz", "exposure": "ms"}


class MiniscopeDaqInterface(BaseDataInterface):
    """Converts a recording of Miniscope-DAQ-QT (v1, v2) with all its devices.

    Parameters
    ----------
    folder_path
        Base folder of the recording, or one device folder.
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    display_name = "UCLA Miniscope (Miniscope-DAQ-QT)"
    associated_suffixes = (".avi", ".csv", ".json")
    info = "Scope movies, cameras, head orientation, notes and settings of Miniscope-DAQ-QT."
    keywords = ("one-photon calcium imaging", "Miniscope")

    def __init__(self, folder_path: DirectoryPath, verbose: bool = False) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        self.recording = read_recording(Path(folder_path))
        if not self.recording.scopes:
            raise FormatError(
                f"{folder_path} holds no Miniscope, only cameras. A recording with the movie of a "
                "scope was expected; give the folder above it."
            )
        for name in absent_cameras(self.recording.folder):
            warnings.warn(
                f"{folder_path} lists the camera {name!r}, but there is no folder of it; the file "
                "will be without it.",
                AceNwbWarning,
                stacklevel=2,
            )

    def get_metadata(self) -> DeepDict:
        """Return what the recording says about the session."""
        metadata = super().get_metadata()
        source = self.recording.folder.metadata
        if self.recording.start_time is not None:
            metadata["NWBFile"]["session_start_time"] = self.recording.start_time
        if researcher := source.get("researcherName"):
            metadata["NWBFile"]["experimenter"] = [str(researcher)]
        if experiment := source.get("experimentName"):
            metadata["NWBFile"]["experiment_description"] = str(experiment)
        if animal := source.get("animalName"):
            metadata["Subject"]["subject_id"] = str(animal)
        return metadata

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = [f"miniscope-daq {self.recording.start_time}"]
        facts += [
            f"{device.folder.name} {device.n_frames} "
            f"{hashlib.sha256(device.times.raw_s.tobytes()).hexdigest()}"
            for device in self.recording.devices
        ]
        return "\n".join(facts)

    def remarks(self) -> list[str]:
        """Return what was repaired, in sentences without paths."""
        return [
            f"{device.folder.name}: {device.times.n_repaired} leading time stamps were not true "
            "and counted back from the next one; raw values in the frame ledger."
            for device in self.recording.devices
            if device.times.n_repaired
        ]

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
        plane = section(section(metadata, "Ophys"), "ImagingPlane")
        scopes = self.recording.scopes
        for scope in scopes:
            suffix = object_name(scope.folder.name) if len(scopes) > 1 else ""
            _add_scope(nwbfile, scope, suffix=suffix, plane=plane, placer=placer)
            _add_ledger(nwbfile, scope.ledger, suffix=suffix)
            if scope.orientation is not None:
                add_orientation(nwbfile, scope.orientation, suffix=suffix)
        if nwb_folder is not None:
            for camera in self.recording.cameras:
                _add_camera(nwbfile, camera, nwb_folder=nwb_folder)
        if self.recording.devices:
            _add_settings(nwbfile, self.recording.devices)
        add_notes(nwbfile, self.recording.notes)
        add_control_changes(nwbfile, self.recording.notes)


def _add_scope(
    nwbfile: NWBFile,
    scope: DeviceRecording,
    *,
    suffix: str,
    plane: dict[str, Any],
    placer: ArrayPlacer,
) -> None:
    """Add device, imaging plane and movie of one scope."""
    pixel_um = plane.get("pixel_size_um")
    imaging_plane = ImagingPlane(
        name=f"ImagingPlane{suffix}",
        description=plane.get("description", "Field of view of the Miniscope."),
        device=_add_device(nwbfile, scope),
        optical_channel=OpticalChannel(
            name="OpticalChannel",
            description="Emission of the indicator.",
            emission_lambda=float(plane.get("emission_lambda_nm", np.nan)),
        ),
        excitation_lambda=float(plane.get("excitation_lambda_nm", np.nan)),
        indicator=plane.get("indicator", NOT_STATED),
        location=plane.get("location", NOT_STATED),
        grid_spacing=None if pixel_um is None else [pixel_um * 1e-6] * 2,
    )
    nwbfile.add_imaging_plane(imaging_plane)
    name = f"OnePhotonSeries{suffix}"
    movie = NwbMovie(MovieFiles(scope.probes))
    nwbfile.add_acquisition(
        OnePhotonSeries(
            name=name,
            description="Raw movie as recorded, without loss; time stamps of the scope's clock.",
            data=placer.place(f"/acquisition/{name}/data", movie, title="movie"),
            imaging_plane=imaging_plane,
            unit="n.a.",
            timestamps=scope.times.device_time_s,
        )
    )


def _add_camera(nwbfile: NWBFile, camera: DeviceRecording, *, nwb_folder: Path) -> None:
    """Add a behaviour camera as an external movie with its own time stamps."""
    files = [_relative_path(probe.file_path, nwb_folder) for probe in camera.probes]
    lengths = [probe.n_frames for probe in camera.probes]
    nwbfile.add_acquisition(
        ImageSeries(
            name=object_name(camera.folder.name),
            description="Movie of a behaviour camera, in its own files beside this one.",
            external_file=files,
            starting_frame=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64).tolist(),
            format="external",
            unit="n.a.",
            timestamps=camera.times.device_time_s,
            device=_add_device(nwbfile, camera),
        )
    )


def _relative_path(file_path: Path, nwb_folder: Path) -> str:
    """Return a path relative to the folder of the NWB file, with forward slashes."""
    try:
        relative = os.path.relpath(file_path.resolve(), nwb_folder.resolve())
    except ValueError as error:
        raise OutputError(
            f"{nwb_folder} and the movie {file_path} are on different drives. A relative path "
            "between them was expected; write the NWB file to the drive of the recording."
        ) from error
    return Path(relative).as_posix()


def _add_device(nwbfile: NWBFile, recording: DeviceRecording) -> Device:
    """Add a device and its model, with what its metaData.json says."""
    settings = recording.folder.settings
    model = None
    if device_type := settings.get("deviceType"):
        name = object_name(str(device_type))
        if name not in (nwbfile.device_models or {}):
            manufacturer = "UCLA Miniscope" if recording.folder.kind == "scope" else NOT_STATED
            text = f"Device type {device_type} of Miniscope-DAQ-QT."
            nwbfile.add_device_model(
                DeviceModel(name=name, manufacturer=manufacturer, description=text)
            )
        model = nwbfile.device_models[name]
    kind = {"scope": "Head-mounted microscope", "camera": "Behaviour camera"}[recording.folder.kind]
    device = Device(
        name=object_name(recording.folder.name),
        description=f"{kind}, recorded with Miniscope-DAQ-QT; settings in DeviceSettings.",
        model=model,
    )
    nwbfile.add_device(device)
    return device


def _add_ledger(nwbfile: NWBFile, ledger: FrameLedger, *, suffix: str) -> None:
    """Add the account of every frame."""
    columns = {
        "movie_frame": "Index of the frame in the movie, -1 for a lost frame.",
        "file": "Movie file within the recording folder, empty for a lost frame.",
        "index_in_file": "Index of the frame in that file, -1 for a lost frame.",
        "device_frame": "Frame number given by the recorder, -1 for a lost frame.",
        "daq_frame": "Frame number of the acquisition board, unwrapped; -1 where unknown.",
        "device_time_s": "Seconds since the record button, first stamps repaired; NaN if lost.",
        "device_time_raw_s": "The same as the recorder wrote it; NaN if lost.",
        "buffer_index": "Frames that waited in the recorder's buffer; -1 where unknown.",
        "status": "recorded, or dropped (counted by the board but not saved).",
    }
    get_module(nwbfile, "sync").add(
        DynamicTable(
            name=f"FrameLedger{suffix}",
            description="Every frame that the device is known to have captured, in order.",
            columns=[
                VectorData(name=name, description=text, data=_storable(getattr(ledger, name)))
                for name, text in columns.items()
            ],
        )
    )


def _storable(values: np.ndarray) -> Any:
    """Return a column as hdmf stores it: text as a list."""
    return values.tolist() if values.dtype.kind == "U" else values


def _add_settings(nwbfile: NWBFile, devices: tuple[DeviceRecording, ...]) -> None:
    """Add all settings of all devices in long form."""
    rows = [
        (object_name(device.folder.name), name, value, SETTING_UNITS.get(name, ""))
        for device in devices
        for name, value in _flat_settings(device.folder.settings)
    ]
    if not rows:
        return
    texts = {
        "device": "Name of the device.",
        "setting": "Name of the setting, as the recorder writes it.",
        "value": "Value, as the recorder writes it.",
        "unit": "Unit, empty where the recorder's own scale has none.",
    }
    columns = [
        VectorData(name=name, description=text, data=list(values))
        for (name, text), values in zip(texts.items(), zip(*rows, strict=True), strict=True)
    ]
    get_module(nwbfile, "misc").add(
        DynamicTable(
            name="DeviceSettings",
            description="Settings of scopes and cameras at the start of the recording.",
            columns=columns,
        )
    )


def _flat_settings(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, text)."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            rows.extend(_flat_settings(value, f"{prefix}{name}."))
        elif not isinstance(value, list) and name not in PATH_SETTINGS:
            rows.append((f"{prefix}{name}", str(value)))
    return rows
