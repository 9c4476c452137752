"""Digital inputs, buttons and messages of an ONIX acquisition."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.interfaces.ephys_recording import DigitalLine, EventList
from ace_nwb.interfaces.onix.files import DIGITAL, DIGITAL_TABLES, find_files, find_one, map_raw
from ace_nwb.interfaces.onix.findings import Findings


def read_digital(folder_path: Path, clock_hz: float, findings: Findings) -> Iterator[DigitalLine]:
    """Yield the digital inputs and buttons: raw files, or one CSV file."""
    clock_path = find_one(folder_path, DIGITAL[:1], "raw")
    ports: list[tuple[str, np.ndarray, np.ndarray]] = []
    if clock_path is not None:
        clock = map_raw(clock_path, np.uint64).astype(np.int64)
        for name, prefix in (("DigitalInput", "digital-pins"), ("Button", "digital-buttons")):
            path = find_one(folder_path, (prefix,), "raw")
            if path is not None:
                ports.append((name, clock, _words(path, len(clock))))
    elif (path := find_one(folder_path, DIGITAL_TABLES, "csv")) is not None:
        table = _read_rows(path, findings, n_columns=2)
        ports.append(("DigitalInput", table[:, 0], table[:, 1]))
        if table.shape[1] > 2:
            ports.append(("Button", table[:, 0], table[:, 2]))
    else:
        findings.without_clock(find_files(folder_path, DIGITAL[1:], "raw"), clock=DIGITAL[0])
    for name, counts, words in ports:
        yield from _edges(name, counts / clock_hz, words)


def _words(file_path: Path, n_words: int) -> np.ndarray:
    """Return the words of a port, of the width that the clock implies."""
    width = file_path.stat().st_size / max(1, n_words)
    if width not in (1, 2, 4, 8):
        raise EphysError(
            f"{file_path} holds {file_path.stat().st_size} bytes for {n_words} values of its "
            "clock. 1, 2, 4 or 8 bytes a value were expected; copy the files again."
        )
    return map_raw(file_path, np.dtype(f"<u{int(width)}")).astype(np.int64)


def _edges(prefix: str, times_s: np.ndarray, words: np.ndarray) -> Iterator[DigitalLine]:
    """Yield every bit that changes; the first word is the state at the start."""
    for bit in range(16):
        levels = ((words >> bit) & 1).astype(np.uint8)
        changed = np.flatnonzero(np.diff(levels.astype(np.int8))) + 1
        if len(changed):
            yield DigitalLine(f"{prefix}{bit}", times_s[changed], levels[changed])


def read_port_status(
    folder_path: Path, clock_hz: float, findings: Findings
) -> tuple[EventList, ...]:
    """Return the messages of the port (time, clock, code); there may be a header."""
    path = find_one(folder_path, ("port-status",), "csv")
    if path is None:
        return ()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        cells = list(CsvRows((line.replace("\0", "") for line in file), path))
    messages = [
        (int(row[1]), int(row[2]))
        for row in cells
        if len(row) >= 3 and row[1].strip().isdigit() and row[2].strip().isdigit()
    ]
    is_headed = bool(cells) and not any(map(str.isdigit, "".join(cells[0])))
    n_other = sum(map(bool, cells)) - len(messages) - is_headed
    if n_other:
        findings.incomplete(
            f"{path} holds {n_other} row(s) that are no message (time, clock, code); they are left "
            "out."
        )
    if not messages:
        return ()
    counts, codes = np.array(messages, np.int64).T
    return (
        EventList(
            name="PortStatus",
            description="Status messages of the port to the headstage.",
            times_s=counts / clock_hz,
            columns={"code": ("Status code.", codes)},
        ),
    )


def _read_rows(file_path: Path, findings: Findings, *, n_columns: int) -> np.ndarray:
    """Return the rows of whole numbers of a CSV file, with or without a header."""
    with file_path.open(encoding="utf-8-sig", newline="", errors="backslashreplace") as file:
        reader = CsvRows((line.replace("\0", "") for line in file), file_path)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    if rows and not any(cell.isdigit() for cell in rows[0][1]):
        del rows[0]  # the header
    width = len(rows[0][1]) if rows else 0
    if rows and not _is_whole(rows[-1][1], width):
        line, cells = rows.pop()
        findings.cut_row(file_path, line, n_cells=len(cells), of=width)
    if not rows or width < n_columns:
        raise EphysError(
            f"{file_path} holds no rows of whole numbers. Clock, inputs and buttons were expected; "
            "copy the file again."
        )
    for line, cells in rows:
        if not _is_whole(cells, width):
            raise EphysError(
                f"{file_path} line {line} holds {','.join(cells)[:40]!r}. {width} whole numbers "
                "were expected, as in its first line; copy the file again or correct the line."
            )
    return np.array([cells for _line, cells in rows]).astype(np.int64)


def _is_whole(cells: list[str], width: int) -> bool:
    """Return whether a row has as many cells as the others, whole numbers all."""
    return len(cells) == width and all(cell.isdigit() for cell in cells)
