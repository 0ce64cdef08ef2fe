"""Risks: everyone's churn risk as at one moment, whoever did nothing included, by what it would cost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from heapq import nlargest
from itertools import islice

import msgspec

from agents.case import Look
from agents.connection import Connection
from agents.past import Past
from agents.touchpoint_files import Line
from schemas import profile as profiles
from schemas.errors import RejectedError, StateError
from schemas.families.retention_offer import Driver, RetentionOfferPlay
from schemas.profile import Profile
from schemas.timestamp import DAY, to_rfc3339
from schemas.topics import Topics
from stream.engine import Engine
from stream.replay import Replay

EVEN = 0.5
"""The risk from which on a customer counts as one at risk, where the playbook has no play that says so."""

AT_ONCE = 8_192
"""Customers scored together: some MB of figures."""


class AtRisk(msgspec.Struct, frozen=True):
    """A customer who may be lost.

    Attributes:
        customer: whose it is.
        risk: churn risk, 0 to 1.
        days_since_active: days since the latest purchase.
        expected: what the customer may be expected to spend within the horizon, if not lost.
        value_at_risk: that × risk.
        drivers: what makes the risk what it is, the most telling first.
    """

    customer: str
    risk: float
    days_since_active: float
    expected: float
    value_at_risk: float
    drivers: tuple[Driver, ...]


class Report(msgspec.Struct, frozen=True):
    """Whom a business may lose.

    Attributes:
        as_of: the moment, in RFC 3339.
        model: version of the model that says the risks.
        horizon_days: within which a customer who does not buy again counts as lost.
        currency: ISO 4217 code of all amounts.
        customers: customers who ever bought.
        mean_risk: their mean risk; 0 where there are none.
        value_at_risk: of all of them.
        threshold: the risk from which on a customer counts as one at risk.
        at_risk: how many they are.
        value_of_these: the value at risk of these.
        first: those at risk with the greatest value at risk, in order.
    """

    as_of: str
    model: str
    horizon_days: float
    currency: str
    customers: int
    mean_risk: float
    value_at_risk: float
    threshold: float
    at_risk: int
    value_of_these: float
    first: tuple[AtRisk, ...]


class Survey:
    """Adds up risks, of some customers after the other.

    Args:
        engine: whose model scores.
        now: as at which time, in ms.
        threshold: from which risk on a customer is one at risk; None for the `enter` of the playbook's
            retention play.
        most: how many of them are told one by one.
    """

    def __init__(self, engine: Engine, now: int, threshold: float | None, most: int) -> None:
        self._engine = engine
        self._now = now
        plays = engine.playbook.plays
        entered = (play.enter for play in plays if isinstance(play, RetentionOfferPlay))
        self._threshold = next(entered, EVEN) if threshold is None else threshold
        self._most = most
        self._customers = self._at_risk = 0
        self._risk = self._value = self._value_of_these = 0.0
        self._first: list[tuple[float, str, float, Profile]] = []

    def take(self, some: Iterable[Profile]) -> None:
        """Add customers; those who never bought are nobody who could be lost."""
        bought = (profile for profile in some if profile.active_days)
        while part := list(islice(bought, AT_ONCE)):
            self._add(part)

    def _add(self, some: Sequence[Profile]) -> None:
        outlook, now = self._engine.outlook, self._now
        found = []
        for profile, risk in zip(some, self._engine.scores(some, now), strict=True):
            value = outlook.value_at_risk(profile, now, risk)
            self._risk += risk
            self._value += value
            if risk >= self._threshold:
                self._at_risk += 1
                self._value_of_these += value
                found.append((value, profile.customer, risk, profile))
        self._customers += len(some)
        self._first = nlargest(self._most, (*self._first, *found), key=lambda each: (each[0], each[1]))

    def report(self) -> Report:
        """What was found."""
        engine, now = self._engine, self._now
        outlook = engine.outlook
        return Report(
            to_rfc3339(now),
            engine.model,
            outlook.horizon_days,
            engine.playbook.currency,
            self._customers,
            round(self._risk / max(self._customers, 1), 6),
            round(self._value, 2),
            self._threshold,
            self._at_risk,
            round(self._value_of_these, 2),
            tuple(
                AtRisk(
                    customer,
                    round(risk, 6),
                    round(max(now - profile.last_active, 0) / DAY, 3),
                    round(outlook.expected(profile, now), 2),
                    value,
                    outlook.drivers(profile, now),
                )
                for value, customer, risk, profile in self._first
            ),
        )


def from_file(lines: Iterable[Line], engine: Engine, threshold: float | None, most: int) -> Report:
    """The risks at the end of a file of touchpoints; lines that can't be used are left out.

    Args:
        lines: its lines.
        engine: what the touchpoints are run through.
        threshold: as in `Survey`.
        most: as in `Survey`.
    """
    replay = Replay(engine)
    now = 0
    for line in lines:
        if line.touchpoint is None:
            continue
        try:
            replay.take(line.touchpoint)
        except (RejectedError, msgspec.ValidationError):
            continue
        now = max(now, line.touchpoint.time)
    replay.finish()
    survey = Survey(engine, now, threshold, most)
    survey.take(replay.customers.values())
    return survey.report()


async def from_topics(
    connection: Connection, topics: Topics, engine: Engine, threshold: float | None, most: int, look: Look
) -> Report:
    """The risks of all customers, by their profiles as they stand on their topic, as of now.

    Args:
        connection: how to reach the broker.
        topics: the topics of the deployment.
        engine: whose model scores.
        threshold: as in `Survey`.
        most: as in `Survey`.
        look: hears how far it is.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: a topic is missing.
    """
    survey = Survey(engine, int(time.time() * 1_000), threshold, most)
    async with (
        Past(connection, topics, [topics.profiles]) as past,
        aclosing(past.latest(topics.profiles, look)) as partitions,
    ):
        async for latest in partitions:
            survey.take(_profiles(latest.items()))
    return survey.report()


def _profiles(stored: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Profile]:
    """The profiles among what stands on their topic."""
    for key, value in stored:
        if value is None or not profiles.is_profile(key):
            continue
        try:
            yield profiles.decode(value)
        except (msgspec.DecodeError, StateError):
            # A worker that needs it says so.
            continue
