"""Identity on several partitions: whatever is linked when, it is as if there had been one id."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.errors import RejectedError
from schemas.link import MAX_ALIASES, MAX_LINKS
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Moved, Touchpoint
from stream.erasure import is_blank
from stream.identity import MAX_HOPS
from stream.merger import merge
from stream.outcome import Outcome
from stream.replay import Replay
from tests.hotel import NOON, PROPERTY_TEST, engine
from tests.identities import ENGINE, NOW, assert_same_life, event, history, link, unlink

IDS = ["ann", "bob", "cat", "dan", "eve"]


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
        outcome = ENGINE.step(before, *queue[0])
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
        for each in events:
            self.publish(each)
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


def canonical_of(id_: str, links: Mapping[str, str]) -> str:
    """The canonical id by all links (known by alias): the end of the way, or the smallest of a circle."""
    way = [id_]
    while way[-1] in links:
        following = links[way[-1]]
        if following in way:
            return min(way[way.index(following) :])
        way.append(following)
    return way[-1]


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


LIFE = [
    event("e1", "order.placed", "anon", NOON, amount=20.0),
    event("e2", "complaint.opened", "anon", NOON + 1),
]


def test_link_hands_over_and_stays() -> None:
    """What the anonymous id has lived is the known customer's, and so is what it lives from then on."""
    cluster = Cluster().tell(*LIFE, link("ann", "anon"), event("e3", "page.viewed", "anon", NOON + 2))
    ann, anon = cluster.profiles["ann"], cluster.profiles["anon"]

    assert (ann.touchpoints, ann.spent, ann.aliases) == (3, 20.0, ("anon",))
    assert [issue.id for issue in ann.issues] == ["e2"]
    assert (anon.moved_to, anon.touchpoints, anon.moments) == ("ann", 0, ())
    assert cluster.audit == [("ann", "claimed", "anon"), ("ann", "linked", "anon")]


def test_what_has_been_sent_on_keeps_source_id_and_time() -> None:
    """The same touchpoint under the alias and then under the customer is one: it counts once."""
    cluster = Cluster().tell(link("ann", "anon"), LIFE[0], msgspec.structs.replace(LIFE[0], customer="ann"))

    assert cluster.profiles["ann"].touchpoints == 1
    assert cluster.profiles["ann"].first_seen == NOON


def test_late_redelivery_under_the_alias_counts_once() -> None:
    """What was counted before the link is known to the stub, and to the customer."""
    cluster = Cluster().tell(LIFE[0], link("ann", "anon"), LIFE[0])

    assert cluster.profiles["ann"].touchpoints == 1


def test_repeated_link_and_link_to_oneself_do_nothing() -> None:
    """There is one claim and one handover, however often the customer logs in."""
    again = [link("ann", "anon", NOON + n) for n in range(1, 4)]
    cluster = Cluster().tell(*LIFE, link("ann", "anon"), *again, link("ann", "ann"))

    assert cluster.audit == [("ann", "claimed", "anon"), ("ann", "linked", "anon")]
    assert cluster.profiles["ann"].touchpoints == 2


def test_chain_leads_to_its_end() -> None:
    """A device is a browser's, the browser is a customer's: all three have one profile."""
    cluster = Cluster().tell(
        event("e1", "page.viewed", "device", NOON),
        link("browser", "device"),
        link("ann", "browser"),
        event("e2", "page.viewed", "device", NOON + 1),
    )

    assert cluster.profiles["ann"].touchpoints == 2
    assert cluster.profiles["ann"].aliases == ("browser", "device")


@pytest.mark.parametrize("first", ["ann", "bob"])
def test_links_across_end_at_the_smaller_id(first: str) -> None:
    """Two who are each other's alias are one, under the id that is smaller by its bytes."""
    second = "bob" if first == "ann" else "ann"
    cluster = Cluster()
    for each in (event("e1", "page.viewed", "bob", NOON), link(first, second), link(second, first)):
        cluster.publish(each)
    cluster.settle()
    cluster.tell(event("e2", "page.viewed", "bob", NOON + 1))

    assert cluster.profiles["ann"].touchpoints == 2
    assert (cluster.profiles["ann"].moved_to, cluster.profiles["bob"].moved_to) == (None, "ann")


def test_device_of_two_customers_makes_them_not_one() -> None:
    """The second claim on an alias is refused, and says so; nothing of the first customer moves."""
    cluster = Cluster().tell(*LIFE, link("ann", "tablet"), link("bob", "tablet"), link("ann", "anon"))

    assert ("bob", "refused", "tablet") in cluster.audit
    assert cluster.profiles["bob"].aliases == ()
    assert cluster.profiles["ann"].aliases == ("anon", "tablet")


def test_unlink_frees_the_alias_and_is_on_record() -> None:
    """What came before stays with the customer, the alias begins anew, and may be linked to another."""
    cluster = Cluster().tell(
        *LIFE,
        link("ann", "anon"),
        unlink("ann", "anon", NOON + 1),
        event("e4", "page.viewed", "anon", NOON + 2),
        link("bob", "anon", NOON + 3),
    )

    assert cluster.audit == [
        ("ann", "claimed", "anon"),
        ("ann", "linked", "anon"),
        ("ann", "unlinked", "anon"),
        ("bob", "claimed", "anon"),
        ("bob", "linked", "anon"),
    ]
    assert [(cluster.profiles[id_].touchpoints, cluster.profiles[id_].aliases) for id_ in ("ann", "bob")] == [
        (2, ()),
        (1, ("anon",)),
    ]


def test_unlink_in_a_chain_takes_all_that_hangs_on_it() -> None:
    """Whoever was an alias of the alias goes with it."""
    cluster = Cluster().tell(
        link("browser", "device"),
        link("ann", "browser"),
        unlink("ann", "browser", NOON + 1),
        event("e1", "page.viewed", "device", NOON + 2),
    )

    assert cluster.profiles["ann"].aliases == ()
    assert (cluster.profiles["browser"].aliases, cluster.profiles["browser"].touchpoints) == (("device",), 1)


@pytest.mark.parametrize("freed", ["ann", "bob", "cat"])
def test_unlink_opens_a_circle(freed: str) -> None:
    """Of three in a circle the freed one is its end: the others lead there still."""
    circle = {"ann": "bob", "bob": "cat", "cat": "ann"}
    cluster = Cluster().tell(*(link(known, alias) for alias, known in circle.items()))
    cluster.tell(event("e1", "page.viewed", "cat", NOON), unlink(circle[freed], freed, NOON + 1))
    others = set(circle) - {freed}
    cluster.tell(*(event(f"f-{id_}", "page.viewed", id_, NOON + 2) for id_ in circle))

    assert cluster.profiles[freed].touchpoints == 4
    assert set(cluster.profiles[freed].aliases) == others
    assert {id_: cluster.profiles[id_].moved_to for id_ in others} == {id_: circle[id_] for id_ in others}


def test_word_that_was_said_later_holds() -> None:
    """An unlink that arrives before the link that it ends leaves nothing linked."""
    cluster = Cluster().tell(unlink("ann", "anon", NOON + 1), link("ann", "anon", NOON), *LIFE)

    assert cluster.profiles["anon"].touchpoints == 2
    assert cluster.audit == []


@pytest.mark.parametrize(
    ("touchpoint", "code"),
    [
        (event("l", "identity.linked", "ann", NOON, alias="anon"), "identity-unauthenticated"),
        (
            event("l", "identity.linked", "ann", NOON, alias="anon", authenticated=False),
            "identity-unauthenticated",
        ),
        (event("l", "identity.unlinked", "ann", NOON, alias="anon"), "identity-unauthenticated"),
        (
            msgspec.structs.replace(link("ann", "anon"), source="/segment"),
            "identity-unauthenticated",
        ),
        (event("l", "dangol.identity.claim", "ann", NOON), "identity-foreign"),
        (event("l", "dangol.identity.handover", "ann", NOON, profile="gA=="), "identity-foreign"),
    ],
)
def test_what_is_not_proved_is_refused(touchpoint: Touchpoint, code: str) -> None:
    """Whoever has not proved to be both, and whoever pretends to be dangol, links nothing."""
    with pytest.raises(RejectedError) as refused:
        Cluster().tell(touchpoint)

    assert refused.value.code == code


@pytest.mark.parametrize("data", [{}, {"alias": ""}, {"alias": 7}, {"alias": "anon", "authenticated": "yes"}])
def test_link_that_lacks_something(data: dict[str, object]) -> None:
    """A link without an alias, or with a proof that is none, is refused."""
    with pytest.raises(msgspec.ValidationError):
        Cluster().tell(event("l", "identity.linked", "ann", NOON, **data))


def test_way_that_is_too_long_ends() -> None:
    """What has passed more ids than anyone has goes to the dead letters, and does not go on for ever."""
    ids = [f"id-{number:02}" for number in range(MAX_HOPS + 2)]
    cluster = Cluster().tell(*(link(known, alias) for alias, known in pairwise(ids)))

    with pytest.raises(RejectedError) as refused:
        cluster.tell(event("e1", "page.viewed", ids[0], NOON))
    assert refused.value.code == "identity-too-far"


def test_links_are_bounded() -> None:
    """A customer with too many linked ids is refused another one, and what is kept stays small."""
    cluster = Cluster().tell(*(link("ann", f"a{number:03}", NOON + number) for number in range(MAX_LINKS)))
    ann = cluster.profiles["ann"]

    with pytest.raises(RejectedError) as refused:
        cluster.tell(link("ann", "one more", NOON + MAX_LINKS))
    assert refused.value.code == "identity-too-many"
    assert (len(ann.links), len(ann.aliases), len(ann.heard)) == (MAX_LINKS, MAX_ALIASES, MAX_LINKS)


def erase(customer: str, time: int) -> Touchpoint:
    """A request to be forgotten."""
    return event(f"erase-{customer}", "privacy.erase", customer, time)


@pytest.mark.parametrize("asked", ["ann", "anon", "device"])
def test_whoever_is_erased_is_erased_under_all_ids(asked: str) -> None:
    """A request under any id forgets the customer under each; a replay brings nothing back."""
    past = [*LIFE, link("anon", "device"), link("ann", "anon")]
    cluster = Cluster().tell(*past, erase(asked, NOON + 9), *past)

    assert {id_: is_blank(cluster.profiles[id_]) for id_ in ("ann", "anon", "device")} == {
        "ann": True,
        "anon": True,
        "device": True,
    }


def test_handover_that_is_under_way_when_its_customer_is_erased_is_gone() -> None:
    """What arrives after the request tells nothing that it should have forgotten."""
    cluster = Cluster().tell(*LIFE)
    cluster.publish(link("ann", "anon"))
    cluster.step("ann")
    cluster.step("anon")
    cluster.publish(erase("ann", NOON + 9))
    cluster.waiting["ann"].rotate(1)
    cluster.settle()

    assert is_blank(cluster.profiles["ann"])


def test_replay_follows_links() -> None:
    """`dangol replay` comes to the same as partitions do."""
    replay = Replay(engine())
    for each in (*LIFE, link("ann", "anon"), event("e3", "page.viewed", "anon", NOON + 2)):
        replay.take(each)

    assert (replay.profiles["ann"].touchpoints, replay.profiles["anon"].moved_to) == (3, "ann")
    assert replay.touchpoints == 4


def test_dead_letter_that_is_sent_again_is_heard() -> None:
    """Its number was passed long ago; that it is a letter sent again says that it was not applied."""
    cluster = Cluster().tell(link("ann", "anon"), *LIFE)
    sent_on = msgspec.structs.replace(LIFE[1], id="e9", customer="ann", moved=Moved(("anon",), 1))
    value, headers = touchpoints.encode(sent_on), touchpoints.headers_of(sent_on)
    again = touchpoints.decode(value, [*headers, ("cx-replayed", b"x-0@1")])

    assert engine().step(cluster.profiles["ann"], sent_on, NOW).duplicate
    assert engine().step(cluster.profiles["ann"], again, NOW).profile.touchpoints == 3


def test_header_that_is_not_ours_is_refused() -> None:
    """A way that can't be read is no way."""
    with pytest.raises(RejectedError, match="cx-moved"):
        touchpoints.decode(touchpoints.encode(LIFE[0]), [("cx-moved", b"here")])


@PROPERTY_TEST
@given(lives(), st.data())
def test_merge_is_as_if_all_had_happened_here(life: list[Touchpoint], data: st.DataObject) -> None:
    """However a life is dealt out to two ids, and in whatever order: merged, it is the life of one."""
    mine = {one.id for one in life if data.draw(st.booleans())}
    parts = ([one for one in life if one.id in mine], [one for one in life if one.id not in mine])
    ours, theirs = (Replay(engine()) for _ in range(2))
    for replay, part in zip((ours, theirs), parts, strict=True):
        for each in data.draw(st.permutations(part)):
            replay.take(msgspec.structs.replace(each, customer="ann"))
    merged = copy(ours.profiles.get("ann", profiles.new_profile("ann")))
    merge(merged, theirs.profiles.get("ann", profiles.new_profile("ann")))

    assert_same_life(merged, history(life, "ann"))


@PROPERTY_TEST
@given(
    lives=st.lists(
        st.tuples(st.sampled_from(["link", "unlink", "visit"]), st.sampled_from(IDS[1:])), max_size=10
    ),
    order=st.lists(st.integers(0, 20), max_size=60),
    by=st.booleans(),
)
def test_who_is_erased_is_known_to_nobody(
    lives: list[tuple[str, str]], order: list[int], *, by: bool
) -> None:
    """Whatever was linked, parted, under way or refused: no profile keeps the id, nor does it come back."""
    cluster = Cluster()
    told: list[Touchpoint] = []
    for place, (what, other) in enumerate(lives):
        time = NOON + place
        if what == "visit":
            told.append(event(f"v{place}", "page.viewed", other, time))
        else:
            told.append(link("ann", other, time) if what == "link" else unlink("ann", other, time))
    if by:
        told.append(link("bob", "eve", NOON - 1))
    for one in (*told, event("e", "privacy.erase", "ann", NOON + DAY)):
        cluster.publish(one)
    for choice in order:
        if busy := cluster.busy:
            cluster.step(busy[choice % len(busy)])
    cluster.settle()

    keep = {id_ for id_, profile in cluster.profiles.items() if b"ann" in profiles.encode(profile)}
    assert keep - {"ann"} == set()
    assert is_blank(cluster.profiles["ann"])


def test_a_claim_that_was_not_answered_erases_nobody() -> None:
    """To link another customer's id and be erased at once takes nothing from that customer."""
    cluster = Cluster()
    cluster.tell(event("1", "page.viewed", "bob", NOON), link("bob", "eve"))
    cluster.publish(link("ann", "eve", NOON + 1))
    cluster.publish(event("e", "privacy.erase", "ann", NOON + DAY))
    cluster.step("ann")
    cluster.step("ann")
    cluster.settle()

    assert cluster.profiles["bob"].touchpoints == 1
    assert cluster.profiles["bob"].aliases == ("eve",)
    assert cluster.profiles["eve"].moved_to == "bob"
