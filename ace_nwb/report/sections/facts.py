"""The head of the page: who, when and with what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.events import list_event_tables, list_ttl_lines, read_events
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.session import Session
from ace_nwb.report.sections.frames import Frames
from ace_nwb.report.wording import format_duration, format_rate, format_time, plain_label

MAX_NOTES = 20  # lines; the file has all of them
_NOTE_COLUMNS = ("text", "note", "message")
_SUBJECT_FIELDS = ("subject_id", "species", "sex", "age", "genotype")


@dataclass(frozen=True)
class Facts:
    """Who, when and with what.

    Parameters
    ----------
    title
        Subject and session in a few words.
    rows
        (label, value) pairs for the page's head.
    free_text
        (label, text) pairs of what people wrote: description, notes.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    free_text: tuple[tuple[str, str], ...] = ()


def read_facts(session: Session, frames: Frames | None) -> Facts:
    """Return who, when and with what; what the file does not say is left out."""
    subject_id, *subject = (session.text(f"/general/subject/{name}") for name in _SUBJECT_FIELDS)
    title = " · ".join(text for text in (subject_id, session.text("/general/session_id")) if text)
    rows = [
        ("Subject", _join(subject_id, *subject)),
        ("Start", format_time(session.start_time)),
        ("Devices", _join(*_device_texts(session))),
        *_movie_rows(session, frames),
        *_ephys_rows(session),
        ("TTL lines", _join(*list_ttl_lines(session))),
    ]
    said = [
        ("Description", session.text("/session_description")),
        ("Experiment", session.text("/general/experiment_description")),
        ("Notes", "\n".join(_list_notes(session))),
    ]
    return Facts(
        title=plain_label(title or session.path.stem, max_length=80),
        rows=tuple((label, value) for label, value in rows if value),
        free_text=tuple((label, str(text)) for label, text in said if text),
    )


def _movie_rows(session: Session, frames: Frames | None) -> list[tuple[str, str]]:
    if frames is None:
        return []
    field = read_field(session)
    size = f"{field.recorded[1]} × {field.recorded[0]} px"
    if field.shape != field.recorded:
        size += f", analysed {field.shape[1]} × {field.shape[0]}"
    return [
        ("Frames", f"{frames.n_recorded} recorded, {frames.n_lost} lost"),
        ("Frame rate", format_rate(frames.rate_hz)),
        ("Duration", format_duration(frames.duration_s)),
        ("Field", size),
    ]


def _ephys_rows(session: Session) -> list[tuple[str, str]]:
    found: dict[str, float] = {}
    for series in list_ephys(session):
        found |= dict.fromkeys(series.channel_names, series.rate_hz)
    if not found:
        return []
    rates = [format_rate(rate) for rate in sorted(set(found.values()))]
    names = ", ".join(list(found)[:6]) + (" …" if len(found) > 6 else "")
    return [("Ephys", f"{len(found)} channels ({names}), {', '.join(rates)}")]


def _device_texts(session: Session) -> Iterator[str]:
    """Yield the devices, each with its model."""
    models = {
        session.get(path).object_id: session.get(path).name
        for path in session.members("/general/devices/models", kind="DeviceModel")
    }
    for path in session.members("/general/devices"):
        device, model = session.find(path), session.find(f"{path}/model")
        if device is not None:
            named = "" if model is None else models.get(model.object_id, model.name)
            yield f"{device.name} ({named})" if named else device.name


def _list_notes(session: Session) -> list[str]:
    """Return what was noted during the recording, each with its time."""
    notes: list[tuple[float, str]] = []
    for path in list_event_tables(session):
        times_s, columns = read_events(session, path)
        texts = next((columns[name] for name in _NOTE_COLUMNS if name in columns), None)
        if texts is not None and texts.dtype.kind == "U":
            notes += zip(times_s.tolist(), texts.tolist(), strict=True)
    return [f"{time_s:.1f} s: {text}" for time_s, text in sorted(notes)[:MAX_NOTES]]


def _join(*texts: Any) -> str:
    """Return what is known of several texts, separated by commas."""
    return ", ".join(str(text) for text in texts if text)
