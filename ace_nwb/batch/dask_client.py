"""A client of a Dask cluster; the packages for it are optional."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ace_nwb.errors import InputError, MissingPackageError

_CONNECT_S = 20
"""How long a scheduler may take to answer, seconds: one on a busy login node takes several."""


@contextmanager
def open_client(address: str) -> Iterator[Any]:
    """Open a client of a Dask cluster that exists; see `connect`."""
    distributed = load_package("distributed")
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    try:
        client = distributed.Client(**where, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address} ({error}). The address that `dask scheduler` "
            "prints was expected, such as tcp://10.0.0.1:8786."
        ) from error
    with client:
        yield client


def load_package(name: str) -> Any:
    """Import a package of the extra `batch`.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"The package {name.replace('_', '-')} is not installed. Clusters need it; run "
            'pip install "ace-nwb[batch]".'
        ) from error
