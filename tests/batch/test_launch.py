"""A session's process is watched: lost ones begin again, large ones end, failures are reported."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ace_nwb.batch.launch import LocalPool, run_in_own_process
from ace_nwb.batch.monitor import estimate_eta_s, watch
from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.batch.summary import is_finished, summarise

pytestmark = pytest.mark.usefixtures("fake_worker")
SETTINGS = BatchSettings(workers=2, retries=1)


def state_of(job):
    return json.loads(job.state_path.read_text())


def test_lost_process_is_begun_again(make_job):
    job = make_job("dies_once")
    result = run_in_own_process(job.to_json(), SETTINGS)
    assert result == {"name": "dies_once", "state": "done", "attempts": 2}


def test_process_that_is_lost_again_and_again_is_given_up(make_job):
    job = make_job("dies_always")
    assert run_in_own_process(job.to_json(), SETTINGS)["state"] == "failed"
    assert "lost 2 times" in state_of(job)["error"]
    assert "in stage motion" in state_of(job)["error"]


def test_a_lost_process_with_a_damaged_state_is_given_up_too(make_job):
    job = make_job("damages_its_state")
    assert run_in_own_process(job.to_json(), SETTINGS)["state"] == "failed"
    assert "lost 2 times" in state_of(job)["error"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_process_above_its_memory_is_ended_and_not_begun_again(make_job):
    job = make_job("large")
    settings = BatchSettings(max_memory_bytes=2**20, interpreter_bytes=150 * 2**20)
    result = run_in_own_process(job.to_json(), settings)
    assert (result["state"], result["attempts"]) == ("failed", 1)
    assert "needed more than 0.1 GB" in state_of(job)["error"]


def test_session_whose_file_is_being_written_waits(make_job):
    assert run_in_own_process(make_job("locked").to_json(), SETTINGS)["attempts"] == 1


def test_failing_session_does_not_stop_the_others(make_job, tmp_path):
    jobs = [make_job(name) for name in ("a", "bad", "b", "dies_once")]
    seen = []
    with LocalPool(SETTINGS) as pool:
        last = watch(jobs, pool, seen.append)
    assert [view.state for view in last.sessions] == ["done", "failed", "done", "done"]
    assert (last.count("done"), last.eta_s) == (3, 0)
    assert seen[0].count("done") < 4
    summary = summarise(jobs, tmp_path / "x.yaml")
    assert [session.name for session in summary.failed] == ["bad"]
    assert "bad: failed (in motion). the movie breaks off" in summary.to_text()
    page, text = (path.read_text() for path in reversed(summary.write(tmp_path / "x.batch")))
    assert "3 of 4 sessions are done" in page
    assert json.loads(text)["sessions"][3]["attempts"] == 2
    assert [is_finished(job, state_of(job)) for job in jobs] == [True, False, True, True]


def test_process_ends_when_the_one_that_started_it_is_killed(make_job, tmp_path):
    job = make_job("leash")
    code = (
        "import sys\n"
        "from ace_nwb.batch import launch\n"
        "from ace_nwb.batch.settings import BatchSettings\n"
        f"launch.WORKER = {(sys.executable, launch_worker())!r}\n"
        "launch.run_in_own_process(sys.argv[1], BatchSettings())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, job.to_json()])
    wait_for(lambda: job.output_path.exists() and job.output_path.read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: job.output_path.read_text() == "gone")


def launch_worker():
    from ace_nwb.batch import launch

    return launch.WORKER[1]


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to pass")


def test_job_travels_as_text(make_job):
    job = make_job("a")
    assert SessionJob.from_json(job.to_json()) == job
    assert len(job.to_json()) < 1000


def test_time_left_follows_from_what_is_done(make_job):
    class View:
        def __init__(self, state, share=0.0):
            self.state, self.share = state, share

    views = [View("done"), View("running", 0.5), View("waiting"), View("failed")]
    assert estimate_eta_s(views, 50) == pytest.approx(30)
    assert estimate_eta_s([View("waiting")], 5) is None
