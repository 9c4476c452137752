"""How numbers, times and names are said."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ace_nwb.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (0.44, "0.4 s"),
        (9.97, "10 s"),
        (12.3, "12 s"),
        (59.7, "1 min 0 s"),
        (119.96, "2 min 0 s"),
        (3900, "1 h 5 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert wording.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.999999, "99.99 %"), (1e-7, "0.01 %"), (0.0, "0 %"), (0.5, "50.0 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share, text):
    assert wording.format_percent(share) == text


def test_a_time_keeps_its_zone():
    west = timezone(-timedelta(hours=3, minutes=30))
    assert wording.format_time(datetime(2024, 1, 2, 3, 4, 5, tzinfo=west)).endswith("UTC−03:30")
    assert wording.format_time(datetime(2024, 1, 2, tzinfo=UTC)) == "2024-01-02 00:00:00 UTC+00:00"


def test_a_sign_is_always_shown():
    assert wording.format_signed(-40.04, "ppm") == "−40.0 ppm"
    assert wording.format_signed(3, "ppm") == "+3.0 ppm"


def test_labels_from_a_file_become_one_short_printable_line():
    assert wording.plain_label("a\n\x00b\t c") == "a b c"
    assert len(wording.plain_label("x" * 500)) == 40


@pytest.mark.parametrize(
    ("rate_hz", "text"), [(20.0, "20 Hz"), (999.9, "999.9 Hz"), (32000.0, "32 kHz")]
)
def test_a_rate_is_said_without_powers_of_ten(rate_hz, text):
    assert wording.format_rate(rate_hz) == text
