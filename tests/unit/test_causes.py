"""Causes: which touchpoints cost customers, which win them, and what came of what was done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agents.cli import main
from schemas.decision import Candidate, DecisionData
from schemas.errors import InputError
from schemas.playbook import load
from schemas.timestamp import DAY, HOUR
from stream.causes import MAX_KINDS, Causes, Report
from tests.hotel import HOTEL, HOTEL_YAML, NOON, engine
from tests.identities import event

LATER = NOON + 100 * DAY


def decided(type_: str, *candidates: Candidate) -> DecisionData:
    """A decision on a touchpoint of this type."""
    return DecisionData(type_, candidates, "act", 0.1, "m", "p")


def report_of(*lives: list[tuple[str, int]]) -> Report:
    """The report on customers to whom these types happened on these days."""
    causes = Causes(HOTEL, 30 * DAY)
    for number, life in enumerate(lives):
        profile = None
        for place, (type_, day) in enumerate(life):
            happened = event(f"{number}-{place}", type_, f"c-{number}", NOON + day * DAY)
            profile = engine().step(profile, happened, happened.time).profile
            causes.touchpoint(happened)
        assert profile is not None
        causes.profile(profile, LATER)
    return causes.report(LATER)


def test_who_came_back_is_told_by_the_touchpoint_before() -> None:
    """Of those who were failed one in five buys again, of those served well nearly all."""
    stay, go = ("order.placed", 12), ("order.placed", 70)
    bad = [[("service.failed", 5), stay if number < 8 else go] for number in range(40)]
    good = [[("service.delivered", 5), stay if number < 36 else go] for number in range(40)]
    report = report_of(*bad, *good)

    assert [(one.type, one.customers, one.returned, one.verdict) for one in report.returns] == [
        ("service.failed", 40, 8, "costs"),
        ("service.delivered", 40, 36, "wins"),
    ]
    assert (report.customers, report.returned) == (80, 0.55)


def test_a_purchase_on_the_same_day_or_too_late_is_no_return() -> None:
    """Who bought on that day, or after the time, has not come back; who bought on the last day has."""
    lives = [[("service.failed", 5), ("order.placed", day)] for day in (5, 35, 36)]

    assert [(one.customers, one.returned) for one in report_of(*lives).returns] == [(3, 1)]


def test_moments_that_are_too_recent_are_not_judged() -> None:
    """A moment of yesterday says nothing yet, of two customers few can be said, and without any nothing."""
    assert report_of([("service.failed", 99)]).returns == ()
    assert [one.verdict for one in report_of([("service.failed", 5)]).returns] == ["too few"]
    assert report_of([("page.viewed", 5)]).returned is None


def test_moments_are_counted_by_type_and_channel() -> None:
    """The worst first; what is neither good nor bad, or not in the catalogue, is no moment."""
    causes = Causes(HOTEL, DAY)
    for number, (type_, channel) in enumerate(
        [
            ("service.failed", "app"),
            ("service.failed", "app"),
            ("service.failed", None),
            ("page.viewed", "web"),
        ]
    ):
        happened = event(str(number), type_, "ann", NOON)
        causes.touchpoint(msgspec.structs.replace(happened, channel=channel))
    causes.touchpoint(event("x", "made.up", "ann", NOON))

    assert [
        (one.type, one.channel, one.touchpoints, one.good, one.bad, one.weight)
        for one in causes.report(NOON).moments
    ] == [("service.failed", "app", 2, 0, 2, -0.6), ("service.failed", None, 1, 0, 1, -0.6)]


def test_channels_beyond_the_limit_are_told_together() -> None:
    """Apps may invent channels; the report stays as small as it is."""
    causes = Causes(HOTEL, DAY)
    for number in range(MAX_KINDS + 5):
        happened = event(str(number), "service.failed", "ann", NOON)
        causes.touchpoint(msgspec.structs.replace(happened, channel=f"channel-{number}"))
    moments = causes.report(NOON).moments

    assert len(moments) == MAX_KINDS + 1
    assert [one.touchpoints for one in moments if one.type == "*"] == [5]


TIMED = HOTEL_YAML.replace("service.failed: {", "service.failed: {saved: minutes, ").replace(
    "page.viewed: {", "page.viewed: {spent: seconds, "
)


def test_time_saved_and_time_spent_are_measured() -> None:
    """Mean, longest and all of it, and how often each customer had to; what is no time is left out."""
    playbook = load(TIMED, "timed.yaml")
    causes = Causes(playbook, DAY)
    told: dict[str, list[object]] = {"ann": [60, 120, "soon", -1, True, None], "bob": [30]}
    for customer, times in told.items():
        profile = None
        for number, seconds in enumerate(times):
            happened = event(
                f"{customer}-{number}", "page.viewed", customer, NOON + number * HOUR, seconds=seconds
            )
            profile = engine(playbook=playbook).step(profile, happened, happened.time).profile
            causes.touchpoint(happened)
        assert profile is not None
        causes.profile(profile, LATER)
    (time,) = causes.report(LATER).times

    assert (time.type, time.well, time.touchpoints, time.efforts) == ("page.viewed", "spent", 3, 3.5)
    assert (time.mean_s, time.longest_s, time.total_s) == (70.0, 120.0, 210.0)


def test_time_is_either_saved_or_spent() -> None:
    """A type that is both is refused, with its place."""
    with pytest.raises(InputError, match=r"timed.yaml:\d+:\d+: catalogue.page.viewed: its time is either"):
        load(TIMED.replace("{spent: seconds, ", "{spent: seconds, saved: seconds, "), "timed.yaml")


def test_answers_are_told_by_what_had_caused_the_trigger() -> None:
    """What a customer said to a trigger counts for the touchpoint that it came of, once."""
    causes = Causes(HOTEL, DAY)
    play, family = "make-it-right", "recovery-offer"
    for id_, type_ in (("t-1", "service.failed"), ("t-2", "service.failed"), ("t-3", "timer.due")):
        causes.decision(decided(type_, Candidate(play, family, "fired", trigger=id_)))
    for id_, answer in (("t-1", "accepted"), ("t-1", "accepted"), ("t-2", "declined"), ("t-9", "ignored")):
        causes.decision(decided("offer.answered", Candidate(play, family, answer, trigger=id_)))
    causes.decision(decided("service.failed", Candidate(play, family, "cooldown")))

    assert [
        (one.cause, one.fired, one.accepted, one.declined, one.ignored) for one in causes.report(NOON).answers
    ] == [("service.failed", 2, 1, 1, 0), ("timer.due", 1, 0, 0, 0)]


def test_the_funnel_has_each_customer_once() -> None:
    """Customers by stage, and the mean days of those who were ever in it; an alias is nobody."""
    report = report_of([("page.viewed", 90)], [("page.viewed", 80), ("order.placed", 90)])

    assert [(one.stage, one.customers, one.mean_days) for one in report.stages if one.mean_days] == [
        ("appeal", 1, 10.0),
        ("act", 1, 10.0),
    ]


LINES = [
    ("1", "order.placed", "2026-01-01T10:00:00Z", {"amount": 20}),
    ("2", "service.failed", "2026-01-02T10:00:00Z", {}),
    ("2", "service.failed", "2026-01-02T10:00:00Z", {}),
    ("3", "wait.long", "2026-01-03T10:00:00Z", {"seconds": 900}),
    ("4", "order.placed", "2026-01-20T10:00:00Z", {"amount": 20}),
    ("5", "page.viewed", "2026-03-20T10:00:00Z", {"seconds": 20}),
]


@pytest.fixture
def touchpoints(tmp_path: Path) -> Path:
    """One customer, one of whose touchpoints was published twice."""
    path = tmp_path / "touchpoints.jsonl"
    events = [
        {"specversion": "1.0", "id": id_, "type": type_, "subject": "ann", "time": time, "data": data}
        for id_, type_, time, data in LINES
    ]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in events))
    return path


def test_a_file_is_reported_on(touchpoints: Path) -> None:
    """By the command: a touchpoint that came twice counts once; the tables say what the JSON says."""
    result = CliRunner().invoke(main, ["causes", "--on", str(touchpoints), "--json"])
    report: Any = json.loads(result.stdout)
    page = CliRunner().invoke(main, ["causes", "--on", str(touchpoints)]).stdout

    assert {one["type"]: one["touchpoints"] for one in report["moments"]} == {
        "service.failed": 1,
        "wait.long": 1,
    }
    assert {one["type"]: one["returned"] for one in report["returns"]} == {
        "service.failed": 1,
        "wait.long": 1,
    }
    assert {one["type"]: one["well"] for one in report["times"]} == {
        "wait.long": "saved",
        "page.viewed": "spent",
    }
    for piece in (
        "1 customers",
        "100%",
        "time well saved",
        "make-it-right",
        "advocate",
    ):
        assert piece in page


def test_what_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    """A file that is not there, and no broker: one line each."""
    answers = [
        CliRunner().invoke(main, ["causes", "--on", str(tmp_path / "no.jsonl")]),
        CliRunner().invoke(main, ["causes", "--bootstrap", "127.0.0.1:1"]),
    ]

    assert [(one.exit_code, one.stderr.count("\n")) for one in answers] == [(2, 1), (3, 1)]
