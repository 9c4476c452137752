"""The history of foreign results: their own settings, and which of our stages they stand for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np

from ace_nwb.adopt.results import ForeignResult
from ace_nwb.engines.base import IMPORTED
from ace_nwb.errors import ParameterError
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.history import RunParameter, StageRun, append_run, current_runs, next_run_id
from ace_nwb.stages.running.execution import software
from ace_nwb.stages.running.status import current_inputs, fingerprint
from ace_nwb.stages.settings.texts import Choice, build_parameters, format_value
from ace_nwb.stages.table import STAGES

STAGE = "adopt"
"""Name in the history under which the foreign program's own parameters are kept."""

_EQUIVALENT = {
    "extract": {
        "init.min_corr": "min_correlation",
        "init.min_pnr": "min_peak_to_noise",
        "init.ring_size_factor": "ring_size_factor",
        "merging.merge_thr": "merge_correlation",
        "data.decay_time": "decay_time_s",
    },
    "evaluate": {"quality.min_SNR": "min_snr", "quality.rval_thr": "min_r_value"},
}


def note_extraction(
    writer: SessionWriter, result: ForeignResult, placement: Mapping[str, Any]
) -> None:
    """Write the history: the foreign settings as they were, and the extraction as done.

    Parameters
    ----------
    writer, result
        The session, and what was written into it.
    placement
        Where it lies in the recording: name -> value.
    """
    where = {f"placement.{name}": format_value(value) for name, value in placement.items()}
    rows = {"program": result.program, **where, **result.parameters}
    _append(
        writer,
        STAGE,
        rows,
        inputs={},
        mark=_digest(result),
        engine=result.program,
        remark=" | ".join(result.remarks),
    )
    extract = {"engine": IMPORTED, **translate(result, "extract")}
    inputs = current_inputs(STAGES["extract"], current_runs(writer)) | {STAGE: _digest(result)}
    note_stage(writer, "extract", extract, inputs, result.program)


def translate(result: ForeignResult, stage: str) -> dict[str, Any]:
    """Return the foreign parameters that have an equal here and are within its bounds."""
    found: dict[str, Any] = {}
    for theirs, ours in _EQUIVALENT[stage].items():
        value = result.parameters.get(theirs, "none")
        if value == "none":
            continue
        try:
            build_parameters(STAGES[stage], {ours: Choice(value, "imported")})
        except ParameterError:  # out of our bounds: it is kept under its own name alone
            continue
        found[ours] = value
    return found


def note_stage(
    writer: SessionWriter, name: str, values: dict[str, Any], inputs: dict[str, str], program: str
) -> None:
    """Note one of our stages as done by the import."""
    stage = STAGES[name]
    choices = {key: Choice(value, "imported") for key, value in values.items()}
    params = build_parameters(stage, choices)
    rows = {key: format_value(getattr(params, key)) for key in values}
    mark = fingerprint(stage, params, inputs, writer.identifier)
    engine = str(values.get("engine", ""))
    remark = f"imported from {program}"
    _append(writer, name, rows, inputs=inputs, mark=mark, engine=engine, remark=remark)


def _append(
    writer: SessionWriter,
    stage: str,
    rows: dict[str, str],
    *,
    inputs: dict[str, str],
    mark: str,
    engine: str,
    remark: str = "",
) -> None:
    run = StageRun(
        run_id=next_run_id(writer),
        action="run",
        stage=stage,
        revision=STAGES[stage].revision if stage in STAGES else 1,
        engine=engine,
        fingerprint=mark,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=0.0,
        software=software(),
        inputs=inputs,
        outputs=STAGES[stage].produces if stage in STAGES else (),
        peak_memory_mb=0.0,
        warnings=remark,
        parameters=tuple(RunParameter(name, value, "imported") for name, value in rows.items()),
    )
    append_run(writer, run)


def _digest(result: ForeignResult) -> str:
    """Return a hash of what was imported."""
    digest = sha256(np.ascontiguousarray(result.denoised).tobytes())
    digest.update(result.footprints.data.tobytes())
    digest.update(result.footprints.indices.tobytes())
    return digest.hexdigest()[:16]
