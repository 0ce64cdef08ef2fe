"""Learning on Apache Kafka: two workers and a trainer, both of which are killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.partitioner import partition_of
from schemas import example
from schemas.decision import DecisionEvent
from schemas.example import ExampleEvent
from schemas.timestamp import DAY, HOUR, to_rfc3339
from schemas.topics import Topics
from schemas.touchpoint import decode
from stream.engine import load_engine
from stream.replay import Replay
from tests.cluster import Sent, Trainer, Worker, in_force, publish, read_all, wait_for
from tests.conftest import PARTITIONS
from tests.hotel import HOTEL_YAML, NOON

CUSTOMERS = 120
"""Half of them come every week, half of them every other month or so, and so were lost in between."""

START = NOON - 400 * DAY
"""A year before anything of it could be in the future, which no touchpoint may be."""

SECTION = """churn: {horizon: 30d, every: 30d}
segments: {regular: profile.active_days >= 4, new-guest: profile.active_days <= 1}
"""


def told(customer: str, number: int, type_: str, at: int) -> Sent:
    """A touchpoint as a record."""
    value = {
        "specversion": "1.0",
        "id": f"{customer}-{number}",
        "source": "/shop",
        "type": type_,
        "subject": customer,
        "time": to_rfc3339(at),
        "data": {"amount": 20.0} if type_ == "order.placed" else {"issue": f"i-{number}"},
    }
    return customer.encode(), msgspec.json.encode(value), []


def lives() -> list[Sent]:
    """A year of customers, in order of time; at its end all of them complain."""
    draw = Random(7)
    happened: list[tuple[int, str, int, str]] = []
    for each in range(CUSTOMERS):
        customer, at, number = f"c{each}", START + draw.randrange(20 * DAY), 0
        while at < START + 350 * DAY:
            happened.append((at, customer, number, "order.placed"))
            at += int(draw.uniform(0.5, 1.5) * (7 if each % 2 else 60) * DAY)
            number += 1
        happened.append((START + 365 * DAY + each * HOUR, customer, number, "complaint.opened"))
    return [told(customer, number, type_, at) for at, customer, number, type_ in sorted(happened)]


def known(records: list[Any]) -> dict[str, tuple[Any, ...]]:
    """What examples say but for the risk and whose it is, by id; each of them is there once."""
    found: dict[str, tuple[Any, ...]] = {}
    for record in records:
        event = example.decode(record.value)
        assert event.id not in found
        found[event.id] = said(event)
    return found


def said(event: ExampleEvent) -> tuple[Any, ...]:
    """What an example says but for the risk and whose it is."""
    data = event.data
    return (
        event.subject,
        event.time,
        data.seen,
        data.churned,
        data.because,
        data.features,
        data.history,
        data.segments,
    )


def asked(command: str, kafka: str, topics: Topics, playbook: Path, *args: str) -> Any:
    """What a command that asks an engine of its own says to a machine."""
    options = ("--bootstrap", kafka, "--prefix", topics.prefix, "--playbook", str(playbook), "--json")
    result = CliRunner().invoke(main, [command, *args, *options])
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout)


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    """The test hotel's playbook, which has the churn risk learned."""
    path = tmp_path / "hotel.yaml"
    path.write_text(SECTION + HOTEL_YAML, encoding="utf-8")
    return path


@pytest.fixture
def processes(kafka: str, topics: Topics, tmp_path: Path, playbook: Path) -> Iterator[list[Worker]]:
    """A trainer and two workers on the event clock, started."""
    options = ("--clock", "event", "--playbook", str(playbook))
    trainer = Trainer(kafka, topics, tmp_path / "trainer", "--every", "100")
    workers = [Worker(kafka, topics, tmp_path / name, *options) for name in ("one", "two")]
    started = [trainer, *workers]
    for process in started:
        process.start()
    for process in started:
        process.wait_ready()
    yield started
    for process in started:
        if process.running:
            process.kill()


def test_what_is_learned_survives_the_death_of_a_worker_and_of_the_trainer(
    kafka: str, topics: Topics, processes: list[Worker], playbook: Path
) -> None:
    """Each example is there once, as the engine says it, and learned once; decisions name the model."""
    trainer, one, two = processes
    records = lives()
    replay = Replay(load_engine(playbook), lambda customer: partition_of(customer.encode(), PARTITIONS))
    expected = {
        made.id: said(example.decode(example.encode(made)))
        for _, value, _ in records
        for outcome in replay.take(decode(value or b""))
        for made in outcome.examples
    }
    first = len(records) // 2

    publish(kafka, topics.touchpoints, records[:first], PARTITIONS)
    wait_for(lambda: in_force(kafka, topics) is not None, "a model", *processes)
    wait_for(lambda: "learned-" in (one._get("/metrics") or ""), "a worker to take it", *processes)
    trainer.kill()
    publish(kafka, topics.touchpoints, records[first:-CUSTOMERS], PARTITIONS)
    two.kill()
    trainer.start().wait_ready()
    publish(kafka, topics.touchpoints, records[-CUSTOMERS:], PARTITIONS)
    wait_for(lambda: len(read_all(kafka, topics.examples)) >= len(expected), "all examples", *processes)

    def learned() -> int:
        model = in_force(kafka, topics)
        return 0 if model is None else model.learned

    wait_for(lambda: learned() == len(expected), "all of them to be learned", *processes)
    found = known(read_all(kafka, topics.examples))
    decided = [
        msgspec.json.decode(record.value, type=DecisionEvent) for record in read_all(kafka, topics.decisions)
    ]

    assert found == expected
    assert {label for _, _, _, label, *_ in found.values()} == {True, False}
    assert {segments for *_, segments in found.values()} == {("regular",), ("new-guest",), ()}
    wait_for(
        lambda: 'cx_model_segment_points{of="said",segment="regular"}' in (trainer._get("/metrics") or ""),
        "figures of regulars",
        *processes,
    )
    # Whether anything was decided before the first model was there is a matter of who was faster.
    assert {"learned"} <= {each.data.model.split("-")[0] for each in decided} <= {"cdnow", "learned"}
    assert trainer.stop() == 0
    told = asked("explain", kafka, topics, playbook, "c1")
    everyone = asked("risks", kafka, topics, playbook, "--above", "0", "--top", str(2 * CUSTOMERS))
    alone = asked("risks", kafka, topics, playbook, "--model", "cdnow-2026.11")
    model = in_force(kafka, topics)
    assert model is not None
    assert (told["outlook"]["model"], told["outlook"]["horizon_days"]) == (model.version, 30.0)
    assert told["outlook"]["drivers"]
    assert (everyone["model"], everyone["customers"], alone["model"]) == (
        model.version,
        CUSTOMERS,
        "cdnow-2026.11",
    )
    (listed,) = [each for each in everyone["first"] if each["customer"] == "c1"]
    assert listed["risk"] == pytest.approx(told["outlook"]["risk"], abs=1e-3)
