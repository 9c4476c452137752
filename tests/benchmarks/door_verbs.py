"""Every verb of the command line that writes, on inputs so small that it can fail very often.

For `tests.benchmarks.door_faults`. `{home}` are inputs that no verb changes, `{out}` is the folder
that a verb works in; it begins with copies of some inputs.
"""

import os
import shutil
import warnings
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from unittest.mock import patch

import h5py
import numpy as np
import yaml

from ace_nwb import pipeline
from ace_nwb.apps.server import PageServer
from ace_nwb.cli import run
from ace_nwb.errors import OutputError
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.layout import MOVIE, PLANE_SEGMENTATION
from ace_nwb.nwb.session import Session
from ace_nwb.pipeline import Plan
from ace_nwb.simulation.movie import MovieSpec
from ace_nwb.simulation.recording import RecordingSpec
from tests.apps.serving import Client
from tests.fixtures.projects import write_project
from tests.fixtures.recordings import METADATA, make_tiny_recording
from tests.fixtures.session_files import make_segmentation, write_session_file
from tests.simulators import miniscope_v3, onix

STAGES: dict[str, dict[str, int]] = {
    "preprocess": {},
    "motion": {"max_shift_px": 2},
    "summary": {"cell_diameter_px": 3},
    "extract": {},
    "evaluate": {},
    "dff": {"window_s": 2},
    "deconvolve": {},
    "events": {},
}
TRACES = ("raw", "denoised", "deconvolved", "baseline")


@dataclass(frozen=True)
class Verb:
    """A command that writes.

    Parameters
    ----------
    command
        Arguments of `ace-nwb`.
    inputs
        Names of the inputs that its folder begins with.
    share
        How many of the faults it gets; slow ones get fewer.
    code
        With what it ends.
    parts
        Commands that do it in parts, which are changes of their own: what each leaves is whole.
        `#1` behind a demo lets it end after one stage.
    """

    command: str
    inputs: tuple[str, ...] = ()
    share: float = 1.0
    code: int = 0
    parts: tuple[str, ...] = ()


ANALYSED = ("session.nwb",)

VERBS = {
    "convert miniscope": Verb("convert {home}/tiny {out}/c.nwb --metadata {home}/meta.yaml"),
    "convert v3": Verb("convert {home}/v3 {out}/c.nwb --metadata {home}/dated.yaml"),
    "convert onix": Verb("convert {home}/onix {out}/c.nwb --metadata {home}/dated.yaml"),
    "convert neuralynx": Verb(
        "convert {scope} {out}/c.nwb --ephys {ephys} --metadata {home}/meta.yaml", (), 0.5
    ),
    "convert --overwrite": Verb(
        "convert {home}/tiny {out}/session.nwb --metadata {home}/meta.yaml --overwrite", ANALYSED
    ),
    "inspect --template": Verb("inspect {home}/tiny --template {out}/meta.yaml"),
    "run": Verb(
        "run {out}/recorded.nwb {home}/pipeline.yaml",
        ("recorded.nwb",),
        0.3,
        parts=tuple(f"run {{out}}/recorded.nwb {{home}}/until_{stage}.yaml" for stage in STAGES),
    ),
    "sync": Verb("sync {out}/recorded.nwb --accept-ambiguity", ("recorded.nwb",)),
    **{
        f"process {stage}": Verb(f"process {stage} {{out}}/session.nwb --force{options}", ANALYSED)
        for stage, options in {
            "preprocess": "",
            "motion": " --max-shift-px 3",
            "extract": "",
            "dff": " --window-s 2.5",
            "events": " --keep-as before",
        }.items()
    },
    "describe": Verb("describe {out}/session.nwb {home}/more.yaml", ANALYSED),
    "describe (Zarr)": Verb("describe {out}/s.zarr {home}/more.yaml", ("s.zarr",), 0.5),
    "crop": Verb("crop {out}/session.nwb --rows 2:12 --columns 1:18", ANALYSED),
    "tune --headless": Verb(
        "tune {out}/session.nwb --headless --out {out}/tuned --save --cell-diameter 4",
        ANALYSED,
        0.2,
    ),
    "adopt": Verb("adopt {out}/recorded.nwb {home}/estimates.hdf5", ("recorded.nwb",)),
    "register-sessions": Verb(
        "register-sessions {out}/session.nwb {out}/other.nwb --output {out}/cells.csv "
        "--output {out}/cells.nwb --cell-diameter-px 4",
        ("session.nwb", "other.nwb"),
        0.4,
    ),
    "report": Verb("report {out}/session.nwb", ANALYSED, 0.3),
    "movie": Verb("movie {out}/session.nwb --out {out}/m.mp4", ANALYSED, 0.3),
    "report --batch": Verb(
        "report --batch {out} --output {out}/all.html", ("session.nwb", "other.nwb"), 0.3
    ),
    "curate (page)": Verb(
        "curate {out}/session.nwb --reviewer Ann --port 0 --no-browser", ANALYSED, 0.5
    ),
    "demo": Verb(
        "demo {out}/demo --size toy",
        (),
        0.5,
        parts=("demo {out}/demo --size toy #0", "demo {out}/demo --size toy #1"),
    ),
    "upgrade": Verb("upgrade {out}/old.nwb", ("old.nwb",)),
    "recover --cut": Verb("recover {out}/long.nwb --cut", ("long.nwb",)),
    "repack": Verb("repack {out}/session.nwb", ANALYSED),
    "recover": Verb("recover {out}/left.nwb", ("left.nwb", "left.nwb.journal")),
    "export --zarr": Verb("export {out}/session.nwb --zarr {out}/s.zarr", ANALYSED),
    "export --without-raw": Verb("export {out}/session.nwb --without-raw {out}/l.nwb", ANALYSED),
    "export --rois": Verb("export {out}/session.nwb --rois {out}/r.csv", ANALYSED),
    "export tables": Verb("export tables {out}/session.nwb {out}/tables", ANALYSED),
    "export pynapple": Verb("export pynapple {out}/session.nwb {out}/npz", ANALYSED),
    "export matlab": Verb("export matlab {out}/session.nwb {out}/m.mat", ANALYSED),
    "export estimates": Verb("export estimates {out}/session.nwb {out}/e.hdf5", ANALYSED),
    "export movie avi": Verb("export movie {out}/session.nwb {out}/m.avi", ANALYSED),
    "export movie mp4": Verb("export movie {out}/session.nwb {out}/m.mp4", ANALYSED),
    "export movie tif": Verb("export movie {out}/session.nwb {out}/m.tif", ANALYSED),
    "export job": Verb("export job {home}/sessions.yaml {out}/jobs"),
    "import .zarr": Verb("import {home}/s.zarr {out}/i.nwb"),
    "import --raw": Verb(
        "import {out}/light.nwb {out}/w.nwb --raw {out}/session.nwb", ("session.nwb", "light.nwb")
    ),
    "import rois": Verb("import {home}/rois.csv {out}/session.nwb --reviewer Ann", ANALYSED),
    "dandi prepare": Verb(
        "dandi prepare {out}/000123 {out}/ready.nwb --dandiset 000123", ("ready.nwb",), 0.3
    ),
    "batch": Verb("batch {out}/sessions.yaml --workers 1 --threads 1", ("sessions.yaml",), 0.3),
    "batch --from-spreadsheets": Verb(
        "batch --from-spreadsheets {home}/project/experiments.csv "
        "{home}/project/analysis_parameters.csv --output {out}/s.yaml --data-folder {home}/project",
    ),
}


def plant(session: Session, _params: object, _context: object) -> Segmentation:
    """Find three ROIs at once: where they come from does not matter to a disk."""
    found = make_segmentation(read_field(session).shape)
    n_frames = session.get(MOVIE).data.shape[0]
    traces = {name: np.resize(getattr(found, name), (n_frames, 3)) for name in TRACES}
    return replace(found, **traces)


def decide_once(server: PageServer, *_arguments: object) -> None:
    """Be the browser of somebody who rejects a ROI and leaves."""
    thread = Thread(target=ThreadingHTTPServer.serve_forever, args=(server, 0.01), daemon=True)
    thread.start()
    choice = {"action": "reject", "rois": [0]}
    body = {"reviewer": "Ann", "seen": 0, "decisions": [choice]}
    try:
        status, answer = Client(server).json("/api/decide", body)
    finally:
        server.shutdown()
        thread.join()
    if status not in (200, 409):  # 409: decided already
        raise (OutputError if status < 500 or status == 503 else RuntimeError)(str(answer))


def short_demo(n_stages: int) -> AbstractContextManager[object]:
    """Let the demo be small and stop after a stage or two: what follows are the verbs `run`."""
    movie = MovieSpec(n_frames=60, n_rows=24, n_columns=32, n_cells=2)
    spec = RecordingSpec(movie, frames_per_file=40, n_dropped=1)
    first = SimpleNamespace(**vars(pipeline))
    plan = Plan(("sync", "preprocess")[:n_stages])
    first.run = lambda path, _plan, bar: pipeline.run(path, plan, bar=bar) if n_stages else []
    found = ExitStack()
    found.enter_context(patch.dict("ace_nwb.simulation.recording.SIZES", toy=spec))
    for name, part in {"pipeline": first, "_score": lambda *_: [], "_costs": lambda *_: []}.items():
        found.enter_context(patch(f"ace_nwb.demo.{name}", part))
    return found


def make_inputs(home: Path) -> None:
    """Write the inputs of all verbs."""
    warnings.simplefilter("ignore")
    patch("ace_nwb.stages.extract.compute", plant).start()
    make_tiny_recording(home / "tiny")
    miniscope_v3.write_recording(home / "v3")
    onix.write_acquisition(home / "onix")
    write_project(home / "project", 1)
    (home / "meta.yaml").write_text(yaml.safe_dump(METADATA))
    dated = METADATA["NWBFile"] | {"session_start_time": "2024-03-01T12:34:56+01:00"}
    (home / "dated.yaml").write_text(yaml.safe_dump(METADATA | {"NWBFile": dated}))
    (home / "more.yaml").write_text(yaml.safe_dump({"NWBFile": {"surgery": "A lens.", "lab": "X"}}))
    (home / "pipeline.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    first: dict[str, dict[str, int]] = {}
    for stage, settings in STAGES.items():
        first[stage] = settings
        plan = yaml.safe_dump({"stages": first}, sort_keys=False)
        (home / f"until_{stage}.yaml").write_text(plan)
    write_session_file(home / "recorded.nwb")
    for name in ("session.nwb", "other.nwb"):
        shutil.copy(home / "recorded.nwb", home / name)
        pipeline.run(home / name, pipeline.read_plan(home / "pipeline.yaml"))
    _leave_journal(home / "left.nwb", home / "session.nwb")
    (home / "long.nwb").write_bytes((home / "recorded.nwb").read_bytes() + bytes(5000))
    _age(home / "old.nwb", home / "session.nwb")
    shutil.copy(home / "recorded.nwb", home / "ready.nwb")
    run(f"sync {home}/ready.nwb --accept-ambiguity".split())
    _write_exports(home)
    _write_manifests(home)


def _leave_journal(path: Path, source: Path) -> None:
    """End a process when the journal of a change stands and nothing is patched."""
    shutil.copy(source, path)
    child = os.fork()
    if child == 0:
        with patch("ace_nwb.nwb.commit.journal._patch", lambda *_arguments: os._exit(0)):
            run(["crop", str(path), "--rows", "3:11"])
        os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("no journal was left")
    path.with_name(path.name + ".lock").unlink()


def _age(path: Path, source: Path) -> None:
    """Let a session be one of layout 2, whose tables of ROIs led back to the movie."""
    shutil.copy(source, path)
    with h5py.File(path, "r+") as h5:
        links = h5[PLANE_SEGMENTATION].require_group("reference_images")
        links["OnePhotonSeries"] = h5py.SoftLink(MOVIE)
        rows = h5["/general/was_generated_by"].asstr()[:].tolist()
        del h5["/general/was_generated_by"]
        old = [[name, "2" if "layout" in name else value] for name, value in rows]
        h5["/general/was_generated_by"] = old


def _write_exports(home: Path) -> None:
    session = home / "session.nwb"
    for command in (
        f"export {session} --zarr {home}/s.zarr",
        f"export {session} --without-raw {home}/light.nwb",
        f"export {session} --rois {home}/rois.csv",
        f"export estimates {session} {home}/estimates.hdf5",
    ):
        if run(command.split()):
            raise RuntimeError(command)
    rows = (home / "rois.csv").read_text().splitlines()
    column = rows[0].split(",").index("decision")
    cells = [row.split(",") for row in rows[1:]]
    for row in cells:
        row[column] = "reject"
    (home / "rois.csv").write_text("\n".join([rows[0], *map(",".join, cells)]) + "\n")


def _write_manifests(home: Path) -> None:
    stages = {"preprocess": None, "motion": {"max_shift_px": 2}}
    (home / "short.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    manifest = {
        "defaults": {"pipeline": f"{home}/short.yaml", "metadata": f"{home}/meta.yaml"},
        "output_folder": ".",
        "sessions": [{"name": "a", "folder": f"{home}/tiny"}],
    }
    (home / "sessions.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
