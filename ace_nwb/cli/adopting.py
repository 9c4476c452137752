"""The verb that takes results of other programs over: adopt."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import say
from ace_nwb.errors import ParameterError
from ace_nwb.forms.commands import quoted

Box = tuple[float, float, float, float]


def adopt(
    file: Path,
    results: Path,
    /,
    *,
    crop: Annotated[Box | None, Parameter(negative="")] = None,
    spreadsheet: Annotated[tuple[Path, str] | None, Parameter(negative="")] = None,
    origin: Annotated[tuple[int, int] | None, Parameter(negative="")] = None,
    binning: int = 1,
    first_frame: int = 0,
    frame_step: int = 1,
    table: str = "",
    series: str = "",
    frame_rate_hz: float | None = None,
    relative: Annotated[bool, Parameter(negative="")] = False,
    keep_as: str | None = None,
    discard_curation: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Take ROIs of CaImAn, minian, the predecessor or any NWB file into a session.

    Example: `ace-nwb adopt session.nwb estimates.hdf5`

    Example: `ace-nwb adopt session.nwb estimates.hdf5 --spreadsheet analysis_parameters.csv 12`

    Example: `ace-nwb adopt other.nwb other.nwb --table PlaneSegmentation1`

    Times come from the movie of the session; traces get the names they have in NWB; the settings
    of the other program are kept in the history. Convert the recording first. An NWB file without a
    movie takes its own ROIs over, with the times of their traces.

    Parameters
    ----------
    file
        The session file, made by `ace-nwb convert` from the same recording, or the NWB file that
        holds the results.
    results
        estimates.hdf5 of CaImAn, a folder of minian, or an NWB file with ROIs.
    crop
        Box x0 y0 x1 y1 that the movie was cropped to, origin at the lower left (the predecessor's).
    spreadsheet
        The predecessor's analysis_parameters.csv and the line number whose box was used.
    origin
        Row and column of their first pixel in the recording.
    binning
        Side of their pixels in recorded pixels.
    first_frame
        First frame of the recording that they saw.
    frame_step
        Every how many frames they saw.
    table
        Path, or its end, of the table of ROIs, where an NWB file has several.
    series
        Path, or its end, of the series with their traces, where there are several.
    frame_rate_hz
        Frames per second, if there is no movie and the times in the file cannot be used.
    relative
        Take the traces of an NWB file as dF/F, whatever they are called.
    keep_as
        Keep the ROIs that are there already, under this name.
    discard_curation
        Allow that decisions of people about ROIs are removed.
    """
    from ace_nwb.adopt import Placement, Selection, read_for
    from ace_nwb.adopt import adopt as adopt_results
    from ace_nwb.stages.running.replacement import Replacement

    if spreadsheet is not None:
        crop = _box_of_line(*spreadsheet)
    found = read_for(file, results, Selection(table, series, frame_rate_hz, relative))
    n_rois = adopt_results(
        file,
        found,
        placement=Placement(origin, crop, binning, first_frame, frame_step),
        replacement=Replacement(keep_as=keep_as, discard_curation=discard_curation),
    )
    for remark in found.remarks:
        say(f"{results}: {remark}")
    say(f"{file}: {n_rois} ROIs of {found.program}. Next: ace-nwb run {quoted(file)}.")


def _box_of_line(path: Path, line: str) -> Box | None:
    """Return the crop box of a line of the predecessor's spreadsheet."""
    from ace_nwb.manifest.problems import refuse
    from ace_nwb.spreadsheets.columns import CROP_COLUMNS, PARAMETER_COLUMNS
    from ace_nwb.spreadsheets.tables import read_table

    table = read_table(path, PARAMETER_COLUMNS)
    key = str(int(line)) if line.isdigit() else line
    row = table.rows.get(key)
    if row is None:
        raise ParameterError(
            f"{path} has no line number {line}. One of {', '.join(table.rows) or 'none'} was "
            "expected."
        )
    refuse(path, [problem for problem in table.problems if problem.line == row.line])
    boxes = [row.values[name] for name in CROP_COLUMNS if name in row.values]
    return boxes[0] if boxes else None
