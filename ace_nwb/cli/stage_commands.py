"""`process`: one command per stage, its options derived from the parameters of the stage.

Imported when somebody types `process`: to build the parameters takes a tenth of a second.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from ace_nwb.cli.processing import Execution, Rerun, run_stage
from ace_nwb.stages.settings.params import StageParams
from ace_nwb.stages.stage import Stage
from ace_nwb.stages.table import STAGES


def _build_process_app() -> App:
    """Return `process` with one command per stage."""
    app = App(name="process", help_format="markdown", help_epilogue="")
    for place, stage in enumerate(STAGES.values()):
        command, text = _stage_command(stage), _stage_help(stage)
        app.command(command, name=stage.name, help=text, sort_key=place)
    return app


def _stage_command(stage: Stage) -> Callable[..., None]:
    def command(
        file: Path,
        /,
        *,
        params: Any = None,
        execution: Execution | None = None,
        rerun: Rerun | None = None,
    ) -> None:
        chosen = params if params is not None else stage.params()
        _process(stage.name, file, chosen, execution=execution, rerun=rerun)

    command.__annotations__["params"] = Annotated[stage.params | None, Parameter(name="*")]
    return command


def _stage_help(stage: Stage) -> str:
    needs = f" Needs: {', '.join(stage.requires)}." if stage.requires else ""
    option = next((name.replace("_", "-") for name in stage.params.model_fields), None)
    example = f"ace-nwb process {stage.name} session.nwb" + (f" --{option} ..." if option else "")
    return f"{stage.summary}{needs}\n\nExample: `{example}`"


def _process(
    stage: str,
    file: Path,
    params: StageParams,
    *,
    execution: Execution | None,
    rerun: Rerun | None,
) -> None:
    chosen = {name: getattr(params, name) for name in params.model_fields_set}
    run_stage(stage, file, chosen, execution=execution, rerun=rerun)


process_app = _build_process_app()
