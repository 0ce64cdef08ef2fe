"""The page of `dangol explain`: an explanation on a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agents.display import COLOURS, FORMAT, duration, printable
from schemas.timestamp import to_millis
from stream.plays.context import FIRED
from stream.timers import TIMER_DUE

if TYPE_CHECKING:
    from agents.explanation import Explanation, Inquiry, Outlook, Standing, Told, Verdict

WIDTH = 110
"""Columns used at most: sentences that run across a whole wide screen are hard to read."""

MARKS = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("?", "yellow")}


def show(explained: Explanation, now: int, where: str) -> None:
    """Print an explanation.

    Args:
        explained: what is told.
        now: what time it is, in ms, for how long ago something was.
        where: where decisions were looked for, such as `in the last 1 day`.
    """
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    parts: list[RenderableType] = []
    if explained.standing is not None:
        parts.append(_standing(explained, explained.standing, now))
    else:
        parts.append(Text(f"{printable(explained.customer)}: there is no profile", "bold"))
    parts += [_decision(told, now) for told in explained.decisions]
    if not explained.decisions:
        parts.append(Text(f"\nNothing was decided {where}.", "dim"))
    if explained.inquiry is not None:
        parts.append(_inquiry(explained.inquiry, now))
    console.print(Group(*parts))


def _standing(explained: Explanation, standing: Standing, now: int) -> RenderableType:
    since = "" if standing.since is None else f" for {_ago(standing.since, now)}"
    facts = [
        f"{standing.stage}{since}",
        f"risk {standing.risk if explained.outlook is None else explained.outlook.risk:.2f}",
        f"touchpoints {standing.touchpoints}",
        f"days with a purchase {standing.active_days}",
        f"spent {standing.spent:,.2f}",
    ]
    line = Text(printable(explained.customer), "bold").append(f"  {' · '.join(facts)}", "not bold")
    lines: list[RenderableType] = [line]
    spent = [f"{stage} {duration(seconds)}" for stage, seconds in standing.dwell_s.items() if seconds]
    if len(spent) > 1:
        lines.append(Text(f"time in each stage: {', '.join(spent)}", "dim"))
    if standing.open_issues:
        lines.append(Text(f"not settled: {printable(', '.join(standing.open_issues))}", "yellow"))
    if standing.aliases:
        lines.append(Text(f"also known as {printable(', '.join(standing.aliases))}", "dim"))
    if explained.outlook is not None:
        lines += _outlook(explained.outlook)
    return Group(*lines)


def _outlook(outlook: Outlook) -> list[RenderableType]:
    within = f"within {outlook.horizon_days:g} days"
    line = Text(f"risk {outlook.risk:.2f} of not buying {within}", "bold")
    average = "" if outlook.average_risk is None else f"; {outlook.average_risk:.2f} on average"
    line.append(f"{average}, by model {outlook.model}", "not bold dim")
    money = f"{outlook.value_at_risk:,.2f} {outlook.currency} at risk"
    money += f", of {outlook.expected:,.2f} to be expected {within}"
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for driver in outlook.drivers:
        colour = "red" if driver.contribution > 0.0 else "green"
        table.add_row(Text(f"{driver.contribution:+.2f}", colour), Text(printable(driver.words)))
    return [Text("\n").append_text(line), Padding(table, (0, 0, 0, 2)), Text(money)]


def _decision(told: Told, now: int) -> RenderableType:
    what = "nothing happened in time" if told.type == TIMER_DUE else printable(told.type)
    about = f"  ({printable(told.about)})" if told.about else ""
    head = Text(f"\n{_ago(told.time, now)} ago", "bold").append(f"  {what}{about}", "bold")
    head.append(f"  {_moment(told.time):{FORMAT}}, {told.stage}, risk {told.risk:.2f}", "dim not bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True, min_width=14)
    table.add_column()
    for verdict in told.verdicts:
        colour = COLOURS.get(verdict.family, "white")
        mark = MARKS[verdict.reason == FIRED]
        table.add_row(mark, Text(printable(verdict.play), colour), _said(verdict))
    return Group(head, Padding(table, (0, 0, 0, 2)))


def _said(verdict: Verdict) -> Text:
    text = Text()
    if verdict.reason != FIRED:
        text.append(f"{verdict.reason}  ", "red")
    text.append(printable(verdict.said))
    for gate in verdict.failed:
        text.append(f"\n{gate.gate}  ", "red").append(gate.said)
    for advice in dict.fromkeys([verdict.advice, *(gate.advice for gate in verdict.failed)]):
        if advice:
            text.append(f"\n→ {advice}", "dim")
    return text


def _inquiry(inquiry: Inquiry, now: int) -> RenderableType:
    fired = all(finding.holds for finding in inquiry.findings)
    head = Text(f"\n{printable(inquiry.play)} ", "bold")
    became = ("fired" if inquiry.exact else "would fire") if fired else "did not fire"
    head.append(f"{became} at ", "bold")
    head.append(f"{printable(inquiry.type)}, {_ago(inquiry.time, now)} ago", "bold")
    if not inquiry.exact:
        head.append("  asked of the profile as it is now", "dim not bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True, min_width=9)
    table.add_column()
    for finding in inquiry.findings:
        table.add_row(MARKS[finding.holds], Text(finding.part, "dim"), Text(printable(finding.said)))
    return Group(head, Padding(table, (0, 0, 0, 2)))


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time)


def _ago(time: str, now: int) -> str:
    return duration(max(now - to_millis(_moment(time)), 0) / 1_000)
