"""Put a finished file in its place."""

from pathlib import Path

from ace_nwb.errors import OutputError


def refuse_overwriting(nwb_path: Path, path: Path) -> None:
    """Raise OutputError if a picture or page would replace the session file itself."""
    if path.resolve() == nwb_path.resolve():
        raise OutputError(
            f"{path} is the session file itself; it stays as it is. Give the output another path."
        )


def save_file(content: bytes, path: Path) -> Path:
    """Write a file beside its target and move it there, so that no half file is ever seen.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        if beside.is_file():
            beside.unlink()
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}). Expected a file name in a "
            f"folder that exists and can be written to; give another path."
        ) from error
    return path
