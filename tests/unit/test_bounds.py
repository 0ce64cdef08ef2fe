"""Bounds: whatever happens to a customer, the profile stays of a size that fits into a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas.begun import MAX_BEGUN
from schemas.cloudevents import SOURCE
from schemas.consent import MAX_CONSENTS
from schemas.errors import RejectedError
from schemas.holding import MAX_HELD
from schemas.issue import MAX_CLOSED, MAX_ISSUES, MAX_REOPENED
from schemas.item import MAX_ITEMS
from schemas.kinds import MAX_KINDS, Kinds
from schemas.ledger import MAX_CLAIMS
from schemas.lifecycle import MAX_ISSUED
from schemas.link import MAX_ALIASES, MAX_HEARD, MAX_LINKS
from schemas.moment import MAX_MOMENTS
from schemas.preference import MAX_PREFERENCES
from schemas.presence import MAX_PRESENCES
from schemas.profile import (
    MAX_ASKED,
    MAX_DAYS,
    MAX_ENDED,
    MAX_ENTERED,
    MAX_KEYS,
    MAX_PENDING,
    MAX_SEEN,
    MAX_SURPRISES,
    MAX_TURNS,
    Profile,
)
from schemas.recovery import MAX_RECOVERIES
from schemas.sequence import MAX_PROGRESS
from schemas.stay import MAX_BOOKINGS, MAX_EARLY
from schemas.suppression import MAX_SUPPRESSED
from schemas.timer import MAX_TIMERS
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import MAX_ID, Moved, Touchpoint
from stream.engine import Engine
from tests.busy import BUSY
from tests.hotel import NOON, PROPERTY_TEST, GivenRisk, happened

ENGINE = Engine(BUSY, GivenRisk(0.7), "given")

LARGEST = 768 * 1024
"""The most bytes that a profile takes with nearly every list full of the longest names that are let in, in
the longest script: below the megabyte that a Kafka record may have. Usual names make it some 20 kB."""

BOUNDS = {
    "kinds": MAX_KINDS + 1,
    "decayed": 3,
    "moments": MAX_MOMENTS,
    "issues": MAX_ISSUES,
    "bookings": MAX_BOOKINGS,
    "consents": MAX_CONSENTS,
    "fired": len(BUSY.plays),
    "seen": MAX_SEEN,
    # As many as the topic has partitions; only workers write it.
    "applied": 0,
    "aliases": MAX_ALIASES,
    "timers": MAX_TIMERS,
    "links": MAX_LINKS,
    "heard": MAX_HEARD,
    "days": MAX_DAYS,
    "turns": MAX_TURNS,
    "reached": 2,
    "evidence": 3,
    "closed": MAX_CLOSED,
    "reopened": MAX_ISSUES * MAX_REOPENED,
    "told": MAX_BOOKINGS + MAX_EARLY,
    "held": MAX_HELD,
    "issued": MAX_ISSUED,
    "suppressed": MAX_SUPPRESSED,
    "entered": MAX_ENTERED,
    "entered_keys": MAX_KEYS,
    "progress": MAX_PROGRESS,
    "ended": MAX_ENDED,
    "presences": MAX_PRESENCES,
    "preferences": MAX_PREFERENCES,
    "surprises": MAX_SURPRISES,
    "asked": MAX_ASKED,
    "begun": MAX_BEGUN,
    "items": MAX_ITEMS,
    "recoveries": MAX_RECOVERIES,
    "active_decayed": 3,
    "ledgers": sum(budget.per == "customer" for budget in BUSY.budgets.values()),
    "claims": MAX_CLAIMS,
    "pending": MAX_PENDING,
}
"""How much of everything a profile may hold at most: entries, or numbers where they stand packed in bytes."""

WIDTHS = {"seen": 12, "days": 2}
"""Bytes that each entry of a packed field takes."""


def is_collection(hint: Any) -> bool:
    """Whether a field of this type holds several things."""
    if get_origin(hint) in (Union, UnionType):
        return any(is_collection(each) for each in get_args(hint))
    return get_origin(hint) in (dict, tuple, list) or hint in (bytes, Kinds)


COLLECTIONS = sorted(name for name, hint in get_type_hints(Profile).items() if is_collection(hint))


def held(profile: Profile) -> dict[str, int]:
    """How much of everything a profile holds."""
    found = {name: len(getattr(profile, name) or ()) // WIDTHS.get(name, 1) for name in COLLECTIONS}
    found["reopened"] = sum(map(len, profile.reopened.values()))
    return found


def test_every_field_that_holds_several_has_a_bound() -> None:
    """Whoever gives the profile a further list says here how long it can become."""
    assert sorted(BOUNDS) == COLLECTIONS


TYPES = sorted(BUSY.catalogue)
HOLDING = ("issue.opened", "consent.withdrawn", "trigger.declined", "trigger.ignored")
GOOD = [
    type_
    for type_, entry in sorted(BUSY.catalogue.items())
    if entry.weight >= 0 and entry.rating is None and entry.effect not in HOLDING
]
"""Types after which plays fire; with the others the plays hold back."""

NAMED = (
    *("booking", "room", "device", "purpose", "for_channel", "name", "value"),
    *("issue", "cart", "alias", "by"),
)
"""Fields of the data that name something."""

FILLED_ELSEWHERE = {
    *(
        "aliases",
        "claims",
        "days",
        "heard",
        "pending",
        "presences",
        "reopened",
        "suppressed",
        "timers",
        "told",
    ),
    *("applied", "fired", "ledgers"),
}
"""What ever new names to one id do not fill: the first have tests of their own limits, the others as many
entries as the topic or the playbook has."""


def met(number: int, type_: str, name: str, trigger: str, at: int) -> Touchpoint:
    """A touchpoint in which everything has a name that was never heard before."""
    data: dict[str, Any] = dict.fromkeys(NAMED, name)
    products = [f"{number:04}{each:02}".rjust(len(name), name[0]) for each in range(16)]
    data |= {"property": "seoul", "arrival": "2026-03-14", "departure": "2026-03-14", "product": products}
    data |= {"authenticated": True, "latitude": 37.5665, "longitude": 126.978, "accuracy_m": 5}
    data |= {"trigger": trigger}
    return Touchpoint(name, name, type_, "ann", at, data, channel="web", amount=10.0, correlation=name)


def test_every_list_is_full_and_no_longer() -> None:
    """Thousands of touchpoints with the longest names in a four-byte script reach the limits, none passes."""
    draw = Random(3)
    profile: Profile | None = None
    ids = ["none"]
    most: Counter[str] = Counter()
    size = 0
    for number in range(4_000):
        name = f"{number:06}".rjust(MAX_ID, "😀")
        type_ = "identity.linked" if number % 9 == 0 else draw.choice(GOOD if number < 2_000 else TYPES)
        touchpoint = met(number, type_, name, draw.choice(ids[-30:]), NOON + number * 2 * MINUTE)
        try:
            outcome = ENGINE.step(profile, touchpoint, touchpoint.time)
        except RejectedError as reject:
            assert reject.code == "identity-too-many"  # noqa: PT017 - what else is raised fails the test
            continue
        profile = outcome.profile
        ids += [trigger.id for trigger in outcome.triggers]
        most |= Counter(held(profile))
        size = max(size, len(profiles.encode(profile)))

    assert {name for name in COLLECTIONS if most[name] > BOUNDS[name]} == set()
    assert {name for name in COLLECTIONS if most[name] < BOUNDS[name]} <= FILLED_ELSEWHERE
    assert LARGEST / 2 < size < LARGEST


def after(touchpoints: Iterable[Touchpoint]) -> Profile:
    """The profile after touchpoints, each decided on at its own time."""
    profile: Profile | None = None
    for touchpoint in touchpoints:
        profile = ENGINE.step(profile, touchpoint, touchpoint.time).profile
    assert profile is not None
    return profile


def test_senders_that_were_heard() -> None:
    """Of ever so many friends who came, the numbers of those heard last are kept."""
    came = (
        Touchpoint(f"{n}", SOURCE, "referral.succeeded", "ann", NOON + n, moved=Moved((f"friend-{n}",), n))
        for n in range(1, MAX_HEARD + 9)
    )

    heard = after(came).heard
    assert (len(heard), min(heard.values())) == (MAX_HEARD, 9)


def test_openings_of_an_issue() -> None:
    """An issue that is opened again and again keeps the openings told last."""
    opened = (happened("complaint.opened", NOON + n, {"issue": "i1"}) for n in range(9))

    assert after(opened).reopened == {"i1": tuple(NOON + n for n in range(9 - MAX_REOPENED, 9))}


def test_what_is_told_of_bookings_that_nobody_knows() -> None:
    """Of bookings that are not confirmed yet, the words told last are kept."""
    gone = (happened("booking.cancelled", NOON + n, {"booking": f"b{n:02}"}) for n in range(MAX_EARLY + 5))

    assert sorted(after(gone).told) == [f"b{n:02}" for n in range(5, MAX_EARLY + 5)]


def test_promises_that_are_open() -> None:
    """Beyond so many, however small, whoever is to call has nothing to promise."""
    rich = msgspec.structs.replace(BUSY.offers["voucher"], amount=0.01)
    offers = dict.fromkeys(BUSY.offers, rich)
    engine = Engine(msgspec.structs.replace(BUSY, offers=offers), GivenRisk(0.1), "given")
    profile: Profile | None = None
    unfunded: list[Any] = []
    for number in range(MAX_CLAIMS + 4):
        failed = happened("order.damaged", NOON + number * 2 * MINUTE, id_=f"{number}")
        outcome = engine.step(profile, failed, failed.time)
        profile = outcome.profile
        unfunded += [
            getattr(t.data.content, "unfunded", None)
            for t in outcome.triggers
            if t.family == "recovery-offer"
        ]

    assert profile is not None
    assert len(profile.claims) == MAX_CLAIMS
    assert unfunded == [False] * MAX_CLAIMS + [True] * 4


LIVES = st.lists(
    st.tuples(
        st.sampled_from(TYPES) | st.sampled_from(GOOD) | st.just("identity.linked"),
        st.integers(0, 40),
        st.integers(-30 * DAY, 30 * DAY) | st.integers(0, HOUR),
    ),
    min_size=60,
    max_size=240,
)
"""What may happen to a customer, in any order, about some forty things."""


@settings(PROPERTY_TEST, max_examples=60)
@given(LIVES)
def test_bounds_hold_at_any_time(life: list[tuple[str, int, int]]) -> None:
    """After any touchpoint of any life every list is within its limit, and risk is a probability."""
    profile: Profile | None = None
    ids = ["none"]
    for number, (type_, about, offset) in enumerate(life):
        touchpoint = met(number, type_, f"n{about}", ids[-1 - about % len(ids)], NOON + offset)
        touchpoint = msgspec.structs.replace(touchpoint, id=str(number))
        try:
            outcome = ENGINE.step(profile, touchpoint, touchpoint.time)
        except RejectedError:
            continue
        profile = outcome.profile
        ids += [trigger.id for trigger in outcome.triggers]
        found = held(profile)

        assert {name for name in found if found[name] > BOUNDS[name]} == set()
        assert 0.0 <= profile.risk <= 1.0
