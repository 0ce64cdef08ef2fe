"""Findings: the report on causes, from the topics or from a file of touchpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from agents.case import Look
from agents.connection import Connection
from agents.past import Past
from agents.touchpoint_files import Line
from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.decision import DecisionEvent
from schemas.errors import RejectedError, StateError
from schemas.topics import Topics
from stream.causes import Causes, Report
from stream.engine import Engine
from stream.erasure import is_blank
from stream.replay import Replay

_decision = msgspec.json.Decoder(DecisionEvent).decode


def from_file(lines: Iterable[Line], engine: Engine, within: int) -> Report:
    """What a file of touchpoints tells of causes; lines that can't be used are left out.

    Args:
        lines: its lines.
        engine: what the touchpoints are run through.
        within: how soon customers have to buy again, in ms.
    """
    causes = Causes(engine.playbook, within)
    replay = Replay(engine)
    now = 0
    for line in lines:
        if line.touchpoint is None:
            continue
        try:
            outcomes = replay.take(line.touchpoint)
        except (RejectedError, msgspec.ValidationError):
            continue
        now = max(now, line.touchpoint.time)
        if not outcomes[0].duplicate and not outcomes[0].erased:
            causes.touchpoint(line.touchpoint)
        for outcome in outcomes:
            for decided in outcome.decisions:
                causes.decision(decided.data)
    for outcome in replay.finish():
        for decided in outcome.decisions:
            causes.decision(decided.data)
    for profile in replay.profiles.values():
        causes.profile(profile, now)
    return causes.report(now)


async def from_topics(
    connection: Connection, topics: Topics, engine: Engine, within: int, back: int, look: Look
) -> Report:
    """What the topics tell of causes.

    Args:
        connection: how to reach the broker.
        topics: the topics of the deployment.
        engine: whose playbook says how good or bad each type is.
        within: how soon customers have to buy again, in ms.
        back: how far back touchpoints and decisions are read, in ms; profiles are those of now.
        look: hears how far it is.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: a topic is missing.
    """
    now = int(time.time() * 1_000)
    causes = Causes(engine.playbook, within)
    names = [topics.touchpoints, topics.decisions, topics.profiles]
    async with Past(connection, topics, names) as past:
        await _read(past, topics.touchpoints, now - back, look, partial(_touchpoint, causes))
        await _read(past, topics.decisions, now - back, look, partial(_decided, causes))
        async with aclosing(past.latest(topics.profiles, look)) as partitions:
            async for latest in partitions:
                for key, value in latest.items():
                    _profile(causes, key, value, now)
    return causes.report(now)


async def _read(past: Past, topic: str, since: int, look: Look, take: Callable[[Any], None]) -> None:
    """Hand over each record of a topic that was written since a time, in ms."""
    stretch = await past.stretch([topic], since=since)
    async with aclosing(past.records(stretch)) as batches:
        async for records in batches:
            for record in records:
                take(record)
            look(topic, stretch.length, len(records))


def _touchpoint(causes: Causes, record: Any) -> None:
    try:
        causes.touchpoint(touchpoints.decode(record.value, record.headers, record.timestamp))
    except RejectedError:
        # It is among the dead letters, with its reason.
        return


def _decided(causes: Causes, record: Any) -> None:
    try:
        causes.decision(_decision(record.value).data)
    except msgspec.MsgspecError:
        # None of dangol's; `dangol tail --decisions` names it.
        return


def _profile(causes: Causes, key: bytes, value: bytes | None, now: int) -> None:
    if value is None:
        return
    try:
        # A key that is no text is a note of the workers' own, and no customer's.
        key.decode()
        profile = profiles.decode(value)
    except (UnicodeDecodeError, msgspec.DecodeError, StateError):
        return
    if not is_blank(profile):
        causes.profile(profile, now)
