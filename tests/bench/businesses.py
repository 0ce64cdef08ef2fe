"""Businesses: made-up customers of several trades, each lost by a mechanism of its own.

What a churn model learns on one data set says little of the next. These differ in what matters: whether
customers say goodbye, how regularly they come, what precedes their leaving, and whether that stays the same.
Every business is a list of touchpoints in order of time; the same seed gives the same list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, pi, sin
from random import Random

from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint

START = 1_735_689_600_000
"""1 January 2025 at midnight, UTC, in ms."""


@dataclass(frozen=True)
class Business:
    """A made-up trade.

    Attributes:
        name: what it is called.
        horizon_days: days within which a customer who doesn't come back counts as lost.
        score_on: `activity` or `every:7d`.
        live: one customer's life from a day to another: day, type and amount of each touchpoint.
        customers: how many there are.
        days: days that are told of.
        newcomers: share of the days over which customers come for the first time.
    """

    name: str
    horizon_days: int
    score_on: str
    live: Callable[[Random, float, float], list[tuple[float, str, float]]]
    customers: int
    days: int = 540
    newcomers: float = 0.8

    def touchpoints(self, seed: int = 1, share: float = 1.0) -> list[Touchpoint]:
        """What happened, in order of time; with `share`, to fewer customers."""
        events: list[tuple[int, str, str, float]] = []
        for number in range(int(self.customers * share)):
            chance = Random(f"{self.name}/{seed}/{number}")
            first = self.days * self.newcomers * chance.random()
            events.extend(
                (START + int(day * DAY), f"{self.name}-{number}", type_, round(amount, 2))
                for day, type_, amount in self.live(chance, first, self.days)
                if day < self.days
            )
        events.sort()
        return [
            Touchpoint(f"{self.name}-{place}", "/made-up", type_, customer, time, {}, amount=amount or None)
            for place, (time, customer, type_, amount) in enumerate(events)
        ]


def _shop(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """Pareto/NBD with a season: rates and lifetimes differ from one to the next, December is busy."""
    rate, death = chance.gammavariate(0.6, 1 / 18), chance.gammavariate(0.7, 1 / 70)
    basket = exp(chance.gauss(3.5, 0.7))
    gone = day + chance.expovariate(death)
    lived = []
    while day < min(gone, end):
        lived.append((day, "order.placed", basket * exp(chance.gauss(0, 0.4))))
        if chance.random() < 0.12:
            lived.append((day + chance.uniform(2, 9), "order.returned", 0.0))
        if chance.random() < 0.6:
            lived.append((day + chance.uniform(0, 20), "email.clicked", 0.0))
        while True:
            day += chance.expovariate(rate * 1.8)
            if day >= end or chance.random() < (1.0 + 0.8 * sin(2 * pi * (day - 265) / 365)) / 1.8:
                break
    return lived


def _grocery(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """Regular, on one's own weekday, away on holidays; those who are lost come ever more rarely first."""
    every = chance.choice((3.5, 7, 7, 7, 14)) * exp(chance.gauss(0, 0.1))
    basket = exp(chance.gauss(4.0, 0.4))
    fades = day + chance.expovariate(1 / 260)
    lived = []
    while day < end:
        if day > fades:
            every *= 1.25
            basket *= 0.9
            if chance.random() < 0.17:
                break
        lived.append((day + chance.uniform(0.3, 0.9), "visit", basket * exp(chance.gauss(0, 0.25))))
        day = round(day + every * exp(chance.gauss(0, 0.15)))
        if chance.random() < 0.03:
            day += chance.choice((14, 21, 28))
    return lived


def _subscription(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """A contract renewed every 30 days; use, failed payments and years of loyalty decide on it."""
    keen = chance.gauss(0.5, 0.9)
    price = chance.choice((4.99, 9.99, 9.99, 19.99))
    lived, months, failures = [], 0, 0
    while day < end:
        lived.append((day, "renewed", price))
        sessions = 0
        at = day
        while (at := at + chance.expovariate(exp(keen) / 4)) < day + 30:
            lived.append((at, "session.started", 0.0))
            sessions += 1
            if chance.random() < 0.01:
                lived.append((at, "app.failed", 0.0))
                keen -= 0.25
        if chance.random() < 0.06:
            failures += 1
            lived.append((day + 30 - chance.random(), "payment.failed", 0.0))
        months += 1
        keen += chance.gauss(-0.05, 0.35)
        lost = 1 / (1 + exp(2.2 + 0.25 * min(sessions, 8) - 1.5 * (failures >= 2) - 0.9 * (months == 12)))
        if chance.random() < lost:
            break
        day += 30 + (chance.uniform(0, 3) if chance.random() < 0.1 else 0)
    return lived


def _telco(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """Prepaid: topped up about monthly; two bad moments within two months and most leave."""
    every = 28 * exp(chance.gauss(0, 0.35))
    lived: list[tuple[float, str, float]] = []
    bad: list[float] = []
    faulty = chance.betavariate(1.2, 6)
    while day < end:
        lived.append((day, "topup", chance.choice((10.0, 15.0, 20.0, 30.0))))
        until = day + every * exp(chance.gauss(0, 0.25))
        for type_, likely in (("call.dropped", faulty), ("support.called", 0.08), ("bill.disputed", 0.04)):
            if chance.random() < likely:
                at = chance.uniform(day, until)
                lived.append((at, type_, 0.0))
                if type_ != "support.called":
                    bad.append(at)
        used = int(chance.expovariate(1 / 3))
        lived.extend((chance.uniform(day, until), "data.used", 0.0) for _ in range(used))
        recent = sum(at > until - 60 for at in bad)
        if chance.random() < (0.02, 0.05, 0.7, 0.86)[min(recent, 3)]:
            break
        day = until
    return lived


def _game(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """Bursts of play with pauses between; most leave in the first days, weekends are busy."""
    pull = exp(chance.gauss(0.3, 0.9))
    lived = []
    while day < end:
        burst = 1 + int(chance.expovariate(1 / (3 * pull)))
        for _ in range(min(burst, 60)):
            lived.append((day, "session", 0.0))
            if chance.random() < 0.03 * pull:
                lived.append((day, "bought", 4.99))
            if chance.random() < 0.05:
                lived.append((day, "level.failed", 0.0))
            day += chance.expovariate(1.6 if int(day) % 7 >= 5 else 0.9)
        if chance.random() < 1 / (1 + exp(0.4 + 0.9 * (pull - 1))):
            break
        pull *= exp(chance.gauss(-0.12, 0.3))
        day += chance.gammavariate(1.2, 8 / min(pull, 4))
    return lived


def _wholesale(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """Business customers: few, each with a rhythm of its own, shrinking orders before they go."""
    every = chance.choice((15, 30, 30, 60, 90))
    order = exp(chance.gauss(7, 1))
    leaves = day + chance.expovariate(1 / 400)
    lived = []
    while day < end:
        if day > leaves:
            break
        near = leaves - day < 120
        lived.append((day, "order.placed", order * exp(chance.gauss(-0.6 if near else 0, 0.3))))
        if chance.random() < (0.35 if near else 0.06):
            lived.append((day + chance.uniform(0, every / 2), "complaint.opened", 0.0))
        if chance.random() < (0.1 if near else 0.4):
            lived.append((day + chance.uniform(0, every / 2), "call.made", 0.0))
        day += every * chance.gammavariate(9, 1 / 9)
    return lived


def _market(chance: Random, day: float, end: float) -> list[tuple[float, str, float]]:
    """Drift: from day 330 on fees drive away the frequent, who were the loyal ones until then."""
    rate = chance.gammavariate(1.1, 1 / 20)
    lived = []
    while day < end:
        lived.append((day, "sold", 20 * exp(chance.gauss(0, 1))))
        angry = day > 330 and rate > 0.05
        if chance.random() < 0.3:
            lived.append((day, "viewed", 0.0))
        if chance.random() < (0.25 if angry else 0.06 + 0.15 * exp(-20 * rate)):
            break
        day += chance.expovariate(rate)
    return lived


BUSINESSES = (
    Business("shop", 60, "activity", _shop, 6_000),
    Business("shop-weekly", 60, "every:7d", _shop, 1_500),
    Business("grocery", 28, "activity", _grocery, 1_500),
    Business("grocery-weekly", 28, "every:7d", _grocery, 1_500),
    Business("subscription", 40, "activity", _subscription, 5_000),
    Business("subscription-weekly", 40, "every:7d", _subscription, 1_500),
    Business("telco", 60, "activity", _telco, 6_000),
    Business("telco-weekly", 60, "every:7d", _telco, 1_500),
    Business("game", 14, "activity", _game, 2_500),
    Business("game-weekly", 14, "every:7d", _game, 4_000),
    Business("wholesale", 120, "every:7d", _wholesale, 800),
    Business("market", 60, "activity", _market, 4_000),
)
"""All of them; the same trade is looked at after purchases and weekly, as these are two tasks."""

ACTIVITY = frozenset(("order.placed", "visit", "renewed", "topup", "session", "sold"))
"""Types that are activity in one of the businesses."""
