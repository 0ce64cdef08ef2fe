"""`dangol evaluate churn`: what it prints, and the one line that bad input gets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.cli.evaluate import MODELS
from agents.cli.trainer import KINDS as CHALLENGERS
from stream.churn.kinds import KINDS

KEYS = [
    *("points", "evaluated", "base_rate", "auc", "log_loss", "brier", "ece", "worst_month_ratio"),
    *("calibration", "over_time", "us_score", "us_learn", "baselines", "models"),
]

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(customers: int = 80, days: int = 200, seed: int = 1) -> list[str]:
    """Purchases and calls as rows of a CSV file, in order of time."""
    chance = Random(seed)
    found = []
    for number in range(customers):
        day, rate = chance.uniform(0, days / 2), chance.uniform(4, 30)
        while day < days:
            found.append((day, f"{number}", "order.placed", f"{chance.uniform(-5, 50):.2f}"))
            if chance.random() < 0.2:
                found.append((day + 0.1, f"{number}", "help.asked", ""))
            if chance.random() < 0.15:
                break
            day += chance.expovariate(1 / rate)
    return [
        f"{customer},{(START + timedelta(days=day)).isoformat()},{type_},{amount}"
        for day, customer, type_, amount in sorted(found)
    ]


def evaluate(path: Path, lines: list[str], *options: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command on a file of these rows."""
    path.write_text("\n".join(["customer_id,time,type,amount", *lines]) + "\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["evaluate", "churn", "--data", str(path), *options])
    return result.exit_code, result.stdout, result.stderr


def test_json_has_every_figure(tmp_path: Path) -> None:
    """The keys are those that are promised, and the counts add up."""
    code, out, _ = evaluate(tmp_path / "sales.csv", rows(), "--horizon-days", "30", "--json")
    figures = json.loads(out)

    assert (code, list(figures)) == (0, KEYS)
    assert sum(bin_["points"] for bin_ in figures["calibration"]) == figures["evaluated"]
    assert sum(month["points"] for month in figures["over_time"]) == figures["evaluated"]
    assert 0.0 <= figures["auc"] <= 1.0
    assert figures["baselines"] == {}


def test_text_names_the_figures(tmp_path: Path) -> None:
    """Without --json there is a table, also for weekly looks at some of the customers."""
    options = ("--horizon-days", "30", "--score-on", "every:7d", "--customers", "id % 2 == 0")
    code, out, _ = evaluate(tmp_path / "sales.csv", rows(), *options)

    assert code == 0
    assert "AUC" in out
    assert "a lesson" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--horizon-days", "0"), "--horizon-days 0: a horizon is more than 0 and at most 3650 days"),
        (("--horizon-days", "-3"), "--horizon-days -3: a horizon is more than 0 and at most 3650 days"),
        (("--horizon-days", "190"), "has a label: the data end before 190 days have passed"),
        (("--split-day", "nan"), "--split-day nan: say a number of days, from 0 to 100,000"),
        (("--split-day", "-1"), "--split-day -1: say a number of days, from 0 to 100,000"),
        (("--max-recency-days", "inf"), "--max-recency-days inf: say a number of days, from 0 to 100,000"),
        (("--score-on", "weekly"), "--score-on weekly: say `activity`, or `every:7d`"),
        (("--customers", "id ~ 3"), "can't read 'id ~ 3'"),
        (("--activity", "order.paid"), "--activity order.paid: no such type in"),
        (("--task", "E"), "--task is for --data cdnow"),
        (("--plot", "picture"), "--plot picture: the name of a picture ends in .png, .svg, .pdf"),
        (("--plot", "."), "--plot .: that is a directory"),
        (("--plot", "nowhere/x.png"), "--plot nowhere/x.png: there is no directory nowhere"),
    ],
)
def test_bad_options_get_one_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """What can't be done is said in one line, with exit code 2."""
    code, out, err = evaluate(tmp_path / "sales.csv", rows(20), *options)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_unsorted_file(tmp_path: Path) -> None:
    """A file that goes back in time is refused, unless it is to be sorted."""
    lines = rows()[::-1]
    code, _, err = evaluate(tmp_path / "sales.csv", lines, "--horizon-days", "30")
    assert (code, "earlier than the one before it; sort the file by time, or say --sort" in err) == (2, True)

    assert evaluate(tmp_path / "sales.csv", lines, "--horizon-days", "30", "--sort")[0] == 0


def test_touchpoints_with_one_id_are_told(tmp_path: Path) -> None:
    """Figures don't come from fewer touchpoints than the file has without a word."""
    path = tmp_path / "sales.csv"
    lines = [f"{line},{number}" for number, line in enumerate(rows())]
    path.write_text("\n".join(["customer_id,time,type,amount,id", *lines, lines[-1]]), encoding="utf-8")

    result = CliRunner().invoke(main, ["evaluate", "churn", "--data", str(path), "--horizon-days", "30"])

    assert result.exit_code == 0
    assert result.stderr == "1 touchpoints left out, as their ids had been seen before\n"


def test_nobody_was_lost(tmp_path: Path) -> None:
    """Where one class is missing nothing can be told apart, and that is said."""
    daily = [
        f"{n},{(START + timedelta(days=day, hours=n)).isoformat()},sold,1"
        for day in range(60)
        for n in (1, 2)
    ]
    code, _, err = evaluate(tmp_path / "sales.csv", daily, "--horizon-days", "10")

    assert (code, "points judged came back within 10 days" in err) == (2, True)


def test_several_types_and_none_is_activity(tmp_path: Path) -> None:
    """Which type is coming back must be said where nobody can know it."""
    lines = [f"1,{(START + timedelta(days=day)).isoformat()},kind{day % 2},1" for day in range(60)]
    code, _, err = evaluate(tmp_path / "sales.csv", lines, "--horizon-days", "10")

    assert (code, "say with --activity which type is coming back" in err) == (2, True)


def test_models_run_side_by_side(tmp_path: Path) -> None:
    """All models are judged on the same points in one pass; the first is the one that --json is about."""
    options = ("--horizon-days", "30", "--model", "adaptive-tree", "--model", "naive-bayes", "--json")
    code, out, _ = evaluate(tmp_path / "sales.csv", rows(), *options)
    figures = json.loads(out)

    assert (code, list(figures["models"])) == (0, ["naive-bayes"])
    assert figures["models"]["naive-bayes"]["evaluated"] == figures["evaluated"]
    assert figures["models"]["naive-bayes"]["log_loss"] != figures["log_loss"]


def test_every_model_can_be_named() -> None:
    """What --help names is what there is."""
    assert list(MODELS) == list(CHALLENGERS) == list(KINDS)
