"""The simulated day through the engine: every family fires, and every gate at the door stops someone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec
import pytest

from agents.simulation.happening import DAY_START
from agents.simulation.simulation import Simulation
from schemas import touchpoint
from schemas.errors import RejectedError
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.trigger import Trigger
from stream.engine import load_engine
from stream.outcome import Outcome
from stream.replay import Replay


@dataclass
class Day:
    """What came of the records."""

    applied: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    history: list[Trigger] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    profiles: dict[str, Profile] = field(default_factory=dict)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """The simulation that the demo shows."""
    return Simulation()


@pytest.fixture(scope="module")
def day(simulation: Simulation) -> Day:
    """All of it through the engine that ships, on event time, as a worker of the demo does it, to its end."""
    replay = Replay(load_engine())
    day = Day(profiles=replay.profiles)
    for record in simulation:
        try:
            event = touchpoint.decode(record.value, record.headers, DAY_START + DAY)
            (outcome,) = replay.take(event)
        except RejectedError as error:
            day.rejected[error.code] += 1
            continue
        except msgspec.ValidationError:
            day.rejected["data-invalid"] += 1
            continue
        day.duplicates += outcome.duplicate
        day.applied += not outcome.duplicate
        _note(day, outcome)
    for outcome in replay.finish():
        _note(day, outcome)
    return day


def _note(day: Day, outcome: Outcome) -> None:
    for trigger in outcome.triggers:
        (day.triggers if trigger.time >= DAY_START else day.history).append(trigger)
    for decision in outcome.decisions:
        if decision.time >= DAY_START:
            for candidate in decision.data.candidates:
                day.held[candidate.family, candidate.reason] += 1


def test_every_record_is_accounted_for(simulation: Simulation, day: Day) -> None:
    """Applied, rejected for the stated reason, or a duplicate: in sum all that was published."""
    expected = simulation.expected

    assert (day.applied, day.rejected, day.duplicates) == (34263, expected.rejected, 76)
    assert day.applied + day.rejected.total() + day.duplicates == expected.records == 34386


def test_all_families_fire(day: Day) -> None:
    """Keys by the hundred, surprises by the dozen, as one would expect of 2,000 customers."""
    assert Counter(trigger.family for trigger in day.triggers) == {
        "room-key": 424,
        "recovery-offer": 261,
        "suppression": 82,
        "retention-offer": 165,
        "service-context": 159,
        "wow": 13,
        "participation": 603,
        "continue": 45,
        "recommendation": 336,
    }


def test_actions(day: Day) -> None:
    """Keys are taken back, a person calls at the second bad moment, promotions come back."""
    actions = Counter(
        (trigger.family, action)
        for trigger in day.triggers
        if (action := getattr(trigger.data.content, "action", None))
    )

    assert actions == {
        ("room-key", "issue"): 288,
        ("room-key", "revoke"): 136,
        ("recovery-offer", "offer"): 156,
        ("recovery-offer", "escalate"): 105,
        ("suppression", "start"): 51,
        ("suppression", "end"): 31,
    }


def test_gates_at_the_door(day: Day) -> None:
    """Who comes on the wrong day, to the wrong hotel, without consent and so on gets no key."""
    assert {reason: n for (family, reason), n in day.held.items() if family == "room-key"} == {
        "fired": 424,
        "day": 25,
        "property": 7,
        "device": 9,
        "consent": 16,
        "accuracy": 25,
        "live-key": 69,
        "room": 7,
    }


def test_history_fires_little(day: Day) -> None:
    """The import holds guests who are in the house, and a few who had nearly left before."""
    assert Counter(trigger.family for trigger in day.history) == {
        "room-key": 214,
        "retention-offer": 30,
        "participation": 61,
        "wow": 19,
    }


def test_trigger_ids_are_unique(day: Day) -> None:
    """No two triggers share an id, so a subscriber that drops repeated ids loses none."""
    triggers = day.history + day.triggers

    assert len({trigger.id for trigger in triggers}) == len(triggers) == 2412


def test_risk_spreads(day: Day) -> None:
    """There are regulars, doubtful ones and lost ones: at least a twentieth of all in each third."""
    thirds = Counter(min(int(profile.risk * 3), 2) for profile in day.profiles.values())

    assert [n for n in thirds.values() if n < len(day.profiles) / 20] == []
    assert sorted(thirds) == [0, 1, 2]


def test_funnel(day: Day) -> None:
    """Customers stand at each of the five A's."""
    assert Counter(profile.stage for profile in day.profiles.values()) == {
        "aware": 17,
        "appeal": 43,
        "ask": 70,
        "act": 1664,
        "advocate": 163,
    }
