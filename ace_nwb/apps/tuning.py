"""The page `tune`: which seeds the thresholds give, what a cell's diameter is, a quick trial.

What is recorded becomes parameters of the next `summary` and `extract`; nothing is run.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any, cast

import numpy as np

from ace_nwb import pipeline
from ace_nwb.apps.app import App, Body, Query, Reply, array_reply, json_reply
from ace_nwb.apps.outlines import trace_outline
from ace_nwb.apps.session_data import SessionData, grey_levels
from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe.seeds import SeedThresholds, find_seeds, propose_thresholds
from ace_nwb.errors import AceNwbError, ParameterError, StageError
from ace_nwb.imaging.correlation import PeakImages, compute_peak_images
from ace_nwb.imaging.cropping import CropBox, resolve_crop
from ace_nwb.imaging.movie import ArrayMovie, ProgressCallback
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.registry import ENGINES
from ace_nwb.stages.common.corrected import open_corrected_movie
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.running.execution import SessionState, read_state
from ace_nwb.stages.running.status import previous_choices
from ace_nwb.stages.settings.params import ExtractParams
from ace_nwb.stages.settings.texts import Choice, build_parameters
from ace_nwb.stages.table import STAGES
from ace_nwb.tuning.stretch import load_box, middle_stretch

_WORKERS = 2  # threads: a page leaves the computer to the person in front of it
_MOST_BYTES = 400_000_000  # bytes of a trial's frames in 32 bits: fits beside a browser in 4 GB
_MOST_SEEDS = 20_000  # seeds drawn; more are noise, and a browser draws no more smoothly
_RECORDED = (
    "cell_diameter_px",
    "min_correlation",
    "min_peak_to_noise",
    "caiman_patch_radius_px",
    "caiman_patch_overlap_px",
)


def build_tune_app(path: Path) -> App:
    """Return the page that finds parameters for the extraction."""
    desk = TuneDesk(path)
    return App(
        page="tune",
        title=f"{path.name} - tune",
        reads={
            "/api/session": desk.session,
            "/api/image": desk.image,
            "/api/seeds": desk.seeds,
            "/api/task": lambda _query: json_reply(desk.task.state()),
            "/api/rois": desk.rois,
        },
        writes={
            "/api/images": desk.compute_images,
            "/api/extract": desk.extract,
            "/api/record": desk.record,
        },
        close=desk.data.close,
    )


@dataclass(frozen=True)
class QuickTrial:
    """A quick extraction: where, and what it found."""

    box: CropBox
    segmentation: Segmentation


class TuneDesk:
    """The state behind the page."""

    def __init__(self, path: Path):
        self.path = path
        self.data = SessionData(path)
        self.task = BackgroundTask()
        self.trial: QuickTrial | None = None
        known = read_state(path)
        self.params = chosen_extract_params(known)
        self.images = self.data.images()
        self.diameter_px = _summary_diameter(known)
        self.n_frames = int(self.data.movie.shape[0])
        self.rate_hz = self.data.movie.frame_rate_hz

    @property
    def peaks(self) -> PeakImages | None:
        """The images that seeds are found in, if they have been computed."""
        if "correlation" not in self.images or "peak_to_noise" not in self.images:
            return None
        return PeakImages(self.images["correlation"], self.images["peak_to_noise"])

    def session(self, _query: Query) -> Reply:
        """Tell the field, the parameters so far, and the images there are."""
        content: dict[str, Any] = {
            "file": self.path.name,
            "field_shape": self.data.field.shape,
            "duration_s": self.n_frames / self.rate_hz,
            "images": list(self.images),
            "image_diameter_px": self.diameter_px,
            "params": {name: getattr(self.params, name) for name in _RECORDED},
        }
        if self.peaks is not None:
            content["proposed"] = vars(propose_thresholds(self.peaks, self.n_frames))
        return json_reply(content)

    def image(self, query: Query) -> Reply:
        """Give an image as bytes."""
        if query["name"] not in self.images:
            raise ParameterError(f"There is no image of that name. Known: {', '.join(self.images)}")
        return array_reply({"image": grey_levels(self.images[query["name"]])})

    def seeds(self, query: Query) -> Reply:
        """Give every possible seed of a diameter, with its correlation and peak-to-noise."""
        if self.peaks is None:
            raise StageError("There are no images to find seeds in. Compute them first.")
        diameter_px = _diameter(query["diameter"])
        thresholds = SeedThresholds(0.0, 0.0)
        seeds = find_seeds(self.peaks, thresholds, cell_diameter_px=diameter_px)[:_MOST_SEEDS]
        place = (seeds[:, 0], seeds[:, 1])
        return array_reply(
            {
                "place": seeds.astype(np.int32),
                "correlation": self.peaks.correlation[place].astype(np.float32),
                "peak_to_noise": self.peaks.peak_to_noise[place].astype(np.float32),
            }
        )

    def rois(self, _query: Query) -> Reply:
        """Give the outlines that the last trial found."""
        if self.trial is None:
            return array_reply({"points": np.zeros((0, 2), np.float32)}, n_rois=0, lengths=[])
        found, box = self.trial.segmentation, self.trial.box
        lines = []
        for roi in range(found.n_rois):
            part = slice(*found.footprints.indptr[roi : roi + 2])
            pixels, weights = found.footprints.indices[part], found.footprints.data[part]
            lines += trace_outline(pixels, weights, found.field_shape)
        corner = np.array([box.row_start, box.column_start])
        points = np.concatenate(lines) + corner if lines else np.zeros((0, 2))
        return array_reply(
            {"points": points.astype(np.float32)},
            n_rois=found.n_rois,
            lengths=[len(line) for line in lines],
            box=box.limits,
        )

    def compute_images(self, body: Body) -> Reply:
        """Start the images for another diameter, from a stretch of the movie."""
        diameter_px, seconds = _diameter(body["diameter"]), float(body["seconds"])

        def calculate(progress: ProgressCallback) -> None:
            whole = resolve_crop(self.data.field.shape)
            movie = self._load(whole, seconds)
            images = compute_peak_images(
                movie, cell_diameter_px=diameter_px, workers=_WORKERS, progress=progress
            )
            self.images = {
                "correlation": images.correlation,
                "peak_to_noise": images.peak_to_noise,
                "mean": movie.frames.mean(0),
                "max": movie.frames.max(0),
            }
            self.diameter_px = diameter_px

        return self._start("images", calculate)

    def extract(self, body: Body) -> Reply:
        """Start an extraction on a box and a stretch of the movie."""
        limits = [round(float(value)) for value in body["box"]]
        names = ("crop_row_start", "crop_row_stop", "crop_column_start", "crop_column_stop")
        box = resolve_crop(self.data.field.shape, **dict(zip(names, limits, strict=True)))
        params = self._params(body["params"])
        seconds = float(body["seconds"])

        def calculate(progress: ProgressCallback) -> None:
            movie = self._load(box, seconds)
            extract = ENGINES.load("cnmfe")
            settings = EngineSettings(_WORKERS, 2**30)
            chosen = engine_parameters(params.model_copy(update={"engine": "cnmfe"}))
            found = extract(movie, settings=settings, progress=progress, **chosen)
            self.trial = QuickTrial(box, found)

        return self._start("extraction", calculate)

    def record(self, body: Body) -> Reply:
        """Choose parameters for the next run of `extract`, and the diameter for `summary`."""
        params = self._params(body["params"])
        chosen = {name: getattr(params, name) for name in _RECORDED if name in body["params"]}
        values: dict[str, dict[str, Any]] = {"extract": chosen}
        if "cell_diameter_px" in chosen:
            values["summary"] = {"cell_diameter_px": chosen["cell_diameter_px"]}
        recorded = pipeline.record_parameters(self.path, values, source="browser")
        self.data.close()
        self.params = params
        return json_reply({"recorded": recorded})

    def _params(self, values: Body) -> ExtractParams:
        """Return the parameters with those of the page; unknown names are refused."""
        chosen = {name: Choice(value, "browser") for name, value in values.items()}
        before = {name: Choice(getattr(self.params, name), "file") for name in _RECORDED}
        return cast(ExtractParams, build_parameters(STAGES["extract"], before | chosen))

    def _start(self, name: str, calculate: Any) -> Reply:
        if not self.task.start(name, calculate):
            raise StageError("A calculation is under way. Wait until it has ended.")
        return json_reply(self.task.state())

    def _load(self, box: CropBox, seconds: float) -> ArrayMovie:
        """Load a box of a stretch from the middle of the corrected movie."""
        count = min(self.n_frames, max(50, round(seconds * self.rate_hz)))
        if count * box.shape[0] * box.shape[1] * 4 > _MOST_BYTES:
            most_s = _MOST_BYTES / (box.shape[0] * box.shape[1] * 4 * self.rate_hz)
            raise ParameterError(
                f"{seconds:.0f} s of this field do not fit the memory of a trial; at most "
                f"{most_s:.0f} s do. Take less time or a smaller rectangle."
            )
        with self.data.lock:
            movie = open_corrected_movie(self.data.open(), workers=_WORKERS)
            return load_box(middle_stretch(movie, count / self.rate_hz), box)


def chosen_extract_params(known: SessionState) -> ExtractParams:
    """Return the parameters that the next run of `extract` would take."""
    stage = STAGES["extract"]
    choices = previous_choices(stage, known.runs) | known.waiting.get("extract", {})
    return cast(ExtractParams, build_parameters(stage, choices))


def _summary_diameter(known: SessionState) -> float | None:
    """Return the diameter that the images in the file were made for."""
    run = known.runs.get("summary")
    values = {p.name: p.value for p in run.parameters} if run else {}
    return float(values["cell_diameter_px"]) if "cell_diameter_px" in values else None


def _diameter(value: Any) -> float:
    diameter_px = float(value)
    if not 2 < diameter_px <= 200:
        raise ParameterError(f"A diameter of {value} px; 2 to 200 px were expected.")
    return diameter_px


logger = logging.getLogger(__name__)


class BackgroundTask:
    """Runs one calculation at a time in a thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: Thread | None = None
        self._state: dict[str, Any] = {"state": "idle", "name": ""}

    def start(self, name: str, calculate: Callable[[ProgressCallback], None]) -> bool:
        """Start a calculation unless one is under way; return whether it was started."""
        with self._lock:
            if self._state["state"] == "running":
                return False
            self._state = {"state": "running", "name": name, "share": 0.0}
        self._thread = Thread(target=self._run, args=(calculate,), daemon=True)
        self._thread.start()
        return True

    def state(self) -> dict[str, Any]:
        """Return "state" (idle, running, done, failed), the name, and how far it is."""
        with self._lock:
            return dict(self._state)

    def wait(self) -> None:
        """Wait until the calculation has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, calculate: Callable[[ProgressCallback], None]) -> None:
        try:
            calculate(lambda done, of: self._note(share=round(done / max(of, 1), 3)))
        except AceNwbError as error:
            self._note(state="failed", error=str(error))
        except Exception as error:
            logger.exception("a calculation of the page failed")
            self._note(state="failed", error=f"The calculation failed ({type(error).__name__}).")
        else:
            self._note(state="done", share=1.0)

    def _note(self, **news: Any) -> None:
        with self._lock:
            self._state |= news
