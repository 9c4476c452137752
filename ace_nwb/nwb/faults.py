"""Whose fault is it? What other libraries raise on a session file, told as an error of the file.

Libraries raise anything on content that is not as NWB says. Here, at the border where a session is
left with such an exception, it becomes a `SessionFileError` that names the object, but only if the
file is at fault: if a library failed while it read an object of the file, or if the file breaks
the rules of NWB. Any other exception stays what it is, a fault of ace_nwb to be reported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb, walk_tb
from typing import Any

from ace_nwb.errors import AceNwbError, JournalError, SessionFileError, SessionLockedError

_READERS = ("h5py", "zarr", "numcodecs")
"""Libraries that read files: what they raise on an object of a file is about that object."""


@contextmanager
def blamed_on(path: Path | str) -> Iterator[None]:
    """Turn what libraries raise on a file that is at fault into SessionFileError.

    To be used while the file is open: the objects of a closed one have no names.

    Parameters
    ----------
    path
        The file, as messages show it.
    """
    try:
        yield
    except AceNwbError:
        raise
    except Exception as error:
        told = explain(error, path)
        if told is None:
            raise
        raise told from error


def describe_fault(error: Exception) -> str:
    """Return where and why a foreign file could not be read: object, reason, our line."""
    place = object_read(error)
    return f"{f'{place}: ' if place else ''}{_first_line(error)}; {_our_line(error)}"


def explain(error: BaseException | None, path: Path | str) -> SessionFileError | None:
    """Return the error that says what is wrong with the file; None if the fault is not the file's.

    Parameters
    ----------
    error
        What was raised while the session was in use.
    path
        The file.
    """
    if not isinstance(error, Exception) or isinstance(error, AceNwbError):
        return None
    place, reason = object_read(error), _first_line(error)
    if place is None:
        return _broken_rule(path, reason)
    return SessionFileError(
        f"{path}: {place} cannot be read ({reason}). It is damaged, missing, or not as NWB says; "
        f"a complete session file was expected. `ace-nwb validate {Path(path).name}` checks the "
        f"whole file; if it finds nothing, report a fault of ace_nwb ({_our_line(error)})."
    )


def object_read(error: Exception) -> str | None:
    """Return the name of the object that a library failed to read; None if it was none."""
    found = None
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    library = str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] if frames else ""
    if library not in _READERS:
        return None
    for frame in frames:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _READERS:
            found = _name_of(frame.f_locals.get("self"), frame.f_locals) or found
    return found


def _name_of(reader: Any, names: dict[str, Any]) -> str | None:
    """Return the name of the object that a frame of a library reads, or of what it looks for."""
    name = getattr(reader, "name", None)
    if name is None and hasattr(reader, "_id"):  # attributes of an HDF5 object
        import h5py

        stored = h5py.h5i.get_name(reader._id)
        name = None if stored is None else stored.decode("utf-8", "backslashreplace")
    wanted = names.get("name") if "name" in names else names.get("item")
    if not isinstance(name, str):
        return None
    return f"{name.rstrip('/')}/{wanted}" if isinstance(wanted, str) else name


def _broken_rule(path: Path | str, reason: str) -> SessionFileError | None:
    """Return the first rule of NWB that the file breaks, as an error; None if it breaks none."""
    from ace_nwb.nwb.checks import check_rules

    try:
        findings = check_rules(path)
    except (SessionLockedError, JournalError):  # in the middle of a change: nothing can be said
        return None
    except SessionFileError as error:  # not even a session that can be opened
        return error
    if not findings:
        return None
    first = findings[0]
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return SessionFileError(
        f"{path}: {first.location} is not as NWB says: {first.message}{more} ({reason}). "
        f"`ace-nwb validate {Path(path).name}` lists all; mend the file where it was made."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _our_line(error: Exception) -> str:
    """Return where in ace_nwb the exception passed last."""
    lines = [line for line in extract_tb(error.__traceback__) if "ace_nwb" in line.filename]
    if not lines:
        return "outside of its code"
    return f"{Path(lines[-1].filename).name}, line {lines[-1].lineno}, {lines[-1].name}"
