"""Takings: what was bought in the past, as the section of a playbook that `recommendation` goes by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from agents.cli import main
from schemas.families.recommendation import EVERYONE
from schemas.playbook import load
from stream.engine import DEFAULT_PLAYBOOK

PLAYBOOK = """
playbook: shop
currency: EUR
properties: {}
catalogue:
  order.placed: {stage: act, effect: activity}
  basket.paid: {stage: act, effect: activity}
  page.viewed: {stage: appeal}
segments:
  regulars: profile.spent > 100
  others: profile.touchpoints > 1
popularity:
  everyone: {any: 1}
plays:
  - {play: like, family: recommendation, touchpoints: [page.viewed], item: product, bought_by: [order.placed],
     rest: 1d, valid_for: 1h, segment: regulars}
  - {play: shelf, family: recommendation, touchpoints: [page.viewed], item: what, bought_by: [basket.paid],
     rest: 1d, valid_for: 1h}
"""


def line(number: int, type_: str, customer: str, **data: Any) -> str:
    """A line of a file: one touchpoint an hour."""
    time = f"2026-03-14T{number:02}:00:00Z"
    event = {"specversion": "1.0", "id": str(number), "source": "/till", "type": type_, "subject": customer}
    return json.dumps({**event, "time": time, "data": data}) + "\n"


LINES = [
    line(1, "order.placed", "ann", product="robe", amount=60),
    line(2, "order.placed", "ann", product=["robe", "robe", "soap"], amount=60),
    line(3, "basket.paid", "bob", what="soap", amount=5),
    line(4, "order.placed", "bob", what="tea", amount=5),
    line(5, "page.viewed", "bob", product="tea"),
    line(3, "basket.paid", "bob", what="soap", amount=5),
    "no json\n",
    line(6, "order.placed", "card-7", product="on", amount=5),
    line(7, "identity.linked", "ann", alias="card-7", authenticated=True),
    line(8, "order.placed", "card-7", product="robe", amount=5),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a shop's playbook and its past in two files, where the command runs."""
    monkeypatch.chdir(tmp_path)
    Path("shop.yaml").write_text(PLAYBOOK, encoding="utf-8")
    Path("one.jsonl").write_text("".join(LINES[:4]), encoding="utf-8")
    Path("two.jsonl").write_text("".join(LINES[4:]), encoding="utf-8")
    return tmp_path


def counted(*arguments: str) -> Result:
    """What the command makes of both files."""
    command = ["playbook", "popularity", "one.jsonl", "two.jsonl", "--playbook", "shop.yaml", *arguments]
    return CliRunner().invoke(main, command)


def test_what_was_bought_is_counted(folder: Path) -> None:
    """Once for each purchase, by the plays' types and fields, by who was in the segment then, aliases too."""
    done = counted()

    assert (done.exit_code, done.stderr) == (
        0,
        "5 purchases counted; 1 lines left out (json-invalid 1)\n",
    )
    assert yaml.safe_load(done.stdout) == {
        "popularity": {
            "everyone": {"robe": 3, "soap": 2, "on": 1},
            "regulars": {"robe": 2, "soap": 1},
        }
    }
    assert done.stdout.startswith("popularity:\n  everyone:\n    robe: 3\n    soap: 2\n    'on': 1\n")


def test_the_section_fits_into_the_playbook(folder: Path) -> None:
    """Put in the place of the section that was there, it is taken as it is printed."""
    text = PLAYBOOK.replace("popularity:\n  everyone: {any: 1}\n", counted().stdout)

    assert load(text, "new.yaml").popularity[EVERYONE] == {"robe": 3, "soap": 2, "on": 1}


def test_only_the_latest_and_the_most_popular(folder: Path) -> None:
    """What was bought before `--since` makes regulars, but is not counted; of each table the first ones."""
    done = counted("--since", "2026-03-14T02:00:00Z", "--most", "1", "--json")

    assert json.loads(done.stdout) == {
        "popularity": {"everyone": {"robe": 2}, "regulars": {"robe": 2}},
        "purchases": 4,
        "rejected": {"json-invalid": 1},
    }


def test_nothing_to_count(folder: Path) -> None:
    """One line and exit code 2, where nothing was bought, or nothing is recommended."""
    Path("one.jsonl").write_text(LINES[4], encoding="utf-8")
    Path("two.jsonl").write_text("", encoding="utf-8")
    shop = counted()
    b2b = counted("--playbook", "b2b")

    assert (shop.exit_code, shop.stdout, shop.stderr) == (
        *(2, ""),
        "dangol: nothing was bought: no touchpoint of basket.paid, order.placed names an item\n",
    )
    assert b2b.exit_code == 2
    assert b2b.stderr.endswith("has no play of family recommendation: nothing to count for\n")


def test_the_hotel_that_ships(folder: Path) -> None:
    """Its orders name products."""
    done = CliRunner().invoke(main, ["playbook", "popularity", "one.jsonl"])

    assert yaml.safe_load(done.stdout) == {"popularity": {"everyone": {"robe": 2, "soap": 1}}}
    assert "order.placed" in DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
