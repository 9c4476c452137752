"""What a validation of the file found: judged, and listed."""

from collections.abc import Sequence

from ace_nwb.archive import Finding, is_valid
from ace_nwb.report.sections.parts import Verdict

SEVERITIES = {
    "ERROR": "error",
    "CRITICAL": "critical",
    "BEST_PRACTICE_VIOLATION": "violation",
    "BEST_PRACTICE_SUGGESTION": "hint",
}
MAX_FINDINGS = 40  # lines; `ace-nwb validate` lists all


def judge_findings(findings: Sequence[Finding] | None, file_name: str) -> Verdict:
    """Judge the file by its validation."""
    if findings is None:
        command = f"ace-nwb validate {file_name}"
        return Verdict("Validation", "missing", "–", "not validated here", f"Run `{command}`.")
    n_failing = sum(not is_valid([finding]) for finding in findings)
    n_others = len(findings) - n_failing
    hints = f"{n_others} {'hint' if n_others == 1 else 'hints'}"
    if n_failing:
        advice = "Mend them before sharing; they are listed below."
        note = f"{'finding' if n_failing == 1 else 'findings'} to mend, {hints}"
        return Verdict("Validation", "problem", str(n_failing), note, advice)
    return Verdict("Validation", "good", "valid", f"no errors, {hints}")


def list_findings(findings: Sequence[Finding] | None) -> list[dict[str, object]] | None:
    """Return the findings as table cells, failing ones first."""
    if findings is None:
        return None
    ordered = sorted(findings, key=lambda finding: is_valid([finding]))
    return [
        {
            "failing": not is_valid([finding]),
            "severity": SEVERITIES.get(finding.severity, finding.severity),
            "location": finding.location,
            "message": finding.message,
        }
        for finding in ordered[:MAX_FINDINGS]
    ]
