"""Referrals: the first touch of one is linked to the moment of another."""

from __future__ import annotations

import msgspec
import pytest

from schemas.erasure import TYPE as ERASE
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Moved, Touchpoint
from stream import referrals
from stream.engine import Engine
from stream.replay import Replay, profile_line
from tests.hotel import NOON, GivenRisk
from tests.moments import met, moments

ENGINE = moments()


def followed(by: str, at: int = NOON, customer: str = "bob") -> Touchpoint:
    """Someone comes by a referral."""
    return met("referral.followed", at, {"by": by}, customer=customer)


def test_the_advocate_hears_that_someone_came() -> None:
    """The one who came knows by whom; the one who told of us hears it, as a message of the other's."""
    outcome = ENGINE.step(None, followed("ann"), NOON)
    (forward,) = outcome.forwards

    assert (outcome.profile.referred_by, outcome.profile.referred_at) == ("ann", NOON)
    assert (forward.touchpoint.type, forward.touchpoint.customer) == ("referral.succeeded", "ann")
    assert (forward.touchpoint.data, forward.touchpoint.moved) == ({}, Moved(("bob",), NOON))


def test_a_repeated_step_says_the_same() -> None:
    """After a crash the advocate hears it under the same id, and drops it."""
    once, again = (ENGINE.step(None, followed("ann"), NOON).forwards for _ in range(2))

    assert once == again


def test_the_first_word_holds() -> None:
    """A later referral is none: who came by another is told to nobody."""
    first = ENGINE.step(None, followed("ann"), NOON).profile
    second = ENGINE.step(first, followed("eve", NOON + 1), NOON + 1)

    assert (second.profile.referred_by, second.forwards) == ("ann", [])


@pytest.mark.parametrize("by", ["bob", "bob-2"])
def test_nobody_refers_themselves(by: str) -> None:
    """Neither under the own id nor under an alias."""
    outcome = ENGINE.step(Profile(1, "bob", aliases=("bob-2",)), followed(by), NOON)

    assert (outcome.profile.referred_by, outcome.forwards) == (None, [])


def test_replay_brings_it_to_the_advocate() -> None:
    """The advocate's good moment stands in the advocate's profile."""
    replay = Replay(ENGINE)
    replay.take(followed("ann"))

    assert [moment.type for moment in replay.profiles["ann"].moments] == ["referral.succeeded"]


def bought(at: int, customer: str = "bob") -> Touchpoint:
    """Someone buys."""
    return met("order.placed", at, customer=customer)


def heard(*touchpoints: Touchpoint, engine: Engine = ENGINE) -> list[str]:
    """What the advocate has heard after these."""
    replay = Replay(engine)
    for touchpoint in touchpoints:
        replay.take(touchpoint)
    profile = replay.profiles.get("ann")
    return [] if profile is None else sorted((moment.type for moment in profile.moments), reverse=True)


CAME, BOUGHT = "referral.succeeded", "referral.bought"


@pytest.mark.parametrize(
    ("touchpoints", "hears"),
    [
        ([followed("ann"), bought(NOON + 1)], [CAME, BOUGHT]),
        ([followed("ann"), bought(NOON + 1), bought(NOON + DAY)], [CAME, BOUGHT]),
        ([followed("ann"), met("page.viewed", NOON + 1, customer="bob")], [CAME]),
        ([bought(NOON + 1), followed("ann")], [CAME, BOUGHT]),
        ([bought(NOON - DAY), followed("ann"), bought(NOON + 1)], [CAME]),
        ([bought(NOON - DAY), followed("ann")], [CAME]),
        ([bought(NOON)], []),
    ],
)
def test_the_advocate_hears_of_the_first_purchase(touchpoints: list[Touchpoint], hears: list[str]) -> None:
    """Once, in whatever order it is told; not of one who had bought on a day before."""
    assert heard(*touchpoints) == hears


def test_the_purchase_may_be_under_another_id() -> None:
    """Who comes as a browser and buys as a member is one customer: it is told when that is known."""
    words = [followed("ann", customer="browser"), bought(NOON + 1)]
    linked = met("identity.linked", NOON + 2, {"alias": "browser", "authenticated": True}, customer="bob")
    viewed = met("page.viewed", NOON + 3, customer="bob")

    assert heard(*words) == [CAME]
    assert heard(*words, linked, viewed) == [CAME, BOUGHT]


def test_who_does_not_ask_is_not_told_of_purchases() -> None:
    """Where the catalogue has no such type, nobody's profile grows by it."""
    playbook = ENGINE.playbook
    catalogue = {type_: entry for type_, entry in playbook.catalogue.items() if type_ != BOUGHT}
    engine = Engine(msgspec.structs.replace(playbook, catalogue=catalogue), GivenRisk(0.25), "given")

    assert heard(followed("ann"), bought(NOON + 1), engine=engine) == [CAME]


def test_who_is_erased_is_forgotten_by_whom_they_referred() -> None:
    """After the advocate's erasure no profile names the advocate, nor after the other's the other."""
    for erased, left in (("ann", "bob"), ("bob", "ann")):
        replay = Replay(ENGINE)
        replay.take(followed("ann"))
        assert "ann" in str(replay.profiles["bob"])
        replay.take(Touchpoint("e-1", "/privacy", ERASE, erased, NOON + 1))

        assert erased not in profile_line(replay.profiles[left]).decode()


def test_merge_keeps_the_earlier() -> None:
    """Of two profiles of one customer the earlier referral holds; never one by themselves."""
    early, late = (
        Profile(1, "bob", referred_by="ann", referred_at=1),
        Profile(1, "bob", referred_by="eve", referred_at=2),
    )
    for mine, other in ((early, late), (late, early)):
        merged = msgspec.structs.replace(mine)
        referrals.merge(merged, other)
        assert (merged.referred_by, merged.referred_at) == ("ann", 1)
    alone = Profile(1, "ann")
    referrals.merge(alone, early)
    assert alone.referred_by is None
