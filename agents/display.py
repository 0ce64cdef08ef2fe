"""Display: what stands on the topics as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from agents.sentence import sentence
from schemas.budget import THOUSANDTHS, is_ledger
from schemas.cloudevents import CloudEvent
from schemas.decision import Candidate, DecisionEvent
from schemas.erasure import ErasureEvent
from schemas.ledger import Ledger, Totals
from schemas.mark import Mark
from schemas.profile import Profile
from schemas.service_context import ServiceRecordEvent
from schemas.stage import StageEvent
from schemas.timestamp import to_datetime, to_millis
from schemas.trigger import TriggerEvent
from stream import identity
from stream.arbitration.lifecycle import OUTCOMES, UNKNOWN
from stream.plays.context import FIRED
from stream.recoveries import CAME_BACK

COLOURS = {
    "room-key": "green",
    "recovery-offer": "yellow",
    "suppression": "magenta",
    "retention-offer": "cyan",
    "service-context": "blue",
    "wow": "bright_yellow",
    "participation": "bright_magenta",
    "continue": "bright_cyan",
    "recommendation": "bright_blue",
}
"""Colour of each family; one that is new is white until it gets its own."""

FORMAT = "%Y-%m-%d %H:%M:%S"

BEGINS = 60
"""Bytes shown of a dead letter's value: enough to know it again, and the line stays one line."""

NUMBERS = {
    "kafka_dlt-original-partition": 4,
    "kafka_dlt-original-offset": 8,
    "kafka_dlt-original-timestamp": 8,
    "cx-first-timestamp": 8,
}
"""Headers of a dead letter that hold a big-endian number, and of how many bytes."""

WIDTH = max(map(len, COLOURS))

STAGE_WIDTH = len("advocate → appeal")


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
        f"{printable(said)}{click.style(latency, dim=True)}"
    )


def decision_lines(event: DecisionEvent, *, held_only: bool = False) -> list[str]:
    """A decision, one line for each candidate: fired, or what held it back.

    Args:
        event: the decision.
        held_only: leave out those that fired, where their triggers are shown as well.
    """
    return [
        f"{_time(event)}  {click.style(f'{candidate.family:<{WIDTH}}', dim=True)}  "
        + printable(
            f"{event.subject}: {_became(event, candidate)}; on {event.data.touchpoint_type}, "
            f"risk {event.data.risk:.2f}, {event.data.stage}"
        )
        for candidate in event.data.candidates
        if not (held_only and candidate.reason == FIRED)
    ]


def _became(event: DecisionEvent, candidate: Candidate) -> str:
    """What became of a candidate, or of the link to another id."""
    if candidate.family == identity.FAMILY:
        return f"{candidate.reason} {event.correlationid}"
    reason, failed = candidate.reason, candidate.failed
    if reason == FIRED or (candidate.trigger is not None and reason in (*OUTCOMES, CAME_BACK)):
        after = f", after {candidate.cause}" if candidate.cause else ""
        return f"{candidate.play} {reason}{after}"
    if reason == UNKNOWN:
        return f"{', '.join(failed)} was told of a trigger that is not known"
    if failed and reason not in failed:
        return f"{candidate.play} held back: {reason} ({', '.join(failed)})"
    return f"{candidate.play} held back: {', '.join(failed) or reason}"


def stage_line(event: StageEvent) -> str:
    """A change of stage as one line: whose, from where to where, after how long and because of what."""
    told = event.data
    lasted = f" after {duration(told.dwell_s)}" if told.from_ else ""
    way = f"{told.from_ or 'new'} → {told.to or 'gone'}"
    colour = "red" if told.regression else "green" if told.to == "advocate" else None
    return f"{_time(event)}  {click.style(f'{way:<{STAGE_WIDTH}}', fg=colour)}  " + printable(
        f"{event.subject}:{lasted or ' first seen'}; because {told.because}"
    )


def duration(seconds: float) -> str:
    """A duration in its largest unit, as people say it.

    >>> duration(0.2), duration(59), duration(5_400), duration(172_800)
    ('0 s', '59 s', '90 min', '2 days')
    """
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def dead_letter_line(headers: Sequence[tuple[str, bytes]], value: bytes | None, written: int) -> str:
    """A dead letter as one line: when, why, where it came from and how it begins."""
    told = header_values(headers)
    origin = f"{told.get('kafka_dlt-original-partition', '?')}@{told.get('kafka_dlt-original-offset', '?')}"
    begins = "no value" if value is None else value[:BEGINS].decode("utf-8", "replace")
    code = click.style(str(told.get("cx-error-code", "unknown")), fg="red")
    message = str(told.get("kafka_dlt-exception-message", ""))
    return f"{to_datetime(written):{FORMAT}}  {code}  {origin}  {printable(f'{message}: {begins}')}"


def header_values(headers: Sequence[tuple[str, bytes]]) -> dict[str, str | int]:
    r"""The headers of a dead letter as text and numbers.

    >>> header_values([("cx-error-code", b"value-null"), ("kafka_dlt-original-partition", b"\0\0\0\3")])
    {'cx-error-code': 'value-null', 'kafka_dlt-original-partition': 3}
    """
    return {name: header_value(name, value or b"") for name, value in headers}


def header_value(name: str, value: bytes) -> str | int:
    """A header's value: a number where it has to be one and is as long as one, else text.

    >>> header_value("kafka_dlt-original-offset", b"17")
    '17'
    """
    if NUMBERS.get(name) == len(value):
        return int.from_bytes(value, "big", signed=True)
    return value.decode("utf-8", "backslashreplace")


def service_line(event: ServiceRecordEvent) -> str:
    """A service record as one line: as of when, of whom, and what the desk sees first."""
    return printable(f"{_time(event)}  {sentence(event, None)}, {event.data.stage}")


def erasure_line(event: ErasureEvent) -> str:
    """A proof of erasure as one line: when, of whom, up to when, and what was removed."""
    removed = ", ".join(f"{count} {name}" for name, count in event.data.removed.items())
    until = f"{event.data.until:{FORMAT}}"
    return printable(
        f"{_time(event)}  {event.subject}: erased up to {until}: {removed or 'nothing was known'}"
    )


def mark_line(digest: str, mark: Mark) -> str:
    """A mark among the profiles as one line: of whom, and up to when."""
    return f"{to_datetime(mark.erased):{FORMAT}}  {printable(digest)}: erased up to then"


def profile_line(customer: str, profile: Profile | None) -> str:
    """A profile as one line: whose, how often they came, what they spent, where they stand."""
    if profile is None:
        return printable(f"{customer}: removed")
    if is_ledger(customer):
        return "\n".join(_ledger_line(customer, ledger) for ledger in profile.ledgers.values())
    seen = f"{to_datetime(profile.last_seen):{FORMAT}}"
    return f"{seen}  " + printable(
        f"{customer}: {profile.stage}, risk {profile.risk:.2f}, {profile.touchpoints} touchpoints, "
        f"{profile.active_days} active days, spent {profile.spent:.2f}, {len(profile.issues)} open issues"
    )


def _ledger_line(key: str, ledger: Ledger) -> str:
    """A shared budget's account as one line: what the latest period comes to."""
    period, totals = max(ledger.periods.items(), default=(0, Totals()))
    return printable(
        f"{key}: period {period}: {totals.committed / THOUSANDTHS:.2f} spent by {totals.uses} uses, "
        f"{totals.reserved / THOUSANDTHS:.2f} reserved; {len(ledger.open)} reservations open"
    )


def _time(event: CloudEvent[Any]) -> str:
    return f"{event.time:{FORMAT}}"


def printable(text: str) -> str:
    """The text without characters that could steer the terminal: it comes from outside."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
