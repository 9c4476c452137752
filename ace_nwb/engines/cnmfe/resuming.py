"""How far the search for neurons has come, as arrays that a checkpoint keeps."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.imaging.checkpoint import State


@dataclass(frozen=True)
class Neurons:
    """Footprints of norm 1 (pixel, roi), denoised and raw traces of the binned movie (bin, roi)."""

    footprints: csc_array
    traces: np.ndarray
    raw: np.ndarray


@dataclass(frozen=True)
class Search:
    """The search for neurons after some of its phases.

    Parameters
    ----------
    n_phases
        Phases done; a round is one phase of seeding and a few of updating.
    known
        Neurons at the start of the round, which its background is fitted without.
    neurons
        Neurons of the last update.
    candidates
        Footprints to update next, shape (pixel, roi).
    seeds
        (row, column) of every seed so far, shape (seed, 2).
    """

    n_phases: int
    known: Neurons
    neurons: Neurons
    candidates: csc_array
    seeds: np.ndarray


def begin_search(neurons: Neurons) -> Search:
    """Return the search before its first phase."""
    return Search(0, neurons, neurons, neurons.footprints, np.zeros((0, 2), int))


def pack_search(search: Search) -> State:
    """Return the search as named arrays."""
    return {
        "n_phases": np.array(search.n_phases),
        "seeds": search.seeds,
        **_pack_neurons("known", search.known),
        **_pack_neurons("neurons", search.neurons),
        **_pack_matrix("candidates", search.candidates),
    }


def unpack_search(state: State) -> Search:
    """Return the search that `pack_search` packed."""
    return Search(
        int(state["n_phases"]),
        _unpack_neurons("known", state),
        _unpack_neurons("neurons", state),
        _unpack_matrix("candidates", state),
        np.asarray(state["seeds"]),
    )


def _pack_neurons(name: str, neurons: Neurons) -> State:
    return {
        f"{name}.traces": neurons.traces,
        f"{name}.raw": neurons.raw,
        **_pack_matrix(f"{name}.footprints", neurons.footprints),
    }


def _unpack_neurons(name: str, state: State) -> Neurons:
    footprints = _unpack_matrix(f"{name}.footprints", state)
    return Neurons(footprints, state[f"{name}.traces"], state[f"{name}.raw"])


def _pack_matrix(name: str, matrix: csc_array) -> State:
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.array(matrix.shape),
    }


def _unpack_matrix(name: str, state: State) -> csc_array:
    parts = tuple(state[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return csc_array(parts, shape=tuple(state[f"{name}.shape"].tolist()))
