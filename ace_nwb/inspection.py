"""What a folder holds before anything is converted: the data behind `ace-nwb inspect`.

Nothing is written and NeuroConv is not loaded. What is wrong with a recording is said, not raised.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ace_nwb.errors import InputError, MissingPackageError
from ace_nwb.interfaces.base import Candidate
from ace_nwb.interfaces.detection import (
    describe_search,
    detect,
    explain,
    find_candidates,
    load_format,
)
from ace_nwb.interfaces.metadata import load_metadata, missing_for_dandi, missing_for_nwb
from ace_nwb.interfaces.metadata_template import write_template
from ace_nwb.interfaces.sources import SourceOptions, mapped_candidate
from ace_nwb.interfaces.summaries import ChannelSummary, LineSummary, MovieSummary, RecordingSummary
from ace_nwb.nwb.commit.new_file import write_new
from ace_nwb.registry import FORMATS

START_TOLERANCE_H = 1.0
"""Recordings that began further apart are hardly of one session."""

LISTED = 8
"""Items of a long list that the text shows."""


@dataclass(frozen=True)
class InspectedRecording:
    """One recording, by which evidence it was recognised, and what it holds."""

    candidate: Candidate
    title: str
    modality: str
    summary: RecordingSummary


@dataclass(frozen=True)
class Inspection:
    """Everything `inspect` found.

    Parameters
    ----------
    folder_path
        The folder that was given.
    recordings
        What was recognised, best evidence first.
    problems
        What would keep `convert` from working or that it would repair, in sentences.
    missing
        Keys of the metadata file that NWB or DANDI need and no source says.
    """

    folder_path: Path
    recordings: tuple[InspectedRecording, ...]
    problems: tuple[str, ...]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready dictionaries and lists."""
        return {
            "folder": str(self.folder_path),
            "recordings": [_recording_json(recording) for recording in self.recordings],
            "problems": list(self.problems),
            "missing_metadata": list(self.missing),
        }

    def to_template(self) -> str:
        """Return a meta.yaml to fill in, with what the recordings say."""
        known: dict[str, dict[str, Any]] = {"NWBFile": {}, "Subject": {}}
        for recording in reversed(self.recordings):
            summary = recording.summary
            known["NWBFile"] |= summary.session
            if summary.start_time is not None and summary.start_time.tzinfo is not None:
                known["NWBFile"]["session_start_time"] = summary.start_time.isoformat()
            if summary.subject_id is not None:
                known["Subject"]["subject_id"] = summary.subject_id
        return write_template(known, list(self.missing))

    def to_text(self) -> str:
        """Return everything as text for a terminal."""
        lines = [f"{self.folder_path}"]
        for recording in self.recordings:
            lines += ["", *_recording_lines(recording)]
        if not self.recordings:
            lines += ["", describe_search(self.folder_path)]
        if self.problems:
            lines += ["", "Problems"] + [f"  ! {problem}" for problem in self.problems]
        if self.missing:
            lines += ["", "Not in the folders; give in the metadata file (--metadata)"]
            lines += [f"  - {key}" for key in self.missing]
        return "\n".join(lines)


def inspect_folder(
    folder: Path | str,
    ephys_folder: Path | str | None = None,
    *,
    metadata: Path | str | dict[str, Any] | None = None,
    decode: bool = False,
    options: SourceOptions | None = None,
) -> Inspection:
    """Find out what a folder holds.

    Parameters
    ----------
    folder
        A recording, a device folder, an ephys folder, or a folder that holds them.
    ephys_folder
        The ephys folder, if it stands elsewhere.
    metadata
        Session metadata to check for what is missing.
    decode
        Count frames by decoding every one instead of by the packets of the files.
    options
        As they would be given to `convert`.

    Raises
    ------
    FormatError
        If a folder does not exist.
    """
    folders = [Path(folder)] + ([Path(ephys_folder)] if ephys_folder is not None else [])
    chosen = options or SourceOptions()
    names = chosen.formats or FORMATS.names()
    candidates = dict.fromkeys(
        found for path in folders for found in find_candidates(path) if found.format_name in names
    )
    if (mapped := mapped_candidate(folders[0], chosen)) is not None:
        candidates[mapped] = None
    recordings = tuple(_inspect(found, chosen, decode=decode) for found in candidates)
    problems = [problem for recording in recordings for problem in recording.summary.problems]
    problems += _detection_problems(folders, recordings, chosen)
    problems += _segment_problems(recordings) if chosen.segments else []
    problems += _start_problems(recordings)
    return Inspection(
        folder_path=Path(folder),
        recordings=recordings,
        problems=tuple(problems),
        missing=tuple(_missing(recordings, metadata)),
    )


def write_template_file(file_path: Path, inspection: Inspection) -> None:
    """Write a metadata file to fill in.

    Raises
    ------
    OutputError
        If it exists, or its folder cannot be written to.
    """
    write_new(file_path, inspection.to_template())  # one that exists may be filled in already


def _inspect(candidate: Candidate, options: SourceOptions, *, decode: bool) -> InspectedRecording:
    """Summarise one recording."""
    found = load_format(candidate.format_name)
    problems: list[str] = []
    try:
        reading = options.read_options(decode=decode, problems=problems)
        summary = found.summarise(candidate.folder_path, reading)
    except (InputError, MissingPackageError) as error:
        summary = RecordingSummary(start_time=None, problems=(*problems, str(error)))
    return InspectedRecording(candidate, found.title, found.modality, summary)


def _detection_problems(
    folders: list[Path], recordings: tuple[InspectedRecording, ...], options: SourceOptions
) -> list[str]:
    """Return why `convert` would refuse the choice of recordings."""
    problems = []
    for modality in sorted({recording.modality for recording in recordings}):
        for folder in folders:
            if modality == "imaging" and options.segments:
                continue
            try:
                detect(folder, modality, format_name=options.format_of(modality))
            except InputError as error:
                problems.append(str(error))
    return problems


def _segment_problems(recordings: tuple[InspectedRecording, ...]) -> list[str]:
    """Return why recordings cannot be joined as segments of one session."""
    imaging = [item for item in recordings if item.modality == "imaging"]
    timed = [(r.summary.start_time, r) for r in imaging if r.summary.start_time is not None]
    problems = [
        f"{item.candidate.folder_path} does not say when it began, so it cannot be a segment."
        for item in imaging
        if item.summary.start_time is None
    ]
    ordered = sorted(timed, key=lambda pair: pair[0])
    for (start, first), (later, second) in pairwise(ordered):
        names = [sorted(m.device for m in item.summary.movies) for item in (first, second)]
        places = f"{first.candidate.folder_path} and {second.candidate.folder_path}"
        if names[0] != names[1]:
            problems.append(f"{places} have other devices, so they cannot be segments of one.")
        lasted_s = max((movie.duration_s for movie in first.summary.movies), default=0.0)
        if (later - start).total_seconds() <= lasted_s:
            problems.append(f"{places} overlap in time, so they cannot be segments of one.")
    return problems


def _start_problems(recordings: tuple[InspectedRecording, ...]) -> list[str]:
    """Return which recordings began too far apart to be of one session, by local clocks."""
    starts = {
        recording.modality: (recording, recording.summary.start_time)
        for recording in recordings
        if recording.summary.start_time is not None
    }
    if set(starts) != {"imaging", "ephys"}:
        return []
    (imaging, imaging_start), (ephys, ephys_start) = starts["imaging"], starts["ephys"]
    if imaging_start.tzinfo is None or ephys_start.tzinfo is None:
        imaging_start, ephys_start = (t.replace(tzinfo=None) for t in (imaging_start, ephys_start))
    apart_h = abs((imaging_start - ephys_start).total_seconds()) / 3600
    if apart_h < START_TOLERANCE_H:
        return []
    return [
        f"{imaging.candidate.folder_path} and {ephys.candidate.folder_path} began "
        f"{apart_h:.1f} h apart by their own clocks; are they of the same session?"
    ]


def _missing(
    recordings: tuple[InspectedRecording, ...], metadata: Path | str | dict[str, Any] | None
) -> list[str]:
    """Return the metadata that nothing says."""
    if not recordings:
        return []
    session = load_metadata(metadata)
    modalities = {recording.modality for recording in recordings}
    missing = missing_for_nwb(session, modalities=modalities) + missing_for_dandi(session)
    starts = [recording.summary.start_time for recording in recordings]
    is_timed = any(start is not None and start.tzinfo is not None for start in starts)
    if session.NWBFile.session_start_time is None and not is_timed:
        missing.insert(0, "NWBFile.session_start_time")
    if all(recording.summary.subject_id is None for recording in recordings):
        return missing
    return [key for key in missing if key != "Subject.subject_id"]


def _recording_json(recording: InspectedRecording) -> dict[str, Any]:
    """Return one recording for JSON."""
    candidate = recording.candidate
    start_time = recording.summary.start_time
    return {
        "format": candidate.format_name,
        "title": recording.title,
        "modality": recording.modality,
        "folder": str(candidate.folder_path),
        "score": candidate.score,
        "evidence": [asdict(item) for item in candidate.evidence],
        **_plain(recording.summary),
        "start_time": None if start_time is None else start_time.isoformat(),
        "irregularities": [
            {
                "policy": item.policy,
                "choice": item.choice,
                "device": item.device,
                "count": item.count,
                "sentence": item.sentence,
            }
            for item in recording.summary.irregularities
        ],
    }


def _plain(summary: RecordingSummary) -> dict[str, Any]:
    """Return a summary as dictionaries, without what has its own form in JSON."""
    return asdict(replace(summary, irregularities=()))


def _recording_lines(recording: InspectedRecording) -> Iterator[str]:
    """Yield the text about one recording."""
    summary = recording.summary
    yield f"{recording.title}, in {recording.candidate.folder_path}"
    yield from (f"  {line}" for line in explain(recording.candidate).splitlines())
    if summary.start_time is not None:
        zone = "" if summary.start_time.tzinfo else " by its own clock, no time zone recorded"
        yield f"  started {summary.start_time.isoformat(timespec='milliseconds')}{zone}"
    for movie in summary.movies:
        yield from _movie_lines(movie)
    yield from (f"  {remark}" for remark in summary.remarks)
    if summary.channels:
        yield "  channels"
        yield from (_channel_line(channel) for channel in summary.channels)
    if summary.lines:
        yield "  TTL lines"
        yield from (_line_line(line) for line in summary.lines)
    if summary.notes:
        yield "  notes"
        yield from (f"    {note}" for note in summary.notes[:LISTED])
        if len(summary.notes) > LISTED:
            yield f"    ... {len(summary.notes) - LISTED} more"


def _movie_lines(movie: MovieSummary) -> Iterator[str]:
    """Yield the text about one scope or camera."""
    drops = "losses unknown" if movie.n_dropped is None else f"{movie.n_dropped} lost"
    yield (
        f"  {movie.kind} {movie.device} ({movie.device_type or 'type not stated'}): "
        f"{movie.n_files} {movie.codec} files, {movie.n_columns} x {movie.n_rows} pixels"
    )
    others = {
        status: count
        for status, count in movie.frames_by_status.items()
        if status not in ("recorded", "dropped")
    }
    yield (
        f"    {movie.n_frames} frames (counted by {movie.counted_by}), "
        f"{movie.n_timestamps} time stamps, {drops}; {movie.frame_rate_hz:.2f} frames/s "
        f"over {movie.duration_s:.1f} s"
    )
    if others:
        yield "    " + ", ".join(f"{count} {status}" for status, count in others.items())
    if movie.has_head_orientation:
        yield "    with head orientation"


def _channel_line(channel: ChannelSummary) -> str:
    """Return the text about one ephys channel."""
    gaps = ", ".join(f"{gap:.3f} s" for gap in channel.gaps_s[:LISTED])
    return (
        f"    {channel.name}: {channel.n_samples} samples at {channel.rate_hz:.4f} Hz, "
        f"{channel.duration_s:.1f} s, {abs(channel.microvolt_per_bit):.4g} uV per bit"
        + (f"; {len(channel.gaps_s)} gap(s): {gaps}" if gaps else "")
    )


def _line_line(line: LineSummary) -> str:
    """Return the text about one TTL line."""
    return (
        f"    {line.name}: {line.n_edges} edges, {line.edge_rate_hz:.2f} per s (median), "
        f"{line.first_s:.3f} to {line.last_s:.3f} s"
    )
