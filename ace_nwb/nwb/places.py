"""The layout of a session file as a table, and as a JSON Schema of a file's inventory.

`list_contents` describes a file as plain data (path -> type, axes, unit, columns); the schema made
from PLACES says what that description must look like. Both are published in `schemas/`, so that
other programs can check a file of ours, or find their way in it, without our code.
"""

import re
from dataclasses import dataclass
from typing import Any

import h5py

from ace_nwb.nwb import layout
from ace_nwb.nwb.reading import Session

_O, _C = "/processing/ophys", "/processing/coupling"
_OWN_VERSION = "ace_nwb layout"
"""Key of the layout's version in the file's `was_generated_by`."""


@dataclass(frozen=True)
class Place:
    """What stands at one place of a session file.

    Parameters
    ----------
    path
        Path; `*` matches within a name.
    kind
        Its NWB type.
    text
        What it holds.
    axes
        Axes of its data in the order of the file, such as ("frame", "roi").
    unit
        Unit of its data.
    columns
        Columns that the table has at least.
    """

    path: str
    kind: str
    text: str
    axes: tuple[str, ...] = ()
    unit: str = ""
    columns: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """Regular expression of the path; results kept under a name end in `_NAME`."""
        parts = [re.escape(part).replace(r"\*", "[^/]*") for part in self.path.split("/")]
        if len(parts) > 3 and parts[1] == "processing":
            parts[3] += r"(_[A-Za-z0-9-]+)*"
        return f"^{'/'.join(parts)}$"


def _traces(path: str, text: str, unit: str = "n.a.") -> Place:
    return Place(path, "RoiResponseSeries", text, ("frame", "roi"), unit)


def _table(path: str, text: str, columns: str) -> Place:
    return Place(path, "DynamicTable", text, columns=tuple(columns.split()))


PLACES: tuple[Place, ...] = (
    Place(
        "/acquisition/OnePhotonSeries*",
        "OnePhotonSeries",
        "Raw movie as recorded; one per scope.",
        ("frame", "x", "y"),
        "n.a.",
    ),
    Place(
        "/acquisition/ElectricalSeries*",
        "ElectricalSeries",
        "Raw electrophysiology.",
        ("sample", "channel"),
        "volts",
    ),
    Place("/acquisition/PreviewOf*", "Images", "Some frames of a movie that was left out."),
    Place(
        "/processing/sync/HeadOrientationRepairs*",
        "DynamicTable",
        "Raw stamps of orientations whose time was repaired.",
    ),
    Place("/acquisition/BehavCam*", "ImageSeries", "Video of a camera, in files beside this one."),
    Place("/events/*Messages", "EventsTable", "Messages of a program.", columns=("timestamp",)),
    Place(
        "/events/ControlChanges",
        "EventsTable",
        "Settings changed while recording.",
        columns=("timestamp", "device", "control", "value"),
    ),
    Place(
        "/processing/behavior/HeadOrientation*",
        "TimeSeries",
        "Orientation of the head as a quaternion.",
        ("sample", "w x y z"),
        "n.a.",
    ),
    Place("/processing/behavior/CompassDirection*", "CompassDirection", "Yaw of the head."),
    Place("/events/TTL*", "EventsTable", "Edges of one TTL line.", columns=("timestamp", "level")),
    Place(
        "/events/Notes", "EventsTable", "Notes typed by a person.", columns=("timestamp", "note")
    ),
    _table(
        layout.FRAME_LEDGER + "*",
        "Every frame that a camera captured.",
        "movie_frame device_time_s status",
    ),
    Place(layout.CLOCK_FIT, "DynamicTable", "How the clocks were aligned.", columns=("verdict",)),
    Place(
        layout.DEVICE_TIME + "*",
        "TimeSeries",
        "Time of every frame on the device's own clock.",
        ("frame",),
        "seconds",
    ),
    Place(layout.LOW_CONFIDENCE, "TimeIntervals", "Stretches where the alignment is uncertain."),
    _table(
        layout.CLOCK_FACTS, "Clocks that the recorder stamped series with.", "series clock rate_hz"
    ),
    _table(
        layout.REGULAR_SERIES,
        "Series that had a rate in place of time stamps before alignment.",
        "series rate_hz starting_time_s",
    ),
    _table(
        layout.CORRECTIONS,
        "Corrections of the alignment by hand.",
        "kind frame first_edge last_edge reason author",
    ),
    _table(
        layout.FLASH_CHECK,
        "Flashes in the movie against the markers of a TTL line.",
        "marker_time_s due_frame offset_frames agrees",
    ),
    _table(
        layout.FIELD_OF_VIEW,
        "The part of the field that is analysed.",
        "row_start row_stop column_start column_stop",
    ),
    Place(
        layout.MEAN_FLUORESCENCE,
        "TimeSeries",
        "Mean brightness of every frame.",
        ("frame",),
        "n.a.",
    ),
    Place(
        layout.BLEACHING_TREND,
        "TimeSeries",
        "Brightness relative to the start that bleaching leaves.",
        ("frame",),
        "n.a.",
    ),
    Place(
        layout.MOTION_SHIFTS,
        "TimeSeries",
        "Pixels (x, y) to add to coordinates of the raw frame.",
        ("frame", "x y"),
        "pixels",
    ),
    Place(
        layout.MOTION_DEVIATIONS,
        "TimeSeries",
        "Pixels (x, y) to add to the shift at each node of a grid, of piecewise motion.",
        ("frame", "node x", "node y", "x y"),
        "pixels",
    ),
    Place(
        layout.MOTION_QUALITY,
        "TimeSeries",
        "How well a frame fits its template.",
        ("frame",),
        "n.a.",
    ),
    Place(layout.IMAGES, "Images", "Projections, local correlation, peak to noise."),
    Place(
        layout.PLANE_SEGMENTATION,
        "PlaneSegmentation",
        "Footprints, one row per ROI.",
        columns=("image_mask",),
    ),
    Place(layout.IMAGE_SEGMENTATION, "ImageSegmentation", "Holds the footprints."),
    Place(layout.FLUORESCENCE, "Fluorescence", "Holds the traces of source extraction."),
    Place(layout.DF_OVER_F, "DfOverF", "Holds dF/F."),
    Place(layout.DECONVOLUTION, "Fluorescence", "Holds activity inferred from dF/F."),
    _traces(layout.RAW_TRACES, "Footprint-weighted fluorescence without background."),
    _traces(layout.DENOISED_TRACES, "Fluorescence explained by the inferred activity."),
    _traces(layout.DECONVOLVED_TRACES, "Inferred activity."),
    _traces(layout.BASELINE_TRACES, "Baseline of the fluorescence."),
    _table(
        layout.CURATION_DECISIONS,
        "Decisions of reviewers about ROIs; rows are only added.",
        "decision action roi new_roi undoes reviewer decided_at",
    ),
    Place(layout.BACKGROUND_MODEL, "DynamicTable", "Weights of the ring background."),
    Place(layout.BACKGROUND_IMAGES, "Images", "Constant part of the background."),
    Place(layout.SEEDS, "DynamicTable", "Where ROIs were started.", columns=("row", "column")),
    _traces(layout.DFF_TRACES, "Change relative to the baseline."),
    _traces(f"{layout.DECONVOLUTION}/Denoised", "dF/F explained by the inferred activity."),
    _traces(f"{layout.DECONVOLUTION}/Deconvolved", "Activity inferred from dF/F."),
    Place(
        layout.CALCIUM_EVENTS,
        "EventsTable",
        "Calcium events, one row each.",
        columns=("timestamp", "amplitude", "roi"),
    ),
    _traces("/processing/phase/CalciumFiltered", "Traces within a band."),
    _traces("/processing/phase/CalciumPhase", "Phase of the traces within the band.", "radians"),
    _traces("/processing/phase/CalciumAmplitude", "Amplitude of the traces within the band."),
    Place(
        "/processing/phase/EphysPhase*",
        "TimeSeries",
        "Phase of the ephys channels within a band.",
        ("sample", "channel"),
        "radians",
    ),
    Place(
        "/processing/phase/EphysAmplitude*",
        "TimeSeries",
        "Amplitude of the ephys channels within a band.",
        ("sample", "channel"),
        "volts",
    ),
    _table(
        "/processing/phase/EventPhase",
        "Ephys phase at calcium events, one row per ROI and channel.",
        "roi channel n_events preferred_phase vector_length",
    ),
    Place(
        "/processing/ecephys/EphysFiltered*",
        "ElectricalSeries",
        "Ephys channels within a band, artefacts left out.",
        ("sample", "channel"),
        "volts",
    ),
    Place("/processing/ecephys/EphysArtifacts", "TimeIntervals", "Artefacts of the ephys."),
    Place("/processing/ecephys/OscillationBouts", "TimeIntervals", "Bouts of an oscillation."),
    Place(
        "/processing/spectral/*",
        "DecompositionSeries",
        "Power over time, linear; band limits in the table of bands.",
        ("window", "channel", "band"),
    ),
    _table(
        f"{_C}/EventPhaseCoupling",
        "Phase locking of events against moved events.",
        "roi channel preferred_phase surrogate_p q_value",
    ),
    _table(
        f"{_C}/TracePhaseCoupling",
        "Phase locking of traces against moved traces.",
        "roi channel preferred_phase surrogate_p q_value",
    ),
    _table(
        f"{_C}/PhaseHistogram",
        "Phases of events with the band of moved events.",
        "channel lower_phase upper_phase count",
    ),
    _table(
        "/processing/misc/DeviceSettings*", "Every setting of every device.", "device setting value"
    ),
    _table(
        "/processing/misc/RemovedMovies",
        "Movies left out of a light session.",
        "path content sha256 times",
    ),
    _table(
        layout.STAGE_RUNS,
        "Every run of a stage.",
        "run_id action stage revision fingerprint inputs outputs",
    ),
    _table(
        layout.STAGE_PARAMETERS, "Every parameter of every run.", "run_id parameter value source"
    ),
    _table(
        layout.STAGE_OUTPUTS, "Every object that a stage wrote or renamed.", "run_id path output_id"
    ),
    _table(
        layout.CHOSEN_PARAMETERS,
        "Parameters chosen for the next run of a stage.",
        "stage parameter value source before_run",
    ),
)


def layout_schema() -> dict[str, Any]:
    """Return the JSON schema of a session file's inventory; see `list_contents`."""
    places = {place.pattern: _place_schema(place) for place in PLACES}
    return {
        "title": "Contents of an ace_nwb session file",
        "description": "Inventory of an NWB file as `ace-nwb contents FILE` prints it: "
        "path -> NWB type, axes of its data, unit, columns.",
        "type": "object",
        "properties": {
            "layout_version": {"const": layout.LAYOUT_VERSION},
            "objects": {"type": "object", "patternProperties": places},
        },
        "required": ["layout_version", "objects"],
    }


def list_contents(session: Session) -> dict[str, Any]:
    """Describe a file as plain data: its layout version, and path -> what stands there.

    Data sets are not read. Objects within tables and series are left out.
    """
    objects: dict[str, Any] = {}
    pending = [session.h5[name] for name in _ROOMS if name in session.h5]
    while pending:
        group = pending.pop()
        for name in group:
            # what a link leads to is listed at its own place
            if _is_link(group, name) or not hasattr(found := group[name], "keys"):
                continue
            described = _describe(found)
            if described["type"] is not None:
                objects[found.name] = described
            if described["type"] in (None, "ProcessingModule", *_CONTAINERS):
                pending.append(found)
    return {"layout_version": read_version(session), "objects": dict(sorted(objects.items()))}


def read_version(session: Session) -> int | None:
    """Return the version of a file's layout; None if the file is not ours."""
    stored = session.h5.get("/general/was_generated_by")
    rows = [] if stored is None else stored[:].tolist()
    for name, value in rows:
        if _text(name) == _OWN_VERSION:
            return int(_text(value))
    return 1 if session.has(layout.STAGE_RUNS) else None


def version_row() -> list[str]:
    """Return the entry of `was_generated_by` that records the layout's version."""
    return [_OWN_VERSION, str(layout.LAYOUT_VERSION)]


_ROOMS = ("/acquisition", "/events", "/intervals", "/processing")
_CONTAINERS = ("ImageSegmentation", "Fluorescence", "DfOverF", "CompassDirection")


def _is_link(group: Any, name: str) -> bool:
    """Return whether a member of a group is a soft or external link; Zarr has none."""
    is_hdf5 = isinstance(group, h5py.Group)
    return is_hdf5 and not isinstance(group.get(name, getlink=True), h5py.HardLink)


def _place_schema(place: Place) -> dict[str, Any]:
    properties: dict[str, Any] = {"type": {"const": place.kind}}
    if place.axes:
        properties["n_axes"] = {"const": len(place.axes)}
    if place.unit:
        properties["unit"] = {"const": place.unit}
    if place.columns:
        named = [{"contains": {"const": column}} for column in place.columns]
        properties["columns"] = {"type": "array", "allOf": named}
    axes = f" Axes: {', '.join(place.axes)}." if place.axes else ""
    return {
        "description": place.text + axes,
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _describe(found: Any) -> dict[str, Any]:
    """Return an object's type, number of axes, unit and columns, as far as it has them."""
    kind = found.attrs.get("neurodata_type")
    described: dict[str, Any] = {"type": None if kind is None else _text(kind)}
    data = found.get("data")
    if data is not None and hasattr(data, "shape"):
        described["n_axes"] = len(data.shape)
        if "unit" in data.attrs:
            described["unit"] = _text(data.attrs["unit"])
    if "colnames" in found.attrs:
        described["columns"] = [_text(name) for name in found.attrs["colnames"]]
    return described


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
