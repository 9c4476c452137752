"""Table of motion, extraction and evaluation: ours beside CaImAn and minian on the same movies.

Run it by hand:
`python -m tests.benchmarks.engine_table small minisim:medium --seeds 1 2 3 --engines ours caiman
--caiman-python PATH --minisim-python PATH --out FOLDER`.
Every engine runs in a process of its own, with the cell diameter and otherwise its settings as they
are written down in its script, frozen before scoring. Processor time counts children, peak memory
is that of the largest process.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array

from ace_nwb.simulation.scoring import (
    correlate_traces,
    rest_offset,
    score_footprints,
)
from tests.benchmarks.engine_movies import OWN, Benchmark, open_benchmark
from tests.benchmarks.minisim_movie import FAMILIES as MINISIM_FAMILIES

HERE = Path(__file__).parent
ENGINES = ("ours", "caiman", "minian")
SPIKE_WIDTH_S = 0.1
COLOURS = {"ours": "#0b6e99", "caiman": "#d1701f", "minian": "#7a7a7a"}
SHOWN = ("f1", "precision", "recall", "r_denoised", "r_raw", "motion_px", "cpu_s", "peak_mb")


@dataclass(frozen=True)
class Row:
    """The result of one engine on one movie; correlations are medians over matched cells."""

    family: str
    seed: int
    engine: str
    cells: int
    rois: int
    precision: float
    recall: float
    f1: float
    r_denoised: float
    r_raw: float
    r_spikes: float
    motion_px: float
    cpu_s: float
    wall_s: float
    peak_mb: float


def run_engine(engine: str, benchmark: Benchmark, options: argparse.Namespace) -> dict[str, float]:
    """Run one engine in a process of its own; return wall seconds and peak megabytes."""
    settings = {
        "cell_diameter_px": benchmark.cell_diameter_px,
        "frame_rate_hz": benchmark.frame_rate_hz,
        "workers": options.workers,
        "child_folder": str(HERE.parents[1] / "ace_nwb" / "engines" / "caiman"),
    }
    pythons = {"caiman": options.caiman_python, "minian": options.minian_python}
    script = ["-m", "tests.benchmarks.engine_ours"]
    if engine != "ours":
        script = [str(HERE / f"peer_{engine}.py")]
    command = [pythons.get(engine) or sys.executable, *script]
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    started = time.perf_counter()
    with (benchmark.folder / f"{engine}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(benchmark.folder), json.dumps(settings)],
            stdout=log,
            stderr=log,
            env=os.environ | threads,
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{engine} failed, see {benchmark.folder / f'{engine}.log'}")
    return {"wall_s": time.perf_counter() - started, "peak_mb": usage.ru_maxrss / 1024}


def score(engine: str, benchmark: Benchmark) -> dict[str, float]:
    """Compare what an engine wrote with the truth."""
    truth = benchmark.truth
    with np.load(benchmark.folder / f"{engine}.npz") as file:
        found = dict(file)
    origin = rest_offset(found["shifts"], truth.displacement_px)
    masks = found["masks"]
    masks = csr_array(masks.reshape(len(masks), int(np.prod(masks.shape[1:]))))
    result = score_footprints(masks, truth, origin_px=(float(origin[0]), float(origin[1])))
    spikes = np.column_stack(
        [np.histogram(times, _edges(truth.frame_times_s))[0] for times in truth.spike_times_s]
        or [np.zeros((len(truth.frame_times_s), 0))]
    )
    width = SPIKE_WIDTH_S * benchmark.frame_rate_hz

    def correlation(traces: np.ndarray, true: np.ndarray) -> float:
        values = correlate_traces(traces, true, result.matches)
        return float(np.nanmedian(values)) if len(values) else float("nan")

    return {
        "cells": result.n_counting,
        "rois": len(found["masks"]),
        "precision": result.precision,
        "recall": result.recall,
        "f1": result.f1,
        "r_denoised": correlation(found["denoised"], truth.calcium),
        "r_raw": correlation(found["raw"], truth.calcium),
        "r_spikes": correlation(
            gaussian_filter1d(found["spikes"].astype(float), width, axis=0),
            gaussian_filter1d(spikes.astype(float), width, axis=0),
        ),
        "motion_px": benchmark.motion_error_px(found["shifts"], found.get("deviations")),
        "cpu_s": float(found["cpu_s"]),
    }


def _edges(times_s: np.ndarray) -> np.ndarray:
    """Return the limits between frames, one more than there are frames."""
    half = np.median(np.diff(times_s)) / 2
    return np.append(times_s - half, times_s[-1] + half)


def write_table(rows: list[Row], folder: Path) -> None:
    """Write the rows as markdown and JSON."""
    names = list(Row.__dataclass_fields__)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_text(asdict(row)[name]) for name in names) + " |" for row in rows]
    (folder / "engines.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = json.dumps([asdict(row) for row in rows], indent=1)
    (folder / "engines.json").write_text(content, encoding="utf-8")


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def draw(rows: list[Row], path: Path) -> None:
    """Draw every figure by family, one colour per engine, one dot per seed."""
    from matplotlib.figure import Figure

    families = list(dict.fromkeys(row.family for row in rows))
    figure = Figure(figsize=(13, 6), layout="constrained")
    for number, name in enumerate(SHOWN, start=1):
        panel = figure.add_subplot(2, 4, number)
        for offset, engine in enumerate(ENGINES):
            chosen = [row for row in rows if row.engine == engine]
            places = [families.index(row.family) + 0.2 * (offset - 1) for row in chosen]
            values = [getattr(row, name) for row in chosen]
            panel.plot(places, values, "o", ms=5, color=COLOURS[engine], label=engine)
        panel.set_title(name)
        panel.set_xticks(range(len(families)), families, rotation=30, ha="right")
        if name in ("cpu_s", "peak_mb"):
            panel.set_yscale("log")
    figure.axes[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print one row per movie and engine as it is done; write table and picture at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=["small", "hard"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--engines", nargs="+", default=["ours"], choices=ENGINES)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--caiman-python")
    parser.add_argument("--minian-python")
    parser.add_argument("--minisim-python")
    parser.add_argument("--tissue", type=Path, help="a generator's script with a function make")
    parser.add_argument("--out", type=Path, default=Path("engine_table"))
    parser.add_argument("--score-only", action="store_true", help="score results that are there")
    options = parser.parse_args()
    known = [*OWN, *(f"minisim:{name}" for name in MINISIM_FAMILIES)]
    for family in options.families:
        if family not in known and not family.startswith("tissue:"):
            parser.error(f"{family}: not one of {', '.join(known)}, tissue:NAME")
    rows = []
    for family in options.families:
        for seed in options.seeds:
            benchmark = open_benchmark(
                family,
                seed,
                options.out,
                minisim_python=options.minisim_python,
                tissue=options.tissue,
            )
            for engine in options.engines:
                cost = {"wall_s": float("nan"), "peak_mb": float("nan")}
                if not options.score_only:
                    cost = run_engine(engine, benchmark, options)
                rows.append(Row(family, seed, engine, **score(engine, benchmark), **cost))
                print(" | ".join(_text(value) for value in asdict(rows[-1]).values()), flush=True)
    write_table(rows, options.out)
    draw(rows, options.out / "engines.png")


if __name__ == "__main__":
    main()
