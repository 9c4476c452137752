"""What conversion does where a recording is irregular: explicit choices with safe defaults.

Reading classifies every irregularity (`Irregularity`); a policy decides whether it is refused or
met by a stated rule. `inspect` prints both in advance, `convert` records the choices in the
history and keeps raw values in the frame ledger, so that every repair can be undone.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ace_nwb.errors import EphysError, InputError, ParameterError, unknown_name_message

REFUSE = "refuse"
ALL = "all"
TEXT_ENCODING = "text_encoding"
PARTIAL_STREAMS = "partial_streams"
_REFUSE = {REFUSE: "refuse the recording"}

SINGLE = "repair_single"
_SINGLE_ROWS = {
    SINGLE: "interpolate the times of single rows within a frame or so of their place, and keep "
    "the raw value in the frame ledger; refuse others",
    "interpolate": "interpolate the times between good rows",
    **_REFUSE,
}

RULES: dict[str, dict[str, str]] = {
    "junk_stamps": {
        "repair": "take times counted back from the next good stamp, one median interval per "
        "frame, and keep the raw value in the frame ledger",
        **_REFUSE,
    },
    "negative_stamps": {"keep": "keep them as they are", **_REFUSE},
    "unreadable_stamps": {**_REFUSE, "interpolate": "interpolate the times between good rows"},
    "duplicate_stamps": _SINGLE_ROWS,
    "backward_stamps": _SINGLE_ROWS,
    "clock_jumps": {
        **_REFUSE,
        "bridge": "shift all later stamps so that one median interval per frame passes at the jump",
    },
    "forward_jumps": {
        "keep": "keep the stamps; `sync` follows jumps that it can see in the pulses",
        "bridge": "shift all later stamps so that one median interval per frame passes at the jump",
        **_REFUSE,
    },
    "cut_row": {**_REFUSE, "leave_out": "leave the broken last row out"},
    "missing_rows": {
        **_REFUSE,
        "extrapolate": "give frames without a row times between their neighbours where frame "
        "numbers say which they are, else at the end, at the median interval",
    },
    "unsorted_rows": {
        "sort": "take the rows in the order of their frame numbers",
        **_REFUSE,
    },
    "extra_rows": {
        **_REFUSE,
        "leave_out": "keep the rows beyond the last frame in the frame ledger only (extra_row)",
    },
    "cut_movies": {
        **_REFUSE,
        "salvage": "take the whole frames before the break and mark the others unreadable in the "
        "frame ledger",
    },
    "cut_samples": {
        **_REFUSE,
        "salvage": "take the whole samples before the break, in Intan files the whole blocks",
    },
    "clock_restarts": {
        **_REFUSE,
        "longest": "read the longest start of the recorder and leave the others out",
        "first": "read the first start of the recorder and leave the others out",
        "last": "read the last start of the recorder and leave the others out",
    },
    "missing_clocks": {
        **_REFUSE,
        "leave_out": "leave out the streams whose clock is missing and go on with the others",
    },
    PARTIAL_STREAMS: {
        "keep": "go on with what is whole",
        **_REFUSE,
    },
    "missing_movies": {
        **_REFUSE,
        "leave_out": "go on with the other files and mark the missing frames unreadable in the "
        "frame ledger",
    },
    "broken_side_files": {
        **_REFUSE,
        "leave_out": "leave that file (notes or head orientation) out and convert everything else",
    },
    "broken_cameras": {
        **_REFUSE,
        "leave_out": "leave that behaviour camera out and convert everything else",
    },
    TEXT_ENCODING: _REFUSE
    | {
        name: f"read typed texts that are not UTF-8 as {language} ({name})"
        for name, language in {
            "cp1252": "Western European",
            "cp1250": "Central European",
            "cp1251": "Cyrillic",
            "cp932": "Japanese",
            "gb18030": "simplified Chinese",
            "big5": "traditional Chinese",
            "cp949": "Korean",
            "mac_roman": "Western European of a Mac",
        }.items()
    },
}
"""Policy -> choice -> what `convert` does then; the first choice is the default."""


@dataclass(frozen=True)
class Policies:
    """One choice for every kind of irregularity.

    Parameters
    ----------
    stated
        The choices that are not the default.
    """

    stated: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choice in self.stated.items():
            _check_choice(name, choice)

    def __getitem__(self, name: str) -> str:
        """Return the choice for a kind of irregularity."""
        return self.stated.get(name, next(iter(RULES[name])))

    def items(self) -> list[tuple[str, str, bool]]:
        """Return (policy, choice, whether the user stated it) of all policies."""
        return [(name, self[name], name in self.stated) for name in RULES]


@dataclass(frozen=True)
class Irregularity:
    """Something in a recording that is not as it should be, and what becomes of it.

    Parameters
    ----------
    policy
        Which policy decides on it.
    choice
        What that policy says; "refuse" where no rule is safe.
    device
        Name of the device.
    count
        How many rows, frames or files.
    found
        What was found, with value and place.
    expected
        What was expected and what to do, if it is refused.
    error
        Type of error that refuses it.
    has_way_out
        Whether another choice of the policy would convert it.
    """

    policy: str
    choice: str
    device: str
    count: int
    found: str
    expected: str
    error: type[InputError]
    has_way_out: bool = True

    @property
    def is_refused(self) -> bool:
        """Whether it keeps the recording from being converted."""
        return self.choice == REFUSE

    @property
    def sentence(self) -> str:
        """What was found and what `convert` does about it."""
        if not self.is_refused:
            rule = RULES[self.policy][self.choice]
            return f"{self.found}; convert will {rule} ({self.policy}={self.choice})."
        text = f"{self.found}. {self.expected}".rstrip()
        others = ways_out(self.policy)
        if not self.has_way_out or not others:
            return text
        offered = "; or ".join(
            f"--policy {self.policy}={choice} to {RULES[self.policy][choice]}" for choice in others
        )
        return f"{text} Or give {offered}."


def in_manifest_words(message: str) -> str:
    """Return a message whose policies are named as in the manifest of a batch."""
    return re.sub(r"--policy (\w+)=(\w+)", r"`conversion: {policies: {\1: \2}}`", message)


def ways_out(policy: str) -> list[str]:
    """Return the choices of a policy that convert whatever was found."""
    return [choice for choice in RULES[policy] if choice not in (REFUSE, SINGLE)]


def parse_policies(texts: Iterable[str] | Mapping[str, str] | None) -> Policies:
    """Return policies from "name=choice" texts or a mapping.

    "all=repair" takes the first choice that converts whatever was found, of every policy but
    `text_encoding`, which only a person knows.

    Raises
    ------
    ParameterError
        If a name or a choice does not exist.
    """
    if isinstance(texts, Mapping):
        pairs = list(texts.items())
    else:
        pairs = [(name.strip(), choice.strip()) for name, choice in map(_split, texts or ())]
    stated: dict[str, str] = {}
    for name, choice in pairs:
        stated |= _all(choice) if name == ALL else {name: choice}
    return Policies(stated)


def partial_streams(
    sentences: Iterable[str], *, policies: Policies, device: str
) -> tuple[Irregularity, ...]:
    """Return what is irregular where recorders leave streams of samples or events incomplete."""
    return tuple(
        Irregularity(
            policy=PARTIAL_STREAMS,
            choice=policies[PARTIAL_STREAMS],
            device=device,
            count=1,
            found=sentence.rstrip("."),
            expected="Whole files were expected. Copy the recording again.",
            error=EphysError,
        )
        for sentence in sentences
    )


def check_allowed(irregularities: Iterable[Irregularity]) -> None:
    """Raise for the first irregularity that is refused."""
    for irregularity in irregularities:
        if irregularity.is_refused:
            raise irregularity.error(irregularity.sentence)


def without_folder(sentences: Iterable[str], folder_path: Path) -> list[str]:
    """Return sentences that name files within a recording, as the history keeps them."""
    return [sentence.replace(f"{folder_path}{os.sep}", "") for sentence in sentences]


def _split(text: str) -> tuple[str, str]:
    """Split "name=choice"."""
    name, equals, choice = text.partition("=")
    if not equals:
        raise ParameterError(
            f"The policy {text!r} has no '='. NAME=CHOICE was expected, such as "
            f"extra_rows=leave_out. Known policies: {', '.join(RULES)}."
        )
    return name, choice


def _all(choice: str) -> dict[str, str]:
    """Return a choice for all policies: the repair of each, or refusal."""
    if choice not in ("repair", REFUSE):
        raise ParameterError(
            f"The policy {ALL}={choice} does not exist. {ALL}=repair or {ALL}={REFUSE} was "
            "expected; name a single policy for anything else."
        )
    if choice == REFUSE:
        return dict.fromkeys(RULES, REFUSE)
    return {name: ways_out(name)[0] for name in RULES if name != TEXT_ENCODING}


def _check_choice(name: str, choice: str) -> None:
    """Raise if a policy or its choice does not exist."""
    if name not in RULES:
        raise ParameterError(unknown_name_message("policy", name, RULES))
    if choice not in RULES[name]:
        raise ParameterError(unknown_name_message(f"choice of {name}", choice, RULES[name]))
