"""Every kind of irregularity: announced by `inspect`, refused or met by the stated rule."""

import re
import warnings

import h5py
import numpy as np
import pytest

from ace_nwb.conversion import convert
from ace_nwb.errors import InputError, ParameterError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.policies import RULES, parse_policies
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.irregularities import CASES, Case
from tests.fixtures.recordings import METADATA, TinyRecording


def test_there_are_at_least_sixty_cases():
    assert len(CASES) >= 60


def test_every_policy_is_tried_in_every_choice_that_converts():
    tried = {item for case in CASES.values() for item in parse_policies(case.policies).stated}
    of_ephys = {
        "partial_streams",
        "missing_clocks",
        "clock_restarts",
        "cut_samples",
    }  # tried with the systems that leave them
    assert tried | of_ephys == set(RULES)


@pytest.mark.parametrize("name", CASES)
def test_irregularity(tiny: TinyRecording, name: str):
    case = CASES[name]
    case.damage(tiny)
    options = SourceOptions(policies=parse_policies(case.policies))
    inspection = inspect_folder(tiny.folder, metadata=METADATA, options=options)
    said = "\n".join(inspection.problems)
    assert re.search(case.says, said, re.DOTALL) if case.says else not said, said
    out = tiny.folder.parent / "out.nwb"
    if case.is_refused:
        with pytest.raises(InputError) as caught:
            convert(tiny.folder, out, metadata=METADATA, options=options)
        assert re.search(case.says, str(caught.value), re.DOTALL)
        assert not [path for path in out.parent.iterdir() if path != tiny.folder]
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert(tiny.folder, out, metadata=METADATA, options=options)
    with h5py.File(out) as h5:
        check_file(h5, case, tiny)


def check_file(h5: h5py.File, case: Case, tiny: TinyRecording) -> None:
    """Compare pixels, times, ledger and history with what the case says."""
    series = h5["acquisition/OnePhotonSeries"]
    times = series["timestamps"][:]
    frames = list(case.frames)
    assert np.array_equal(series["data"][:].transpose(0, 2, 1), tiny.frames[frames])
    assert len(times) == len(frames)
    assert np.isfinite(times).all()
    assert (np.diff(times) > 0).all()
    assert np.abs(times - tiny.stamps_ms[frames] / 1000).max() <= case.latest_error_s
    ledger = {name: column[:] for name, column in h5["processing/sync/FrameLedger"].items()}
    status = [value.decode() for value in ledger["status"]]
    counts = {name: status.count(name) for name in set(status) - {"recorded"}}
    assert counts == dict(case.status)
    in_movie = ledger["movie_frame"] >= 0
    assert ledger["movie_frame"][in_movie].tolist() == list(range(len(frames)))
    assert np.array_equal(ledger["device_time_s"][in_movie], times)
    repairs = [value.decode() for value in ledger.get("repair", np.empty(0, "S1"))]
    assert {name: repairs.count(name) for name in set(repairs) - {""}} == dict(case.repaired)
    check_reversible(ledger, repairs, tiny)
    table = h5["processing/misc/stage_parameters"]
    recorded = dict(zip(table["parameter"].asstr(), table["value"].asstr(), strict=True))
    for policy, choice in parse_policies(case.policies).stated.items():
        assert recorded[f"policy.{policy}"] == choice


def check_reversible(ledger: dict, repairs: list[str], tiny: TinyRecording) -> None:
    """Rows without a repair hold the raw stamp; raw stamps are those of the file."""
    raw = ledger["device_time_raw_s"]
    if not repairs:
        repairs = [""] * len(raw)
    kept = np.array([repair == "" for repair in repairs]) & np.isfinite(raw)
    assert np.array_equal(raw[kept], ledger["device_time_s"][kept])
    lines = (tiny.scope / "timeStamps.csv").read_text().splitlines()[1:]
    lines = [line for line in lines if line.count(",") >= 2 and line.strip(",")]
    cells = [line.split(",")[1] for line in sorted(lines, key=lambda one: int(one.split(",")[0]))]
    written = np.array([_number(cell) for cell in cells]) / 1000
    rows = ledger["device_frame"] >= 0
    assert np.array_equal(raw[rows], written, equal_nan=True)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("junk", "has no '='"),
        ("junk=repair", "There is no policy 'junk'"),
        ("junk_stamps=mend", "There is no choice of junk_stamps 'mend'"),
        ("all=bridge", "all=repair or all=refuse"),
    ],
)
def test_policies_that_do_not_exist_are_refused_with_those_that_do(text, words):
    with pytest.raises(ParameterError, match=words):
        parse_policies([text])


def test_a_refusal_names_the_way_out(tiny):
    CASES["three equal"].damage(tiny)
    with pytest.raises(InputError, match="Or give --policy duplicate_stamps=interpolate to"):
        convert(tiny.folder, tiny.folder.parent / "out.nwb", metadata=METADATA)
