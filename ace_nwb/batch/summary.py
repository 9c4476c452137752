"""What came of a batch: one line per session, as text, JSON and an HTML page."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ace_nwb.batch.monitor import StateFolder
from ace_nwb.batch.plan import SessionJob
from ace_nwb.nwb.commit.new_file import make_folder, write_new

_TEMPLATE = Path(__file__).parent / "summary.html"


@dataclass(frozen=True)
class SessionResult:
    """What came of a session.

    Parameters
    ----------
    name
        Of the session.
    state
        "done", "failed", or "missing" if it was never begun.
    file
        The session file, relative to the manifest.
    error
        Why it failed, and in which stage.
    stages
        (stage, action, seconds).
    attempts
        How often it was begun.
    """

    name: str
    state: str
    file: str
    error: str
    stage: str
    stages: tuple[tuple[str, str, float], ...]
    remarks: tuple[str, ...]
    fingerprints: dict[str, str]
    attempts: int
    duration_s: float
    peak_memory_mb: float

    @property
    def n_ran(self) -> int:
        """Number of steps that were not done already."""
        return sum(action == "ran" for _, action, _ in self.stages)

    @property
    def headline(self) -> str:
        """What happened, in a few words."""
        if self.state == "done":
            return f"{self.n_ran} steps ran" if self.n_ran else "nothing to do"
        return self.error.partition("\n")[0] or self.state


@dataclass(frozen=True)
class Summary:
    """What came of all sessions."""

    manifest: str
    sessions: tuple[SessionResult, ...]

    @property
    def failed(self) -> list[SessionResult]:
        """The sessions that did not come to their end."""
        return [session for session in self.sessions if session.state != "done"]

    def to_json(self) -> dict[str, Any]:
        """Return everything for scripts."""
        return {
            "manifest": self.manifest,
            "done": len(self.sessions) - len(self.failed),
            "failed": len(self.failed),
            "sessions": [vars(session) for session in self.sessions],
        }

    def to_text(self) -> str:
        """Return the summary for a terminal."""
        n_done = len(self.sessions) - len(self.failed)
        lines = [f"{n_done} of {len(self.sessions)} sessions are done."]
        for session in self.failed:
            where = f" (in {session.stage})" if session.stage else ""
            lines.append(f"  {session.name}: {session.state}{where}. {session.error}".rstrip())
        return "\n".join(lines)

    def to_html(self) -> str:
        """Return the summary as a page that needs nothing else."""
        import jinja2

        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
        return template.render(summary=self)

    def write(self, folder: Path) -> list[Path]:
        """Write summary.json and summary.html into a folder; return their paths."""
        contents = {
            "summary.json": json.dumps(self.to_json(), indent=2, ensure_ascii=False),
            "summary.html": self.to_html(),
        }
        paths = [folder / name for name in contents]
        make_folder(folder)
        for path, text in zip(paths, contents.values(), strict=True):
            write_new(path, text, replace=True)
        return paths


def summarise(jobs: Sequence[SessionJob], manifest_path: Path) -> Summary:
    """Return what the states of the sessions say."""
    folder = Path(manifest_path).resolve().parent
    states = StateFolder(jobs[0].state_path.parent).read() if jobs else {}
    results = tuple(_result(job, states.get(job.name, {}), folder) for job in jobs)
    return Summary(Path(manifest_path).name, results)


def is_finished(job: SessionJob, content: dict[str, Any]) -> bool:
    """Return whether a state says that just this job was done, and its file is still there."""
    return (
        content.get("state") == "done"
        and content.get("mark") == job.mark
        and job.output_path.exists()
    )


def _result(job: SessionJob, content: dict[str, Any], folder: Path) -> SessionResult:
    state = content.get("state", "missing")
    is_over = state in ("done", "failed")
    return SessionResult(
        name=job.name,
        state=state if is_over else "missing",
        file=Path(os.path.relpath(job.output, folder)).as_posix(),
        error=content.get("error", "") if is_over else "it was not brought to its end",
        stage=content.get("stage", "") if state == "failed" else "",
        stages=tuple((s, a, float(d)) for s, a, d in content.get("outcomes", [])),
        remarks=tuple(content.get("remarks", [])),
        fingerprints=content.get("fingerprints", {}),
        attempts=int(content.get("attempt", 0)),
        duration_s=round(content.get("updated", 0) - content.get("started", 0), 1),
        peak_memory_mb=float(content.get("peak_memory_mb", 0)),
    )
