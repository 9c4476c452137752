"""Many sessions at once: local processes, a Dask cluster, or Slurm.

plan.py makes jobs of a manifest, session.py does one, worker.py is the process around it, launch.py
starts and watches it here, cluster.py on many computers; monitor.py tells how far they are,
summary.py what came of them, slurm.py writes scripts that do without Dask.
"""

from ace_nwb.batch.monitor import Snapshot, watch
from ace_nwb.batch.plan import SessionJob, check_sources, plan_jobs
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.batch.summary import Summary, summarise

__all__ = [
    "BatchSettings",
    "SessionJob",
    "Snapshot",
    "Summary",
    "check_sources",
    "plan_jobs",
    "summarise",
    "watch",
]
