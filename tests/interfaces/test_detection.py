import numpy as np
import pytest

from ace_nwb.errors import FormatError
from ace_nwb.interfaces import detection
from ace_nwb.interfaces.base import Candidate, Evidence, Format
from tests.fixtures.recordings import draw_frames, write_base, write_device


def test_imaging_and_ephys_are_found_in_a_common_parent(toy_source):
    top = toy_source.metadata_path.parent
    imaging = detection.detect_required(top, "imaging")
    ephys = detection.detect_required(top, "ephys")
    assert (imaging.format_name, imaging.folder_path) == (
        "miniscope-daq",
        toy_source.miniscope_folder,
    )
    assert (ephys.format_name, ephys.folder_path) == ("neuralynx", toy_source.ephys_folder)


def test_a_modality_that_is_not_there_is_none(tiny):
    assert detection.detect(tiny.folder, "ephys") is None


def test_a_folder_without_any_recording_is_refused_with_the_known_formats(tmp_path):
    with pytest.raises(
        FormatError, match=r"no imaging recording of a known format \(miniscope-daq"
    ):
        detection.detect_required(tmp_path, "imaging")


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_path_that_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(FormatError, match=name):
        detection.find_candidates(tmp_path / name)


def test_two_recordings_are_refused_and_both_listed(tiny):
    second = tiny.folder.parent / "16_00_00"
    write_base(second, ["S"])
    write_device(second / "S", draw_frames(3), 10 + 50 * np.arange(3))
    with pytest.raises(FormatError) as caught:
        detection.detect(tiny.folder.parent, "imaging")
    assert "holds 2 imaging recordings" in str(caught.value)
    assert str(tiny.folder) in str(caught.value)
    assert str(second) in str(caught.value)


def register(monkeypatch, points: dict[str, int], folder) -> None:
    def make(name: str) -> Format:
        found = Candidate(name, folder, (Evidence(points[name], f"smells of {name}"),))
        return Format(name, name, "imaging", lambda _path: [found], None, "")

    class Table:
        load = staticmethod(make)
        names = staticmethod(lambda: list(points))

    monkeypatch.setattr(detection, "FORMATS", Table)


def test_the_format_with_more_evidence_wins(monkeypatch, tmp_path):
    register(monkeypatch, {"weak": 2, "strong": 5}, tmp_path)
    assert detection.detect(tmp_path, "imaging").format_name == "strong"


def test_equal_evidence_is_refused_and_shown(monkeypatch, tmp_path):
    register(monkeypatch, {"one": 3, "other": 3}, tmp_path)
    with pytest.raises(FormatError, match=r"claimed by one and other(.|\n)*\+3  smells of other"):
        detection.detect(tmp_path, "imaging")
