"""Twelve sessions on a Dask cluster, one worker killed; throughput; a scheduler with 1,000.

    python -m tests.benchmarks.batch_cluster [PARTS] [--folder FOLDER] [--sessions N]

`cluster`: 12 simulated sessions imported from spreadsheets (a bad cell is reported first), one
with a movie cut off, one without its ephys folder; two workers, one of them killed by SIGKILL.
`blocks`: the stages of one session with its blocks on two workers, one of them killed, against
the same on one machine. `throughput`: batch with two workers against a shell loop. `scheduler`:
load of 1,000 sessions. All parts but `blocks` by default.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ace_nwb.simulation.recording import simulate_recording
from tests.fixtures.contents import content_digests
from tests.fixtures.projects import SMALL, add_defaults, cut_movie, write_project

ACE_NWB = [sys.executable, "-m", "ace_nwb"]


def run(*arguments, check=True):
    """Run `ace-nwb`; return its output."""
    done = subprocess.run(
        [*ACE_NWB, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if check and done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return done


def import_manifest(project):
    """Import the spreadsheets, first with a bad cell; return the manifest."""
    manifest = project.folder / "sessions.yaml"
    command = ["batch", "--from-spreadsheets", project.experiments, project.parameters]
    command += ["--output", manifest, "--data-folder", "data"]
    row = min(3, len(project.recordings) - 1)
    project.set_cell(project.parameters, row, "gSig", "(7,")
    refused = run(*command)
    print("bad cell:", refused.stderr.strip().splitlines()[1].strip())
    assert refused.returncode == 1
    assert not manifest.exists()
    project.set_cell(project.parameters, row, "gSig", "(3,3)")
    assert run(*command).returncode == 0
    add_defaults(manifest, output_folder="cluster")
    return manifest


def states(manifest):
    """Return session -> state."""
    folder = manifest.with_suffix(".batch") / "states"
    found = {}
    for path in folder.glob("*.json"):
        try:
            found[path.stem] = json.loads(path.read_text())["state"]
        except ValueError:
            continue
    return found


def fingerprints(summary):
    """Return session -> stage -> fingerprint of the sessions that are done."""
    return {s["name"]: s["fingerprints"] for s in summary["sessions"] if s["state"] == "done"}


def check_cluster(folder):
    """The acceptance run."""
    import dask
    from distributed import LocalCluster

    project = write_project(folder, 12)
    manifest = import_manifest(project)
    cut_movie(project.recordings[5])
    shutil.rmtree(project.recordings[8].ephys_folder)
    print("check:", run("batch", manifest, "--check").stdout.strip())
    # On a busy machine a worker takes long to begin anew; the cluster is to wait for it.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"})
    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with patience, local as cluster:
        started = time.perf_counter()
        command = [*ACE_NWB, "batch", str(manifest), "--scheduler", cluster.scheduler_address]
        batch = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        while sum(state == "done" for state in states(manifest).values()) < 3:
            assert batch.poll() is None, "the batch ended early"
            time.sleep(0.2)
        victim = next(iter(cluster.workers.values())).pid
        os.kill(victim, signal.SIGKILL)
        print(
            f"killed worker {victim} while",
            [n for n, s in states(manifest).items() if s == "running"],
        )
        text = batch.communicate()[0]
        elapsed_s = time.perf_counter() - started
    print(text.strip())
    summary = json.loads((manifest.with_suffix(".batch") / "summary.json").read_text())
    again = {s["name"]: s["attempts"] for s in summary["sessions"] if s["attempts"] > 1}
    print(
        f"{summary['done']} done, {summary['failed']} failed, {elapsed_s:.0f} s, "
        f"begun again: {again}"
    )
    assert (summary["done"], summary["failed"]) == (10, 2)
    compare_with_serial(manifest, summary)
    check_rerun(manifest)


def compare_with_serial(manifest, summary):
    """The same sessions one by one on this machine give the same fingerprints."""
    import yaml

    serial = manifest.with_name("serial.yaml")
    content = yaml.safe_load(manifest.read_text()) | {"output_folder": "serial"}
    serial.write_text(yaml.safe_dump(content, sort_keys=False))
    done = json.loads(run("batch", serial, "--workers", 1, "--threads", 2, "--json").stdout)
    assert fingerprints(done) == fingerprints(summary)
    n_marks = sum(len(marks) for marks in fingerprints(done).values())
    n_sets = sum(compare_contents(manifest.parent, name) for name in fingerprints(done))
    print(
        f"serial run: {done['done']} done, all {n_marks} fingerprints and the values of all "
        f"{n_sets} data sets equal"
    )


def compare_contents(folder, name):
    """Compare a session of the cluster with that of the serial run; return how many data sets."""
    ours, serial = (content_digests(folder / run / f"{name}.nwb") for run in ("cluster", "serial"))
    assert ours == serial, [key for key in ours if ours[key] != serial.get(key)]
    return len(ours)


def check_rerun(manifest):
    """A second run changes no file."""
    files = sorted((manifest.parent / "cluster").glob("*.nwb"))
    before = [(path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    started = time.perf_counter()
    done = json.loads(run("batch", manifest, "--json").stdout)
    ran = [s["name"] for s in done["sessions"] for _, action, _ in s["stages"] if action == "ran"]
    assert not ran
    assert before == [(path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    elapsed_s = time.perf_counter() - started
    started = time.perf_counter()
    run("batch", manifest, "--resume", "--json")
    print(
        f"re-run does nothing ({elapsed_s:.0f} s; --resume {time.perf_counter() - started:.0f} s)"
    )


def check_blocks(folder):
    """The blocks of one movie on two workers, one killed midway: the same values."""
    import dask
    from distributed import LocalCluster

    movie = replace(SMALL.movie, n_frames=2000, n_rows=120, n_columns=130, n_cells=12)
    recording = simulate_recording(folder / "recording", replace(SMALL, movie=movie), seed=1)
    here, there = folder / "here.nwb", folder / "there.nwb"
    run("convert", recording.miniscope_folder, here, "--ephys", recording.ephys_folder)
    shutil.copy(here, there)
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text("stages: {preprocess: , motion: , summary: , extract: , evaluate: }\n")
    started = time.perf_counter()
    run("run", here, pipeline, "--workers", 2)
    here_s = time.perf_counter() - started
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"})
    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with patience, local as cluster:
        started = time.perf_counter()
        command = [*ACE_NWB, "run", str(there), str(pipeline)]
        process = subprocess.Popen([*command, "--scheduler", cluster.scheduler_address])
        while not list(folder.glob("there.nwb.scratch/blocks-*/packed-*/filtered")):
            assert process.poll() is None, "the run ended early"
            time.sleep(0.05)
        victim = next(iter(cluster.workers.values())).pid
        os.kill(victim, signal.SIGKILL)
        assert process.wait() == 0
        there_s = time.perf_counter() - started
        n_tasks = len(cluster.scheduler.tasks)
    ours, theirs = content_digests(here), content_digests(there)
    assert ours == theirs, [key for key in ours if ours[key] != theirs.get(key)]
    assert not (folder / "there.nwb.scratch").exists()
    print(
        f"blocks: worker {victim} killed while extracting; all {len(ours)} data sets equal; here "
        f"{here_s:.0f} s, cluster {there_s:.0f} s; {n_tasks} tasks left"
    )


def check_throughput(folder, n_sessions):
    """Batch with two workers against a shell loop over `convert` and `run`."""
    project = write_project(folder, n_sessions)
    manifest = import_manifest(project)
    started = time.perf_counter()
    for number, recording in enumerate(project.recordings):
        path = folder / f"loop{number}.nwb"
        run("convert", recording.miniscope_folder, path, "--ephys", recording.ephys_folder)
        run("run", path, folder / "pipeline.yaml")
    loop_s = time.perf_counter() - started
    started = time.perf_counter()
    done = json.loads(run("batch", manifest, "--workers", 2, "--json").stdout)
    batch_s = time.perf_counter() - started
    assert done["done"] == n_sessions
    print(
        f"{n_sessions} sessions: shell loop {loop_s:.1f} s, batch {batch_s:.1f} s, "
        f"{loop_s / batch_s:.2f}x"
    )


def pretend(job_text, _settings):
    """Stand in for a session."""
    time.sleep(0.01)
    return {"name": json.loads(job_text)["name"], "state": "done", "attempts": 1}


def check_scheduler(n_sessions=1000):
    """What the scheduler holds and how long it takes, with sessions that do nothing."""
    import psutil
    from distributed import Client, LocalCluster

    from ace_nwb.batch import cluster as module
    from ace_nwb.batch.plan import SessionJob
    from ace_nwb.batch.settings import BatchSettings

    module.run_in_own_process = pretend
    for n_jobs in (10, 100, n_sessions):
        jobs = [
            SessionJob(
                f"s{n:04d}",
                (f"/data/m/{n}",),
                f"/out/{n}.nwb",
                "/out/x.batch",
                columns={f"experiments.column {k}": "a cell of the spreadsheet" for k in range(40)},
            )
            for n in range(n_jobs)
        ]
        local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
        with local as cluster, Client(cluster, set_as_default=False) as client:
            before = psutil.Process().memory_info().rss
            pool = module.DaskPool(client, BatchSettings())
            started = time.perf_counter()
            futures = [pool.submit(job) for job in jobs]
            submitted_s = time.perf_counter() - started
            tasks = list(cluster.scheduler.tasks.values())
            edges = sum(len(task.dependencies) for task in tasks)
            held = 0
            for future in futures:
                future.result()
                sizes = [task.nbytes for task in list(cluster.scheduler.tasks.values())]
                held = max(held, sum(size for size in sizes if size > 0))
            elapsed_s = time.perf_counter() - started
            grown = (psutil.Process().memory_info().rss - before) / 2**20
            print(
                f"{n_jobs} sessions: at most {len(tasks)} tasks at once, {edges} edges, "
                f"{len(jobs[0].to_json())} bytes per job, at most {held} bytes of results held, "
                f"scheduler and client grew by {grown:.1f} MB, submitted in {submitted_s:.2f} s, "
                f"{1000 * (elapsed_s / n_jobs):.1f} ms per session"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["cluster", "throughput", "scheduler"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sessions", type=int, default=4, help="of `throughput`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = (options.folder or Path(scratch)).resolve()
        for part in options.parts:
            folder = base / part
            folder.mkdir(parents=True, exist_ok=True)
            if part == "cluster":
                check_cluster(folder)
            elif part == "throughput":
                check_throughput(folder, options.sessions)
            elif part == "blocks":
                check_blocks(folder)
            else:
                check_scheduler()


if __name__ == "__main__":
    main()
