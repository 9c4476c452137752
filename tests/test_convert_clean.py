"""Whatever the source, the file passes pynwb's validation and the NWB Inspector."""

from pathlib import Path

import pytest

from ace_nwb.archive import is_valid, validate
from ace_nwb.conversion import convert
from ace_nwb.interfaces.policies import parse_policies
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.irregularities import CASES
from tests.fixtures.recordings import METADATA, make_tiny_recording
from tests.simulators import miniscope_v3, onix, open_ephys


def irregular(folder: Path) -> None:
    tiny = make_tiny_recording(folder / "15_26_31")
    CASES["junk, a jump, a cut file and an extra row"].damage(tiny)


SOURCES = {
    "irregular Miniscope-DAQ": irregular,
    "V3": miniscope_v3.write_recording,
    "ONIX": lambda folder: onix.write_acquisition(folder, n_frames=40),
    "Open Ephys Miniscope": open_ephys.write_recording,
}


@pytest.mark.parametrize("name", SOURCES)
def test_files_of_every_source_are_clean(tmp_path, name):
    (tmp_path / "raw").mkdir()
    SOURCES[name](tmp_path / "raw")
    options = SourceOptions(timezone="-04:00", policies=parse_policies(["all=repair"]))
    path = convert(tmp_path / "raw", tmp_path / "out.nwb", metadata=METADATA, options=options)
    findings = validate(path)
    assert is_valid(findings), findings
