"""Wow: drawn by lot, the same chance for all, never twice the same, and told when it was not drawn."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.budget import Budget
from schemas.families.wow import Wow
from schemas.timestamp import DAY, HOUR
from stream.plays.wow import lot
from tests.hotel import NOON, PROPERTY_TEST, after, happened, reasons, run
from tests.moments import met, moments, of_family, playing

ENGINE = moments(playing("treat"))
CHECK_IN = "stay.checked-in"


def test_surprise() -> None:
    """It says what is given, at which occasion, at which odds, and what may be said to the guest."""
    (outcome,) = run([happened(CHECK_IN)], engine=ENGINE)
    (trigger,) = outcome.triggers

    assert trigger.data.content == Wow(CHECK_IN, 1.0, "tea", 10.0, "EUR")
    assert (trigger.data.level, trigger.data.message) == ("wow", "For you: tea, worth 10 EUR.")
    assert trigger.expires == NOON + DAY
    assert outcome.profile.surprises == {"tea": NOON}


def test_not_drawn_says_the_odds() -> None:
    """Whoever gets nothing can be told that it was by lot, and what the chance was."""
    (outcome,) = run([happened(CHECK_IN)], engine=moments(playing("treat", odds=1e-9)))
    assert outcome.decision is not None
    (candidate,) = outcome.decision.data.candidates

    assert (candidate.reason, candidate.odds, outcome.triggers) == ("not-drawn", 1e-9, [])
    assert outcome.profile.surprises == {}


@pytest.mark.parametrize(("gap", "reason"), [(30 * DAY - 1, "cooldown"), (30 * DAY, "fired")])
def test_rest(gap: int, reason: str) -> None:
    """Within the rest the same guest gets no other, and afterwards has the same chance as anyone."""
    outcomes = run([happened(CHECK_IN), happened(CHECK_IN, NOON + gap)], engine=ENGINE)

    assert reasons(outcomes[1]) == {"treat": reason}


def test_never_twice_the_same() -> None:
    """Once all offers were given there is no further one, however much time has passed."""
    stays = [happened(CHECK_IN, NOON + n * 31 * DAY) for n in range(3)]
    outcomes = run(stays, engine=ENGINE)
    given = [trigger.data.content for trigger in of_family(outcomes, "wow")]

    assert [content.offer for content in given if isinstance(content, Wow)] == ["tea", "fruit"]
    assert reasons(outcomes[2]) == {"treat": "no-offer"}


def test_two_plays_surprise_once() -> None:
    """At one touchpoint two plays make one surprise, not two."""
    one = playing("treat")
    two = msgspec.structs.replace(one, plays=(*one.plays, msgspec.structs.replace(one.plays[0], play="more")))
    (outcome,) = run([happened(CHECK_IN)], engine=moments(two))

    assert reasons(outcome) == {"treat": "fired", "more": "cooldown"}


def test_late_is_no_surprise() -> None:
    """What happened long ago is no occasion any more, and draws no lot."""
    outcome = ENGINE.step(None, happened(CHECK_IN), NOON + 2 * HOUR)

    assert (reasons(outcome), outcome.profile.surprises) == ({"treat": "late"}, {})


def test_floors_hold() -> None:
    """An offer for good customers is drawn for those who spent as much, and can be."""
    rich = after([happened("order.placed", NOON - DAY, amount=500.0)])
    engine = moments(playing("treat", offers=("spa",)))

    assert reasons(run([happened(CHECK_IN)], engine=engine)[0]) == {"treat": "no-offer"}
    assert reasons(run([happened(CHECK_IN)], rich, engine)[0]) == {"treat": "fired"}


def test_within_its_budget() -> None:
    """What the budget has not left is not given, though it was drawn; in the next period it may be."""
    one = playing("treat", budget="delight", rest="1h")
    budgets = {"delight": Budget(15.0, "customer", "365d")}
    engine = moments(msgspec.structs.replace(one, budgets=budgets))
    outcomes = run([happened(CHECK_IN, NOON + n * 2 * HOUR) for n in range(2)], engine=engine)
    (again,) = run([happened(CHECK_IN, NOON + 366 * DAY)], outcomes[1].profile, engine)

    assert [reasons(outcome)["treat"] for outcome in (*outcomes, again)] == ["fired", "budget", "fired"]
    assert list(again.profile.surprises) == ["tea", "fruit"]


def test_another_seed_draws_others() -> None:
    """The seed decides who wins, and the same seed always the same."""
    guests = [f"g-{number}" for number in range(1000)]
    winners = [{g for g in guests if lot("treat", seed, g, "/test", "e") < 0.1} for seed in (0, 0, 1)]

    assert winners[0] == winners[1] != winners[2]


@pytest.mark.parametrize("odds", [0.01, 0.1, 0.5])
def test_share_of_ten_thousand_guests(odds: float) -> None:
    """Of 10,000 guests as many win as the odds say, within four standard deviations, of each offer alike."""
    engine = moments(playing("treat", odds=odds, offers=("fruit", "tea")))
    given: list[str] = []
    for number in range(10_000):
        outcome = engine.step(None, met(CHECK_IN, NOON, customer=f"g-{number}"), NOON)
        given += [t.data.content.offer for t in outcome.triggers if isinstance(t.data.content, Wow)]
    expected, deviation = 10_000 * odds, (10_000 * odds * (1 - odds)) ** 0.5

    assert abs(len(given) - expected) <= 4 * deviation
    assert abs(given.count("fruit") - len(given) / 2) <= 4 * (len(given) / 4) ** 0.5


@PROPERTY_TEST
@given(st.lists(st.integers(0, 40 * DAY), max_size=20), st.sampled_from([0.3, 0.7, 1.0]), st.integers(0, 99))
def test_never_too_soon_and_never_the_same(gaps: list[int], odds: float, seed: int) -> None:
    """Whatever happens when: no offer comes twice, and none within the rest of the one before."""
    engine = moments(playing("treat", odds=odds, seed=seed))
    times = [NOON + sum(gaps[: n + 1]) for n in range(len(gaps))]
    surprises = of_family(
        run([happened(CHECK_IN, at, id_=f"e-{n}") for n, at in enumerate(times)], engine=engine), "wow"
    )
    offers = [t.data.content.offer for t in surprises if isinstance(t.data.content, Wow)]
    fired = [trigger.time for trigger in surprises]

    assert len(set(offers)) == len(offers)
    assert [b - a for a, b in pairwise(fired) if b - a < 30 * DAY] == []
