"""Names and paths of what a session file holds."""

LAYOUT_VERSION = 4
"""2: the version is recorded in the file; 3: tables of ROIs do not refer back to the movie; 4: the
objects that stages wrote are recorded, path and object id.

Older files are brought up by `ace-nwb upgrade`."""

MOVIE = "/acquisition/OnePhotonSeries"
EVENTS = "/events"

FRAME_LEDGER = "/processing/sync/FrameLedger"
CLOCK_FIT = "/processing/sync/ClockFit"
DEVICE_TIME = "/processing/sync/DeviceTime"
LOW_CONFIDENCE = "/processing/sync/LowConfidence"
CLOCK_FACTS = "/processing/sync/ClockFacts"
REGULAR_SERIES = "/processing/sync/RegularSeries"
CORRECTIONS = "/processing/sync/Corrections"
FLASH_CHECK = "/processing/sync/FlashCheck"

FIELD_OF_VIEW = "/processing/ophys/FieldOfView"
IMAGES = "/processing/ophys/SegmentationImages"
MEAN_FLUORESCENCE = "/processing/ophys/MeanFluorescence"
BLEACHING_TREND = "/processing/ophys/BleachingTrend"
MOTION_SHIFTS = "/processing/ophys/MotionShifts"
MOTION_DEVIATIONS = "/processing/ophys/MotionDeviations"
MOTION_QUALITY = "/processing/ophys/MotionQuality"
IMAGE_SEGMENTATION = "/processing/ophys/ImageSegmentation"
PLANE_SEGMENTATION = f"{IMAGE_SEGMENTATION}/PlaneSegmentation"
FLUORESCENCE = "/processing/ophys/Fluorescence"
RAW_TRACES = f"{FLUORESCENCE}/RoiResponseSeries"
DENOISED_TRACES = f"{FLUORESCENCE}/Denoised"
DECONVOLVED_TRACES = f"{FLUORESCENCE}/Deconvolved"
BASELINE_TRACES = f"{FLUORESCENCE}/Baseline"
BACKGROUND_MODEL = "/processing/ophys/BackgroundModel"
BACKGROUND_IMAGES = "/processing/ophys/BackgroundImages"
SEEDS = "/processing/ophys/Seeds"
CURATION_DECISIONS = "/processing/ophys/CurationDecisions"
EXTRACTED = "extracted"
"""Suffix under which extraction results stand while merged and split ROIs take their place."""
BESIDE = "ace"
"""Suffix of a result of ours whose place a foreign object has."""
SUPERSEDED = "superseded"
"""Suffix of a replaced result that foreign objects refer to or stand in."""
EXTRACTED_SEGMENTATION = f"{IMAGE_SEGMENTATION}_{EXTRACTED}/PlaneSegmentation"
DF_OVER_F = "/processing/ophys/DfOverF"
DFF_TRACES = f"{DF_OVER_F}/RoiResponseSeries"
DECONVOLUTION = "/processing/ophys/Deconvolution"

CALCIUM_EVENTS = "/processing/events/CalciumEvents*"

STAGE_RUNS = "/processing/misc/stage_runs"
STAGE_PARAMETERS = "/processing/misc/stage_parameters"
STAGE_OUTPUTS = "/processing/misc/stage_outputs"
CHOSEN_PARAMETERS = "/processing/misc/chosen_parameters"

MODULES = {
    "behavior": "Behaviour of the animal",
    "coupling": "Relations between calcium activity and electrophysiology",
    "ecephys": "Processed extracellular electrophysiology",
    "events": "Detected events",
    "misc": "History of processing and settings",
    "ophys": "Processed calcium imaging",
    "phase": "Band-passed signals and their phase",
    "spectral": "Spectra over time",
    "sync": "Alignment of the clocks of camera and electrophysiology",
}
"""Processing module -> description written when the module is made."""


def split_path(path: str) -> tuple[str, str]:
    """Return the parent path and the name of an object."""
    parent, _, name = path.rpartition("/")
    return parent or "/", name


def module_and_name(path: str) -> tuple[str, str]:
    """Return the processing module and object name of "/processing/module/name"."""
    _, _, module, name = path.split("/", 3)
    return module, name
