"""Verbs that turn a session into another format and back: export, import."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import progress_bar


def export(file: Path, /, *, zarr: Annotated[Path, Parameter(help="The folder to write.")]) -> None:
    """Write a session as Zarr, for archives in the cloud.

    Example: `ace-nwb export session.nwb --zarr session.nwb.zarr`

    Parameters
    ----------
    file
        A session file.
    """
    from ace_nwb.nwb.zarr_session import export_zarr

    with progress_bar("export") as progress:
        export_zarr(file, zarr, progress=progress)
    print(f"Wrote {zarr}.")


def import_session(folder: Path, output: Path, /) -> None:
    """Turn a session in Zarr back into a session file.

    Example: `ace-nwb import session.nwb.zarr session.nwb`

    Parameters
    ----------
    folder
        A session in Zarr.
    output
        The NWB file to write.
    """
    from ace_nwb.nwb.zarr_session import import_zarr

    with progress_bar("import") as progress:
        import_zarr(folder, output, progress=progress)
    print(f"Wrote {output}.")
