"""Participation: asked when the moment was good, for a stated benefit, and not again for a while."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.families.participation import Participation
from schemas.timestamp import DAY, HOUR
from tests.hotel import NOON, PROPERTY_TEST, happened, reasons, run
from tests.moments import met, moments, of_family, playing

REVIEW = moments(playing("review"))
NEWSLETTER = moments(playing("newsletter"))


def test_invited_after_a_good_moment() -> None:
    """The trigger says what to ask for, and which moment it was; without a benefit it has no text."""
    (outcome,) = run([happened("service.delivered")], engine=REVIEW)
    (trigger,) = outcome.triggers

    assert trigger.data.content == Participation("review", "service.delivered")
    assert (trigger.data.level, trigger.data.message) == ("participation", None)
    assert outcome.profile.asked == {"review": NOON}


def test_asked_for_consent_by_purpose_and_channel() -> None:
    """Whoever is to agree hears to what, by which channel, and what they get for it."""
    (outcome,) = run([happened("page.viewed")], engine=NEWSLETTER)
    (trigger,) = outcome.triggers

    assert trigger.data.content == Participation(
        "consent", "page.viewed", "prices before others see them", "marketing", "push"
    )
    assert trigger.data.message == "Would you? You get prices before others see them."
    assert outcome.profile.asked == {"consent:marketing:push": NOON}


@pytest.mark.parametrize(("rating", "candidate"), [(5, True), (4, True), (3, False), (1, False)])
def test_no_invitation_where_the_moment_was_not_good(rating: int, candidate: bool) -> None:
    """Whoever gives three stars is not asked to tell others."""
    (outcome,) = run([happened("review.posted", data={"rating": rating})], engine=REVIEW)

    assert ("review" in reasons(outcome)) == candidate


def test_no_invitation_after_a_bad_one() -> None:
    """One good moment does not make up for a bad one just before."""
    outcomes = run([happened("service.failed"), happened("service.delivered", NOON + HOUR)], engine=REVIEW)

    assert reasons(outcomes[1]) == {"review": "mood"}


@pytest.mark.parametrize(("gap", "reason"), [(90 * DAY - 1, "already-asked"), (90 * DAY, "fired")])
def test_not_again_for_a_while(gap: int, reason: str) -> None:
    """The same thing is asked again after the stated time, and not before."""
    touchpoints = [happened("service.delivered"), happened("service.delivered", NOON + gap)]

    assert reasons(run(touchpoints, engine=REVIEW)[1]) == {"review": reason}


def test_not_asked_for_what_was_given() -> None:
    """Whoever has agreed is not asked; whoever took it back may be, once."""
    agreed = happened("consent.granted", NOON - DAY, {"purpose": "marketing"})
    withdrawn = happened("consent.withdrawn", NOON + 1, {"purpose": "marketing"})
    outcomes = run(
        [agreed, happened("page.viewed"), withdrawn, happened("page.viewed", NOON + 2)], engine=NEWSLETTER
    )

    assert [reasons(outcome) for outcome in outcomes[1::2]] == [
        {"newsletter": "already-given"},
        {"newsletter": "fired"},
    ]


def test_late_moment_is_over() -> None:
    """An invitation that comes hours after the moment is one by the calendar."""
    outcome = REVIEW.step(None, happened("service.delivered"), NOON + 2 * HOUR)

    assert reasons(outcome) == {"review": "late"}


@PROPERTY_TEST
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60 * DAY)), max_size=25))
def test_never_twice_within_the_time(moments_: list[tuple[bool, int]]) -> None:
    """Whatever happens when, the same thing is never asked twice within the stated time."""
    at, touchpoints = NOON, []
    for number, (good, gap) in enumerate(moments_):
        at += gap
        type_ = "service.delivered" if good else "service.failed"
        touchpoints.append(met(type_, at, {"n": number}))
    asked = [t.time for t in of_family(run(touchpoints, engine=REVIEW), "participation")]

    assert [b - a for a, b in pairwise(asked) if b - a < 90 * DAY] == []
