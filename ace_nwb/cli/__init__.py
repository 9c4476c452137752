"""The command line: `ace-nwb VERB ...`; one module per group of verbs, loaded when one is used."""

import sys
from importlib.metadata import version
from typing import Any

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from ace_nwb.cli.console import print_error
from ace_nwb.errors import AceNwbError

DONE, OUR_ERROR, USAGE = 0, 1, 2

EXAMPLES = """
Examples:
  ace-nwb demo
  ace-nwb inspect 15_26_31 --ephys CheetahData
  ace-nwb convert 15_26_31 --ephys CheetahData session.nwb --metadata meta.yaml
  ace-nwb sync session.nwb
  ace-nwb run session.nwb --set motion.max_shift_px=30
  ace-nwb report session.nwb
"""

VERBS = {
    "demo": ("demo:demo", "Simulate a recording and take it through everything."),
    "inspect": ("recording:inspect", "Say what a folder holds, and by which evidence."),
    "convert": ("recording:convert", "Write a recording into a new NWB file."),
    "sync": ("processing:sync", "Align the camera's clock to the ephys clock."),
    "run": ("processing:run", "Run every stage that is not done yet."),
    "process": ("processing:process_app", "Run one stage."),
    "status": ("session:status", "Show which stages are done, stale or missing."),
    "history": ("session:history", "Show every stage run with its parameters."),
    "validate": ("session:validate", "Check a file against NWB, DANDI and our own rules."),
    "report": ("session:report", "Write a self-contained HTML page with pictures."),
    "recover": ("session:recover", "Complete or discard an interrupted write."),
    "list": ("catalogue:list_entries", "List formats, engines or stages."),
    "schema": ("catalogue:schema", "Print the JSON schema of a file you write."),
}


def build_app() -> App:
    """Return the command line; the verbs' modules are not imported before they are used."""
    app = App(
        name="ace-nwb",
        help="Miniscope calcium imaging and electrophysiology in one NWB file.",
        help_epilogue=EXAMPLES,
        help_format="plaintext",
        version=version("ace-nwb"),
    )
    for rank, (verb, (path, summary)) in enumerate(VERBS.items()):
        app.command(f"ace_nwb.cli.{path}", name=verb, help=summary, sort_key=rank)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command line; exit with 0 done, 1 our error, 2 usage."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        code = build_app()(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        print_error(usage_message(error))
        return USAGE
    except AceNwbError as error:
        print_error(str(error))
        return OUR_ERROR
    except KeyboardInterrupt:
        print_error("Interrupted. The file is as it was before the step that was running.")
        return 130
    return code if isinstance(code, int) else DONE


def usage_message(error: CycloptsError) -> str:
    """Return what is wrong with a command line, without the parser's own vocabulary."""
    cause = error.__cause__
    if type(cause).__name__ != "ValidationError":
        return str(error)
    problems: list[dict[str, Any]] = getattr(cause, "errors", list)()
    return " ".join(
        f"--{str(problem['loc'][-1]).replace('_', '-')} {problem['input']}: {problem['msg']}."
        for problem in problems
    )
