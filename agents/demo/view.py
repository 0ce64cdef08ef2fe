"""View: the demo on a terminal, redrawn as it goes; as plain lines where there is no terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.bar import Bar
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from agents.demo.tally import RECENT, Summary, Tally
from agents.display import COLOURS
from agents.simulation.happening import DAY_START
from agents.simulation.simulation import Simulation
from schemas.families import FAMILIES
from schemas.timestamp import to_datetime

REDRAW_SECONDS = 0.25
"""Often enough to look alive; each redraw takes the subscriber's time, and would show in what it measures."""

LINE_SECONDS = 3.0
"""Seconds between two lines where there is no terminal: a log, or another program."""

MAX_WIDTH = 120
"""Columns used at most: sentences that run across a whole wide screen are hard to read."""

WIDE = 100
"""Columns from which a sentence fits on one line; below it takes two, and fewer are shown."""

FEWER = 6
"""Sentences shown on a narrow screen: two lines each, they fit a terminal of 24 lines with the rest."""

PICTURE_WIDTH = 100
"""Columns of the recorded picture: what a page shows without shrinking it."""

PURPOSES = {
    "room-key": "on the phone at arrival, gone after check-out",
    "recovery-offer": "an apology right after the bad moment",
    "suppression": "no promotions for someone who is angry",
    "retention-offer": "a reason to stay, before it is too late",
    "service-context": "whoever answers knows who this is",
    "wow": "a small surprise, drawn by lot",
    "participation": "asked to take part, when the moment was good",
    "continue": "begun on one channel, offered on the next",
    "recommendation": "what others like, but what was bought",
}


class View:
    """Shows a demo.

    Args:
        console: where.
        simulation: what is simulated, for the title.

    Attributes:
        pause: seconds to wait between two calls of `draw`.
    """

    def __init__(self, console: Console, simulation: Simulation) -> None:
        self._console = console
        self._day = f"{to_datetime(DAY_START):%a %d %b %Y}"
        self._subtitle = (
            f"simulated: seed {simulation.seed}, {simulation.customers:,} customers, "
            f"{simulation.expected.records:,} touchpoints"
        )
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self.pause = LINE_SECONDS if self._live is None else REDRAW_SECONDS

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Also on Ctrl-C: the terminal gets its cursor back.
        if self._live is not None:
            self._live.stop()

    def says(self, what: str) -> None:
        """Say what the demo is waiting for, before there is anything to count."""
        if self._live is not None:
            self._live.update(self._panel(Text(f"{what} …", style="dim")), refresh=True)
        else:
            self._console.print(f"dangol demo, {self._subtitle}: {what}", soft_wrap=True)

    def draw(self, tally: Tally) -> None:
        """Show how it stands."""
        if self._live is not None:
            self._live.update(self.screen(tally), refresh=True)
        else:
            self._console.print(self.line(tally), soft_wrap=True)

    def line(self, tally: Tally) -> str:
        """How it stands, in one line."""
        families = ", ".join(f"{family} {tally.day[family]}" for family in FAMILIES)
        progress = f"{tally.accounted:,} of {tally.expected.records:,} touchpoints, {tally.rate:,.0f}/s"
        latency = _latency(tally.latency(0.5), tally.latency(0.99))
        return f"{self._clock(tally)}  {tally.phase}: {progress}; {families}; {latency}"

    def screen(self, tally: Tally) -> RenderableType:
        """How it stands, as a screenful."""
        head = Table.grid(padding=(0, 2), expand=True)
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text(self._clock(tally), style="bold"),
            ProgressBar(tally.expected.records, tally.accounted),
            f"{tally.accounted:,} of {tally.expected.records:,}",
        )
        status = Table.grid(padding=(0, 2), expand=True)
        status.add_column(no_wrap=True)
        status.add_column(justify="right", no_wrap=True)
        status.add_row(
            Text(tally.phase, style="dim"),
            Text.assemble(
                f"{tally.rate:,.0f} touchpoints/s   ",
                (_latency(tally.latency(0.5), tally.latency(0.99)), "bold"),
            ),
        )
        families = Table.grid(padding=(0, 2), expand=True)
        families.add_column(no_wrap=True)
        families.add_column(justify="right", no_wrap=True, min_width=5)
        families.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
        for family in FAMILIES:
            families.add_row(Text(family, style=COLOURS[family]), f"{tally.day[family]:,}", PURPOSES[family])
        return self._panel(Group(head, status, "", families, "", self._recent(tally)))

    def final(self, summary: Summary) -> RenderableType:
        """The summary, as a screenful."""
        reasons = sorted(summary.rejected.items(), key=lambda reason: (-reason[1], reason[0]))
        rejected = ", ".join(f"{number} {reason}" for reason, number in reasons)
        verdict = (
            Text("✓ every touchpoint is accounted for, none was lost", style="bold green")
            if summary.zero_loss
            else Text("✗ the counts are not what they should be", style="bold red")
        )
        counts = Table.grid(padding=(0, 2), expand=True)
        counts.add_column(no_wrap=True)
        counts.add_column(justify="right", no_wrap=True)
        counts.add_column(ratio=1, style="dim")
        counts.add_row("touchpoints", f"{summary.published:,}", f"the day in {summary.seconds:g} s")
        counts.add_row("  applied", f"{summary.applied:,}", f"to {summary.profiles:,} profiles")
        counts.add_row("  rejected", f"{sum(summary.rejected.values()):,}", rejected)
        counts.add_row("  duplicates", f"{summary.duplicates:,}", "sent twice, counted once")
        counts.add_row(
            "re-keyed", f"{summary.rekeyed:,}", "came with no key or the wrong one, among the applied"
        )

        triggers = Table.grid(padding=(0, 2), expand=True)
        triggers.add_column(no_wrap=True)
        for _ in range(3):
            triggers.add_column(justify="right", no_wrap=True, min_width=7)
        triggers.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
        triggers.add_row("triggers of the day", "", "p50 ms", "p99 ms", "touchpoint → trigger", style="dim")
        for family, of in summary.triggers.items():
            name = Text(f"  {family}", style=COLOURS[family])
            triggers.add_row(name, f"{of.day:,}", _figure(of.p50), _figure(of.p99), PURPOSES[family])
        total = sum(of.day for of in summary.triggers.values())
        triggers.add_row("  all", f"{total:,}", _figure(summary.p50), _figure(summary.p99), "", style="bold")

        sides = Table.grid(padding=(0, 4), expand=True)
        sides.add_column(ratio=1)
        sides.add_column(ratio=1)
        # Fifths, so that both sides are as high.
        risks = {
            f"{low / 10:.1f}–{low / 10 + 0.2:.1f}": sum(summary.risk[low : low + 2])
            for low in range(0, 10, 2)
        }
        sides.add_row(_bars("churn risk", risks, "red"), _bars("5A stage", summary.stages, "blue"))
        return self._panel(Group(counts, "", triggers, "", sides, verdict))

    def _clock(self, tally: Tally) -> str:
        return f"{self._day}  {to_datetime(tally.clock):%H:%M} UTC"

    def _recent(self, tally: Tally) -> RenderableType:
        wide = self._console.width >= WIDE
        shown = list(tally.recent) if wide else list(tally.recent)[-FEWER:]
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, no_wrap=wide, overflow="ellipsis")
        for one in shown:
            table.add_row(one.clock, Text(one.family, style=COLOURS[one.family]), one.text)
        # Always as high, so that nothing jumps.
        return _Tall(table, RECENT if wide else 2 * FEWER)

    def _panel(self, content: RenderableType) -> Panel:
        return Panel(
            content,
            title="[bold]dangol demo[/] · a simulated day at a hotel group and its shop",
            subtitle=self._subtitle,
            width=min(self._console.width, MAX_WIDTH),
            padding=(0, 1),
            border_style="dim",
        )


class _Tall:
    """Something shown with blank lines below, up to a height in lines."""

    def __init__(self, content: RenderableType, height: int) -> None:
        self._content = content
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._content, options)
        for line in Segment.set_shape(lines, options.max_width, self._height):
            yield from line
            yield Segment.line()


def save(picture: RenderableType, path: Path) -> None:
    """Write a picture of the screen as SVG that loads nothing from anywhere."""
    console = Console(
        record=True, file=io.StringIO(), width=PICTURE_WIDTH, force_terminal=True, color_system="truecolor"
    )
    console.print(picture)
    svg = console.export_svg(title="dangol demo")
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


def _bars(title: str, counts: dict[str, int], colour: str) -> RenderableType:
    most = max([*counts.values(), 1])
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(Text(title, style="dim"), "", Text("customers", style="dim"))
    for label, number in counts.items():
        table.add_row(label, Bar(most, 0, number, color=colour), f"{number:,}")
    return table


def _latency(p50: float | None, p99: float | None) -> str:
    return f"latency p50 {_figure(p50)} ms, p99 {_figure(p99)} ms"


def _figure(milliseconds: float | None) -> str:
    return (
        "–"
        if milliseconds is None
        else f"{milliseconds:.1f}"
        if milliseconds < 100
        else f"{milliseconds:.0f}"
    )
