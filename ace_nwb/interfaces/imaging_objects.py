"""NWB objects of scopes and cameras: device, imaging plane, movie, ledger, settings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile
from pynwb.device import Device, DeviceModel
from pynwb.image import ImageSeries
from pynwb.ophys import ImagingPlane, OnePhotonSeries, OpticalChannel

from ace_nwb.errors import OutputError
from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.base import object_name
from ace_nwb.interfaces.device_settings import flat_settings
from ace_nwb.interfaces.frame_ledger import STATUS_TEXT, FrameLedger
from ace_nwb.interfaces.imaging_recording import ClockFacts, DeviceRecording, Segment
from ace_nwb.interfaces.movie_source import MovieFiles, NwbMovie
from ace_nwb.interfaces.neuroconv_metadata import PHOTON_FIELDS, PLANE, SERIES
from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events, free_name, get_module

MAKERS = {"Inscopix": "Inscopix"}
"""Program -> who makes its scopes, where it is not the UCLA Miniscope project."""

SCOPE_CLOCK = "the scope's clock"
ALIGNED = "aligned by the converter"
"""How descriptions name the clock of times; `nwb.content.sync` reads it."""

SETTING_UNITS = {"frameRate": "Hz", "exposure": "ms"}

LEDGER_COLUMNS = {
    "movie_frame": "Index of the frame in the movie, -1 where there is no picture.",
    "file": "Movie file within the recording folder, empty for a lost frame.",
    "index_in_file": "Index of the frame in that file, -1 for a lost frame.",
    "device_frame": "Frame number given by the recorder, -1 where it gave none.",
    "daq_frame": "Frame number of the acquisition board, unwrapped; -1 where unknown.",
    "device_time_s": "Seconds since the record button after repair; NaN if lost.",
    "device_time_raw_s": "The same as the recorder wrote it; NaN where it wrote none.",
    "unix_time_s": "Clock of the recorder's computer, s since the epoch; NaN where unknown.",
    "buffer_index": "Frames that waited in the recorder's buffer; -1 where unknown.",
    "repair": "Rule by which device_time_s was made; empty where it is the raw stamp.",
    "status": "; ".join(f"{status}: {text}" for status, text in STATUS_TEXT.items()) + ".",
}
OPTIONAL_COLUMNS = ("unix_time_s", "repair")
"""Left out where they say nothing."""


def device_names(devices: Sequence[DeviceRecording]) -> list[str]:
    """Return a name for every device that NWB allows, numbered where cleaned names collide."""
    names: list[str] = []
    for device in devices:
        name = object_name(device.folder.name)
        number = 2
        while name in names:
            name = f"{object_name(device.folder.name)}{number}"
            number += 1
        names.append(name)
    return names


def add_scope(
    nwbfile: NWBFile,
    scope: DeviceRecording,
    *,
    device: Device,
    suffix: str,
    entries: tuple[Mapping[str, Any], Mapping[str, Any]],
    placer: ArrayPlacer,
) -> str:
    """Add imaging plane and movie of one scope, and return the path of the movie.

    Parameters
    ----------
    entries
        What the metadata say of the plane and of the series.
    """
    plane, series = entries
    name = free_name(plane.get("name", f"{PLANE}{suffix}"), nwbfile.imaging_planes)
    imaging_plane = _make_plane(plane, device=device, name=name)
    nwbfile.add_imaging_plane(imaging_plane)
    facts = {
        "name": f"{SERIES}{suffix}",
        "description": f"Raw movie as recorded, without loss; time stamps of {SCOPE_CLOCK}.",
    } | {name: value for name, value in series.items() if name in PHOTON_FIELDS}
    facts["description"] = _say_clock(scope, str(facts["description"]))
    path = f"/acquisition/{facts['name']}"
    movie = NwbMovie(MovieFiles(scope.probes))
    nwbfile.add_acquisition(
        OnePhotonSeries(
            data=placer.place(f"{path}/data", movie, title="movie"),
            imaging_plane=imaging_plane,
            unit="n.a.",
            **facts,
            **placer.times(scope.movie_times_s),
        )
    )
    return path


class CameraSeries(ImageSeries):
    """A movie in files of its own; written, it names them relative to the NWB file's folder.

    In a converter it is made before anything knows where that will be. `container_source` is
    hdmf's: the path of the file that an object was read from or is being written to.
    """

    @property
    def external_file(self) -> Any:
        """Files of the movie: in full, or relative to the NWB file that this was written to."""
        files = self.fields.get("external_file")
        if files is None or self.container_source is None:
            return files
        folder = Path(self.container_source).parent
        return [
            _relative_path(Path(file), folder) if Path(file).is_absolute() else file
            for file in files
        ]

    @external_file.setter
    def external_file(self, files: Any) -> None:
        self.fields["external_file"] = files


def add_camera(
    nwbfile: NWBFile,
    camera: DeviceRecording,
    *,
    name: str,
    device: Device,
    nwb_folder: Path | None,
) -> None:
    """Add a behaviour camera as an external movie with its own time stamps.

    `nwb_folder` is the folder of the NWB file, if it is known before the file is written.
    """
    files = [probe.file_path.resolve() for probe in camera.probes]
    lengths = [probe.n_frames for probe in camera.probes]
    nwbfile.add_acquisition(
        CameraSeries(
            name=name,
            description="Movie of a behaviour camera, in its own files beside this one.",
            external_file=[
                str(file) if nwb_folder is None else _relative_path(file, nwb_folder)
                for file in files
            ],
            starting_frame=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64).tolist(),
            format="external",
            unit="n.a.",
            timestamps=camera.movie_times_s,
            device=device,
        )
    )


def add_device(nwbfile: NWBFile, recording: DeviceRecording, *, name: str, program: str) -> Device:
    """Add a device and its model, with what its settings say."""
    settings = recording.folder.settings
    model = None
    if device_type := settings.get("deviceType"):
        model_name = object_name(str(device_type))
        if model_name not in (nwbfile.device_models or {}):
            maker = MAKERS.get(program, "UCLA Miniscope")
            manufacturer = maker if recording.folder.kind == "scope" else NOT_STATED
            text = f"Device type {device_type} of {program}."
            nwbfile.add_device_model(
                DeviceModel(name=model_name, manufacturer=manufacturer, description=text)
            )
        model = nwbfile.device_models[model_name]
    kind = {"scope": "Head-mounted microscope", "camera": "Behaviour camera"}[recording.folder.kind]
    where = "; settings in DeviceSettings" if settings else ""
    device = Device(name=name, description=f"{kind}, recorded with {program}{where}.", model=model)
    nwbfile.add_device(device)
    return device


def add_ledger(nwbfile: NWBFile, ledger: FrameLedger, *, suffix: str) -> None:
    """Add the account of every frame."""
    columns = [
        VectorData(name=name, description=text, data=_storable(getattr(ledger, name)))
        for name, text in LEDGER_COLUMNS.items()
        if name not in OPTIONAL_COLUMNS or _says_something(getattr(ledger, name))
    ]
    get_module(nwbfile, "sync").add(
        DynamicTable(
            name=f"FrameLedger{suffix}",
            description="Every frame that the device is known to have captured, in order.",
            columns=columns,
        )
    )


def add_frame_lines(nwbfile: NWBFile, device: DeviceRecording, *, suffix: str, source: str) -> None:
    """Add the edges of digital inputs that were read with every frame."""
    for line in device.lines:
        add_events(
            nwbfile,
            f"{line.name}{suffix}",
            description=_say_clock(
                device, f"Edges of a digital input, seen at the frames; times of {SCOPE_CLOCK}."
            ),
            source=source,
            timestamps_s=line.times_s,
            columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
        )


def add_clock_facts(
    nwbfile: NWBFile, facts: Sequence[tuple[str, ClockFacts]], *, table: str = "ClockFacts"
) -> None:
    """Add which clock the times of which series are counted on; adds rows if it is there."""
    if not facts:
        return
    module = get_module(nwbfile, "sync")
    if table in module.data_interfaces:
        found = module[table]
        for series, item in facts:
            found.add_row(
                series=series,
                clock=item.clock,
                rate_hz=item.rate_hz,
                first_count=item.first_count,
            )
        return
    columns = {
        "series": ("Path of the series.", [series for series, _item in facts]),
        "clock": ("Its clock; series of one clock are aligned.", [i.clock for _s, i in facts]),
        "rate_hz": ("Counts per second.", [item.rate_hz for _s, item in facts]),
        "first_count": ("Count at its first entry.", [item.first_count for _s, item in facts]),
    }
    module.add(
        DynamicTable(
            name=table,
            description="Clocks that the recorder stamped series with; time = count / rate.",
            columns=[
                VectorData(name=name, description=text, data=data)
                for name, (text, data) in columns.items()
            ],
        )
    )


def add_segments(nwbfile: NWBFile, segments: Sequence[Segment]) -> None:
    """Add the stretches that a movie was recorded in."""
    if not segments:
        return
    columns = {
        "folder": ("Folder of the segment.", [segment.name for segment in segments]),
        "device_start_s": ("First frame, device time, s.", [s.start_s for s in segments]),
        "device_stop_s": ("Last frame, device time, s.", [s.stop_s for s in segments]),
    }
    get_module(nwbfile, "sync").add(
        DynamicTable(
            name="RecordingSegments",
            description="Stretches of the recording, with gaps between them.",
            columns=[
                VectorData(name=name, description=text, data=data)
                for name, (text, data) in columns.items()
            ],
        )
    )


def add_settings(
    nwbfile: NWBFile, devices: Sequence[DeviceRecording], names: Sequence[str]
) -> None:
    """Add all settings of all devices in long form."""
    rows = [
        (device_name, name, value, SETTING_UNITS.get(name, ""))
        for device, device_name in zip(devices, names, strict=True)
        for name, value in flat_settings(device.folder.settings)
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


def _say_clock(device: DeviceRecording, description: str) -> str:
    """Return a description that says so if times are not the device's own; sync relies on it."""
    if device.aligned_s is None:
        return description
    said = f"the session's clock, {ALIGNED}"
    if SCOPE_CLOCK in description:
        return description.replace(SCOPE_CLOCK, said)
    return f"{description} Time stamps of {said}."


def _make_plane(plane: Mapping[str, Any], *, device: Device, name: str) -> ImagingPlane:
    """Return an imaging plane; what is required and nowhere stated is said to be so."""
    pixel_um = plane.get("pixel_size_um")
    spacing = None if pixel_um is None else [pixel_um * 1e-6] * 2
    others = ("imaging_rate", "grid_spacing_unit", "origin_coords", "origin_coords_unit")
    excitation_nm = plane.get("excitation_lambda_nm", plane.get("excitation_lambda", np.nan))
    return ImagingPlane(
        name=name,
        description=plane.get("description", "Field of view of the Miniscope."),
        device=device,
        optical_channel=_make_channels(plane),
        excitation_lambda=float(excitation_nm),
        indicator=plane.get("indicator", NOT_STATED),
        location=plane.get("location", NOT_STATED),
        grid_spacing=plane.get("grid_spacing", spacing),
        **{name: plane[name] for name in (*others, "reference_frame") if name in plane},
    )


def _make_channels(plane: Mapping[str, Any]) -> list[OpticalChannel]:
    """Return the optical channels of a plane, one where none are listed."""
    listed = plane.get("optical_channel") or [{}]
    emission_nm = plane.get("emission_lambda_nm", np.nan)
    return [
        OpticalChannel(
            name=one.get("name", "OpticalChannel"),
            description=one.get("description", "Emission of the indicator."),
            emission_lambda=float(one.get("emission_lambda", emission_nm)),
        )
        for one in ([listed] if isinstance(listed, Mapping) else listed)
    ]


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


def _says_something(values: np.ndarray) -> bool:
    """Whether a column holds anything."""
    if values.dtype.kind == "U":
        return bool((values != "").any())
    return bool(np.isfinite(values).any())


def _storable(values: np.ndarray) -> Any:
    """Return a column as hdmf stores it: text as a list."""
    return values.tolist() if values.dtype.kind == "U" else values
