"""What a session file holds, as one table: path, NWB type, axes, unit, columns, and who writes it.

From it follow what stages replace and record, the published layout, and its page in the docs.
"""

from ace_nwb.nwb import layout
from ace_nwb.nwb.layout import Place


def _series(
    path: str,
    text: str,
    axes: str,
    *,
    unit: str = "n.a.",
    kind: str = "TimeSeries",
    stage: str = "",
) -> Place:
    return Place(path, kind, text, tuple(axes.split(", ")), unit, stage=stage)


def _traces(path: str, text: str, unit: str = "n.a.", *, stage: str = "") -> Place:
    return _series(path, text, "frame, roi", unit=unit, kind="RoiResponseSeries", stage=stage)


def _table(
    path: str, text: str, columns: str, *, kind: str = "DynamicTable", stage: str = ""
) -> Place:
    return Place(path, kind, text, columns=tuple(columns.split()), stage=stage)


PLACES: tuple[Place, ...] = (
    _series(
        "/acquisition/OnePhotonSeries*",
        "Raw movie as recorded; one per scope.",
        "frame, x, y",
        kind="OnePhotonSeries",
    ),
    _series(
        "/acquisition/ElectricalSeries*",
        "Raw electrophysiology.",
        "sample, channel",
        unit="volts",
        kind="ElectricalSeries",
    ),
    Place("/acquisition/PreviewOf*", "Images", "Some frames of a movie that was left out."),
    _table(
        "/processing/sync/HeadOrientationRepairs*",
        "Raw stamps of orientations whose time was repaired.",
        "",
    ),
    Place("/acquisition/BehavCam*", "ImageSeries", "Video of a camera, in files beside this one."),
    _table("/events/*Messages", "Messages of a program.", "timestamp", kind="EventsTable"),
    _table(
        "/events/ControlChanges",
        "Settings changed while recording.",
        "timestamp device control value",
        kind="EventsTable",
    ),
    _series(
        "/processing/behavior/HeadOrientation*",
        "Orientation of the head as a quaternion.",
        "sample, w x y z",
    ),
    Place("/processing/behavior/CompassDirection*", "CompassDirection", "Yaw of the head."),
    _table("/events/TTL*", "Edges of one TTL line.", "timestamp level", kind="EventsTable"),
    _table("/events/Notes", "Notes typed by a person.", "timestamp note", kind="EventsTable"),
    _table(
        layout.FRAME_LEDGER + "*",
        "Every frame that a camera captured.",
        "movie_frame device_time_s status",
    ),
    _table(layout.CLOCK_FIT, "How the clocks were aligned.", "verdict", stage="sync"),
    _series(
        layout.DEVICE_TIME + "*",
        "Time of every frame on the device's own clock.",
        "frame",
        unit="seconds",
    ),
    Place(
        layout.LOW_CONFIDENCE,
        "TimeIntervals",
        "Stretches where the alignment is uncertain.",
        stage="sync",
    ),
    _table(
        layout.CLOCK_FACTS, "Clocks that the recorder stamped series with.", "series clock rate_hz"
    ),
    _table(
        layout.SERIES_KINDS,
        "What series of electrodes hold: LFP, wide-band, DC or auxiliary, as the recorder says.",
        "series kind",
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
        stage="sync",
    ),
    _table(
        layout.FLASH_CHECK,
        "Flashes in the movie against the markers of a TTL line.",
        "marker_time_s due_frame offset_frames agrees",
        stage="flash-check",
    ),
    _table(
        layout.FIELD_OF_VIEW,
        "The part of the field that is analysed.",
        "row_start row_stop column_start column_stop",
        stage="preprocess",
    ),
    _table(
        layout.UNUSABLE_FRAMES,
        "Frames that show nothing of the tissue: frozen, dark, or with missing pixels.",
        "start_time stop_time kind first_frame n_frames",
        kind="TimeIntervals",
        stage="preprocess",
    ),
    _series(
        layout.MEAN_FLUORESCENCE, "Mean brightness of every frame.", "frame", stage="preprocess"
    ),
    _series(
        layout.BLEACHING_TREND,
        "Brightness relative to the start that bleaching leaves.",
        "frame",
        stage="preprocess",
    ),
    _series(
        layout.MOTION_SHIFTS,
        "Pixels (x, y) to add to coordinates of the raw frame.",
        "frame, x y",
        unit="pixels",
        stage="motion",
    ),
    _series(
        layout.MOTION_DEVIATIONS,
        "Pixels (x, y) to add to the shift at each node of a grid, of piecewise motion.",
        "frame, node x, node y, x y",
        unit="pixels",
        stage="motion",
    ),
    _series(layout.MOTION_QUALITY, "How well a frame fits its template.", "frame", stage="motion"),
    Place(
        layout.IMAGES, "Images", "Projections, local correlation, peak to noise.", stage="summary"
    ),
    _table(
        layout.PLANE_SEGMENTATION,
        "Footprints, one row per ROI.",
        "image_mask",
        kind="PlaneSegmentation",
    ),
    Place(layout.IMAGE_SEGMENTATION, "ImageSegmentation", "Holds the footprints.", stage="extract"),
    Place(
        layout.FLUORESCENCE,
        "Fluorescence",
        "Holds the traces of source extraction.",
        stage="extract",
    ),
    Place(layout.DF_OVER_F, "DfOverF", "Holds dF/F.", stage="dff"),
    Place(
        layout.DECONVOLUTION,
        "Fluorescence",
        "Holds activity inferred from dF/F.",
        stage="deconvolve",
    ),
    _traces(layout.RAW_TRACES, "Footprint-weighted fluorescence without background.", ""),
    _traces(layout.DENOISED_TRACES, "Fluorescence explained by the inferred activity.", ""),
    _traces(layout.DECONVOLVED_TRACES, "Inferred activity.", ""),
    _traces(layout.BASELINE_TRACES, "Baseline of the fluorescence.", ""),
    _table(layout.BACKGROUND_MODEL, "Weights of the ring background.", "", stage="extract"),
    Place(layout.BACKGROUND_IMAGES, "Images", "Constant part of the background.", stage="extract"),
    _table(layout.SEEDS, "Where ROIs were started.", "row column", stage="extract"),
    _table(
        layout.CURATION_DECISIONS,
        "Decisions of reviewers about ROIs; rows are only added.",
        "decision action roi new_roi undoes reviewer decided_at",
        stage="extract",
    ),
    _traces(layout.DFF_TRACES, "Change relative to the baseline."),
    _traces(f"{layout.DECONVOLUTION}/Denoised", "dF/F explained by the inferred activity."),
    _traces(f"{layout.DECONVOLUTION}/Deconvolved", "Activity inferred from dF/F."),
    _table(
        layout.CALCIUM_EVENTS,
        "Calcium events, one row each.",
        "timestamp amplitude roi",
        kind="EventsTable",
        stage="events",
    ),
    _traces(layout.CALCIUM_FILTERED, "Traces within a band.", stage="filter"),
    _traces(layout.CALCIUM_PHASE, "Phase of the traces within the band.", "radians", stage="phase"),
    _traces(layout.CALCIUM_AMPLITUDE, "Amplitude of the traces within the band.", stage="phase"),
    _series(
        layout.EPHYS_PHASE,
        "Phase of the ephys channels within a band.",
        "sample, channel",
        unit="radians",
        stage="phase",
    ),
    _series(
        layout.EPHYS_AMPLITUDE,
        "Amplitude of the ephys channels within a band.",
        "sample, channel",
        unit="volts",
        stage="phase",
    ),
    _table(
        layout.EVENT_PHASE,
        "Ephys phase at calcium events, one row per ROI and channel.",
        "roi channel n_events preferred_phase vector_length",
        stage="phase",
    ),
    _series(
        layout.EPHYS_FILTERED,
        "Ephys channels within a band, artefacts left out.",
        "sample, channel",
        unit="volts",
        kind="ElectricalSeries",
        stage="ephys-filter",
    ),
    Place(
        layout.EPHYS_ARTIFACTS, "TimeIntervals", "Artefacts of the ephys.", stage="ephys-artifacts"
    ),
    Place(layout.OSCILLATION_BOUTS, "TimeIntervals", "Bouts of an oscillation.", stage="bouts"),
    _series(
        layout.SPECTROGRAMS,
        "Power over time, linear; band limits in the table of bands.",
        "window, channel, band",
        unit="",
        kind="DecompositionSeries",
        stage="spectrogram",
    ),
    _table(
        layout.EVENT_PHASE_COUPLING,
        "Phase locking of events against moved events.",
        "roi channel preferred_phase surrogate_p q_value",
        stage="coupling",
    ),
    _table(
        layout.TRACE_PHASE_COUPLING,
        "Phase locking of traces against moved traces.",
        "roi channel preferred_phase surrogate_p q_value",
        stage="coupling",
    ),
    _table(
        layout.PHASE_HISTOGRAM,
        "Phases of events with the band of moved events.",
        "channel lower_phase upper_phase count",
        stage="coupling",
    ),
    _table(
        layout.SPECTRAL_LINES,
        "Sinusoids in windows of the spectrograms.",
        "signal time_s frequency_hz",
        stage="spectrogram",
    ),
    _table(
        layout.CONDITIONS,
        "Conditions that epochs belong to.",
        "start_time stop_time",
        kind="TimeIntervals",
        stage="conditions",
    ),
    _table(
        layout.ROI_COHERENCE,
        "Coherence of every ROI with the channels.",
        "roi channel",
        stage="coherence",
    ),
    _table(
        layout.MEAN_COHERENCE,
        "Coherence of the mean trace with the channels.",
        "channel",
        stage="coherence",
    ),
    _series(
        layout.COHEROGRAM,
        "Coherence of the mean trace with the channels over time.",
        "window, channel, band",
        kind="DecompositionSeries",
        stage="coherence",
    ),
    _table(
        layout.ROI_CORRELATION,
        "Correlation of every ROI with the channels.",
        "roi channel",
        stage="correlation",
    ),
    _table(
        layout.MEAN_CORRELATION,
        "Correlation of the mean trace with the channels.",
        "channel",
        stage="correlation",
    ),
    _table(
        layout.EVENT_CORRELOGRAMS,
        "Counts of events of one ROI around those of another.",
        "roi partner_roi",
        stage="correlograms",
    ),
    _table(
        layout.ROI_PERIEVENT,
        "Trace of every ROI around triggers.",
        "roi trigger",
        stage="perievent",
    ),
    _table(
        layout.MEAN_PERIEVENT, "Mean trace around triggers.", "trigger signal", stage="perievent"
    ),
    _table(
        layout.CONDITION_COMPARISON,
        "What differs between conditions.",
        "measure subject first second",
        stage="compare",
    ),
    _table(
        layout.SESSION_REGISTRATION,
        "Which cell of several sessions every ROI is.",
        "roi cell",
        stage="register-sessions",
    ),
    _table(
        layout.SESSION_MATCHES,
        "The ROIs of other sessions that are the same cell.",
        "roi session other_roi",
        stage="register-sessions",
    ),
    _table(
        layout.SESSION_ALIGNMENT,
        "How the field lies in that of the reference session.",
        "reference",
        stage="register-sessions",
    ),
    Place(
        layout.SESSION_DISPLACEMENT,
        "Images",
        "Displacement after the affine map, at each pixel.",
        stage="register-sessions",
    ),
    _table(
        "/processing/misc/DeviceSettings*", "Every setting of every device.", "device setting value"
    ),
    _table(
        layout.REMOVED_MOVIES, "Movies left out of a light session.", "path content sha256 times"
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

ROI_COLUMNS: dict[str, tuple[str, ...]] = {
    "regroup": ("made_from",),
    "evaluate": (
        "snr",
        "r_value",
        "compactness",
        "asymmetry",
        "duplicate_score",
        "surround",
        "sharpness",
        "roundness",
        "extent",
        "relative_size",
        "cell_probability",
        "accepted",
        "Accepted",
    ),
    "curate": ("decision", "reviewer", "decided_at", "reason"),
}
"""Stage -> columns that it adds to the table of ROIs."""

_EXTRACTED = {"extract": (layout.IMAGE_SEGMENTATION, layout.FLUORESCENCE)}
"""Stage -> results of which those of the extraction are kept beside merged and split ROIs."""


def produced_by(stage: str) -> tuple[str, ...]:
    """Return the paths that a stage writes; `*` matches within a name."""
    paths = [place.path for place in PLACES if place.stage == stage]
    paths += [f"{path}_{layout.EXTRACTED}" for path in _EXTRACTED.get(stage, ())]
    paths += [f"{layout.PLANE_SEGMENTATION}/{name}" for name in ROI_COLUMNS.get(stage, ())]
    return tuple(paths)
