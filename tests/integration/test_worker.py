"""The worker on Apache Kafka: what goes in, what comes out, and what becomes of what is no touchpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.partitioner import partition_of
from schemas import profile as profiles
from schemas.cloudevents import CONTENT_TYPE
from schemas.topics import Topics
from schemas.touchpoint import MAX_BYTES
from tests.cluster import Sent, Worker, committed, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS

TIME = "2026-03-14T09:30:00Z"


def touchpoint(id_: str, type_: str, customer: str, data: str = "{}", **more: str) -> bytes:
    """A touchpoint as CloudEvents structured JSON."""
    fields = {
        "specversion": "1.0",
        "id": id_,
        "source": "/test",
        "type": type_,
        "subject": customer,
        "time": TIME,
    }
    text = ",".join(f'"{name}":"{value}"' for name, value in (fields | more).items())
    return f'{{{text},"data":{data}}}'.encode()


@pytest.fixture
def worker(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[Worker]:
    """A worker on the event clock, ready."""
    running = Worker(kafka, topics, tmp_path, "--clock", "event").start().wait_ready()
    yield running
    if running.process.poll() is None:
        running.kill()


def test_a_complaint_becomes_an_apology_and_holds_promotions_back(
    kafka: str, topics: Topics, worker: Worker
) -> None:
    """A complaint on the topic comes out as two triggers, a decision and a profile, keyed alike."""
    publish(
        kafka,
        topics.touchpoints,
        [(b"ann", touchpoint("1", "complaint.opened", "ann", correlationid="chat-7"), [])],
        PARTITIONS,
    )
    wait_for(lambda: worker.metric("cx_events_applied_total") == 1, "one touchpoint", worker)

    triggers = read_all(kafka, *topics.triggers)
    decisions = read_all(kafka, topics.decisions)
    stored = read_profiles(kafka, topics)

    assert {topics.trigger("recovery-offer"), topics.trigger("suppression")} == {r.topic for r in triggers}
    assert {b"ann"} == {r.key for r in (*triggers, *decisions, *stored)}
    assert {partition_of(b"ann", PARTITIONS)} == {r.partition for r in (*triggers, *decisions, *stored)}
    assert {(("content-type", CONTENT_TYPE),)} == {r.headers for r in (*triggers, *decisions)}
    assert len(decisions) == 1
    assert b'"causationid":"1"' in decisions[0].value
    assert profiles.decode(stored[0].value).customer == "ann"


def test_a_standby_holds_what_the_others_have(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """With `--standby` each of two workers has all profiles; the one that is left has read them already."""
    pair = [Worker(kafka, topics, tmp_path / str(n), "--clock", "event", "--standby") for n in range(2)]
    try:
        for one in pair:
            one.start()
        for one in pair:
            one.wait_ready()
        records: list[Sent] = [
            (b"c%d" % n, touchpoint(str(n), "page.viewed", f"c{n}"), []) for n in range(100)
        ]
        publish(kafka, topics.touchpoints, records, PARTITIONS)
        wait_for(lambda: [one.metric("cx_profiles") for one in pair] == [100, 100], "both to have all", *pair)
        read_before = pair[1].metric("cx_state_recovered_records_total")
        assert pair[0].stop() == 0
        wait_for(lambda: pair[1].metric("cx_partitions_assigned") == PARTITIONS, "a take-over", pair[1])

        assert read_before > 0
        assert pair[1].metric("cx_state_recovered_records_total") == read_before
    finally:
        for one in pair:
            if one.process.poll() is None:
                one.kill()


BAD: list[tuple[str, bytes | None]] = [
    ("json-invalid", b"not json"),
    ("json-invalid", b""),
    ("shape-invalid", b"[1,2]"),
    ("shape-invalid", b"{}"),
    ("id-missing", b'{"specversion":"1.0","source":"/t","type":"order.placed","subject":"ann"}'),
    ("customer-missing", b'{"specversion":"1.0","id":"1","source":"/t","type":"order.placed"}'),
    ("type-missing", b'{"specversion":"1.0","id":"1","source":"/t","subject":"ann"}'),
    ("time-future", touchpoint("2", "order.placed", "ann", time="2099-01-01T00:00:00Z")),
    ("time-invalid", touchpoint("3", "order.placed", "ann", time="yesterday")),
    ("time-invalid", touchpoint("4", "order.placed", "ann", time="2026-03-14T09:30:00")),
    ("payload-too-large", touchpoint("5", "order.placed", "ann", '{"note":"' + "x" * MAX_BYTES + '"}')),
    ("nesting-too-deep", touchpoint("6", "order.placed", "ann", '{"a":' * 10_000 + "1" + "}" * 10_000)),
    ("json-invalid", touchpoint("7", "order.placed", "ann", '{"amount":NaN}')),
    ("amount-invalid", touchpoint("8", "order.placed", "ann", '{"amount":1e999}')),
    ("text-invalid", touchpoint("9", "order.placed", "ann", '{"note":"\\ud800"}')),
    ("text-invalid", touchpoint("10", "order.placed", "ann").replace(b"order", b"\xed\xa0\x80")),
    ("data-invalid", touchpoint("11", "booking.confirmed", "ann", '{"booking":7}')),
    ("value-null", None),
]


def test_every_bad_record_is_kept_with_its_reason_and_the_rest_goes_on(
    kafka: str, topics: Topics, worker: Worker
) -> None:
    """Each kind of bad record stands on the dead-letter topic as it came; the good ones are applied."""
    good: list[Sent] = [(b"ann", touchpoint(f"good-{n}", "page.viewed", "ann"), []) for n in range(3)]
    bad: list[Sent] = [(b"ann", value, [("app", b"test")]) for _, value in BAD]
    publish(kafka, topics.touchpoints, [good[0], *bad, *good[1:]], PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") == 3, "the good ones", worker)

    letters = read_all(kafka, topics.dead_letters)

    assert [value for _, value in BAD] == [letter.value for letter in letters]
    assert {b"ann"} == {letter.key for letter in letters}
    headers = [dict(letter.headers) for letter in letters]
    assert [code.encode() for code, _ in BAD] == [each["cx-error-code"] for each in headers]
    assert {b"test"} == {each["app"] for each in headers}
    assert {topics.touchpoints.encode()} == {each["kafka_dlt-original-topic"] for each in headers}
    assert [n.to_bytes(8, "big") for n in range(1, len(BAD) + 1)] == [
        each["kafka_dlt-original-offset"] for each in headers
    ]
    assert len(BAD) == worker.metric("cx_events_rejected_total")


def test_a_record_under_another_key_is_published_once_more_under_the_right_one(
    kafka: str, topics: Topics, worker: Worker
) -> None:
    """A missing or wrong key never gives a profile a second writer."""
    records: list[Sent] = [
        (None, touchpoint("1", "page.viewed", "ann"), []),
        (b"someone else", touchpoint("2", "page.viewed", "ann"), []),
        (b"ann", touchpoint("3", "page.viewed", "ann"), []),
    ]
    publish(kafka, topics.touchpoints, records, PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") == 3, "all three", worker)
    # What is published once more may be applied before the partition that it came from has committed.
    wait_for(lambda: worker.metric("cx_events_rekeyed_total") == 2, "both to be counted", worker)

    stored = read_profiles(kafka, topics)

    assert {partition_of(b"ann", PARTITIONS)} == {record.partition for record in stored}
    assert profiles.decode(stored[-1].value).touchpoints == 3


def test_the_same_touchpoint_twice_counts_once(kafka: str, topics: Topics, worker: Worker) -> None:
    """A repeated (source, id) is skipped and counted."""
    same: Sent = (b"ann", touchpoint("1", "complaint.opened", "ann"), [])
    publish(kafka, topics.touchpoints, [same, same], PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_duplicate_total") == 1, "the duplicate", worker)

    assert len(read_all(kafka, *topics.triggers)) == 2
    assert worker.metric("cx_events_applied_total") == 1


def test_a_worker_told_to_stop_leaves_nothing_to_be_replayed(
    kafka: str, topics: Topics, worker: Worker, tmp_path: Path
) -> None:
    """After SIGTERM, exit code 0; the next worker starts where this one ended."""
    records: list[Sent] = [(b"c%d" % n, touchpoint(str(n), "page.viewed", f"c{n}"), []) for n in range(500)]
    publish(kafka, topics.touchpoints, records, PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") == 500, "all", worker)

    assert worker.stop() == 0
    follower = Worker(kafka, topics, tmp_path / "next", "--clock", "event").start().wait_ready()
    try:
        publish(kafka, topics.touchpoints, [(b"ann", touchpoint("x", "page.viewed", "ann"), [])], PARTITIONS)
        wait_for(lambda: follower.metric("cx_events_applied_total") == 1, "one more", follower)
        assert follower.metric("cx_events_replayed_total") == 0
        assert follower.metric("cx_profiles") == 501
    finally:
        follower.stop()


def test_what_was_there_before_the_first_worker_is_taken(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Touchpoints that wait for a group which has committed nothing are all applied, however it starts."""
    publish(kafka, topics.profiles, [(b"bob", profiles.encode(profiles.new_profile("bob")), [])], PARTITIONS)
    records: list[Sent] = [(b"c%d" % n, touchpoint(str(n), "page.viewed", f"c{n}"), []) for n in range(40)]
    publish(kafka, topics.touchpoints, records, PARTITIONS)
    for n in range(3):
        # Each a group of its own: what the one before has applied is replayed to it.
        first = Worker(
            kafka, topics, tmp_path / str(n), "--clock", "event", "--group", f"{topics.prefix}-{n}"
        )
        first.start().wait_ready()
        try:
            wait_for(
                lambda worker=first: worker.metric("cx_events_consumed_total") >= 40,
                "all that was there",
                first,
                seconds=15,
            )
        finally:
            first.stop()


def test_partitions_are_shared_out_by_who_knows_how_many_there_are(worker: Worker) -> None:
    """The assignor that a worker really uses is dangol's, which says so, however often it joins."""
    shared = [json.loads(line) for line in worker.log().splitlines() if "shared out" in line]

    assert {(each["partitions"], each["members"]) for each in shared} == {(PARTITIONS, 1)}


def test_offsets_keep_up_with_what_is_done(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """What was applied is committed within seconds, however many runs it took: a crash replays little."""
    count = 20_000
    running = Worker(kafka, topics, tmp_path, "--clock", "event", "--batch", "20").start().wait_ready()
    try:
        records: list[Sent] = [
            (b"c%d" % (n % 500), touchpoint(str(n), "page.viewed", f"c{n % 500}"), []) for n in range(count)
        ]
        publish(kafka, topics.touchpoints, records, PARTITIONS)
        wait_for(lambda: running.metric("cx_events_applied_total") == count, "all", running)
        group = f"{topics.prefix}-group"
        wait_for(lambda: committed(kafka, group) == count, "the offsets", running, seconds=15)
    finally:
        running.stop()


@pytest.mark.parametrize("store", ["memory", "rocksdict"])
def test_profiles_are_recovered_from_the_changelog(
    kafka: str, topics: Topics, tmp_path: Path, store: str
) -> None:
    """A killed worker's customers are known to the next one, whichever store it keeps them in."""
    first = Worker(kafka, topics, tmp_path, "--clock", "event", "--store", store).start().wait_ready()
    publish(kafka, topics.touchpoints, [(b"ann", touchpoint("1", "page.viewed", "ann"), [])], PARTITIONS)
    wait_for(lambda: first.metric("cx_events_applied_total") == 1, "the first", first)
    first.kill()

    second = Worker(kafka, topics, tmp_path, "--clock", "event", "--store", store).start().wait_ready()
    try:
        publish(kafka, topics.touchpoints, [(b"ann", touchpoint("2", "page.viewed", "ann"), [])], PARTITIONS)
        wait_for(lambda: second.metric("cx_events_applied_total") == 1, "the second", second)
    finally:
        second.stop()

    assert profiles.decode(read_profiles(kafka, topics)[-1].value).touchpoints == 2
