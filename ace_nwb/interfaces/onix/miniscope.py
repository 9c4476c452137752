"""The Miniscope of an ONIX acquisition: movie, frame clock, head orientation."""

from datetime import datetime
from pathlib import Path

import numpy as np

from ace_nwb.errors import TimestampError
from ace_nwb.interfaces.frame_rows import MovieFile, probe_files
from ace_nwb.interfaces.frame_times import NO_REPAIR, make_stamp_table, repair_table
from ace_nwb.interfaces.imaging_recording import (
    ClockFacts,
    DeviceFolder,
    DeviceRecording,
    HeadOrientation,
    ImagingRecording,
    ReadOptions,
    Signal,
    assemble_device,
)
from ace_nwb.interfaces.number_tables import (
    CUT_ROW_EXPECTED,
    NumberTable,
    describe_cut_row,
    read_table,
)
from ace_nwb.interfaces.onix.files import (
    CLOCK,
    MINISCOPE_NAME,
    VIDEO,
    VIDEO_CLOCK,
    check_one_start,
    describe_unread,
    find_one,
    has_streams,
    map_raw,
    read_start,
)
from ace_nwb.interfaces.policies import Irregularity, Policies

PROGRAM = "Bonsai with ONIX"
ROWS_PER_FRAME = 608
"""Values of the clock per frame in files with one per row of the sensor."""

BNO_COLUMNS = ("clock", "euler_x", "euler_y", "euler_z", "qx", "qy", "qz", "qw")
BNO_TAIL = ("ax", "ay", "az", "gx", "gy", "gz", "temperature")


def read_recording(folder_path: Path, options: ReadOptions | None = None) -> ImagingRecording:
    """Read the Miniscope of an acquisition; the movie is measured but not decoded."""
    chosen = options or ReadOptions()
    start = chosen.attempt(lambda: read_start(folder_path), None)
    clock_hz = 250e6 if start is None else start.clock_hz
    device = chosen.attempt(
        lambda: read_miniscope(folder_path, options=chosen, clock_hz=clock_hz), None
    )
    began: datetime | None = None if start is None else start.start
    if began is not None and chosen.zone is not None:
        began = began.astimezone(chosen.zone)
    return ImagingRecording(
        format_name=MINISCOPE_NAME,
        program=PROGRAM,
        base_path=folder_path,
        start_time=began,
        devices=() if device is None else (device,),
        remarks=(
            f"Times are counts of the ONIX clock at {clock_hz:.0f} Hz.",
            *(() if has_streams(folder_path) else describe_unread(folder_path)),
        ),
    )


def read_miniscope(folder_path: Path, *, options: ReadOptions, clock_hz: float) -> DeviceRecording:
    """Read movie, frame clock and head orientation."""
    check_one_start(folder_path)
    movie_path = find_one(folder_path, VIDEO, "avi")
    clock_path = find_one(folder_path, VIDEO_CLOCK, "raw")
    if movie_path is None or clock_path is None:
        raise TimestampError(
            f"{folder_path} lacks the movie or the frame clock of the Miniscope. Both were "
            "expected; copy the files from the acquisition computer."
        )
    files, noted = probe_files(
        [movie_path], policies=options.policies, device="Miniscope", decode=options.decode
    )
    n_frames = sum(file.n_expected or _stated_frames(file) for file in files)
    counts = frame_counts(map_raw(clock_path, np.uint64), n_frames, clock_path)
    table = make_stamp_table(clock_path, counts.astype(np.float64) / clock_hz, first_line=1)
    times = repair_table(table, policies=options.policies, device="Miniscope")
    orientation, signals, cut_rows = read_bno055(
        folder_path, clock_hz=clock_hz, policies=options.policies
    )
    device = assemble_device(
        DeviceFolder("Miniscope", "scope", folder_path, {"deviceType": "Miniscope_V4"}),
        files,
        times,
        base_path=folder_path,
        policies=options.policies,
        noted=[*noted, *cut_rows],
        orientation=orientation,
    )
    return _with(device, signals, ClockFacts(CLOCK, clock_hz, int(counts[0])))


def frame_counts(clock: np.ndarray, n_frames: int, clock_path: Path) -> np.ndarray:
    """Return the clock at the start of every frame, shape (frame,).

    Parameters
    ----------
    clock
        One value per frame, or one per row of the sensor (608 a frame).
    n_frames
        Frames of the movie.

    Raises
    ------
    TimestampError
        If there are neither as many values as frames nor 608 times as many.
    """
    for per_frame in (1, ROWS_PER_FRAME):
        if len(clock) == n_frames * per_frame:
            return np.asarray(clock[::per_frame])
    for per_frame in (ROWS_PER_FRAME, 1):  # a few frames more or less: a matter of policies
        apart = abs(len(clock) / per_frame - n_frames)
        if len(clock) % per_frame == 0 and apart <= max(10, 0.1 * n_frames):
            return np.asarray(clock[::per_frame])
    raise TimestampError(
        f"{clock_path} holds {len(clock)} values for a movie of {n_frames} frames. {n_frames} or "
        f"{ROWS_PER_FRAME} x {n_frames} = {ROWS_PER_FRAME * n_frames} were expected; do movie and "
        "clock belong together?"
    )


def read_bno055(
    folder_path: Path, *, clock_hz: float, policies: Policies
) -> tuple[HeadOrientation | None, tuple[Signal, ...], list[Irregularity]]:
    """Read the orientation sensor: 15 columns, or 16 with a flag, no header."""
    file_path = find_one(folder_path, ("bno055",), "csv")
    if file_path is None:
        return None, (), []
    header = _bno_header(file_path)
    table = read_table(file_path, required=(), headers={(): header}, skip=("flag",))
    if table.bad_cells:
        line, name, cell = table.bad_cells[0]
        raise TimestampError(
            f"{file_path} line {line}, column {name} holds {cell[:40]!r}. Numbers were expected; "
            "copy the file again or correct the line."
        )
    columns = table.columns
    times_s = columns["clock"] / clock_hz
    if not (np.diff(times_s) > 0).all():
        raise TimestampError(
            f"{file_path} holds clock values that do not increase. A clock that runs forwards was "
            "expected; the file is damaged or of two acquisitions."
        )
    quaternions = np.stack([columns[name] for name in ("qw", "qx", "qy", "qz")], axis=1)
    orientation = HeadOrientation(times_s, quaternions, times_s, np.full(len(times_s), NO_REPAIR))
    noted = [] if table.cut_row is None else [_cut_row(table, policies)]
    return orientation, _bno_signals(columns, times_s), noted


def _cut_row(table: NumberTable, policies: Policies) -> Irregularity:
    """Note a last row that breaks off."""
    found, choice = describe_cut_row(table), policies["cut_row"]
    return Irregularity("cut_row", choice, "BNO055", 1, found, CUT_ROW_EXPECTED, TimestampError)


def _stated_frames(file: MovieFile) -> int:
    """Return the frames of a file that may be cut off: its header says how many it held."""
    return max(file.n_frames, 0 if file.probe is None else file.probe.n_frames_header)


def _bno_header(file_path: Path) -> list[str]:
    """Return the names of the columns by their number."""
    with file_path.open(encoding="utf-8-sig", errors="replace") as file:
        n_columns = file.readline().count(",") + 1
    plain = [*BNO_COLUMNS, *BNO_TAIL]
    headers = {len(plain): plain, len(plain) + 1: [*BNO_COLUMNS, "flag", *BNO_TAIL]}
    headers[len(BNO_COLUMNS)] = list(BNO_COLUMNS)
    if n_columns not in headers:
        raise TimestampError(
            f"{file_path} has {n_columns} columns. {len(plain)}, or {len(plain) + 1} with a flag, "
            "were expected; is this the file of a BNO055?"
        )
    return headers[n_columns]


def _bno_signals(columns: dict[str, np.ndarray], times_s: np.ndarray) -> tuple[Signal, ...]:
    """Return the other signals of the sensor."""
    groups = [
        ("HeadEulerAngles", "Euler angles of the sensor: x, y, z.", "degrees", "euler_"),
        ("HeadAcceleration", "Linear acceleration: x, y, z.", "m/s^2", "a"),
        ("HeadGravity", "Direction of gravity: x, y, z.", "m/s^2", "g"),
    ]
    signals = [
        Signal(name, text, unit, times_s, np.stack([columns[p + a] for a in "xyz"], axis=1))
        for name, text, unit, p in groups
        if p + "x" in columns
    ]
    if "temperature" in columns:
        text = "Temperature of the sensor."
        signals.append(
            Signal(
                "HeadSensorTemperature", text, "degrees Celsius", times_s, columns["temperature"]
            )
        )
    return tuple(signals)


def _with(
    device: DeviceRecording, signals: tuple[Signal, ...], clock: ClockFacts
) -> DeviceRecording:
    """Return a device with its signals and clock."""
    from dataclasses import replace

    return replace(device, signals=signals, clock=clock)
