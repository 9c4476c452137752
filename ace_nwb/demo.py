"""The demonstration: simulate a recording, take it through everything, compare with the truth."""

import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb import pipeline
from ace_nwb.archive import Finding, is_valid, validate
from ace_nwb.conversion import convert
from ace_nwb.errors import AceNwbWarning, OutputError
from ace_nwb.imaging.storage import turn_axes
from ace_nwb.inspection import inspect_folder
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.new_file import claim, make_folder, write_new
from ace_nwb.nwb.content.imaging import read_motion
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.phase import read_event_phase
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table
from ace_nwb.nwb.session import Session, open_session
from ace_nwb.pipeline import ProgressBar, StageOutcome, no_bar
from ace_nwb.report import write_report
from ace_nwb.simulation import scoring
from ace_nwb.simulation.recording import Recording, simulate_recording

SETTINGS: dict[str, tuple[str, ...]] = {
    "toy": ("spectrogram.window_s=4", "spectrogram.step_s=0.1", "dff.window_s=8"),
    "demo": ("spectrogram.window_s=10", "spectrogram.step_s=0.5"),
    "full": (),
}
"""Parameters that differ from the defaults: windows of 30 s are too long for so little time."""

MARKER = "ace_nwb_demo.txt"


@dataclass(frozen=True)
class Figure:
    """One number of the summary, as text, and what it means."""

    name: str
    value: float
    unit: str
    meaning: str

    @property
    def text(self) -> str:
        """The number with its unit."""
        return f"{self.value:.3g} {self.unit}".strip()


@dataclass(frozen=True)
class DemoSummary:
    """What the demonstration found, whether its file is valid, and the files it made."""

    figures: list[Figure]
    is_valid: bool
    files: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name; a figure that cannot be stated is None."""
        numbers = {f.name: f.value if math.isfinite(f.value) else None for f in self.figures}
        return numbers | {"is_valid": self.is_valid, "files": self.files}


def run_demo(
    output_dir: Path,
    *,
    size: str = "demo",
    seed: int = 0,
    bar: ProgressBar = no_bar,
    say: Callable[[str], None] = lambda _text: None,
) -> DemoSummary:
    """Simulate, inspect, convert, sync, run, validate, report, and score against the truth.

    Parameters
    ----------
    output_dir
        Made if needed; an earlier demo in it is replaced, anything else is refused.
    size
        "toy", "demo" or "full".
    seed
        Seed of the simulation.
    bar
        Opens a progress display per step.
    say
        Told what happens.

    Raises
    ------
    OutputError
        If the folder holds something else than an earlier demo.
    """
    started = time.perf_counter(), _cpu_seconds()
    folder = _prepare_folder(Path(output_dir))
    with bar("simulate") as progress:
        recording = _record(folder / "recording", size, seed=seed, progress=progress)
    inspection = inspect_folder(
        recording.miniscope_folder, recording.ephys_folder, metadata=recording.metadata_path
    )
    say(inspection.to_text())
    session_path = folder / "session.nwb"
    with bar("convert") as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", AceNwbWarning)
        convert(
            recording.miniscope_folder,
            session_path,
            ephys_folder=recording.ephys_folder,
            metadata=recording.metadata_path,
            progress=progress,
        )
    outcomes = pipeline.run(session_path, pipeline.read_plan(settings=SETTINGS[size]), bar=bar)
    _tell_remarks(outcomes, say)
    with bar("validate"):
        findings = validate(session_path)
    report_path = folder / "report.html"
    with bar("report"):
        write_report(
            session_path,
            report_path,
            findings=findings,
            stage_status=pipeline.status(session_path),
        )
    figures = _score(session_path, recording, findings)
    figures += _costs(*started)
    return _finish(folder, figures, findings)


def _prepare_folder(folder: Path) -> Path:
    """Return an empty folder marked as a demo's; remove an earlier demo."""
    if folder.exists():
        is_free = all(path.name.startswith(MARKER) for path in folder.iterdir())  # or its lock
        if not is_free and not (folder / MARKER).is_file():
            raise OutputError(
                f"{folder} is not empty and holds no earlier demo. An empty or new folder was "
                "expected; give another one."
            )
        _empty(folder)
    make_folder(folder)
    text = "Made by `ace-nwb demo`; a new demo replaces this folder.\n"
    write_new(folder / MARKER, text, replace=True)
    return folder


def _empty(folder: Path) -> None:
    """Remove an earlier demo but for its mark, so that one that is ended here can be repeated."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARKER:
            path.unlink()


def _record(
    folder: Path, size: str, *, seed: int, progress: Callable[[int, int], None]
) -> Recording:
    """Simulate a recording, whose folder has its name when it is whole."""
    with claim(folder) as beside:
        made = simulate_recording(beside, size, seed=seed, progress=progress)
    paths = {one.name: getattr(made, one.name) for one in fields(made) if one.type is Path}
    return replace(
        made, **{name: folder / path.relative_to(beside) for name, path in paths.items()}
    )


def _tell_remarks(outcomes: list[StageOutcome], say: Callable[[str], None]) -> None:
    for outcome in outcomes:
        for remark in outcome.remarks:
            say(f"{outcome.stage}: {remark}")


def _score(session_path: Path, recording: Recording, findings: list[Finding]) -> list[Figure]:
    """Compare the file's content with the truth."""
    truth = recording.truth
    with open_session(session_path) as session:
        accepted = np.flatnonzero(read_roi_table(session)["accepted"])
        shifts, _ = read_motion(session)
        masks = session.get(layout.PLANE_SEGMENTATION)["image_mask"].data[:]
        origin = scoring.rest_offset(shifts, truth.movie.displacement_px)
        found = scoring.score_footprints(
            turn_axes(masks)[accepted], truth.movie, origin_px=tuple(origin)
        )
        traces = {
            name: scoring.correlate_traces(
                read_roi_series(session, path)[:, accepted], truth.movie.calcium, found.matches
            )
            for name, path in (("denoised", layout.DENOISED_TRACES), ("raw", layout.RAW_TRACES))
        }
        phase_errors = scoring.phase_errors_rad(
            _preferred_phases(session)[accepted], truth.preferred_phase_rad, found.matches
        )
        sync_error_ms = scoring.max_sync_error_ms(
            NwbMovie(session).timestamps, truth.movie.frame_times_s
        )
    return [
        Figure("f1", found.f1, "", f"of {found.n_counting} neurons that can be seen"),
        Figure("precision", found.precision, "", "share of accepted ROIs that are neurons"),
        Figure("recall", found.recall, "", "share of neurons that were found"),
        Figure(
            "trace_correlation_median",
            _median(traces["denoised"]),
            "",
            "denoised trace with true calcium",
        ),
        Figure(
            "raw_trace_correlation_median",
            _median(traces["raw"]),
            "",
            "raw trace with true calcium",
        ),
        Figure(
            "motion_error_px",
            scoring.motion_rmse_px(shifts, truth.movie.displacement_px),
            "px",
            "error of the shifts, root mean square",
        ),
        Figure("sync_error_ms_max", sync_error_ms, "ms", "largest error of a frame's time"),
        Figure(
            "preferred_phase_error_rad_max",
            float(phase_errors.max()) if len(phase_errors) else math.nan,
            "rad",
            f"largest error over {len(phase_errors)} phase-locked neurons found",
        ),
        Figure("findings", float(len(findings)), "", "remarks of the validation, of any severity"),
    ]


def _preferred_phases(session: Session) -> np.ndarray:
    """Return every ROI's preferred phase of the channel that most ROIs are locked to."""
    phases = read_event_phase(session)
    n_rois = len(session.get(layout.PLANE_SEGMENTATION))
    preferred = np.full(n_rois, np.nan)
    channels = np.unique(phases.channel)
    if not len(channels):
        return preferred
    locked = [np.sum(phases.rayleigh_p[phases.channel == name] < 0.001) for name in channels]
    rows = phases.channel == channels[int(np.argmax(locked))]
    preferred[phases.roi[rows]] = phases.preferred_phase[rows]
    return preferred


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _cpu_seconds() -> float:
    """Return the processor time of this process and its children, seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _costs(started_s: float, started_cpu_s: float) -> list[Figure]:
    return [
        Figure("cpu_s", _cpu_seconds() - started_cpu_s, "s", "processor time"),
        Figure("wall_s", time.perf_counter() - started_s, "s", "time on the clock"),
        Figure("peak_memory_mb", pipeline.peak_memory_mb(), "MB", "largest resident memory"),
    ]


def _finish(folder: Path, figures: list[Figure], findings: list[Finding]) -> DemoSummary:
    files = {
        "session": str(folder / "session.nwb"),
        "report": str(folder / "report.html"),
        "summary": str(folder / "summary.json"),
        "recording": str(folder / "recording"),
    }
    summary = DemoSummary(figures, is_valid(findings), files)
    text = json.dumps(summary.to_json(), indent=2)
    write_new(folder / "summary.json", text + "\n", replace=True)
    return summary
