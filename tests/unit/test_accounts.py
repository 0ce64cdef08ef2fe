"""Accounts: what is stated of a business customer's contract."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas.account import Account
from schemas.conditions.evaluation import ConditionError, Reference
from schemas.profile import Profile, new_profile
from schemas.timestamp import HOUR
from stream import merger
from stream.accounts import state
from stream.erasure import is_blank
from stream.plays.conditions import Conditions
from stream.plays.context import Context
from tests.hotel import HOTEL, NOON, PROPERTY_TEST, happened, run
from tests.probes import engine_of, probe

STATED = {"plan": "business", "seats": 40, "renews": "2026-07-01"}


def stated(*words: tuple[int, dict[str, Any]]) -> Profile:
    """A profile after these words, each with when it was said, in ms from noon."""
    profile = new_profile("acme")
    for at, data in words:
        state(profile, happened("account.stated", NOON + at, data))
    return profile


@pytest.mark.parametrize(
    ("words", "account"),
    [
        ([], None),
        ([(0, {})], None),
        ([(0, {"channel": "crm"})], None),
        ([(0, STATED)], Account("business", NOON, 40, NOON, date(2026, 7, 1), NOON)),
        ([(0, {"seats": 40}), (1, {"plan": "free"})], Account("free", NOON + 1, 40, NOON)),
        ([(1, {"seats": 40}), (0, {"seats": 30})], Account(seats=40, seats_said=NOON + 1)),
        ([(0, {"plan": "free"}), (1, {"plan": None})], Account(None, NOON + 1)),
        ([(0, {"plan": None}), (0, {"plan": "free"})], Account("free", NOON)),
        ([(0, {"seats": 0})], Account(seats=0, seats_said=NOON)),
    ],
)
def test_latest_word_on_each_thing_holds(words: list[Any], account: Account | None) -> None:
    """What is left out stays as it was, null takes back, and what was said last decides."""
    assert stated(*words).account == account


@pytest.mark.parametrize(
    "data",
    [
        {"plan": ""},
        {"plan": 7},
        {"plan": "x" * 257},
        {"seats": -1},
        {"seats": 4.5},
        {"seats": True},
        {"seats": 10**10},
        {"renews": "soon"},
        {"renews": 20260701},
    ],
)
def test_what_can_not_be_is_refused(data: dict[str, Any]) -> None:
    """A touchpoint that says something impossible goes to the dead letters and changes nothing."""
    profile = stated((0, STATED))

    with pytest.raises(msgspec.ValidationError):
        state(profile, happened("account.stated", NOON + 1, data))
    assert profile == stated((0, STATED))


WORD = st.tuples(
    st.integers(0, 3),
    st.fixed_dictionaries(
        {},
        optional={
            "plan": st.sampled_from([None, "free", "business"]),
            "seats": st.sampled_from([None, 0, 40]),
            "renews": st.sampled_from([None, "2026-07-01", "2026-08-01"]),
        },
    ),
)


@PROPERTY_TEST
@given(st.lists(WORD, max_size=6), st.lists(WORD, max_size=6), st.randoms())
def test_two_ids_of_one_account(mine: list[Any], theirs: list[Any], random: Any) -> None:
    """Joined, they know what one would know who had heard all of it, in whatever order."""
    both = [*mine, *theirs]
    random.shuffle(both)
    joined = stated(*mine)
    merger.merge(joined, stated(*theirs))

    assert joined.account == stated(*both).account
    assert profiles.decode(profiles.encode(joined)).account == joined.account


def test_day_of_renewal_by_the_customers_clock() -> None:
    """At one in the morning in Seoul it is a day less than in Lisbon; without a day it can't be said."""
    engine = engine_of(probe("other", touchpoints=["page.viewed"]), zone="Asia/Seoul")
    read = Conditions(engine.playbook).read(Reference("account.days_to_renewal", (), "number", 0))

    def days(*data: dict[str, Any]) -> object:
        now = NOON + 4 * HOUR
        touchpoints = [
            happened("profile.stated" if "zone" in each else "account.stated", now, each) for each in data
        ]
        profile = run(touchpoints, engine=engine)[-1].profile
        return read(
            Context(profile, touchpoints[-1], now, False, 0, None, None, frozenset(), "p", "m", [], [])
        )

    assert days(STATED) == 108
    assert days(STATED, {"zone": "Europe/Lisbon"}) == 109
    for unknown in ({}, {"plan": "free"}, {"renews": None}):
        with pytest.raises(ConditionError, match=r"account\.days_to_renewal is not known"):
            days(unknown)


def test_nothing_of_it_is_left_of_one_who_is_erased() -> None:
    """The plan goes with everything else."""
    outcomes = run([happened("account.stated", NOON, STATED), happened("privacy.erase", NOON + 1)])

    assert HOTEL.catalogue["account.stated"].effect == "account.stated"
    assert outcomes[0].profile.account == Account("business", NOON, 40, NOON, date(2026, 7, 1), NOON)
    assert is_blank(outcomes[1].profile)
