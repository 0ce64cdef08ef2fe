"""A run of records through the engine, without a broker: what is published, what changes, what is skipped."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from agents.batches import Abandoned, Record
from agents.delivery import Delivery
from agents.metrics import Metrics
from agents.partitioner import partition_of
from agents.tables.memory import MemoryStore
from agents.tables.profiles import Profiles
from agents.timers import Timers
from agents.touchpoints import MAX_HEADER_BYTES, TouchpointProcessor
from agents.work import Work
from schemas import example, mark
from schemas import profile as codec
from schemas.deadletter import origin_of
from schemas.errors import StateError
from schemas.ingestion import STEADY, Ingestion
from schemas.playbook import load
from schemas.profile import Profile
from schemas.service_context import ServiceRecordEvent
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from stream.outcome import Outcome
from stream.replay import profile_line
from tests.hotel import HOTEL_YAML, NOON, PROPERTY_TEST, GivenRisk, engine

PARTITIONS = 4
ANN = partition_of(b"ann", PARTITIONS)
TOPICS = Topics()
HOUR = 3_600_000


class Read(NamedTuple):
    """A record as a consumer hands it over."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = NOON
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = TOPICS.touchpoints
    partition: int = ANN


def happened(type_: str, id_: str, customer: str = "ann", time: int = NOON, **data: Any) -> bytes:
    """A touchpoint as CloudEvents structured JSON."""
    fields = {
        "specversion": "1.0",
        "id": id_,
        "source": "/test",
        "type": type_,
        "subject": customer,
        "time": msgspec.json.decode(msgspec.json.encode(_date(time))),
        "data": data,
    }
    return msgspec.json.encode(fields)


def _date(millis: int) -> Any:
    return msgspec.convert(millis / 1000, type=datetime, strict=False)


class Acknowledging(Delivery):
    """A delivery whose broker acknowledges everything at once, and keeps it; it can be told to fail."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.next_offsets: list[int | None] = []
        self.offset = 0

    announces = True

    async def announce(self, records: Sequence[Record], keep_trying: Callable[[], bool]) -> bool:
        """Keep what others see at once."""
        self._keep(records, keep_trying)
        return True

    async def commit(
        self,
        partition: int,
        records: Sequence[Record],
        changes: Sequence[Record],
        next_offset: int | None,
        keep_trying: Callable[[], bool],
    ) -> dict[str, int]:
        """Keep what changes with the offset; the offset of the last by topic."""
        offsets = self._keep([*records, *changes], keep_trying)
        self.next_offsets.append(next_offset)
        return offsets

    def _keep(self, records: Sequence[Record], keep_trying: Callable[[], bool]) -> dict[str, int]:
        if not keep_trying():
            raise Abandoned
        offsets = {}
        for record in records:
            self.records.append(record)
            offsets[record.topic] = self.offset
            self.offset += 1
        return offsets


class Failing(Engine):
    """An engine with a fault: it raises on touchpoints of one type."""

    def step(
        self, profile: Profile | None, touchpoint: Touchpoint, now: int, ingestion: Ingestion = STEADY
    ) -> Outcome:
        """As the engine's, but for `page.viewed`."""
        if touchpoint.type == "page.viewed":
            raise KeyError(touchpoint.customer)
        return super().step(profile, touchpoint, now, ingestion)


def processor_of(profiles: Profiles, delivery: Any, metrics: Metrics) -> TouchpointProcessor:
    """A processor on the record clock, which publishes by this delivery."""
    return TouchpointProcessor(
        profiles, delivery, TOPICS, "dangol", "record", lambda key: partition_of(key, PARTITIONS), metrics
    )


class Bench:
    """A processor with its parts within reach."""

    def __init__(self, decides: Engine | None = None) -> None:
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, ["complaint.opened", "page.viewed"])
        self.store = MemoryStore()
        for partition in range(PARTITIONS):
            self.store.open(partition)
        self.delivery = Acknowledging()
        self.timers = Timers()
        self.profiles = Profiles(self.store, metrics, self.timers)
        self.engine = decides or engine()
        self.processor = processor_of(self.profiles, self.delivery, metrics)

    def apply(self, *run: Read) -> Work:
        """What a run of Ann's partition comes to."""
        return self.processor.apply(self.engine, ANN, run)

    def process(self, *run: Read) -> None:
        """Take a run of Ann's partition all the way."""
        if run:
            self.take(self.apply(*run))

    def fire(self, customers: Sequence[str], until: int) -> None:
        """Fire timers of customers of Ann's partition that are due, all the way."""
        self.take(self.processor.apply_timers(self.engine, ANN, customers, until, NOON))

    def take(self, work: Work) -> None:
        """Announce and commit what a run came to."""

        async def announce_and_commit() -> None:
            await self.processor.announce(work, lambda: True)
            self.profiles.anticipate(ANN, work.profiles, work.ingestion)
            await self.processor.commit([work], lambda: True)

        asyncio.run(announce_and_commit())

    def counted(self, name: str, **labels: str) -> float | None:
        """A metric's value."""
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def bench() -> Bench:
    """A processor over an empty store."""
    return Bench()


def sent(records: Sequence[Record]) -> list[tuple[str, bytes | None]]:
    """Topic and key of records."""
    return [(record.topic, record.key) for record in records]


def test_a_profile_that_cannot_be_read_is_kept_as_a_dead_letter(bench: Bench) -> None:
    """Its bytes go to the dead letters, the customer starts anew, and the worker goes on."""
    bench.store.write(ANN, {b"ann": b"\xc1"}, 41)

    bench.process(Read(7, b"ann", happened("page.viewed", "1")))

    letter, _, changed = bench.delivery.records
    told = origin_of(letter.headers)
    assert (letter.topic, letter.key, letter.value) == ("cx.touchpoints.v1-dlt", b"ann", b"\xc1")
    assert told is not None
    assert (told.code, told.stage, told.origin[:3]) == (
        "state-undecodable",
        "state",
        ("cx.profiles.v1", ANN, 41),
    )
    assert codec.decode(changed.value or b"").touchpoints == 1
    assert bench.counted("cx_dlq_messages_total", reason="state-undecodable") == 1


def test_a_complaint_comes_to_two_triggers_and_a_decision(bench: Bench) -> None:
    """Triggers first, then the decision that names them, all under the customer's key and partition."""
    work = bench.apply(Read(0, b"ann", happened("complaint.opened", "1")))

    assert sent(work.records) == [
        ("cx.trigger.recovery-offer.v1", b"ann"),
        ("cx.trigger.suppression.v1", b"ann"),
        ("cx.decisions.v1", b"ann"),
        ("cx.journey.stages.v1", b"ann"),
    ]
    assert {record.partition for record in work.records} == {ANN}
    assert dict(work.emitted) == {("recovery-offer",): 1, ("suppression",): 1}
    assert work.profiles["ann"].applied == {ANN: 0}


def test_what_was_seen_becomes_an_example() -> None:
    """At the end of the horizon, under the customer's key and in the same commit as the profile."""
    section = "churn: {horizon: 30d, every: 30d}\n"
    bench = Bench(Engine(load(section + HOTEL_YAML, "hotel.yaml"), GivenRisk(0.25), "given"))
    bench.process(Read(0, b"ann", happened("order.placed", "1")))
    before = [record.topic for record in bench.delivery.records]
    bench.fire(["ann"], NOON + 30 * 24 * HOUR + 1)

    (known,) = [record for record in bench.delivery.records if record.topic == TOPICS.examples]
    assert TOPICS.examples not in before
    assert (known.key, known.partition) == (b"ann", ANN)
    said = example.decode(known.value or b"")
    assert (said.subject, said.data.churned, said.data.because) == ("ann", True, "silent")


def test_records_are_taken_in_order(bench: Bench) -> None:
    """What a run publishes stands in the order of its records."""
    run = [Read(n, b"ann", happened("complaint.opened", str(n), time=NOON + n)) for n in range(3)]
    decided = [r for r in bench.apply(*run).records if r.topic == TOPICS.decisions]

    assert [msgspec.json.decode(r.value or b"")["causationid"] for r in decided] == ["0", "1", "2"]


def test_a_touchpoint_sees_the_one_before_it_in_the_same_run(bench: Bench) -> None:
    """The profile is updated before the decision on the next touchpoint, also within a run."""
    work = bench.apply(
        Read(0, b"ann", happened("complaint.opened", "1")),
        Read(1, b"ann", happened("complaint.opened", "2", time=NOON + 1)),
    )

    assert work.profiles["ann"].touchpoints == 2
    assert work.held["suppression", "already-suppressed"] == 1


def test_applying_changes_nothing(bench: Bench) -> None:
    """Until the broker has acknowledged it, a run is nowhere: not in the store and not in the cache."""
    bench.process(Read(0, b"ann", happened("complaint.opened", "1")))
    before = dict(bench.store.items(ANN))
    cached = {name: codec.encode(profile) for name, profile in bench.profiles._decoded[ANN].items()}
    published = list(bench.delivery.records)

    bench.apply(Read(1, b"ann", happened("complaint.opened", "2")), Read(2, b"ann", b"not json"))

    assert dict(bench.store.items(ANN)) == before
    assert {name: codec.encode(profile) for name, profile in bench.profiles._decoded[ANN].items()} == cached
    assert bench.delivery.records == published
    assert bench.counted("cx_events_applied_total") == 1.0


def test_what_is_committed_as_a_rebalance_begins_is_counted(bench: Bench) -> None:
    """It stands for good, and whoever owns the partition then finds it there; our state is not touched."""
    work = bench.apply(Read(0, b"ann", happened("complaint.opened", "1")))
    ours = iter([True, False])

    with pytest.raises(Abandoned):
        asyncio.run(bench.processor.commit([work], lambda: next(ours)))

    assert bench.counted("cx_events_applied_total") == 1.0
    assert bench.counted("cx_triggers_emitted_total", trigger="suppression") == 1.0
    assert bench.store.size() == 0


def test_the_changelog_goes_last_with_one_record_a_customer(bench: Bench) -> None:
    """Triggers are acknowledged before the profile that knows of them."""
    bench.process(
        Read(0, b"ann", happened("complaint.opened", "1")),
        Read(1, b"ann", happened("page.viewed", "2")),
    )

    assert [record.topic for record in bench.delivery.records] == [
        "cx.trigger.recovery-offer.v1",
        "cx.trigger.suppression.v1",
        "cx.decisions.v1",
        "cx.journey.stages.v1",
        "cx.journey.stages.v1",
        "cx.profiles.v1",
    ]
    assert bench.delivery.records[-1].value == bench.store.get(ANN, b"ann")
    assert bench.store.offset(ANN) == 5


def test_changes_of_stage_are_published_and_counted(bench: Bench) -> None:
    """Each change is a record and a count; one who is erased leaves the journey without a record."""
    types = ("page.viewed", "page.viewed", "product.shared", "service.failed", "privacy.erase")
    run = [Read(n, b"ann", happened(type_, str(n), time=NOON + n)) for n, type_ in enumerate(types)]
    work = bench.apply(*run)

    told = [msgspec.json.decode(r.value or b"")["data"] for r in work.records if r.topic == TOPICS.stages]
    ways = [("none", "appeal"), ("appeal", "advocate"), ("advocate", "act")]
    assert [(one["from"] or "none", one["to"]) for one in told] == ways
    assert work.transitions == dict.fromkeys([*ways, ("act", "none")], 1)


def test_a_replay_is_skipped(bench: Bench) -> None:
    """At or below the offset that a profile stands at, nothing happens but the count."""
    run = [Read(n, b"ann", happened("complaint.opened", str(n))) for n in range(3)]
    bench.process(*run)
    work = bench.apply(*run, Read(3, b"ann", happened("complaint.opened", "3")))

    assert (work.replayed, work.applied) == (3, 1)
    assert work.profiles["ann"].touchpoints == 4


def test_a_duplicate_is_counted_and_changes_nothing(bench: Bench) -> None:
    """The same (source, id) at another offset is no second touchpoint."""
    same = happened("complaint.opened", "1")
    bench.process(Read(0, b"ann", same), Read(1, b"ann", same))

    work = bench.apply(Read(2, b"ann", same))
    assert (work.duplicates, work.applied, work.records, work.profiles) == (1, 0, [], {})
    assert bench.counted("cx_events_duplicate_total") == 1.0


def test_what_comes_late_updates_the_profile_and_fires_nothing_stale(bench: Bench) -> None:
    """A complaint of two hours ago is known and holds promotions back, but nobody apologises for it now."""
    work = bench.apply(Read(0, b"ann", happened("complaint.opened", "1", time=NOON - 2 * HOUR)))

    assert (work.late, work.applied) == (1, 1)
    assert work.profiles["ann"].touchpoints == 1
    assert set(work.emitted) == {("suppression",)}
    assert [reason for family, reason in work.held if family == "recovery-offer"] == ["late"]
    assert work.lags == [7200.0]


@pytest.mark.parametrize("key", [None, b"", b"someone else"])
def test_a_record_under_another_key_is_forwarded_under_its_own(bench: Bench, key: bytes | None) -> None:
    """Value and headers stay, key and partition are murmur2's, and headers say when and where it was."""
    eve = happened("complaint.opened", "1", customer="eve")
    work = bench.apply(Read(0, key, eve, headers=[("app", b"1"), ("cx-rekeyed", b"9")]))

    assert work.records == [
        Record(
            TOPICS.touchpoints,
            partition_of(b"eve", PARTITIONS),
            b"eve",
            eve,
            [
                ("app", b"1"),
                ("cx-first-timestamp", struct.pack(">q", NOON)),
                ("cx-rekeyed", str(ANN).encode()),
            ],
        )
    ]
    assert (work.rekeyed, work.applied, work.profiles) == (1, 0, {})


def test_a_record_on_another_partition_is_forwarded_to_its_own(bench: Bench) -> None:
    """The right key where another partitioner put it: the profile is only ever made where it belongs."""
    eve = happened("complaint.opened", "1", customer="eve")
    work = bench.apply(Read(0, b"eve", eve))

    assert partition_of(b"eve", PARTITIONS) != ANN
    assert [(r.topic, r.partition, r.key) for r in work.records] == [
        (TOPICS.touchpoints, partition_of(b"eve", PARTITIONS), b"eve")
    ]


def test_headers_too_large_to_go_round_again_become_a_dead_letter(bench: Bench) -> None:
    """What the topic might refuse once it is longer would hold up its partition for ever."""
    headers = [("trace", b"x" * MAX_HEADER_BYTES)]
    work = bench.apply(Read(0, None, happened("page.viewed", "1"), headers=headers))

    assert (work.rekeyed, dict(work.rejected)) == (0, {("headers-too-large",): 1})
    assert sent(work.records) == [(TOPICS.dead_letters, None)]


def test_a_dead_letter_is_the_record_as_it_came_and_why(bench: Bench) -> None:
    """Key, value, headers and partition are the record's own; the rest is said as Spring says it."""
    work = bench.apply(Read(4_294_967_296, b"ann", b"not json", headers=[("app", b"\xff")]))
    (letter,) = work.records

    assert (letter.topic, letter.partition, letter.key, letter.value) == (
        "cx.touchpoints.v1-dlt",
        ANN,
        b"ann",
        b"not json",
    )
    assert letter.original == 1
    assert letter.headers == [
        ("app", b"\xff"),
        ("kafka_dlt-original-topic", b"cx.touchpoints.v1"),
        ("kafka_dlt-original-partition", struct.pack(">i", ANN)),
        ("kafka_dlt-original-offset", b"\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("kafka_dlt-original-timestamp", struct.pack(">q", NOON)),
        ("kafka_dlt-original-consumer-group", b"dangol"),
        (
            "kafka_dlt-exception-message",
            b"not readable as JSON: JSON is malformed: invalid character (byte 4)",
        ),
        ("cx-error-code", b"json-invalid"),
        ("cx-error-stage", b"decode"),
    ]


def test_data_that_the_engine_can_not_use_is_a_dead_letter_of_the_step() -> None:
    """A booking whose dates are missing is refused by the engine, and says at which stage."""
    (letter,) = Bench().apply(Read(0, b"ann", happened("booking.confirmed", "1", booking=7))).records
    headers = dict(letter.headers)

    assert (headers["cx-error-code"], headers["cx-error-stage"]) == (b"data-invalid", b"step")


def test_a_fault_of_the_engine_costs_one_record_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """The record is kept, its customer goes on with the profile from before, and so do all others."""
    bench = Bench(Failing(engine().playbook, GivenRisk(0.25), "given"))
    work = bench.apply(
        Read(0, b"ann", happened("complaint.opened", "1")),
        Read(1, b"ann", happened("page.viewed", "2")),
        Read(2, b"ann", happened("order.placed", "3", time=NOON + 1)),
    )
    (letter,) = [record for record in work.records if record.topic == TOPICS.dead_letters]
    headers = dict(letter.headers)

    assert (headers["cx-error-code"], headers["kafka_dlt-exception-message"]) == (
        b"engine-error",
        b"KeyError",
    )
    assert set(work.profiles["ann"].kinds) == {"complaint.opened", "order.placed"}
    assert work.profiles["ann"].applied == {ANN: 2}
    assert work.applied == 2


def test_what_the_engine_says_when_it_fails_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An error's own words may be a customer's data; its kind and place are enough to find the fault."""
    bench = Bench(Failing(engine().playbook, GivenRisk(0.25), "given"))
    bench.apply(Read(0, b"ann", happened("page.viewed", "1")))
    said = capsys.readouterr()

    assert "test_touchpoints.py:" in said.out + said.err
    assert "ann" not in (said.out + said.err).replace("channel", "")


def test_state_that_can_not_be_read_is_no_fault_of_the_record(bench: Bench) -> None:
    """A newer program's profile, or a partition that is not here: the run is left, nothing is given up."""
    bench.store.write(ANN, {b"ann": msgspec.msgpack.encode({"version": 99, "customer": "ann"})}, 0)
    with pytest.raises(StateError, match="version 99"):
        bench.apply(Read(0, b"ann", happened("page.viewed", "1")))

    bench.store.drop([ANN])
    with pytest.raises(StateError, match="not open"):
        bench.apply(Read(0, b"ann", happened("page.viewed", "1")))


def test_labels_are_those_of_the_catalogue_and_one_more(bench: Bench) -> None:
    """Invented types are counted together."""
    bench.process(
        *(Read(n, b"ann", happened(f"made.up.{n}", str(n))) for n in range(50)),
        Read(50, b"ann", happened("page.viewed", "x")),
    )

    assert bench.counted("cx_events_consumed_total", type="other") == 50.0
    assert bench.counted("cx_events_consumed_total", type="page.viewed") == 1.0


CUSTOMERS = [name for name in (f"c{n}" for n in range(40)) if partition_of(name.encode(), PARTITIONS) == ANN][
    :3
]
KINDS = [
    "complaint.opened",
    "complaint.closed",
    "order.placed",
    "page.viewed",
    "guest.arrived",
    "privacy.erase",
]
LINES = st.lists(
    st.one_of(
        st.builds(
            lambda kind, customer, id_, minute: (
                customer.encode(),
                happened(kind, id_, customer, NOON + minute * 60_000),
            ),
            st.sampled_from(KINDS),
            st.sampled_from(CUSTOMERS),
            st.sampled_from([str(n) for n in range(12)]),
            st.integers(-120, 30),
        ),
        st.just((b"x", b"not json")),
        st.just((None, happened("page.viewed", "astray", CUSTOMERS[0]))),
    ),
    max_size=25,
)
"""Records of one partition: three customers, repeated ids, late ones, broken ones, one without a key."""


def reads(lines: Sequence[tuple[bytes | None, bytes]]) -> list[Read]:
    """The lines as records, one offset after another."""
    return [Read(offset, key, value) for offset, (key, value) in enumerate(lines)]


def state(bench: Bench) -> dict[bytes, bytes]:
    """Every stored profile, without the offsets it was read at, and until when who was erased."""
    profiles = {key: profile_line(codec.decode(value)) for key, value in bench.store.items(ANN)}
    marks = {key: bench.store.get(ANN, key) for key in map(mark.key_of, CUSTOMERS)}
    return profiles | {key: b"%d" % mark.decode(value).erased for key, value in marks.items() if value}


def outputs(bench: Bench) -> dict[tuple[str, str], set[bytes]]:
    """Triggers and decisions by topic and id, with each form in which they were published."""
    found: dict[tuple[str, str], set[bytes]] = {}
    published = (*TOPICS.triggers, TOPICS.decisions, TOPICS.erasures)
    for record in bench.delivery.records:
        if record.topic in published and record.value is not None:
            id_ = msgspec.json.decode(record.value)["id"]
            found.setdefault((record.topic, id_), set()).add(record.value)
    return found


def cut(records: list[Read], cuts: Sequence[int]) -> list[list[Read]]:
    """The records as runs that end at these places."""
    places = [0, *sorted({min(place, len(records)) for place in cuts}), len(records)]
    return [records[start:end] for start, end in pairwise(places) if start < end]


@PROPERTY_TEST
@given(lines=LINES, cuts=st.lists(st.integers(0, 25), max_size=6))
def test_it_does_not_matter_how_records_are_cut_into_runs(
    lines: list[tuple[bytes | None, bytes]], cuts: list[int]
) -> None:
    """One run or many: the same profiles, and the same bytes under the same ids."""
    whole, pieces = Bench(), Bench()
    whole.process(*reads(lines))
    for run in cut(reads(lines), cuts):
        pieces.process(*run)

    assert state(pieces) == state(whole)
    assert outputs(pieces) == outputs(whole)


@PROPERTY_TEST
@given(
    lines=LINES, cuts=st.lists(st.integers(0, 25), max_size=4), back=st.integers(0, 25), torn=st.booleans()
)
def test_a_crash_repeats_and_never_adds(
    lines: list[tuple[bytes | None, bytes]], cuts: list[int], back: int, torn: bool
) -> None:
    """Recovered from its changelog and set back to any offset, the worker changes no profile and no id.

    `torn`: the crash came between the triggers and the changelog of the last run.
    """
    undisturbed = Bench()
    undisturbed.process(*reads(lines))

    crashed = Bench()
    runs = cut(reads(lines), cuts)
    for run in runs[:-1] if torn else runs:
        crashed.process(*run)
    if torn and runs:
        crashed.delivery.records += crashed.apply(*runs[-1]).records
    next_one = Bench()
    for record in crashed.delivery.records:
        if record.topic == TOPICS.profiles and record.key is not None:
            next_one.store.write(ANN, {record.key: record.value}, 0)
    next_one.delivery.records = crashed.delivery.records
    # The last run was never committed, so the set-back is at least to its beginning.
    begin = min(back, runs[-1][0].offset) if runs else 0
    next_one.process(*reads(lines)[begin:])

    assert state(next_one) == state(undisturbed)
    assert outputs(next_one) == outputs(undisturbed)


def test_a_timer_comes_to_a_trigger_and_a_decision(bench: Bench) -> None:
    """As a touchpoint's, under the customer's key; the profile is still at the same touchpoint."""
    bench.process(Read(0, b"ann", happened("complaint.opened", "1", issue="i1")))
    due = bench.timers.take_due(ANN, NOON + HOUR, 10)
    work = bench.processor.apply_timers(bench.engine, ANN, due, NOON + HOUR, NOON + HOUR)

    assert due == ["ann"]
    assert sent(work.records) == [("cx.trigger.recovery-offer.v1", b"ann"), ("cx.decisions.v1", b"ann")]
    assert {record.partition for record in work.records} == {ANN}
    assert (dict(work.emitted), dict(work.timers)) == ({("recovery-offer",): 1}, {("make-it-right",): 1})
    assert (work.profiles["ann"].timers, work.profiles["ann"].applied) == ((), {ANN: 0})


def test_a_timer_moves_no_offset_and_fires_once(bench: Bench) -> None:
    """It is written as a run is, without an offset, and is not there any more after that."""
    bench.process(Read(0, b"ann", happened("complaint.opened", "1", issue="i1")))
    published = len(bench.delivery.records)
    for _ in range(2):
        due = bench.timers.take_due(ANN, NOON + HOUR, 10)
        bench.fire(due, NOON + HOUR)
    written = [record.topic for record in bench.delivery.records[published:]]

    assert bench.delivery.next_offsets == [1, None]
    assert written[-2:] == ["cx.decisions.v1", "cx.profiles.v1"]
    assert written.count("cx.decisions.v1") == 1
    assert bench.counted("cx_timers_fired_total", play="make-it-right") == 1.0
    assert bench.counted("cx_events_applied_total") == 1.0
    assert bench.profiles.get(ANN, "ann") == codec.decode(bench.store.get(ANN, b"ann") or b"")


def test_a_risk_that_is_said_while_nothing_happens_is_counted() -> None:
    """A look at who does nothing is a score like any other; a timer that is no look is none."""
    learns = load(f"churn: {{horizon: 30d, every: 7d}}\n{HOTEL_YAML}", "hotel.yaml")
    bench = Bench(engine(playbook=learns))
    bench.process(
        Read(0, b"ann", happened("order.placed", "1", amount=20.0)),
        Read(1, b"ann", happened("complaint.opened", "2", issue="i1")),
    )
    escalated = bench.processor.apply_timers(bench.engine, ANN, ["ann"], NOON + HOUR, NOON)
    looked = bench.processor.apply_timers(bench.engine, ANN, ["ann"], NOON + 7 * 24 * HOUR, NOON)

    assert (escalated.scores, looked.scores) == ([], [0.25])


def test_a_touchpoint_fires_what_was_due_before_it(bench: Bench) -> None:
    """What the clock has not fired, the customer's next touchpoint does, and both are counted."""
    bench.process(Read(0, b"ann", happened("complaint.opened", "1", issue="i1")))
    later = NOON + HOUR
    bench.process(Read(1, b"ann", happened("complaint.closed", "2", time=later, issue="i1"), later))

    assert bench.counted("cx_timers_fired_total", play="make-it-right") == 1.0
    assert bench.counted("cx_events_applied_total") == 2.0
    assert bench.timers.earliest() is None


class Faulty(Engine):
    """An engine with a fault: it raises on the timers of one customer."""

    def fire(self, profile: Profile, until: int, clock: int = 0, ingestion: Ingestion = STEADY) -> Outcome:
        """As the engine's, but for Ann."""
        if profile.customer == "ann":
            raise KeyError(profile.customer)
        return super().fire(profile, until, clock, ingestion)


def test_a_fault_costs_one_customers_timer_only() -> None:
    """The others' fire, and the one that does not stays in its profile."""
    decides = engine()
    bench = Bench(Faulty(decides.playbook, GivenRisk(0.25), "given"))
    other = next(name for n in range(99) if partition_of((name := f"c{n}").encode(), PARTITIONS) == ANN)
    bench.process(
        Read(0, b"ann", happened("complaint.opened", "1", issue="i1")),
        Read(1, other.encode(), happened("complaint.opened", "2", other, issue="i2")),
    )
    work = bench.processor.apply_timers(bench.engine, ANN, ["ann", other, "nobody"], NOON + HOUR, NOON)
    ann = bench.profiles.get(ANN, "ann")

    assert list(work.profiles) == [other]
    assert ann is not None
    assert [timer.key for timer in ann.timers] == ["i1"]


def test_what_the_desk_can_look_up_stands_under_the_customers_id() -> None:
    """One record for each step that renews it, beside the decision; and none where nobody asks."""
    desk = "  - {play: know, family: service-context, touchpoints: [chat.started], valid_for: 4h}\n"
    bench = Bench(engine(playbook=load(f"{HOTEL_YAML}\n{desk}", "hotel.yaml")))
    work = bench.apply(
        Read(0, b"ann", happened("page.viewed", "1")), Read(1, b"ann", happened("chat.started", "2"))
    )
    (record,) = [each for each in work.records if each.topic == TOPICS.service_contexts]

    assert (record.partition, record.key) == (ANN, b"ann")
    assert record.value is not None
    assert msgspec.json.decode(record.value, type=ServiceRecordEvent).causationid == "2"
    assert TOPICS.service_contexts not in {
        each.topic for each in Bench().apply(Read(0, b"ann", happened("chat.started", "2"))).records
    }
