"""The rig file: found above the recording, overruled by the metadata, refused if it says more."""

from pathlib import Path

import pytest

from ace_nwb.errors import MetadataError
from ace_nwb.interfaces.metadata import load_metadata
from ace_nwb.interfaces.rig import read_rig


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "m001" / "2026_03_02" / "10_00_00"
    folder.mkdir(parents=True)
    return folder


def test_a_rig_file_above_the_recording_counts_and_the_metadata_go_before_it(
    recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "rig.yaml").write_text("frames_before_first_edge: 1\nmeasured: LED, A. Meyer\n")
    assert read_rig(recording, load_metadata(None)) == {
        "frames_before_first_edge": ("1", "rig.yaml"),
        "measured": ("LED, A. Meyer", "rig.yaml"),
    }
    stated = load_metadata({"Rig": {"frames_before_first_edge": 2}})
    assert read_rig(recording, stated)["frames_before_first_edge"] == ("2", "metadata")


def test_without_a_rig_file_nothing_is_known(recording: Path) -> None:
    assert read_rig(recording, load_metadata(None)) == {}


@pytest.mark.parametrize("text", ["frames_before_first_edge: 21", "frames_before: 1"])
def test_a_rig_file_that_says_something_else_is_refused_with_what_it_may_say(
    recording: Path, text: str
) -> None:
    (recording / "rig.yaml").write_text(text)
    with pytest.raises(MetadataError, match=r"(?s)rig\.yaml.*frames_before_first_edge"):
        read_rig(recording, load_metadata(None))
