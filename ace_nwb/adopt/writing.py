"""Foreign results into a session file: a place in the field, times, names, and their history."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_array, kron

from ace_nwb.adopt.history import note_extraction, note_stage, translate
from ace_nwb.adopt.results import ForeignResult
from ace_nwb.errors import InputError
from ace_nwb.imaging.cropping import CropBox, crop_from_legacy
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_field, write_field
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.roi_series import write_roi_series
from ace_nwb.nwb.content.rois import TraceSource, write_segmentation
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.history import current_runs, next_run_id, record_outputs
from ace_nwb.nwb.ownership import list_objects
from ace_nwb.nwb.session import Session, SessionWriter, edit_session
from ace_nwb.stages.running.execution import software
from ace_nwb.stages.running.replacement import Replacement, make_room, note_losses
from ace_nwb.stages.running.status import current_inputs
from ace_nwb.stages.stage import Stage
from ace_nwb.stages.table import STAGES

_SAMPLED_FRAMES = 100  # frames; the standard error of a mean over them is a tenth of the noise


@dataclass(frozen=True)
class Placement:
    """Where foreign results lie in the recording.

    Parameters
    ----------
    origin
        (row, column) of their first pixel in the recorded field.
    legacy_box
        Box x0, y0, x1, y1 with the origin at the lower left that the movie was cropped to before;
        in place of `origin`.
    binning
        Side of their pixels in recorded pixels.
    first_frame, frame_step
        First frame of the recording that they saw, and every how many.
    """

    origin: tuple[int, int] | None = None
    legacy_box: tuple[float, float, float, float] | None = None
    binning: int = 1
    first_frame: int = 0
    frame_step: int = 1


def adopt(
    nwb_path: Path,
    result: ForeignResult,
    *,
    placement: Placement | None = None,
    replacement: Replacement | None = None,
) -> int:
    """Write foreign results into a session; return the number of ROIs.

    Parameters
    ----------
    nwb_path
        A session file with the movie that they come from, or the file that holds the results.
    result
        See `read_results`.
    placement
        Where they lie in the recording; the whole of it by default.
    replacement
        What becomes of ROIs that are there already.

    Raises
    ------
    InputError
        If field or frames do not fit the recording.
    """
    place = placement or Placement()
    with edit_session(nwb_path) as writer:
        before = list_objects(writer.h5)
        movie = NwbMovie(writer) if writer.has(layout.MOVIE) else None
        shape = (result.n_frames, *result.field_shape) if movie is None else movie.shape
        frames = _find_frames(result, shape[0], place)
        field = _find_field(result, writer, (shape[1], shape[2]), place)
        segmentation = _to_segmentation(result, movie, field, frames)
        source = _find_source(result, writer, movie)
        ours = software()
        for stage in _written(result):
            make_room(writer, stage, replacement=replacement or Replacement(), software=ours)
        if not writer.has(layout.FIELD_OF_VIEW):
            write_field(writer, field)
        write_segmentation(writer, segmentation, source=source)
        if result.is_relative:
            _write_dff(writer, segmentation.raw, {} if source is None else source.times)
        for stage in _written(result):
            note_losses(writer, stage, software=ours)
        note_extraction(writer, result, vars(place))
        if result.snr is not None or result.accepted is not None:
            _write_quality(writer, result)
        if result.is_relative:
            inputs = current_inputs(STAGES["dff"], current_runs(writer))
            note_stage(writer, "dff", {}, inputs, result.program)
        record_outputs(writer, before, run_id=next_run_id(writer) - 1)
    return segmentation.n_rois


def _written(result: ForeignResult) -> list[Stage]:
    """Return the stages whose results the import writes."""
    return [STAGES[name] for name in ("extract", *(["dff"] if result.is_relative else []))]


def _find_source(
    result: ForeignResult, session: Session, movie: NwbMovie | None
) -> TraceSource | None:
    """Return what the traces bring with them that the session has no movie to take from.

    With a movie that is nothing, but that dF/F is no fluorescence.
    """
    recording = result.recording
    if movie is not None:
        plane = f"{layout.MOVIE}/imaging_plane"
        return TraceSource(plane, "n.a.", {}, False) if result.is_relative else None
    if recording.plane not in session.h5:
        raise InputError(
            f"{session.path} holds neither a movie nor the imaging plane of these ROIs. A session "
            "converted from their recording was expected, or the NWB file itself: `ace-nwb adopt "
            "FILE FILE`."
        )
    return TraceSource(
        recording.plane, recording.unit, recording.require_times(), not result.is_relative
    )


def _write_dff(writer: SessionWriter, dff: np.ndarray, times: dict[str, Any]) -> None:
    """Write dF/F as the other program computed it."""
    write_roi_series(
        writer,
        layout.DFF_TRACES,
        dff,
        unit="n.a.",
        description="Fluorescence change relative to its baseline, as another program wrote it.",
        **times,
    )


def _find_frames(result: ForeignResult, n_frames: int, place: Placement) -> np.ndarray:
    """Return the frame of the recording that each value belongs to."""
    frames = place.first_frame + place.frame_step * np.arange(result.n_frames)
    if not len(frames) or frames[-1] >= n_frames or frames[0] < 0:
        raise InputError(
            f"The results have {result.n_frames} frames, from frame {place.first_frame} in steps "
            f"of {place.frame_step}; the recording has {n_frames}. Frames within it were expected; "
            "state --first-frame and --frame-step, or take the session they come from."
        )
    is_whole = place.first_frame == 0 and place.frame_step == 1
    if is_whole and result.n_frames != n_frames:
        raise InputError(
            f"The results have {result.n_frames} frames, the recording {n_frames}. The same number "
            "was expected; if only a part was analysed say which with --first-frame and "
            "--frame-step."
        )
    return frames


def _find_field(
    result: ForeignResult, session: Session, recorded: tuple[int, int], place: Placement
) -> FieldOfView:
    """Return which part of the recorded field the results cover."""
    shape = result.field_shape[0] * place.binning, result.field_shape[1] * place.binning
    origin = place.origin
    if place.legacy_box is not None:
        box = crop_from_legacy(*place.legacy_box, recorded[0])
        origin = (box.row_start, box.column_start)
        _check_box(box, shape)
    if origin is None and session.has(layout.FIELD_OF_VIEW) and shape != recorded:
        origin = read_field(session).origin
    origin = origin or (0, 0)
    if origin[0] + shape[0] > recorded[0] or origin[1] + shape[1] > recorded[1]:
        raise InputError(
            f"The results cover {shape[0]} x {shape[1]} pixels from row {origin[0]}, column "
            f"{origin[1]}; the recording has {recorded[0]} x {recorded[1]}. A part of it was "
            "expected; state --origin, --crop or --binning."
        )
    if place.origin is None and place.legacy_box is None and shape != recorded:
        found = read_field(session)
        if found.shape != shape:
            raise InputError(
                f"The results cover {shape[0]} x {shape[1]} pixels, the recording has "
                f"{recorded[0]} x {recorded[1]}. Where they lie was expected; state --crop with "
                "the box of that program, or --origin with their first row and column."
            )
    field = FieldOfView(recorded, origin, shape)
    if session.has(layout.FIELD_OF_VIEW) and read_field(session) != field:
        raise InputError(
            f"The results cover {shape[0]} x {shape[1]} pixels from row {origin[0]}, column "
            f"{origin[1]}; another field of this session is analysed already. The same was "
            "expected; run `ace-nwb process preprocess` with that crop, or import before it."
        )
    return field


def _check_box(box: CropBox, shape: tuple[int, int]) -> None:
    if any(abs(ours - theirs) > 1 for ours, theirs in zip(box.shape, shape, strict=True)):
        raise InputError(
            f"The crop box is {box.shape[0]} x {box.shape[1]} pixels, the results are of "
            f"{shape[0]} x {shape[1]}. The same size was expected; is it the box of another line?"
        )


def _to_segmentation(
    result: ForeignResult, movie: NwbMovie | None, field: FieldOfView, frames: np.ndarray
) -> Segmentation:
    """Return the results with unit footprints, on all frames of the recording.

    Beside its movie fluorescence is in units of the movie; alone it stays in its own.
    """
    footprints = csc_array(result.footprints, dtype=np.float64)
    side = field.shape[0] // max(result.field_shape[0], 1)
    if side > 1:
        footprints = _enlarge(footprints, result.field_shape, side)
    norms = np.sqrt(np.asarray(footprints.multiply(footprints).sum(0)).ravel())
    norms = np.where(norms > 0, norms, 1.0)
    unit = csc_array(footprints.multiply(1 / norms[None, :]), dtype=np.float32)
    scale = norms if movie is not None and not result.is_relative else np.ones_like(norms)
    denoised = result.denoised * scale
    residual = 0.0 if result.residual is None else result.residual * scale
    raw = denoised + residual
    spread = np.median(np.abs(np.diff(raw, axis=0)), axis=0) / (0.6745 * np.sqrt(2))
    noise = spread if result.noise is None else result.noise * scale
    metrics = {"footprint_norm": norms}
    if result.unit_ids is not None:
        metrics["source_id"] = np.asarray(result.unit_ids)
    deconvolved = np.zeros_like(denoised)
    if result.deconvolved is not None:
        deconvolved = result.deconvolved * scale

    def spread_out(values: np.ndarray) -> np.ndarray:
        return _to_all_frames(values, frames, len(frames) if movie is None else movie.shape[0])

    return Segmentation(
        footprints=unit,
        field_shape=field.shape,
        raw=spread_out(raw),
        denoised=spread_out(denoised),
        deconvolved=spread_out(deconvolved),
        baseline=spread_out(_baseline(result, unit, movie, field, len(frames))),
        noise=np.asarray(noise, float),
        decay_time_s=np.full(len(norms), np.nan)
        if result.decay_time_s is None
        else result.decay_time_s,
        background=result.ring if side == 1 else None,
        seeds=np.zeros((0, 2), int),
        metrics=metrics,
    )


def _to_all_frames(values: np.ndarray, frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Return values at their frames; NaN where that program saw none."""
    if len(frames) == n_frames:
        return np.asarray(values, np.float32)
    spread = np.full((n_frames, values.shape[1]), np.nan, np.float32)
    spread[frames] = values
    return spread


def _baseline(
    result: ForeignResult,
    unit: csc_array,
    movie: NwbMovie | None,
    field: FieldOfView,
    n_frames: int,
) -> np.ndarray:
    """Return the background under each footprint: as modelled there, else the movie's mean.

    Without a movie the fluorescence is taken to hold its background.
    """
    if result.background_trace is not None:
        return result.background_trace
    image = result.baseline_image
    if image is None or image.shape != field.shape:
        image = np.zeros(field.shape) if movie is None else _mean_image(movie, field)
    return np.tile(unit.T @ image.ravel(), (n_frames, 1))


def _mean_image(movie: NwbMovie, field: FieldOfView) -> np.ndarray:
    """Return the mean of some frames, the analysed part."""
    rows, columns = field.slices
    step = max(1, movie.shape[0] // _SAMPLED_FRAMES)
    total = [movie.read(i, i + 1)[0, rows, columns] for i in range(0, movie.shape[0], step)]
    return np.asarray(np.mean(total, axis=0))


def _enlarge(footprints: csc_array, shape: tuple[int, int], side: int) -> csc_array:
    """Return footprints with every pixel divided into side x side."""
    block = np.ones((side, side))
    columns = []
    for roi in range(footprints.shape[1]):
        image = footprints[:, [roi]].toarray().reshape(shape)
        columns.append(kron(csc_array(image), block).toarray().reshape(-1, 1))
    if not columns:
        return csc_array((footprints.shape[0] * side**2, 0))
    return csc_array(np.hstack(columns))


def _write_quality(writer: SessionWriter, result: ForeignResult) -> None:
    """Write SNR, spatial correlation and acceptance where evaluate would write them."""
    n_rois = result.n_rois
    nothing = np.full(n_rois, np.nan)
    accepted = np.ones(n_rois, bool) if result.accepted is None else result.accepted
    text = f"as {result.program} judged it."
    columns: dict[str, tuple[str, Any]] = {
        "snr": (f"Signal-to-noise ratio, {text}", nothing if result.snr is None else result.snr),
        "r_value": (
            f"Correlation of the footprint with the movie, {text}",
            nothing if result.r_value is None else result.r_value,
        ),
        "accepted": (f"Whether it is accepted, {text}", accepted),
        "Accepted": (f"Whether it is accepted (1) or not (0), {text}", accepted.astype(np.int32)),
    }
    writer.set_columns(layout.PLANE_SEGMENTATION, columns)
    inputs = current_inputs(STAGES["evaluate"], current_runs(writer))
    note_stage(writer, "evaluate", translate(result, "evaluate"), inputs, result.program)
