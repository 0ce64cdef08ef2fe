"""Retention offer: once when the risk crosses the threshold, not to the angry, not again and again."""

from __future__ import annotations

import msgspec
import pytest

from schemas.families.retention_offer import RetentionOffer, RetentionOfferPlay
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR, MINUTE
from stream.engine import Engine
from stream.outcome import Outcome
from tests.hotel import HOTEL, NOON, GivenRisk, after, engine, happened, reasons, run

PLAY = "stay-with-us"


def regular(amount: float = 100.0) -> Profile:
    """A customer who bought on two days, the latest ten days ago."""
    return after(
        [
            happened("order.placed", NOON - 20 * DAY, amount=amount / 2),
            happened("order.placed", NOON - 10 * DAY, amount=amount / 2),
        ]
    )


def looks(*risks: float, profile: Profile | None = None, every: int = HOUR) -> list[Outcome]:
    """Page views one after another, at each of which the model says another risk."""
    profile = profile or regular()
    scorer = GivenRisk(0.0)
    engine = Engine(HOTEL, scorer, "given")
    outcomes = []
    for number, risk in enumerate(risks):
        scorer.risk = risk
        at = NOON + number * every
        outcomes.append(engine.step(profile, happened("page.viewed", at), at))
        profile = outcomes[-1].profile
    return outcomes


@pytest.mark.parametrize(("risk", "fires"), [(0.0, False), (0.74999, False), (0.75, True), (1.0, True)])
def test_threshold(risk: float, fires: bool) -> None:
    """At the threshold and above an offer is made, below it nothing is even considered."""
    (outcome,) = looks(risk)

    assert reasons(outcome) == ({PLAY: "fired"} if fires else {})
    assert outcome.profile.at_risk == fires


@pytest.mark.parametrize(
    ("money", "offer", "amount", "at_risk"),
    [(500.0, "suite-upgrade", 90.0, 494.51), (499.0, "free-delivery", 8.0, 493.52)],
)
def test_offer_by_money_spent(money: float, offer: str, amount: float, at_risk: float) -> None:
    """The better customer is offered more; the trigger says why it was made, and what is at risk."""
    (outcome,) = looks(0.9, profile=regular(money))

    (trigger,) = outcome.triggers
    assert trigger.data.content == RetentionOffer(0.75, 10.0, offer, amount, "EUR", None, at_risk)
    assert (trigger.family, trigger.data.risk, trigger.expires) == ("retention-offer", 0.9, NOON + 7 * DAY)


def test_who_bought_on_one_day_is_not_kept_but_won() -> None:
    """Risk means nothing for one who never came back."""
    profile = after([happened("order.placed", NOON - 10 * DAY, amount=900.0)])
    (outcome,) = looks(0.99, profile=profile)

    assert (outcome.triggers, outcome.decision, outcome.profile.at_risk) == ([], None, False)


def test_hysteresis() -> None:
    """Having crossed, it takes a risk below the lower bound before a crossing counts again."""
    outcomes = looks(0.8, 0.9, 0.6, 0.8, 0.59, 0.8, every=31 * DAY)

    assert [reasons(outcome).get(PLAY) for outcome in outcomes] == ["fired", None, None, None, None, "fired"]
    assert [o.profile.at_risk for o in outcomes] == [True, True, True, True, False, True]


def test_cooldown() -> None:
    """A second crossing soon after an offer makes no second one, and says so once."""
    outcomes = looks(0.8, 0.5, 0.8, 0.8)

    assert [reasons(outcome).get(PLAY) for outcome in outcomes] == ["fired", None, "cooldown", None]


def test_suppressed_while_an_issue_is_open_and_made_when_it_is_closed() -> None:
    """No promotion for the angry; once the issue is closed the same touchpoint decides anew."""
    angry = after([happened("complaint.opened", NOON - 5, {"issue": "i1"})], regular())
    first, second = looks(0.8, 0.8, profile=angry, every=MINUTE)
    (closed,) = run(
        [happened("complaint.closed", NOON + 3 * MINUTE, {"issue": "i1"})], second.profile, engine(risk=0.8)
    )

    assert [reasons(outcome) for outcome in (first, second)] == [{PLAY: "suppressed"}] * 2
    assert [outcome.triggers for outcome in (first, second)] == [[], []]
    assert [trigger.family for trigger in closed.triggers] == ["suppression", "retention-offer"]


def test_late_touchpoint_makes_no_offer_and_uses_none_up() -> None:
    """A touchpoint told late is noted as such; the next one in time makes the offer."""
    late = engine(risk=0.8).step(regular(), happened("page.viewed", NOON - DAY), NOON)
    (next_one,) = looks(0.8, profile=late.profile)

    assert (reasons(late), late.triggers) == ({PLAY: "late"}, [])
    assert reasons(next_one) == {PLAY: "fired"}


def test_no_offer_for_who_meets_no_floor() -> None:
    """Where the playbook has nothing for a customer, the decision says so."""
    play = next(play for play in HOTEL.plays if isinstance(play, RetentionOfferPlay))
    dear = msgspec.structs.replace(play, offers=play.offers[:1])
    playbook = msgspec.structs.replace(HOTEL, plays=(dear,))
    (outcome,) = run([happened("page.viewed")], regular(), engine(0.8, playbook))

    assert (outcome.triggers, reasons(outcome)) == ([], {PLAY: "no-offer"})
