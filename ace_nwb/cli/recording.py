"""Verbs on raw recordings: inspect, convert."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import print_json, progress_bar


def inspect(
    folder: Path,
    /,
    *,
    ephys: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Say what a folder holds: devices, codecs, frames, drops, channels, lines, what is missing.

    Example: `ace-nwb inspect 2025_06_12/15_26_31 --ephys CheetahData`

    Parameters
    ----------
    folder
        A recording, a device folder, an ephys folder, or a folder that holds them.
    ephys
        The ephys folder, if it stands elsewhere.
    json
        Print JSON for scripts.
    """
    from ace_nwb.inspection import inspect_folder

    inspection = inspect_folder(folder, ephys_folder=ephys)
    if json:
        print_json(inspection.to_json())
    else:
        print(inspection.to_text())


def convert(
    folder: Path,
    output: Path,
    /,
    *,
    ephys: Path | None = None,
    metadata: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write a recording into a new NWB file: movie, cameras, orientation, notes, ephys, TTL lines.

    Example: `ace-nwb convert 15_26_31 --ephys CheetahData session.nwb --metadata meta.yaml`

    Parameters
    ----------
    folder
        A recording or a device folder.
    output
        The NWB file to write.
    ephys
        The ephys folder of the same session.
    metadata
        YAML with what the folders do not say: subject, experimenter, imaging plane.
    overwrite
        Replace an existing file once the new one is complete.
    """
    from ace_nwb.convert import convert as convert_recording

    with progress_bar("convert") as progress:
        convert_recording(
            folder,
            output,
            ephys_folder=ephys,
            metadata=metadata,
            overwrite=overwrite,
            progress=progress,
        )
    print(f"Wrote {output}. Next: ace-nwb sync {output}, then ace-nwb run {output}.")
