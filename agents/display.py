"""Display: what stands on the topics as lines for a terminal."""

from __future__ import annotations

import click

from agents.demo.sentence import sentence
from schemas.decision import DecisionEvent
from schemas.timestamp import to_millis
from schemas.trigger import TriggerEvent
from stream.plays.context import FIRED

COLOURS = {
    "room-key": "green",
    "recovery-offer": "yellow",
    "suppression": "magenta",
    "retention-offer": "cyan",
}
"""Colour of each family; one that is new is white until it gets its own."""

WIDTH = max(map(len, COLOURS))


def trigger_line(event: TriggerEvent, cause: str | None = None, written: int | None = None) -> str:
    """A trigger as one line: when, which family, for whom, what, why and how fast.

    Args:
        event: the trigger.
        cause: type of the touchpoint that caused it; without it the line names the touchpoint's id.
        written: Kafka timestamp of the trigger's record in ms, from which the latency is told.
    """
    family = event.type.split(".")[-2]
    said = sentence(event, cause or event.causationid)
    latency = "" if written is None else f"  ({max(written - to_millis(event.time), 0)} ms)"
    return (
        f"{_time(event)}  {click.style(f'{family:<{WIDTH}}', fg=COLOURS.get(family, 'white'))}  "
        f"{_printable(said)}{click.style(latency, dim=True)}"
    )


def decision_lines(event: DecisionEvent, *, held_only: bool = False) -> list[str]:
    """A decision, one line for each candidate: fired, or what held it back.

    Args:
        event: the decision.
        held_only: leave out those that fired, where their triggers are shown as well.
    """
    return [
        f"{_time(event)}  {click.style(f'{candidate.family:<{WIDTH}}', dim=True)}  "
        + _printable(
            f"{event.subject}: {candidate.play} "
            + (
                FIRED
                if candidate.reason == FIRED
                else f"held back: {', '.join(candidate.failed) or candidate.reason}"
            )
            + f"; on {event.data.touchpoint_type}, risk {event.data.risk:.2f}, {event.data.stage}"
        )
        for candidate in event.data.candidates
        if not (held_only and candidate.reason == FIRED)
    ]


def _time(event: TriggerEvent | DecisionEvent) -> str:
    return f"{event.time:%Y-%m-%d %H:%M:%S}"


def _printable(text: str) -> str:
    """The text without characters that could steer the terminal: ids come from outside."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
