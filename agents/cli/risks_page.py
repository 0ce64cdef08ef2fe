"""The page of `dangol risks`: the report on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.display import printable

if TYPE_CHECKING:
    from agents.risks import AtRisk, Report

WIDTH = 110
"""Columns used at most: figures far from what they are about are hard to read."""


def show(report: Report) -> None:
    """Print a report."""
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    head = Text(f"{report.customers:,} customers", "bold")
    head.append(f", mean risk {report.mean_risk:.2f}", "not bold")
    head.append(f" of not buying within {report.horizon_days:g} days", "not bold")
    head.append(f"; {report.value_at_risk:,.2f} {report.currency} at risk", "not bold")
    console.print(head)
    console.print(Text(f"as of {report.as_of}, by model {report.model}", "dim"))
    console.print(
        f"{report.at_risk:,} from {report.threshold:.2f} on, "
        f"with {report.value_of_these:,.2f} {report.currency} at risk"
    )
    if report.first:
        console.print(_table(report))


def _table(report: Report) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("\ncustomer", overflow="fold")
    for name in ("risk", f"{report.currency} at risk", "of", "days silent"):
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    table.add_column("\nmostly as")
    for each in report.first:
        table.add_row(
            Text(printable(each.customer), "bold"),
            f"{each.risk:.2f}",
            f"{each.value_at_risk:,.2f}",
            f"{each.expected:,.2f}",
            f"{each.days_since_active:,.0f}",
            Text(printable(_why(each)), "dim"),
        )
    return table


def _why(each: AtRisk) -> str:
    """What raises the risk most."""
    return next((driver.words for driver in each.drivers if driver.contribution > 0.0), "")
