"""Verbs that turn a session into something else and back: export, import."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import progress_bar, say
from ace_nwb.errors import ParameterError
from ace_nwb.forms.commands import quoted

Flag = Parameter(negative="")


def export(
    file: Path,
    /,
    *,
    zarr: Annotated[Path | None, Parameter(help="Folder to write as Zarr.")] = None,
    without_raw: Annotated[Path | None, Parameter(help="Light NWB file to write.")] = None,
    preview: int = 0,
    anonymise: Annotated[bool, Flag] = False,
    rois: Annotated[Path | None, Parameter(help="Table (CSV) of the ROIs to write.")] = None,
) -> None:
    """Write a session as Zarr for archives in the cloud, or without its movies for sharing.

    Example: `ace-nwb export session.nwb --zarr session.nwb.zarr`

    Example: `ace-nwb export session.nwb --without-raw light.nwb --preview 20 --anonymise`. The
    light file names the movies by checksum; `ace-nwb import light.nwb whole.nwb --raw session.nwb`
    joins them again.

    Example: `ace-nwb export session.nwb --rois rois.csv`. Fill in decision (accept, reject, unsure)
    and reviewer in a spreadsheet; `ace-nwb import rois.csv session.nwb` takes them over.

    Parameters
    ----------
    file
        A session file.
    preview
        Frames of each movie to keep in the light file.
    anonymise
        Leave names of people and free texts out of the light file.
    """
    if sum(target is not None for target in (zarr, without_raw, rois)) != 1:
        raise ParameterError(
            "Say what to write: one of --zarr FOLDER, --without-raw FILE, --rois TABLE."
        )
    if rois is not None:
        from ace_nwb.curation_table import export_rois

        say(f"Wrote {rois}, {export_rois(file, rois)} rows.")
    if zarr is not None:
        from ace_nwb.nwb.zarr.exchange import export_zarr

        with progress_bar("export") as progress:
            export_zarr(file, zarr, progress=progress)
        say(f"Wrote {zarr}.")
    if without_raw is not None:
        _export_light(file, without_raw, preview=preview, anonymise=anonymise)


def import_session(
    source: Path,
    output: Path,
    /,
    *,
    raw: Annotated[Path | None, Parameter(help="Session that holds the movies.")] = None,
    reviewer: str = "",
    fill_missing_chunks: Annotated[bool, Flag] = False,
) -> None:
    """Turn a session in Zarr back into a session file, or join a light session with its movies.

    Example: `ace-nwb import session.nwb.zarr session.nwb`

    Example: `ace-nwb import light.nwb whole.nwb --raw session.nwb`

    Example: `ace-nwb import rois.csv session.nwb --reviewer Ann` takes decisions on ROIs over.

    Parameters
    ----------
    source
        A session in Zarr, or a light one with `--raw`, or a table of ROIs (.csv, .tsv,
        .txt).
    output
        The NWB file to write; with a table the session that takes the decisions.
    reviewer
        Who decided in rows of the table without a name.
    fill_missing_chunks
        Take the fill value for chunks of the Zarr that are not there, in place of refusing it.
    """
    if source.suffix.lower() in (".csv", ".tsv", ".txt"):
        from ace_nwb.curation_table import import_rois

        made = import_rois(source, output, reviewer=reviewer)
        say(f"{output}: {len(made)} new decisions. `ace-nwb run {quoted(output)}` applies them.")
        return
    if raw is not None:
        from ace_nwb.nwb.shared.light import join_movies

        with progress_bar("import") as progress:
            movies = join_movies(source, raw, output, progress=progress)
        say(f"Wrote {output} with {', '.join(movies)}.")
        return
    from ace_nwb.nwb.zarr.exchange import import_zarr

    with progress_bar("import") as progress:
        import_zarr(source, output, fill_missing_chunks=fill_missing_chunks, progress=progress)
    say(f"Wrote {output}.")


def _export_light(file: Path, output: Path, *, preview: int, anonymise: bool) -> None:
    from ace_nwb.nwb.shared.light import write_light_session

    with progress_bar("export") as progress:
        light = write_light_session(
            file,
            output,
            n_preview_frames=preview,
            is_anonymous=anonymise,
            progress=progress,
        )
    say(f"Wrote {output}, {light.n_bytes / 1e6:.1f} MB, without {', '.join(light.movies)}.")
    if light.anonymised:
        say(f"Left out: {', '.join(light.anonymised)}.")
