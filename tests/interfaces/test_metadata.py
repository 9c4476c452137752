from datetime import timedelta

import pytest
import yaml

from ace_nwb.errors import AceNwbWarning, MetadataError
from ace_nwb.interfaces.metadata import (
    SessionMetadata,
    load_metadata,
    missing_for_dandi,
    missing_for_nwb,
)
from tests.fixtures.recordings import METADATA


def test_nothing_given_is_empty_metadata():
    assert load_metadata(None) == SessionMetadata()


def test_the_simulated_metadata_file_is_understood_and_complete(toy_source):
    metadata = load_metadata(toy_source.metadata_path)
    assert metadata.Subject.species == "Mus musculus"
    assert metadata.Ophys.ImagingPlane.excitation_lambda_nm == 470.0
    assert missing_for_dandi(metadata) == []
    assert missing_for_nwb(metadata, modalities={"imaging", "ephys"}) == []


def test_a_start_time_keeps_its_zone(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "NWBFile:\n  session_start_time: 2025-06-12T15:26:31.176-04:00\n"
    )
    start = load_metadata(tmp_path / "m.yaml").NWBFile.session_start_time
    assert start.utcoffset() == timedelta(hours=-4)


def test_one_name_may_stand_for_a_list():
    metadata = load_metadata({"NWBFile": {"experimenter": "Doe, Jane"}})
    assert metadata.NWBFile.experimenter == ["Doe, Jane"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"Subjects": {}}, r"Subjects: unknown key\. Did you mean 'Subject'\?"),
        ({"Subject": {"specie": "x"}}, r"Subject\.specie: unknown key\. Did you mean 'species'"),
        (
            {"Ophys": {"ImagingPlane": {"excitation_lambda": 470}}},
            r"Ophys\.ImagingPlane\.excitation_lambda: .* Did you mean 'excitation_lambda_nm'",
        ),
        ({"Subject": {"sex": "femal"}}, r"line 2, Subject\.sex is 'femal'; M, F, U"),
        ({"Subject": {"subject_id": "a/b"}}, r"Subject\.subject_id is 'a/b'; .*slash"),
        ({"Subject": {"age": "old"}}, "P12W for 12 weeks"),
        ({"NWBFile": {"session_start_time": "2025-06-12T15:26:31"}}, "a time with UTC offset"),
        ({"NWBFile": {"session_start_time": "2025-13-06"}}, r"line 2, .*month value"),
        ({"Subject": {"date_of_birth": "06.12.2025"}}, "a date, such as 2025-03-14"),
        ({"Ophys": {"ImagingPlane": {"emission_lambda_nm": -1}}}, "nanometres, above 0, such as"),
        ([1, 2], r"the content is \[1, 2\]"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, content, words):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(MetadataError, match=words):
        load_metadata(tmp_path / "m.yaml")


def test_all_problems_are_listed_at_once():
    with pytest.raises(MetadataError) as caught:
        load_metadata({"Subject": {"sex": "x", "wight": "1 g"}, "Lab": {}})
    for place in ("Subject.sex", "Subject.wight", "Lab"):
        assert place in str(caught.value)


@pytest.mark.parametrize("text", ["Subject: {sex: F", "a: b: c", "\t- x"])
def test_broken_yaml_is_refused(tmp_path, text):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(MetadataError, match=r"m\.yaml, line \d: no YAML"):
        load_metadata(tmp_path / "m.yaml")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(MetadataError, match=r"absent\.yaml cannot be read"):
        load_metadata(tmp_path / "absent.yaml")


def test_common_words_are_translated_and_the_translation_is_said(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("Subject:\n  species: Mouse\n  sex: male\n  age: 12 weeks\n")
    with pytest.warns(AceNwbWarning) as said:
        subject = load_metadata(path).Subject
    assert (subject.species, subject.sex, subject.age) == ("Mus musculus", "M", "P12W")
    assert [str(one.message) for one in said] == [
        f"{path}: line 2, Subject.species 'Mouse' means 'Mus musculus', and is written so.",
        f"{path}: line 3, Subject.sex 'male' means 'M', and is written so.",
        f"{path}: line 4, Subject.age '12 weeks' means 'P12W', and is written so.",
    ]


def test_a_name_of_digits_keeps_every_digit(tmp_path):
    (tmp_path / "m.yaml").write_text("Subject: {subject_id: 017}\nNWBFile: {session_id: 3}\n")
    metadata = load_metadata(tmp_path / "m.yaml")
    assert (metadata.Subject.subject_id, metadata.NWBFile.session_id) == ("017", "3")


def test_missing_for_dandi_lists_every_key():
    assert missing_for_dandi(SessionMetadata()) == [
        "Subject.subject_id",
        "Subject.species",
        "Subject.sex",
        "Subject.age or Subject.date_of_birth",
    ]
    assert missing_for_dandi(load_metadata(METADATA)) == []


def test_missing_for_nwb_depends_on_what_was_recorded():
    assert missing_for_nwb(SessionMetadata(), modalities={"ephys"}) == [
        "NWBFile.session_description",
        "Ecephys.location",
    ]
    assert "Ophys.ImagingPlane.indicator" in missing_for_nwb(
        SessionMetadata(), modalities={"imaging"}
    )
