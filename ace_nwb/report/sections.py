"""The sections of the page: which figures stand where, with captions that say what good is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from ace_nwb.report import coupling, imaging, signals, sync, theme
from ace_nwb.report.content import Frames, Outlines, SessionContent, Traces
from ace_nwb.report.wording import plain_label

ZOOM_FROM_S = 240.0
ZOOM_S = 60.0

_IMAGES = {
    "correlation": (
        "Local correlation: how alike each pixel and its neighbours move.",
        "round bright spots of one cell's size, and an outline on each.",
    ),
    "max": ("Maximum over time.", "cells stand out from the vessels and the edge of the lens."),
    "peak_to_noise": (
        "Peak-to-noise ratio: the largest transient of each pixel in units of its noise.",
        "the same spots as in the correlation image; lines and large areas are motion or glare.",
    ),
    "mean": ("Mean over time.", "sharp vessels and no double edges: focus and registration held."),
}


@dataclass(frozen=True)
class Picture:
    """One figure with its caption; `good` says what a good one looks like."""

    svg: Markup
    caption: str
    good: str = ""
    is_wide: bool = True
    has_outline_key: bool = False


@dataclass(frozen=True)
class Section:
    """A heading with rows of pictures, and a line of text: what is missing, or what it rests on."""

    anchors: tuple[str, ...]
    title: str
    rows: tuple[tuple[Picture, ...], ...] = ()
    absent: str = ""


def build_sections(content: SessionContent, file_name: str) -> list[Section]:
    """Draw every section of the page.

    Parameters
    ----------
    content
        What was read from the session file.
    file_name
        Name of the file, for the commands that make what is missing.
    """
    builders: tuple[Callable[[SessionContent, str], Section], ...] = (
        _field_section,
        _brightness_section,
        _motion_section,
        _traces_section,
        _sync_section,
        _events_section,
        _spectrogram_section,
        _phase_section,
        _coupling_section,
        _conditions_section,
    )
    sections = [build(content, file_name) for build in builders]
    return [section for section in sections if section.rows or section.absent]


def _picture(name: str, title: str, figure: Figure, **texts: object) -> Picture:
    """Turn a figure into a picture of the page."""
    return Picture(Markup(theme.to_svg(figure, name=name, title=title)), **texts)  # type: ignore[arg-type]


def _absent(anchors: tuple[str, ...], title: str, command: str) -> Section:
    return Section(anchors, title, absent=f"Not made yet: `{command}` makes it.")


def _field_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("rois", "field"), "Field of view and ROIs"
    if not content.images:
        return _absent(anchors, title, f"ace-nwb process summary {file_name}")
    outlines = content.outlines
    are_few = outlines is not None and len(outlines.numbers) <= imaging.MAX_NUMBERED_ROIS
    pictures = [
        _image_picture(
            content.images[name],
            outlines if name != "mean" else None,
            name=name,
            with_numbers=are_few and name == "correlation",
            pixel_um=content.pixel_size_um,
        )
        for name in _IMAGES
        if name in content.images
    ]
    rows = [tuple(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
    if outlines is not None and not are_few:
        rows.append((_numbered_picture(content, outlines),))
    note = ""
    if outlines is None:
        note = f"No outlines yet: `ace-nwb process extract {file_name}` finds the neurons."
    return Section(anchors, title, tuple(rows), note)


def _image_picture(
    image: np.ndarray,
    outlines: Outlines | None,
    *,
    name: str,
    with_numbers: bool,
    pixel_um: float | None,
) -> Picture:
    caption, good = _IMAGES[name]
    with theme.figure_theme():
        figure = imaging.image_figure(image, outlines, with_numbers=with_numbers, pixel_um=pixel_um)
    return _picture(
        f"field-{name}",
        caption,
        figure,
        caption=caption,
        good=good,
        is_wide=False,
        has_outline_key=outlines is not None,
    )


def _numbered_picture(content: SessionContent, outlines: Outlines) -> Picture:
    """Show the outlines once more, large enough for the numbers of many ROIs."""
    image = content.images.get("max", next(iter(content.images.values())))
    with theme.figure_theme():
        figure = imaging.image_figure(
            image,
            outlines,
            with_numbers=True,
            width_px=theme.FIGURE_WIDTH_PX,
            pixel_um=content.pixel_size_um,
        )
    caption = "The ROIs with their numbers in the segmentation table."
    return _picture("field-numbers", caption, figure, caption=caption, has_outline_key=True)


def _brightness_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("brightness",), "Brightness"
    if content.brightness is None:
        return _absent(anchors, title, f"ace-nwb process preprocess {file_name}")
    with theme.figure_theme():
        figure = imaging.brightness_figure(content.brightness, content.span_s)
    picture = _picture(
        "brightness",
        title,
        figure,
        caption="Mean fluorescence of every frame, and the bleaching trend that is taken out.",
        good="a slow fall that the trend follows; steps mean the light or the gain was changed.",
    )
    return Section(anchors, title, ((picture,),))


def _motion_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("motion",), "Motion"
    if content.motion is None:
        return _absent(anchors, title, f"ace-nwb process motion {file_name}")
    with theme.figure_theme():
        figure = imaging.motion_figure(content.motion, content.span_s)
    picture = _picture(
        "motion",
        title,
        figure,
        caption="Shift taken out of every frame, and how well the frame then fits the template.",
        good="shifts of a few pixels that come back, a quality that stays high; "
        "a lasting step means the scope has moved.",
    )
    return Section(anchors, title, ((picture,),))


def _traces_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("traces",), "Traces"
    traces = content.traces
    if traces is None or not traces.numbers.size:
        return _absent(anchors, title, f"ace-nwb process extract {file_name}")
    with theme.figure_theme():
        figure = signals.traces_figure(traces, content.span_s)
    is_ranked = content.rois is not None and content.rois.is_evaluated
    which = "of highest signal-to-noise ratio, best on top" if is_ranked else "that come first"
    caption = f"The {len(traces.numbers)} ROIs {which}, one scale: measured in grey, denoised in "
    caption += "colour."
    good = "sharp rises, smooth decays, and events that are not the same in every ROI."
    pictures = [_picture("traces", title, figure, caption=caption, good=good)]
    span_s = busiest_span(traces)
    if span_s is not None:
        with theme.figure_theme():
            figure = signals.traces_figure(traces, span_s)
        caption = f"The {ZOOM_S:.0f} s with most activity, enlarged."
        good = "the coloured line follows the grey one into every rise."
        pictures.append(_picture("traces-zoom", caption, figure, caption=caption, good=good))
    return Section(anchors, title, tuple((picture,) for picture in pictures))


def busiest_span(
    traces: Traces, *, from_s: float = ZOOM_FROM_S, width_s: float = ZOOM_S
) -> tuple[float, float] | None:
    """Return the minute in which most ROIs are active, or None if all lasts less than `from_s`."""
    start_s, stop_s = theme.span_of(traces.times_s)
    if stop_s - start_s <= max(from_s, width_s):
        return None
    values = traces.denoised if traces.denoised is not None else traces.raw
    spread = np.nanstd(values, axis=0)
    rises = np.clip(np.diff(values, axis=0), 0, None) / np.where(spread > 0, spread, 1)
    activity = np.concatenate([[0], np.cumsum(np.nansum(rises, axis=1))])
    starts = np.arange(start_s, stop_s - width_s, width_s / 4)
    gained = [
        np.interp(start + width_s, traces.times_s, activity)
        - np.interp(start, traces.times_s, activity)
        for start in starts
    ]
    start = float(starts[int(np.argmax(gained))])
    return start, start + width_s


def _sync_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("sync", "frames"), "Clock alignment and lost frames"
    if content.sync is None:
        rows = _frames_rows(content.frames, content.span_s)
        command = f"ace-nwb sync {file_name}"
        return Section(anchors, title, rows, f"Clocks not aligned yet: `{command}` aligns them.")
    line = f"Frames matched to {plain_label(content.sync.line)}. " if content.sync.line else ""
    with theme.figure_theme():
        figure = sync.sync_figure(content.sync, content.frames, content.span_s)
    flashes = content.sync.flashes
    picture = _picture(
        "sync",
        title,
        figure,
        caption=f"{line}From the top: how far the camera's clock has run from the ephys clock; "
        "how late its own time stamps are against the fitted clock; how long each frame lasted; "
        "frames that were lost"
        + ("; how far each flash of light stands from its marker." if flashes else "."),
        good="a straight drift, lateness of a few ms without steps, few lost frames"
        + (", flashes within one frame." if flashes else "."),
    )
    said = [content.sync.evidence]
    said += [f"Corrected by hand: {text}." for text in content.sync.corrections]
    said += [flashes.summary] if flashes else []
    return Section(anchors, title, ((picture,),), " ".join(filter(None, said)))


def _frames_rows(
    frames: Frames | None, span_s: tuple[float, float]
) -> tuple[tuple[Picture, ...], ...]:
    if frames is None:
        return ()
    with theme.figure_theme():
        figure = sync.frames_figure(frames, span_s)
    caption = "Frames that were lost."
    picture = _picture("frames", caption, figure, caption=caption, good="few and scattered.")
    return ((picture,),)


def _events_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("events",), "Calcium events"
    if content.events is None:
        return _absent(anchors, title, f"ace-nwb process events {file_name}")
    with theme.figure_theme():
        figure = signals.raster_figure(content.events, content.span_s)
    n_events, n_rois = len(content.events.times_s), content.events.n_rois
    picture = _picture(
        "events",
        title,
        figure,
        caption=f"{n_events} events of {n_rois} ROIs, ROIs that are active together side by side, "
        "over the mean rate.",
        good="scattered ticks with some structure; columns through all ROIs are motion or light.",
    )
    return Section(anchors, title, ((picture,),))


def _spectrogram_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("spectrogram",), "Spectrograms"
    shown = tuple(spectrogram for spectrogram in content.spectrograms if spectrogram.power.size)
    if not shown:
        return _absent(anchors, title, f"ace-nwb process spectrogram {file_name}")
    with theme.figure_theme():
        figure = signals.spectrogram_figure(shown, content.span_s)
    picture = _picture(
        "spectrogram",
        title,
        figure,
        caption="Power over time and frequency; ephys above, mean calcium trace below.",
        good="bands and states that come and go; thin level lines are mains hum.",
    )
    return Section(anchors, title, ((picture,),))


def _phase_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("phase",), "Calcium events and ephys phase"
    phases = content.phases
    if phases is None:
        return _absent(anchors, title, f"ace-nwb process phase {file_name}")
    n_locked = int((phases.p_value < 0.05).sum())
    pictures = []
    if phases.event_phases_rad.size:
        with theme.figure_theme():
            figure = signals.event_phase_figure(phases)
        caption = f"Phase of {plain_label(phases.channel)} at {phases.event_phases_rad.size} "
        caption += "events; dashed: no preference."
        pictures.append(_picture("event-phase", caption, figure, caption=caption, is_wide=False))
    with theme.figure_theme():
        figure = signals.preferred_phase_figure(phases)
    caption = f"Preferred phase of the {phases.numbers.size} ROIs with at least five events; in "
    caption += f"colour the {n_locked} with Rayleigh p < 0.05 (not corrected)."
    good = "long stems in colour; short ones all around are chance."
    pictures.append(
        _picture("preferred-phase", caption, figure, caption=caption, good=good, is_wide=False)
    )
    return Section(anchors, title, (tuple(pictures),))


def _coupling_section(content: SessionContent, file_name: str) -> Section:
    anchors, title = ("coupling",), "Coupling of calcium and ephys"
    found = content.relations
    if found is None or found.is_empty:
        return _absent(anchors, title, f"ace-nwb process coupling {file_name}")
    rows: list[tuple[Picture, ...]] = []
    with theme.figure_theme():
        if found.histograms:
            figure = coupling.histogram_figure(found.histograms)
            caption = "Events of the analysed ROIs by ephys phase; dashed: the band that events "
            caption += "moved in time keep to (95 %). ROIs that prefer different phases cancel "
            caption += "here; their own phases stand above."
            good = "bars that leave the band on one side; all within it is chance."
            rows.append((_picture("phase-counts", title, figure, caption=caption, good=good),))
        if found.coherence:
            figure = coupling.coherence_figure(found.coherence)
            caption = "Coherence of the mean trace with each channel, its 95 % confidence in "
            caption += "colour, and what shuffled windows stay below at every frequency in grey."
            good = "a peak that rises above the grey with its whole band."
            rows.append((_picture("coherence", caption, figure, caption=caption, good=good),))
        if found.course is not None:
            figure = coupling.course_figure(found.course, content.span_s)
            caption = "The same over time, for the channel that stands out most."
            rows.append((_picture("coherogram", caption, figure, caption=caption),))
        if found.perievent:
            figure = coupling.perievent_figure(found.perievent)
            caption = "Mean trace around events with its standard error; in grey the band that "
            caption += "averages around moved events keep to (95 %)."
            good = "a curve that leaves the grey after zero; before zero nothing can answer."
            rows.append((_picture("perievent", caption, figure, caption=caption, good=good),))
    return Section(anchors, title, tuple(rows))


def _conditions_section(content: SessionContent, _file_name: str) -> Section:
    """Show the comparison of conditions where somebody asked for one."""
    anchors, title = ("conditions",), "Conditions"
    if content.relations is None or not content.relations.effects:
        return Section(anchors, title)
    pictures = []
    for number, effects in enumerate(content.relations.effects):
        with theme.figure_theme():
            figure = coupling.effects_figure(effects)
        n_sure = int(np.sum(effects.q_value < 0.05))
        caption = f"{plain_label(effects.measure)}, {plain_label(effects.second)} minus "
        caption += f"{plain_label(effects.first)}: effect size and its 95 % interval of each of "
        caption += f"{len(effects.subjects)}; in colour the {n_sure} with q < 0.05."
        pictures.append(
            _picture(f"effects-{number}", caption, figure, caption=caption, is_wide=False)
        )
    rows = [tuple(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
    return Section(anchors, title, tuple(rows))
