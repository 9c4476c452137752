"""Stands in for a session's process: the name of the session says what happens to it."""

import json
import os
import signal
import sys
import time

from ace_nwb.batch.plan import SessionJob
from ace_nwb.batch.worker import DONE, FAILED, LOCKED, Reporter

order = json.loads(sys.stdin.readline())
job = SessionJob.from_json(order["job"])
reporter = Reporter(job.state_path, order["attempt"])
reporter.update(stage="motion")
if "dies_always" in job.name or ("dies_once" in job.name and order["attempt"] == 1):
    os.kill(os.getpid(), signal.SIGKILL)
if "damages" in job.name:  # as a full disk or a power cut leaves the state
    job.state_path.write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
if "large" in job.name:
    ballast = bytearray(300 * 2**20)
    time.sleep(30)
if "locked" in job.name and not job.output_path.exists():
    job.output_path.write_text("the other process has finished")
    sys.exit(LOCKED)
if "bad" in job.name:
    reporter.update(state="failed", error="the movie breaks off", mark=job.mark)
    sys.exit(FAILED)
if "leash" in job.name:
    job.output_path.write_text(str(os.getpid()))
    sys.stdin.read()  # ends when the process that holds the other end dies
    job.output_path.write_text("gone")
    sys.exit(5)
with reporter.bar("motion") as report:
    report(1, 2)
job.output_path.write_text("done")
reporter.update(state="done", stage="", mark=job.mark, outcomes=[["motion", "ran", 0.1]])
sys.exit(DONE)
