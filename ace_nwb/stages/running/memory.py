"""How much memory this process has taken; apart from `execution`, which loads the engines."""

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, megabytes."""
    if STATUS.is_file():  # getrusage would count what the parent held when it started us
        words = STATUS.read_text(encoding="ascii", errors="replace").split()
        if "VmHWM:" in words:
            return round(int(words[words.index("VmHWM:") + 1]) / 2**10, 1)
    if sys.platform == "win32":
        import psutil

        return round(psutil.Process().memory_info().peak_wset / 2**20, 1)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
