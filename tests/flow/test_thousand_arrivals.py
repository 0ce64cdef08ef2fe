"""A thousand arrivals at which something is wrong: no key, and every part that is wrong by its name."""

from __future__ import annotations

from datetime import date
from itertools import combinations, cycle, islice
from random import Random
from typing import Any

import msgspec

from schemas.consent import Consent
from schemas.families.room_key import RoomKey
from schemas.playbook import load
from schemas.profile import Profile, new_profile
from schemas.stay import Booking, Key, Words
from schemas.timestamp import DAY, MINUTE, SECOND
from stream.engine import Engine
from stream.outcome import Outcome
from tests.hotel import HOTEL_YAML, NOON, GivenRisk, happened

ARRIVALS = 1_000

GATES = ("booking", "property", "day", "device", "consent", "accuracy", "age", "live-key", "room")

NOT_TOGETHER = {("booking", "live-key"), ("booking", "room"), ("consent", "live-key")}
"""A guest without a booking has no key and no room; with the consent the key goes by itself."""

WRONG = [(gate,) for gate in GATES] + [pair for pair in combinations(GATES, 2) if pair not in NOT_TOGETHER]

PLAYBOOK = load(
    HOTEL_YAML.replace("busan: {zone: Asia/Seoul}", "busan: {zone: Asia/Seoul, awaits_room: true}"),
    "hotel.yaml",
)
JEJU = PLAYBOOK.properties["jeju"]


def guest(random: Random, wrong: tuple[str, ...]) -> Profile:
    """A guest who is ready for the key to a room on Jeju, but for what is wrong."""
    profile = new_profile("ann")
    device = f"d-{random.getrandbits(32)}"
    if "device" not in wrong or "live-key" in wrong or random.random() < 0.7:
        profile.device = device
    if "consent" not in wrong:
        profile.consents = (Consent(NOON - DAY, False, "location"),)
    elif random.random() < 0.5:
        profile.consents = (Consent(NOON - DAY, True, "location"),)
    if "booking" not in wrong:
        room = str(random.randint(100, 999))
        days = random.choice(((15, 17), (10, 13))) if "day" in wrong else random.choice(((14, 16), (10, 14)))
        booking = Booking(
            "b1",
            "busan" if "property" in wrong else "jeju",
            date(2026, 3, days[0]),
            date(2026, 3, days[1]),
            room=room,
            key=Key("k1", device, None) if "live-key" in wrong else None,
            changed=NOON - DAY,
        )
        if "room" not in wrong or random.random() < 0.5:
            ready = room + "1" if "room" in wrong else room
            profile.told = {"b1": Words(*(NOON - DAY,) * 5, ready=NOON - MINUTE, ready_room=ready)}
        profile.bookings = (booking,)
    elif random.random() < 0.5:
        status = random.choice(("cancelled", "checked-out"))
        profile.bookings = (Booking("b0", "jeju", date(2026, 3, 14), date(2026, 3, 16), status),)
    return profile


def arrive(engine: Engine, profile: Profile, random: Random, wrong: tuple[str, ...]) -> Outcome:
    """The outcome of an arrival, by what an app says or by where the phone is."""
    by_location = "age" in wrong or random.random() < 0.5
    data: dict[str, Any] = {"device": profile.device, "accuracy_m": random.uniform(0, 100)}
    if "device" in wrong:
        data["device"] = random.choice((None, "other", 7))
    if "accuracy" in wrong:
        data["accuracy_m"] = random.choice((None, 100.1, 5_000, -1, float("nan"), "20", True))
    at = NOON
    if by_location:
        assert JEJU.fence is not None
        data["latitude"] = JEJU.fence.latitude + random.uniform(-1, 1) * 0.0009
        data["longitude"] = JEJU.fence.longitude + random.uniform(-1, 1) * 0.0009
        at -= random.randint(121, 3_000) * SECOND if "age" in wrong else random.randint(0, 120) * SECOND
    else:
        data["property"] = "jeju"
    type_ = "location.reported" if by_location else "guest.arrived"
    return engine.step(profile, happened(type_, at, data), NOON)


def keys_of(outcome: Outcome) -> list[str]:
    """What is done about keys."""
    return [t.data.content.action for t in outcome.triggers if isinstance(t.data.content, RoomKey)]


def test_no_key_where_anything_is_wrong() -> None:
    """Every gate and every pair of gates, violated in turn: nothing opens, and what is wrong is named.

    Beside each stands the same arrival with nothing wrong, which gets its key.
    """
    engine = Engine(PLAYBOOK, GivenRisk(0.25), "given")
    keys = held = controls = 0
    for number, wrong in enumerate(islice(cycle(WRONG), ARRIVALS)):
        random = Random(number)
        outcome = arrive(engine, guest(random, wrong), random, wrong)
        keys += len(keys_of(outcome))
        implied = {*wrong, *(("property", "day") if "booking" in wrong else ())}
        (decision,) = outcome.decisions
        (candidate,) = decision.data.candidates
        assert candidate.failed == tuple(gate for gate in GATES if gate in implied), (number, wrong)
        assert candidate.reason == candidate.failed[0]
        held += 1
        controls += keys_of(arrive(engine, guest(Random(number), ()), Random(number), ())) == ["issue"]

    assert (keys, held, controls) == (0, ARRIVALS, ARRIVALS)


def test_the_same_arrivals_change_no_profile_in_place() -> None:
    """A step that is repeated after a crash finds the profile as it was."""
    engine = Engine(PLAYBOOK, GivenRisk(0.25), "given")
    for number, wrong in enumerate(WRONG):
        profile = guest(Random(number), wrong)
        before = msgspec.msgpack.encode(profile)
        one, other = (arrive(engine, profile, Random(number), wrong) for _ in range(2))

        assert msgspec.msgpack.encode(profile) == before
        assert one.decisions == other.decisions
