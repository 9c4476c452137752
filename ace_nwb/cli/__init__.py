"""The command line: `ace-nwb VERB ...`; the verbs are in `verbs`.

Everything is imported within `run`, so that Ctrl-C is met there at any time.
"""

import errno
import gc
import os
import sys
import traceback

DONE, OUR_ERROR, USAGE, FAULT, INTERRUPTED = 0, 1, 2, 70, 130
"""Exit codes: 70 is that of sysexits.h for a fault inside a program, 130 that of shells."""

DISK_REFUSES = frozenset({errno.EIO, errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", -1)})
"""What a disk answers that is broken, full, read-only, or used up by its user: no fault of ours."""

QUICK_VERBS = frozenset(
    {"status", "history", "list", "contents", "run", "process", "--help", "--version"}
)
"""Verbs that end in half a second, or begin their work after one (and open a progress bar then): a
tenth of that time would go into looking for garbage among what is imported."""

FAULT_OF_OURS = """
This is a fault of ace_nwb, not of your files, which are as they were before. Please report it: open
an issue in the repository of the package with the lines above and what `ace-nwb doctor` prints."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command line; exit with 0 done, 1 our error, 2 usage, 70 our fault, 130 interrupted."""
    typed = sys.argv[1:] if arguments is None else arguments
    if QUICK_VERBS.intersection(typed[:1]):
        gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look into every package
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
    except Exception:
        from ace_nwb.cli.console import print_error

        print_error(f"{traceback.format_exc()}{FAULT_OF_OURS}")
        return FAULT


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
    except MemoryError as error:
        print_error(
            f"There was not enough memory ({error or 'it is full'}). Close other programs, or give "
            "the step less with --max-memory 2GB. Files are as they were before."
        )
        return OUR_ERROR
    except OSError as error:
        if error.errno not in DISK_REFUSES:
            raise
        print_error(
            f"The disk refused ({error}). A sound one with free space was expected: repair it or "
            "free space, then repeat the command. Files are as they were before."
        )
        return OUR_ERROR
    return code if isinstance(code, int) else DONE
