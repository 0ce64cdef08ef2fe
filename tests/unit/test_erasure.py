"""Erasure: what is left of a customer, what proves it, and that nothing of before comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.erasure import TYPE, digest_of, encode, request_of
from schemas.profile import VERSION, Profile, new_profile
from schemas.timestamp import DAY, HOUR, to_datetime
from schemas.touchpoint import Touchpoint
from stream.replay import Replay
from tests.hotel import NOON, PROPERTY_TEST, after, checked, engine, happened, run

REQUEST = happened(TYPE, NOON, id_="erase-ann")


def erased(until: int = NOON, **fields: Any) -> Profile:
    """What is known of Ann after she was erased."""
    return Profile(version=VERSION, customer="ann", erased=until, **fields)


def test_nothing_is_left_but_until_when() -> None:
    """The profile is blank, nothing fires, and the proof counts what was there."""
    known = after([*checked(), happened("complaint.opened", NOON - HOUR)])
    known.applied = {2: 7}
    outcome = engine().step(known, REQUEST, NOON + 5)

    assert outcome.profile == erased(applied={2: 7})
    assert (outcome.triggers, outcome.decision, outcome.forwards) == ([], None, [])
    assert outcome.erasure is not None
    assert (outcome.erasure.digest, outcome.erasure.time) == (digest_of("ann"), NOON + 5)
    assert outcome.erasure.data.removed == {
        "profile": 1,
        "touchpoints": 4,
        "kinds": 4,
        "moments": 1,
        "issues": 1,
        "bookings": 1,
        "consents": 1,
        "fired": 2,
        "timers": 1,
        "turns": 1,
        "issued": 1,
        "suppressed": 1,
        "recoveries": 1,
    }


def test_the_profile_given_is_not_changed() -> None:
    """A step that is repeated after a crash begins with what was there."""
    known = after(checked())
    before = msgspec.json.encode(known)
    engine().step(known, REQUEST, NOON)

    assert msgspec.json.encode(known) == before


def test_the_proof_names_nobody() -> None:
    """Neither the customer's id nor anything of the request but its time stands in it."""
    request = msgspec.structs.replace(REQUEST, id="erase-ann", source="/ann", data={"reason": "ann asked"})
    proof = engine().step(after(checked()), request, NOON).erasure
    assert proof is not None

    assert b"ann" not in encode(proof).replace(b"/dangol", b"")
    assert msgspec.json.decode(encode(proof)) == {
        "specversion": "1.0",
        "id": proof.id,
        "source": "/dangol",
        "type": "cx.erasure.v1",
        "subject": digest_of("ann"),
        "time": "2026-03-14T12:00:00Z",
        "datacontenttype": "application/json",
        "causationid": request_of("/ann", "erase-ann"),
        "data": {
            "requested": "2026-03-14T12:00:00Z",
            "until": "2026-03-14T12:00:00Z",
            "removed": {"profile": 1, "touchpoints": 3, "kinds": 3, "bookings": 1, "consents": 1},
        },
    }


def test_one_who_is_not_known_is_proven_too() -> None:
    """Whoever asked gets an answer, and what comes late is dropped all the same."""
    outcome = engine().step(None, REQUEST, NOON)

    assert outcome.profile == erased()
    assert outcome.erasure is not None
    assert outcome.erasure.data.removed == {}


@pytest.mark.parametrize("at", [NOON - DAY, NOON])
def test_what_happened_at_or_before_it_is_dropped(at: int) -> None:
    """Late or replayed, it changes nothing, and is not taken for a duplicate."""
    outcome = engine().step(erased(), happened("order.placed", at), NOON + HOUR)

    assert (outcome.profile, outcome.erased, outcome.duplicate) == (erased(), True, False)
    assert (outcome.triggers, outcome.decision) == ([], None)


def test_what_happens_after_it_begins_anew() -> None:
    """The customer came back: a new profile, which goes on dropping what was before."""
    back = engine().step(erased(), happened("order.placed", NOON + 1), NOON + 1)
    late = engine().step(back.profile, happened("page.viewed", NOON), NOON + 2)

    assert (back.profile.touchpoints, back.profile.first_seen, back.profile.erased) == (1, NOON + 1, NOON)
    assert (late.profile, late.erased) == (back.profile, True)


def test_asked_again_at_the_same_time_it_is_done() -> None:
    """A request that comes twice erases nobody who came back in the meantime."""
    back = after([REQUEST, happened("order.placed", NOON + 1)])
    again = engine().step(back, REQUEST, NOON + 2)

    assert (again.profile, again.erased, again.erasure) == (back, True, None)


def test_asked_again_later_it_is_done_again() -> None:
    """One who came back may go again: a proof of its own, and a later time."""
    first, _, second = run([REQUEST, happened("order.placed", NOON + 1), happened(TYPE, NOON + 2)])

    assert second.profile == erased(NOON + 2)
    assert first.erasure is not None
    assert second.erasure is not None
    assert second.erasure.id != first.erasure.id
    assert second.erasure.data.removed == {"profile": 1, "touchpoints": 1, "kinds": 1}


def test_what_was_removed_does_not_come_back_by_a_later_time() -> None:
    """A request that comes late reaches to the latest time of what it removed."""
    seen = happened("page.viewed", NOON + HOUR)
    outcomes = run([seen, REQUEST, seen])

    assert outcomes[1].profile == erased(NOON + HOUR)
    assert outcomes[1].erasure is not None
    assert outcomes[1].erasure.data.until == to_datetime(NOON + HOUR)
    assert outcomes[2].erased


def test_a_clock_that_is_ahead_brings_nothing_back() -> None:
    """A touchpoint counts as happening now, but when it is replayed its own time may be after the erasure."""
    ahead = happened("page.viewed", NOON + 20 * HOUR)
    known = engine().step(None, ahead, NOON).profile
    blank = engine().step(known, happened(TYPE, NOON + HOUR), NOON + HOUR).profile
    again = engine().step(blank, ahead, NOON + 30 * HOUR)

    assert (known.last_seen, known.ahead) == (NOON, NOON + 20 * HOUR)
    assert blank == erased(NOON + 20 * HOUR)
    assert (again.profile, again.erased) == (blank, True)


def test_an_id_that_was_used_before_does_not_save_a_profile() -> None:
    """To erase twice does no harm, not to erase does."""
    known = after([happened("page.viewed", NOON - 1, id_="1")])

    assert engine().step(known, happened(TYPE, NOON, id_="1"), NOON).profile == erased()


def test_every_other_id_of_the_customer_is_erased() -> None:
    """A request goes to each alias, up to the same time and with an id that is always the same."""
    known = after([happened("page.viewed", NOON + 5)])
    known.aliases = ("card-1", "phone-1")
    first, second = (engine().step(known, REQUEST, NOON + 5).forwards for _ in range(2))

    assert [(one.touchpoint.customer, one.touchpoint.type, one.touchpoint.time) for one in first] == [
        ("card-1", TYPE, NOON + 5),
        ("phone-1", TYPE, NOON + 5),
    ]
    assert first == second


def test_by_an_alias_the_customer_is_erased() -> None:
    """The alias goes, and so does the one whom it is an alias of; what comes back from there ends here."""
    alias = Profile(version=VERSION, customer="card-1", moved_to="ann")
    asked = Touchpoint("1", "/app", TYPE, "card-1", NOON)
    at_alias = engine().step(alias, asked, NOON)
    (to_ann,) = [forward.touchpoint for forward in at_alias.forwards]
    ann = msgspec.structs.replace(after(checked()), aliases=("card-1",))
    at_ann = engine().step(ann, to_ann, NOON)
    (back,) = [forward.touchpoint for forward in at_ann.forwards]

    assert to_ann.customer == "ann"
    assert at_ann.profile == erased()
    assert engine().step(at_alias.profile, back, NOON).erased


LIVES = st.lists(
    st.tuples(
        st.sampled_from(["order.placed", "complaint.opened", "consent.granted", TYPE]),
        st.integers(0, 12),
        st.integers(-3, 20),
        st.integers(0, 7),
    ),
    max_size=30,
)
"""Touchpoints and requests to erase: type, hour of the record, hours that its own time is off, id."""


@PROPERTY_TEST
@given(lives=LIVES, own=st.booleans())
def test_a_replay_of_everything_changes_nothing(lives: list[tuple[str, int, int, int]], own: bool) -> None:
    """Whatever happened in whatever order: published again, once and twice, it leaves what was there.

    `own`: `now` is a touchpoint's own time, as in a backfill; else its record's.
    """
    happenings = [
        (
            happened(type_, NOON + (hour + off) * HOUR, {"purpose": "location"}, id_=f"{id_}@{hour + off}"),
            NOON + hour * HOUR,
        )
        for type_, hour, off, id_ in lives
    ]
    profile: Profile | None = None
    step = engine().step
    for touchpoint, now in happenings:
        profile = step(profile, touchpoint, touchpoint.time if own else now).profile
    once = msgspec.json.encode(profile)
    for days in (1, 2):
        for touchpoint, now in happenings:
            profile = step(profile, touchpoint, touchpoint.time if own else now + days * DAY).profile
        assert msgspec.json.encode(profile) == once


@PROPERTY_TEST
@given(lives=LIVES)
def test_nothing_of_before_is_in_what_is_known(lives: list[tuple[str, int, int, int]]) -> None:
    """After any life, a profile is that of a customer of whom only what came after was ever heard."""
    touchpoints = [
        happened(type_, NOON + hour * HOUR, {"purpose": "location"}, id_=f"{id_}@{place}")
        for place, (type_, hour, _, id_) in enumerate(lives)
    ]
    profile: Profile | None = None
    heard: list[Touchpoint] = []
    for touchpoint in touchpoints:
        outcome = engine().step(profile, touchpoint, touchpoint.time)
        profile = outcome.profile
        if outcome.erasure is not None:
            heard = []
        elif not outcome.erased:
            heard.append(touchpoint)
    alone = after(heard) if heard else new_profile("ann")

    assert msgspec.structs.replace(profile or new_profile("ann"), erased=-1) == alone


def test_a_replay_counts_them() -> None:
    """`dangol replay` knows how many were erased, and how many touchpoints were dropped for it."""
    replay = Replay(engine())
    for touchpoint in (happened("page.viewed", NOON - 1), REQUEST, happened("page.viewed", NOON - 2)):
        replay.take(touchpoint)

    assert (replay.touchpoints, replay.erasures, replay.erased, replay.decisions) == (3, 1, 1, 0)
