"""Run: all contestants, run after run, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.bench.contestants import CONTESTANTS
from agents.bench.recovery import TAKE_PART, recover
from agents.bench.report import Recovery, Report, figure_of, machine_of, ratios_of
from agents.bench.turn import Turn, take
from agents.bench.workload import Workload
from schemas.errors import BrokerError, DangolError
from stream.engine import load_engine

Say = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured.

    Attributes:
        events: touchpoints a run.
        customers: by how many customers, at most.
        partitions: of each topic.
        runs: turns that each contestant takes.
        recovery: profiles to be recovered; 0 for none.
    """

    events: int
    customers: int
    partitions: int
    runs: int
    recovery: int


async def run(bootstrap: str, broker: str, names: Sequence[str], plan: Plan, say: Say) -> Report:
    """Let the contestants take turns; who begins, changes from run to run.

    Before the first run, the first one takes a turn that does not count: a broker that has just
    started is slow.

    Args:
        bootstrap: the broker, `host:port`.
        broker: what it is called in the report.
        names: the contestants.
        plan: what is to be measured.
        say: gets a line whenever there is something to tell.

    Raises:
        BrokerError: the broker can't be reached, or failed.
        DangolError: a recovery failed.
    """
    engine = load_engine()
    events, partitions, runs = plan.events, plan.partitions, plan.runs
    say(f"making {events:,} touchpoints of {plan.customers:,} customers")
    workload = Workload(events, plan.customers, partitions, engine)

    async def turn(name: str) -> Turn:
        try:
            return await take(CONTESTANTS[name], bootstrap, workload, partitions)
        except BrokerError:
            raise
        except DangolError as error:
            # It is out; the others go on.
            return Turn(0.0, str(error), broker_time=True)

    say("warming up the broker")
    await turn(names[0])
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for number in range(runs):
        for name in rotated(names, number):
            taken = await turn(name)
            turns[name].append(taken)
            result = taken.fault or f"{events / taken.seconds:,.0f} touchpoints/s"
            say(f"run {number + 1} of {runs}: {name}: {result}")
    recovered: dict[str, Recovery] = {}
    if plan.recovery:
        for name in (name for name in TAKE_PART if name in names):
            say(f"recovery of {plan.recovery:,} profiles: {name}")
            recovered[name] = await recover(CONTESTANTS[name], bootstrap, engine, plan.recovery, partitions)
    figures = {name: figure_of(taken, events) for name, taken in turns.items()}
    broker_time = all(taken.broker_time for each in turns.values() for taken in each)
    return Report(
        events,
        plan.customers,
        partitions,
        round(workload.bytes_mean),
        len(workload.expected.triggers),
        machine_of(broker, broker_time=broker_time),
        figures,
        ratios_of(figures),
        recovered,
    )


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The names in the order of a run: each time another one begins.

    >>> rotated(["a", "b", "c"], 1)
    ['b', 'c', 'a']
    """
    first = number % len(names)
    return [*names[first:], *names[:first]]
