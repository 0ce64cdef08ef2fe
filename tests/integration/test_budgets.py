"""Budgets on Apache Kafka: one for all, guests on several partitions, two workers, and kills in the midst."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.budget import is_ledger
from schemas.ledger import Ledger
from schemas.profile import Profile
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from tests.cluster import Sent, Worker, publish, read_all, wait_for
from tests.conftest import PARTITIONS
from tests.hotel import HOTEL_YAML, NOON

GUESTS = 240
DINNERS = 100
"""As many dinners as there is money for."""

HOUSE = "dangol/budget/house/all"

PLAYBOOK = HOTEL_YAML.replace("    answer_within: 30m\n", "    budget: house\n") + (
    f"budgets:\n  house: {{amount: {DINNERS * 60}, per: programme, period: 1d}}\n"
)


def sent(*events: Touchpoint) -> list[Sent]:
    """Touchpoints as an app publishes them."""
    return [(each.customer.encode(), touchpoints.encode(each), []) for each in events]


def offers(kafka: str, topics: Topics) -> dict[str, dict[str, Any]]:
    """The dinners that were offered, by the trigger's id: a repeated delivery is one."""
    records = read_all(kafka, topics.trigger("recovery-offer"))
    return {event["id"]: event for event in (json.loads(record.value) for record in records)}


def stored(kafka: str, topics: Topics) -> dict[str, Profile]:
    """The latest profile under each key."""
    latest = {r.key: r.value for r in read_all(kafka, topics.profiles) if profiles.is_profile(r.key)}
    return {key.decode(): profiles.decode(value) for key, value in latest.items() if value is not None}


def house(kafka: str, topics: Topics) -> Ledger:
    """The budget's account."""
    profile = stored(kafka, topics).get(HOUSE)
    return Ledger() if profile is None else profile.ledgers["house"]


def booked(kafka: str, topics: Topics) -> list[tuple[int, int]]:
    """What the budget has reserved and committed, by period."""
    return [(each.reserved, each.committed) for each in house(kafka, topics).periods.values()]


def claims(kafka: str, topics: Topics) -> list[str]:
    """Who was promised something of which nothing was heard yet."""
    return [customer for customer, profile in stored(kafka, topics).items() if profile.claims]


def decided(kafka: str, topics: Topics) -> set[tuple[str, str]]:
    """Guest and reason of all that was decided about an apology."""
    events = [json.loads(record.value) for record in read_all(kafka, topics.decisions)]
    return {
        (event["subject"], candidate["reason"])
        for event in events
        for candidate in event["data"]["candidates"]
        if candidate["play"] == "make-it-right"
    }


def test_a_kill_overdraws_no_budget_and_leaks_nothing(kafka: str, topics: Topics, tmp_path: Path) -> None:
    """A hundred dinners of 240 are offered, those that are accepted are paid, and the rest is there again."""
    playbook = tmp_path / "playbook.yaml"
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    options = ("--clock", "event", "--batch", "20", "--playbook", str(playbook))
    first, second = (Worker(kafka, topics, tmp_path / name, *options).start() for name in ("one", "two"))
    guests = [f"guest-{number}" for number in range(GUESTS)]
    try:
        first.wait_ready()
        second.wait_ready()
        rich = [Touchpoint("1", "/shop", "order.placed", guest, NOON, amount=500.0) for guest in guests]
        angry = [Touchpoint("2", "/desk", "service.failed", guest, NOON + 1) for guest in guests]
        publish(kafka, topics.touchpoints, sent(*rich, *angry), PARTITIONS)
        wait_for(lambda: first.metric("cx_events_applied_total") > 50, "the first worker to be at it", first)
        first.kill()
        first.start()

        def all_decided() -> bool:
            reasons = decided(kafka, topics)
            return {guest for guest, reason in reasons if reason in ("fired", "budget")} == set(guests)

        wait_for(all_decided, "every guest's apology to be decided on", first, second, seconds=120)
        made = offers(kafka, topics)
        assert len(made) == DINNERS
        # Guests hear of what is granted before it is committed.
        wait_for(lambda: booked(kafka, topics) == [(DINNERS * 60_000, 0)], "the account", first, second)

        answers = [
            Touchpoint(f"a-{number}", "/app", f"trigger.{said}", offer["subject"], NOON + 2, {"trigger": id_})
            for number, (id_, offer) in enumerate(sorted(made.items()))
            for said in ("accepted" if number % 2 else "declined",)
            for _ in range(2)
        ]
        publish(kafka, topics.touchpoints, sent(*answers), PARTITIONS)
        wait_for(
            lambda: len(house(kafka, topics).open) < DINNERS, "the first answers to be heard", first, second
        )
        second.kill()
        second.start()
        wait_for(
            lambda: not house(kafka, topics).open, "every answer to be heard", first, second, seconds=120
        )
        # The account hears of an answer before the guest's profile that it came from is committed.
        wait_for(lambda: not claims(kafka, topics), "no guest to have a claim", first, second)
        account, letters = house(kafka, topics), read_all(kafka, topics.dead_letters)
        found = stored(kafka, topics)
    finally:
        for worker in (first, second):
            worker.kill()

    (period,) = account.periods.values()
    assert (period.committed, period.reserved, period.uses) == (DINNERS // 2 * 60_000, 0, DINNERS // 2)
    assert account.uncovered == 0
    assert [key for key in found if is_ledger(key)] == [HOUSE]
    assert letters == []
