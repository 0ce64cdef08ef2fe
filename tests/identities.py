"""Ids of one customer to test with: links, and the life that there would have been under one id."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from schemas import profile as profiles
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from tests.hotel import NOON, engine

ENGINE = engine()

NOW = NOON + 100 * DAY
"""When all of it arrives."""

PER_ARRIVAL = frozenset(
    (
        *("seen", "fired", "risk", "at_risk", "timers", "presences"),
        *("held", "issued", "forgotten", "suppressed", "attention", "attention_at"),
        *("surprises", "asked", "recoveries", "ledgers", "claims"),
    )
)
"""What depends on when things arrived, by its nature."""

OWN = frozenset(("customer", "aliases", "linked_to", "links", "heard", "sent", "applied"))
"""What belongs to an id, not to the customer."""


def event(id_: str, type_: str, customer: str, time: int, **data: object) -> Touchpoint:
    """A touchpoint as an app publishes it."""
    amount = data.get("amount")
    return Touchpoint(
        id_, "/app", type_, customer, time, dict(data), amount=amount if isinstance(amount, float) else None
    )


def link(known: str, alias: str, time: int = NOON, *, type_: str = "identity.linked") -> Touchpoint:
    """A link that was proved."""
    return event(f"{type_}-{known}-{alias}-{time}", type_, known, time, alias=alias, authenticated=True)


def unlink(known: str, alias: str, time: int) -> Touchpoint:
    """The end of a link."""
    return link(known, alias, time, type_="identity.unlinked")


def history(events: Sequence[Touchpoint], customer: str, engine: Engine = ENGINE) -> Profile:
    """The profile of one who had one id from the beginning, told everything in order."""
    profile = None
    for each in sorted(events, key=lambda one: one.time):
        own = msgspec.structs.replace(each, customer=customer)
        profile = engine.step(profile, own, NOW).profile
    return profile or profiles.new_profile(customer)


def assert_same_life(found: Profile, expected: Profile) -> None:
    """All that doesn't depend on arrival is the same: to the bit, sums of floats to 1e-9, kinds' to 1e-6."""
    for name in Profile.__struct_fields__:
        if name in PER_ARRIVAL or name in OWN:
            continue
        ours, theirs = getattr(found, name), getattr(expected, name)
        if name == "kinds":
            assert {*ours} == {*theirs}
            for type_, kind in ours.items():
                assert (kind.count, kind.last) == (theirs[type_].count, theirs[type_].last), type_
                assert kind.decayed == pytest.approx(theirs[type_].decayed, rel=1e-6), type_
        elif name in ("decayed", "spent", "active_decayed", "spent_decayed"):
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-6), name
        elif name == "bookings":
            # Whether a door opens is decided when the guest stands before it.
            assert [msgspec.structs.replace(b, key=None, waiting=None) for b in ours] == [
                msgspec.structs.replace(b, key=None, waiting=None) for b in theirs
            ]
        else:
            assert ours == theirs, name
