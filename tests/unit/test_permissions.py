"""Permissions: what a customer agreed to, and the device that is theirs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.consent import MAX_CONSENTS, Consent
from schemas.profile import Profile, new_profile
from schemas.touchpoint import MAX_ID
from stream.permissions import agreed, bind_device, grant, withdraw
from tests.hotel import NOON, PROPERTY_TEST, after, happened


def asked(*words: tuple[bool, int, str]) -> Profile:
    """A profile after these words, each whether granted, when (ms from noon), and for what."""
    profile = new_profile("ann")
    for granted, at, purpose in words:
        change = grant if granted else withdraw
        change(profile, happened("consent", NOON + at, {"purpose": purpose}))
    return profile


@pytest.mark.parametrize(
    ("words", "agrees"),
    [
        ([], False),
        ([(True, 0, "location")], True),
        ([(True, 0, "e-mail")], False),
        ([(True, 0, "location"), (False, 1, "location")], False),
        ([(True, 0, "location"), (False, 1, "e-mail")], True),
        ([(True, 0, "location"), (False, 1, "location"), (True, 2, "location")], True),
        ([(False, 1, "location"), (True, 0, "location")], False),
        ([(True, 2, "location"), (False, 1, "location")], True),
        ([(True, 0, "location"), (False, 0, "location")], False),
        ([(False, 0, "location"), (True, 0, "location")], False),
    ],
)
def test_latest_word_holds(words: list[tuple[bool, int, str]], agrees: bool) -> None:
    """What was said last decides, not what was heard last; of two words at once, the withdrawal."""
    assert agreed(asked(*words), "location") is agrees


def test_word_is_kept_with_its_time() -> None:
    """The profile holds one word for each purpose, the one said last at the end."""
    profile = asked((True, 0, "location"), (True, 1, "e-mail"), (False, 2, "location"))

    assert profile.consents == (Consent(NOON + 1, False, "e-mail"), Consent(NOON + 2, True, "location"))


def test_where_it_was_said_does_not_narrow_a_withdrawal() -> None:
    """Apps say on every touchpoint by which channel it came; a withdrawal there is one for all channels."""
    profile = after(
        [
            happened("consent.granted", NOON, {"purpose": "offers"}),
            happened("consent.withdrawn", NOON + 1, {"purpose": "offers", "channel": "web"}),
        ]
    )

    assert not agreed(profile, "offers", "email")


def test_purposes_are_bounded_on_the_safe_side() -> None:
    """Beyond the limit the oldest consent counts as not given."""
    profile = asked(*((True, number, f"p{number}") for number in range(MAX_CONSENTS + 1)))

    assert [agreed(profile, "p0"), agreed(profile, "p1"), agreed(profile, f"p{MAX_CONSENTS}")] == [
        False,
        True,
        True,
    ]
    assert len(profile.consents) == MAX_CONSENTS


def test_forgotten_withdrawal_holds() -> None:
    """A withdrawal that was pushed out by newer words is not undone by a late grant from before it."""
    newer = [(True, number, f"p{number}") for number in range(1, MAX_CONSENTS + 1)]
    profile = asked((False, 0, "location"), *newer, (True, -1, "location"), (True, 0, "location"))

    assert "location" not in {consent.purpose for consent in profile.consents}
    assert not agreed(profile, "location")


WORDS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 20).map(lambda n: f"p{n}")), max_size=60
)


@PROPERTY_TEST
@given(WORDS.flatmap(lambda words: st.tuples(st.just(words), st.permutations(words))))
def test_order_of_arrival_does_not_matter(orders: tuple[list[Any], list[Any]]) -> None:
    """The same words in any order leave the same consents, and none that the latest word denies."""
    first, second = (asked(*order) for order in orders)
    latest: dict[str, tuple[int, bool]] = {}
    for granted, at, purpose in orders[0]:
        latest[purpose] = max(latest.get(purpose, (at, not granted)), (at, not granted))

    assert first.consents == second.consents
    assert {p for p in latest if agreed(first, p)} <= {
        p for p, (_, withdrawn) in latest.items() if not withdrawn
    }


CHANNELS = ("email", "push", "sms")
SAID = ("all", *CHANNELS)


@PROPERTY_TEST
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from(SAID)), max_size=12))
def test_what_names_no_channel_needs_all(words: list[tuple[bool, int, str]]) -> None:
    """What may go out by any channel is agreed to only where every channel is, one never named included."""
    profile = new_profile("ann")
    for granted, at, channel in words:
        change = grant if granted else withdraw
        change(profile, happened("consent", NOON + at, {"purpose": "offers", "for_channel": channel}))
    everywhere = [agreed(profile, "offers", channel) for channel in (*CHANNELS, "post")]

    assert agreed(profile, "offers") is all(everywhere)


@pytest.mark.parametrize(
    ("bindings", "device"),
    [
        ([(0, "old"), (1, "new")], "new"),
        ([(1, "new"), (0, "old")], "new"),
        ([(0, "first"), (0, "second")], "second"),
    ],
)
def test_newest_device_is_the_bound_one(bindings: list[tuple[int, str]], device: str) -> None:
    """A customer has one device for keys: the one bound last, in whichever order it is told."""
    profile = new_profile("ann")
    for at, name in bindings:
        bind_device(profile, happened("device.bound", NOON + at, {"device": name}))

    assert (profile.device, profile.device_bound) == (device, NOON + max(at for at, _ in bindings))


@pytest.mark.parametrize("name", [None, 7, True, "", "x" * (MAX_ID + 1), ["p"], {"p": 1}])
@pytest.mark.parametrize("change", [bind_device, grant, withdraw])
def test_data_that_names_nothing(change: Any, name: Any) -> None:
    """Without a proper name nothing is bound, granted or withdrawn, and the reason is said."""
    profile = new_profile("ann")

    for data in ({}, {"device": name, "purpose": name}):
        with pytest.raises(msgspec.ValidationError):
            change(profile, happened("x", data=data))
    assert profile == new_profile("ann")
