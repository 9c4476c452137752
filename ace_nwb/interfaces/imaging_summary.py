"""What `inspect` says about an imaging recording: problems become sentences."""

from collections.abc import Callable
from pathlib import Path

from ace_nwb.interfaces.imaging_recording import DeviceRecording, ImagingRecording, ReadOptions
from ace_nwb.interfaces.summaries import MovieSummary, RecordingSummary


def summarise_imaging(
    read: Callable[[Path, ReadOptions], ImagingRecording], folder_path: Path, options: ReadOptions
) -> RecordingSummary:
    """Say what a recording holds and what is wrong with it.

    Parameters
    ----------
    read
        The format's reader.
    folder_path
        The recording.
    options
        How `convert` would read it; its problems are noted here.
    """
    problems = [] if options.problems is None else options.problems
    recording = read(folder_path, options)
    problems += [item.sentence for item in recording.irregularities]
    problems += [f"The camera {name!r} is listed but has no folder." for name in recording.absent]
    if recording.start_time is None:
        problems.append("The recording does not say when it began (recordingStartTime).")
    subject_id = recording.subject.get("subject_id")
    return RecordingSummary(
        start_time=recording.start_time,
        subject_id=None if subject_id is None else str(subject_id),
        movies=tuple(_movie_summary(device) for device in recording.devices),
        notes=tuple(f"{note.device_time_s:.3f} s: {note.text}" for note in recording.notes),
        remarks=recording.remarks,
        problems=tuple(problems),
        irregularities=recording.irregularities,
        session=dict(recording.session),
    )


def _movie_summary(device: DeviceRecording) -> MovieSummary:
    """Put together what was measured of one device."""
    times_s = device.movie_times_s
    first = device.probes[0]
    statuses = [str(status) for status in device.ledger.status]
    return MovieSummary(
        device=device.folder.name,
        kind=device.folder.kind,
        device_type=str(device.folder.settings.get("deviceType", "")),
        n_files=len(device.probes),
        codec=first.codec,
        n_rows=first.n_rows,
        n_columns=first.n_columns,
        n_frames=device.n_frames,
        counted_by=first.counted_by,
        n_timestamps=int((device.times.lines >= 0).sum()),
        frame_rate_hz=device.times.frame_rate_hz,
        duration_s=float(times_s[-1] - times_s[0]) if len(times_s) else 0.0,
        n_dropped=None if device.times.daq_frame is None else device.ledger.n_dropped,
        settings={key: str(value) for key, value in device.folder.settings.items()},
        has_head_orientation=device.orientation is not None,
        frames_by_status={status: statuses.count(status) for status in sorted(set(statuses))},
    )
