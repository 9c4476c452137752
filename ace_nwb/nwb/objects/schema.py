"""The NWB schema that a session file carries: it must know the types that we write."""

import h5py

_LEAST_CORE = (2, 10)
"""First version of the schema `core` with every type of ours; events tables came last."""


def provide_schema(h5: h5py.File) -> None:
    """Let pynwb add its schema to a file that carries older ones only, made by another program.

    Validators go by the schemas in the file.
    """
    if any(_version(name) >= _LEAST_CORE for name in h5.get("/specifications/core", ())):
        return
    from pynwb import NWBHDF5IO  # takes a second

    io = NWBHDF5IO(file=h5, mode="r+", load_namespaces=True)
    nwbfile = io.read()
    nwbfile.set_modified()
    io.write(nwbfile)


def _version(name: str) -> tuple[int, ...]:
    """Return (major, minor) of a version such as "2.9.0-alpha"."""
    return tuple(int(part) for part in name.split(".")[:2] if part.isdecimal())
