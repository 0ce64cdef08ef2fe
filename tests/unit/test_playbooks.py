"""Playbooks of a worker: what it decides by as the topic changes, without a broker."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from agents.metrics import Metrics
from agents.playbooks import ENGINES, Playbooks
from schemas.playbook import load
from stream.engine import DEFAULT_PLAYBOOK, Engine, load_engine
from tests.hotel import NOON

SHIPPED = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
TOPIC = "cx.playbook.v1"


def named(name: str) -> tuple[bytes, bytes]:
    """The hotel's playbook under another name: its version and text."""
    text = SHIPPED.replace("playbook: hotel", f"playbook: {name}")
    return load(text, name).version.encode(), text.encode()


WINTER, SPRING = named("winter"), named("spring")
BAD = (b"bad@1", b"playbook: [")


class Worker:
    """The playbooks of a worker, and what its topic says."""

    def __init__(self, *records: tuple[bytes, bytes | None]) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, [])
        self.shipped = load_engine()
        self.playbooks = Playbooks(self.shipped, self.metrics, "127.0.0.1:1", TOPIC)
        if records:
            self.hear(*records)

    def hear(self, *records: tuple[bytes, bytes | None]) -> str:
        """Read records of the topic; the version in force."""
        for key, value in records:
            self.playbooks._shelf.put(key, value, NOON, None)
        asyncio.run(self.playbooks._judge(TOPIC))
        return self.version

    @property
    def version(self) -> str:
        """The version in force, without its digest."""
        return self.playbooks.engine.playbook_version.split("@")[0]

    def pinned(self, version: bytes, model: str = "cdnow-2026.11") -> Engine:
        """The engine of a pin."""
        return asyncio.run(self.playbooks.pinned(version.decode(), model))

    def shown(self) -> list[str]:
        """The versions on the metrics page."""
        return [
            sample.labels["version"]
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "cx_playbook_info"
        ]

    @property
    def refused(self) -> float | None:
        """How many were refused."""
        return self.registry.get_sample_value("cx_playbook_refused_total")


def test_it_decides_by_what_is_in_force() -> None:
    """The one that ships, until another is applied; then that one, under its version."""
    worker = Worker()
    before = worker.version
    after = worker.hear(WINTER, (b"current", WINTER[0]))

    assert (before, after) == ("hotel", "winter")
    assert worker.shown() == [WINTER[0].decode()]
    assert worker.playbooks.engine.model == "cdnow-2026.11"


def test_what_is_only_published_is_not_in_force() -> None:
    """A playbook counts when `current` names it."""
    worker = Worker(WINTER, (b"current", WINTER[0]))

    assert worker.hear(SPRING) == "winter"


def test_the_text_may_come_behind_the_word() -> None:
    """`current` before its text is refused, and heard as soon as the text is there."""
    worker = Worker((b"current", WINTER[0]))

    assert (worker.version, worker.refused) == ("hotel", 1)
    assert worker.hear(WINTER) == "winter"


def test_a_bad_one_is_refused_and_the_one_before_goes_on() -> None:
    """In one line and one count, however often something else is heard."""
    worker = Worker(WINTER, (b"current", WINTER[0]))
    with capture_logs() as logs:
        worker.hear(BAD, (b"current", BAD[0]))
        worker.hear(SPRING)

    assert [(line["event"], line["in_force"].split("@")[0]) for line in logs] == [
        ("a playbook was refused, the one before goes on", "winter")
    ]
    assert "cx.playbook.v1 bad@1:1:12: not YAML" in logs[0]["reason"]
    assert (worker.version, worker.refused, worker.shown()) == ("winter", 1, [WINTER[0].decode()])
    assert worker.hear((b"current", SPRING[0])) == "spring"


def test_a_worker_that_starts_behind_a_bad_one_takes_the_latest_that_can_be_used() -> None:
    """It comes to what the others have, and not to the one that ships."""
    worker = Worker(SPRING, WINTER, BAD, (b"current", BAD[0]))

    assert (worker.version, worker.refused) == ("winter", 1)


def test_a_fault_of_ours_is_a_refusal() -> None:
    """What makes the engine raise does not stop the worker."""
    worker = Worker()
    worker.playbooks._default.model = "no such model"

    assert worker.hear(WINTER, (b"current", WINTER[0])) == "hotel"
    assert worker.refused == 1


def test_without_a_word_the_one_that_ships_is_in_force() -> None:
    """Where `current` was deleted, all workers come to the same."""
    worker = Worker(WINTER, (b"current", WINTER[0]))

    assert worker.hear((b"current", None)) == "hotel"


def test_a_pinned_one_is_found_on_the_topic() -> None:
    """An earlier playbook, or the one that ships, decides what it decided before."""
    worker = Worker(WINTER, SPRING, (b"current", SPRING[0]))

    assert worker.pinned(WINTER[0]).playbook_version == WINTER[0].decode()
    assert worker.pinned(WINTER[0]) is worker.pinned(WINTER[0])
    assert worker.pinned(worker.shipped.playbook_version.encode()) is worker.shipped
    assert worker.pinned(SPRING[0]) is worker.playbooks.engine


def test_a_pinned_one_that_is_gone_is_told_once() -> None:
    """Then the one in force decides."""
    worker = Worker(WINTER, (b"current", WINTER[0]))
    with capture_logs() as logs:
        found = [worker.pinned(b"gone@1"), worker.pinned(b"gone@1"), worker.pinned(WINTER[0], "gone")]

    assert found == [worker.playbooks.engine] * 3
    assert [(line["playbook"], line["model"]) for line in logs] == [
        ("gone@1", "cdnow-2026.11"),
        (WINTER[0].decode(), "gone"),
    ]
    assert logs[0]["reason"] == "playbook gone@1 is not on cx.playbook.v1"


def test_few_engines_are_kept() -> None:
    """However many playbooks come and go, the one in force and a few more are in memory."""
    worker = Worker()
    for number in range(ENGINES + 3):
        version, text = named(f"n{number}")
        worker.hear((version, text), (b"current", version))

    assert len(worker.playbooks._engines) == ENGINES + 1
    assert worker.version == f"n{ENGINES + 2}"


def test_types_of_a_new_playbook_get_labels() -> None:
    """Its touchpoints are counted by name, up to a limit."""
    worker = Worker()
    text = SHIPPED.replace("  ad.seen:", "  moon.seen: {}\n  ad.seen:")
    version = load(text, "moon").version.encode()
    before = worker.metrics.type_label("moon.seen")
    worker.hear((version, text.encode()), (b"current", version))
    worker.metrics.know(f"t{number:04}" for number in range(1_000))

    assert (before, worker.metrics.type_label("moon.seen")) == ("other", "moon.seen")
    assert worker.metrics.type_label("t0000") == "t0000"
    assert worker.metrics.type_label("t0999") == "other"
