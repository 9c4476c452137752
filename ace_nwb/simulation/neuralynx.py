"""Writes a Neuralynx (Cheetah) folder: continuous channels with a gap, and the event file."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

HEADER_BYTES = 16 * 1024  # of every Neuralynx file
RECORD_SAMPLES = 512  # of an .ncs record
AD_MAX_VALUE = 32767  # counts of full scale, 16 bits with sign
TTL_EVENT_ID = 11  # of events of the TTL ports, as Cheetah 6 numbers them
RECORDING_EVENT_ID = 19  # of "Starting Recording" and "Stopping Recording"

NCS_DTYPE = np.dtype(
    [
        ("timestamp_us", "<u8"),
        ("channel", "<u4"),
        ("sampling_rate_hz", "<u4"),
        ("n_valid", "<u4"),
        ("samples", "<i2", RECORD_SAMPLES),
    ]
)
NEV_DTYPE = np.dtype(
    [
        ("reserved", "<i2"),
        ("system_id", "<i2"),
        ("data_size", "<i2"),
        ("timestamp_us", "<u8"),
        ("event_id", "<i2"),
        ("ttl", "<i2"),
        ("crc", "<i2"),
        ("dummy", "<i2", 2),
        ("extra", "<i4", 8),
        ("text", "S128"),
    ]
)


@dataclass(frozen=True)
class NeuralynxSpec:
    """How the recorder was set up.

    Parameters
    ----------
    sampling_rate_hz, true_rate_hz
        Rate in the headers, and the rate at which time stamps truly advance.
    first_timestamp_us
        Time stamp of the first sample: the recorder counts from when it was switched on.
    opened
        Local time of the recorder's computer at the first sample.
    gap_samples
        (first sample lost, first sample present again), or None.
    """

    sampling_rate_hz: float
    true_rate_hz: float
    first_timestamp_us: int
    opened: datetime
    closed: datetime
    gap_samples: tuple[int, int] | None

    def timestamp_us(self, time_s: np.ndarray | float) -> np.ndarray:
        """Return the recorder's time stamps of times in seconds from the first sample."""
        return np.uint64(self.first_timestamp_us) + np.round(np.asarray(time_s) * 1e6).astype(
            np.uint64
        )


@dataclass(frozen=True)
class PortEvents:
    """State of one input port after every change of any of its lines.

    Parameters
    ----------
    port
        Number of the port.
    times_s
        Shape (event,).
    words
        The whole port as an integer, one bit per line, shape (event,).
    """

    port: int
    times_s: np.ndarray
    words: np.ndarray


def combine_lines(port: int, edges_s: dict[int, np.ndarray], *, start_word: int) -> PortEvents:
    """Merge the edges of several lines into the words of their port.

    Parameters
    ----------
    edges_s
        Times of the edges of each line by bit; every edge turns the line over.
    start_word
        State of the port before the first edge.
    """
    times = np.concatenate([np.asarray(edges, float) for edges in edges_s.values()])
    flips = np.concatenate([np.full(len(edges), 1 << bit) for bit, edges in edges_s.items()])
    order = np.argsort(times, kind="stable")
    words = np.bitwise_xor.accumulate(np.concatenate([[start_word], flips[order]]))[1:]
    return PortEvents(port, times[order], words)


def write_ncs(
    path: Path, signal_uv: np.ndarray, *, spec: NeuralynxSpec, channel: int, input_range_uv: int
) -> None:
    """Write one continuous channel; the recorder stores it inverted, as Cheetah does by default.

    Parameters
    ----------
    signal_uv
        Shape (sample,), microvolts; samples inside the gap are not written.
    input_range_uv
        Full scale of the 16 bit.
    """
    bit_uv = input_range_uv / AD_MAX_VALUE
    counts = np.round(-signal_uv / bit_uv)
    counts = np.clip(counts, -AD_MAX_VALUE, AD_MAX_VALUE).astype("<i2")
    gap_start, gap_stop = spec.gap_samples or (len(counts), len(counts))
    records = [
        _make_records(counts, start, stop, spec=spec, channel=channel)
        for start, stop in ((0, gap_start), (gap_stop, len(counts)))
        if stop > start
    ]
    fields = _channel_fields(path, spec, channel=channel, input_range_uv=input_range_uv)
    with path.open("wb") as file:
        file.write(_make_header(fields))
        file.write(np.concatenate(records).tobytes())


def _make_records(
    counts: np.ndarray, start: int, stop: int, *, spec: NeuralynxSpec, channel: int
) -> np.ndarray:
    """Cut samples start..stop into records; the last one may be filled only in part."""
    firsts = np.arange(start, stop, RECORD_SAMPLES)
    records = np.zeros(len(firsts), NCS_DTYPE)
    records["timestamp_us"] = spec.timestamp_us(firsts / spec.true_rate_hz)
    records["channel"] = channel
    records["sampling_rate_hz"] = round(spec.sampling_rate_hz)
    records["n_valid"] = np.minimum(RECORD_SAMPLES, stop - firsts)
    padded = np.zeros(len(firsts) * RECORD_SAMPLES, "<i2")
    padded[: stop - start] = counts[start:stop]
    records["samples"] = padded.reshape(-1, RECORD_SAMPLES)
    return records


def write_nev(path: Path, ports: list[PortEvents], *, spec: NeuralynxSpec, stop_s: float) -> None:
    """Write the event file: the ports' words, between the start and the stop of recording."""
    rows = [(0.0, RECORDING_EVENT_ID, 0, "Starting Recording")]
    for port in ports:
        text = "TTL Input on AcqSystem1_0 board 0 port {} value (0x{:04X})."
        rows += [
            (float(time_s), TTL_EVENT_ID, int(word), text.format(port.port, word))
            for time_s, word in zip(port.times_s, port.words, strict=True)
        ]
    rows.sort(key=lambda row: row[0])
    rows.append((stop_s, RECORDING_EVENT_ID, 0, "Stopping Recording"))
    records = np.zeros(len(rows), NEV_DTYPE)
    records["data_size"] = 2
    times_s, records["event_id"], words, records["text"] = zip(*rows, strict=True)
    records["ttl"] = np.array(words, np.uint16).view(np.int16)
    records["timestamp_us"] = spec.timestamp_us(np.array(times_s))
    with path.open("wb") as file:
        file.write(_make_header(_file_fields(path, spec, kind="Event", record_bytes=184)))
        file.write(records.tobytes())


def _file_fields(
    path: Path, spec: NeuralynxSpec, *, kind: str, record_bytes: int
) -> dict[str, object]:
    """Return the header fields that every file has."""
    folder = f"{spec.opened:%Y-%m-%d_%H-%M-%S}"
    session = uuid.uuid5(uuid.NAMESPACE_OID, f"{folder} {spec.first_timestamp_us}")
    return {
        "FileType": kind,
        "FileVersion": "3.4",
        "FileUUID": uuid.uuid5(session, path.name),
        "SessionUUID": session,
        "ProbeName": "",
        "OriginalFileName": f'"D:\\CheetahData\\{folder}\\{path.name}"',
        "TimeCreated": f"{spec.opened:%Y/%m/%d %H:%M:%S}",
        "TimeClosed": f"{spec.closed:%Y/%m/%d %H:%M:%S}",
        "RecordSize": record_bytes,
        "ApplicationName": 'Cheetah "6.4.2"',
        "AcqEntName": path.stem,
        "AcquisitionSystem": "AcqSystem1 DigitalLynxSX",
        "ReferenceChannel": '"AcqSystem1_0 REF 0"',
    }


def _channel_fields(
    path: Path, spec: NeuralynxSpec, *, channel: int, input_range_uv: int
) -> dict[str, object]:
    """Return the header fields of a continuous channel."""
    is_emg = path.stem.startswith("EMG")
    return {
        **_file_fields(path, spec, kind="NCS", record_bytes=NCS_DTYPE.itemsize),
        "HardwareSubSystemName": "AcqSystem1",
        "HardwareSubSystemType": "DigitalLynxSX",
        "SamplingFrequency": f"{spec.sampling_rate_hz:g}",
        "ADMaxValue": AD_MAX_VALUE,
        "ADBitVolts": f"{input_range_uv * 1e-6 / AD_MAX_VALUE:.24f}",
        "NumADChannels": 1,
        "ADChannel": channel,
        "InputRange": input_range_uv,
        "InputInverted": True,
        "DSPLowCutFilterEnabled": True,
        "DspLowCutFrequency": "10" if is_emg else "0.1",
        "DspLowCutNumTaps": 0,
        "DspLowCutFilterType": "DCO",
        "DSPHighCutFilterEnabled": True,
        "DspHighCutFrequency": "500",
        "DspHighCutNumTaps": 256,
        "DspHighCutFilterType": "FIR",
        "DspDelayCompensation": "Enabled",
        "DspFilterDelay_µs": 3984,
    }


def _make_header(fields: dict[str, object]) -> bytes:
    """Return the text header, padded to 16 kB with zeros."""
    lines = ["######## Neuralynx Data File Header"]
    lines += [f"-{name} {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, ""]).encode("latin-1").ljust(HEADER_BYTES, b"\0")
