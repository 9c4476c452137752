"""Put a finished file in its place."""

from pathlib import Path

from ace_nwb.errors import OutputError
from ace_nwb.nwb.commit.new_file import write_new


def refuse_overwriting(nwb_path: Path, path: Path) -> None:
    """Raise OutputError if a picture or page would replace the session file itself."""
    if path.resolve() == nwb_path.resolve():
        raise OutputError(
            f"{path} is the session file itself; it stays as it is. Give the output another path."
        )


def save_file(content: bytes, path: Path) -> Path:
    """Write or replace a picture or page, so that no half file is ever seen.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    return write_new(path, content, replace=True)
