"""Guards: what they leave out would not have fired, and what they ask is in the playbook's order."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.engine import Engine
from stream.outcome import Outcome
from stream.plays.context import Context
from tests.hotel import NOON, PROPERTY_TEST, happened
from tests.probes import engine_of, probe

CONDITIONS = (
    None,
    "event.price > 10",
    "event.price >= 10 && event.name != 'x'",
    "event.price < 10",
    "10 >= event.price",
    "event.price == 10 || event.name == 'a'",
    "event.name == 'a'",
    "event.name in ['a', 'b'] && event.price > 9",
    "event.gift && event.price > 9",
    "!event.gift",
    "profile.touchpoints > 1 && event.name == 'b'",
    "has(event.price) && event.price > 10",
    "has(event.name) && event.name == 'b' && event.price > 9",
    "event.price < 10 && has(event.gift)",
    "has(event.gift) && event.gift",
    "!has(event.name)",
)
PLAYS = [
    probe(f"p-{number}", touchpoints=["cart.added"], **({} if when is None else {"when": when}))
    for number, when in enumerate(CONDITIONS * 5)
]
ENGINE = engine_of(*PLAYS)


def asking_each() -> Engine:
    """The same engine, but asking every play."""
    engine = engine_of(*PLAYS)
    rules = engine.index.rules_for("cart.added")
    engine._asked = lambda context: rules
    return engine


EACH = asking_each()
DATA = st.fixed_dictionaries(
    {},
    optional={
        "price": st.sampled_from((9, 9.5, 10, 10.0, 10.5, 11, "10", True, None)),
        "name": st.sampled_from(("a", "b", "c", "", 1)),
        "gift": st.sampled_from((True, False, 1, "yes")),
    },
)


@PROPERTY_TEST
@given(DATA)
def test_guards_change_nothing(data: dict[str, Any]) -> None:
    """Whatever the data, decision and triggers are those that asking every play would come to."""
    touchpoint = happened("cart.added", NOON, data)

    found, expected = ENGINE.step(None, touchpoint, NOON), EACH.step(None, touchpoint, NOON)

    assert msgspec.json.encode(found.decisions) == msgspec.json.encode(expected.decisions)
    assert found.triggers == expected.triggers


def test_only_those_that_may_fire_are_asked() -> None:
    """Of a thousand plays that each want a name of their own, the one whose name it is is asked."""
    plays = [probe(f"p-{n}", touchpoints=["cart.added"], when=f"event.name == 'n{n}'") for n in range(1000)]
    engine = engine_of(*plays)
    touchpoint = happened("cart.added", NOON, {"name": "n7"})
    outcome: Outcome = engine.step(None, touchpoint, NOON)
    context = Context(
        outcome.profile, touchpoint, NOON, False, 0.0, None, None, frozenset(), "p", "m", [], []
    )

    assert [rule.play.play for rule in engine.index.asked(context)] == ["p-7"]
    assert [trigger.data.play for trigger in outcome.triggers] == ["p-7"]


def test_who_asks_first_whether_a_field_is_there_is_not_asked_where_it_is_not() -> None:
    """Of a thousand plays on a field that a touchpoint lacks, those that ask by `has` are left out."""
    wary = [
        probe(f"w-{n}", touchpoints=["cart.added"], when=f"has(event.name) && event.name == 'n{n}'")
        for n in range(1000)
    ]
    unsure = [probe(f"u-{n}", touchpoints=["cart.added"], when=f"event.name == 'n{n}'") for n in range(5)]
    engine = engine_of(*wary, *unsure)

    def asked(data: dict[str, Any]) -> list[str]:
        touchpoint = happened("cart.added", NOON, data)
        outcome: Outcome = engine.step(None, touchpoint, NOON)
        context = Context(
            outcome.profile, touchpoint, NOON, False, 0.0, None, None, frozenset(), "p", "m", [], []
        )
        return [rule.play.play for rule in engine.index.asked(context)]

    assert asked({}) == [f"u-{n}" for n in range(5)]
    assert asked({"name": "n7"}) == ["w-7"]
    assert len(asked({"name": 7})) == 1005
