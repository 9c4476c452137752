"""Settings of scopes and cameras in long form, and what differs between two recordings."""

import json
from collections.abc import Mapping
from typing import Any

PATH_SETTINGS = {"deviceDirectory"}
"""Settings that hold absolute paths of the acquisition computer, which do not belong in a file."""


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, text); a list is text in JSON."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            rows.extend(flat_settings(value, f"{prefix}{name}."))
        elif name not in PATH_SETTINGS:
            text = json.dumps(value) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{name}", text))
    return rows


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of a recording that are not those of the one before it."""
    earlier = dict(flat_settings(before))
    return [(name, value) for name, value in flat_settings(after) if earlier.get(name) != value]
