"""Recoveries: what became of an offer is told by the bad moment that it was for."""

from __future__ import annotations

import msgspec
import pytest

from schemas.decision import Candidate
from schemas.profile import Profile
from schemas.recovery import MAX_RECOVERIES, Recovery
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Touchpoint
from stream import recoveries
from stream.outcome import Outcome
from tests.hotel import NOON, happened, run

PLAY = "make-it-right"


def told(outcome: Outcome) -> list[Candidate]:
    """What a decision says of offers that went out before."""
    decided = outcome.decision
    return [] if decided is None else [c for c in decided.data.candidates if c.cause is not None]


def answer(outcome: str, trigger: str, at: int) -> Touchpoint:
    """A service says what became of a trigger."""
    return happened(f"trigger.{outcome}", at, {"trigger": trigger})


@pytest.mark.parametrize("outcome", ["accepted", "declined", "ignored"])
def test_answer_is_told_by_cause(outcome: str) -> None:
    """The decision names the bad moment that the offer was for, and the profile remembers both."""
    (first,) = run([happened("wait.long")])
    trigger = first.triggers[0].id
    (said,) = run([answer(outcome, trigger, NOON + HOUR)], first.profile)

    assert told(said) == [Candidate(PLAY, "recovery-offer", outcome, trigger=trigger, cause="wait.long")]
    assert said.profile.recoveries == (Recovery(NOON, trigger, PLAY, "wait.long", outcome),)


def test_delivered_is_no_answer() -> None:
    """That it reached the customer says nothing of whether it helped."""
    (first,) = run([happened("wait.long")])
    (said,) = run([answer("delivered", first.triggers[0].id, NOON + 1)], first.profile)

    assert (told(said), said.profile.recoveries[0].outcome) == ([], "")


def test_who_came_back() -> None:
    """The next purchase says of each offer before it that the customer came back; later ones say nothing."""
    outcomes = run(
        [
            happened("wait.long"),
            happened("order.delayed", NOON + HOUR),
            happened("page.viewed", NOON + DAY),
            happened("order.placed", NOON + 9 * DAY, amount=20.0),
            happened("order.placed", NOON + 10 * DAY, amount=20.0),
        ]
    )
    triggers = [outcome.triggers[0].id for outcome in outcomes[:2]]

    assert told(outcomes[3]) == [
        Candidate(PLAY, "recovery-offer", "came-back", trigger=trigger, cause=cause)
        for trigger, cause in zip(triggers, ("wait.long", "order.delayed"), strict=True)
    ]
    assert (told(outcomes[2]), told(outcomes[4])) == ([], [])
    assert [known.back for known in outcomes[4].profile.recoveries] == [NOON + 9 * DAY] * 2


def test_purchase_from_before_is_no_return() -> None:
    """An order that is told late, from before the offer, brings nobody back."""
    outcomes = run([happened("wait.long"), happened("order.placed", NOON - HOUR, amount=20.0)])

    assert outcomes[1].profile.recoveries[0].back == -1


def test_bounded() -> None:
    """The latest offers are remembered."""
    profile = Profile(1, "ann")
    for number in range(MAX_RECOVERIES + 3):
        recoveries.make(profile, Recovery(NOON + number, f"t-{number}", PLAY, "wait.long"))

    assert [known.trigger for known in profile.recoveries] == [f"t-{n}" for n in range(3, MAX_RECOVERIES + 3)]


def test_merge_knows_what_both_know() -> None:
    """Of one offer on both sides: the truer answer and the earlier return, whichever side is taken in."""
    one = Recovery(NOON, "t-1", PLAY, "wait.long", "ignored", NOON + 9)
    other = msgspec.structs.replace(one, outcome="accepted", back=NOON + 5)
    third = Recovery(NOON - 1, "t-0", PLAY, "order.delayed")
    for mine, theirs in (((one,), (third, other)), ((third, other), (one,))):
        profile = Profile(1, "ann", recoveries=mine)
        recoveries.merge(profile, Profile(1, "ann", recoveries=theirs))

        assert profile.recoveries == (third, other)
