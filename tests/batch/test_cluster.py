"""A Dask cluster runs sessions, or the blocks of one movie; no data pass its scheduler.

A worker that is killed is in tests/benchmarks/batch_cluster.py: it needs processes of its own.
"""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from ace_nwb.batch import watch
from ace_nwb.batch.blocks import compute_block, spread_over
from ace_nwb.batch.cluster import connect
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.errors import InputError, StageError
from ace_nwb.imaging import blocks
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.motion import estimate_motion
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.imaging.packing import open_space, pack
from ace_nwb.imaging.projections import compute_projections, measure_brightness
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import open_session

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as found:
        yield found


@pytest.fixture
def small_blocks(monkeypatch):
    """Let the tiny movie be several blocks."""
    monkeypatch.setattr(blocks, "block_frames", lambda _movie, _pixels=0: 50)


@pytest.mark.usefixtures("fake_worker")
def test_sessions_run_on_a_cluster_and_a_failing_one_stops_no_other(make_job, cluster):
    jobs = [make_job(name) for name in ("bad", "a")]
    with connect(cluster.scheduler_address, BatchSettings(retries=1)) as pool:
        last = watch(jobs, pool)
    assert [view.state for view in last.sessions] == ["failed", "done"]
    assert "the movie breaks off" in last.sessions[0].error


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("ace_nwb.batch.dask_client._CONNECT_S", 0.2)
    with (
        pytest.raises(InputError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connect("tcp://127.0.0.1:9", BatchSettings()),
    ):
        pass


@pytest.mark.usefixtures("small_blocks")
def test_blocks_on_a_cluster_give_the_same_values_to_the_last_bit(tiny_session, cluster):
    here, sizes = compute(tiny_session), []
    cluster.scheduler.add_plugin(_Sizes(sizes))
    with spread_over(cluster.scheduler_address, tiny_session):
        there = compute(tiny_session)
    cluster.scheduler.remove_plugin(name=_Sizes.name)
    for name, values in here.items():
        np.testing.assert_array_equal(there[name], values, err_msg=name)
    assert len(sizes) == 4 * len(here)  # 200 frames in blocks of 50, pass by pass
    assert max(sizes) < 200  # bytes of a result: the data went by the disk
    assert not list(tiny_session.parent.glob("*.scratch"))


def compute(path):
    """Return what four passes over the movie give; the last one reads it packed."""
    with open_session(path) as session:
        movie = CorrectedMovie(NwbMovie(session), bleaching=np.linspace(1, 0.9, 400))
        part = _Part(movie)
        found = {
            "motion": estimate_motion(part, max_shift_px=4, filter_radius_px=2.5).shifts,
            "deviation": compute_projections(part).std,
        }
        with open_space(part, memory_bytes=2**30) as space:
            packed = pack(part, space, "kept", workers=1)
            found["scales"] = packed.scales
            found["packed"] = measure_brightness(packed).mean
    return found


@dataclass(frozen=True)
class _Part:
    """The first half of a movie."""

    source: CorrectedMovie

    @property
    def shape(self):
        return 200, *self.source.shape[1:]

    @property
    def frame_rate_hz(self):
        return self.source.frame_rate_hz

    def read(self, start, stop):
        return self.source.read(start, min(stop, 200))


class _Sizes(distributed.SchedulerPlugin):
    """Notes the size of every result that the scheduler hears of."""

    name = "sizes"

    def __init__(self, sizes):
        self.sizes = sizes

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory":
            self.sizes.append(kwargs["nbytes"])


def test_an_error_on_a_worker_says_what_was_expected(tiny_session, cluster):
    def fail(start, block):
        raise MemoryError("no room")

    with (
        open_session(tiny_session) as session,
        spread_over(cluster.scheduler_address, tiny_session),
    ):
        passed = blocks.map_blocks(NwbMovie(session), fail, workers=1, progress=no_progress)
        with pytest.raises(StageError, match=r"MemoryError: no room.*that see the folder"):
            next(passed)


def test_workers_with_other_versions_are_refused(tmp_path):
    order = tmp_path / "order"
    order.write_bytes(pickle.dumps(("ace-nwb 0.0.1", b"")))
    with pytest.raises(StageError, match=r"processed with ace-nwb 0\.0\.1"):
        compute_block(str(order), 0, 1)


def test_a_movie_in_memory_is_computed_here(cluster, tmp_path):
    movie = ArrayMovie(np.ones((8, 4, 4), np.uint8), 20.0)
    with spread_over(cluster.scheduler_address, tmp_path / "x.nwb"):
        sums = blocks.map_blocks(
            movie, lambda _start, block: block.sum(), workers=1, progress=no_progress
        )
        assert sum(sums) == 128
