"""Publish and tail on Apache Kafka: from a file to the topic, and from the topics to the terminal."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from click.testing import CliRunner, Result

from agents import publisher
from agents.cli import main
from agents.partitioner import partition_of
from agents.topics import create
from deploy.embedded import EmbeddedBroker
from schemas import deadletter, decision, profile, trigger
from schemas.errors import BrokerError
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from stream.engine import load_engine

ROOT = Path(__file__).parents[2]
CUSTOMERS = 50
EACH = 40


def line(customer: str, id_: str) -> bytes:
    """A touchpoint as a JSON line."""
    return (
        f'{{"specversion":"1.0","id":"{id_}","source":"/s","type":"page.viewed","subject":"{customer}",'
        f'"time":"2026-03-14T09:30:00Z"}}'
    ).encode()


def run(command: str, kafka: str, topics: Topics, *args: str | Path, stdin: bytes | None = None) -> Result:
    """What a command prints on these topics."""
    fixed = [command, "--bootstrap", kafka, "--prefix", topics.prefix]
    return CliRunner().invoke(main, [*fixed, *map(str, args)], input=stdin)


def records_of(kafka: str, topic: str) -> list[Any]:
    """All records of a topic, partition by partition, in order."""

    async def read() -> list[Any]:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            got: dict[TopicPartition, list[Any]] = {partition: [] for partition in ends}
            while any(len(got[partition]) < end for partition, end in ends.items()):
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    got[partition] += records
            return [record for partition in sorted(got) for record in got[partition]]
        finally:
            await consumer.stop()

    return asyncio.run(read())


def write(kafka: str, records: list[tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]]) -> None:
    """Put records (topic, key, value, headers) on their topics, one after the other."""

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
            for topic, key, value, headers in records:
                await producer.send_and_wait(topic, value, key=key, headers=headers)

    asyncio.run(send())


def test_lines_arrive_as_they_are_where_their_customer_is(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Every line is on its customer's partition once, byte for byte, keyed and in order."""
    sent = {
        f"c{number}": [line(f"c{number}", str(one)) for one in range(EACH)] for number in range(CUSTOMERS)
    }
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(sent[customer][one] for one in range(EACH) for customer in sent))

    result = run("publish", kafka, topics, path, "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["published"], told["refused"]) == (0, CUSTOMERS * EACH, {})
    records = records_of(kafka, topics.touchpoints)
    arrived: dict[str, list[bytes]] = {}
    for record in records:
        arrived.setdefault(record.key.decode(), []).append(record.value)
    assert arrived == sent
    assert {(record.key, record.partition) for record in records} == {
        (customer.encode(), partition_of(customer.encode(), 4)) for customer in sent
    }


def test_bad_lines_are_refused_and_the_rest_is_sent(kafka: str, topics: Topics) -> None:
    """A line that is no touchpoint is told by number, the others are published, and the exit code is 2."""
    result = run("publish", kafka, topics, "-", stdin=line("ann", "1") + b"\noops\n" + line("bob", "2"))

    assert result.exit_code == 2
    assert result.stdout.startswith("published 2 touchpoints in ")
    refused, last = result.stderr.splitlines()
    assert refused.startswith("line 2: json-invalid: ")
    assert last == "dangol: 1 lines of - were refused (1 json-invalid); the others are published"
    assert sorted(record.key for record in records_of(kafka, topics.touchpoints)) == [b"ann", b"bob"]


def test_raw_sends_whatever_it_is(kafka: str, topics: Topics) -> None:
    """To test dead letters, broken lines go out as well; what they call their subject is their key."""
    broken = b'{"specversion":"1.0","subject":"ann"}'

    result = run("publish", kafka, topics, "-", "--raw", stdin=b"oops\n" + broken + b"\n[1]\n")

    assert result.exit_code == 0
    got = sorted((record.key or b"", record.value) for record in records_of(kafka, topics.touchpoints))
    assert got == [(b"", b"[1]"), (b"", b"oops"), (b"ann", broken)]


def test_csv_gives_the_ids_that_replay_gives(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """A decision on a published row names the touchpoint that replay names, as both read files alike."""
    path = tmp_path / "in.csv"
    path.write_text("customer_id,time,type\nann,2026-03-14,complaint.opened\n")

    run("publish", kafka, topics, path)
    replayed = CliRunner().invoke(main, ["replay", str(path), "--json"])

    (record,) = records_of(kafka, topics.touchpoints)
    caused = {json.loads(one)["causationid"] for one in replayed.stdout.splitlines()}
    assert caused == {json.loads(record.value)["id"]}


@pytest.mark.parametrize("rate", ["500/s", "250.5"])
def test_a_rate_loses_nothing(kafka: str, topics: Topics, rate: str) -> None:
    """Paced, with and without its unit, everything is published as well."""
    lines = b"\n".join([line("a", "1")] * 50)

    result = run("publish", kafka, topics, "-", "--rate", rate, "--json", stdin=lines)

    assert json.loads(result.stdout)["published"] == 50


@pytest.mark.parametrize("rate", ["0", "fast", "-1/s", "5/m"])
def test_a_rate_that_is_none(rate: str) -> None:
    """What is no rate above zero is refused with how to write one."""
    result = CliRunner().invoke(main, ["publish", "-", f"--rate={rate}"])

    assert result.exit_code == 2
    assert f"'{rate}' is no rate; write it as 500/s" in result.stderr


def test_a_line_from_a_pipe_does_not_wait_for_the_next(kafka: str, topics: Topics) -> None:
    """What comes through a pipe is published at once, and Ctrl-C ends the waiting with exit code 130."""
    command = ["publish", "-", "--bootstrap", kafka, "--prefix", topics.prefix]
    with subprocess.Popen(
        [sys.executable, "-m", "agents", *command], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(line("ann", "1") + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not (records := records_of(kafka, topics.touchpoints)) and time.monotonic() < deadline:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        assert process.stderr is not None
        said = process.stderr.read()

    assert ([record.key for record in records], code, said) == ([b"ann"], 130, b"")


def test_no_broker_is_one_line(tmp_path: Path) -> None:
    """Where no broker answers, publish and tail say so in one line and exit with 3."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        for result in (
            run("publish", nobody, Topics(), "-", stdin=line("ann", "1")),
            run("tail", nobody, Topics()),
        ):
            assert (result.exit_code, result.stdout) == (3, "")
            assert result.stderr == (
                f"dangol: no Kafka broker answers at {nobody}; "
                "start one with `dangol broker` or name another by --bootstrap\n"
            )


def test_no_topic_is_one_line(kafka: str) -> None:
    """Where the topics were not created, publish and tail say which and how, and exit with 4."""
    nowhere = Topics("nowhere.cx")

    for result in (run("publish", kafka, nowhere, "-", stdin=line("ann", "1")), run("tail", kafka, nowhere)):
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (4, "", 1)
        assert "is missing; run `dangol topics create --prefix nowhere.cx`" in result.stderr


@pytest.fixture
def complaint(kafka: str, topics: Topics) -> Topics:
    """Topics with what one complaint leads to, a tombstone, and a dead letter."""
    happened = Touchpoint("e-1", "/desk", "complaint.opened", "ann", 1_773_480_600_000, {"issue": "i-1"})
    outcome = load_engine().step(None, happened, happened.time)
    assert outcome.decision is not None
    origin = deadletter.Origin(topics.touchpoints, 1, 7, happened.time, "dangol")
    headers = deadletter.headers_of([], origin, "json-invalid", "no JSON", "decode")
    write(
        kafka,
        [
            *((topics.trigger(one.family), b"ann", trigger.encode(one), []) for one in outcome.triggers),
            (topics.decisions, b"ann", decision.encode(outcome.decision), []),
            (topics.profiles, b"ann", profile.encode(outcome.profile), []),
            (topics.profiles, b"ann", None, []),
            (topics.dead_letters, b"ann", b"\xff{", headers),
        ],
    )
    return topics


def test_tail_shows_triggers_in_words(kafka: str, complaint: Topics) -> None:
    """A line tells when, which family, for whom, what and why; --family leaves the others out."""
    result = run("tail", kafka, complaint, "--family", "recovery-offer", "--from-beginning", "--max", "1")

    assert result.exit_code == 0
    assert result.stdout.startswith(
        "2026-03-14 09:30:00  recovery-offer   ann: voucher (15 EUR); because complaint.opened"
    )


def test_tail_shows_everything_as_json(kafka: str, complaint: Topics) -> None:
    """As JSON: triggers and decisions as published, profiles decoded, dead letters with their headers."""

    def tail(*args: str, count: int) -> list[Any]:
        result = run("tail", kafka, complaint, *args, "--from-beginning", "--json", "--max", str(count))
        return [json.loads(one) for one in result.stdout.splitlines()]

    assert sorted(one["type"] for one in tail(count=2)) == [
        "cx.trigger.recovery-offer.v1",
        "cx.trigger.suppression.v1",
    ]
    assert [one["causationid"] for one in tail("--decisions", count=1)] == ["e-1"]
    kept, erased = tail("--profiles", count=2)
    assert (kept["customer"], kept["touchpoints"], erased) == ("ann", 1, {"customer": "ann", "deleted": True})
    (letter,) = tail("--dead-letters", count=1)
    assert (letter["key"], letter["value"]) == ("ann", "\\xff{")
    assert (letter["headers"]["cx-error-code"], letter["headers"]["kafka_dlt-original-offset"]) == (
        "json-invalid",
        7,
    )


def test_tail_goes_on_after_what_is_none_of_ours(kafka: str, complaint: Topics) -> None:
    """A record that nobody can read is told on stderr with its place, and what follows is shown."""
    topic = complaint.trigger("room-key")
    write(kafka, [(topic, b"ann", b"garbage", [])])

    result = run("tail", kafka, complaint, "--family", "room-key", "--from-beginning", "--max", "1")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"{topic} ")
    assert "@0: not one of dangol's: JSON is malformed" in result.stderr


def test_the_embedded_broker_takes_them_too(embedded: EmbeddedBroker) -> None:
    """A broker that knows no idempotent producers gets every touchpoint all the same."""
    topics = Topics()
    asyncio.run(create(embedded.bootstrap, topics, 2))

    result = run(
        "publish",
        embedded.bootstrap,
        topics,
        "-",
        "--json",
        stdin=line("ann", "1") + b"\n" + line("bob", "2"),
    )

    assert (result.exit_code, json.loads(result.stdout)["published"]) == (0, 2)
    assert {record.key for record in records_of(embedded.bootstrap, topics.touchpoints)} == {b"ann", b"bob"}


def test_a_broker_that_goes_in_the_middle_is_one_line(
    embedded: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the broker dies and stays away, publish gives up and says what was acknowledged."""
    monkeypatch.setattr(publisher, "STALL_SECONDS", 3.0)
    topics = Topics()
    asyncio.run(create(embedded.bootstrap, topics, 2))

    async def publish() -> int:
        async with publisher.Publisher(embedded.bootstrap, topics) as sending:
            await sending.send(b"ann", line("ann", "1"))
            await sending.flush()
            embedded.kill()
            await sending.send(b"ann", line("ann", "2"))
            await sending.flush()
        return 0

    with pytest.raises(BrokerError, match=r"^the broker at .* it had acknowledged 1 records$"):
        asyncio.run(publish())
