"""Replay: from a file to triggers and decisions, by the command that users run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from stream.engine import load_engine

ROOT = Path(__file__).parents[2]

STAY = """\
customer_id,time,type,booking,property,arrival,departure,device,purpose,accuracy_m,room,amount
mina,2026-03-01T09:00:00Z,booking.confirmed,b-1,seoul-harbour,2026-03-14,2026-03-16,,,,,420
mina,2026-03-01T09:05:00Z,device.bound,,,,,phone-1,,,,
mina,2026-03-01T09:06:00Z,consent.granted,,,,,,location,,,
mina,2026-03-14T06:00:00Z,guest.arrived,b-1,seoul-harbour,,,phone-1,,12,,
ann,2026-03-14T07:00:00Z,complaint.opened,,,,,,,,,
mina,2026-03-16T01:00:00Z,stay.checked-out,b-1,,,,,,,,
"""


def replay(*args: str | Path, stdin: bytes | None = None) -> Result:
    """What `dangol replay` prints."""
    return CliRunner().invoke(main, ["replay", *map(str, args)], input=stdin)


@pytest.fixture
def stay(tmp_path: Path) -> Path:
    """A stay with a key at the door, and a complaint of someone else, as CSV."""
    path = tmp_path / "stay.csv"
    hotel = next(iter(load_engine().playbook.properties))
    path.write_text(STAY.replace("seoul-harbour", hotel))
    return path


def test_a_stay_gives_its_triggers_in_order_of_the_file(stay: Path) -> None:
    """The key is issued and revoked; a complaint is answered, and at the end that nobody has closed it."""
    result = replay(stay, "--json")

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [
        (record["subject"], record["type"], record["data"].get("content", {}).get("action"))
        for record in records
    ] == [
        ("mina", "cx.trigger.room-key.v1", "issue"),
        ("mina", "cx.decision.v1", None),
        ("ann", "cx.trigger.recovery-offer.v1", "offer"),
        ("ann", "cx.trigger.suppression.v1", "start"),
        ("ann", "cx.decision.v1", None),
        ("mina", "cx.trigger.room-key.v1", "revoke"),
        ("mina", "cx.decision.v1", None),
        ("ann", "cx.trigger.recovery-offer.v1", "escalate"),
        ("ann", "cx.decision.v1", None),
    ]
    assert [record["time"] for record in records][:2] == ["2026-03-14T06:00:00Z"] * 2


def test_the_summary_counts_everything(stay: Path) -> None:
    """For people there is a line a trigger, and a summary with triggers by family."""
    lines = replay(stay).stdout.splitlines()

    assert lines[0].startswith("2026-03-14 06:00:00  room-key         mina: key for ")
    assert [line.split() for line in lines[5:]] == [
        ["touchpoints", "6"],
        ["customers", "2"],
        ["duplicates", "0"],
        ["decisions", "4"],
        ["triggers", "recovery-offer", "2"],
        ["triggers", "room-key", "2"],
        ["triggers", "suppression", "1"],
        ["rejected", "0"],
    ]


def test_the_same_input_gives_the_same_bytes(stay: Path, tmp_path: Path) -> None:
    """Two runs in two processes with different hash seeds print, and keep, the same bytes."""
    outputs = []
    for seed in ("1", "2"):
        profiles = tmp_path / f"{seed}.jsonl"
        done = subprocess.run(
            [sys.executable, "-m", "agents", "replay", stay, "--json", "--profiles", profiles],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        )
        outputs.append((done.stdout, done.stderr, profiles.read_bytes()))

    assert outputs[0] == outputs[1]
    assert outputs[0][0].count(b"\n") == 9


def test_a_repeated_file_is_all_duplicates(stay: Path) -> None:
    """Rows keep their ids, so what is read twice is applied once."""
    rows = stay.read_text().splitlines()
    lines = "".join(
        f'{{"specversion":"1.0","id":"{number}","source":"/s","type":"page.viewed","subject":"ann",'
        f'"time":"2026-03-14T09:30:00Z"}}\n'
        for number in range(3)
    )

    result = replay("-", stdin=(lines + lines).encode())

    assert len(rows) == 7
    assert [line.split() for line in result.stdout.splitlines()][:3] == [
        ["touchpoints", "6"],
        ["customers", "1"],
        ["duplicates", "3"],
    ]


def test_what_can_not_be_used_is_told_and_counted(tmp_path: Path) -> None:
    """Bad lines are named on stderr by number and code, those the engine refuses too."""
    path = tmp_path / "in.jsonl"
    head = '{"specversion":"1.0","id":"1","source":"/s","subject":"ann","time":"2026-03-14T09:30:00Z"'
    path.write_text(
        f'no json\n{head},"type":"device.bound","data":{{}}}}\n{head},"type":"page.viewed"}}\n{head}}}\n'
    )

    result = replay(path, "--json")

    assert result.exit_code == 0
    told = result.stderr.splitlines()
    assert [line.split(": ")[:2] for line in told[:3]] == [
        ["line 1", "json-invalid"],
        ["line 2", "data-invalid"],
        ["line 4", "type-missing"],
    ]
    assert [line.split() for line in told[3:]] == [
        ["touchpoints", "1"],
        ["customers", "1"],
        ["duplicates", "0"],
        ["decisions", "0"],
        ["rejected", "3"],
        ["rejected", "data-invalid", "1"],
        ["rejected", "json-invalid", "1"],
        ["rejected", "type-missing", "1"],
    ]


def test_profiles_are_written_in_order_of_customer(stay: Path, tmp_path: Path) -> None:
    """The profiles at the end stand in a file, by customer, with what became of each."""
    profiles = tmp_path / "profiles.jsonl"

    replay(stay, "--profiles", profiles)

    kept = [json.loads(line) for line in profiles.read_text().splitlines()]
    assert [profile["customer"] for profile in kept] == ["ann", "mina"]
    assert [profile["touchpoints"] for profile in kept] == [1, 5]
    assert kept[1]["bookings"][0]["status"] == "checked-out"
    assert "applied" not in kept[0]


@pytest.mark.parametrize("option", ["--playbook", "--model"])
def test_a_playbook_or_model_that_is_not_there(stay: Path, option: str) -> None:
    """A misspelt playbook or model is one line and exit code 2."""
    result = replay(stay, option, "nowhere")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_ids_can_not_steer_the_terminal() -> None:
    """A customer id with an escape sequence is shown without the escape."""
    line = (
        b'{"specversion":"1.0","id":"1","source":"/s","type":"complaint.opened","subject":"a\\u001b[31m",'
        b'"time":"2026-03-14T09:30:00Z"}'
    )

    assert "\x1b[31m" not in replay("-", stdin=line).stdout
    assert "a\N{REPLACEMENT CHARACTER}[31m: " in replay("-", stdin=line).stdout
