"""How fluid curation is with many ROIs: first view, next ROI, a decision, memory of the server.

Run `python -m tests.benchmarks.curate_speed [--rois 1000] [--frames 30000] [--keep FILE]`; needs
Chromium, chromedriver and selenium.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import h5py
import numpy as np
import psutil
from hdmf.backends.hdf5 import H5DataIO
from pynwb import NWBHDF5IO, NWBFile
from pynwb.ophys import OnePhotonSeries, OpticalChannel
from scipy.sparse import csc_array

from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.imaging.storage import movie_chunk_shape
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import write_calcium_events
from ace_nwb.nwb.content.imaging import write_projections
from ace_nwb.nwb.content.rois import write_segmentation
from ace_nwb.nwb.session import edit_session
from tests.fixtures.session_files import START

SIDE_PX = 600
RATE_HZ = 20.0
WATCH = """
const done = arguments[arguments.length - 1];
const [key, n] = arguments;
const times = [];
const next = () => {
  if (times.length === n) return done(times);
  const before = document.body.dataset.roi;
  const start = performance.now();
  const look = () => {
    if (document.body.dataset.roi === before) return setTimeout(look, 1);
    requestAnimationFrame(() => { times.push(performance.now() - start); setTimeout(next, 60); });
  };
  if (key === 'click') {
    const rois = curation.model.active;
    const roi = rois[Math.floor(Math.random() * rois.length)];
    if (String(roi) === before) return next();
    curation.traces.forget();
    const row = document.createElement('div');
    row.dataset.roi = roi;
    document.querySelector('.rows').append(row);
    row.click();
  } else document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  look();
};
next();
"""
PRESS_A = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', bubbles: true }))"


def main() -> None:
    """Make the session, drive the page, print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rois", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=30_000)
    parser.add_argument("--keep", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.keep or Path(folder) / "many.nwb"
        if not path.exists():
            make_session(path, n_rois=arguments.rois, n_frames=arguments.frames)
        print(f"{path.stat().st_size / 1e6:.0f} MB session")
        measure(path)


def make_session(path: Path, *, n_rois: int, n_frames: int) -> None:
    """Write a session with discs for ROIs and noise with transients for traces."""
    _write_movie(path, n_frames)
    rng = np.random.default_rng(0)
    with edit_session(path) as writer:
        segmentation = _segmentation(rng, n_rois, n_frames)
        write_segmentation(writer, segmentation)
        images = {
            name: rng.random((SIDE_PX, SIDE_PX), np.float32)
            for name in ("mean", "max", "correlation", "peak_to_noise")
        }
        write_projections(writer, images)
        n_events = 40 * n_rois
        write_calcium_events(
            writer,
            "/processing/events/CalciumEventsDeconvolution",
            np.sort(rng.random(n_events)) * n_frames / RATE_HZ,
            roi=rng.integers(0, n_rois, n_events),
            columns={"amplitude": rng.random(n_events)},
            description="Random times.",
        )
        columns = {
            name: (name, rng.random(n_rois) * 10) for name in ("snr", "r_value", "compactness")
        }
        columns["accepted"] = ("accepted", rng.random(n_rois) > 0.3)
        writer.set_columns(layout.PLANE_SEGMENTATION, columns)


def measure(path: Path) -> None:
    """Drive the page and print the figures."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900"):
        options.add_argument(argument)
    command = [sys.executable, "-m", "ace_nwb", "curate", str(path), "--port", "0"]
    started = time.perf_counter()
    server = subprocess.Popen(
        [*command, "--no-browser", "--reviewer", "Ann"], stdout=subprocess.PIPE, text=True
    )
    address = server.stdout.readline().split()[1] if server.stdout else ""
    print(f"server ready after            {time.perf_counter() - started:6.2f} s")
    browser = webdriver.Chrome(
        options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver")
    )
    try:
        started = time.perf_counter()
        browser.get(address)
        for mark, text in (("first", "first view (image, list, trace)"), ("ready", "all outlines")):
            while not browser.execute_script(f"return document.body.dataset.{mark}"):
                time.sleep(0.005)
            print(f"{text:29} {time.perf_counter() - started:6.2f} s")
        time.sleep(2)
        browser.set_script_timeout(120)
        for key, text in (("j", "next ROI, by key"), ("click", "any ROI, not fetched before")):
            times = np.array(browser.execute_async_script(WATCH, key, 40))
            print(f"{text:29} {np.median(times):6.0f} ms median, {times.max():.0f} ms worst of 40")
        times = []
        for _ in range(20):
            begin = time.perf_counter()
            browser.execute_script(PRESS_A)
            while browser.execute_script("return curation.model.waiting.length"):
                time.sleep(0.002)
            times.append(1e3 * (time.perf_counter() - begin))
        print(f"decision until saved          {np.median(times):6.0f} ms median")
        memory = psutil.Process(server.pid).memory_info()
        print(f"memory of the server          {memory.rss / 1e6:6.0f} MB")
        heap = browser.execute_script("return performance.memory.usedJSHeapSize")
        print(f"memory of the page            {heap / 1e6:6.0f} MB")
    finally:
        browser.quit()
        server.terminate()


def _segmentation(rng: np.random.Generator, n_rois: int, n_frames: int) -> Segmentation:
    rows, columns = np.mgrid[-7:8, -7:8].reshape(2, -1)
    weights = np.exp(-(rows**2 + columns**2) / 18).astype(np.float32)
    inside = weights > 0.1
    centres = rng.integers(10, SIDE_PX - 10, (n_rois, 2))
    pixels = (centres[:, :1] + rows[inside]) * SIDE_PX + centres[:, 1:] + columns[inside]
    starts = np.arange(n_rois + 1) * inside.sum()
    values = np.tile(weights[inside], n_rois)
    footprints = csc_array((values, pixels.ravel(), starts), shape=(SIDE_PX**2, n_rois))
    footprints.sort_indices()
    spikes = (rng.random((n_frames, n_rois), np.float32) < 0.003).astype(np.float32)
    denoised = np.zeros_like(spikes)
    level = np.zeros(n_rois, np.float32)
    for frame in range(n_frames):
        level = 0.92 * level + 50 * spikes[frame]
        denoised[frame] = level
    raw = denoised + rng.standard_normal((n_frames, n_rois), np.float32)
    return Segmentation(
        footprints=footprints,
        field_shape=(SIDE_PX, SIDE_PX),
        raw=raw,
        denoised=denoised,
        deconvolved=spikes,
        baseline=np.full_like(raw, 100),
        noise=np.ones(n_rois),
        decay_time_s=np.full(n_rois, 0.6),
        background=None,
        seeds=np.zeros((0, 2), int),
    )


def _write_movie(path: Path, n_frames: int) -> None:
    """Write a movie of which one minute has content; unwritten chunks read as zeros."""
    nwbfile = NWBFile("Many ROIs.", str(uuid4()), START)
    device = nwbfile.create_device(name="Miniscope")
    channel = OpticalChannel(name="Green", description="Green.", emission_lambda=525.0)
    plane = nwbfile.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=channel,
        description="The field.",
        device=device,
        excitation_lambda=475.0,
        indicator="GCaMP6f",
        location="CA1",
    )
    shape = (n_frames, SIDE_PX, SIDE_PX)
    chunks = movie_chunk_shape(shape, itemsize=1)
    series = OnePhotonSeries(
        name="OnePhotonSeries",
        data=H5DataIO(shape=shape, dtype=np.uint8, compression="gzip", chunks=chunks),
        unit="n.a.",
        rate=RATE_HZ,
        imaging_plane=plane,
    )
    nwbfile.add_acquisition(series)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)
    frames = np.random.default_rng(1).integers(0, 255, (1200, SIDE_PX, SIDE_PX), np.uint8)
    with h5py.File(path, "r+") as h5:
        h5[f"{layout.MOVIE}/data"][: len(frames)] = frames


if __name__ == "__main__":
    main()
