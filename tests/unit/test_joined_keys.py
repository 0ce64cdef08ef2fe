"""Keys of two ids that become one customer: one of a booking stays, and every other is taken away."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.families.room_key import RoomKey
from schemas.stay import MAX_BOOKINGS
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Touchpoint
from stream.outcome import Outcome
from stream.replay import Replay
from tests.hotel import NOON, PROPERTY_TEST, engine

ENGINE = engine()


def told(customer: str, type_: str, at: int, **data: Any) -> Touchpoint:
    """A touchpoint of one of the ids."""
    return Touchpoint(
        f"{customer}/{type_}@{at - NOON}/{data.get('booking')}", "/test", type_, customer, at, data
    )


def stay(
    customer: str, device: str, at: int = NOON, booking: str = "b1", room: str = "7"
) -> list[Touchpoint]:
    """All that leads to a key of a booking on a device, which is bound at this time (ms)."""
    days = {"arrival": "2026-03-14", "departure": "2026-03-16"}
    about = {"booking": booking, "property": "seoul"}
    return [
        told(customer, "consent.granted", NOON - DAY, purpose="location"),
        told(customer, "booking.confirmed", at - 2, **about, room=room, **days),
        told(customer, "device.bound", at - 1, device=device),
        told(customer, "guest.arrived", at, **about, device=device, accuracy_m=20),
    ]


def linked(at: int = NOON + HOUR) -> Touchpoint:
    """Both ids are said to be one customer."""
    return told("ann", "identity.linked", at, alias="card", authenticated=True)


def lived(replay: Replay, *touchpoints: Touchpoint) -> list[Outcome]:
    """What comes of touchpoints, one after another."""
    return [outcome for touchpoint in touchpoints for outcome in replay.take(touchpoint)]


def keys(outcomes: list[Outcome]) -> list[RoomKey]:
    """The keys that are issued and revoked."""
    contents = [trigger.data.content for outcome in outcomes for trigger in outcome.triggers]
    return [content for content in contents if isinstance(content, RoomKey)]


def test_the_key_on_the_device_in_use_stays() -> None:
    """Of two keys of one booking the one on the phone bound last; the other is revoked, by its trigger."""
    replay = Replay(ENGINE)
    before = lived(replay, *stay("ann", "old", NOON), *stay("card", "new", NOON + 1))
    first, second = (trigger.id for outcome in before for trigger in outcome.triggers)
    after = lived(replay, linked())

    assert [key.action for key in keys(before)] == ["issue", "issue"]
    assert keys(after) == [
        RoomKey("revoke", "b1", "seoul", "old", date(2026, 3, 16), "7", first),
    ]
    (booking,) = replay.profiles["ann"].bookings
    assert booking.key is not None
    assert (booking.key.trigger, booking.key.device) == (second, "new")


def test_the_decision_tells_both() -> None:
    """That the ids were joined, and which key was revoked for it, stand in one decision."""
    replay = Replay(ENGINE)
    lived(replay, *stay("ann", "old", NOON), *stay("card", "new", NOON + 1))
    after = lived(replay, linked())
    decided = [each.data for outcome in after for each in outcome.decisions]

    assert [[(c.play, c.reason) for c in each.candidates] for each in decided] == [
        [("identity", "claimed")],
        [("identity", "linked"), ("key-at-the-door", "fired")],
    ]


@pytest.mark.parametrize(
    ("more", "revoked"),
    [
        ([], []),
        ([told("ann", "device.bound", NOON + 5, device="other")], ["new"]),
        ([told("ann", "consent.withdrawn", NOON + 5, purpose="location")], ["new"]),
        ([told("ann", "booking.confirmed", NOON - DAY, booking="b2", property="seoul",
               arrival="2026-03-14", departure="2026-03-16")], []),
    ],
)  # fmt: skip
def test_what_the_other_id_knew_counts_at_once(more: list[Touchpoint], revoked: list[str]) -> None:
    """A key whose device or consent the other id has lost is taken away when they are joined, not later."""
    replay = Replay(ENGINE)
    lived(replay, *stay("card", "new"), *more)
    found = keys(lived(replay, linked()))

    assert [(key.action, key.device) for key in found] == [("revoke", device) for device in revoked]


def test_a_stay_that_is_over_has_no_key() -> None:
    """The guest was checked out under the other id."""
    replay = Replay(ENGINE)
    gone = [
        told("ann", "booking.confirmed", NOON - DAY, booking="b1", property="seoul", room="7",
             arrival="2026-03-14", departure="2026-03-16"),
        told("ann", "stay.checked-out", NOON + 5, booking="b1"),
    ]  # fmt: skip
    lived(replay, *stay("card", "new"), *gone)

    assert [(key.action, key.device) for key in keys(lived(replay, linked()))] == [("revoke", "new")]


def test_a_key_of_another_room_is_issued_anew() -> None:
    """The other id was told of a change of rooms: the old key goes, and one for the new room comes."""
    replay = Replay(ENGINE)
    moved = told("ann", "booking.confirmed", NOON + 5, booking="b1", property="seoul", room="8",
                 arrival="2026-03-14", departure="2026-03-16")  # fmt: skip
    lived(replay, *stay("card", "new"), moved)
    found = keys(lived(replay, linked()))

    assert [(key.action, key.room) for key in found] == [("revoke", "7"), ("issue", "8")]


def test_no_key_is_forgotten_with_its_booking() -> None:
    """Two ids may have more bookings with keys than one can: those that go lose their keys."""
    replay = Replay(ENGINE)
    ids = [f"b{number:02}" for number in range(MAX_BOOKINGS)]
    for id_ in ids:
        lived(replay, *stay("ann", "phone", NOON, f"a-{id_}"), *stay("card", "phone", NOON, f"c-{id_}"))
    found = keys(lived(replay, linked()))

    assert [key.action for key in found] == ["revoke"] * MAX_BOOKINGS
    kept = [booking.id for booking in replay.profiles["ann"].bookings if booking.key is not None]
    assert len(kept) == MAX_BOOKINGS
    assert sorted([*kept, *(key.booking for key in found)]) == sorted(
        f"{x}-{id_}" for x in "ac" for id_ in ids
    )


@PROPERTY_TEST
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ann", "card", "app"]),
            st.sampled_from(["p1", "p2"]),
            st.sampled_from(["b1", "b2"]),
            st.integers(0, 20),
        ),
        max_size=8,
    ),
    st.permutations(["card", "app"]),
)
def test_every_key_is_live_or_revoked(arrivals: list[Any], order: list[str]) -> None:
    """Whoever is joined with whom: of each key that is out the profile knows, or it was taken away."""
    replay = Replay(ENGINE)
    outcomes = []
    for customer, device, booking, at in sorted(arrivals, key=lambda each: each[3]):
        outcomes += lived(replay, *stay(customer, device, NOON + at * 1000, booking))
    for number, alias in enumerate(order):
        link = told("ann", "identity.linked", NOON + HOUR + number, alias=alias, authenticated=True)
        outcomes += lived(replay, link)
    issued = {t.id for o in outcomes for t in o.triggers if t.data.content.action == "issue"}  # type: ignore[union-attr]
    revoked = {key.revokes for key in keys(outcomes) if key.action == "revoke"}
    live = {b.key.trigger for p in replay.profiles.values() for b in p.bookings if b.key is not None}

    assert issued - revoked == live
    assert not revoked & live
