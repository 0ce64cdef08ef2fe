"""Latency: how long after a guest's arrival the key is on its topic, while the hotel is busy.

Guests who are ready for a key arrive at random moments within an even stream of other touchpoints. The
clock runs from the moment that the app makes its record to the moment at which the broker appends the
key's, both by the clock of this machine; so the app's own batch, the broker and the worker are all in it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from agents.bench.child import Child
from agents.bench.contestants import WORKER
from agents.bench.stage import Stage
from agents.bench.workload import HOTELS, MIX, PRODUCTS, Record
from agents.partitioner import partition_of
from schemas.errors import BrokerError, DangolError
from schemas.families.room_key import RoomKey
from schemas.timestamp import to_datetime, to_rfc3339
from schemas.trigger import TriggerEvent

TICK_SECONDS = 0.01
"""How often the apps' records are sent, in seconds: what is made within is one batch a partition."""

ARRIVALS = 100
"""One of so many touchpoints is an arrival: at 5,000/s that is fifty guests a second."""

LEAD_SECONDS = 20
"""How long the stream flows before arrivals count, in seconds: a broker that has just started is slow."""

CUSTOMERS = 10_000
READY_SECONDS = 120.0
"""How long start, join and the guests' preparations may take, in seconds."""

PAUSE_SECONDS = 0.25
AFTER_SECONDS = 20.0
"""How long the last keys may take, in seconds."""

_NOW = b"2000-01-01T00:00:00.000Z"
"""Stands for the moment at which a record is made."""

_decode = msgspec.json.Decoder(TriggerEvent).decode


class Latency(msgspec.Struct, frozen=True):
    """How long keys took.

    Attributes:
        rate: touchpoints a second that were wanted.
        sent: touchpoints a second that were sent.
        seconds: for how long.
        arrivals: guests who arrived, and whose key counts.
        missing: how many of them got none.
        p50: milliseconds within which half of the keys were there.
        p90: nine of ten.
        p99: ninety-nine of a hundred.
        max: all of them.
    """

    rate: int
    sent: float
    seconds: int
    arrivals: int
    missing: int
    p50: int
    p90: int
    p99: int
    max: int


async def measure(
    bootstrap: str, rate: int, seconds: int, partitions: int, say: Callable[[str], None]
) -> Latency:
    """Let guests arrive at one worker.

    Args:
        bootstrap: the broker, `host:port`.
        rate: touchpoints a second.
        seconds: for how long.
        partitions: of each topic.
        say: gets a line whenever there is something to tell.

    Raises:
        BrokerError: the broker can't be reached, or failed.
        DangolError: the worker ended, or got nowhere, or there was nothing to measure.
    """
    total = rate * (LEAD_SECONDS + seconds)
    random = Random(7)
    guests = [_Guest(number, random) for number in range(total // ARRIVALS)]
    prepared = [record for guest in guests for record in guest.prepared(partitions)]
    child = Child(WORKER, bootstrap, f"bench-{secrets.token_hex(3)}.cx", partitions, len(prepared) + total)
    try:
        async with Stage(child.assignment, WORKER.changelog(child.assignment)) as stage:
            touchpoints = child.assignment.topics.touchpoints
            await stage.publish(touchpoints, prepared)
            with child:
                say(f"{len(guests):,} guests book, bind their phones and agree")
                await _committed(child, stage, len(prepared), READY_SECONDS)
                say(f"{rate:,} touchpoints a second for {LEAD_SECONDS} s, and {seconds} s that count")
                arrived, began, ended = await _flow(
                    stage, touchpoints, rate, total, guests, partitions, random
                )
                await _committed(child, stage, len(prepared) + total, AFTER_SECONDS)
                await asyncio.to_thread(child.stop)
            issued = await _issued(stage, child.assignment.topics.trigger("room-key"))
    except KafkaError as error:
        raise BrokerError(
            f"the broker at {bootstrap} failed the bench: {error or type(error).__name__}"
        ) from error
    counted = {who: at for who, at in arrived.items() if at >= began + LEAD_SECONDS * 1000}
    took = sorted(issued[who] - at for who, at in counted.items() if who in issued)
    if not took:
        raise DangolError("no guest got a key, so there is nothing to measure")
    return Latency(
        rate,
        round(total / ((ended - began) / 1000), 1),
        seconds,
        len(counted),
        len(counted) - len(took),
        *(took[min(int(share * len(took)), len(took) - 1)] for share in (0.5, 0.9, 0.99, 1.0)),
    )


def line_of(latency: Latency) -> str:
    """The figures in one line.

    >>> line_of(Latency(5000, 4990.0, 30, 1500, 0, 9, 15, 31, 60))
    'arrival to key at 4,990 touchpoints/s: p50 9 ms, p90 15 ms, p99 31 ms, max 60 ms; 1,500 keys, 0 missing'
    """
    return (
        f"arrival to key at {latency.sent:,.0f} touchpoints/s: p50 {latency.p50} ms, p90 {latency.p90} ms, "
        f"p99 {latency.p99} ms, max {latency.max} ms; {latency.arrivals - latency.missing:,} keys, "
        f"{latency.missing} missing"
    )


class _Guest:
    """Someone who is ready for a key."""

    def __init__(self, number: int, random: Random) -> None:
        self.id = f"g-{number:06d}"
        self._random = random
        self._hotel = random.choice(HOTELS)
        self._device = f"d-{random.getrandbits(32):08x}"

    def prepared(self, partitions: int) -> Iterator[Record]:
        """What has to have happened before."""
        today = to_datetime(int(time.time() * 1000)).date()
        booking = {
            "booking": f"b-{self.id}",
            "property": self._hotel,
            # A day more at each end, as it may be tomorrow at the hotel by the time the guest is there.
            "arrival": (today - timedelta(days=1)).isoformat(),
            "departure": (today + timedelta(days=3)).isoformat(),
            "amount": 320.0,
        }
        room = {"booking": booking["booking"], "room": "501"}
        now = to_rfc3339(int(time.time() * 1000)).encode()
        for type_, data in (
            ("consent.granted", {"purpose": "location"}),
            ("device.bound", {"device": self._device}),
            ("booking.confirmed", booking),
            ("room.ready", room),
        ):
            record = _record(self._random, self.id, type_, data, partitions)
            yield Record(record.key, record.value.replace(_NOW, now), record.partition)

    def arrival(self, partitions: int) -> Record:
        """The guest walks in."""
        data = {"property": self._hotel, "device": self._device, "accuracy_m": 12.5}
        return _record(self._random, self.id, "guest.arrived", data, partitions)


def _record(random: Random, customer: str, type_: str, data: dict[str, Any], partitions: int) -> Record:
    event = {
        "specversion": "1.0",
        "id": f"{random.getrandbits(64):016x}",
        "source": "/app",
        "type": type_,
        "subject": customer,
        "time": _NOW.decode(),
        "datacontenttype": "application/json",
        "data": data,
    }
    key = customer.encode()
    return Record(key, msgspec.json.encode(event), partition_of(key, partitions))


def _others(random: Random, count: int, partitions: int) -> list[Record]:
    """Touchpoints of everyone else."""
    kinds = random.choices(list(MIX), list(MIX.values()), k=count)
    return [
        _record(
            random,
            f"c-{int(CUSTOMERS * random.random() ** 2):06d}",
            type_,
            {"channel": channel, "product": random.choice(PRODUCTS), "amount": 40.0},
            partitions,
        )
        for type_, channel in kinds
    ]


async def _flow(
    stage: Stage,
    topic: str,
    rate: int,
    total: int,
    guests: list[_Guest],
    partitions: int,
    random: Random,
) -> tuple[dict[str, int], int, int]:
    """Send an even stream; when each guest arrived, when it began and when it ended, in ms."""
    records = _others(random, total, partitions)
    places = sorted(random.sample(range(total), len(guests)))
    who: dict[int, str] = {}
    for place, guest in zip(places, guests, strict=True):
        records[place] = guest.arrival(partitions)
        who[place] = guest.id
    arrived: dict[str, int] = {}
    sent: list[asyncio.Future[Any]] = []
    start = time.monotonic()
    began = int(time.time() * 1000)
    done = 0
    while done < total:
        due = min(int((time.monotonic() - start) * rate), total)
        now = int(time.time() * 1000)
        text = to_rfc3339(now).encode()
        batch = []
        for place in range(done, due):
            record = records[place]
            if place in who:
                arrived[who[place]] = now
            batch.append(Record(record.key, record.value.replace(_NOW, text), record.partition))
        done = due
        sent += await stage.hand_over(topic, batch)
        await asyncio.sleep(TICK_SECONDS)
    ended = int(time.time() * 1000)
    await asyncio.gather(*sent)
    return arrived, began, ended


async def _committed(child: Child, stage: Stage, count: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while await _done(stage) < count:
        child.check()
        if time.monotonic() > deadline:
            raise DangolError(f"the worker did not come so far in {patience:.0f} s; {child.last_words()}")
        await asyncio.sleep(PAUSE_SECONDS)


async def _done(stage: Stage) -> int:
    try:
        return await stage.committed()
    except GroupCoordinatorNotAvailableError:
        # A broker that has just started has no place for groups before the first one joins.
        return 0


async def _issued(stage: Stage, topic: str) -> dict[str, int]:
    """When the broker appended each guest's first key, in ms."""
    issued: dict[str, int] = {}
    for record in await stage.records(topic):
        event = _decode(record.value)
        if isinstance(event.data.content, RoomKey) and event.data.content.action == "issue":
            issued.setdefault(event.subject, record.timestamp)
    return issued
