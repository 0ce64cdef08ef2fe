"""Good moments at the hotel, with the playbook that ships: each in its place, and none elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.families import FAMILIES
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream.engine import load_engine
from stream.outcome import Outcome
from tests.hotel import NOON, reasons

ENGINE = load_engine()

Step = tuple[str, int, dict[str, Any]]


def lived(*steps: Step, channel: str | None = "app") -> list[Outcome]:
    """What comes of touchpoints of a guest of the hotel, each at a time after noon in Seoul's evening."""
    profile: Profile | None = None
    outcomes = []
    for number, (type_, at, data) in enumerate(steps):
        where = data.get("channel", channel)
        event = Touchpoint(f"e-{number}", "/hotel", type_, "ann", NOON + at, data, channel=where)
        outcomes.append(ENGINE.step(profile, event, event.time))
        profile = outcomes[-1].profile
    return outcomes


def test_every_play_says_what_it_is_for() -> None:
    """Each play that ships has a level, every family has a play, and the trigger carries the level."""
    plays = ENGINE.playbook.plays

    assert [play.play for play in plays if play.level is None] == []
    assert {play.family for play in plays} == set(FAMILIES)
    assert lived(("order.delayed", 0, {}))[0].triggers[0].data.level == "pain"


def test_no_invitation_while_an_issue_is_open() -> None:
    """Whoever waits for an answer is not asked for a review, however good the breakfast was."""
    outcomes = lived(
        ("review.posted", -2 * DAY, {"rating": 5}),
        ("review.posted", -DAY, {"rating": 5}),
        ("complaint.opened", 0, {"issue": "i-1"}),
        ("service.delivered", HOUR, {}),
    )

    assert reasons(outcomes[3])["ask-for-a-review"] == "suppressed"
    assert [trigger.family for trigger in outcomes[3].triggers] == ["recovery-offer"]


def test_open_issue_holds_back_what_is_offered() -> None:
    """Neither a cart nor an item is offered to someone who is angry; the person who calls is told."""
    outcomes = lived(
        ("cart.added", 0, {"cart": "c-1", "channel": "web"}),
        ("complaint.opened", MINUTE, {"issue": "i-1"}),
        ("screen.viewed", 2 * MINUTE, {"screen": "home"}),
        ("product.searched", 3 * MINUTE, {}),
        ("complaint.closed", 4 * MINUTE, {"issue": "i-1"}),
        ("screen.viewed", 5 * MINUTE, {"screen": "home"}),
    )

    assert reasons(outcomes[2])["go-on-with-your-cart"] == "suppressed"
    assert reasons(outcomes[3])["what-others-like"] == "suppressed"
    assert reasons(outcomes[5])["go-on-with-your-cart"] == "fired"


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "Go on where you left your cart."),
        ("ko", "이어서 계속하세요: cart."),
        ("pt-PT", "Continue onde deixou: cart."),
    ],
)
def test_guest_is_spoken_to_in_their_language(language: str, message: str) -> None:
    """From the web to the app, in the language that was stated."""
    outcomes = lived(
        ("profile.stated", -DAY, {"language": language}),
        ("cart.added", 0, {"cart": "c-1", "channel": "web"}),
        ("screen.viewed", MINUTE, {"screen": "home"}),
    )

    assert outcomes[2].triggers[0].data.message == message


def test_consent_is_asked_for_once_and_for_something() -> None:
    """The guest hears what it is for; the next look at the stay asks nothing, nor of who has agreed."""
    asked = lived(*(("screen.viewed", n * HOUR, {"screen": "my-stay"}) for n in range(2)))
    agreed = lived(
        ("consent.granted", 0, {"purpose": "location"}), ("screen.viewed", 1, {"screen": "my-stay"})
    )

    assert asked[0].triggers[0].data.message == (
        "May we use your location? You get your room key on your phone when you arrive."
    )
    assert reasons(asked[1])["may-we-know-where-you-are"] == "already-asked"
    assert reasons(agreed[1])["may-we-know-where-you-are"] == "already-given"
