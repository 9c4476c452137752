"""Other programs hold a session open while every verb of ours meets it: do they lose a byte?

Run `python -m tests.benchmarks.held_files`; `--only` says which verbs (a pattern), `--home` where
the inputs are kept. h5py and pynwb open the file, for reading and for writing, with HDF5's locks on
and off. A writer has added rows that it has not saved when the verb begins, adds more when it has
ended, and closes: all rows must be there. A reader must read the same movie before and after. The
verb may work or refuse, in words.
"""

import argparse
import os
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path

import h5py
import numpy as np
from pynwb import NWBHDF5IO, TimeSeries

from tests.benchmarks.door_faults import Trial, start_inputs
from tests.benchmarks.door_verbs import VERBS
from tests.benchmarks.hostile_inputs import FAULT, warm_up
from tests.benchmarks.system_calls import Watch

N_ROWS = 200_000
"""What a writer adds each time, 1.6 MB: more than HDF5 keeps back in memory."""

MOVIE = "acquisition/OnePhotonSeries/data"
WAYS = tuple(product(("h5py", "pynwb"), ("reading", "writing"), (True, False)))
Wait = Callable[[], None]


def hold(path: Path, way: tuple[str, str, bool], wait: Wait) -> None:
    """Hold a file open, as another program; wait for the verb in the middle."""
    program, purpose, locking = way
    with h5py.File(path, "r" if purpose == "reading" else "r+", locking=locking) as h5:
        if program == "pynwb":
            with NWBHDF5IO(file=h5, mode=h5.mode, load_namespaces=True) as io:
                nwbfile = io.read()
                movie = nwbfile.acquisition["OnePhotonSeries"].data
                if purpose == "writing":
                    series = TimeSeries(name="theirs", data=rows(0), unit="n.a.", rate=1.0)
                    nwbfile.add_scratch(series)
                    io.write(nwbfile)
                use(h5, movie, wait, is_writing=purpose == "writing")
        else:
            if purpose == "writing":
                h5.require_group("scratch/theirs")["data"] = rows(0)
            use(h5, h5[MOVIE], wait, is_writing=purpose == "writing")


def use(h5: h5py.File, movie: h5py.Dataset, wait: Wait, *, is_writing: bool) -> None:
    """Read or write before and after the verb."""
    before = movie[:]
    wait()
    if is_writing:
        h5["scratch/theirs"]["more"] = rows(1)
    elif not np.array_equal(movie[:], before):
        raise RuntimeError("the movie has changed under a reader")


def rows(seed: int) -> np.ndarray:
    """Return what a writer adds."""
    return np.random.default_rng(seed).random(N_ROWS)


def keeps_all(path: Path) -> bool:
    """Return whether a writer's rows are all there."""
    with h5py.File(path) as h5:
        theirs = h5["scratch/theirs"]
        return all(np.array_equal(theirs[k][:], rows(n)) for n, k in enumerate(("data", "more")))


def meet(trial: Trial, way: tuple[str, str, bool]) -> str:
    """Let a verb meet a file that is held; return how it ended."""
    trial.prepare()
    path = trial.out / next(name for name in trial.verb.inputs if name.endswith(".nwb"))
    ready, go_on = os.pipe(), os.pipe()
    holder = os.fork()
    if holder == 0:
        code = 1

        def wait() -> None:
            os.write(ready[1], b".")
            os.read(go_on[0], 1)

        try:
            hold(path, way, wait)
            code = 0
        finally:
            os._exit(code)
    os.close(ready[1])
    if not os.read(ready[0], 1):
        raise RuntimeError(f"{way} cannot hold {path}")
    code, _ = trial.run()
    os.write(go_on[1], b".")
    is_lost = os.waitpid(holder, 0)[1] != 0
    for one in (ready[0], *go_on):
        os.close(one)
    if is_lost or (way[1] == "writing" and not keeps_all(path)):
        return "lost"
    if code == FAULT:
        return "traceback"
    return "refused" if code else "done"


def main() -> None:
    """Print how each verb ended in each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir(), "held_files"))
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    home, total = chosen.home.resolve(), Counter[str]()
    start_inputs(home)
    warm_up()
    out = home.with_name(f"{home.name}-out")
    for name, verb in VERBS.items():
        if re.search(chosen.only, name) and any(one.endswith(".nwb") for one in verb.inputs):
            trial = Trial(verb, home=home, watch=Watch(out), out=out)
            ends = {way: meet(trial, way) for way in WAYS}
            told = ("/".join(map(str, way)) + f" {end}" for way, end in ends.items())
            print(f"{name:<24}", ", ".join(told), flush=True)
            total += Counter(ends.values())
    print(dict(total))


if __name__ == "__main__":
    main()
