"""A recording of three time folders with pauses, through every default stage, against the truth.

    python -m tests.benchmarks.paused_recording [--folder FOLDER]

The camera is stopped twice, for 37 and 61 s, while ephys runs on.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from ace_nwb import pipeline
from ace_nwb.conversion import convert
from ace_nwb.engines.base import EngineSettings
from ace_nwb.imaging.storage import turn_axes
from ace_nwb.interfaces.sources import SourceOptions
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.imaging import read_motion
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table
from ace_nwb.nwb.session import open_session
from ace_nwb.simulation import scoring
from ace_nwb.simulation.ephys import EphysSpec
from ace_nwb.simulation.movie import MovieSpec
from ace_nwb.simulation.recording import RecordingSpec
from tests.fixtures.segmented import simulate_segments

SPEC = RecordingSpec(
    movie=MovieSpec(
        n_frames=1500, n_rows=80, n_columns=96, n_cells=12, drift_px=0.6, max_displacement_px=4.0
    ),
    ephys=EphysSpec(concentration=20.0, spike_probability=0.85),
    frames_per_file=200,
    n_dropped=4,
)
PAUSES_S = {500: 37.25, 1000: 61.4}


def make_session(folder):
    """Simulate, convert and process; return the session and the truth."""
    recording = simulate_segments(folder / "recording", SPEC, pauses_s=PAUSES_S, seed=3)
    path = convert(
        recording.miniscope_folder.parent,
        folder / "session.nwb",
        ephys_folder=recording.ephys_folder,
        metadata=recording.metadata_path,
        options=SourceOptions(segments=True),
    )
    plan = pipeline.read_plan(settings=["spectrogram.window_s=10", "spectrogram.step_s=2"])
    for outcome in pipeline.run(path, plan, settings=EngineSettings(1)):
        print(f"{outcome.stage}: {outcome.action}; {'; '.join(outcome.remarks)}")
    return path, recording.truth


def compare(session, truth):
    """Print how far the results are from the truth."""
    times = NwbMovie(session).timestamps
    shifts, _ = read_motion(session)
    accepted = np.flatnonzero(read_roi_table(session)["accepted"])
    masks = turn_axes(session.get(layout.PLANE_SEGMENTATION)["image_mask"].data[:])[accepted]
    origin = tuple(scoring.rest_offset(shifts, truth.movie.displacement_px))
    found = scoring.score_footprints(masks, truth.movie, origin_px=origin)
    print(f"breaks at frames {NwbMovie(session).breaks}")
    print(f"sync: {scoring.max_sync_error_ms(times, truth.movie.frame_times_s):.4f} ms at most")
    print(f"motion: {scoring.motion_rmse_px(shifts, truth.movie.displacement_px):.3f} px")
    print(f"cells: f1 {found.f1:.3f}")
    for name in (layout.DFF_TRACES, layout.DENOISED_TRACES, f"{layout.DECONVOLUTION}/Denoised"):
        traces = read_roi_series(session, name)[:, accepted]
        fits = scoring.correlate_traces(traces, truth.movie.calcium, found.matches)
        print(f"{name}: r {np.median(fits):.4f}")


def check_pauses(session):
    """Nothing may lie in a pause or reach over one."""
    times = NwbMovie(session).timestamps
    half_s = 0.5 / SPEC.frame_rate_hz
    onsets, columns = read_events(session, "/processing/events/CalciumEventsDeconvolution")
    ends = onsets + columns["duration"]
    spectrum = session.h5["/processing/spectral/CalciumSpectrogram"]
    start, rate = spectrum["starting_time"][()], spectrum["starting_time"].attrs["rate"]
    power = spectrum["data"][:].reshape(spectrum["data"].shape[0], -1)
    centres = start + np.arange(len(power)) / rate
    for first in NwbMovie(session).breaks:
        before, after = times[first - 1], times[first]
        n_inside = np.sum((onsets > before) & (onsets < after - 1.1 * half_s))
        n_over = np.sum((onsets <= before) & (ends > before + 2 * half_s))
        touches = (centres + 4.9 > before) & (centres - 4.9 < after)
        n_windows = int(np.isfinite(power[touches]).any(1).sum())
        assert (n_inside, n_over, n_windows) == (0, 0, 0), (n_inside, n_over, n_windows)
        print(f"pause of {after - before:.1f} s: no event in or over it, no window of a spectrum")
    known = np.isfinite(power).any(1).sum()
    print(f"{len(onsets)} events; {known} of {len(power)} windows lie in a stretch")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path, truth = make_session((options.folder or Path(scratch)).resolve())
        with open_session(path) as session:
            compare(session, truth)
            check_pauses(session)


if __name__ == "__main__":
    main()
