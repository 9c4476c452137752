"""Runs CaImAn: started as a script by the Python of CaImAn's own environment, never imported.

Knows nothing of ace_nwb. Reads `job.json` in the folder it is given, writes `result.npz` there, and
reports by lines of JSON on standard output. It ends with its parent: when its standard input
closes before the work is done, it removes the folder and stops.
"""

import importlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("caiman", "numpy", "scipy", "scikit-learn", "opencv-python", "opencv-python-headless")
FIRST, LAST = 2, 97  # percent of the progress before and after CaImAn's own work


def main() -> None:
    """Do the job of the folder given on the command line, or say what is installed here."""
    sys.path.pop(0)  # our own folder: nothing there is meant to be imported
    tell = _open_report()
    if sys.argv[1] == "probe":
        tell(kind="done", **describe_environment())
        return
    folder = Path(sys.argv[2])
    threading.Thread(target=_follow_parent, args=(folder,), daemon=True).start()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        _pretend_tensorflow()
        summary = {"extract": extract, "motion": register}[sys.argv[1]](folder, job, tell)
        tell(kind="done", **describe_environment(), **summary)
    except BaseException as error:
        traceback.print_exc()
        tell(kind="error", type=type(error).__name__, text=str(error), where=_place(error))
        sys.exit(1)


def describe_environment() -> dict[str, Any]:
    """Return versions, and whether this environment's `caiman` is the calcium imaging package."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "caiman": _kind_of_caiman(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def extract(folder: Path, job: dict[str, Any], tell: Any) -> dict[str, Any]:
    """Run CNMF-E and its evaluation on the memory-mapped movie; write what they found."""
    import numpy as np

    tell(kind="progress", done=1, of=100, step="import")
    caiman = importlib.import_module("caiman")
    params = importlib.import_module("caiman.source_extraction.cnmf.params")
    cnmf = importlib.import_module("caiman.source_extraction.cnmf.cnmf")
    options = params.CNMFParams(params_dict=job["parameters"])
    pixels, dims, n_frames = caiman.load_memmap(job["movie"])
    images = np.reshape(pixels.T, (n_frames, *dims), order="F")
    view, n_processes = _open_cluster(job["processes"])
    model = cnmf.CNMF(n_processes, params=options, dview=view)
    with _watched_patches(tell, _count_patches(options, dims), view):
        model.fit(images)
    tell(kind="progress", done=LAST, of=100, step="evaluate")
    found = model.estimates
    if len(found.C):
        found.evaluate_components(images, model.params, dview=view)
    _close_cluster(view)
    np.savez(folder / "result.npz", **_collect(found, len(found.C)))
    return {"n_rois": len(found.C)}


def register(folder: Path, job: dict[str, Any], tell: Any) -> dict[str, Any]:
    """Run rigid NoRMCorre on the memory-mapped movie; write the shifts it would apply."""
    import numpy as np

    tell(kind="progress", done=1, of=100, step="import")
    motion = importlib.import_module("caiman.motion_correction")
    params = importlib.import_module("caiman.source_extraction.cnmf.params")
    options = params.CNMFParams(params_dict=job["parameters"])
    view, _ = _open_cluster(job["processes"])
    tell(kind="progress", done=FIRST, of=100, step="register")
    correction = motion.MotionCorrect(job["movie"], dview=view, **options.get_group("motion"))
    correction.motion_correct(save_movie=False)
    _close_cluster(view)
    np.savez(
        folder / "result.npz",
        shifts=np.asarray(correction.shifts_rig, float),
        template=np.asarray(correction.total_template_rig, float),
    )
    return {}


def _collect(found: Any, n_rois: int) -> dict[str, Any]:
    """Return the estimates as plain arrays; pixels stay in CaImAn's (column by column) order."""
    import numpy as np
    from scipy.sparse import csc_matrix, csr_matrix

    footprints = csc_matrix(found.A)
    arrays = {
        "footprint_values": footprints.data,
        "footprint_pixels": footprints.indices,
        "footprint_starts": footprints.indptr,
        "shape": np.array(footprints.shape),
        "C": np.asarray(found.C),
        "S": np.asarray(found.S),
        "YrA": np.asarray(found.YrA),
    }
    if getattr(found, "W", None) is not None:
        weights = csr_matrix(found.W)
        arrays |= {
            "ring_values": weights.data,
            "ring_pixels": weights.indices,
            "ring_starts": weights.indptr,
            "b0": np.asarray(found.b0),
        }
    if n_rois == 0:
        return arrays
    decay = np.full((n_rois, 2), np.nan)
    for roi, coefficients in enumerate(found.g):
        coefficients = np.ravel(coefficients)[:2]
        decay[roi, : len(coefficients)] = coefficients
    is_good = np.zeros(n_rois, bool)
    is_good[np.asarray(found.idx_components, int)] = True
    return arrays | {
        "g": decay,
        "neurons_sn": np.ravel(np.asarray(found.neurons_sn, float)),
        "SNR_comp": np.ravel(found.SNR_comp),
        "r_values": np.ravel(found.r_values),
        "is_good": is_good,
    }


def _open_cluster(processes: int) -> tuple[Any, int]:
    """Return CaImAn's pool of processes, or None for work in this one."""
    if processes <= 1:
        return None, 1
    cluster = importlib.import_module("caiman.cluster")
    _, view, n_processes = cluster.setup_cluster("multiprocessing", n_processes=processes)
    return view, n_processes


def _close_cluster(view: Any) -> None:
    if view is not None:
        importlib.import_module("caiman").stop_server(dview=view)


def _count_patches(options: Any, dims: tuple[int, int]) -> int:
    """Return the number of patches that CaImAn will cut the field into."""
    radius, overlap = options.get("patch", "rf"), options.get("patch", "stride")
    if radius is None:
        return 1
    cluster = importlib.import_module("caiman.cluster")
    return len(cluster.extract_patch_coordinates(dims, [radius] * 2, [overlap] * 2)[0])


class _watched_patches:  # noqa: N801 (used like a function)
    """Tells of every finished patch while CaImAn works in this process."""

    def __init__(self, tell: Any, n_patches: int, view: Any) -> None:
        self.tell, self.n_patches, self.done = tell, max(1, n_patches), 0
        self.module: Any = importlib.import_module("caiman.source_extraction.cnmf.map_reduce")
        self.original, self.is_alone = self.module.cnmf_patches, view is None

    def __enter__(self) -> None:
        self.tell(kind="progress", done=FIRST, of=100, step="fit")
        if self.is_alone:
            self.module.cnmf_patches = self._run

    def __exit__(self, *_error: object) -> None:
        self.module.cnmf_patches = self.original

    def _run(self, arguments: Any) -> Any:
        result = self.original(arguments)
        self.done = min(self.done + 1, self.n_patches)
        share = self.done / self.n_patches
        self.tell(kind="progress", done=round(FIRST + 0.9 * (LAST - FIRST) * share), of=100)
        return result


def _open_report() -> Any:
    """Return a function that writes a line of JSON where only we write; prints go to the log."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**message: Any) -> None:
        report.write(json.dumps(message) + "\n")
        report.flush()

    return tell


def _follow_parent(folder: Path) -> None:
    """Wait until the parent is gone (its end of the pipe closes), then leave nothing behind."""
    while os.read(0, 1024):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _kind_of_caiman() -> str:
    """Return "real", "other" (a package that only has the name) or "none"; imports nothing."""
    spec = find_spec("caiman")
    if spec is None:
        return "none"
    folders = list(spec.submodule_search_locations or [])
    is_real = any((Path(folder) / "source_extraction" / "cnmf").is_dir() for folder in folders)
    return "real" if is_real else "other"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _place(error: BaseException) -> str:
    """Return file and line where the error arose."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


class _Anything:
    """Can be made from anything, and does nothing."""

    def __init__(self, *_values: Any, **_named: Any) -> None:
        pass


class _Hollow(ModuleType):
    """A module that has any class one asks for, each of them empty."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Anything,), {})


class _HollowFinder(MetaPathFinder, Loader):
    """Finds hollow modules of a package that is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return a spec for the package and whatever is asked for inside it."""
        if name.partition(".")[0] != self.package:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the hollow module."""
        return _Hollow(spec.name)

    def exec_module(self, _module: ModuleType) -> None:
        """Run nothing."""


def _pretend_tensorflow() -> None:
    """Let CaImAn import where tensorflow is missing: CNMF-E without its CNN never calls it."""
    if find_spec("tensorflow") is None:
        sys.meta_path.append(_HollowFinder("tensorflow"))


if __name__ == "__main__":
    main()
