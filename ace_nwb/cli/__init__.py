"""The command line: `ace-nwb VERB ...`; the verbs are in `verbs`.

Everything is imported within `run`, so that Ctrl-C is met there at any time.
"""

import os
import sys

DONE, OUR_ERROR, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run a command line; exit with 0 done, 1 our error, 2 usage, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        return _run(arguments)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUR_ERROR
    except KeyboardInterrupt as interrupt:
        from ace_nwb.cli.console import print_error

        print_error(str(interrupt) or "Interrupted. What was being written is as it was before.")
        return INTERRUPTED


def _run(arguments: list[str] | None) -> int:
    from cyclopts.exceptions import CycloptsError

    from ace_nwb.cli.console import print_error
    from ace_nwb.cli.verbs import build_app
    from ace_nwb.cli.wording import as_options, told_on_the_terminal, usage_message
    from ace_nwb.errors import AceNwbError

    try:
        with told_on_the_terminal():
            code = build_app()(
                arguments, exit_on_error=False, print_error=False, result_action="return_value"
            )
    except CycloptsError as error:
        print_error(usage_message(error))
        return USAGE
    except AceNwbError as error:
        print_error(as_options(str(error)))
        return OUR_ERROR
    return code if isinstance(code, int) else DONE
