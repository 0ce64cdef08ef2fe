"""Tally: what the demo has seen so far, and the summary of it at the end."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence

import msgspec

from agents.sentence import sentence
from agents.simulation.happening import DAY_START
from agents.simulation.simulation import Expected, Simulation
from schemas.families import FAMILIES
from schemas.profile import Profile
from schemas.timestamp import to_millis
from schemas.trigger import TriggerEvent
from stream.journey import ORDER

RECENT = 8
"""Triggers shown as sentences: as many as leave room for the rest on a terminal of 24 lines."""

RATE_SECONDS = 2.0
"""Seconds over which throughput is measured."""


class Shown(msgspec.Struct, frozen=True):
    """A trigger as the screen shows it.

    Attributes:
        clock: simulated time of day, in UTC.
        family: its family.
        text: what is done, and why.
    """

    clock: str
    family: str
    text: str


class Family(msgspec.Struct, frozen=True):
    """What a family of triggers did.

    Attributes:
        day: triggers on the simulated day.
        history: triggers while the history was imported.
        p50: median of milliseconds from touchpoint to trigger, on the day; None where there was none.
        p99: its 99th percentile.
    """

    day: int
    history: int
    p50: float | None
    p99: float | None


class Summary(msgspec.Struct, frozen=True):
    """The demo in figures.

    Attributes:
        simulation: always true: none of these customers exists.
        seed: the simulation's seed.
        customers: how many were simulated.
        published: records published.
        applied: touchpoints applied to a profile.
        rejected: dead letters by reason.
        duplicates: touchpoints recognised as sent before.
        rekeyed: records that came with no key or the wrong one and were set right.
        zero_loss: whether each record is accounted for, as it should be.
        triggers: by family.
        p50: median of milliseconds from touchpoint sent to trigger at the subscriber, on the day.
        p99: its 99th percentile.
        repeated_triggers: triggers that came a second time with the same id.
        profiles: customers with a profile.
        risk: customers by churn risk, in tenths from 0 up.
        stages: customers by 5A stage.
        seconds: how long the day took.
    """

    simulation: bool
    seed: int
    customers: int
    published: int
    applied: int
    rejected: dict[str, int]
    duplicates: int
    rekeyed: int
    zero_loss: bool
    triggers: dict[str, Family]
    p50: float | None
    p99: float | None
    repeated_triggers: int
    profiles: int
    risk: list[int]
    stages: dict[str, int]
    seconds: float


class Tally:
    """What was published, what the worker says became of it, and what the subscriber got.

    Args:
        simulation: what is published.

    Attributes:
        phase: what the demo is doing.
        clock: simulated time, in ms.
        published: records acknowledged or on their way.
        applied: the worker's count of touchpoints applied.
        rejected: the worker's counts of dead letters, by reason.
        duplicates: the worker's count of touchpoints sent before.
        rekeyed: the worker's count of records set right.
        rate: records that the worker accounted for, per second, lately.
        recent: the last triggers.
        day: triggers of the day by family.
        history: triggers of the import by family.
        repeated: triggers that came again with the same id.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.phase = "importing 18 months of history"
        self.clock = DAY_START
        self.published = 0
        self.applied = 0
        self.rejected: dict[str, int] = {}
        self.duplicates = 0
        self.rekeyed = 0
        self.rate = 0.0
        self.recent: deque[Shown] = deque(maxlen=RECENT)
        self.day: Counter[str] = Counter()
        self.history: Counter[str] = Counter()
        self.repeated = 0
        self._latencies: dict[str, list[float]] = {family: [] for family in FAMILIES}
        self._causes = {record.id: record.type for record in simulation}
        self._sent: dict[str, float] = {}
        self._triggers: set[str] = set()
        self._accounts: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    @property
    def expected(self) -> Expected:
        """What must become of the records."""
        return self.simulation.expected

    @property
    def accounted(self) -> int:
        """Records of which the worker says what became of them."""
        return self.applied + sum(self.rejected.values()) + self.duplicates

    @property
    def is_exact(self) -> bool:
        """Whether the worker's counts are the expected ones, each of them."""
        counted = (self.accounted, self.applied, self.rejected, self.duplicates, self.rekeyed)
        e = self.expected
        return counted == (e.records, e.applied, e.rejected, e.duplicates, e.rekeyed)

    def sent(self, id_: str) -> None:
        """A record of the day is sent now; of a duplicate, the first sending counts."""
        self._sent.setdefault(id_, time.monotonic())

    def heard(self, counters: dict[str, float]) -> None:
        """Take on what the worker says."""
        reasons = "cx_events_rejected_total{"
        self.applied = int(counters.get("cx_events_applied_total", 0))
        self.duplicates = int(counters.get("cx_events_duplicate_total", 0))
        self.rekeyed = int(counters.get("cx_events_rekeyed_total", 0))
        self.rejected = {
            name[len(reasons) : -1]: int(value)
            for name, value in sorted(counters.items())
            if name.startswith(reasons)
        }
        now = time.monotonic()
        self._accounts.append((now, self.accounted))
        while now - self._accounts[1][0] > RATE_SECONDS:
            self._accounts.popleft()
        since, count = self._accounts[0]
        self.rate = (self.accounted - count) / max(now - since, 1e-3)

    def received(self, event: TriggerEvent) -> None:
        """A trigger has reached the subscriber."""
        now = time.monotonic()
        if event.id in self._triggers:
            self.repeated += 1
            return
        self._triggers.add(event.id)
        family = event.type.split(".")[-2]
        if to_millis(event.time) < DAY_START:
            self.history[family] += 1
            return
        self.day[family] += 1
        if (sent := self._sent.get(event.causationid)) is not None:
            self._latencies[family].append((now - sent) * 1000)
        text = sentence(event, self._causes.get(event.causationid))
        self.recent.append(Shown(f"{event.time:%H:%M}", family, text))

    def latency(self, share: float, families: Iterable[str] = FAMILIES) -> float | None:
        """Milliseconds from touchpoint sent to trigger received within which this share stayed."""
        return percentile([value for family in families for value in self._latencies[family]], share)

    def summary(self, profiles: Sequence[Profile], seconds: float) -> Summary:
        """The figures at the end, with the profiles that the worker has published."""
        risk = Counter(min(int(profile.risk * 10), 9) for profile in profiles)
        stages = Counter(profile.stage for profile in profiles)
        return Summary(
            simulation=True,
            seed=self.simulation.seed,
            customers=self.simulation.customers,
            published=self.published,
            applied=self.applied,
            rejected=self.rejected,
            duplicates=self.duplicates,
            rekeyed=self.rekeyed,
            zero_loss=self.published == self.expected.records and self.is_exact,
            triggers={
                family: Family(
                    self.day[family],
                    self.history[family],
                    _rounded(self.latency(0.5, [family])),
                    _rounded(self.latency(0.99, [family])),
                )
                for family in FAMILIES
            },
            p50=_rounded(self.latency(0.5)),
            p99=_rounded(self.latency(0.99)),
            repeated_triggers=self.repeated,
            profiles=len(profiles),
            risk=[risk[tenth] for tenth in range(10)],
            stages={stage: stages[stage] for stage in ORDER},
            seconds=round(seconds, 1),
        )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all values doesn't exceed; None if there are none.

    >>> percentile([5.0, 1.0, 9.0, 7.0], 0.5)
    5.0
    """
    if not values:
        return None
    rank = -int(-share * len(values) // 1)  # rounded up
    return sorted(values)[max(rank, 1) - 1]


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
