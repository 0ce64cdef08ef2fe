"""Identity on several partitions: whatever is linked when, it is as if there had been one id."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Touchpoint
from stream.engine import Outcome
from tests.hotel import NOON, PROPERTY_TEST, engine

NOW = NOON + 100 * DAY
"""When all of it arrives."""

IDS = ["ann", "bob", "cat", "dan", "eve"]

PER_ARRIVAL = frozenset(("seen", "fired", "risk", "at_risk", "timers"))
"""What depends on when things arrived, by its nature."""

OWN = frozenset(("customer", "aliases", "linked_to", "links", "heard", "sent", "applied"))
"""What belongs to an id, not to the customer."""


@dataclass
class Cluster:
    """Every id's profile and what waits for it, in order; a step may crash before its profile is kept."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    waiting: dict[str, deque[tuple[Touchpoint, int]]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    published: int = 0

    def publish(self, touchpoint: Touchpoint) -> None:
        """Put a touchpoint behind what waits for its customer, by way of its bytes."""
        wire = touchpoints.encode(touchpoint), touchpoints.headers_of(touchpoint)
        self.published += 1
        now = NOW + self.published
        record = touchpoints.decode(*wire, timestamp=now), now
        self.waiting.setdefault(touchpoint.customer, deque()).append(record)
        assert self.published < 10_000

    @property
    def busy(self) -> list[str]:
        """Ids for which something waits."""
        return sorted(id_ for id_, queue in self.waiting.items() if queue)

    def step(self, id_: str, *, crash: bool = False) -> None:
        """Take the first touchpoint that waits for an id; after a crash it is there again."""
        queue = self.waiting[id_]
        before = self.profiles.get(id_)
        stored = None if before is None else profiles.encode(before)
        outcome = engine().step(before, *queue[0])
        assert stored is None or profiles.encode(self.profiles[id_]) == stored
        for forward in outcome.forwards:
            self.publish(forward.touchpoint)
        if crash:
            return
        queue.popleft()
        self.outcomes.append(outcome)
        if not outcome.duplicate:
            self.profiles[id_] = profiles.decode(profiles.encode(outcome.profile))

    def settle(self) -> None:
        """Take everything that waits."""
        while self.busy:
            for id_ in self.busy:
                self.step(id_)

    def tell(self, *events: Touchpoint) -> Cluster:
        """Publish touchpoints one after another, each when everything before has been taken."""
        for event in events:
            self.publish(event)
            self.settle()
        return self

    @property
    def audit(self) -> list[tuple[str, str, str | None]]:
        """Customer, reason and other id of every decision about identity."""
        return [
            (decision.customer, candidate.reason, decision.correlation)
            for outcome in self.outcomes
            for decision in outcome.decisions
            for candidate in decision.data.candidates
            if candidate.family == "identity"
        ]


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


def canonical_of(id_: str, links: Mapping[str, str]) -> str:
    """The canonical id by all links (known by alias): the end of the way, or the smallest of a circle."""
    way = [id_]
    while way[-1] in links:
        following = links[way[-1]]
        if following in way:
            return min(way[way.index(following) :])
        way.append(following)
    return way[-1]


def history(events: Sequence[Touchpoint], customer: str) -> Profile:
    """The profile of one who had one id from the beginning, told everything in order."""
    profile = None
    for each in sorted(events, key=lambda one: one.time):
        own = msgspec.structs.replace(each, customer=customer)
        profile = engine().step(profile, own, NOW).profile
    return profile or profiles.new_profile(customer)


def assert_same_life(found: Profile, expected: Profile) -> None:
    """All that doesn't depend on arrival is the same: to the bit, sums of floats to 1e-9."""
    for name in Profile.__struct_fields__:
        if name in PER_ARRIVAL or name in OWN:
            continue
        ours, theirs = getattr(found, name), getattr(expected, name)
        if name in ("decayed", "spent"):
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-6), name
        elif name == "bookings":
            # Whether a door opens is decided when the guest stands before it.
            assert [msgspec.structs.replace(b, key=None) for b in ours] == [
                msgspec.structs.replace(b, key=None) for b in theirs
            ]
        else:
            assert ours == theirs, name


TYPES = st.sampled_from(
    [
        *("page.viewed", "product.searched", "order.placed", "order.placed", "app.failed", "chat.rated"),
        *("review.posted", "friend.referred", "complaint.opened", "complaint.closed", "service.failed"),
        *("booking.confirmed", "booking.cancelled", "stay.checked-in", "stay.checked-out"),
        *("device.bound", "consent.granted", "consent.withdrawn", "spa.visited"),
    ]
)


@st.composite
def lives(draw: st.DrawFn) -> list[Touchpoint]:
    """What happens to customers, each at a time of its own; a booking is confirmed once and whole."""
    times = draw(
        st.lists(
            st.integers(NOON, NOON + 40 * DAY) | st.integers(NOON, NOON + HOUR),
            unique=True,
            max_size=24,
        )
    )
    found = []
    booked: set[str] = set()
    for number, time in enumerate(times):
        type_ = draw(TYPES)
        booking = draw(st.sampled_from(["b1", "b2", "b3"]))
        data: dict[str, object] = {
            "booking": booking,
            "device": draw(st.sampled_from(["phone", "watch"])),
            "purpose": draw(st.sampled_from(["location", "e-mail"])),
            "issue": draw(st.sampled_from(["i1", "i2", "i3"])),
            "rating": draw(st.integers(1, 5)),
            "amount": draw(st.sampled_from([12.5, 99.9, 0.1])),
        }
        if draw(st.booleans()):
            data["room"] = draw(st.sampled_from(["101", "707"]))
        if type_ == "booking.confirmed":
            if booking in booked:
                type_ = "page.viewed"
            booked.add(booking)
            day = draw(st.integers(10, 19))
            data |= {"property": "seoul", "arrival": f"2026-03-{day}", "departure": "2026-03-20"}
        found.append(event(f"e{number}", type_, draw(st.sampled_from(IDS)), time, **data))
    return found


@st.composite
def links_of(draw: st.DrawFn) -> dict[str, str]:
    """Which id is whose alias: chains, stars, circles and tails that lead into them."""
    aliases = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=len(IDS)))
    return {alias: draw(st.sampled_from([id_ for id_ in IDS if id_ != alias])) for alias in aliases}


@settings(PROPERTY_TEST, max_examples=200)
@given(lives(), links_of(), st.data())
def test_any_interleaving_is_the_ordered_history(
    life: list[Touchpoint], links: dict[str, str], data: st.DataObject
) -> None:
    """In any order, with crashes that repeat: one profile a customer, as if there had been one id."""
    told = [link(known, alias, NOON + n) for n, (alias, known) in enumerate(links.items())]
    again = data.draw(st.lists(st.sampled_from([*life, *told]), max_size=3)) if life or told else []
    arriving = data.draw(st.permutations([*life, *told, *again]))
    cluster = Cluster()
    for each in arriving:
        cluster.publish(each)
        for _ in range(data.draw(st.integers(0, 3))):
            if busy := cluster.busy:
                cluster.step(data.draw(st.sampled_from(busy)), crash=data.draw(st.booleans()))
    while busy := cluster.busy:
        cluster.step(data.draw(st.sampled_from(busy)), crash=data.draw(st.integers(0, 9)) == 0)

    for customer in {canonical_of(id_, links) for id_ in IDS}:
        ids = {id_ for id_ in IDS if canonical_of(id_, links) == customer}
        expected = history([each for each in life if each.customer in ids], customer)
        found = cluster.profiles.get(customer, profiles.new_profile(customer))
        assert_same_life(found, expected)
        assert set(found.aliases) == ids - {customer}
        for alias in ids - {customer}:
            stub = cluster.profiles[alias]
            assert stub.moved_to == links[alias]
            assert_same_life(msgspec.structs.replace(stub, moved_to=None), profiles.new_profile(alias))
