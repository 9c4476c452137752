"""One session of a batch: convert it if need be, note what the manifest says, run the stages."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np

from ace_nwb import pipeline
from ace_nwb.archive.description import describe
from ace_nwb.batch.blocks import spread_over
from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.conversion import convert
from ace_nwb.engines.base import EngineSettings
from ace_nwb.errors import InputError
from ace_nwb.imaging.cropping import crop_from_legacy, resolve_crop
from ace_nwb.imaging.movie import ProgressCallback
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.new_file import make_folder
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.history import (
    RunParameter,
    StageRun,
    append_run,
    current_runs,
    next_run_id,
    record_outputs,
)
from ace_nwb.nwb.ownership import list_objects
from ace_nwb.nwb.session import SessionWriter, edit_session, open_session
from ace_nwb.stages.running.execution import StageOutcome, software
from ace_nwb.stages.settings.texts import Choice

STAGE = "manifest"
"""Name in the history under which the wishes of a manifest are noted."""

REVISION = 1
"""Raised when the same wishes of a manifest give other intervals."""
INTERVALS = "/intervals/Experiment"

ProgressBar = Callable[[str], AbstractContextManager[ProgressCallback]]


def run_session(job: SessionJob, settings: BatchSettings, bar: ProgressBar) -> list[StageOutcome]:
    """Do everything for one session that is not done yet.

    Parameters
    ----------
    job
        The session.
    settings
        Threads and memory.
    bar
        Opens a progress display per step.

    Returns
    -------
        What became of each step.
    """
    outcomes = [_convert(job, bar), _note_wishes(job)]
    plan = pipeline.Plan(job.stages, _choices(job))
    engine = EngineSettings(settings.threads, settings.max_memory_bytes)
    with spread_over(settings.block_scheduler, job.output_path):
        return outcomes + pipeline.run(job.output_path, plan, settings=engine, bar=bar)


def read_fingerprints(job: SessionJob) -> dict[str, str]:
    """Return stage -> fingerprint of the results in the session file."""
    with open_session(job.output_path) as session:
        runs = current_runs(session)
    return {name: run.fingerprint for name, run in runs.items()}


def _convert(job: SessionJob, bar: ProgressBar) -> StageOutcome:
    """Convert the raw folders unless the file exists."""
    if job.output_path.exists():
        return StageOutcome("convert", "already done")
    make_folder(job.output_path.parent)
    started = datetime.now(UTC)
    with bar("convert") as progress:
        convert(
            job.folder,
            job.output_path,
            ephys_folder=job.ephys_path,
            metadata=job.metadata,
            options=job.source_options(),
            progress=progress,
        )
    return StageOutcome("convert", "ran", (datetime.now(UTC) - started).total_seconds())


def _note_wishes(job: SessionJob) -> StageOutcome:
    """Write intervals and kept columns, and metadata that have changed since the conversion."""
    wishes = {"metadata": job.metadata, "intervals": job.intervals, "columns": job.columns}
    marks = {name: _hash(value) for name, value in wishes.items()}
    marks["conversion"] = _hash({**job.conversion, "mapping": None})
    with open_session(job.output_path) as session:
        known = current_runs(session).get(STAGE)
    before = {p.name: p.value for p in known.parameters} if known else {}
    if {name: before.get(name) for name in marks} == marks:
        return StageOutcome(STAGE, "already done")
    if known and before["conversion"] != marks["conversion"]:
        raise InputError(
            f"{job.output} was converted with other options (formats, policies, time zone or "
            "mapping) than the manifest asks for now. The same were expected; put them back, or "
            "delete the file so that it is converted anew."
        )
    if known and before["metadata"] != marks["metadata"]:
        describe(job.output_path, job.metadata)
    with edit_session(job.output_path) as writer:
        before = list_objects(writer.h5)
        _write_intervals(writer, job.intervals)
        append_run(writer, _record(writer, job, marks))
        record_outputs(writer, before)
    return StageOutcome(STAGE, "ran")


def _write_intervals(writer: SessionWriter, intervals: tuple[dict[str, Any], ...]) -> None:
    """Write named stretches, replacing those of an earlier manifest."""
    writer.clear([INTERVALS])
    if not intervals:
        return
    starts, stops = (
        np.array([i[name] for i in intervals], float) for name in ("start_s", "stop_s")
    )
    _check_within(writer, intervals)
    columns = {
        "start_time": ("Start, s.", starts),
        "stop_time": ("End, s.", stops),
        "condition": ("Name of the condition.", [i["label"] for i in intervals]),
        "details": ("What happened.", [i["description"] for i in intervals]),
    }
    text = "Drugs, baselines and other conditions, as the manifest of the project states."
    writer.create_table(INTERVALS, text, columns, kind="TimeIntervals")


def _check_within(writer: SessionWriter, intervals: tuple[dict[str, Any], ...]) -> None:
    """Refuse intervals that begin when the recording has ended: the units or the row are wrong.

    They may end later; a drug goes on acting.
    """
    ends_s = [series.stop_s for series in list_ephys(writer)]
    if writer.has(layout.MOVIE):
        ends_s.append(float(NwbMovie(writer).timestamps[-1]))
    end_s = max(ends_s, default=np.inf)
    for one in intervals:
        if one["start_s"] > end_s:
            raise InputError(
                f"The interval {one['label']!r} begins at {one['start_s']:g} s, the recording ends "
                f"at {end_s:.1f} s. A start within the recording, in seconds of its clock, was "
                "expected; correct it in the manifest, or in the spreadsheet that it came from."
            )


def _record(writer: SessionWriter, job: SessionJob, marks: dict[str, str]) -> StageRun:
    """Return the history row of what the manifest asks for."""
    rows = {**marks, **{f"column.{name}": text for name, text in job.columns.items()}}
    return StageRun(
        run_id=next_run_id(writer),
        action="run",
        stage=STAGE,
        revision=REVISION,
        engine="",
        fingerprint=_hash(marks),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=0.0,
        software=software(),
        inputs={},
        outputs=(INTERVALS,) if job.intervals else (),
        peak_memory_mb=0.0,
        warnings="",
        parameters=tuple(RunParameter(name, text, "imported") for name, text in rows.items()),
    )


def _choices(job: SessionJob) -> dict[str, dict[str, Choice]]:
    """Return the chosen parameters, a box of an earlier program among them."""
    chosen = {name: dict(values) for name, values in job.choices.items()}
    if job.crop_from_lower_left is not None:
        chosen["preprocess"] = _legacy_crop(job) | chosen.get("preprocess", {})
    return {
        stage: {name: Choice(value, "file") for name, value in values.items()}
        for stage, values in chosen.items()
    }


def _legacy_crop(job: SessionJob) -> dict[str, int]:
    """Return the crop of the stage preprocess that equals a box from the lower left corner."""
    with open_session(job.output_path) as session:
        n_rows, n_columns = read_field(session).recorded
    x0, y0, x1, y1 = job.crop_from_lower_left or (0, 0, 0, 0)
    box = crop_from_legacy(x0, y0, x1, y1, n_rows)
    limits = {
        "crop_row_start": max(box.row_start, 0),
        "crop_row_stop": min(box.row_stop, n_rows),
        "crop_column_start": max(box.column_start, 0),
        "crop_column_stop": min(box.column_stop, n_columns),
    }
    resolve_crop((n_rows, n_columns), **limits)
    return limits


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]
