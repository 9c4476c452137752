"""Names and paths of what a session file holds; the table of it is in `results`."""

import re
from dataclasses import dataclass

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
UNUSABLE_FRAMES = "/processing/ophys/UnusableFrames"
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

EPHYS_ARTIFACTS = "/processing/ecephys/EphysArtifacts"
EPHYS_FILTERED = "/processing/ecephys/EphysFiltered*"
OSCILLATION_BOUTS = "/processing/ecephys/OscillationBouts"

CALCIUM_FILTERED = "/processing/phase/CalciumFiltered"
CALCIUM_PHASE = "/processing/phase/CalciumPhase"
CALCIUM_AMPLITUDE = "/processing/phase/CalciumAmplitude"
EPHYS_PHASE = "/processing/phase/EphysPhase*"
EPHYS_AMPLITUDE = "/processing/phase/EphysAmplitude*"
EVENT_PHASE = "/processing/phase/EventPhase"

SPECTROGRAMS = "/processing/spectral/*Spectrogram*"
SPECTRAL_LINES = "/processing/spectral/SpectralLines"

CONDITIONS = "/intervals/Conditions"
EVENT_PHASE_COUPLING = "/processing/coupling/EventPhaseCoupling"
TRACE_PHASE_COUPLING = "/processing/coupling/TracePhaseCoupling"
PHASE_HISTOGRAM = "/processing/coupling/PhaseHistogram"
ROI_COHERENCE = "/processing/coupling/RoiCoherence"
MEAN_COHERENCE = "/processing/coupling/MeanCoherence"
COHEROGRAM = "/processing/coupling/Coherogram"
ROI_CORRELATION = "/processing/coupling/RoiCorrelation"
MEAN_CORRELATION = "/processing/coupling/MeanCorrelation"
EVENT_CORRELOGRAMS = "/processing/coupling/EventCorrelograms"
ROI_PERIEVENT = "/processing/coupling/RoiPerievent"
MEAN_PERIEVENT = "/processing/coupling/MeanPerievent"
CONDITION_COMPARISON = "/processing/coupling/ConditionComparison"

SESSION_REGISTRATION = "/processing/ophys/SessionRegistration"
SESSION_MATCHES = "/processing/ophys/SessionMatches"
SESSION_ALIGNMENT = "/processing/ophys/SessionAlignment"
SESSION_DISPLACEMENT = "/processing/ophys/SessionDisplacement"

SERIES_KINDS = "/processing/misc/SeriesKinds"
REMOVED_MOVIES = "/processing/misc/RemovedMovies"

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
    stage
        The stage that writes it; empty for what the conversion writes, and for what stands in a
        container that has a row of its own.
    """

    path: str
    kind: str
    text: str
    axes: tuple[str, ...] = ()
    unit: str = ""
    columns: tuple[str, ...] = ()
    stage: str = ""

    @property
    def pattern(self) -> str:
        """Regular expression of the path; results kept under a name end in `_NAME`."""
        parts = [re.escape(part).replace(r"\*", "[^/]*") for part in self.path.split("/")]
        if len(parts) > 3 and parts[1] == "processing":
            parts[3] += r"(_[A-Za-z0-9-]+)*"
        return f"^{'/'.join(parts)}$"


def split_path(path: str) -> tuple[str, str]:
    """Return the parent path and the name of an object."""
    parent, _, name = path.rpartition("/")
    return parent or "/", name


def module_and_name(path: str) -> tuple[str, str]:
    """Return the processing module and object name of "/processing/module/name"."""
    _, _, module, name = path.split("/", 3)
    return module, name
