"""Case: what is known of one customer and of what was decided, from the topics or from a file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from agents.connection import Connection
from agents.past import Past, Stretch
from agents.touchpoint_files import Line
from schemas import decision, mark, trigger
from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.decision import DecisionEvent
from schemas.errors import InputError, RejectedError, StateError
from schemas.profile import Profile
from schemas.timestamp import to_millis, to_rfc3339
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from schemas.trigger import TriggerEvent
from stream.engine import Engine
from stream.erasure import is_blank
from stream.outcome import Outcome
from stream.plays.context import FIRED
from stream.replay import Replay

MAX_STEPS = 500
"""Touchpoints of a customer that are kept, the latest: a thousand profiles of theirs are some MB."""

Look = Callable[[str, int, int], None]
"""Hears of what is read, of how many records, and how many more of them were looked at."""

_decision = msgspec.json.Decoder(DecisionEvent).decode
_trigger = msgspec.json.Decoder(TriggerEvent).decode


class Step(NamedTuple):
    """A touchpoint of the customer.

    Attributes:
        touchpoint: what happened.
        before: the profile that it met; None for one who was new.
        now: time of the decision, in ms.
    """

    touchpoint: Touchpoint
    before: Profile | None
    now: int


class Case(NamedTuple):
    """What is known of a customer.

    Attributes:
        customer: whose it is.
        profile: the profile as of now; None where there is none.
        decisions: the latest decisions, oldest first.
        triggers: what fired in them, by id.
        steps: the latest touchpoints, oldest first, each with the profile that it met where that is known.
        exact: whether those profiles are what they were; else they are that of now.
        now: what time it is, in ms; of a file, that of the last touchpoint.
    """

    customer: str
    profile: Profile | None
    decisions: list[DecisionEvent]
    triggers: dict[str, TriggerEvent]
    steps: list[Step]
    exact: bool
    now: int


class Wanted(NamedTuple):
    """What is asked for.

    Attributes:
        customer: of whom.
        last: how many decisions.
        at: up to which time, in ms; None for now.
        back: how far back from then, in ms.
        play: only decisions in which this play was a candidate; None for all.
    """

    customer: str
    last: int
    at: int | None
    back: int
    play: str | None

    def takes(self, event: DecisionEvent) -> bool:
        """Whether a decision is asked for."""
        if self.at is not None and not self.at - self.back <= to_millis(event.time) <= self.at:
            return False
        return self.play is None or any(each.play == self.play for each in event.data.candidates)


def from_file(lines: Iterable[Line], engine: Engine, wanted: Wanted) -> Case:
    """What the engine makes of a file of touchpoints, as far as it concerns one customer.

    Lines that can't be used, and those later than is asked for, are left out; `dangol replay` tells of them.

    Args:
        lines: the lines of a file of touchpoints.
        engine: what decides.
        wanted: what is asked for; how far back plays no part.

    Raises:
        InputError: nothing in the file is about the customer, or it is an alias of another one.
    """
    replay = Replay(engine)
    made: deque[tuple[DecisionEvent, Outcome]] = deque(maxlen=wanted.last)
    steps: deque[Step] = deque(maxlen=MAX_STEPS)
    latest = 0

    def note(outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.profile.customer == wanted.customer:
                for decided in outcome.decisions:
                    event = _decision(decision.encode(decided))
                    if wanted.takes(event):
                        made.append((event, outcome))

    for line in lines:
        touchpoint = line.touchpoint
        if touchpoint is None or (wanted.at is not None and touchpoint.time > wanted.at):
            continue
        before = replay.profiles.get(touchpoint.customer)
        try:
            note(replay.take(touchpoint))
        except (RejectedError, msgspec.ValidationError):
            continue
        latest = max(latest, touchpoint.time)
        if touchpoint.customer == wanted.customer:
            steps.append(Step(touchpoint, before, touchpoint.time))
    note(replay.finish())
    profile = replay.profiles.get(wanted.customer)
    if profile is None:
        until = "" if wanted.at is None else ", up to the time of --at,"
        raise InputError(f"no line of the file{until} is about `{wanted.customer}`")
    _refuse_alias(profile)
    fired = {each.id: _trigger(trigger.encode(each)) for _, outcome in made for each in outcome.triggers}
    return Case(
        wanted.customer, profile, [event for event, _ in made], fired, list(steps), exact=True, now=latest
    )


async def from_topics(
    connection: Connection, topics: Topics, engine: Engine, wanted: Wanted, look: Look
) -> Case:
    """What the topics hold of one customer, from the partition that the customer's records stand on.

    Args:
        connection: how to reach the broker.
        topics: the topics of the deployment.
        engine: what the touchpoints are run through again, where all of them are still there.
        wanted: what is asked for.
        look: hears how far it is.

    Raises:
        InputError: nothing is known of the customer, or it is an alias of another one.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: a topic is missing.
    """
    now = int(time.time() * 1_000)
    since = (now if wanted.at is None else wanted.at) - wanted.back
    customer, key = wanted.customer, wanted.customer.encode()
    names = [topics.decisions, topics.profiles, topics.touchpoints, *topics.triggers]
    async with Past(connection, topics, names) as past:
        reading = _Reading(past, key, look)
        stored, erased = None, False
        async for record in reading.of(topics.profiles, also=mark.key_of(customer)):
            if record.key == key:
                stored = record.value
            else:
                erased = record.value is not None
        decisions: deque[DecisionEvent] = deque(maxlen=wanted.last)
        async for record in reading.of(topics.decisions, since):
            if wanted.takes(event := _decision(record.value)):
                decisions.append(event)
        profile = _profile(stored)
        if profile is None and not decisions:
            if erased:
                raise InputError(f"`{customer}` was erased on request; nothing is kept")
            raise InputError(
                f"nothing is known of `{customer}`: there is no profile, and no decision since "
                f"{to_rfc3339(since)}; look further back by --since, or at the spelling"
            )
        _refuse_alias(profile)
        triggers = {}
        for topic in sorted({topics.trigger(family) for event in decisions for family in _fired(event)}):
            async for record in reading.of(topic, since):
                event_ = _trigger(record.value)
                triggers[event_.id] = event_
        steps: list[Step] = []
        exact = False
        if wanted.play is not None:
            steps, exact = await _steps(reading, topics, engine, wanted, profile)
    shown = {each.trigger for event in decisions for each in event.data.candidates}
    kept = {id_: event for id_, event in triggers.items() if id_ in shown}
    return Case(customer, profile, list(decisions), kept, steps, exact, now)


class _Reading:
    """Reads one customer's records."""

    def __init__(self, past: Past, key: bytes, look: Look) -> None:
        self._past = past
        self._key = key
        self._look = look

    async def of(
        self, topic: str, since: int | None = None, also: bytes | None = None
    ) -> AsyncGenerator[Any, None]:
        """The customer's records of a topic, from a time on, and those of another key."""
        stretch: Stretch = await self._past.stretch([topic], self._key.decode(), since)
        keys = {self._key, also}
        async with aclosing(self._past.records(stretch)) as batches:
            async for records in batches:
                for record in records:
                    if record.key in keys:
                        yield record
                self._look(topic, stretch.length, len(records))


async def _steps(
    reading: _Reading, topics: Topics, engine: Engine, wanted: Wanted, profile: Profile | None
) -> tuple[list[Step], bool]:
    """The touchpoints up to what is asked for, and whether the profiles that they met are known.

    They are where every touchpoint that the profile counts is still on the topic: then running them again
    gives what was.
    """
    steps: deque[Step] = deque(maxlen=MAX_STEPS)
    met: Profile | None = None
    async for record in reading.of(topics.touchpoints):
        try:
            event = touchpoints.decode(record.value, record.headers, record.timestamp)
            outcome = engine.step(met, event, record.timestamp)
        except (RejectedError, msgspec.ValidationError):
            continue
        if not outcome.duplicate:
            if wanted.at is None or event.time <= wanted.at:
                steps.append(Step(event, met, record.timestamp))
            met = outcome.profile
    exact = met is not None and profile is not None and met.touchpoints == profile.touchpoints
    if exact:
        return list(steps), True
    return [step._replace(before=profile) for step in steps], False


def _profile(stored: bytes | None) -> Profile | None:
    if stored is None:
        return None
    try:
        profile = profiles.decode(stored)
    except (msgspec.DecodeError, StateError) as error:
        raise InputError(f"the profile can't be read: {error}") from None
    return None if is_blank(profile) else profile


def _refuse_alias(profile: Profile | None) -> None:
    if profile is not None and profile.moved_to is not None:
        raise InputError(
            f"`{profile.customer}` is another id of `{profile.moved_to}`, where everything stands; "
            f"run `dangol explain {profile.moved_to}`"
        )


def _fired(event: DecisionEvent) -> set[str]:
    return {each.family for each in event.data.candidates if each.reason == FIRED}
