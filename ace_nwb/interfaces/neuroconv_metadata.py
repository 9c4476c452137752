"""What NeuroConv's metadata say of our objects, in each of its forms.

Its present form is dictionaries of entries by key (`Ophys.ImagingPlanes`, `Ophys.MicroscopySeries`,
`Ecephys.ElectrodeGroups`, `Ecephys.ElectricalSeries`); before, there were lists of entries with
names (`Ophys.ImagingPlane`, `Ophys.OnePhotonSeries`, `Ecephys.ElectrodeGroup`). Ours, as in
meta.yaml, are single entries: `Ophys.ImagingPlane`, and `Ecephys` itself.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from ace_nwb.errors import AceNwbWarning, MetadataError
from ace_nwb.interfaces.nwb_objects import section

Entry = dict[str, Any]

PLANE, SERIES, GROUP = "ImagingPlane", "OnePhotonSeries", "ElectrodeGroup"
"""Names of our objects, and keys of their entries; of several scopes with a suffix."""

_LINKS = {
    "device",
    "device_metadata_key",
    "imaging_plane",
    "imaging_plane_metadata_key",
    "dimension",
    "format",
    "rate",
    "unit",
}
"""Fields of entries that the recording itself decides."""

_PLANE_FIELDS = {
    "name",
    "description",
    "location",
    "indicator",
    "excitation_lambda",
    "excitation_lambda_nm",
    "emission_lambda_nm",
    "pixel_size_um",
    "optical_channel",
    "imaging_rate",
    "grid_spacing",
    "grid_spacing_unit",
    "origin_coords",
    "origin_coords_unit",
    "reference_frame",
}
_SERIES_FIELDS = {"name", "description", "comments"}
PHOTON_FIELDS = _SERIES_FIELDS | {"exposure_time", "binning", "power", "intensity", "pmt_gain"}
"""Fields of an entry that the series of a movie takes."""
_GROUP_FIELDS = {"name", "description", "location"}
_OWN_FIELDS = ("location", "description", "channels")


def scope_entries(
    metadata: Mapping[str, Any], suffixes: Sequence[str]
) -> list[tuple[Entry, Entry]]:
    """Return what the metadata say of the imaging plane and the series of each scope.

    A plane is found by the series' link, by its own key or name, or, where these say nothing, by
    its place among the planes that no other series or segmentation refers to.

    Parameters
    ----------
    metadata
        As handed to `add_to_nwbfile`.
    suffixes
        What the names of each scope's objects end in.

    Raises
    ------
    MetadataError
        If an entry of ours has a field that these objects do not have.
    """
    ophys = section(metadata, "Ophys")
    series, claimed = _series_entries(ophys, suffixes)
    listed = ophys.get(PLANE)
    shared = _stated(listed) if _is_entry(listed) else {}
    planes = _keyed(ophys.get("ImagingPlanes")) | _keyed(listed)
    free = {
        key: plane
        for key, plane in planes.items()
        if not {key, plane.get("name")} & claimed and _says_more(plane)
    }
    found = []
    for at, (suffix, one) in enumerate(zip(suffixes, series, strict=True)):
        plane = _find(planes, [_plane_of(one), f"{PLANE}{suffix}"])
        if not _says_more(plane) and len(free) == len(suffixes):
            plane = list(free.values())[at]
        _check_fields(plane | shared, _PLANE_FIELDS, f"Ophys.{PLANE}{suffix}")
        _check_fields(one, PHOTON_FIELDS, f"Ophys.{SERIES}{suffix}")
        found.append((plane | shared, one))
    if free and not any(_says_more(plane) for plane, _one in found):
        _tell_unused(free)
    return found


def electrode_group_entry(metadata: Mapping[str, Any]) -> Entry:
    """Return what the metadata say of the electrodes: ours, and those of their group."""
    ecephys = section(metadata, "Ecephys")
    groups = _keyed(ecephys.get("ElectrodeGroups")) | _keyed(ecephys.get(GROUP))
    entry = _find(groups, [GROUP])
    if not entry and len(groups) == 1:
        (entry,) = groups.values()
    _check_fields(entry, _GROUP_FIELDS, f"Ecephys.{GROUP}")
    own: Entry = {name: ecephys.get(name) for name in _OWN_FIELDS}
    return entry | _stated(own)


def electrical_series_entries(
    metadata: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Entry]:
    """Return name -> what the metadata say of that series; an entry without key is of the first."""
    listed = section(metadata, "Ecephys").get("ElectricalSeries")
    if _is_entry(listed) and names:
        found = {names[0]: _stated(listed)}
    else:
        entries = _keyed(listed)
        found = {name: _find(entries, [name]) for name in names}
    for name, entry in found.items():
        _check_fields(entry, _SERIES_FIELDS, f"Ecephys.ElectricalSeries.{name}")
    return found


def ophys_metadata(suffixes: Iterable[str]) -> dict[str, Any]:
    """Return the entries of the planes and series of scopes, for the user to fill in."""
    planes, series = {}, {}
    for suffix in suffixes:
        plane, name = f"{PLANE}{suffix}", f"{SERIES}{suffix}"
        planes[plane] = {"name": plane}
        series[name] = {"name": name, "imaging_plane_metadata_key": plane}
    return {"ImagingPlanes": planes, "MicroscopySeries": series}


def ecephys_metadata(names: Sequence[str]) -> dict[str, Any]:
    """Return the entries of the electrode group and of the series of electrodes."""
    return {
        "ElectrodeGroups": {GROUP: {"name": GROUP}},
        "ElectricalSeries": {name: {"name": name} for name in names},
    }


_ENTRY = {"type": "object", "additionalProperties": True}
_BY_KEY = {"type": "object", "additionalProperties": _ENTRY}
_LISTED = {"type": "array", "items": _ENTRY}

OPHYS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "ImagingPlanes": _BY_KEY,
        "MicroscopySeries": _BY_KEY,
        PLANE: {},  # a list or our entry: NeuroConv cannot join schemas with a choice of types
        SERIES: _LISTED,
    },
}
ECEPHYS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": True,
    "properties": {
        "ElectrodeGroups": _BY_KEY,
        "ElectricalSeries": _ENTRY,
        GROUP: _LISTED,
        "location": {"type": "string"},
        "description": {"type": "string"},
        "channels": _BY_KEY,
    },
}


def _is_entry(block: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether a block is one entry of fields, not entries by key."""
    return isinstance(block, Mapping) and any(
        not isinstance(value, Mapping) for value in block.values()
    )


def _keyed(block: Any) -> dict[str, Entry]:
    """Return entries by key; those of a list by their names, numbered where they have none."""
    if isinstance(block, Mapping):
        items: Any = [] if _is_entry(block) else block.items()
    else:
        listed = [entry for entry in block or () if isinstance(entry, Mapping)]
        items = [(entry.get("name", f"#{at}"), entry) for at, entry in enumerate(listed)]
    return {key: _stated(entry) for key, entry in items}


def _stated(entry: Mapping[str, Any]) -> Entry:
    """Return the fields of an entry that are filled in."""
    return {name: value for name, value in entry.items() if value is not None}


def _says_more(entry: Entry) -> bool:
    """Whether an entry says more than its name and what it is linked to."""
    return bool(entry.keys() - _LINKS - {"name"})


def _plane_of(series: Entry) -> Any:
    """Return key or name of the plane that the entry of a series refers to."""
    return series.get("imaging_plane_metadata_key", series.get("imaging_plane"))


def _find(entries: Mapping[str, Entry], wanted: Sequence[Any]) -> Entry:
    """Return the entry under one of the keys, or of one of the names, empty if there is none."""
    for one in wanted:
        for key, entry in entries.items():
            if one is not None and one in (key, entry.get("name")):
                return entry
    return {}


def _series_entries(
    ophys: Mapping[str, Any], suffixes: Sequence[str]
) -> tuple[list[Entry], set[Any]]:
    """Return the entry of each scope's series, and keys and names of the planes of others."""
    by_name = _keyed(ophys.get(SERIES))
    by_key = _keyed(ophys.get("MicroscopySeries")) | by_name
    if len(by_name) == len(suffixes):  # the old list, in the order of the scopes
        series = list(by_name.values())
    else:
        series = [_find(by_key, [f"{SERIES}{suffix}"]) for suffix in suffixes]
    others = {
        **_keyed(ophys.get("TwoPhotonSeries")),
        **_keyed(ophys.get("PlaneSegmentations")),
        **{key: entry for key, entry in by_key.items() if entry not in series},
    }
    claimed = {name for key, entry in others.items() for name in (key, _plane_of(entry))}
    return series, claimed - {None}


def _check_fields(entry: Entry, known: set[str], place: str) -> None:
    """Raise if an entry has a field that its object does not have."""
    unknown = sorted(entry.keys() - known - _LINKS)
    if unknown:
        raise MetadataError(
            f"The metadata of {place} have {', '.join(unknown)}",
            f"Of {', '.join(sorted(known))} some were expected; take the others out.",
        )


def _tell_unused(planes: Iterable[str]) -> None:
    """Warn of planes that no series takes, where ours are told nothing."""
    warnings.warn(
        f"Ophys.ImagingPlanes describes {', '.join(map(str, planes))}, which no series refers to; "
        f"our plane is {PLANE!r}. Give the entry that key, or name its key as "
        f"imaging_plane_metadata_key of Ophys.MicroscopySeries.{SERIES}.",
        AceNwbWarning,
        stacklevel=3,
    )
