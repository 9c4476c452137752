"""A made-up session's content, seeded: what the figure and page tests draw."""

from dataclasses import replace

import numpy as np

from ace_nwb.report.content import SessionContent
from ace_nwb.report.ephys_line import Line
from ace_nwb.report.sections.brightness import BrightnessTrend
from ace_nwb.report.sections.events import EventRaster
from ace_nwb.report.sections.facts import Facts
from ace_nwb.report.sections.field import Outlines, Rois, trace_outline
from ace_nwb.report.sections.frames import Frames
from ace_nwb.report.sections.motion import ShiftCourse
from ace_nwb.report.sections.phase import EventPhases
from ace_nwb.report.sections.spectrograms import SpectrogramPiece
from ace_nwb.report.sections.stages import HistoryRow, StageRow
from ace_nwb.report.sections.sync import SyncFit
from ace_nwb.report.sections.traces import Traces


def make_content(*, n_rois: int = 24, duration_s: float = 120.0, seed: int = 0) -> SessionContent:
    """Return the content of a session in which every stage has been run."""
    random = np.random.default_rng(seed)
    times_s = np.sort(
        np.arange(0, duration_s, 0.05) + random.uniform(0, 0.01, round(duration_s * 20))
    )
    masks, activity = make_masks(random, n_rois), make_activity(random, len(times_s), n_rois)
    clean, spikes = activity
    accepted = np.arange(n_rois) % 6 != 5
    snr = np.linspace(14, 2.5, n_rois)
    field_image = masks.max(axis=0)
    noise = random.normal(0, 0.02, field_image.shape)
    rows, columns = np.indices(field_image.shape)
    vignette = np.exp(-(((rows - 60) / 90) ** 2) - ((columns - 90) / 130) ** 2)
    return SessionContent(
        facts=make_facts(),
        span_s=(float(times_s[0]), float(times_s[-1])),
        frames=make_frames(times_s),
        sync=make_sync(random, times_s),
        motion=ShiftCourse(
            times_s,
            np.cumsum(random.normal(0, 0.08, (len(times_s), 2)), axis=0),
            0.93 - np.abs(random.normal(0, 0.02, len(times_s))),
            max_shift_px=20.0,
        ),
        brightness=BrightnessTrend(
            times_s,
            120 * np.exp(-times_s / 900) + random.normal(0, 0.6, len(times_s)),
            120 * np.exp(-times_s / 900),
        ),
        images={
            "mean": 80 * vignette + 12 * field_image + 20 * noise,
            "max": 90 * vignette + 60 * field_image + 40 * noise,
            "correlation": np.clip(0.35 + 0.6 * field_image + 2 * noise, 0, 1),
            "peak_to_noise": 5 + 20 * field_image + 20 * np.abs(noise),
        },
        outlines=Outlines(np.arange(n_rois), tuple(map(outline_mask, masks)), accepted),
        rois=Rois(n_rois, accepted, snr, snr / 15, is_evaluated=True),
        traces=Traces(
            times_s,
            np.arange(min(20, n_rois)),
            (clean + random.normal(0, 0.03, clean.shape))[:, :20],
            clean[:, :20],
            "ΔF/F",
        ),
        events=EventRaster(times_s[spikes[0]], spikes[1], n_rois, (0.0, duration_s)),
        spectrograms=make_spectrograms(random, duration_s),
        phases=make_phases(random, n_rois),
        stages=make_stages(),
        history=(
            HistoryRow(
                "1", "motion", "2024-03-01T10:00:00+00:00", "ace-nwb 0.1.0, numpy 2.4.6", 3.2,
                (("max_shift_px", "30", "command line"), ("filter_radius_px", "3.0", "default")),
            ),
        ),
    )  # fmt: skip


def make_masks(random: np.random.Generator, n_rois: int) -> np.ndarray:
    """Return round footprints on a field that is not square, shape (roi, row, column)."""
    rows, columns = np.indices((120, 180))
    centres = random.uniform((12, 12), (108, 168), (n_rois, 2))
    distance = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2
    masks = np.exp(-distance / (2 * 4.0**2))
    return np.where(masks > 0.1, masks, 0)


def outline_mask(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the outlines of a footprint given as an image, shape (row, column)."""
    rows, columns = np.nonzero(mask)
    return trace_outline(rows, columns, mask[rows, columns])


def make_activity(
    random: np.random.Generator, n_frames: int, n_rois: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return noiseless traces, shape (frame, roi), and the (frame, roi) indices of spikes."""
    spikes = random.random((n_frames, n_rois)) < 0.008
    clean = np.zeros((n_frames, n_rois))
    for frame in range(1, n_frames):
        clean[frame] = 0.94 * clean[frame - 1] + 0.25 * spikes[frame]
    return clean, tuple(np.nonzero(spikes))


def make_facts() -> Facts:
    """Return the facts of nobody."""
    return Facts(
        "m17 · sleep 2",
        (
            ("Subject", "m17, Mus musculus, female, P90D"),
            ("Start", "2024-03-01 10:00:00 +01:00"),
            ("Scope", "Miniscope V4, gain 2, LED 30"),
            ("Ephys", "4 channels at 2 kHz"),
        ),
        (("Description", "Open field, then sleep."),),
    )


def make_frames(times_s: np.ndarray) -> Frames:
    """Return a movie that lost a few frames."""
    lost_s = times_s[[30, 31, -90]]
    return Frames(len(times_s), 3, 20.0, float(times_s[0]), float(np.ptp(times_s)), lost_s, 0.15)


def make_sync(random: np.random.Generator, times_s: np.ndarray) -> SyncFit:
    """Return an alignment with jitter and one span without pulses."""
    return SyncFit(
        times_s,
        random.gamma(2, 0.8, len(times_s)) - 1.6,
        times_s,
        42e-3 * times_s,
        drift_ppm=42.0,
        n_matched=len(times_s) - 8,
        n_frames=len(times_s),
        low_confidence_s=np.array([[60.0, 62.0]]),
    )


def make_spectrograms(
    random: np.random.Generator, duration_s: float
) -> tuple[SpectrogramPiece, ...]:
    """Return one spectrogram of calcium and one of ephys."""
    centres_s = np.arange(2, duration_s - 2, 1.0)
    found = []
    for name, top_hz, is_ephys in (("mean calcium", 10.0, False), ("CSC1", 50.0, True)):
        frequencies_hz = np.linspace(0, top_hz, 120)
        power = 1 / (0.2 + frequencies_hz / top_hz) ** 2
        bump = 30 * np.exp(-(((frequencies_hz - top_hz / 6) / (top_hz / 40)) ** 2))
        power = power + bump * (1 + np.sin(centres_s / 9))[:, None]
        power = power * random.gamma(4, 0.25, power.shape)
        found.append(SpectrogramPiece(name, centres_s, frequencies_hz, power, is_ephys))
    return tuple(found)


def make_ephys(duration_s: float = 120.0, seed: int = 1) -> Line:
    """Return a slow oscillation in noise."""
    random = np.random.default_rng(seed)
    times_s = np.arange(0, duration_s, 0.02)
    wave = 120 * np.sin(2 * np.pi * 1.2 * times_s) * np.sin(times_s / 17) ** 2
    return Line("CSC1", times_s, wave + random.normal(0, 40, len(times_s)), "µV")


def make_phases(random: np.random.Generator, n_rois: int) -> EventPhases:
    """Return phases that gather half a turn before the peak."""
    return EventPhases(
        "CSC1",
        random.vonmises(2.0, 0.8, 600),
        np.arange(n_rois),
        random.vonmises(2.0, 2.0, n_rois),
        random.uniform(0.05, 0.7, n_rois),
        random.uniform(0, 0.3, n_rois),
    )


def make_stages() -> tuple[StageRow, ...]:
    """Return one row per state."""
    return (
        StageRow("sync", "done", (), 0.4, "0.1.0"),
        StageRow("motion", "done", ("max_shift_px = 30",), 3.2, "0.1.0"),
        StageRow("extract", "stale", (), 41.0, "0.1.0", "motion re-run with max_shift_px 30"),
        StageRow("phase", "missing", (), None, ""),
    )


def without(content: SessionContent, *names: str) -> SessionContent:
    """Return the content as if the stages that make these parts had not been run."""
    empty = {"images": {}, "spectrograms": ()}
    return replace(content, **{name: empty.get(name) for name in names})
