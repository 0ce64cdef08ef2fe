"""Playbooks on Apache Kafka: applied while workers run, refused, and what was decided before a crash."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from click.testing import CliRunner, Result

from agents import shelf
from agents.cli import main
from schemas import pin
from schemas import profile as profiles
from schemas.decision import DecisionEvent
from schemas.edition import KEPT
from schemas.playbook import load
from schemas.topics import Topics
from stream.engine import DEFAULT_PLAYBOOK, load_engine
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS

SHIPPED = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
HOTEL = load_engine().playbook_version

CUSTOMERS = 1_200
"""Customers who complain while the playbook changes: for some seconds, a hundred at a time."""


def named(name: str) -> tuple[str, bytes]:
    """The hotel's playbook under another name: its version and text."""
    text = SHIPPED.replace("playbook: hotel", f"playbook: {name}")
    return load(text, name).version, text.encode()


WINTER, SPRING = named("winter"), named("spring")


def complaint(customer: str, id_: str = "1") -> Sent:
    """Someone complains, now: that is decided on in any playbook."""
    told = {
        "specversion": "1.0",
        "id": f"{customer}-{id_}",
        "source": "/desk",
        "type": "complaint.opened",
        "subject": customer,
        "time": datetime.now(UTC).isoformat(),
        "data": {"issue": f"i-{id_}"},
    }
    return customer.encode(), msgspec.json.encode(told), []


def apply(kafka: str, topics: Topics, playbook: tuple[str, bytes]) -> shelf.Applied:
    """Put a playbook in force."""
    version, text = playbook
    return asyncio.run(shelf.apply(kafka, topics, text, version))


def write(kafka: str, topic: str, *records: tuple[bytes, bytes | None]) -> None:
    """Write to the playbooks' topic what is not checked, as another program might."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        try:
            for key, value in records:
                await producer.send_and_wait(topic, value, key=key, partition=0)
        finally:
            await producer.stop()

    asyncio.run(send())


def decisions(kafka: str, topics: Topics) -> list[DecisionEvent]:
    """All decisions, in order within each partition."""
    return [
        msgspec.json.decode(record.value, type=DecisionEvent) for record in read_all(kafka, topics.decisions)
    ]


def triggers(kafka: str, topics: Topics) -> list[tuple[bytes, bytes]]:
    """Customer and bytes of all triggers."""
    return [(record.key, record.value) for record in read_all(kafka, *map(topics.trigger, topics.families))]


def in_force(worker: Worker) -> list[str]:
    """The playbooks that a worker's metrics name."""
    page = worker._get("/metrics") or ""
    return [line.split('"')[1] for line in page.splitlines() if line.startswith("cx_playbook_info{")]


def logged(worker: Worker, event: str) -> list[dict[str, Any]]:
    """The lines of a worker's log that tell of something."""
    lines = (line for line in worker.log().splitlines() if line.startswith("{"))
    return [line for line in map(json.loads, lines) if line["event"] == event]


@pytest.fixture
def pair(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[list[Worker]]:
    """Two workers of one group, ready."""
    workers = [Worker(kafka, topics, tmp_path / name) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.wait_ready()
    wait_for(lambda: all(w.metric("cx_partitions_assigned") == 2 for w in workers), "two each", *workers)
    yield workers
    for worker in workers:
        if worker.running:
            worker.kill()


def test_a_playbook_is_swapped_under_load(kafka: str, topics: Topics, pair: list[Worker]) -> None:
    """No touchpoint is lost, each decision names one playbook, none is restarted, and all switch."""
    processes = [worker.process.pid for worker in pair]
    published = [f"c{number}" for number in range(CUSTOMERS)]
    half = threading.Event()

    def steadily() -> None:
        for start in range(0, CUSTOMERS, 100):
            publish(kafka, topics.touchpoints, map(complaint, published[start : start + 100]), PARTITIONS)
            time.sleep(0.2)
            if start >= CUSTOMERS // 3:
                half.set()

    publisher = threading.Thread(target=steadily)
    publisher.start()
    half.wait(60)
    applied = apply(kafka, topics, WINTER)
    publisher.join()
    wait_for(lambda: all(in_force(worker) == [WINTER[0]] for worker in pair), "both to switch", *pair)
    publish(kafka, topics.touchpoints, [complaint(f"late{n}") for n in range(40)], PARTITIONS)
    done = CUSTOMERS + 40
    wait_for(lambda: sum(w.metric("cx_events_applied_total") for w in pair) == done, "all of them", *pair)

    decided = decisions(kafka, topics)
    by_customer = {event.subject: event.data.playbook for event in decided}
    assert applied.before is None
    assert len(decided) == done
    assert set(by_customer) == {*published, *(f"late{n}" for n in range(40))}
    assert set(by_customer.values()) == {HOTEL, WINTER[0]}
    assert {by_customer[f"late{n}"] for n in range(40)} == {WINTER[0]}
    for partition in range(PARTITIONS):
        # Once another decides, the one before never does again.
        versions = [
            msgspec.json.decode(record.value, type=DecisionEvent).data.playbook
            for record in read_all(kafka, topics.decisions)
            if record.partition == partition
        ]
        assert versions == sorted(versions, key=[HOTEL, WINTER[0]].index)
    assert len(read_profiles(kafka, topics)) == done
    assert [worker.process.pid for worker in pair if worker.running] == processes
    assert [len(logged(worker, "starting")) for worker in pair] == [1, 1]


def test_a_bad_playbook_is_refused_and_the_one_before_goes_on(
    kafka: str, topics: Topics, pair: list[Worker], tmp_path: Path
) -> None:
    """On all workers, in one line and one count; a worker that starts then has the one before, too."""
    apply(kafka, topics, WINTER)
    wait_for(lambda: all(in_force(worker) == [WINTER[0]] for worker in pair), "both to switch", *pair)
    write(kafka, topics.playbooks, (b"bad@1", b"playbook: hotel\nplays: 3\n"), (b"current", b"bad@1"))
    wait_for(lambda: all(w.metric("cx_playbook_refused_total") == 1 for w in pair), "refusals", *pair)
    publish(kafka, topics.touchpoints, [complaint(f"c{n}") for n in range(40)], PARTITIONS)
    wait_for(lambda: sum(w.metric("cx_events_applied_total") for w in pair) == 40, "all of them", *pair)

    assert {event.data.playbook for event in decisions(kafka, topics)} == {WINTER[0]}
    for worker in pair:
        (line,) = logged(worker, "a playbook was refused, the one before goes on")
        assert line["in_force"] == WINTER[0]
        assert line["reason"].startswith(f"{topics.playbooks} bad@1")

    pair[0].kill()
    anew = Worker(kafka, topics, tmp_path / "three").start().wait_ready()
    try:
        assert in_force(anew) == [WINTER[0]]
        apply(kafka, topics, SPRING)
        wait_for(lambda: in_force(anew) == in_force(pair[1]) == [SPRING[0]], "the mended one", anew, pair[1])
    finally:
        anew.kill()


def configure(kafka: str, topics: Topics, largest: int) -> None:
    """Have the changelog take no record larger than this, in bytes: a hundred let no profile through."""
    (spec,) = [each for each in topics.specs if each.name == topics.profiles]
    wanted = spec.config | {"max.message.bytes": str(largest)}

    async def alter() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await client.start()
        try:
            resource = ConfigResource(ConfigResourceType.TOPIC, topics.profiles, wanted)
            await client.alter_configs([resource])
        finally:
            await client.close()

    asyncio.run(alter())


def test_what_a_crash_leaves_is_decided_by_what_decided_then(
    kafka: str, topics: Topics, tmp_path: Path
) -> None:
    """Triggers are out and profiles are not; then another playbook is applied, and another worker comes."""
    apply(kafka, topics, WINTER)
    first = Worker(kafka, topics, tmp_path / "first").start().wait_ready()
    publish(kafka, topics.touchpoints, [complaint(f"c{n}") for n in range(20)], PARTITIONS)
    wait_for(lambda: first.metric("cx_events_applied_total") == 20, "the first complaints", first)
    configure(kafka, topics, 100)
    try:
        publish(kafka, topics.touchpoints, [complaint(f"d{n}") for n in range(20)], PARTITIONS)
        wait_for(lambda: not first.running, "the worker to end over its changelog", first)
    finally:
        first.kill()
        configure(kafka, topics, 1_048_588)
    before = triggers(kafka, topics)
    left = 20 - sum(record.key[:1] == b"d" for record in read_profiles(kafka, topics))
    apply(kafka, topics, SPRING)
    second = Worker(kafka, topics, tmp_path / "second").start().wait_ready()
    try:
        wait_for(lambda: second.metric("cx_events_applied_total") == left, "what was left", second)
        publish(kafka, topics.touchpoints, [complaint(f"e{n}") for n in range(20)], PARTITIONS)
        wait_for(lambda: second.metric("cx_events_applied_total") == left + 20, "new ones", second)
        assert left > 0

        again = [(key, value) for key, value in triggers(kafka, topics) if key[:1] in b"cd"]
        assert len(again) > len(before)
        assert set(again) == set(before)
        found = decisions(kafka, topics)
        assert {event.data.playbook for event in found if event.subject[0] in "cd"} == {WINTER[0]}
        assert {event.data.playbook for event in found if event.subject[0] == "e"} == {SPRING[0]}
        assert len({event.id for event in found}) == len(found) == 60
        assert len(read_profiles(kafka, topics)) == 60
        kept = [record for record in read_all(kafka, topics.profiles) if record.key == pin.KEY]
        latest = {record.partition: pin.decode(record.value)[-1].playbook for record in kept}
        assert set(latest.values()) == {SPRING[0]}
    finally:
        second.kill()


def test_kills_while_playbooks_come_and_go_change_no_decision(
    kafka: str, topics: Topics, tmp_path: Path
) -> None:
    """What is repeated after a kill has the bytes that it had, whatever was applied meanwhile."""
    workers = [Worker(kafka, topics, tmp_path / name, "--batch", "50") for name in ("one", "two")]

    try:
        for worker in workers:
            worker.start()
        published = 0
        for turn, playbook in enumerate((WINTER, SPRING, WINTER)):
            for worker in workers:
                worker.wait_ready()
            version = apply(kafka, topics, playbook).version
            for number in range(5):
                batch = [complaint(f"t{turn}-{number}-{n}") for n in range(60)]
                published += publish(kafka, topics.touchpoints, batch, PARTITIONS)
                if number == 1:
                    wait_for(
                        lambda wanted=version: all(in_force(worker) == [wanted] for worker in workers),
                        "it to be in force",
                        *workers,
                    )
            workers[turn % 2].kill()
            workers[turn % 2].start()
        wait_for(
            lambda: len({r.key for r in read_profiles(kafka, topics)}) == published,
            "everyone's profile",
            *workers,
        )
        for worker in workers:
            worker.wait_ready()
        codes = [worker.stop() for worker in workers]
    finally:
        for worker in workers:
            if worker.running:
                worker.kill()

    records = read_all(kafka, topics.decisions)
    copies: dict[str, set[bytes]] = {}
    for record in records:
        event = msgspec.json.decode(record.value, type=DecisionEvent)
        copies.setdefault(event.id, set()).add(record.value)
    versions = {msgspec.json.decode(r.value, type=DecisionEvent).data.playbook for r in records}
    assert codes == [0, 0]
    assert len(copies) == len(records) == published
    sent: dict[str, set[bytes]] = {}
    for _, value in triggers(kafka, topics):
        sent.setdefault(msgspec.json.decode(value)["id"], set()).add(value)
    assert sent
    assert [each for each in sent.values() if len(each) > 1] == []
    assert versions >= {WINTER[0], SPRING[0]}
    assert sum(profiles.decode(r.value).touchpoints for r in read_profiles(kafka, topics)) == published


def test_a_file_that_was_named_is_not_replaced(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """A worker with --playbook does not follow the topic."""
    apply(kafka, topics, WINTER)
    worker = Worker(kafka, topics, tmp_path, "--playbook", str(DEFAULT_PLAYBOOK)).start().wait_ready()
    try:
        apply(kafka, topics, SPRING)
        publish(kafka, topics.touchpoints, [complaint("ann")], PARTITIONS)
        wait_for(lambda: worker.metric("cx_events_applied_total") == 1, "the complaint", worker)

        assert [event.data.playbook for event in decisions(kafka, topics)] == [HOTEL]
        assert in_force(worker) == [HOTEL]
    finally:
        worker.kill()


def run(kafka: str, topics: Topics, *arguments: str) -> Result:
    """A command about playbooks."""
    environment = {"DANGOL_BOOTSTRAP": kafka, "DANGOL_PREFIX": topics.prefix}
    return CliRunner().invoke(main, ["playbook", *arguments], env=environment)


def test_apply_and_show(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """What was applied is shown as it was written, comments and all; before that, what ships."""
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"# mine, with an \xc3\xa9\r\n" + WINTER[1])
    shipped = run(kafka, topics, "show")
    applied = run(kafka, topics, "apply", str(file))
    again = json.loads(run(kafka, topics, "apply", str(file), "--json").stdout)
    shown = run(kafka, topics, "show")
    listed = json.loads(run(kafka, topics, "show", "--list", "--json").stdout)

    assert (shipped.stdout, shipped.exit_code) == (SHIPPED, 0)
    assert applied.stdout == f"{WINTER[0]} is in force, no other was applied before\n"
    assert again == {"version": WINTER[0], "before": WINTER[0], "removed": [], "services_lost": {}}
    assert shown.stdout_bytes == file.read_bytes()
    assert shown.stderr.startswith(f"in force  {WINTER[0]}  ")
    assert [(each["version"], each["in_force"], each["program"]) for each in listed] == [
        (WINTER[0], True, shelf.PROGRAM)
    ]


def test_a_service_is_not_lost_by_accident(kafka: str, topics: Topics) -> None:
    """A shop's playbook in place of the hotel's is refused, and nothing is written, unless it is meant."""
    first = run(kafka, topics, "apply", "b2b")
    apply(kafka, topics, WINTER)
    refused = run(kafka, topics, "apply", "retail")
    kept = asyncio.run(shelf.fetch(kafka, topics)).current
    forced = run(kafka, topics, "apply", "retail", "--force", "--json")

    lost = "no room-key any more (key-at-the-door): nobody gets a key, and keys that are out are not revoked"
    assert first.exit_code == 0
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"dangol: retail is not applied: {WINTER[0]} decides now, and there would be {lost}; "
        "if that is meant, add --force\n"
    )
    assert kept == WINTER[0]
    assert (forced.exit_code, forced.stderr) == (0, f"dangol: warning: {lost}\n")
    assert json.loads(forced.stdout)["services_lost"] == {"room-key": ["key-at-the-door"]}


def test_versions_on_the_topic_are_compared(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """By their names, or as the one in force."""
    apply(kafka, topics, SPRING)
    apply(kafka, topics, WINTER)
    on = tmp_path / "day.jsonl"
    on.write_bytes(complaint("ann")[1] or b"")
    found = json.loads(run(kafka, topics, "diff", SPRING[0], "current", "--on", str(on), "--json").stdout)

    assert (found["old"], found["new"], found["changed"]) == (SPRING[0], WINTER[0], 0)


def test_the_latest_are_kept(kafka: str, topics: Topics) -> None:
    """Older ones are taken off the topic when one is applied, and told."""
    applied = [apply(kafka, topics, named(f"n{number}")) for number in range(KEPT + 2)]
    found = asyncio.run(shelf.fetch(kafka, topics))

    assert [len(each.removed) for each in applied] == [*[0] * KEPT, 1, 1]
    assert list(found.editions) == [named(f"n{number}")[0] for number in range(2, KEPT + 2)]
    assert found.current == named(f"n{KEPT + 1}")[0]


def test_doctor_says_whether_what_is_in_force_can_be_used(kafka: str, topics: Topics) -> None:
    """The version, or the mistake and what workers do about it."""
    apply(kafka, topics, WINTER)
    well = examined(kafka, topics)
    write(kafka, topics.playbooks, (b"bad@1", b"playbook: ["), (b"current", b"bad@1"))
    ill = examined(kafka, topics)

    assert well == ("ok", f"{WINTER[0]} is in force")
    assert ill[0] == "warning"
    assert ill[1].startswith(f"{topics.playbooks} bad@1:1:12: not YAML")


def examined(kafka: str, topics: Topics) -> tuple[str, str]:
    """What `dangol doctor` says of the playbook."""
    done = CliRunner().invoke(main, ["doctor", "--bootstrap", kafka, "--prefix", topics.prefix, "--json"])
    (check,) = [each for each in json.loads(done.stdout)["checks"] if each["check"] == "playbook"]
    return check["verdict"], check["message"]


def test_without_its_topic(kafka: str) -> None:
    """Exit code 4, the topic and the command that makes it."""
    missing = run(kafka, Topics(f"t{secrets.token_hex(4)}.cx"), "show")

    assert (missing.exit_code, missing.stdout) == (4, "")
    assert "run `dangol topics create" in missing.stderr
