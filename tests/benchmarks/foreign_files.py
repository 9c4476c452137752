"""Is every object of another program there after every verb? Files of many programs, one row each.

Run `python -m tests.benchmarks.foreign_files [--world FOLDER] [--only TEXT]`; FOLDER holds further
NWB files of other programs. A file without a movie gets one. Extraction finds planted ROIs at once:
whose an object is does not depend on what is computed.
"""

import argparse
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from unittest.mock import patch

import h5py
import numpy as np
from neuroconv.datainterfaces import CaimanSegmentationInterface, Suite2pSegmentationInterface
from neuroconv.tools.roiextractors import add_segmentation_to_nwbfile
from pynwb import NWBHDF5IO, NWBFile
from pynwb.ophys import OnePhotonSeries, OpticalChannel
from roiextractors.testing import generate_dummy_segmentation_extractor

from ace_nwb import pipeline
from ace_nwb.archive.layout import upgrade
from ace_nwb.errors import AceNwbError
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.layout import MOVIE
from ace_nwb.nwb.session import Session, open_session
from ace_nwb.nwb.shared.light import write_light_session
from ace_nwb.nwb.zarr.exchange import export_zarr
from ace_nwb.stages.running.replacement import Replacement
from tests.adopt.foreign_files import draw_known, write_caiman
from tests.fixtures import foreign_results as foreign
from tests.fixtures.session_files import N_COLUMNS, N_FRAMES, N_ROWS, START, make_segmentation

STAGES = ("preprocess", "motion", "summary", "extract", "evaluate", "dff", "deconvolve", "events")
SETTINGS = ("dff.window_s=2", "motion.max_shift_px=2", "summary.cell_diameter_px=3")
TRACES = ("raw", "denoised", "deconvolved", "baseline")
LAB = (foreign.add_place_cells, foreign.add_score, foreign.add_traces)
"""What a lab adds to ROIs, whoever found them."""

KEPT: list[CaimanSegmentationInterface] = []
"""They read from their files when pynwb writes."""


def main() -> None:
    """Print a row per file: objects of others, and how many were not there after each verb."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", type=Path)
    parser.add_argument("--only", default="", help="text in the name of the file")
    parser.add_argument("--skip", type=int, default=0, help="files done in an earlier run")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    totals = {"files": 0, "objects": 0, "lost": 0, "refused": 0}
    print(f"{'file':42} objects  " + "  ".join(VERBS))
    for name, build in list(files(arguments.world))[arguments.skip :]:
        if arguments.only not in name:
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            patch("ace_nwb.stages.extract.compute", plant),
        ):
            path = Path(folder) / "session.nwb"
            theirs = build(path)
            cells = try_verbs(path, theirs)
        totals["files"] += 1
        totals["objects"] += len(theirs)
        totals["lost"] += sum(cell for cell in cells if isinstance(cell, int))
        totals["refused"] += cells.count("refused")
        print(f"{name:42} {len(theirs):7}  " + "  ".join(map(str, cells)), flush=True)
    print(f"{time.process_time():.0f} s", totals)


def try_verbs(path: Path, theirs: dict[str, str]) -> list[int | str]:
    """Return for each verb how many objects of others were lost or changed, or "refused"."""
    cells: list[int | str] = []
    for verb in VERBS.values():
        before = path.read_bytes()
        try:
            left = verb(path)
        except AceNwbError:
            cells.append("refused" if path.read_bytes() == before else len(theirs))
            continue
        cells.append(sum(left.get(key) != value for key, value in theirs.items()))
    return cells


def run(path: Path, *, force: bool = False) -> dict[str, str]:
    """Run the stages."""
    plan = replace(pipeline.read_plan(settings=SETTINGS), stages=STAGES)
    pipeline.run(path, plan, force=force)
    return foreign.checksums(path)


def prune(path: Path) -> dict[str, str]:
    """Change the first stage, and remove what is stale then."""
    replacement = Replacement(prune=True)
    pipeline.process(path, "preprocess", {"crop_row_start": 1}, replacement=replacement)
    pruned = foreign.checksums(path)
    with suppress(AceNwbError):  # refused before, too: "run" and "re-run" say so
        run(path)
    again = foreign.checksums(path)
    return {key: one for key, one in pruned.items() if again.get(key) == one}


def changed(change: Callable[[Path], object], path: Path) -> dict[str, str]:
    """Do something to the file itself."""
    change(path)
    return foreign.checksums(path)


def export_light(path: Path) -> dict[str, str]:
    """Export without the movie, which is left out because it is asked for."""
    target = path.with_name("light.nwb")
    write_light_session(path, target)
    with h5py.File(path) as h5:
        movies = {h5[MOVIE].attrs["object_id"]}
    kept = foreign.checksums(path)
    target_has = foreign.checksums(target)
    target.unlink()
    return target_has | {key: kept[key] for key in movies}


def export_cloud(path: Path) -> dict[str, str]:
    """Export as Zarr; how values are stored differs there, so that names and ids are compared."""
    target = path.with_name("session.nwb.zarr")
    export_zarr(path, target)
    with open_session(target) as session:
        ids = {one.object_id for one in session.nwbfile.objects.values()}
    shutil.rmtree(target)
    with NWBHDF5IO(path, "r") as io:
        known = {one.object_id for one in io.read().objects.values()}
    kept = foreign.checksums(path)
    return {key: one for key, one in kept.items() if key in ids or key not in known}


VERBS: dict[str, Callable[[Path], dict[str, str]]] = {
    "run": run,
    "re-run": partial(run, force=True),
    "prune": prune,
    "repack": partial(changed, repack),
    "upgrade": partial(changed, upgrade),
    "light": export_light,
    "zarr": export_cloud,
}


def plant(session: Session, _params: object, _context: object) -> Segmentation:
    """Find three ROIs at once."""
    found = make_segmentation(read_field(session).shape)
    n_frames = session.get(MOVIE).data.shape[0]
    traces = {name: np.resize(getattr(found, name), (n_frames, 3)) for name in TRACES}
    return replace(found, **traces)


def files(world: Path | None) -> Iterator[tuple[str, Callable[[Path], dict[str, str]]]]:
    """Yield (name, what writes the file and returns the checksums of what others wrote in it)."""
    for mask, background, lab in product(("image", "pixel"), (False, True), (False, True)):
        for signals in ((), ("dff",), ("dff", "neuropil", "deconvolved")):
            name = f"neuroconv {mask} {'+'.join(signals) or 'raw'}{' background' * background}"
            add = partial(add_dummy, mask=mask, background=background, signals=signals)
            yield (
                name + " lab" * lab,
                partial(by_others, additions=(add, *LAB[: 1 + lab][lab - 1 :])),
            )
    for n_rois, lab in product((3, 6), (False, True)):
        for kind, add in (("suite2p", add_suite2p), ("caiman", add_caiman)):
            additions = (partial(add, n_rois=n_rois), *([foreign.add_place_cells] * lab))
            yield (
                f"neuroconv {kind} {n_rois}{' lab' * lab}",
                partial(by_others, additions=additions),
            )
    yield "pynwb, default names", partial(by_others, additions=(foreign.add_rois,))
    yield "pynwb, lab", partial(by_others, additions=(foreign.add_rois, *LAB))
    for chosen in product((False, True), repeat=len(LAB)):
        additions = tuple(add for add, wanted in zip(LAB, chosen, strict=True) if wanted)
        label = ", ".join(add.__name__.removeprefix("add_") for add in additions)
        yield f"ours with a lab's {label or 'nothing'}", partial(ours_and_lab, additions=additions)
    for link in ("copy", "soft", "hard"):
        yield f"ours with a lab's {link} of dF/F", partial(ours_and_link, link=link)
    for path in sorted(world.glob("*.nwb")) if world else ():
        yield f"world {path.stem}", partial(from_world, path)


def by_others(path: Path, *, additions: tuple[foreign.Addition, ...]) -> dict[str, str]:
    """Write a file of other programs."""
    write_movie(path)
    for add in additions:
        foreign.add_with_pynwb(path, add)
    return foreign.checksums(path)


def ours_and_lab(path: Path, *, additions: tuple[foreign.Addition, ...]) -> dict[str, str]:
    """Write a file of ours that a lab has added to."""
    write_movie(path)
    known = run(path)
    for add in additions:
        foreign.add_with_pynwb(path, add)
    return {key: one for key, one in foreign.checksums(path).items() if key not in known}


def ours_and_link(path: Path, *, link: str) -> dict[str, str]:
    """Write a file of ours in which a lab has linked or copied dF/F."""
    write_movie(path)
    known = run(path)
    foreign.add_with_pynwb(path, foreign.add_place_cells)
    with h5py.File(path, "r+") as h5:
        lab, source = h5["processing/lab_analysis"], h5["processing/ophys/DfOverF"]
        if link == "copy":
            foreign.copy_results(h5, lab, "OurDfOverF")
        else:
            lab["OurDfOverF"] = h5py.SoftLink(source.name) if link == "soft" else source
        known.pop(source.attrs["object_id"])  # the lab holds on to it
    return {key: one for key, one in foreign.checksums(path).items() if key not in known}


def from_world(source: Path, path: Path) -> dict[str, str]:
    """Copy a file, and add a movie if it has none."""
    shutil.copy(source, path)
    with h5py.File(path) as h5:
        has_movie = MOVIE in h5
    if not has_movie:
        copy_movie(path)
    return foreign.checksums(path)


def copy_movie(path: Path) -> None:
    """Add a movie to a file that pynwb may not be able to read."""
    apart = path.with_name("movie.nwb")
    write_movie(apart)
    with h5py.File(apart) as source, h5py.File(path, "r+") as h5:
        source.copy(MOVIE, h5["acquisition"])
        plane = next(iter(h5["general/optophysiology"].values()))
        del h5[MOVIE]["imaging_plane"]
        h5[MOVIE]["imaging_plane"] = h5py.SoftLink(plane.name)
    apart.unlink()


def write_movie(path: Path) -> None:
    """Write a file with a movie and nothing else."""
    nwbfile = NWBFile(session_description="d", identifier="foreign", session_start_time=START)
    plane = nwbfile.create_imaging_plane(
        name="ImagingPlane",
        optical_channel=OpticalChannel(name="o", description="d", emission_lambda=510.0),
        description="d",
        device=nwbfile.create_device("Microscope"),
        excitation_lambda=470.0,
        indicator="GCaMP6f",
        location="CA1",
    )
    assert plane is not None
    add_movie(nwbfile)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)


def add_movie(nwbfile: NWBFile) -> None:
    """Add a movie of noise."""
    frames = np.random.default_rng(0).integers(0, 255, (N_FRAMES, N_COLUMNS, N_ROWS), np.uint8)
    plane = next(iter(nwbfile.imaging_planes.values()))
    times_s = np.arange(N_FRAMES) / 20 + np.random.default_rng(1).uniform(0, 0.002, N_FRAMES)
    movie = OnePhotonSeries(
        name="OnePhotonSeries", imaging_plane=plane, data=frames, unit="n.a.", timestamps=times_s
    )
    nwbfile.add_acquisition(movie)


def add_dummy(nwbfile: NWBFile, *, mask: str, background: bool, signals: tuple[str, ...]) -> None:
    """Add ROIs as NeuroConv writes them."""
    flags = {f"has_{name}_signal": name in signals for name in ("dff", "neuropil", "deconvolved")}
    found = generate_dummy_segmentation_extractor(
        num_rois=5,
        num_rows=N_ROWS,
        num_columns=N_COLUMNS,
        sampling_frequency=20.0,
        num_samples=N_FRAMES,
        **flags,
    )
    add_segmentation_to_nwbfile(
        found, nwbfile, mask_type=mask, include_background_segmentation=background
    )


def add_suite2p(nwbfile: NWBFile, *, n_rois: int) -> None:
    """Add the results of a suite2p folder through NeuroConv's interface."""
    rng = np.random.default_rng(n_rois)
    with tempfile.TemporaryDirectory() as folder:
        plane = Path(folder) / "plane0"
        plane.mkdir()
        options = {"Ly": N_ROWS, "Lx": N_COLUMNS, "fs": 20.0, "nchannels": 1, "meanImg": np.ones(1)}
        options |= {"yrange": [0, N_ROWS], "xrange": [0, N_COLUMNS], "nframes": N_FRAMES}
        options["meanImg"] = rng.random((N_ROWS, N_COLUMNS))
        stat = [
            {
                "ypix": np.array([i, i + 1]),
                "xpix": np.array([i, i]),
                "lam": np.ones(2),
                "med": (i, i),
            }
            for i in range(n_rois)
        ]
        np.save(plane / "ops.npy", np.array(options, dtype=object))
        np.save(plane / "stat.npy", np.array(stat, dtype=object))
        np.save(plane / "iscell.npy", np.ones((n_rois, 2)))
        for name in ("F", "Fneu", "spks"):
            np.save(plane / f"{name}.npy", rng.random((n_rois, N_FRAMES)))
        interface = Suite2pSegmentationInterface(folder_path=folder)
        interface.add_to_nwbfile(nwbfile, metadata=interface.get_metadata())


def add_caiman(nwbfile: NWBFile, *, n_rois: int) -> None:
    """Add the results of a CaImAn file through NeuroConv's interface."""
    with tempfile.TemporaryDirectory() as folder:
        known = draw_known((N_ROWS, N_COLUMNS), N_FRAMES, n_rois=n_rois)
        file = write_caiman(Path(folder) / "estimates.hdf5", known)
        interface = CaimanSegmentationInterface(file_path=file)
        KEPT.append(interface)
        interface.add_to_nwbfile(nwbfile, metadata=interface.get_metadata())


if __name__ == "__main__":
    main()
