"""Risks: whom a business may lose at one moment, by what it would cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.risks import AT_ONCE, Survey
from schemas.profile import Profile
from schemas.timestamp import DAY, to_rfc3339
from stream.engine import load_engine
from tests.hotel import NOON, engine

BOUGHT = [
    ("ann", 200, 300.0),
    ("ann", 180, 300.0),
    ("bob", 200, 10.0),
    ("bob", 180, 10.0),
    ("eve", 20, 900.0),
    ("eve", 1, 900.0),
]
"""Ann and Bob have not bought for half a year, Eve bought yesterday."""


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    """A file of these purchases, and of one who looks around only."""
    path = tmp_path / "purchases.jsonl"
    said = [(who, "order.placed", days, {"amount": amount}) for who, days, amount in BOUGHT]
    said.append(("kim", "page.viewed", 0, {}))
    path.write_text(
        "".join(
            json.dumps(
                {
                    "specversion": "1.0",
                    "id": str(number),
                    "type": type_,
                    "subject": who,
                    "time": to_rfc3339(NOON - days * DAY),
                    "data": data,
                }
            )
            + "\n"
            for number, (who, type_, days, data) in enumerate(said)
        )
    )
    return path


def risks(*args: str | Path) -> Any:
    """What `dangol risks` says to a machine."""
    result = CliRunner().invoke(main, ["risks", *map(str, args), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_those_at_risk_come_by_what_they_would_cost(purchases: Path) -> None:
    """Of two who have been away for equally long the one who spends more comes first; Eve is not at risk."""
    report = risks("--on", purchases, "--above", "0.6")

    assert (report["customers"], report["at_risk"], report["threshold"]) == (3, 2, 0.6)
    assert [one["customer"] for one in report["first"]] == ["ann", "bob"]
    assert (report["as_of"], report["model"]) == ("2026-03-14T12:00:00.000Z", "cdnow-2026.11")
    words = [driver["words"] for driver in report["first"][0]["drivers"]]
    assert "has not bought for 180 days, after two times 20 days apart" in words
    assert report["value_of_these"] == round(sum(one["value_at_risk"] for one in report["first"]), 2)


def test_it_says_what_explain_says(purchases: Path) -> None:
    """Many at once, or one alone: the same risk, the same money, the same reasons."""
    line = {"specversion": "1.0", "id": "9", "type": "page.viewed", "subject": "eve"}
    with purchases.open("a") as file:
        file.write(json.dumps({**line, "time": to_rfc3339(NOON)}) + "\n")
    first = risks("--on", purchases, "--above", "0")["first"][0]
    told = CliRunner().invoke(main, ["explain", first["customer"], "--on", str(purchases), "--json"])
    outlook = json.loads(told.stdout)["outlook"]

    names = ("risk", "expected", "value_at_risk", "drivers")
    assert first["customer"] == "eve"
    assert {name: first[name] for name in names} == {name: outlook[name] for name in names}


def test_page(purchases: Path) -> None:
    """On a terminal: how many, what is at risk, and a line for each with the main reason."""
    page = CliRunner().invoke(main, ["risks", "--on", str(purchases), "--top", "1"]).stdout

    assert page.startswith("3 customers, mean risk 0.")
    for piece in ("by model cdnow-2026.11", "2 from 0.60 on", "has not bought for 180 days", "ann"):
        assert piece in page
    assert "bob" not in page


def test_customers_are_scored_in_parts() -> None:
    """Whoever has bought counts, however many there are, and only the few that are asked for are kept."""
    many = (Profile(1, f"c-{n}", active_days=n % 2, spent=float(n)) for n in range(2 * AT_ONCE + 100))
    survey = Survey(engine(0.5), NOON, None, 3)
    survey.take(many)
    report = survey.report()

    assert (report.customers, report.mean_risk, report.threshold) == (AT_ONCE + 50, 0.5, 0.75)
    assert (report.at_risk, report.first) == (0, ())


def test_the_greatest_value_at_risk_is_kept() -> None:
    """From part to part the first stay the first."""
    survey = Survey(engine(0.9), NOON, 0.9, 2)
    for spent in (30.0, 90.0, 60.0):
        survey.take([Profile(1, f"c-{spent:g}", active_days=1, spent=spent, last_active=NOON)])

    assert [one.customer for one in survey.report().first] == ["c-90", "c-60"]


def test_nobody_has_bought() -> None:
    """Without customers there is nothing to lose."""
    report = Survey(load_engine(), NOON, None, 5).report()

    assert (report.customers, report.mean_risk, report.value_at_risk) == (0, 0.0, 0.0)
    assert msgspec.json.decode(msgspec.json.encode(report))["threshold"] == 0.6


def test_what_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    """A file that is not there, and no broker: one line each."""
    answers = [
        CliRunner().invoke(main, ["risks", "--on", str(tmp_path / "no.jsonl")]),
        CliRunner().invoke(main, ["risks", "--bootstrap", "127.0.0.1:1"]),
    ]

    assert [(one.exit_code, one.stderr.count("\n")) for one in answers] == [(2, 1), (3, 1)]
