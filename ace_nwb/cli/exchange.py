"""Verbs that turn a session into something else and back: export, import."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import progress_bar
from ace_nwb.errors import ParameterError

Flag = Parameter(negative="")


def export(
    file: Path,
    /,
    *,
    zarr: Annotated[Path | None, Parameter(help="Folder to write as Zarr.")] = None,
    without_raw: Annotated[Path | None, Parameter(help="Light NWB file to write.")] = None,
    preview: int = 0,
    anonymise: Annotated[bool, Flag] = False,
) -> None:
    """Write a session as Zarr for archives in the cloud, or without its movies for sharing.

    Example: `ace-nwb export session.nwb --zarr session.nwb.zarr`

    Example: `ace-nwb export session.nwb --without-raw light.nwb --preview 20 --anonymise`. The
    light file names the movies by checksum; `ace-nwb import light.nwb whole.nwb --raw session.nwb`
    joins them again.

    Parameters
    ----------
    file
        A session file.
    preview
        Frames of each movie to keep in the light file.
    anonymise
        Leave names of people and free texts out of the light file.
    """
    if (zarr is None) == (without_raw is None):
        raise ParameterError("Say what to write: either --zarr FOLDER or --without-raw FILE.")
    if zarr is not None:
        from ace_nwb.nwb.zarr_session import export_zarr

        with progress_bar("export") as progress:
            export_zarr(file, zarr, progress=progress)
        print(f"Wrote {zarr}.")
    if without_raw is not None:
        _export_light(file, without_raw, preview=preview, anonymise=anonymise)


def import_session(
    source: Path,
    output: Path,
    /,
    *,
    raw: Annotated[Path | None, Parameter(help="Session that holds the movies.")] = None,
) -> None:
    """Turn a session in Zarr back into a session file, or join a light session with its movies.

    Example: `ace-nwb import session.nwb.zarr session.nwb`

    Example: `ace-nwb import light.nwb whole.nwb --raw session.nwb`

    Parameters
    ----------
    source
        A session in Zarr, or a light one with `--raw`.
    output
        The NWB file to write.
    """
    if raw is not None:
        from ace_nwb.nwb.sharing import join_movies

        with progress_bar("import") as progress:
            movies = join_movies(source, raw, output, progress=progress)
        print(f"Wrote {output} with {', '.join(movies)}.")
        return
    from ace_nwb.nwb.zarr_session import import_zarr

    with progress_bar("import") as progress:
        import_zarr(source, output, progress=progress)
    print(f"Wrote {output}.")


def _export_light(file: Path, output: Path, *, preview: int, anonymise: bool) -> None:
    from ace_nwb.nwb.sharing import write_light_session

    with progress_bar("export") as progress:
        light = write_light_session(
            file,
            output,
            n_preview_frames=preview,
            is_anonymous=anonymise,
            progress=progress,
        )
    print(f"Wrote {output}, {light.n_bytes / 1e6:.1f} MB, without {', '.join(light.movies)}.")
    if light.anonymised:
        print(f"Left out: {', '.join(light.anonymised)}.")
