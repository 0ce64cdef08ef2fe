"""Explain, causes and stages on Apache Kafka: what a worker has published, told in words."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from schemas.timestamp import MINUTE, to_rfc3339
from schemas.topics import Topics
from tests.cluster import Sent, Worker, publish, read_all, wait_for
from tests.conftest import PARTITIONS

LIFE = [
    ("ann", "order.placed", {"amount": 300}),
    ("ann", "complaint.opened", {"issue": "i-1"}),
    ("ann", "complaint.opened", {"issue": "i-2"}),
    ("ann", "page.viewed", {"seconds": 30}),
    ("bob", "service.failed", {}),
    ("anon", "page.viewed", {}),
    ("bob", "identity.linked", {"alias": "anon", "authenticated": True}),
]


def run(command: str, kafka: str, topics: Topics, *args: str) -> Result:
    """A command against the broker."""
    return CliRunner().invoke(main, [command, *args, "--bootstrap", kafka, "--prefix", topics.prefix])


@pytest.fixture
def lived(kafka: str, topics: Topics, tmp_path: Path) -> Topics:
    """Topics with what a worker has made of some touchpoints of the last minutes."""
    now = int(time.time() * 1000)
    records: list[Sent] = []
    for number, (customer, type_, data) in enumerate(LIFE):
        event = {
            "specversion": "1.0",
            "id": f"e-{number}",
            "type": type_,
            "subject": customer,
            "time": to_rfc3339(now - (len(LIFE) - number) * MINUTE),
            "data": data,
        }
        records.append((customer.encode(), json.dumps(event).encode(), []))
    worker = Worker(kafka, topics, tmp_path).start()
    try:
        worker.wait_ready()
        publish(kafka, topics.touchpoints, records, PARTITIONS)
        # The link goes to the other id and comes back from there.
        wait_for(
            lambda: worker.metric("cx_events_applied_total") >= len(LIFE) + 2, "all to be applied", worker
        )
    finally:
        worker.stop()
    # The commands tell of what is committed when they are called: until all of it is, none is.
    read_all(kafka, topics.decisions, topics.stages, topics.profiles)
    return topics


def test_what_stands_on_the_topics_is_told(kafka: str, lived: Topics) -> None:
    """Explain tells of decisions and standing, and why a play did not fire; causes and tail the rest."""
    told: Any = json.loads(run("explain", kafka, lived, "ann", "--json").stdout)

    assert [one["type"] for one in told["decisions"]] == ["complaint.opened", "complaint.opened"]
    verdicts = {each["play"]: each for each in told["decisions"][1]["verdicts"]}
    assert verdicts["hold-promotions"]["reason"] == "already-suppressed"
    assert verdicts["make-it-right"]["said"].startswith("a person calls, with ")
    assert (told["standing"]["stage"], len(told["standing"]["open_issues"])) == ("act", 2)

    inquiry = json.loads(run("explain", kafka, lived, "ann", "--play", "make-it-right", "--json").stdout)[
        "inquiry"
    ]
    assert (inquiry["type"], inquiry["exact"], inquiry["findings"][-1]["holds"]) == (
        "complaint.opened",
        True,
        True,
    )

    assert "not settled: complaint.opened, complaint.opened" in run("explain", kafka, lived, "ann").stdout

    unknown = run("explain", kafka, lived, "nobody")
    alias = run("explain", kafka, lived, "anon")
    assert [(one.exit_code, one.stdout, one.stderr.count("\n")) for one in (unknown, alias)] == [
        (2, "", 1)
    ] * 2
    assert "nothing is known of `nobody`" in unknown.stderr
    assert alias.stderr.endswith("run `dangol explain bob`\n")

    report: Any = json.loads(run("causes", kafka, lived, "--json").stdout)
    assert report["customers"] == 2
    assert {(one["type"], one["bad"]) for one in report["moments"]} == {
        ("complaint.opened", 2),
        ("service.failed", 1),
    }
    assert {(one["cause"], one["play"]): one["fired"] for one in report["answers"]} == {
        ("complaint.opened", "make-it-right"): 2,
        ("complaint.opened", "hold-promotions"): 1,
        ("service.failed", "make-it-right"): 1,
    }
    assert [one["type"] for one in report["times"]] == ["page.viewed"]

    changes = len(read_all(kafka, lived.stages))
    lines = run(
        "tail", kafka, lived, "--stages", "--from-beginning", "--max", str(changes)
    ).stdout.splitlines()
    assert sorted((line.split(":")[2].split()[-1], " ".join(line.split()[2:5])) for line in lines) == [
        ("ann", "new → act"),
        ("anon", "appeal → gone"),
        ("anon", "new → appeal"),
        ("bob", "aware → appeal"),
        ("bob", "new → aware"),
    ]
