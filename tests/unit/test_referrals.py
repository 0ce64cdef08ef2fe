"""Referrals: the first touch of one is linked to the moment of another."""

from __future__ import annotations

import msgspec
import pytest

from schemas.erasure import TYPE as ERASE
from schemas.profile import Profile
from schemas.touchpoint import Moved, Touchpoint
from stream import referrals
from stream.replay import Replay, profile_line
from tests.hotel import NOON
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
