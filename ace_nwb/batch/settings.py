"""How a batch runs; nothing here may change a result."""

from dataclasses import dataclass

GB = 2**30  # bytes


@dataclass(frozen=True)
class BatchSettings:
    """Processes, threads and memory of a batch.

    Parameters
    ----------
    workers
        Sessions at the same time on this machine.
    threads
        Threads of each session.
    max_memory_bytes
        Memory that a session may use beside the interpreter; its process is ended above it.
    interpreter_bytes
        What the interpreter and its packages take by themselves.
    retries
        How many times a session is begun again after its process was lost.
    block_scheduler
        Address of a Dask scheduler whose workers compute the blocks of each session's movie.
    """

    workers: int = 1
    threads: int = 1
    max_memory_bytes: int = 4 * GB
    interpreter_bytes: int = GB
    retries: int = 2
    block_scheduler: str | None = None

    @property
    def limit_bytes(self) -> int:
        """Resident memory above which a process is ended."""
        return self.max_memory_bytes + self.interpreter_bytes
