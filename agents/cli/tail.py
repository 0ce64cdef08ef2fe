"""`dangol tail`: triggers as they happen."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Literal

import click

from agents.cli import options
from schemas.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents.connection import Connection
    from schemas.topics import Topics

What = Literal["triggers", "decisions", "stages", "service-contexts", "erasures", "dead-letters", "profiles"]


@click.command
@options.connection
@options.prefix
@click.option(
    "--family",
    "families",
    multiple=True,
    type=click.Choice(FAMILIES),
    help="Only these triggers; again for more.",
)
@click.option(
    "--decisions", "what", flag_value="decisions", help="Decisions instead: what was held back, and why."
)
@click.option("--stages", "what", flag_value="stages", help="Changes of 5A stage.")
@click.option(
    "--service-contexts",
    "what",
    flag_value="service-contexts",
    help="What the desk can look up.",
)
@click.option("--erasures", "what", flag_value="erasures", help="Proofs that a customer was erased.")
@click.option(
    "--dead-letters", "what", flag_value="dead-letters", help="Touchpoints that could not be processed."
)
@click.option("--profiles", "what", flag_value="profiles", help="Profiles as they change.")
@click.option("--from-beginning", is_flag=True, help="Begin with what is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option("--max", "limit", type=click.IntRange(min=1), help="End after so many records.")
def command(
    connection: Connection,
    prefix: str,
    families: tuple[str, ...],
    what: What | None,
    from_beginning: bool,
    as_json: bool,
    limit: int | None,
) -> None:
    """Follow triggers until Ctrl-C: when, which family, for whom, what, why and how fast.

    The latency in brackets is from the decision to the record. With --json each record is a line: triggers,
    decisions, stages and erasures as they were published, profiles as JSON, dead letters with their headers.

    \b
    Example:
      dangol tail --family room-key --family recovery-offer
    """
    import logging

    from schemas.topics import Topics

    if families and what:
        raise click.UsageError(f"--family is for triggers; it does not go with --{what}")
    # aiokafka logs every failed attempt by itself; the one line of ours is what the user gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    topics = Topics(prefix)
    names = _names(topics, what or "triggers", families)
    show = (_JSON if as_json else _LINES)[what or "triggers"]
    with suppress(KeyboardInterrupt):  # The way it is meant to end.
        asyncio.run(_follow(connection, topics, names, from_beginning, limit, show))


def _names(topics: Topics, what: What, families: tuple[str, ...]) -> list[str]:
    if what == "triggers":
        return [topics.trigger(family) for family in families or FAMILIES]
    return [
        {
            "decisions": topics.decisions,
            "stages": topics.stages,
            "service-contexts": topics.service_contexts,
            "erasures": topics.erasures,
            "dead-letters": topics.dead_letters,
            "profiles": topics.profiles,
        }[what]
    ]


async def _follow(
    connection: Connection,
    topics: Topics,
    names: list[str],
    from_beginning: bool,
    limit: int | None,
    show: Callable[[Any], list[str]],
) -> None:
    import msgspec

    from agents.follower import follow
    from schemas.errors import StateError

    count = 0
    async with aclosing(follow(connection, topics, names, from_beginning=from_beginning)) as records:
        async for record in records:
            try:
                lines = show(record)
                if not lines:
                    continue  # It is of no use to anyone but workers.
                for line in lines:
                    click.echo(line)
            except (msgspec.MsgspecError, ValueError, TypeError, StateError) as error:
                where = f"{record.topic} {record.partition}@{record.offset}"
                click.echo(f"{where}: not one of dangol's: {error}", err=True)
            count += 1
            if count == limit:
                return


def _trigger(record: Any) -> list[str]:
    import msgspec

    from agents.display import trigger_line
    from schemas.trigger import TriggerEvent

    return [trigger_line(msgspec.json.decode(record.value, type=TriggerEvent), written=record.timestamp)]


def _decision(record: Any) -> list[str]:
    import msgspec

    from agents.display import decision_lines
    from schemas.decision import DecisionEvent

    return decision_lines(msgspec.json.decode(record.value, type=DecisionEvent))


def _stage(record: Any) -> list[str]:
    import msgspec

    from agents.display import stage_line
    from schemas.stage import StageEvent

    return [stage_line(msgspec.json.decode(record.value, type=StageEvent))]


def _erasure(record: Any) -> list[str]:
    import msgspec

    from agents.display import erasure_line
    from schemas.erasure import ErasureEvent

    return [erasure_line(msgspec.json.decode(record.value, type=ErasureEvent))]


def _service(record: Any) -> list[str]:
    import msgspec

    from agents.display import printable, service_line
    from schemas.service_context import ServiceRecordEvent

    if record.value is None:
        return [printable(f"{record.key.decode()}: removed")]
    return [service_line(msgspec.json.decode(record.value, type=ServiceRecordEvent))]


def _dead_letter(record: Any) -> list[str]:
    from agents.display import dead_letter_line

    return [dead_letter_line(record.headers, record.value, record.timestamp)]


def _profile(record: Any) -> list[str]:
    from agents.display import mark_line, profile_line
    from schemas import ingestion, mark, pin, profile

    if record.key in (pin.KEY, ingestion.KEY):
        return []
    if mark.is_mark(record.key):
        return [mark_line(mark.digest_in(record.key), mark.decode(record.value))]
    return [profile_line(record.key.decode(), record.value and profile.decode(record.value))]


def _published_json(record: Any) -> list[str]:
    return [record.value.decode()]


def _service_json(record: Any) -> list[str]:
    import msgspec

    if record.value is None:
        return [msgspec.json.encode({"customer": record.key.decode(), "deleted": True}).decode()]
    return _published_json(record)


def _profile_json(record: Any) -> list[str]:
    import msgspec

    from schemas import ingestion, mark, pin, profile, profile_record

    if record.key in (pin.KEY, ingestion.KEY):
        return []
    if mark.is_mark(record.key):
        erased = mark.decode(record.value).erased
        return [msgspec.json.encode({"digest": mark.digest_in(record.key), "erased": erased}).decode()]
    if record.value is None:
        return [msgspec.json.encode({"customer": record.key.decode(), "deleted": True}).decode()]
    return [profile_record.encode(profile.decode(record.value)).decode()]


def _dead_letter_json(record: Any) -> list[str]:
    import msgspec

    from agents.display import header_values

    letter = {
        "key": _text(record.key),
        "value": _text(record.value),
        "timestamp": record.timestamp,
        "headers": header_values(record.headers),
    }
    return [msgspec.json.encode(letter).decode()]


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


_LINES: dict[What, Callable[[Any], list[str]]] = {
    "triggers": _trigger,
    "decisions": _decision,
    "stages": _stage,
    "service-contexts": _service,
    "erasures": _erasure,
    "dead-letters": _dead_letter,
    "profiles": _profile,
}
_JSON: dict[What, Callable[[Any], list[str]]] = {
    "triggers": _published_json,
    "decisions": _published_json,
    "stages": _published_json,
    "service-contexts": _service_json,
    "erasures": _published_json,
    "dead-letters": _dead_letter_json,
    "profiles": _profile_json,
}
