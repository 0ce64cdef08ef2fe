"""Explain: why and why not, from a file of touchpoints, by the command that people run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import main

STAY: list[tuple[str, str, dict[str, object]]] = [
    ("booking.confirmed", "2026-03-12T09:30:00Z", {"booking": "b-1", "property": "seoul", "amount": 420}),
    ("device.bound", "2026-03-12T09:31:00Z", {"device": "p-1"}),
    ("guest.arrived", "2026-03-14T06:30:00Z", {"property": "seoul", "device": "p-1", "accuracy_m": 900}),
    ("consent.granted", "2026-03-14T06:31:00Z", {"purpose": "location"}),
    ("guest.arrived", "2026-03-14T06:32:00Z", {"property": "seoul", "device": "p-1", "accuracy_m": 9}),
    ("complaint.opened", "2026-03-14T09:32:00Z", {"issue": "i-1"}),
    ("wait.long", "2026-03-14T09:42:00Z", {}),
    ("page.viewed", "2026-03-14T10:42:00Z", {}),
]


@pytest.fixture
def stay(tmp_path: Path) -> Path:
    """A stay of a guest whose phone was too vague at first, and who complained."""
    path = tmp_path / "stay.jsonl"
    days: dict[str, object] = {"arrival": "2026-03-14", "departure": "2026-03-16"}
    path.write_text(
        "".join(
            json.dumps(
                {
                    "specversion": "1.0",
                    "id": str(number),
                    "type": type_,
                    "subject": "ann",
                    "time": time,
                    "data": data | (days if type_ == "booking.confirmed" else {}),
                }
            )
            + "\n"
            for number, (type_, time, data) in enumerate(STAY)
        )
    )
    return path


def explain(*args: str | Path) -> Result:
    """What `dangol explain` says."""
    return CliRunner().invoke(main, ["explain", *map(str, args)])


def explained(*args: str | Path) -> Any:
    """What it says to a machine."""
    return json.loads(explain(*args, "--json").stdout)


def test_it_tells_what_fired_what_did_not_and_what_to_do(stay: Path) -> None:
    """Each decision has its plays; one that was held back has its gates in words, with advice."""
    first, second, *rest = explained("ann", "--on", stay)["decisions"]

    (held,) = first["verdicts"]
    assert (held["play"], held["reason"]) == ("key-at-the-door", "consent")
    assert [gate["gate"] for gate in held["failed"]] == ["accuracy"]
    assert held["advice"].startswith("Ask for consent")
    assert [each["said"] for each in second["verdicts"]] == [
        "key for room not yet assigned, Seoul, on phone p-1"
    ]
    assert [one["type"] for one in rest] == ["complaint.opened", "wait.long", "timer.due"]


def test_it_tells_where_the_customer_stands(stay: Path) -> None:
    """Stage and since when, time in each stage, what was bought, what is open."""
    standing = explained("ann", "--on", stay)["standing"]

    assert (standing["stage"], standing["since"]) == ("act", "2026-03-12T09:30:00.000Z")
    assert standing["dwell_s"]["act"] == 2 * 86_400 + 72 * 60
    assert (standing["active_days"], standing["spent"], standing["open_issues"]) == (
        1,
        420.0,
        ["complaint.opened"],
    )


def test_it_tells_the_risk_and_what_it_comes_of(stay: Path) -> None:
    """By the model in force, which is named: risk, what drives it in words and figures, and the money."""
    outlook = explained("ann", "--on", stay)["outlook"]
    page = explain("ann", "--on", stay).stdout

    assert (outlook["model"], outlook["horizon_days"], outlook["currency"]) == ("cdnow-2026.11", 90.0, "EUR")
    assert outlook["value_at_risk"] == pytest.approx(outlook["risk"] * outlook["expected"], abs=0.005)
    assert 1 <= len(outlook["drivers"]) <= 4
    for driver in outlook["drivers"]:
        assert f"{driver['contribution']:+.2f}  {driver['words']}" in page
    assert f"{outlook['value_at_risk']:.2f} EUR at risk, of {outlook['expected']:.2f} to be expected" in page


def test_the_risk_as_of_a_time(stay: Path) -> None:
    """At a touchpoint the risk is the one that was said then, by the model that was named."""
    told = explained("ann", "--on", stay, "--at", "2026-03-12T09:31:00Z", "--model", "cdnow-2026.11")

    assert told["outlook"]["risk"] == told["standing"]["risk"]


def test_it_reads_well(stay: Path) -> None:
    """On a terminal: who, how long ago, a mark for each play, the reason and what to do."""
    page = explain("ann", "--on", stay).stdout

    assert page.splitlines()[0].startswith("ann  act for 2 days · risk ")
    for piece in (
        "not settled: complaint.opened",
        "4 h ago  guest.arrived  2026-03-14 06:30:00, act",
        "✗  key-at-the-door  consent  The customer has not agreed to the purpose",
        "→ Ask for consent where it is worth something",
        "✓  make-it-right    dinner-for-two (60 EUR)",
        "40 min ago  nothing happened in time  (i-1)",
    ):
        assert piece in page


def test_as_of_a_time(stay: Path) -> None:
    """With --at, what came later is not known yet."""
    told = explained("ann", "--on", stay, "--at", "2026-03-14T06:31:00Z")

    assert [one["touchpoint"] for one in told["decisions"]] == ["2"]
    assert (told["standing"]["touchpoints"], told["standing"]["open_issues"]) == (4, [])


@pytest.mark.parametrize(
    ("play", "at", "part", "holds", "said"),
    [
        ("key-at-the-door", "2026-03-14T09:32:00Z", "type", False, "does not look at `complaint.opened`"),
        ("key-at-the-door", "2026-03-14T06:30:00Z", "gate", False, "accuracy: "),
        ("make-it-right", "2026-03-14T09:42:00Z", "gate", True, "it fires"),
        ("stay-with-us", "2026-03-14T10:42:00Z", "cause", False, "bought on 1 days"),
        ("hold-promotions", "2026-03-14T09:42:00Z", "type", False, "does not look at `wait.long`"),
    ],
)
def test_it_tells_which_part_of_a_play_did_not_hold(
    stay: Path, play: str, at: str, part: str, holds: bool, said: str
) -> None:
    """A play that was no candidate is asked once more: of the type, of its cause, of its gates."""
    inquiry = explained("ann", "--on", stay, "--play", play, "--at", at)["inquiry"]
    last = inquiry["findings"][-1]

    assert (inquiry["exact"], last["part"], last["holds"]) == (True, part, holds)
    assert said in last["said"]


def test_without_a_time_it_asks_at_the_latest_touchpoint_that_the_play_looks_at(stay: Path) -> None:
    """A play that looks at arrivals is not asked about the page view that came after them."""
    assert explained("ann", "--on", stay, "--play", "key-at-the-door")["inquiry"]["touchpoint"] == "4"
    assert (
        "make-it-right fired at wait.long" in explain("ann", "--on", stay, "--play", "make-it-right").stdout
    )


def test_who_or_what_is_not_known_is_one_line(stay: Path, tmp_path: Path) -> None:
    """A customer, a play or a file that there is not, and an alias: one line each, with what to do."""
    alias = tmp_path / "alias.jsonl"
    link = '{"specversion":"1.0","id":"l","type":"identity.linked","subject":"ann",'
    said = '"time":"2026-03-14T09:00:00Z","data":{"alias":"anon","authenticated":true}}'
    alias.write_text(f"{link}{said}\n")
    answers = [
        explain("bob", "--on", stay),
        explain("ann", "--on", stay, "--play", "stay-with-uss"),
        explain("ann", "--on", tmp_path / "no.jsonl"),
        explain("anon", "--on", alias),
        explain("ann", "--on", stay, "--at", "2020-01-01T00:00:00Z"),
    ]

    assert [(one.exit_code, one.stdout, one.stderr.count("\n")) for one in answers] == [(2, "", 1)] * 5
    assert answers[1].stderr.endswith("(did you mean `stay-with-us`?); name yours by --playbook\n")
    assert answers[3].stderr.endswith("run `dangol explain ann`\n")
    assert answers[4].stderr.endswith("no line of the file, up to the time of --at, is about `ann`\n")


def test_what_a_line_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """An id with an escape sequence is shown without the escape."""
    path = tmp_path / "odd.jsonl"
    path.write_text(
        '{"specversion":"1.0","id":"1","type":"complaint.opened","subject":"a\\u001b[31m","time":"2026-03-14T09:30:00Z",'
        '"data":{"issue":"\\u001b[32m"}}\n'
    )

    assert "\x1b[3" not in explain("a\x1b[31m", "--on", path).stdout


def test_no_broker_is_one_line_and_exit_code_3() -> None:
    """Without a broker there is one line with the address."""
    result = explain("ann", "--bootstrap", "127.0.0.1:1")

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (3, "", 1)
