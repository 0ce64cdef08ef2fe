"""Dead letters on Apache Kafka: listed, shown, published once more, and applied once."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from agents import dead_letters, past, publisher
from agents.cli import main
from agents.partitioner import partition_of
from agents.topics import create
from deploy.embedded import EmbeddedBroker
from deploy.kafka import KafkaServer
from schemas import profile as profiles
from schemas.deadletter import Origin, headers_of
from schemas.errors import BrokerError
from schemas.topics import Topics
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS

ANN = partition_of(b"ann", PARTITIONS)
EVE = partition_of(b"eve", PARTITIONS)


def touchpoint(id_: str, customer: str = "ann", data: str = "{}", type_: str = "page.viewed") -> bytes:
    """A touchpoint as CloudEvents structured JSON."""
    return (
        f'{{"specversion":"1.0","id":"{id_}","source":"/test","type":"{type_}","subject":"{customer}",'
        f'"time":"2026-03-14T09:30:00Z","data":{data}}}'
    ).encode()


def letter(
    topics: Topics, offset: int, value: bytes | None, *own: tuple[str, bytes], key: bytes = b"ann"
) -> Sent:
    """A dead letter such as a fault in the engine leaves behind."""
    origin = Origin(topics.touchpoints, 1, offset, 1_773_480_600_000, "dangol")
    return key, value, headers_of(own, origin, "engine-error", "KeyError", "step")


def dlq(bootstrap: str, topics: Topics, command: str, *args: str) -> Result:
    """What `dangol dlq` prints on these topics."""
    fixed = ["dlq", command, "--bootstrap", bootstrap, "--prefix", topics.prefix]
    return CliRunner().invoke(main, [*fixed, *args])


def listed(bootstrap: str, topics: Topics, *args: str) -> Any:
    """What `dangol dlq list` says to a machine."""
    result = dlq(bootstrap, topics, "list", "--json", *args)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def replayed(bootstrap: str, topics: Topics, *args: str) -> Any:
    """What `dangol dlq replay` says to a machine, but for how long it took."""
    result = dlq(bootstrap, topics, "replay", "--json", *args)
    assert result.exit_code == 0, result.stderr
    counts = json.loads(result.stdout)
    del counts["seconds"]
    return counts


@pytest.fixture
def worker(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[Worker]:
    """A worker on the event clock, ready."""
    running = Worker(kafka, topics, tmp_path, "--clock", "event").start().wait_ready()
    yield running
    if running.process.poll() is None:
        running.kill()


def test_what_a_worker_puts_aside_is_listed_by_reason(kafka: str, topics: Topics, worker: Worker) -> None:
    """Counts come first, then a line each with place, reason and origin, but no payload and no customer."""
    bad: list[Sent] = [
        (b"ann", b"not json", []),
        (b"ann", touchpoint("1"), []),
        (b"ann", touchpoint("2", data='{"booking":"secret-7"}', type_="booking.confirmed"), []),
        (b"ann", b"nor this", []),
    ]
    publish(kafka, topics.touchpoints, bad, PARTITIONS)
    wait_for(lambda: len(read_all(kafka, topics.dead_letters)) == 3, "three dead letters", worker)

    result = dlq(kafka, topics, "list")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        f"3 dead letters on {topics.dead_letters}",
        "        2  json-invalid",
        "        1  data-invalid",
        "",
    ]
    assert [line.split()[0] for line in lines[4:]] == ["LETTER", f"{ANN}:0", f"{ANN}:1", f"{ANN}:2"]
    assert [line.split()[3:5] for line in lines[5:]] == [
        ["json-invalid", f"{ANN}:0"],
        ["data-invalid", f"{ANN}:2"],
        ["json-invalid", f"{ANN}:3"],
    ]
    assert [word for word in ("ann", "not json", "secret") if word in result.stdout] == []
    assert [one["key"] for one in listed(kafka, topics, "--keys")["letters"]] == ["ann"] * 3


def test_a_letter_is_applied_once_however_often_it_is_replayed(
    kafka: str, topics: Topics, worker: Worker
) -> None:
    """The second time its source and id are known: it is counted as a duplicate and changes nothing."""
    publish(kafka, topics.dead_letters, [letter(topics, 7, touchpoint("1"), ("app", b"\xff"))], PARTITIONS)

    assert replayed(kafka, topics, "--all") == {
        "dry_run": False,
        "replayed": 1,
        "superseded": 0,
        "refused": {},
    }
    wait_for(lambda: worker.metric("cx_events_applied_total") == 1, "the letter", worker)
    assert replayed(kafka, topics, f"{ANN}:0")["replayed"] == 1
    wait_for(lambda: worker.metric("cx_events_duplicate_total") == 1, "it again", worker)

    assert worker.metric("cx_events_applied_total") == 1
    assert profiles.decode(read_profiles(kafka, topics)[-1].value).touchpoints == 1
    records = read_all(kafka, topics.touchpoints)
    assert [(record.partition, record.key, record.value) for record in records] == [
        (ANN, b"ann", touchpoint("1"))
    ] * 2
    assert {record.headers for record in records} == {
        (
            ("app", b"\xff"),
            ("cx-first-timestamp", (1_773_480_600_000).to_bytes(8, "big")),
            ("cx-replayed", f"{topics.dead_letters}-{ANN}@0".encode()),
            ("cx-attempts", b"1"),
        )
    }


def test_who_dies_again_counts_its_attempts_and_is_replayed_once_a_time(
    kafka: str, topics: Topics, worker: Worker
) -> None:
    """After five replays there are six letters of one record, and none is replayed without being told to."""
    publish(kafka, topics.touchpoints, [(b"ann", b"not json", [("app", b"x")])], PARTITIONS)
    for attempt in range(1, 6):
        wait_for(lambda: len(read_all(kafka, topics.dead_letters)) == attempt, f"death {attempt}", worker)  # noqa: B023
        assert replayed(kafka, topics, "--reason", "json-invalid") == {
            "dry_run": False,
            "replayed": 1,
            "superseded": attempt - 1,
            "refused": {},
        }
    wait_for(lambda: worker.metric("cx_dlq_messages_total") == 6, "the last death", worker)

    last = read_all(kafka, topics.dead_letters)[-1]
    result = dlq(kafka, topics, "replay", "--all")

    assert (result.exit_code, result.stdout.split(" in ")[0]) == (2, "replayed 0 dead letters")
    assert result.stderr.splitlines() == [
        f"{ANN}:{last.offset}: attempts: it was replayed 5 times and died each time; --force tries again",
        "dangol: 1 letters can't be replayed (1 attempts); the others were replayed",
    ]
    assert [one["attempts"] for one in listed(kafka, topics)["letters"]] == [0, 1, 2, 3, 4, 5]
    assert [name for name, _ in last.headers] == [
        "app",
        "cx-first-timestamp",
        "cx-replayed",
        "cx-attempts",
        "kafka_dlt-original-topic",
        "kafka_dlt-original-partition",
        "kafka_dlt-original-offset",
        "kafka_dlt-original-timestamp",
        "kafka_dlt-original-consumer-group",
        "kafka_dlt-exception-message",
        "cx-error-code",
        "cx-error-stage",
    ]
    assert replayed(kafka, topics, f"{ANN}:{last.offset}", "--force", "--dry-run")["replayed"] == 1


def test_what_is_none_of_ours_is_listed_as_unknown_and_stays(kafka: str, topics: Topics) -> None:
    """Foreign records and broken headers stop neither the list nor the letters beside them."""
    whole = letter(topics, 1, touchpoint("1"))
    broken: Sent = (b"ann", b"x", [*whole[2], ("kafka_dlt-original-offset", b"\x01")])
    cut: Sent = (b"ann", b"x", [*whole[2], ("cx-original-bytes", b"2000000")])
    nothing: Any = (b"ann", b"x", [("app", None)])
    publish(kafka, topics.dead_letters, [nothing, broken, whole, cut], PARTITIONS)

    assert listed(kafka, topics)["reasons"] == {"engine-error": 2, "unknown": 2}
    dry = dlq(kafka, topics, "replay", "--all", "--dry-run")
    result = dlq(kafka, topics, "replay", "--all")

    assert dry.stdout.splitlines()[0].split()[0] == f"{ANN}:2"
    assert dry.stdout.splitlines()[1].startswith("would replay 1 dead letters in ")
    assert (result.exit_code, result.stdout.split(" in ")[0]) == (2, "replayed 1 dead letters")
    assert result.stderr.splitlines() == [
        f"{ANN}:0: unknown: it does not carry the headers of a dead letter",
        f"{ANN}:1: unknown: it does not carry the headers of a dead letter",
        f"{ANN}:3: shortened: part of it was cut when it was put here, as it was too large",
        "dangol: 3 letters can't be replayed (1 shortened, 2 unknown); the others were replayed",
    ]
    assert [record.value for record in read_all(kafka, topics.touchpoints)] == [touchpoint("1")]


def test_a_letter_goes_where_its_key_belongs(kafka: str, topics: Topics) -> None:
    """By its key wherever it died; without one to where it was read, in the order of old."""
    without: list[Sent] = [(None, b"%d" % n, letter(topics, n, b"")[2]) for n in range(3)]
    records = [
        letter(topics, 8, None),
        letter(topics, 9, touchpoint("2", "eve"), ("app", b"1"), ("app", b"2"), key=b"eve"),
        *without,
    ]
    publish(kafka, topics.dead_letters, records, PARTITIONS)

    assert replayed(kafka, topics, "--all")["replayed"] == 5

    arrived = read_all(kafka, topics.touchpoints)
    assert {(one.partition, one.key, one.value) for one in arrived if one.key} == {
        (ANN, b"ann", None),
        (EVE, b"eve", touchpoint("2", "eve")),
    }
    assert [(one.partition, one.value) for one in arrived if one.key is None] == [
        (1, b"0"),
        (1, b"1"),
        (1, b"2"),
    ]
    (eves,) = (one for one in arrived if one.key == b"eve")
    assert eves.headers[:2] == (("app", b"1"), ("app", b"2"))


def test_more_than_one_batch_arrives_in_order(kafka: str, topics: Topics) -> None:
    """What fills several batches arrives whole and in order."""
    count = 2 * publisher.BATCH_BYTES // len(touchpoint("0"))
    sent = [letter(topics, n, touchpoint(str(n))) for n in range(count)]
    publish(kafka, topics.dead_letters, sent, PARTITIONS)

    assert replayed(kafka, topics, "--reason", "engine-error")["replayed"] == count

    arrived = read_all(kafka, topics.touchpoints)
    assert [record.value for record in arrived] == [value for _, value, _ in sent]
    assert len(listed(kafka, topics)["letters"]) == 100
    newest = [one["original_offset"] for one in listed(kafka, topics, "--max", "3")["letters"]]
    assert newest == [count - 3, count - 2, count - 1]


def test_reason_and_time_choose(kafka: str, topics: Topics) -> None:
    """`--reason` and `--since` leave out the others, when listing and when replaying."""
    invalid = headers_of([], Origin(topics.touchpoints, 0, 1, 0, "g"), "json-invalid", "no", "decode")
    publish(
        kafka, topics.dead_letters, [letter(topics, 1, touchpoint("1")), (b"eve", b"{", invalid)], PARTITIONS
    )

    assert listed(kafka, topics, "--reason", "json-invalid")["reasons"] == {"json-invalid": 1}
    assert listed(kafka, topics, "--since", "2026-03-14T00:00:00Z")["reasons"] == {
        "engine-error": 1,
        "json-invalid": 1,
    }
    assert listed(kafka, topics, "--since", "2099-03-14T00:00:00+09:00")["reasons"] == {}
    assert listed(kafka, topics, "--since", "1960-01-01T00:00:00Z", "--max", "0")["letters"] == []
    assert replayed(kafka, topics, "--since", "2099-01-01T00:00:00Z")["replayed"] == 0
    assert replayed(kafka, topics, "--reason", "json-invalid")["replayed"] == 1
    assert [record.value for record in read_all(kafka, topics.touchpoints)] == [b"{"]


def test_show_tells_a_letter_whole(kafka: str, topics: Topics) -> None:
    """For people, as JSON, and its bytes untouched."""
    value = b"\xff\x00\r\n\x1b[2J"
    publish(kafka, topics.dead_letters, [letter(topics, 7, b"{}"), letter(topics, 9, value)], PARTITIONS)

    shown = dlq(kafka, topics, "show", f"{ANN}:1")
    told = json.loads(dlq(kafka, topics, "show", f"{ANN}:1", "--json").stdout)

    assert shown.exit_code == 0
    assert f"came from  {topics.touchpoints} 1:9, 2026-03-14 09:30:00, given up by dangol\n" in shown.stdout
    assert shown.stdout.endswith(f"\n00000000  {'ff 00 0d 0a 1b 5b 32 4a':<48} .....[2J\n")
    assert (told["partition"], told["offset"], told["key"]) == (ANN, 1, "ann")
    assert told["headers"]["kafka_dlt-original-offset"] == 9
    assert dlq(kafka, topics, "show", f"{ANN}:1", "--raw").stdout_bytes == value


def test_a_place_where_nothing_stands_is_one_line(kafka: str, topics: Topics) -> None:
    """A wrong partition or offset says what there is, exits with 2, and nothing is published before."""
    publish(kafka, topics.dead_letters, [letter(topics, 7, touchpoint("1"))], PARTITIONS)
    topic = topics.dead_letters

    beyond = dlq(kafka, topics, "show", f"{ANN}:1")
    empty = dlq(kafka, topics, "show", f"{EVE}:0")
    nowhere = dlq(kafka, topics, "replay", f"{ANN}:0", "99:0")

    assert [each.exit_code for each in (beyond, empty, nowhere)] == [2, 2, 2]
    assert beyond.stderr == (
        f"dangol: partition {ANN} of {topic} holds offsets 0 to 0, so there is no letter {ANN}:1\n"
    )
    assert (
        empty.stderr == f"dangol: partition {EVE} of {topic} holds nothing, so there is no letter {EVE}:0\n"
    )
    assert nowhere.stderr == f"dangol: {topic} has partitions 0 to 3, so there is no letter 99:0\n"
    assert read_all(kafka, topics.touchpoints) == []


def test_the_mark_of_a_transaction_is_no_letter(kafka: str, topics: Topics) -> None:
    """Marks take offsets but are no records: the list ends behind one, and none can be shown."""

    async def transaction() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=topics.prefix)
        async with producer, producer.transaction():
            await producer.send_and_wait(topics.dead_letters, b"x", partition=ANN)

    asyncio.run(transaction())
    wait_for(lambda: len(read_all(kafka, topics.dead_letters)) == 1, "the mark")

    assert listed(kafka, topics)["reasons"] == {"unknown": 1}
    assert dlq(kafka, topics, "show", f"{ANN}:1").stderr == (
        f"dangol: {topics.dead_letters} holds no record at {ANN}:1, only a mark of a transaction\n"
    )


def test_a_topic_that_takes_no_letter_is_one_line(kafka: str) -> None:
    """Where the broker refuses a record for good, it says so, and the exit code is 4."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")

    async def narrow() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        limit = {"max.message.bytes": "400"}
        await admin.create_topics([NewTopic(topics.touchpoints, PARTITIONS, 1, topic_configs=limit)])
        await admin.close()

    asyncio.run(narrow())
    asyncio.run(create(kafka, topics, PARTITIONS))
    publish(kafka, topics.dead_letters, [letter(topics, 7, b"x" * 500)], PARTITIONS)

    result = dlq(kafka, topics, "replay", "--all")

    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == (
        f"dangol: the broker at {kafka} refuses records for {topics.touchpoints}: "
        "[Error 10] MessageSizeTooLargeError; it had acknowledged 0 records\n"
    )


def test_no_topic_and_no_broker_are_one_line(kafka: str) -> None:
    """Where the topics are missing the exit code is 4, where no broker answers it is 3."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        results = [
            dlq(bootstrap, Topics("nowhere.cx"), *command)
            for bootstrap in (kafka, nobody)
            for command in (("list",), ("show", "0:0"), ("replay", "--all"), ("replay", "0:0"))
        ]

    assert [result.exit_code for result in results] == [4, 4, 4, 4, 3, 3, 3, 3]
    assert {(result.stdout, result.stderr.count("\n")) for result in results} == {("", 1)}
    assert "run `dangol topics create --prefix nowhere.cx`" in results[0].stderr


def test_the_embedded_broker_has_them_too(embedded: EmbeddedBroker) -> None:
    """All commands work on it, and what its producers lack spoils no JSON."""
    topics = Topics()
    asyncio.run(create(embedded.bootstrap, topics, PARTITIONS))
    publish(embedded.bootstrap, topics.dead_letters, [letter(topics, 7, touchpoint("1"))], PARTITIONS)

    assert listed(embedded.bootstrap, topics)["reasons"] == {"engine-error": 1}
    assert listed(embedded.bootstrap, topics, "--since", "2099-01-01T00:00:00Z")["reasons"] == {}
    assert dlq(embedded.bootstrap, topics, "show", f"{ANN}:0", "--raw").stdout_bytes == touchpoint("1")
    assert replayed(embedded.bootstrap, topics, "--all")["replayed"] == 1
    assert [record.value for record in read_all(embedded.bootstrap, topics.touchpoints)] == [touchpoint("1")]


@pytest.mark.parametrize("reading", [True, False], ids=["reading", "replaying"])
def test_a_broker_that_goes_in_the_middle_is_told(
    kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch, reading: bool
) -> None:
    """Who reads or replays while the broker dies gets an error and doesn't wait for ever."""
    for module in (past, publisher):
        monkeypatch.setattr(module, "STALL_SECONDS", 3.0)
    bootstrap, topics = kafka_server.bootstrap, Topics()
    asyncio.run(create(bootstrap, topics, PARTITIONS))
    publish(bootstrap, topics.dead_letters, [letter(topics, 7, touchpoint("1"))], PARTITIONS)

    async def read() -> None:
        async with dead_letters.DeadLetters(bootstrap, topics) as dead:
            span = await dead.span()
            kafka_server.kill()
            async for _ in dead.letters(span):
                pass

    async def replay() -> None:
        async with dead_letters.DeadLetters(bootstrap, topics) as dead:
            one = await dead.at(dead_letters.Address(ANN, 0))
        async with publisher.Publisher(bootstrap, topics) as sending:
            await dead_letters.publish_again(one, topics, sending)
            await sending.flush()
            kafka_server.kill()
            await dead_letters.publish_again(one, topics, sending)

    had = "" if reading else "; it had acknowledged 1 records"
    with pytest.raises(BrokerError, match=rf"^the broker at .*{had}$"):
        asyncio.run(read() if reading else replay())
