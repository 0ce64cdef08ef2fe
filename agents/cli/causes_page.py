"""The page of `dangol causes`: the report as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.display import duration, printable

if TYPE_CHECKING:
    from stream.causes import Report

WIDTH = 110
"""Columns used at most: figures far from what they are about are hard to read."""

ROWS = 20
"""Rows of a table: what is beyond them is for --json."""

STYLES = {"costs": "red", "wins": "green", "same": "", "too few": "dim"}


def show(report: Report) -> None:
    """Print a report."""
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    head = Text(f"{report.customers:,} customers", "bold").append(f", as of {report.as_of}", "not bold dim")
    if report.returned is not None:
        back = f"{report.returned:.0%} bought again within {report.within_days:g} days"
        head.append(f"; after a good or bad moment {back}", "not bold")
    console.print(head)
    for table in (_returns(report), _moments(report), _times(report), _answers(report), _levels(report)):
        if table.row_count:
            console.print(table)
    console.print(_stages(report))
    if report.not_followed:
        console.print(
            Text(f"{report.not_followed:,} triggers were too many to tell their answers by cause", "yellow")
        )


def _returns(report: Report) -> Table:
    rows = [
        (one.type, f"{one.customers:,}", f"{one.share:.0%}", Text(one.verdict, STYLES[one.verdict]))
        for one in report.returns
    ]
    return _table(
        "Which touchpoints cost customers, which win them", "touchpoint,customers,bought again,", rows
    )


def _moments(report: Report) -> Table:
    rows = [
        (
            one.type,
            one.channel or "",
            f"{one.touchpoints:,}",
            Text(f"{one.good:,}", "green" if one.good else "dim"),
            Text(f"{one.bad:,}", "red" if one.bad else "dim"),
            f"{one.weight:+.2f}",
        )
        for one in report.moments
    ]
    return _table("Good and bad moments", "touchpoint,channel,all,good,bad,weight", rows)


def _times(report: Report) -> Table:
    rows = [
        (
            one.type,
            f"time well {one.well}",
            f"{one.touchpoints:,}",
            f"{one.efforts:g}",
            duration(one.mean_s),
            duration(one.longest_s),
            duration(one.total_s),
        )
        for one in report.times
    ]
    return _table("Time", "touchpoint,,times,each customer,mean,longest,in all", rows)


def _answers(report: Report) -> Table:
    rows = [
        (
            "nothing in time" if one.cause == "timer.due" else one.cause,
            one.play,
            *(f"{count:,}" for count in (one.fired, one.accepted, one.declined, one.ignored)),
        )
        for one in report.answers
    ]
    return _table(
        "What was done, and what came of it", "because of,play,fired,accepted,declined,ignored", rows
    )


def _levels(report: Report) -> Table:
    rows = [
        (one.level, *(f"{count:,}" for count in (one.fired, one.accepted, one.declined, one.ignored)))
        for one in report.levels
        if one.level is not None
    ]
    return _table("By what it is for", "level,fired,accepted,declined,ignored", rows)


def _stages(report: Report) -> Table:
    rows = [(one.stage, f"{one.customers:,}", f"{one.mean_days:.1f} days") for one in report.stages]
    return _table("The journey", "stage,customers now,mean stay", rows)


def _table(title: str, columns: str, rows: Sequence[Iterable[str | Text]]) -> Table:
    """A table with text to the left and figures to the right."""
    more = f"  ({len(rows) - ROWS} more by --json)" if len(rows) > ROWS else ""
    table = Table(
        title=f"\n{title}{more}",
        title_style="bold",
        title_justify="left",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    words = {"touchpoint", "channel", "because of", "play", "level", "stage", ""}
    for name in columns.split(","):
        table.add_column(name, justify="left" if name in words else "right", overflow="fold")
    for row in rows[:ROWS]:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return table
