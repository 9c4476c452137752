"""Write the report: read the session, judge it, draw it, fill the template."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ace_nwb.archive import Finding
from ace_nwb.forms.commands import quoted
from ace_nwb.report.content import SessionContent, build_sections, judge, read_content
from ace_nwb.report.guidance import TOPICS
from ace_nwb.report.sections.stages import HistoryRow, StageRow
from ace_nwb.report.sections.validation import MAX_FINDINGS, list_findings
from ace_nwb.report.theme import sparkline
from ace_nwb.report.wording import format_duration
from ace_nwb.report.writing import refuse_overwriting, save_file
from ace_nwb.stages.running.status import StageStatus

MARKS = {"good": "✓ good", "look": "! look", "problem": "✕ fix", "missing": "– not run"}
STAGE_STATES = {
    "done": "good",
    "stale": "look",
    "missing": "missing",
    "not applicable": "missing",
    "on request": "missing",
}
"""Status of a stage -> how it is coloured; only what is not needed or not made is grey."""


def write_report(
    nwb_path: Path,
    html_path: Path,
    *,
    findings: Sequence[Finding] | None = None,
    stage_status: Sequence[StageStatus] | None = None,
) -> Path:
    """Write one self-contained HTML page with the pictures of a session.

    Parameters
    ----------
    nwb_path
        A session file; it is only read.
    html_path
        The page to write; an existing one is replaced.
    findings
        Result of a validation of the file, shown and judged; None if there was none.
    stage_status
        Status of every stage, as `pipeline.status` returns it; derived from the history if not
        given.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    OutputError
        If the page cannot be written there.
    """
    nwb_path, html_path = Path(nwb_path), Path(html_path)
    refuse_overwriting(nwb_path, html_path)
    page = render(read_content(nwb_path, stage_status), nwb_path.name, findings)
    return save_file(page.encode("utf-8", errors="replace"), html_path)


def render(
    content: SessionContent, file_name: str, findings: Sequence[Finding] | None = None
) -> str:
    """Return the page as text.

    Parameters
    ----------
    content
        What to show.
    file_name
        Name of the session file, without its folder.
    findings
        Result of a validation, or None.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(_resource("page.html"))
    typed = quoted(file_name)
    verdicts = judge(content, findings, typed)
    return template.render(
        version=version("ace-nwb"),
        style=Markup(_resource("style.css")),
        file_name=file_name,
        facts=content.facts,
        verdicts=verdicts,
        sparklines=[Markup(sparkline(verdict.spark)) for verdict in verdicts],
        marks=MARKS,
        sections=build_sections(content, typed),
        findings=list_findings(findings),
        n_findings_left_out=max(0, len(findings or ()) - MAX_FINDINGS),
        stages=[_stage_cells(row) for row in content.stages],
        stage_states=STAGE_STATES,
        stale=[row.name for row in content.stages if row.status == "stale"],
        topics=[topic.about(typed) for topic in TOPICS],
        history=[_history_cells(row) for row in content.history],
    )


def _resource(name: str) -> str:
    """Read a text that ships with this folder."""
    return files("ace_nwb.report").joinpath(name).read_text(encoding="utf-8")


def _stage_cells(row: StageRow) -> dict[str, object]:
    return {
        "name": row.name,
        "status": row.status,
        "changed": row.changed,
        "remark": row.remark,
        "duration": format_duration(row.duration_s),
        "version": row.version,
    }


def _history_cells(row: HistoryRow) -> dict[str, object]:
    return {**vars(row), "duration": format_duration(row.duration_s)}
