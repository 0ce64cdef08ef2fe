"""The demo's words, counts and screens."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import msgspec
import pytest
from rich.console import Console

from agents.demo.tally import Family, Summary, Tally
from agents.demo.view import View
from agents.sentence import sentence
from agents.simulation.simulation import Simulation
from schemas.families import Content
from schemas.families.recovery_offer import RecoveryOffer
from schemas.families.retention_offer import RetentionOffer
from schemas.families.room_key import RoomKey
from schemas.families.suppression import Suppression
from schemas.trigger import TriggerData, TriggerEvent

KEY = RoomKey("issue", "b-1", "seoul", "d-7", date(2026, 3, 16), "412")


def event(content: Content, id_: str = "t1", cause: str = "c1") -> TriggerEvent:
    """A trigger of the simulated day."""
    return TriggerEvent(
        id=id_,
        causationid=cause,
        type="cx.trigger.room-key.v1",
        subject="g-0412",
        time=datetime(2026, 3, 14, 14, 2, tzinfo=UTC),
        data=TriggerData("a-play", content, "act", 0.81, "m", "p"),
    )


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """A small one."""
    return Simulation(seed=1, customers=20)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (KEY, "g-0412: key for room 412, Seoul, on phone d-7; because guest.arrived"),
        (
            RoomKey("revoke", "b-1", "busan", "d-7", date(2026, 3, 14), None, "t0"),
            "g-0412: key for room not yet assigned, Busan taken back; because guest.arrived",
        ),
        (
            RecoveryOffer("offer", "wait.long", 0.4, 1, "voucher", 15.0, "EUR"),
            "g-0412: voucher (15 EUR); because wait.long",
        ),
        (
            RecoveryOffer("escalate", "service.failed", 0.6, 2, "free-night", 180.0, "EUR"),
            "g-0412: a person calls, with free-night (180 EUR); bad moment 2: service.failed",
        ),
        (
            Suppression("start", "open-issue", "i-1", 1),
            "g-0412: no promotions on any channel; because guest.arrived",
        ),
        (
            Suppression("end", "open-issue", "i-1", 0),
            "g-0412: promotions may go out again; because guest.arrived",
        ),
        (
            RetentionOffer(0.75, 143.2, "free-delivery", 8.0, "EUR"),
            "g-0412: free-delivery (8 EUR), last bought 143 days ago, risk 0.81; because guest.arrived",
        ),
    ],
)
def test_sentence(content: Content, expected: str) -> None:
    """Each kind of trigger says for whom, what, and because of what."""
    assert sentence(event(content), "guest.arrived") == expected


def test_sentence_without_known_cause() -> None:
    """A cause that is not known is not made up."""
    assert sentence(event(KEY), None) == "g-0412: key for room 412, Seoul, on phone d-7"


def test_tally_counts_a_repeated_trigger_once(simulation: Simulation) -> None:
    """A trigger that comes again with the same id is a repeat, not a second key."""
    tally = Tally(simulation)
    tally.received(event(KEY))
    tally.received(event(KEY))

    assert (tally.day["room-key"], tally.repeated) == (1, 1)


def test_tally_measures_only_what_was_sent_on_the_day(simulation: Simulation) -> None:
    """A trigger whose cause was imported has no latency; one whose cause was sent has."""
    tally = Tally(simulation)
    tally.received(event(KEY))
    assert tally.latency(0.5) is None

    tally.sent("c2")
    tally.received(event(KEY, "t2", "c2"))
    assert tally.latency(0.5) is not None


def test_tally_is_exact_only_when_every_count_is(simulation: Simulation) -> None:
    """One touchpoint that is counted as something else than it is shows, though the sum is right."""
    tally = Tally(simulation)
    right = {
        "cx_events_applied_total": float(simulation.expected.applied),
        "cx_events_duplicate_total": float(simulation.expected.duplicates),
        "cx_events_rekeyed_total": float(simulation.expected.rekeyed),
        **{
            f"cx_events_rejected_total{{{code}}}": float(n)
            for code, n in simulation.expected.rejected.items()
        },
    }
    tally.heard(right)
    assert tally.is_exact

    tally.heard(
        {
            **right,
            "cx_events_applied_total": right["cx_events_applied_total"] - 1,
            "cx_events_duplicate_total": right["cx_events_duplicate_total"] + 1,
        }
    )
    assert (tally.accounted, tally.is_exact) == (simulation.expected.records, False)


SUMMARY = Summary(
    simulation=True,
    seed=1,
    customers=20,
    published=400,
    applied=396,
    rejected={"json-invalid": 2},
    duplicates=2,
    rekeyed=1,
    zero_loss=True,
    triggers={"room-key": Family(7, 3, 4.2, 31.0), "suppression": Family(0, 0, None, None)},
    p50=4.2,
    p99=31.0,
    repeated_triggers=0,
    profiles=19,
    risk=[1, 2, 3, 4, 5, 4, 0, 0, 0, 0],
    stages={"aware": 1, "act": 18},
    seconds=20.0,
)


def printed(width: int, simulation: Simulation, summary: Summary) -> str:
    """The final screen as text."""
    console = Console(file=io.StringIO(), width=width)
    console.print(View(console, simulation).final(summary))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_final_screen_fits(simulation: Simulation, width: int) -> None:
    """No line is wider than the terminal, nor than is good to read; and it says that it is simulated."""
    lines = printed(width, simulation, SUMMARY).splitlines()

    assert {len(line) for line in lines} == {min(width, 120)}
    assert "simulated: seed 1, 20 customers" in lines[-1]


def test_final_screen_tells_of_loss(simulation: Simulation) -> None:
    """A run whose counts are wrong does not look like one whose counts are right."""
    lost = printed(80, simulation, msgspec.structs.replace(SUMMARY, zero_loss=False))

    assert "✗ the counts are not what they should be" in lost
    assert "none was lost" not in lost
