"""Budgets on several partitions: whatever is repeated, late or crashes, none is overdrawn, nothing leaks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.budget import is_ledger, thousandths
from schemas.errors import RejectedError
from schemas.families.recovery_offer import RecoveryOffer
from schemas.ledger import Ledger, Totals
from schemas.playbook import Playbook, load
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Moved, Touchpoint
from schemas.trigger import Trigger
from stream import ledgers
from stream.erasure import is_blank
from stream.outcome import Outcome
from stream.replay import Replay
from tests.hotel import HOTEL_YAML, NOON, PROPERTY_TEST, STAY, engine
from tests.identities import event, link

HOUSE = "dangol/budget/house/all"

BUDGETS = """
budgets:
  guest: {amount: 200, per: customer, period: 1d, within: house}
  house: {amount: 400, per: programme, period: 1d}
"""


def playbook_of(budgets: str, name: str = "guest") -> Playbook:
    """The hotel's playbook with budgets, the play that apologises on the first of them."""
    text = HOTEL_YAML.replace("    answer_within: 30m\n", f"    budget: {name}\n")
    return load(text + budgets, "hotel.yaml")


GUEST_AND_HOUSE = playbook_of(BUDGETS)
ENGINE = engine(playbook=GUEST_AND_HOUSE)


def angry(customer: str, at: int, id_: str = "") -> Touchpoint:
    """Something that went wrong, not with an issue: bad enough for dinner, or for a voucher."""
    return event(id_ or f"failed-{at}", "service.failed", customer, at)


def rich(customer: str, at: int = NOON - DAY) -> Touchpoint:
    """A purchase that is large enough for every offer."""
    return event(f"bought-{at}", "order.placed", customer, at, amount=1500.0)


def word(trigger: Trigger, what: str, at: int, id_: str = "") -> Touchpoint:
    """What became of a trigger."""
    return event(id_ or f"{what}-{trigger.id}", f"trigger.{what}", trigger.customer, at, trigger=trigger.id)


def offers(outcomes: Iterable[Outcome]) -> list[Trigger]:
    """The offers among what came of it."""
    return [t for outcome in outcomes for t in outcome.triggers if t.family == "recovery-offer"]


def content(trigger: Trigger) -> RecoveryOffer:
    """What an offer offers."""
    assert isinstance(trigger.data.content, RecoveryOffer)
    return trigger.data.content


def reasons(outcomes: Iterable[Outcome]) -> list[tuple[str, tuple[str, ...]]]:
    """What became of each candidate to apologise, one after another."""
    return [
        (candidate.reason, candidate.failed)
        for outcome in outcomes
        for decided in outcome.decisions
        for candidate in decided.data.candidates
        if candidate.play == "make-it-right"
    ]


def totals(profile: Profile, name: str) -> Totals:
    """What the latest period of an account comes to."""
    periods = profile.ledgers[name].periods
    return periods[max(periods)]


def replayed(*events: Touchpoint, playbook: Playbook = GUEST_AND_HOUSE) -> tuple[Replay, list[Outcome]]:
    """A run over touchpoints, and what came of them."""
    replay = Replay(engine(playbook=playbook))
    return replay, [outcome for each in events for outcome in replay.take(each)]


def test_an_offer_goes_out_when_the_ledger_has_granted_it() -> None:
    """It is asked for, granted and made, and is then reserved in both budgets."""
    replay, outcomes = replayed(rich("ann"), angry("ann", NOON))

    assert reasons(outcomes) == [("budget-asked", ()), ("fired", ())]
    (offer,) = offers(outcomes)
    assert (content(offer).amount, offer.time, offer.expires) == (60.0, NOON, NOON + 2 * HOUR)
    assert offer.touchpoint == f"failed-{NOON}"
    assert totals(replay.profiles["ann"], "guest") == Totals(reserved=60_000, promises=1)
    assert totals(replay.profiles[HOUSE], "house") == Totals(reserved=60_000, promises=1)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("delivered", Totals(reserved=60_000, promises=1)),
        ("accepted", Totals(committed=60_000, uses=1)),
        ("declined", Totals()),
        ("ignored", Totals()),
    ],
)
def test_what_becomes_of_an_offer_settles_it(said: str, left: Totals) -> None:
    """What is accepted is spent, what is not wanted is given back, each in both budgets and once."""
    replay, outcomes = replayed(rich("ann"), angry("ann", NOON))
    (offer,) = offers(outcomes)
    for number in range(3):
        replay.take(word(offer, said, NOON + MINUTE, f"{said}-{number}"))

    assert totals(replay.profiles["ann"], "guest") == left
    assert totals(replay.profiles[HOUSE], "house") == left


def test_what_nobody_tells_of_runs_out_by_itself() -> None:
    """An hour after it could be taken up, the money is there again, without a further touchpoint."""
    replay, _ = replayed(rich("ann"), angry("ann", NOON), event("1", "page.viewed", "zoe", NOON + 3 * HOUR))
    replay.finish()

    assert totals(replay.profiles["ann"], "guest") == Totals()
    assert totals(replay.profiles[HOUSE], "house") == Totals()
    assert [profile.timers for profile in replay.profiles.values()] == [(), (), ()]


def test_a_shared_budget_that_is_spent_refuses() -> None:
    """The seventh dinner is more than the house has; what the guest had reserved is given back."""
    customers = [f"guest-{number}" for number in range(7)]
    replay, outcomes = replayed(*(each for c in customers for each in (rich(c), angry(c, NOON))))

    assert len(offers(outcomes)) == 6
    assert reasons(outcomes)[-1] == ("budget", ("house",))
    assert totals(replay.profiles["guest-6"], "guest") == Totals()
    assert replay.profiles["guest-6"].claims == {}
    assert totals(replay.profiles[HOUSE], "house") == Totals(reserved=360_000, promises=6)


def test_a_guest_has_a_budget_of_his_own() -> None:
    """Asked at once: no ledger is troubled with what the guest may not be offered anyway."""
    often = [angry("ann", NOON + hours * HOUR) for hours in (0, 25, 26)]
    day = playbook_of(
        BUDGETS.replace("amount: 200, per: customer, period: 1d", "amount: 200, per: customer, period: 9d")
    )
    replay, outcomes = replayed(rich("ann"), *often, rich("bob"), angry("bob", NOON), playbook=day)
    escalated = [content(offer) for offer in offers(outcomes) if offer.customer == "ann"]

    assert [(each.action, each.amount, each.unfunded) for each in escalated] == [
        ("offer", 60.0, False),
        ("escalate", 60.0, False),
        ("escalate", 60.0, False),
    ]
    replay.take(angry("ann", NOON + 27 * HOUR))
    assert totals(replay.profiles["ann"], "guest").reserved <= 200_000


def test_a_person_calls_without_money_too() -> None:
    """Where nothing is left, no offer is made, but at the second bad moment someone calls, empty-handed."""
    none = playbook_of(BUDGETS.replace("amount: 400", "amount: 180, count: 1"))
    replay, outcomes = replayed(
        rich("bob"),
        angry("bob", NOON),
        rich("ann"),
        angry("ann", NOON),
        angry("ann", NOON + MINUTE),
        playbook=none,
    )
    made = [(offer.customer, content(offer).action, content(offer).amount) for offer in offers(outcomes)]

    assert made == [("bob", "offer", 60.0), ("ann", "escalate", 0.0)]
    assert content(offers(outcomes)[-1]).unfunded
    assert totals(replay.profiles["ann"], "guest") == Totals()
    assert totals(replay.profiles[HOUSE], "house") == Totals(reserved=60_000, promises=1)


PROPERTY = """
budgets:
  hotel: {amount: 200, per: property, period: 1d}
"""


def stay(customer: str, property_: str) -> list[Touchpoint]:
    """A guest who is in a hotel."""
    data = {**STAY, "property": property_}
    return [
        event("booked", "booking.confirmed", customer, NOON - DAY, **data),
        event("in", "stay.checked-in", customer, NOON - HOUR, **data),
    ]


def test_each_property_has_its_own() -> None:
    """What the touchpoint says, else where the guest stays; elsewhere no property is asked."""
    playbook = playbook_of(PROPERTY, "hotel")
    said = event("1", "service.failed", "cat", NOON, property="lisbon")
    replay, outcomes = replayed(
        *(
            each
            for c, p in (("ann", "seoul"), ("bob", "busan"))
            for each in (rich(c), *stay(c, p), angry(c, NOON))
        ),
        *(rich("cat"), said, rich("dan"), angry("dan", NOON)),
        playbook=playbook,
    )

    assert [offer.customer for offer in offers(outcomes)] == ["ann", "bob", "cat", "dan"]
    held = {id_: profile for id_, profile in replay.profiles.items() if is_ledger(id_)}
    assert {id_: totals(profile, "hotel").reserved for id_, profile in held.items()} == {
        "dangol/budget/hotel/seoul": 60_000,
        "dangol/budget/hotel/busan": 60_000,
        "dangol/budget/hotel/lisbon": 60_000,
    }
    assert set(replay.customers) == {"ann", "bob", "cat", "dan"}


@pytest.mark.parametrize(
    ("touchpoint", "code"),
    [
        (event("1", "page.viewed", HOUSE, NOON), "key-reserved"),
        (event("1", "page.viewed", "dangol/anything", NOON), "key-reserved"),
        (event("1", "privacy.erase", HOUSE, NOON), "key-reserved"),
        (event("1", "identity.linked", HOUSE, NOON, alias="ann", authenticated=True), "key-reserved"),
        (event("1", "identity.linked", "ann", NOON, alias=HOUSE, authenticated=True), "key-reserved"),
        (event("1", "dangol.budget.reserve", HOUSE, NOON, reservation="0" * 16), "budget-foreign"),
        (event("1", "dangol.budget.granted", "ann", NOON, reservation="0" * 16), "budget-foreign"),
        (event("1", "dangol.budget.reserve", "ann", NOON, reservation="0" * 16), "key-reserved"),
    ],
)
def test_nobody_else_speaks_to_a_ledger(touchpoint: Touchpoint, code: str) -> None:
    """What an app publishes under a reserved key, or as a ledger's message, is rejected with its reason."""
    with pytest.raises(RejectedError) as caught:
        ENGINE.step(None, touchpoint, NOON)

    assert caught.value.code == code


def test_a_message_of_another_shape_is_refused() -> None:
    """A reservation that is no such id never reaches the account."""
    forged = Touchpoint(
        "1", "/dangol", ledgers.RELEASE, HOUSE, NOON, {"reservation": "x"}, moved=Moved(("ann",), 0)
    )

    with pytest.raises(msgspec.ValidationError):
        ENGINE.step(None, forged, NOON)


def test_what_was_promised_to_one_who_is_erased_is_given_back() -> None:
    """A ledger knows no customer, and is told of the erasure; an answer on its way brings nobody back."""
    replay, _ = replayed(rich("ann"), angry("ann", NOON))
    replay.take(event("e", "privacy.erase", "ann", NOON + MINUTE))

    assert is_blank(replay.profiles["ann"])
    assert totals(replay.profiles[HOUSE], "house") == Totals()
    assert b"ann" not in profiles.encode(replay.profiles[HOUSE])


def test_a_promise_goes_with_the_customer_to_another_id() -> None:
    """What was promised to an alias is accepted by the customer, and counts with what the customer had."""
    replay, outcomes = replayed(rich("anon"), angry("anon", NOON), link("ann", "anon", NOON + MINUTE))
    (offer,) = offers(outcomes)
    accepted = event("yes", "trigger.accepted", "ann", NOON + 2 * MINUTE, trigger=offer.id)
    replay.take(accepted)

    assert totals(replay.profiles["ann"], "guest") == Totals(committed=60_000, uses=1)
    assert totals(replay.profiles[HOUSE], "house") == Totals(committed=60_000, uses=1)
    assert replay.profiles["anon"].ledgers == {}


@dataclass
class Cluster:
    """Partitions with profiles and what waits in them; a run may crash after it has published."""

    partitions: int = 3
    profiles: dict[str, Profile] = field(default_factory=dict)
    waiting: dict[int, deque[tuple[Touchpoint, int]]] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    now: int = NOON

    def partition_of(self, key: str) -> int:
        """Where a key belongs; ledger and customers are spread."""
        return sum(key.encode()) % self.partitions

    def publish(self, touchpoint: Touchpoint) -> None:
        """Put a touchpoint at the end of its partition, by way of its bytes."""
        self.now += 1
        wire = touchpoints.encode(touchpoint), touchpoints.headers_of(touchpoint)
        record = touchpoints.decode(*wire, timestamp=self.now), self.now
        self.waiting.setdefault(self.partition_of(touchpoint.customer), deque()).append(record)

    @property
    def busy(self) -> list[int]:
        """Partitions in which something waits."""
        return sorted(partition for partition, queue in self.waiting.items() if queue)

    def run(self, partition: int, size: int, *, crash: bool = False) -> None:
        """Take the first records of a partition; after a crash they are there again."""
        queue = self.waiting.get(partition, deque())
        changed: dict[str, Profile] = {}
        sent: list[Touchpoint] = []
        batch = list(queue)[:size]
        for touchpoint, now in batch:
            before = changed.get(touchpoint.customer, self.profiles.get(touchpoint.customer))
            outcome = ENGINE.step(before, touchpoint, now)
            sent += [forward.touchpoint for forward in outcome.forwards]
            if not outcome.duplicate:
                changed[touchpoint.customer] = profiles.decode(profiles.encode(outcome.profile))
            self.triggers.update({trigger.id: trigger for trigger in offers([outcome])})
        for touchpoint in sent:
            self.publish(touchpoint)
        if not crash:
            self.profiles |= changed
            for _ in batch:
                queue.popleft()
        self.check()

    def settle(self) -> None:
        """Take everything that waits."""
        while self.busy:
            for partition in self.busy:
                self.run(partition, 5)

    def pass_time(self, until: int) -> None:
        """Fire all timers that are due by then."""
        self.now = until
        for id_, profile in sorted(self.profiles.items()):
            outcome = ENGINE.fire(profile, until)
            self.profiles[id_] = outcome.profile
            for forward in outcome.forwards:
                self.publish(forward.touchpoint)
        self.check()

    @property
    def accounts(self) -> list[tuple[str, Ledger]]:
        """All accounts by the budget's name."""
        return [each for profile in self.profiles.values() for each in profile.ledgers.items()]

    def check(self) -> None:
        """Never is more promised and spent than there is."""
        for name, ledger in self.accounts:
            most = thousandths(GUEST_AND_HOUSE.budgets[name].amount)
            for period in ledger.periods.values():
                assert period.committed + period.reserved <= most
                assert min(period.committed, period.reserved, period.promises, period.uses) >= 0


CUSTOMERS = ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"]


@PROPERTY_TEST
@given(st.data())
def test_nothing_is_overdrawn_or_leaks_whatever_happens(data: st.DataObject) -> None:
    """Random touchpoints, answers again and again, runs that crash and partitions that lag behind."""
    cluster = Cluster()
    for customer in CUSTOMERS:
        cluster.publish(rich(customer))
    accepted: dict[str, int] = {}
    settled: set[str] = set()
    for number in range(data.draw(st.integers(1, 40))):
        action = data.draw(
            st.sampled_from(["anger", "anger", "answer", "answer", "run", "run", "run", "crash", "later"])
        )
        if action == "anger":
            cluster.publish(angry(data.draw(st.sampled_from(CUSTOMERS)), cluster.now, f"failed-{number}"))
        elif action == "answer" and cluster.triggers:
            trigger = cluster.triggers[data.draw(st.sampled_from(sorted(cluster.triggers)))]
            said = data.draw(st.sampled_from(["delivered", "accepted", "accepted", "declined", "ignored"]))
            told = word(trigger, said, cluster.now, f"{said}-{data.draw(st.integers(0, 2))}-{trigger.id}")
            for _ in range(data.draw(st.integers(1, 2))):
                cluster.publish(told)
            # The first answer in the customer's own order is the one that holds.
            if said != "delivered" and trigger.id not in settled:
                settled.add(trigger.id)
                if said == "accepted":
                    accepted[trigger.id] = thousandths(content(trigger).amount)
        elif action in ("run", "crash"):
            partition = data.draw(st.integers(0, cluster.partitions - 1))
            cluster.run(partition, data.draw(st.integers(1, 6)), crash=action == "crash")
        elif action == "later":
            cluster.now += data.draw(st.integers(MINUTE, 5 * MINUTE))
    cluster.settle()
    cluster.pass_time(cluster.now + DAY)
    cluster.settle()

    for _, ledger in cluster.accounts:
        assert ledger.open == {}
        assert sum(period.reserved for period in ledger.periods.values()) == 0
    house = cluster.profiles[HOUSE].ledgers["house"] if HOUSE in cluster.profiles else Ledger()
    assert sum(p.committed for p in house.periods.values()) + house.uncovered == sum(accepted.values())
    guests = Counter(accepted[id_] and cluster.triggers[id_].customer for id_ in accepted)
    for customer in CUSTOMERS:
        own = cluster.profiles[customer].ledgers.get("guest", Ledger())
        mine = sum(worth for id_, worth in accepted.items() if cluster.triggers[id_].customer == customer)
        assert sum(period.committed for period in own.periods.values()) + own.uncovered == mine
        assert bool(guests[customer]) == any(period.uses for period in own.periods.values())


def asked(*events: Touchpoint) -> tuple[Profile, Touchpoint, Touchpoint]:
    """Ann's profile while the house is being asked for her dinner, the question, and the answer."""
    profile = None
    for each in (rich("ann"), angry("ann", NOON), *events):
        outcome = ENGINE.step(profile, each, each.time)
        profile = outcome.profile
        if each.type == "service.failed":
            (question,) = [forward.touchpoint for forward in outcome.forwards]
    assert profile is not None
    (answer,) = [forward.touchpoint for forward in ENGINE.step(None, question, NOON).forwards]
    return profile, question, answer


def test_what_is_granted_is_decided_on_once_more() -> None:
    """Where the answer comes when the moment is over, no offer goes out, and the money is there again."""
    profile, question, answer = asked()
    late = ENGINE.step(profile, answer, NOON + 3 * HOUR)
    (release,) = [forward.touchpoint for forward in late.forwards]
    house = ENGINE.step(ENGINE.step(None, question, NOON).profile, release, NOON + MINUTE).profile

    assert (reasons([late]), late.triggers, late.profile.claims) == ([("expired", ())], [], {})
    assert release.type == ledgers.RELEASE
    assert totals(house, "house") == Totals()
    assert totals(late.profile, "guest") == Totals()


def test_an_answer_that_comes_again_changes_nothing() -> None:
    """It is known by its reservation while the offer is out; after that it is given back, as no news."""
    profile, _, answer = asked()
    first = ENGINE.step(profile, answer, NOON + 1)
    again = ENGINE.step(first.profile, answer, NOON + 2)
    (offer,) = first.triggers
    accepted = ENGINE.step(again.profile, word(offer, "accepted", NOON + 3), NOON + 3)
    later = ENGINE.step(accepted.profile, answer, NOON + 4)

    assert (again.triggers, again.forwards, again.profile.claims) == ([], [], first.profile.claims)
    assert [forward.touchpoint.type for forward in accepted.forwards] == [ledgers.COMMIT]
    assert [forward.touchpoint.type for forward in later.forwards] == [ledgers.RELEASE]
    assert later.profile.claims == {}


def test_a_promise_that_is_revoked_is_given_back() -> None:
    """What is void can't be accepted any more."""
    profile, _, answer = asked()
    made = ENGINE.step(profile, answer, NOON + 1).profile
    made.issued = tuple(msgspec.structs.replace(each, status="revoked") for each in made.issued)
    after = ENGINE.step(made, event("1", "page.viewed", "ann", NOON + 2), NOON + 2)

    assert [forward.touchpoint.type for forward in after.forwards] == [ledgers.RELEASE]
    assert totals(after.profile, "guest") == Totals()


def test_a_ledger_does_not_answer_what_was_settled() -> None:
    """A question that a crash repeats after the answer was acted on is passed over."""
    _, question, _ = asked()
    house = ENGINE.step(None, question, NOON)
    again = ENGINE.step(house.profile, question, NOON + 1)

    assert (again.duplicate, again.forwards, again.profile) == (True, [], house.profile)
