"""Report: the figures of a bench, as a table for people and as JSON for machines."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median

import msgspec
from rich.table import Table

from agents.bench.contestants import CONTESTANTS
from agents.bench.turn import Turn
from agents.version import VERSION

OURS = "dangol"

LIBRARIES = ("faust-streaming", "quixstreams", "aiokafka", "confluent-kafka", "uvloop")
"""What the figures depend on besides Python and the machine."""


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one contestant did.

    Attributes:
        median: touchpoints a second, the median of all runs.
        min: of the slowest run.
        max: of the fastest run.
        runs: of each run, in order.
        fault: what was wrong with it in the first run that had something wrong; it is not ranked then.
    """

    median: float
    min: float
    max: float
    runs: tuple[float, ...]
    fault: str | None = None


class Recovery(msgspec.Struct, frozen=True, omit_defaults=True):
    """How fast state comes back.

    Attributes:
        profiles: how many there were.
        seconds: from the assignment of partitions to being ready.
        records_per_second: profiles a second.
        bytes_each: size of each, in bytes.
    """

    profiles: int
    seconds: float
    records_per_second: float
    bytes_each: int


class Machine(msgspec.Struct, frozen=True):
    """Where it ran.

    Attributes:
        cores: processor cores that this process may use; the broker and the others share them.
        system: operating system and architecture.
        python: version of Python.
        broker: which broker.
        broker_time: whether times are the broker's own.
        versions: versions of what took part, by name.
    """

    cores: int
    system: str
    python: str
    broker: str
    broker_time: bool
    versions: dict[str, str]


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """All figures of a bench.

    Attributes:
        events: touchpoints measured in each run.
        customers: by how many customers at most.
        partitions: of each topic.
        event_bytes: mean size of a touchpoint, in bytes.
        triggers: how many triggers they lead to.
        machine: where it ran.
        figures: touchpoints a second, by contestant.
        ratios: how many times as fast as each other one this one is, `dangol_vs_<name>`.
        recovery: how fast state comes back, by contestant.
    """

    events: int
    customers: int
    partitions: int
    event_bytes: int
    triggers: int
    machine: Machine
    figures: dict[str, Figure]
    ratios: dict[str, float]
    recovery: dict[str, Recovery] = {}


def figure_of(turns: Sequence[Turn], events: int) -> Figure:
    """The figure that a contestant's turns come to.

    >>> figure_of([Turn(2.0, None, True), Turn(1.0, None, True), Turn(4.0, None, True)], 100).median
    50.0
    """
    rates = tuple(round(events / turn.seconds, 1) if turn.seconds > 0 else 0.0 for turn in turns)
    fault = next((turn.fault for turn in turns if turn.fault is not None), None)
    return Figure(median(rates), min(rates), max(rates), rates, fault)


def ratios_of(figures: Mapping[str, Figure]) -> dict[str, float]:
    """How many times as fast as each other one this project is; only of those that did their work right."""
    ranked = {
        name: figure.median for name, figure in figures.items() if figure.fault is None and figure.median
    }
    if OURS not in ranked:
        return {}
    return {
        f"{OURS}_vs_{name}": round(ranked[OURS] / rate, 2) for name, rate in ranked.items() if name != OURS
    }


def machine_of(broker: str, *, broker_time: bool) -> Machine:
    """This machine."""
    versions = {"dangol": VERSION}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    system = f"{platform.system()} {platform.machine()}"
    return Machine(cores, system, platform.python_version(), broker, broker_time, versions)


def table_of(report: Report) -> Table:
    """The figures as a table, the fastest first, those that are wrong last."""
    table = Table(
        title=f"{report.events:,} touchpoints through one worker process each", title_justify="left"
    )
    table.add_column("contestant")
    for title in ("touchpoints/s", "min–max", "dangol is"):
        table.add_column(title, justify="right")
    for name, figure in _ranked(report):
        if figure.fault is not None:
            table.add_row(name, "wrong", "", "", style="red")
            continue
        ratio = report.ratios.get(f"{OURS}_vs_{name}")
        table.add_row(
            name,
            f"{figure.median:,.0f}",
            f"{figure.min:,.0f}–{figure.max:,.0f}",
            "" if ratio is None else f"{ratio:.2f} ×",
            style="bold green" if name == OURS else "",
        )
    return table


def lines_of(report: Report) -> list[str]:
    """What stands below the table: who is who, recovery, the touchpoints, the machine."""
    machine = report.machine
    lines = [f"{name}: {figure.fault or CONTESTANTS[name].settings}" for name, figure in _ranked(report)]
    lines += [
        f"recovery: {name} read {recovery.profiles:,} profiles of {recovery.bytes_each} B in "
        f"{recovery.seconds:.2f} s, {recovery.records_per_second:,.0f}/s"
        for name, recovery in report.recovery.items()
    ]
    runs = max(len(figure.runs) for figure in report.figures.values())
    lines.append(
        f"touchpoints of {report.event_bytes} B by {report.customers:,} customers on {report.partitions} "
        f"partitions, {report.triggers:,} triggers; medians of {runs} runs"
    )
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    clock = "" if machine.broker_time else " (which leaves the time to its clients)"
    lines.append(
        f"{machine.cores} cores, {machine.system}, Python {machine.python}, {machine.broker}{clock}; "
        f"{versions}"
    )
    return lines


def _ranked(report: Report) -> list[tuple[str, Figure]]:
    return sorted(report.figures.items(), key=lambda entry: (entry[1].fault is not None, -entry[1].median))
