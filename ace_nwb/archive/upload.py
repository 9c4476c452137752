"""A prepared dandiset sent to an instance of the archive, by dandi's own uploader.

The API key is dandi's affair (its environment variable, keyring or prompt): nothing here reads,
stores or logs it.
"""

import os
import subprocess
from pathlib import Path

from ace_nwb.archive.dandiset import (
    DANDI,
    PLACEHOLDER,
    check_dandiset,
    read_number,
    require_dandi,
)
from ace_nwb.errors import OutputError, UnknownNameError

INSTANCES = {
    "production": "dandi",
    "sandbox": "dandi-sandbox",
    "local": "dandi-api-local-docker-tests",
}
"""Our name of an instance -> dandi's."""


def upload_dandiset(folder: Path, *, instance: str, is_checked: bool = False) -> None:
    """Send a prepared dandiset to the archive; files that are there already are skipped.

    Parameters
    ----------
    folder
        A folder made by `prepare_dandiset`.
    instance
        "production", "sandbox", "local", or a name or URL that dandi knows. There is no default.
    is_checked
        Whether dandi has found the dandiset free of errors just now.

    Raises
    ------
    OutputError
        If the folder is no dandiset, has no number yet, is not free of errors, or the upload
        failed.
    UnknownNameError
        If the instance is neither known nor a URL.
    MissingPackageError
        If the dandi package is not installed.
    """
    require_dandi()
    target = find_instance(instance)
    number = read_number(folder)
    if number is None or number == PLACEHOLDER:
        raise OutputError(
            f"{folder} has {'no dandiset.yaml' if number is None else 'no dandiset number yet'}; a "
            "dandiset made by `ace-nwb dandi prepare` with --dandiset was expected. Create the "
            "dandiset on the archive's page, which gives it six digits, and prepare again."
        )
    findings = [] if is_checked else check_dandiset(folder)
    if findings:
        first = findings[0]
        raise OutputError(
            f"dandi finds {len(findings)} errors in {folder}, first in {first.location}: "
            f"{first.message} Nothing was sent. `ace-nwb dandi check {folder}` lists all."
        )
    command = [*DANDI, "upload", "-i", target, "--existing", "refresh", str(folder)]
    done = subprocess.run(command, env=os.environ | {"NO_ET": "1"}, check=False)
    if done.returncode != 0:
        raise OutputError(
            f"dandi's upload of {folder} to {instance} ended with code {done.returncode}; its "
            "messages stand above. Repeating sends only what is not there yet."
        )


def find_instance(name: str) -> str:
    """Return dandi's name, or the URL, of an instance.

    Raises
    ------
    UnknownNameError
        If it is neither known nor a URL.
    """
    from dandi.consts import known_instances

    target = INSTANCES.get(name, name)
    if target not in known_instances and "://" not in target:
        raise UnknownNameError.among("archive instance", name, {*INSTANCES, *known_instances})
    return target
