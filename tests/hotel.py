"""A hotel to test with: a playbook of its own, a scorer whose answer is given, touchpoints by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from schemas.playbook import Playbook, load
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn.scorer import Features
from stream.engine import Engine
from stream.outcome import Outcome

NOON = 1_773_489_600_000
"""Saturday, 14 March 2026, 12:00 UTC: 21:00 in Seoul, 12:00 in Lisbon."""

HOTEL_YAML = Path(__file__).with_name("hotel.yaml").read_text(encoding="utf-8")
HOTEL: Playbook = load(HOTEL_YAML, "hotel.yaml")

PROPERTY_TEST = settings(
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
"""How random cases are drawn: as many as hypothesis thinks right, in CI the same ones in every run."""


class GivenRisk:
    """A Scorer that answers what the test says."""

    def __init__(self, risk: float) -> None:
        self.risk = risk

    def predict(self, features: Features) -> float:
        """The risk that was given."""
        return self.risk

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn nothing."""

    def snapshot(self) -> dict[str, Any]:
        """The risk alone."""
        return {"risk": self.risk}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a risk."""
        self.risk = snapshot["risk"]


def engine(risk: float = 0.25, playbook: Playbook = HOTEL) -> Engine:
    """The engine for which everyone's churn risk is `risk`."""
    return Engine(playbook, GivenRisk(risk), "given")


def happened(
    type_: str,
    at: int = NOON,
    data: Mapping[str, Any] | None = None,
    *,
    id_: str | None = None,
    amount: float | None = None,
    correlation: str | None = None,
) -> Touchpoint:
    """A touchpoint of Ann's; its id is made of type and time unless given."""
    return Touchpoint(
        id_ or f"{type_}@{at - NOON}",
        "/test",
        type_,
        "ann",
        at,
        dict(data or {}),
        amount=amount,
        correlation=correlation,
    )


def run(
    touchpoints: Iterable[Touchpoint], profile: Profile | None = None, engine: Engine | None = None
) -> list[Outcome]:
    """The outcomes of touchpoints, each decided on at its own time."""
    engine = engine or Engine(HOTEL, GivenRisk(0.25), "given")
    outcomes = []
    for touchpoint in touchpoints:
        outcome = engine.step(profile, touchpoint, touchpoint.time)
        profile = outcome.profile
        outcomes.append(outcome)
    return outcomes


def after(touchpoints: Iterable[Touchpoint], profile: Profile | None = None) -> Profile:
    """The profile after touchpoints, each decided on at its own time."""
    return run(touchpoints, profile)[-1].profile


def reasons(outcome: Outcome) -> dict[str, str]:
    """What became of each candidate of a touchpoint, by the play's name."""
    return {c.play: c.reason for c in outcome.decision.data.candidates} if outcome.decision else {}


STAY = {"booking": "b1", "property": "seoul", "arrival": "2026-03-14", "departure": "2026-03-16"}
ARRIVAL = {"property": "seoul", "device": "phone", "accuracy_m": 20}


def checked(*, at: int = NOON - DAY) -> list[Touchpoint]:
    """All that has to have happened before a guest's phone may open a room in Seoul."""
    return [
        happened("consent.granted", at, {"purpose": "location"}),
        happened("device.bound", at + 1, {"device": "phone"}),
        happened("booking.confirmed", at + 2, STAY, amount=400.0),
    ]
