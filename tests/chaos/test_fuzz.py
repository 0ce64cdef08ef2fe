"""Fuzz: real records, changed in every way that came to mind, through a worker on Apache Kafka.

Each is accounted for: applied (late or not), seen before, dead-lettered, or published once more under
its right key, in which case its copy is. The worker that began is the one that ends, at the size it had.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import pytest

from agents.simulation.simulation import Simulation
from schemas.topics import Topics
from stream.engine import load_engine
from tests.chaos import mutations
from tests.chaos.ledger import Comparison, Expected, Found
from tests.cluster import Sent, Worker, publish, wait_for
from tests.conftest import PARTITIONS

PORTIONS = 10
"""Portions in which the records are published; memory is looked at after each."""

WARM = 2
"""Portions after which the worker has seen all kinds of records, and has the size that it keeps."""

CUSTOMERS = 300

UNTOUCHED = 0.2
"""Share of records that stay as they are."""

TWICE = 0.2
"""Share of records that are changed twice."""

GROWTH = 24 * 1024 * 1024
"""Bytes that the worker may grow by after it is warm, besides its state: what an allocator keeps of the
largest records, which come in portions too."""

A_PROFILE = 8 * 1024
"""Bytes of memory that one more profile may take: stored, and decoded beside it."""

DONE = (
    "cx_events_applied_total",
    "cx_events_duplicate_total",
    "cx_events_rejected_total",
)
"""What a record comes to in the end; one under a wrong key does when its copy is read."""

OTHER = (
    *("cx_events_late_total", "cx_events_rekeyed_total", "cx_events_replayed_total"),
    *("cx_dlq_messages_total", "cx_state_undecodable_total"),
)
"""What is counted besides."""


def records(seed: int, count: int) -> list[Sent]:
    """Real records, most of them changed; a half of the day's are of today, so that they are not late."""
    random = Random(f"{seed}/fuzz")
    today = datetime.now(UTC).date().isoformat().encode()
    real = list(Simulation(seed, CUSTOMERS))
    made: list[Sent] = []
    while len(made) < count:
        record = random.choice(real)
        sent: Sent = (record.key, record.value, list(record.headers))
        if random.random() < 0.5:
            sent = (sent[0], record.value.replace(b"2026-03-14T", today + b"T"), sent[2])
        if random.random() >= UNTOUCHED:
            sent = mutations.change(sent, random)
            if random.random() < TWICE:
                sent = mutations.change(sent, random)
        made.append(sent)
    return made


def resident(process: int) -> int:
    """Bytes of memory that a process takes."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.chaos)])
def test_every_record_is_accounted_for(
    kafka: str, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    """By the metrics and by what stands on the topics; in one process, without growing."""
    worker = Worker(kafka, topics, tmp_path, "--clock", "record").start().wait_ready()
    process = worker.process.pid
    published: list[Sent] = []
    sizes: list[int] = []
    customers: list[float] = []
    try:
        for portion in range(PORTIONS):
            part = records(portion, count // PORTIONS)
            publish(kafka, topics.touchpoints, part, PARTITIONS)
            published += part
            wait_for(
                partial(_is_done, worker, len(published)),
                f"{len(published)} records to be accounted for",
                worker,
                seconds=180,
            )
            sizes.append(resident(process))
            customers.append(worker.metric("cx_profiles"))
        counted = Counter({name: int(worker.metric(name)) for name in (*DONE, *OTHER)})
        still_the_same = worker.running
    finally:
        code = worker.stop()
    found = Found(kafka, topics)
    expected = Expected(load_engine(), found.touchpoints, PARTITIONS, "record")
    comparison = Comparison(published, expected, found)
    growth = sizes[-1] - sizes[WARM - 1]
    with capsys.disabled():
        print(  # noqa: T201 - figures that a pass alone would not tell
            f"\n{count:,} records: {expected.applied:,} applied ({expected.late:,} late), "
            f"{expected.duplicates:,} seen before, {len(expected.rejected):,} dead letters, "
            f"{expected.rekeyed.total():,} under another key; "
            f"memory {sizes[WARM - 1] / 2**20:.0f} MiB after {WARM / PORTIONS:.0%}, "
            f"{sizes[-1] / 2**20:.0f} MiB in the end, with {customers[-1]:,.0f} profiles"
        )

    # Not the bytes of triggers and profiles: by the record's clock timers fire when their time has come.
    assert comparison.lost == comparison.doubled == comparison.unpublished == 0, str(comparison)
    assert comparison.letters_missing == comparison.letters_unexpected == [], str(comparison)
    assert count == len(published) == expected.applied + expected.duplicates + len(expected.rejected)
    assert counted == Counter(
        {
            "cx_events_applied_total": expected.applied,
            "cx_events_duplicate_total": expected.duplicates,
            "cx_events_rejected_total": len(expected.rejected),
            "cx_events_late_total": expected.late,
            "cx_events_rekeyed_total": expected.rekeyed.total(),
            "cx_dlq_messages_total": len(expected.rejected),
            "cx_events_replayed_total": 0,
            "cx_state_undecodable_total": 0,
        }
    )
    assert len(found.letters) == len(expected.rejected)
    assert len(found.touchpoints) == count + expected.rekeyed.total() + len(expected.forwarded)
    assert "engine-error" not in expected.rejected.values()
    assert still_the_same
    assert code == 0
    assert worker.log().count('"ready"') == 1
    assert "Traceback" not in worker.log()
    assert growth < GROWTH + A_PROFILE * (customers[-1] - customers[WARM - 1])


def _is_done(worker: Worker, count: int) -> bool:
    return sum(map(worker.metric, DONE)) >= count
