"""Miniscope calcium imaging and electrophysiology in one NWB file, from raw folders to findings.

What a script needs is here, and is imported when it is asked for; the rest of the package may move.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ace_nwb.archive import Finding, is_valid, validate
    from ace_nwb.archive.dandiset import prepare_dandiset
    from ace_nwb.archive.description import describe
    from ace_nwb.archive.upload import upload_dandiset
    from ace_nwb.conversion import convert
    from ace_nwb.demo import run_demo
    from ace_nwb.errors import AceNwbError, AceNwbWarning
    from ace_nwb.inspection import inspect_folder
    from ace_nwb.interfaces.data_interfaces import (
        InscopixInterface,
        IntanInterface,
        MappedMovieInterface,
        MiniscopeDaqInterface,
        MiniscopeV3Interface,
        NeuralynxInterface,
        OnixInterface,
        OnixMiniscopeInterface,
        OpenEphysBinaryInterface,
        OpenEphysLegacyInterface,
        OpenEphysMiniscopeInterface,
        SpikeGlxInterface,
    )
    from ace_nwb.nwb.content.events import read_events
    from ace_nwb.nwb.session import Session, edit_session, open_session
    from ace_nwb.nwb.shared.light import join_movies, write_light_session
    from ace_nwb.pipeline import diff, process, read_plan, run, status
    from ace_nwb.report import write_overview_png, write_report
    from ace_nwb.stages.running.replacement import Replacement

__all__ = [
    "AceNwbError",
    "AceNwbWarning",
    "Finding",
    "InscopixInterface",
    "IntanInterface",
    "MappedMovieInterface",
    "MiniscopeDaqInterface",
    "MiniscopeV3Interface",
    "NeuralynxInterface",
    "OnixInterface",
    "OnixMiniscopeInterface",
    "OpenEphysBinaryInterface",
    "OpenEphysLegacyInterface",
    "OpenEphysMiniscopeInterface",
    "Replacement",
    "Session",
    "SpikeGlxInterface",
    "convert",
    "describe",
    "diff",
    "edit_session",
    "inspect_folder",
    "is_valid",
    "join_movies",
    "open_session",
    "prepare_dandiset",
    "process",
    "read_events",
    "read_plan",
    "run",
    "run_demo",
    "status",
    "upload_dandiset",
    "validate",
    "write_light_session",
    "write_overview_png",
    "write_report",
]

_HOMES = {
    "archive": ("Finding", "is_valid", "validate"),
    "archive.dandiset": ("prepare_dandiset",),
    "archive.description": ("describe",),
    "archive.upload": ("upload_dandiset",),
    "conversion": ("convert",),
    "demo": ("run_demo",),
    "errors": ("AceNwbError", "AceNwbWarning"),
    "inspection": ("inspect_folder",),
    "interfaces.data_interfaces": (
        "InscopixInterface",
        "IntanInterface",
        "MappedMovieInterface",
        "MiniscopeDaqInterface",
        "MiniscopeV3Interface",
        "NeuralynxInterface",
        "OnixInterface",
        "OnixMiniscopeInterface",
        "OpenEphysBinaryInterface",
        "OpenEphysLegacyInterface",
        "OpenEphysMiniscopeInterface",
        "SpikeGlxInterface",
    ),
    "nwb.content.events": ("read_events",),
    "nwb.session": ("Session", "edit_session", "open_session"),
    "nwb.shared.light": ("join_movies", "write_light_session"),
    "pipeline": ("diff", "process", "read_plan", "run", "status"),
    "report": ("write_overview_png", "write_report"),
    "stages.running.replacement": ("Replacement",),
}
"""Module -> names of the public surface that are defined in it."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: pynwb and NeuroConv take seconds."""
    if name == "__version__":
        from importlib.metadata import version

        return version("ace-nwb")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"ace_nwb.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]
