"""Rounds: in each, touchpoints flow while things break; then all is compared with a replay."""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
import secrets
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents import topics as admin
from agents.cli.worker import command
from deploy.kafka import KafkaServer
from schemas.errors import DangolError
from schemas.topics import Topics
from stream.engine import load_engine
from tests.chaos import faults
from tests.chaos.faults import Fault, Scene
from tests.chaos.ledger import Comparison, Expected, Found
from tests.chaos.proxy import Proxy
from tests.chaos.publisher import Publisher
from tests.chaos.workload import Workload
from tests.cluster import read_all
from tests.conftest import PARTITIONS

WORKERS = 2

SETTLE_SECONDS = 120.0
"""How long the workers may stand still, after the last fault, before they have come to the end of the topic:
a slow machine is no fault of theirs."""

PUBLISH_SECONDS = 120.0
"""How long publishing may take beyond its pace, with the broker gone again and again."""

DELAYS = (0.0, 0.003, 0.01, 0.03)
"""Seconds that a worker's bytes take on their way: the longer, the more of its runs are under way when
something breaks."""

LOOK_SECONDS = 1.0
"""How often one looks whether something has happened that is waited for."""

LOG_SHOWN = 1500
"""Characters of each worker's log in the message of a round that failed."""

OPTIONS = {parameter.name for parameter in command.params}

MODES = ("at-least-once", "exactly-once") if "delivery" in OPTIONS else ("at-least-once",)
"""How workers may deliver triggers."""


@dataclass
class Result:
    """What came of a round.

    Attributes:
        number: of the round.
        seed: what makes it the same again.
        mode: how the workers deliver triggers.
        store: where they keep profiles.
        batch: records that they take at once.
        published: records that the driver published.
        broken: how often what broke, of workers, network, disks and broker.
        spoilt: what was done to the touchpoints, and how often.
        seconds: how long it took.
        settled: seconds from the last fault and the last touchpoint until all was done.
        records: records on the touchpoint topic in the end.
        comparison: what came out against what should have; None where it did not end.
        dead_letters: bad records.
        profiles: customers.
        triggers: triggers expected.
        standstills: how often a worker noticed that nothing moved, and started over.
        stuck_at: what they said of it.
        oddities: what should not have happened besides.
        logs: the end of each worker's log, of a round that failed.
        evidence: folder with logs and differences, of a round that failed.
    """

    number: int
    seed: int
    mode: str
    store: str
    batch: int
    published: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    spoilt: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    settled: float = 0.0
    records: int = 0
    comparison: Comparison | None = None
    dead_letters: int = 0
    profiles: int = 0
    triggers: int = 0
    standstills: int = 0
    stuck_at: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    evidence: Path | None = None

    @property
    def holds(self) -> bool:
        """Whether all was as it must be."""
        if self.comparison is None or self.oddities or not self.comparison.holds:
            return False
        return self.mode != "exactly-once" or self.comparison.repeated == 0

    def __str__(self) -> str:
        what = f"round {self.number}: seed {self.seed}, {self.mode}, {self.store}, batch {self.batch}"
        return "\n".join(
            (
                f"{what}, {dict(self.broken)}",
                *self.oddities[:10],
                str(self.comparison or "it did not come to its end"),
                *self.logs,
                f"logs and differences: {self.evidence}",
            )
        )


@dataclass
class Plan:
    """What a round is made of, where it is not left to chance.

    Attributes:
        timeline: what begins at which second.
        store: where the workers keep profiles.
        batch: records that they take at once.
    """

    timeline: list[tuple[float, Fault]]
    store: str = "memory"
    batch: int = 20


class Stage:
    """A broker with two proxies in front of it, on which rounds are played.

    Args:
        folder: for logs, state and evidence.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proxies = [Proxy() for _ in range(WORKERS)]
        self.server = KafkaServer(proxies=[proxy.port for proxy in self.proxies])

    def __enter__(self) -> Self:
        # The driver's own clients complain several times a second while the broker is away.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self.server.start()
        for proxy, behind in zip(self.proxies, self.server.behind, strict=True):
            proxy.start(behind)
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self.proxies:
            proxy.stop()
        self.server.stop()


class Round:
    """One round.

    Args:
        stage: where it is played.
        number: which one; kinds of faults take turns over the rounds.
        seed: of the whole run; with the number, it makes what is published and what breaks.
        mode: how the workers deliver triggers.
        count: touchpoints.
        seconds: how long they flow.
        plan: what breaks when; None for whatever the seed brings.
    """

    def __init__(
        self,
        stage: Stage,
        number: int,
        seed: int,
        mode: str,
        count: int,
        seconds: float,
        plan: Plan | None = None,
    ) -> None:
        self._stage = stage
        self._seconds = seconds
        self._random = random = Random(f"{seed}/{number}")
        self._workload = Workload(random.randrange(1 << 30), count)
        self._plan = plan
        self._delays = [random.choice(DELAYS) for _ in stage.proxies]
        store = plan.store if plan else random.choice(("memory", "rocksdict"))
        batch = plan.batch if plan else random.choice((50, 100, 500))
        self.result = Result(number, seed, mode, store, batch, len(self._workload.records))
        name = f"chaos-{seed}-{number}-{secrets.token_hex(3)}"
        self._topics = Topics(f"{name}.cx")
        self._folder = stage.folder / name

    def play(self) -> Result:
        """Let it all happen, and look what came out."""
        began = time.monotonic()
        result, server = self.result, self._stage.server
        asyncio.run(admin.create(server.bootstrap, self._topics, PARTITIONS))
        timeline = self._timeline()
        result.broken = Counter(fault.name for _, fault in timeline)
        result.spoilt = self._workload.faults
        scene = self._scene(timeline)
        try:
            self._run(scene, timeline)
        except (AssertionError, KafkaError, OSError, DangolError) as error:
            # The rounds after it may tell more than the end of them all.
            scene.oddities.append(f"it broke off: {type(error).__name__}: {error}")
        finally:
            scene.close()
            for proxy in self._stage.proxies:
                proxy.mend()
            if not server.alive:
                server.restart()
        for number, worker in enumerate((*scene.workers, scene.extra)):
            if "Traceback" in worker.log():
                scene.oddities.append(f"worker {number} showed a traceback")
            still = [line for line in worker.log().splitlines() if "standing still" in line]
            result.standstills += len(still)
            result.stuck_at += still
        result.oddities = scene.oddities
        result.logs = [
            f"-- worker {number} --\n{worker.log()[-LOG_SHOWN:]}"
            for number, worker in enumerate(scene.workers)
        ]
        result.seconds = time.monotonic() - began
        if result.holds and not result.standstills:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self._keep_evidence(timeline)
        asyncio.run(_delete(server.bootstrap, self._topics))
        return result

    def _run(self, scene: Scene, timeline: list[tuple[float, Fault]]) -> None:
        result, bootstrap = self.result, self._stage.server.bootstrap
        for proxy, delay in zip(self._stage.proxies, self._delays, strict=True):
            proxy.delay(delay)
        for worker in scene.workers:
            worker.start()
        for worker in scene.workers:
            worker.wait_ready()
        publisher = Publisher(
            bootstrap, self._topics.touchpoints, self._workload.records, PARTITIONS, self._seconds
        ).start()
        _perform(scene, timeline)
        publisher.join(PUBLISH_SECONDS)
        quiet = time.monotonic()
        settled = self._settled(scene)
        result.settled = time.monotonic() - quiet
        if not settled:
            ready = [worker.is_ready() for worker in scene.workers]
            scene.oddities.append(
                f"not at the end, still for {SETTLE_SECONDS:.0f} s: ready {ready}, behind {self._lag()}"
            )
        for number, worker in enumerate(scene.workers):
            scene.stop(worker, f"worker {number}")
        self._compare()

    def _scene(self, timeline: list[tuple[float, Fault]]) -> Scene:
        options = ["--clock", "event", "--store", self.result.store, "--batch", str(self.result.batch)]
        if "delivery" in OPTIONS:
            options += ["--delivery", self.result.mode]
        return Scene(
            self._stage.server,
            self._topics,
            self._stage.proxies,
            self._folder,
            tuple(options),
            own_disks=any(isinstance(fault, faults.DiskFull) for _, fault in timeline),
        )

    def _timeline(self) -> list[tuple[float, Fault]]:
        """When what begins: faults of one worker or of the broker never overlap, others may."""
        if self._plan is not None:
            return self._plan.timeline
        random, number = self._random, self.result.number
        kinds = list(faults.OF_A_WORKER)
        if self.result.store == "rocksdict":
            kinds.append(faults.DiskFull)
        timeline: list[tuple[float, Fault]] = []
        for worker in range(WORKERS):
            at = random.uniform(1.0, 3.0)
            while at < self._seconds:
                # The first of each round takes turns, so that no kind is left to chance.
                first = worker == 0 and not timeline
                fault = (kinds[number % len(kinds)] if first else random.choice(kinds))(random, worker)
                timeline.append((at, fault))
                at += fault.seconds + random.uniform(2.0, 6.0)
        # A broker that is away would keep a worker from noticing that its disk is full.
        if random.random() < 0.5 and not any(isinstance(fault, faults.DiskFull) for _, fault in timeline):
            kind = random.choice(faults.OF_THE_BROKER)
            timeline.append((random.uniform(2.0, self._seconds), kind(random, faults.BROKER)))
        if random.random() < 0.4:
            timeline.append((random.uniform(0.0, self._seconds), faults.Join(random, faults.EXTRA)))
        return sorted(timeline, key=_at)

    def _settled(self, scene: Scene) -> bool:
        """Wait until the group has come to the end of the topic; whether it did."""
        deadline = time.monotonic() + SETTLE_SECONDS
        before: dict[int, int] = {}
        while time.monotonic() < deadline:
            scene.look()
            committed = self._committed()
            # The topic is read only when nothing moves any more: reading it takes as long as a look should.
            if committed == before and all(w.is_ready() for w in scene.workers) and not self._lag():
                return True
            if committed != before:
                deadline = time.monotonic() + SETTLE_SECONDS
            before = committed
            time.sleep(LOOK_SECONDS)
        return False

    def _lag(self) -> dict[int, str]:
        """The partitions whose last record is not committed, with where they stand."""
        ends: dict[int, int] = {}
        for record in read_all(self._stage.server.bootstrap, self._topics.touchpoints):
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        committed = self._committed()
        return {p: f"{committed.get(p, 0)} of {end}" for p, end in ends.items() if committed.get(p, 0) < end}

    def _committed(self) -> dict[int, int]:
        return asyncio.run(_committed(self._stage.server.bootstrap, self._topics))

    def _compare(self) -> None:
        result = self.result
        found = Found(self._stage.server.bootstrap, self._topics)
        expected = Expected(load_engine(), found.touchpoints, PARTITIONS)
        result.records = len(found.touchpoints)
        result.dead_letters = len(expected.rejected)
        result.profiles = len(expected.profiles)
        result.triggers = len(expected.triggers)
        result.comparison = Comparison(self._workload.records, expected, found)

    def _keep_evidence(self, timeline: list[tuple[float, Fault]]) -> None:
        self.result.evidence = self._folder
        comparison = self.result.comparison
        told = {
            "result": str(self.result),
            "faults": [
                f"{at:.1f} s, for {fault.seconds:.1f} s: {fault.name} {fault.number}"
                for at, fault in timeline
            ],
            "differing": comparison.differing if comparison else [],
            "first wrong writes": comparison.first_wrong if comparison else [],
            "stale writes": comparison.stale if comparison else [],
            "ids missing": comparison.missing if comparison else [],
            "unexpected": comparison.unexpected if comparison else [],
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "evidence.json").write_text(json.dumps(told, indent=1, default=str))


def _at(timed: tuple[float, Fault]) -> float:
    return timed[0]


def _perform(scene: Scene, timeline: list[tuple[float, Fault]]) -> None:
    """Begin and end faults at their times."""
    began = time.monotonic()
    queue = [(at, order, True, fault) for order, (at, fault) in enumerate(timeline)]
    heapq.heapify(queue)
    while queue:
        at, order, begins, fault = heapq.heappop(queue)
        at = max(at, time.monotonic() - began)
        time.sleep(max(began + at - time.monotonic(), 0))
        scene.look()
        if begins and fault.number in scene.busy:
            # An earlier one took longer than planned.
            heapq.heappush(queue, (at + LOOK_SECONDS, order, True, fault))
        elif begins:
            scene.busy.add(fault.number)
            fault.begin(scene)
            heapq.heappush(queue, (time.monotonic() - began + fault.seconds, order, False, fault))
        elif fault.may_end(scene):
            fault.end(scene)
            scene.busy.discard(fault.number)
        else:
            heapq.heappush(queue, (at + LOOK_SECONDS, order, False, fault))


async def _committed(bootstrap: str, topics: Topics) -> dict[int, int]:
    """Where the group stands, by partition of the touchpoint topic."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        offsets = await client.list_consumer_group_offsets(f"{topics.prefix}-group")
    finally:
        await client.close()
    return {tp.partition: each.offset for tp, each in offsets.items() if tp.topic == topics.touchpoints}


async def _delete(bootstrap: str, topics: Topics) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        await client.delete_topics([spec.name for spec in topics.specs])
    except KafkaError:
        pass  # The broker goes too in the end, and its folder with it.
    finally:
        await client.close()
