"""Every verb of the command line by its theme; one module per group of verbs."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from cyclopts import App, Group

from ace_nwb.cli import (
    adopting,
    apps,
    batch,
    catalogue,
    computer,
    demo,
    exchange,
    exporting,
    processing,
    publishing,
    recording,
    session,
    viewing,
)

EXAMPLES = """
Examples:
  ace-nwb demo
  ace-nwb inspect 15_26_31 --ephys CheetahData
  ace-nwb convert 15_26_31 --ephys CheetahData session.nwb --metadata meta.yaml
  ace-nwb sync session.nwb
  ace-nwb run session.nwb --set motion.max_shift_px=30
  ace-nwb report session.nwb
"""

PROCESS = "ace_nwb.cli.stage_commands:process_app"
REGISTER = "ace_nwb.cli.registering:register_app"

THEMES: dict[str, dict[str, App | Callable[..., Any] | str]] = {
    "Begin": {
        "demo": demo.demo,
        "doctor": computer.doctor,
        "list": catalogue.list_entries,
    },
    "From a recording to results": {
        "inspect": recording.inspect,
        "convert": recording.convert,
        "sync": processing.sync,
        "run": processing.run,
        "process": PROCESS,
        "batch": batch.batch,
        "register-sessions": REGISTER,
        "adopt": adopting.adopt,
    },
    "Look and decide": {
        "report": viewing.report,
        "movie": viewing.movie,
        "crop": apps.crop,
        "tune": apps.tune,
        "curate": apps.curate,
    },
    "What a file holds and how it came to be": {
        "status": session.status,
        "history": session.history,
        "diff": session.diff,
        "contents": publishing.contents,
        "validate": session.validate,
        "schema": catalogue.schema,
    },
    "Share and publish": {
        "describe": publishing.describe,
        "export": exporting.export_app,
        "import": exchange.import_session,
        "dandi": publishing.dandi_app,
    },
    "Care of files": {
        "recover": session.recover,
        "repack": session.repack,
        "upgrade": publishing.upgrade,
    },
}
VERBS = {verb: command for verbs in THEMES.values() for verb, command in verbs.items()}
HELP_OF_LAZY = {
    PROCESS: "Run one stage on a session file.",
    REGISTER: "Find which ROIs of several sessions are the same cell; write it into each file.",
}
"""Import path -> line in the list of verbs, of verbs whose options are parameters of stages: these
take a tenth of a second to build, and are imported when the verb is typed."""


def build_app() -> App:
    """Return the command line; what a verb needs is imported when it runs."""
    app = App(
        name="ace-nwb",
        help="Miniscope calcium imaging and electrophysiology in one NWB file.",
        help_epilogue=EXAMPLES,
        help_format="plaintext",
        version=version("ace-nwb"),
        suppress_keyboard_interrupt=False,
    )
    app["--help"].group = app["--version"].group = Group("Options", sort_key=len(THEMES))
    for rank, (theme, verbs) in enumerate(THEMES.items()):
        group = Group(theme, sort_key=rank)
        for place, (verb, command) in enumerate(verbs.items()):
            if isinstance(command, str):
                text = HELP_OF_LAZY[command]
                app.command(command, name=verb, help=text, group=group, sort_key=place)
            else:
                app.command(_as_app(verb, command, place=place, group=group))
    return app


def _as_app(verb: str, command: App | Callable[..., Any], *, place: int, group: Group) -> App:
    """Return a verb as a command of its own, at its place among those of its theme."""
    if isinstance(command, App):
        app = command
    else:
        app = App(name=verb, help_format="markdown")
        app.default(command)
    app.group, app.sort_key, app.help_epilogue = group, place, ""
    return app
