"""Species, sex and age: common words become what archives take, what is unclear is refused."""

import pytest

from ace_nwb.interfaces.subject_forms import read_age, read_sex, read_species


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("P90D", "P90D"),
        ("P12W", "P12W"),
        ("P90D/P120D", "P90D/P120D"),
        ("p90d", "P90D"),
        ("12 weeks", "P12W"),
        ("12w", "P12W"),
        ("12 weeks old", "P12W"),
        ("90 days", "P90D"),
        ("1 day", "P1D"),
        ("3 months", "P3M"),
        ("1.5 years", "P1.5Y"),
        ("1 year and 2 months", "P1Y2M"),
        ("12 weeks, 3 days", "P87D"),
        ("P90", "P90D"),
        ("postnatal day 21", "P21D"),
    ],
)
def test_an_age_becomes_a_duration(typed, meant):
    assert read_age(typed) == meant


@pytest.mark.parametrize(
    "typed", ["12", "adult", "8-12 weeks", "12 m", "P", "weeks", "2 days 3 days", "-3 days"]
)
def test_an_age_that_could_mean_two_things_is_refused_with_the_forms(typed):
    with pytest.raises(ValueError, match=r"P90D for 90 days"):
        read_age(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Mus musculus", "Mus musculus"),
        ("mus musculus", "Mus musculus"),
        ("Mouse", "Mus musculus"),
        ("rat", "Rattus norvegicus"),
        ("Microtus ochrogaster", "Microtus ochrogaster"),
        ("http://purl.obolibrary.org/obo/NCBITaxon_10090",) * 2,
    ],
)
def test_a_species_becomes_its_latin_name(typed, meant):
    assert read_species(typed) == meant


@pytest.mark.parametrize(
    "typed", ["Maus", "monkey", "lab mouse", "Lab mouse", "M. musculus", "C57BL/6"]
)
def test_a_word_that_is_no_species_is_refused(typed):
    with pytest.raises(ValueError, match="Latin name"):
        read_species(typed)


def test_a_near_word_is_offered():
    with pytest.raises(ValueError, match="'Mus musculus' may be meant"):
        read_species("Mus muscullus.")


@pytest.mark.parametrize(
    ("typed", "letter"), [("male", "M"), ("Female", "F"), ("f", "F"), ("U", "U")]
)
def test_a_sex_becomes_its_letter(typed, letter):
    assert read_sex(typed) == letter


@pytest.mark.parametrize("typed", ["x", "femal", "both"])
def test_another_word_is_refused_with_the_letters(typed):
    with pytest.raises(ValueError, match="M, F, U"):
        read_sex(typed)
