"""What follows from reviewers' decisions, without a file."""

import pytest

from ace_nwb.errors import CurationError
from ace_nwb.nwb.content.decisions import Decision
from ace_nwb.stages.common.curated import Curation, check_decision
from ace_nwb.stages.table import GROUPS, VERDICTS

LINE = (0.0, 0.0, 9.0, 9.0)


class Reviewed:
    """Decisions made one after the other on ROIs 0 to 4."""

    def __init__(self):
        self.curation = Curation((), (0, 1, 2, 3, 4))

    def decide(self, action, *rois, by="Ann", **details):
        number = len(self.curation.decisions)
        made = Decision(action, rois, by, "2025-01-01T00:00:00+00:00", number=number, **details)
        made = check_decision(made, self.curation)
        self.curation = self.curation.with_decisions([made])
        return made


@pytest.fixture
def reviewed():
    return Reviewed()


def test_latest_vote_of_a_reviewer_replaces_the_earlier_one(reviewed):
    reviewed.decide("reject", 1)
    reviewed.decide("accept", 1)
    assert reviewed.curation.outcome(1) == "accept"
    assert len(reviewed.curation.votes[1]) == 1


@pytest.mark.parametrize(
    ("votes", "majority", "unanimous", "latest"),
    [
        ((), "", "", ""),
        (("accept",), "accept", "accept", "accept"),
        (("accept", "reject"), "conflict", "conflict", "reject"),
        (("accept", "unsure"), "accept", "conflict", "unsure"),
        (("accept", "accept", "reject"), "accept", "conflict", "reject"),
        (("unsure", "unsure"), "unsure", "unsure", "unsure"),
    ],
)
def test_votes_of_several_reviewers_come_to_one_outcome(
    reviewed, votes, majority, unanimous, latest
):
    for reviewer, vote in zip(("Ann", "Bob", "Cem"), votes, strict=False):
        reviewed.decide(vote, 2, by=reviewer)
    found = [reviewed.curation.outcome(2, rule) for rule in ("majority", "unanimous", "latest")]
    assert found == [majority, unanimous, latest]


def test_disagreement_is_one_accepting_what_another_rejects(reviewed):
    reviewed.decide("accept", 0, 1, by="Ann")
    reviewed.decide("reject", 1, by="Bob")
    reviewed.decide("unsure", 0, by="Bob")
    assert reviewed.curation.disagreements() == [1]


def test_merge_replaces_its_sources_by_a_new_roi(reviewed):
    made = reviewed.decide("merge", 1, 3)
    assert made.makes == (5,)
    assert reviewed.curation.active == (0, 2, 4, 5)
    reviewed.decide("accept", 5)
    with pytest.raises(CurationError, match="merged or split meanwhile"):
        reviewed.decide("accept", 1)


def test_split_of_a_merged_roi_is_undone_in_turn(reviewed):
    merge = reviewed.decide("merge", 0, 1)
    split = reviewed.decide("split", 5, line=LINE)
    assert reviewed.curation.active == (2, 3, 4, 6, 7)
    with pytest.raises(CurationError, match=f"Undo decision {split.number} first"):
        reviewed.decide("undo", undoes=merge.number)
    reviewed.decide("undo", undoes=split.number)
    reviewed.decide("undo", undoes=merge.number)
    assert reviewed.curation.active == (0, 1, 2, 3, 4)


def test_an_id_is_never_given_twice(reviewed):
    first = reviewed.decide("merge", 0, 1)
    reviewed.decide("accept", 5)
    reviewed.decide("undo", undoes=first.number)
    assert reviewed.decide("merge", 2, 3).makes == (6,)


def test_undone_vote_brings_back_the_one_before(reviewed):
    reviewed.decide("accept", 1)
    second = reviewed.decide("reject", 1)
    reviewed.decide("undo", undoes=second.number)
    assert reviewed.curation.outcome(1) == "accept"
    with pytest.raises(CurationError, match="undone already"):
        reviewed.decide("undo", undoes=second.number)


def test_votes_and_groups_are_separate_inputs_of_later_stages(reviewed):
    assert reviewed.curation.digests() == {}
    reviewed.decide("accept", 1)
    votes = reviewed.curation.digests()
    assert set(votes) == {VERDICTS}
    reviewed.decide("accept", 1, by="Bob", reason="agreed")
    assert reviewed.curation.digests() == votes
    reviewed.decide("merge", 2, 3)
    assert set(reviewed.curation.digests()) == {VERDICTS, GROUPS}


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (("merge", 1, 1), "two ROIs or more"),
        (("split", 1), "no line"),
        (("accept", 99), "does not exist"),
        (("accept",), "none"),
    ],
)
def test_impossible_decision_is_refused_with_what_to_do(reviewed, decision, message):
    with pytest.raises(CurationError, match=message):
        reviewed.decide(*decision)


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "Ann\x00"])
def test_reviewer_needs_a_name(reviewed, name):
    with pytest.raises(CurationError, match="Type your name"):
        reviewed.decide("accept", 1, by=name)
