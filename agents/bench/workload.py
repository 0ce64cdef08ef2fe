"""Workload: seeded touchpoints as a hotel and its shop see them, and what has to come out of them.

Mostly looks, mails and orders, by customers some of whom are far busier than others; in between
stays from booking to check-out, complaints that are opened and closed, and things that go wrong.
About one trigger comes of every twelve touchpoints.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from random import Random
from typing import Any

import msgspec

from agents.partitioner import partition_of
from schemas import touchpoint
from schemas.timestamp import DAY, HOUR, MINUTE, to_datetime, to_rfc3339
from stream.engine import Engine

SEED = 7
"""Any number, as long as it stays the same: figures of two days are of the same touchpoints."""

START = 1_709_251_200_000
"""The first touchpoint's time: 1 March 2024, in ms; well in the past, for the future would be refused."""

SPAN = 120 * DAY
"""Time that all touchpoints together take, in ms: cooldowns end, and customers go quiet."""

WARM_UP = 2_000
"""Touchpoints before the clock runs: enough for lazy imports and caches, about a second for the slowest."""

WARM_UP_CUSTOMERS = 200

STAY_SHARE = 0.006
COMPLAINT_SHARE = 0.014
"""Shares of touchpoints that begin a stay of seven touchpoints, and a complaint of two."""

NEXT = (10 * MINUTE, 8 * HOUR)
"""Time between two touchpoints of a stay or a complaint, in ms, from and to."""

QUIET = 5 * DAY
"""How long before the end no stay and no complaint begins any more, in ms: each comes to its end. What is
left open would be for timers, and those that fire without a touchpoint only dangol has."""

STAY = (
    "booking.confirmed",
    "device.bound",
    "consent.granted",
    "guest.arrived",
    "stay.checked-in",
    "service.delivered",
    "stay.checked-out",
)
COMPLAINT = ("complaint.opened", "complaint.closed")

MIX = {
    ("page.viewed", "web"): 26,
    ("product.viewed", "web"): 20,
    ("screen.viewed", "app"): 8,
    ("email.opened", "email"): 16,
    ("email.clicked", "email"): 5,
    ("ad.seen", "web"): 4,
    ("product.searched", "web"): 4,
    ("cart.added", "web"): 4,
    ("checkout.started", "web"): 2,
    ("order.placed", "web"): 4,
    ("order.placed", "store"): 2,
    ("order.delivered", "email"): 3,
    ("chat.rated", "chat"): 0.5,
    ("order.delayed", "email"): 1.2,
    ("payment.failed", "web"): 0.8,
    ("service.failed", "front-desk"): 0.7,
    ("app.failed", "app"): 0.3,
}
"""What happens besides stays and complaints, where, and how often."""

PRODUCTS = ("tea-set", "robe", "linen", "candle", "pillow", "coffee", "soap", "slippers", "hamper")
HOTELS = ("seoul", "busan", "lisbon")


@dataclass(frozen=True, slots=True)
class Record:
    """A touchpoint to be published: its key (the customer), its value, and the partition of its key."""

    key: bytes
    value: bytes
    partition: int


@dataclass(slots=True)
class Expected:
    """What a contestant has to have on its topics in the end.

    Attributes:
        decisions: how many decisions.
        triggers: ids of all triggers.
        touchpoints: how many were applied, by customer.
    """

    decisions: int = 0
    triggers: set[str] = field(default_factory=set)
    touchpoints: dict[str, int] = field(default_factory=dict)


class Workload:
    """The touchpoints of one bench, the same for every contestant and every run.

    Args:
        events: how many touchpoints are measured.
        customers: by how many customers.
        partitions: how many partitions their topic has.
        engine: what says which triggers and decisions they lead to.

    Attributes:
        warm_up: touchpoints to be processed before the clock runs, by customers of their own; the last
            of each partition leads to a decision.
        load: the touchpoints that are measured.
        warm: decisions that come of `warm_up`.
        expected: what comes of both.
        bytes_mean: mean size of a touchpoint, in bytes.
    """

    def __init__(self, events: int, customers: int, partitions: int, engine: Engine) -> None:
        self.warm_up = [
            *_records(Random(f"{SEED}/warm-up"), "w", WARM_UP, WARM_UP_CUSTOMERS, partitions, START - SPAN),
            *_last_words(partitions),
        ]
        self.load = _records(Random(f"{SEED}/load"), "c", events, customers, partitions, START)
        self.bytes_mean = sum(len(record.value) for record in self.load) / len(self.load)
        self.expected = Expected()
        profiles: dict[str, Any] = {}
        self.warm = 0
        for number, record in enumerate((*self.warm_up, *self.load)):
            if number == len(self.warm_up):
                self.warm = self.expected.decisions
            event = touchpoint.decode(record.value)
            outcome = engine.step(profiles.get(event.customer), event, event.time)
            profiles[event.customer] = outcome.profile
            self.expected.triggers.update(trigger.id for trigger in outcome.triggers)
            self.expected.decisions += len(outcome.decisions)
        self.expected.touchpoints = {name: profile.touchpoints for name, profile in profiles.items()}


def _records(
    random: Random, letter: str, events: int, customers: int, partitions: int, start: int
) -> list[Record]:
    kinds, shares = list(MIX), list(accumulate(MIX.values()))
    due: list[tuple[int, int, str, str, dict[str, Any]]] = []
    records = []
    for number in range(events):
        time = start + SPAN * number // events
        if due and due[0][0] <= time:
            _, _, customer, type_, about = heapq.heappop(due)
            channel = "app"
        else:
            # Squared, so that one customer in a hundred causes a tenth of all touchpoints.
            customer = f"{letter}-{int(customers * random.random() ** 2):06d}"
            about = {}
            draw = random.random()
            if draw < STAY_SHARE + COMPLAINT_SHARE and time < start + SPAN - QUIET:
                story = STAY if draw < STAY_SHARE else COMPLAINT
                about = _stay(random, time) if story is STAY else {"issue": f"i-{random.getrandbits(32):08x}"}
                type_, channel = story[0], "app"
                moment = time
                for step in story[1:]:
                    moment += random.randint(*NEXT)
                    heapq.heappush(due, (moment, random.getrandbits(32), customer, step, about))
            else:
                type_, channel = random.choices(kinds, cum_weights=shares)[0]
        records.append(_record(random, customer, type_, channel, time, about, partitions))
    return records


def _last_words(partitions: int) -> list[Record]:
    """Something bad in each partition: its decision tells that all before it was processed."""
    random = Random(f"{SEED}/last words")
    last: dict[int, Record] = {}
    number = 0
    while len(last) < partitions:
        record = _record(random, f"x-{number:06d}", "service.failed", "app", START, {"what": "x"}, partitions)
        last.setdefault(record.partition, record)
        number += 1
    return list(last.values())


def _stay(random: Random, time: int) -> dict[str, Any]:
    today = to_datetime(time).date()
    return {
        "booking": f"b-{random.getrandbits(32):08x}",
        "property": random.choice(HOTELS),
        "arrival": today.isoformat(),
        "departure": (today + timedelta(days=random.randint(2, 5))).isoformat(),
        "device": f"d-{random.getrandbits(32):08x}",
    }


def _record(
    random: Random, customer: str, type_: str, channel: str, time: int, about: dict[str, Any], partitions: int
) -> Record:
    data = {"channel": channel, **about}
    match type_:
        case "consent.granted":
            data["purpose"] = "location"
        case "guest.arrived":
            data["accuracy_m"] = round(random.uniform(4, 130), 1)
        case "order.placed" | "booking.confirmed":
            data["amount"] = round(random.lognormvariate(4, 0.8), 2)
        case "chat.rated":
            data["rating"] = random.randint(1, 5)
    if not about:
        data["product"] = random.choice(PRODUCTS)
        data["session"] = f"s-{random.getrandbits(64):016x}"
    event = {
        "specversion": "1.0",
        "id": f"{random.getrandbits(64):016x}",
        "source": f"/{channel}",
        "type": type_,
        "subject": customer,
        "time": to_rfc3339(time),
        "datacontenttype": "application/json",
        "data": data,
    }
    key = customer.encode()
    return Record(key, msgspec.json.encode(event), partition_of(key, partitions))
