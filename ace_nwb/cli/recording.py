"""Verbs on raw recordings: inspect, convert."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import print_json, progress_bar, say
from ace_nwb.errors import FormatError
from ace_nwb.forms.commands import quoted

if TYPE_CHECKING:
    from ace_nwb.interfaces.sources import SourceOptions

Formats = Annotated[list[str] | None, Parameter(name="--format", negative="")]
PolicyTexts = Annotated[list[str] | None, Parameter(name="--policy", negative="")]
Flag = Annotated[bool, Parameter(negative="")]


def inspect(
    folder: Path,
    /,
    *,
    ephys: Path | None = None,
    json: Flag = False,
    template: Path | None = None,
    decode: Flag = False,
    formats: Formats = None,
    policies: PolicyTexts = None,
    timezone: str | None = None,
    segments: Flag = False,
    mapping: Path | None = None,
) -> int:
    """Say what a folder holds: devices, codecs, frames, drops, channels, lines, what is missing.

    Exit 1 if nothing is recognised, with what was looked for. Of an NWB file of any program it says
    which movie, ROIs, traces and field potentials can be analysed.

    Example: `ace-nwb inspect 2025_06_12/15_26_31 --ephys CheetahData`

    Example: `ace-nwb inspect other.nwb`

    Parameters
    ----------
    folder
        A recording, a device folder, an ephys folder, a folder that holds them, or an NWB file.
    ephys
        The ephys folder, if it stands elsewhere.
    json
        Print JSON for scripts.
    template
        Write a metadata file to fill in (meta.yaml) with what the recording says.
    decode
        Count frames by decoding every one.
    formats
        Take this format, whatever the evidence says; once for imaging, once for ephys.
    policies
        What convert would do where the recording is irregular: NAME=CHOICE, or all=repair.
    timezone
        Zone of the recorder's clock, such as America/New_York or -04:00.
    segments
        Join all recordings below the folder as segments of one session.
    mapping
        YAML that says which file and column is what, for movies of no known program.
    """
    if folder.is_file() and folder.suffix == ".nwb":
        return _inspect_nwb(folder, json=json)
    from ace_nwb.inspection import inspect_folder, write_template_file
    from ace_nwb.interfaces.detection import describe_search

    options = _source_options(formats, policies, timezone, segments=segments, mapping=mapping)
    inspection = inspect_folder(folder, ephys_folder=ephys, decode=decode, options=options)
    if not inspection.recordings and not json:
        raise FormatError(describe_search(folder))
    if template is not None and inspection.recordings:
        write_template_file(template, inspection)
    if json:
        print_json(inspection.to_json())
    else:
        say(inspection.to_text())
        if template is not None:
            say(f"\nWrote {template}. Fill in what it marks REQUIRED, then give it to convert:")
            say(f"{_command_of(folder, ephys)} --metadata {quoted(template)}")
    return 0 if inspection.recordings else 1


def _inspect_nwb(path: Path, *, json: bool) -> int:
    """Say what an NWB file holds."""
    from ace_nwb.adopt.describing import describe_nwb, tell_nwb

    found = describe_nwb(path)
    if json:
        print_json(found)
    else:
        say(tell_nwb(found))
    return 0


def convert(
    folder: Path,
    output: Path,
    /,
    *,
    ephys: Path | None = None,
    metadata: Path | None = None,
    overwrite: Flag = False,
    decode: Flag = False,
    formats: Formats = None,
    policies: PolicyTexts = None,
    timezone: str | None = None,
    segments: Flag = False,
    mapping: Path | None = None,
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
    decode
        Decode every frame beforehand: finds movies that are damaged in the middle.
    formats
        Take this format, whatever the evidence says; once for imaging, once for ephys.
    policies
        What to do where the recording is irregular: NAME=CHOICE, or all=repair; see inspect.
    timezone
        Zone of the recorder's clock, such as America/New_York or -04:00.
    segments
        Join all recordings below the folder as segments of one session, with their true gaps.
    mapping
        YAML that says which file and column is what, for movies of no known program.
    """
    from ace_nwb.conversion import convert as convert_recording

    with progress_bar("convert") as progress:
        convert_recording(
            folder,
            output,
            ephys_folder=ephys,
            metadata=metadata,
            overwrite=overwrite,
            options=_source_options(
                formats, policies, timezone, segments=segments, mapping=mapping, decode=decode
            ),
            progress=progress,
        )
    typed = quoted(output)
    say(f"Wrote {output}. Next: ace-nwb sync {typed}, then ace-nwb run {typed}.")


def _command_of(folder: Path, ephys: Path | None) -> str:
    """Return the command that converts what was inspected."""
    beside = "" if ephys is None else f" --ephys {quoted(ephys)}"
    return f"ace-nwb convert {quoted(folder)}{beside} session.nwb"


def _source_options(
    formats: list[str] | None,
    policies: list[str] | None,
    timezone: str | None,
    *,
    segments: bool,
    mapping: Path | None,
    decode: bool = False,
) -> "SourceOptions":
    """Return how recordings are found and read."""
    from ace_nwb.interfaces.imaging_recording import parse_zone
    from ace_nwb.interfaces.policies import parse_policies
    from ace_nwb.interfaces.sources import SourceOptions, load_mapping

    parse_zone(timezone)  # refused before anything is looked for
    return SourceOptions(
        formats=tuple(formats or ()),
        policies=parse_policies(policies),
        timezone=timezone,
        segments=segments,
        mapping=load_mapping(mapping),
        decode=decode,
    )
