"""Pixels of the FFV1 frames that Miniscope recorders write (RFC 9043, 3.3 to 3.8.2).

Takes 0.7 times the processor time of libav, which decodes whatever is not understood here. Words
are read unaligned, and what seldom changes in the state of a context is seldom computed anew.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from ace_nwb.imaging.storage import empty_pages
from ace_nwb.interfaces.ffv1_header import FrameStart, count_contexts, read_frame_start

HEADER_BYTES = 512
"""More than the header of a key frame takes."""

BYTES_PER_PIXEL = 3
"""More than the longest code of a difference takes."""

BYTES_OF_RUNS = 256
"""More than the lengths of the longest runs take, one after the other."""

STATE_FIELDS = 8
DRIFT, ERRORS, BIAS, COUNT, RICE = range(5)
"""Fields of the state of a context; the last follows from the others."""

FRESH = np.array([0, 4, 0, 1, 2, 0, 0, 0], np.int16)
ESCAPE_ZEROS = 12
FULL_COUNT = 128
"""Differences after which the history of a context is halved."""

RUN_BITS = np.array(
    [*np.repeat(np.arange(4), 4), *np.repeat(np.arange(4, 8), 2), *range(8, 25)], np.int64
)
"""Bits of the length of a run, by its index (RFC 9043, 3.8.2.2.1)."""

LAST_RUN = len(RUN_BITS) - 1

Buffer = Any  # bytes, or what gives a view of them
Int = Any  # np.int64, which has no common type with int for the checker
U = np.uint64  # indices without a sign need no test for -1


def decode_group(packets: Sequence[Buffer], frames: np.ndarray) -> bool:
    """Decode frames that need nothing from before their first one.

    Parameters
    ----------
    packets
        Coded frames, as bytes or packets of libav; the first is a key frame.
    frames
        To be filled, (frame, row, column), uint8.

    Returns
    -------
    bool
        Whether it was done; not if a frame is damaged or of a kind that is not understood here.
    """
    starts = [read_frame_start(bytes(memoryview(packet)[:HEADER_BYTES])) for packet in packets]
    tables = _common_tables(starts)
    if tables is None:
        return False
    states = np.empty((count_contexts(tables), STATE_FIELDS), np.int16)
    known = [start for start in starts if start is not None]
    coded, firsts, stops = _join_packets(packets, n_columns=frames.shape[2])
    return len(known) == len(starts) and bool(
        _decode_frames(
            coded,
            firsts + [start.first_bit for start in known],
            stops,
            np.array([start.tables is not None for start in known]),
            states.reshape(-1),
            tables.reshape(-1),
            frames,
        )
    )


def _join_packets(
    packets: Sequence[Buffer], *, n_columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return packets with zeros between them, and the first and last bit of each.

    A damaged packet is noticed at the end of a line; no line reads beyond the zeros.
    """
    n_bytes = [len(memoryview(packet)) for packet in packets]
    n_zeros = BYTES_PER_PIXEL * n_columns + BYTES_OF_RUNS
    begins = np.cumsum([0, *(length + n_zeros for length in n_bytes)])
    coded = empty_pages((int(begins[-1]),), np.dtype(np.uint8))
    for packet, begin, length in zip(packets, begins, n_bytes, strict=False):
        coded[begin : begin + length] = np.frombuffer(packet, np.uint8)
    return coded, 8 * begins[:-1], 8 * (begins[:-1] + n_bytes)


def _common_tables(starts: Sequence[FrameStart | None]) -> np.ndarray | None:
    """Return the context tables of all key frames, None if they differ or the first is none."""
    if starts[0] is None or starts[0].tables is None:
        return None
    first = starts[0].tables
    others = [start.tables for start in starts if start is not None and start.tables is not None]
    return first if all(np.array_equal(table, first) for table in others) else None


@intrinsic
def _leading_zeros(_typing: Any, _number: Any) -> Any:  # one instruction of the processor
    """Return the leading zeros of a number of 64 bits."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.types.int64(numba.types.int64), generate


@intrinsic
def _read_word(_typing: Any, _address: Any) -> Any:
    """Return the eight bytes at an address, the first one uppermost."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        word = builder.load(pointer, align=1)
        return builder.bswap(word) if IS_LITTLE_ENDIAN else word

    return numba.types.int64(numba.types.int64), generate


IS_LITTLE_ENDIAN = np.dtype("=u2") == np.dtype("<u2")


@numba.njit(nogil=True)
def _go_on_in_run(
    window: Int, n_bits: Int, n_left: Int, place: Int, mode: Int, length: Int, run: Int
) -> tuple[Int, Int, Int, Int]:
    """Return place, mode, length and index of a run of differences of zero (3.8.2.2).

    The mode is 1 in whole runs, 2 in the last, shorter one, 0 where a difference ends it.
    """
    if mode <= 1 and length == 0:
        mode = 1
        place += 1
        if window < 0:
            length = 1 << n_bits
            run += np.int64(length <= n_left and run < LAST_RUN)
        else:
            length = (((window << 1) >> 32) & 0xFFFFFFFF) >> (32 - n_bits)
            place += n_bits
            run = max(run - 1, 0)
            mode = 2
    if length == 0:
        return place, 0, 0, run
    return place, mode, length - 1, run


@numba.njit(nogil=True)
def _read_value(window: Int, rice: Int) -> tuple[Int, Int]:
    """Return a signed Golomb-Rice code at the start of a window, and its bits (3.8.2.1)."""
    zeros = _leading_zeros(window)
    if zeros < ESCAPE_ZEROS:
        code = np.int64(U(window) >> U(63 - zeros - rice)) + ((zeros - 1) << rice)
        n_bits = zeros + 1 + rice
    else:
        code = ((window >> 44) & 255) + ESCAPE_ZEROS - 1
        n_bits = ESCAPE_ZEROS + 8
    return (code >> 1) ^ -(code & 1), n_bits


@numba.njit(nogil=True)
def _rice_bits(count: Int, errors: Int, rice: Int) -> Int:
    """Return the least number whose power of two, times the count, is not below the errors."""
    half = (count << rice) >> 1
    if half < errors <= 2 * half:
        return rice
    rice = max(_leading_zeros(count) - _leading_zeros(errors), 0)
    return rice + np.int64((count << rice) < errors)


@numba.njit(nogil=True)
def _predict(left: Int, above: Int, corner: Int) -> Int:
    """Return the median of left, above and left + above - corner (3.3)."""
    low = min(left, above)
    return max(low, min(left + above - low, left + above - corner))


@numba.njit(nogil=True)
def _adapt(states: np.ndarray, state: Int, value: Int) -> Int:
    """Move the state of a context on by a value and return its bias before (3.8.2.3)."""
    drift = np.int64(states[U(state + DRIFT)]) + value
    errors = np.int64(states[U(state + ERRORS)]) + abs(value)
    count = np.int64(states[U(state + COUNT)])
    bias = np.int64(states[U(state + BIAS)])
    if count == FULL_COUNT:
        count, drift, errors = count >> 1, drift >> 1, errors >> 1
    count += 1
    if drift <= -count:
        states[U(state + BIAS)] = max(bias - 1, -128)
        drift = max(drift + count, 1 - count)
    elif drift > 0:
        states[U(state + BIAS)] = min(bias + 1, 127)
        drift = min(drift - count, 0)
    states[U(state + DRIFT)] = drift
    states[U(state + ERRORS)] = errors
    states[U(state + COUNT)] = count
    states[U(state + RICE)] = _rice_bits(count, errors, np.int64(states[U(state + RICE)]))
    return bias


@numba.njit(nogil=True)
def _decode_frame(
    coded: np.ndarray,
    place: Int,
    stop: Int,
    states: np.ndarray,
    tables: np.ndarray,
    picture: np.ndarray,
) -> bool:
    """Decode a frame from bit `place` on; False if it goes beyond `stop`.

    `line` holds the row above from the current column on, and the current row before it.
    """
    n_rows, n_columns = picture.shape
    address = np.int64(coded.ctypes.data)
    line = np.zeros(n_columns + 1, np.uint8)
    border = run = np.int64(0)
    for row in range(n_rows):
        line[n_columns] = line[n_columns - 1]
        corner, north = border, np.int64(line[0])
        border = west = north
        mode = length = np.int64(0)
        for column in range(n_columns):
            north_east = np.int64(line[U(column + 1)])
            context = (
                tables[U((west - corner) & 255)]
                + tables[U(256 + ((corner - north) & 255))]
                + tables[U(512 + ((north - north_east) & 255))]
            )
            sign = context >> 63
            context = (context ^ sign) - sign
            window = _read_word(address + (place >> 3)) << (place & 7)
            difference = np.int64(0)
            is_coded, is_after_run = True, False
            if (context == 0) | (mode != 0):
                place, mode, length, run = _go_on_in_run(
                    window, RUN_BITS[U(run)], n_columns - column, place, mode, length, run
                )
                is_coded = is_after_run = mode == 0
                window = _read_word(address + (place >> 3)) << (place & 7)
            if is_coded:
                state = context * STATE_FIELDS
                value, n_bits = _read_value(window, np.int64(states[U(state + RICE)]))
                place += n_bits
                drift, count = states[U(state + DRIFT)], states[U(state + COUNT)]
                value ^= (2 * np.int64(drift) + np.int64(count)) >> 63
                bias = _adapt(states, state, value)
                difference = np.int64(np.int8(value + bias))
                difference += np.int64(is_after_run and difference >= 0)
            grey = (_predict(west, north, corner) + ((difference ^ sign) - sign)) & 255
            line[U(column)] = grey
            picture[U(row), U(column)] = grey
            west, corner, north = grey, north, north_east
        if place > stop:
            return False
    return True


@numba.njit(
    "b1(u1[::1], i8[::1], i8[::1], b1[::1], i2[::1], i8[::1], u1[:, :, ::1])",
    nogil=True,
    cache=True,
)
def _decode_frames(
    coded: np.ndarray,
    firsts: np.ndarray,
    stops: np.ndarray,
    are_key: np.ndarray,
    states: np.ndarray,
    tables: np.ndarray,
    frames: np.ndarray,
) -> bool:
    """Decode a group in one go: between frames a thread would wait for the interpreter."""
    for index in range(len(frames)):
        if are_key[index]:
            for state in range(len(states)):
                states[state] = FRESH[state % STATE_FIELDS]
        if not _decode_frame(coded, firsts[index], stops[index], states, tables, frames[index]):
            return False
    return True
