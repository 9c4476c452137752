"""What an NWB file of any program holds that can be analysed: movie, ROIs, traces, ephys."""

from pathlib import Path
from typing import Any

from ace_nwb.adopt.nwb_results import VERDICTS, choose
from ace_nwb.adopt.nwb_view import RoiTable, find_tables
from ace_nwb.errors import FormatError
from ace_nwb.forms.commands import quoted
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import Session, open_session

_MASKS = ("image_mask", "pixel_mask", "voxel_mask")


def describe_nwb(path: Path) -> dict[str, Any]:
    """Return what an NWB file holds, as plain data.

    Parameters
    ----------
    path
        The file; it is only read.

    Returns
    -------
        "movie" (or None), "tables" of ROIs with their "traces", "ephys", and "next": what to type,
        or what has to be decided first.
    """
    with open_session(path) as session:
        tables = find_tables(session.h5)
        return {
            "file": str(path),
            "movie": _describe_movie(session),
            "tables": [_describe_table(session, table) for table in tables],
            "ephys": [
                {
                    "path": one.path,
                    "n_channels": len(one.channel_names),
                    "rate_hz": one.rate_hz,
                    "duration_s": one.n_samples / one.rate_hz,
                }
                for one in list_ephys(session)
            ],
            "next": _next_step(session, tables, path),
        }


def tell_nwb(found: dict[str, Any]) -> str:
    """Return the same as text."""
    movie = found["movie"]
    lines = [f"{found['file']}: NWB file"]
    lines.append(f"  movie: {movie['path']}, {movie['text']}" if movie else "  no movie")
    for table in found["tables"]:
        verdicts = f", verdicts in {', '.join(table['verdicts'])}" if table["verdicts"] else ""
        lines.append(f"  ROIs: {table['path']}, {table['n_rois']} with {table['masks']}{verdicts}")
        for one in table["traces"]:
            turned = ", stored as (roi, frame)" if one["is_turned"] else ""
            lines.append(
                f"    {one['role']}: {one['path']}, {one['n_frames']} frames of "
                f"{one['n_rois']} ROIs{turned}"
            )
    lines += [
        f"  electrophysiology: {one['path']}, {one['n_channels']} channel(s), "
        f"{one['rate_hz']:g} Hz, {one['duration_s']:.4g} s"
        for one in found["ephys"]
    ]
    return "\n".join([*lines, found["next"]])


def _describe_movie(session: Session) -> dict[str, str] | None:
    if not session.has(layout.MOVIE):
        return None
    path = session.locate(layout.MOVIE)
    if "external_file" in session.h5[path]:
        return {"path": path, "text": "its frames in files beside"}
    n_frames, n_rows, n_columns = NwbMovie(session).shape
    return {"path": path, "text": f"{n_frames} frames of {n_rows} x {n_columns} px"}


def _describe_table(session: Session, table: RoiTable) -> dict[str, Any]:
    columns = [name for name in session.h5[table.path] if not name.endswith("_index")]
    masks = [name.replace("_", " ") + "s" for name in _MASKS if name in columns]
    return {
        "path": table.path,
        "n_rois": table.n_rois,
        "masks": " and ".join(masks) or "no masks",
        "verdicts": [name for name in columns if name in VERDICTS],
        "traces": [
            {
                "path": one.path,
                "role": one.role,
                "n_frames": one.n_frames,
                "n_rois": len(one.rois),
                "is_turned": one.is_turned,
            }
            for one in table.traces
        ],
    }


def _next_step(session: Session, tables: list[RoiTable], path: Path) -> str:
    """Say what to type: `run`, or what decides first where there are several."""
    run = f"ace-nwb run {quoted(path)}"
    if session.has(layout.STAGE_RUNS):
        return f"A session of ours: ace-nwb status {quoted(path)}"
    if not session.lacks_movie or not tables:
        return f"Next: {run}"
    try:
        table, traces = choose(tables, path=path)
    except FormatError as error:
        return str(error)
    return f"Next: {run} takes the ROIs of {table.path} over, with {traces.path}"
