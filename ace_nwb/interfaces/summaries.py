"""What `inspect` says about a recording: its movies, channels and TTL lines."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ace_nwb.interfaces.policies import Irregularity


@dataclass(frozen=True)
class MovieSummary:
    """What `inspect` says about one camera or scope."""

    device: str
    kind: Literal["scope", "camera"]
    device_type: str
    n_files: int
    codec: str
    n_rows: int
    n_columns: int
    n_frames: int
    counted_by: str
    n_timestamps: int
    frame_rate_hz: float
    duration_s: float
    n_dropped: int | None
    settings: dict[str, str]
    has_head_orientation: bool
    frames_by_status: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ChannelSummary:
    """What `inspect` says about one ephys channel."""

    name: str
    rate_hz: float
    n_samples: int
    n_segments: int
    duration_s: float
    gaps_s: tuple[float, ...]
    microvolt_per_bit: float


@dataclass(frozen=True)
class LineSummary:
    """What `inspect` says about one TTL line."""

    name: str
    n_edges: int
    edge_rate_hz: float
    first_s: float
    last_s: float


@dataclass(frozen=True)
class RecordingSummary:
    """What `inspect` says about one recording; empty tuples where a format has no such thing.

    `start_time` has a time zone only if the recording says so. `irregularities` are those with a
    policy, `session` is what the recording says by the names of NWB.
    """

    start_time: datetime | None
    subject_id: str | None = None
    movies: tuple[MovieSummary, ...] = ()
    channels: tuple[ChannelSummary, ...] = ()
    lines: tuple[LineSummary, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    irregularities: tuple[Irregularity, ...] = ()
    session: dict[str, Any] = field(default_factory=dict)
