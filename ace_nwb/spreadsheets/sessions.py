"""From the rows of both spreadsheets to the sessions of a manifest."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ace_nwb.manifest.checking import check_content
from ace_nwb.manifest.models import Manifest
from ace_nwb.manifest.problems import Problem
from ace_nwb.spreadsheets.columns import (
    CROP_COLUMNS,
    EXPERIMENT_COLUMNS,
    KEY,
    PARAMETER_COLUMNS,
)
from ace_nwb.spreadsheets.tables import Row, Table, read_table
from ace_nwb.stages.table import find_stage

DELETED_EVENTS = "indices of ttl events to delete"
_MINUTE_S = 60.0  # seconds; the predecessor's tables count in minutes
_PERIODS = {
    "periods of high slow wave power (s)": "high slow-wave power",
    "control periods (s)": "control",
}


@dataclass(frozen=True)
class ImportedManifest:
    """What came of two spreadsheets.

    Parameters
    ----------
    content
        The manifest as plain values; without the sessions whose rows have problems.
    problems
        Every bad cell.
    remarks
        What was assumed.
    """

    content: dict[str, Any]
    problems: list[Problem]
    remarks: list[str]

    def to_yaml(self) -> str:
        """Return the text of sessions.yaml."""
        head = (
            "# Made from the predecessor's spreadsheets by `ace-nwb batch --from-spreadsheets`.\n"
        )
        body = yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True, width=100)
        return head + body


def import_spreadsheets(
    experiments_path: Path, parameters_path: Path | None = None, *, data_folder: str = "."
) -> ImportedManifest:
    """Turn `experiments.csv` and `analysis_parameters.csv` into a manifest.

    Parameters
    ----------
    experiments_path
        Sessions, animals, drugs, folders.
    parameters_path
        Parameters of the analysis; rows are matched by line number. Defaults hold without it.
    data_folder
        What the directories in the spreadsheet are relative to.
    """
    experiments = read_table(Path(experiments_path), EXPERIMENT_COLUMNS)
    parameters = Table(Path("analysis_parameters.csv"))
    if parameters_path is not None:
        parameters = read_table(Path(parameters_path), PARAMETER_COLUMNS)
    problems, remarks = experiments.problems + parameters.problems, []
    remarks += experiments.remarks + parameters.remarks
    sessions = []
    for key, row in experiments.rows.items():
        built = _SessionRows(key, experiments, row, parameters, parameters.rows.get(key))
        entry = built.build()
        found = built.check(entry)
        problems += found
        if not found:
            sessions.append(entry)
        if built.settings is None and parameters_path is not None:
            remarks.append(f"Line number {key} has no row in {parameters.path.name}; defaults.")
    for key in parameters.rows:
        if key not in experiments.rows:
            remarks.append(
                f"Line number {key} of {parameters.path.name} (line {parameters.rows[key].line}) "
                f"has no row in {experiments.path.name}; it was left out."
            )
    content = {"data_folder": data_folder, "output_folder": ".", "sessions": sessions}
    ordered = sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.message))
    return ImportedManifest(content, ordered, remarks)


@dataclass(frozen=True)
class _SessionRows:
    """The rows of one session in both tables; the second may be missing."""

    key: str
    experiments: Table
    row: Row
    parameters: Table
    settings: Row | None

    def build(self) -> dict[str, Any]:
        """Return the entry of the manifest, without what is empty."""
        remarks: list[str] = []
        stages, crop = self._stages(), self._crop(remarks)
        ephys = self.row.values.get("ephys directory") or []
        if len(ephys) > 1:
            remarks.append(f"Several ephys directories are given; {ephys[0]} is used.")
        deleted = self.settings.values.get(DELETED_EVENTS) if self.settings else None
        if deleted:
            remarks.append(
                f"The TTL events {', '.join(map(str, deleted))} were to be deleted; they are kept "
                "as text. The stage sync finds edges that belong to no frame by itself: look at "
                "its verdict, or name the span with sync.start_s and sync.stop_s."
            )
        entry = {
            "name": f"line{int(self.key):03d}" if self.key.isdigit() else self.key,
            "folders": self.row.values.get("calcium imaging directory"),
            "ephys_folder": ephys[0] if ephys else None,
            "metadata": self._metadata(),
            "stages": stages,
            "intervals": self._intervals(remarks),
            "crop_from_lower_left": crop,
            "columns": self._columns(),
            "remarks": remarks,
        }
        return {name: value for name, value in entry.items() if value}

    def check(self, entry: dict[str, Any]) -> list[Problem]:
        """Return what the manifest would not accept, at the cells that it came from."""
        if "folders" not in entry:
            column = "calcium imaging directory"
            if any(p.line == self.row.line for p in self.experiments.problems):
                return [_again(self.experiments, self.row.line)]
            self.experiments.headers.setdefault(column, column)
            text = "the cell is empty; the folder of the recording was expected."
            return [Problem(str(self.experiments.path), self.row.line, column, text)]
        problems = [
            self._place(finding.path[2:], finding.message)
            for finding in check_content({"sessions": [entry]}, Path())
        ]
        try:
            Manifest.model_validate({"sessions": [entry]})
        except ValidationError as error:
            problems += [self._place(tuple(e["loc"][2:]), e["msg"] + ".") for e in error.errors()]
        bad = {(p.file, p.line) for p in self.experiments.problems + self.parameters.problems}
        if (str(self.experiments.path), self.row.line) in bad:
            problems.append(_again(self.experiments, self.row.line))
        if self.settings and (str(self.parameters.path), self.settings.line) in bad:
            problems.append(_again(self.parameters, self.settings.line))
        return problems

    def _place(self, path: tuple[Any, ...], message: str) -> Problem:
        """Return a problem at the cell that a part of the entry came from."""
        parts = [str(part) for part in path]
        if parts[:1] == ["stages"] and self.settings is not None:
            target = ".".join(parts[1:3])
            for name, column in PARAMETER_COLUMNS.items():
                if target in column.targets and name in self.settings.values:
                    header = self.parameters.headers[name]
                    found = f"found {self.settings.texts[header]!r}; {message}"
                    return Problem(str(self.parameters.path), self.settings.line, header, found)
        source = {"metadata": "id", "name": KEY}.get(parts[0] if parts else "", "")
        header = self.experiments.headers.get(source, source)
        return Problem(str(self.experiments.path), self.row.line, header, message)

    def _stages(self) -> dict[str, dict[str, Any]]:
        """Return the parameters that have a place here; later columns of the table win."""
        stages: dict[str, dict[str, Any]] = {}
        values = self.settings.values if self.settings else {}
        for name, column in PARAMETER_COLUMNS.items():
            if name not in values:
                continue
            value = column.convert(values[name]) if column.targets else None
            for target in column.targets:
                stage, _, parameter = target.partition(".")
                if parameter not in find_stage(stage).params.model_fields:
                    continue
                if not (target == "extract.autoregressive_order" and value == 0):
                    stages.setdefault(stage, {})[parameter] = value
        return stages

    def _crop(self, remarks: list[str]) -> list[float] | None:
        """Return the box, with the origin at the lower left."""
        values = self.settings.values if self.settings else {}
        boxes = {name: values[name] for name in CROP_COLUMNS if name in values}
        if len(set(boxes.values())) > 1:
            used, *others = boxes
            remarks.append(f"Boxes differ; that of {used!r} is used, not {', '.join(others)}.")
        return list(next(iter(boxes.values()))) if boxes else None

    def _metadata(self) -> dict[str, Any]:
        """Return animal, drug and comments in the fields of NWB."""
        values = self.row.values
        subject: dict[str, Any] = {}
        if "id" in values:
            subject["subject_id"] = values["id"]
        if "rat weight (kg)" in values:
            subject["weight"] = f"{values['rat weight (kg)']:g} kg"
            subject["species"] = "Rattus norvegicus"
        file: dict[str, Any] = {"session_id": self._session_id()}
        comments = [row.values.get("comments") for row in (self.row, self.settings) if row]
        notes = list(dict.fromkeys(text for text in comments if text))
        if notes:
            file["notes"] = "\n".join(notes)
        if self._treatment():
            file["pharmacology"] = self._treatment()
        metadata: dict[str, Any] = {"NWBFile": file}
        if subject:
            metadata["Subject"] = subject
        channels = {
            name: {"description": "LFP or EEG.", "kind": "LFP"}
            for name in values.get("lfp and eeg cscs", [])
        }
        if "emg channel" in values:
            channels[values["emg channel"]] = {"description": "EMG.", "kind": "EMG"}
        if channels:
            metadata["Ecephys"] = {"channels": channels}
        return metadata

    def _session_id(self) -> str:
        """Return animal, date and line number in one name."""
        day: date | None = self.row.values.get("date (yymmdd)")
        parts = [self.row.values.get("id"), f"{day:%Y%m%d}" if day else None, f"line{self.key}"]
        return "_".join(str(part).replace("/", "-") for part in parts if part)

    def _treatment(self) -> str:
        """Return drug, dose, concentration and duration in a sentence."""
        values = self.row.values
        drug = values.get("systemic drug")
        if not drug:
            return ""
        dose = values.get("systemic dose (% or mg/kg/min)")
        parts = [f"Systemic {drug}"]
        if dose:
            parts.append(f"dose {dose}" + ("" if "%" in dose else " (% or mg/kg/min)"))
        if "systemic drug concentration (mg/ml)" in values:
            parts.append(f"concentration {values['systemic drug concentration (mg/ml)']:g} mg/mL")
        if "total systemic time (min)" in values:
            parts.append(f"for {values['total systemic time (min)']:g} min")
        return ", ".join(parts) + "."

    def _intervals(self, remarks: list[str]) -> list[dict[str, Any]]:
        """Return drug, baseline and named periods on the ephys clock."""
        values = self.settings.values if self.settings else {}
        zero_s = values.get("zero time (s)")
        found = self._drug_interval(zero_s, remarks) + _baseline(
            values.get("baseline period (min)"), zero_s
        )
        for column, label in _PERIODS.items():
            for start_s, stop_s in values.get(column, []):
                found.append(_interval(label, start_s, stop_s, f"Column {column!r}."))
        return sorted(found, key=lambda item: (item["start_s"], item["label"]))

    def _drug_interval(self, zero_s: float | None, remarks: list[str]) -> list[dict[str, Any]]:
        """Return when the drug was given: from zero time, for the total systemic time."""
        values = self.row.values
        drug, minutes = values.get("systemic drug"), values.get("total systemic time (min)")
        if not drug or not minutes:
            return []
        if zero_s is None:
            remarks.append(f"No zero time is given, so no interval says when {drug} began.")
            return []
        return [_interval(drug, zero_s, zero_s + minutes * _MINUTE_S, self._treatment())]

    def _columns(self) -> dict[str, str]:
        """Return the texts of all cells but folders: what is understood, and what is not."""
        kept = {}
        pairs = [("experiments", self.row, EXPERIMENT_COLUMNS)]
        if self.settings is not None:
            pairs.append(("analysis_parameters", self.settings, PARAMETER_COLUMNS))
        for table, row, columns in pairs:
            for name, text in row.texts.items():
                column = columns.get(name.lower())
                if column is None or not column.is_path:
                    kept[f"{table}.{name}"] = text
        return kept


def _baseline(value: Any, zero_s: float | None) -> list[dict[str, Any]]:
    """Return the baseline: the minutes before zero time (or the first ones), or as stated."""
    if value is None:
        return []
    if isinstance(value, float):
        length_s = value * _MINUTE_S
        stop_s = zero_s if zero_s else length_s
        periods = [(max(0.0, stop_s - length_s), stop_s)] if length_s > 0 else []
    else:
        periods = [(start * _MINUTE_S, stop * _MINUTE_S) for start, stop in value]
    return [_interval("baseline", a, b, "Column 'baseline period (min)'.") for a, b in periods]


def _interval(label: str, start_s: float, stop_s: float, text: str) -> dict[str, Any]:
    return {"label": label, "start_s": start_s, "stop_s": stop_s, "description": text}


def _again(table: Table, line: int) -> Problem:
    """Return the problem of a row that is known already, so that it is not listed twice."""
    return next(p for p in table.problems if p.line == line)
