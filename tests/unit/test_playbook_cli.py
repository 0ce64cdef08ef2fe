"""`dangol playbook`: checking and comparing files, which needs no broker, and what happens without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from schemas.edition import MAX_BYTES
from stream.engine import DEFAULT_PLAYBOOK, load_engine

SHIPPED = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
VERSION = load_engine().playbook_version
PLAYS, TYPES = len(load_engine().playbook.plays), len(load_engine().playbook.catalogue)

ANGER = (
    '{"specversion":"1.0","id":"%s","source":"/desk","type":"complaint.opened","subject":"ann",'
    '"time":"2026-03-14T09:30:00Z","data":{"issue":"i-1"}}\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some playbooks and a file of touchpoints, where the commands run."""
    monkeypatch.chdir(tmp_path)
    Path("hotel.yaml").write_text(SHIPPED, encoding="utf-8")
    Path("typo.yaml").write_text(SHIPPED.replace("stage: aware", "stage: awaer", 1), encoding="utf-8")
    Path("dear.yaml").write_text(
        SHIPPED.replace("voucher: {amount: 15}", "voucher: {amount: 20}"), encoding="utf-8"
    )
    Path("day.jsonl").write_text(ANGER % "1" + "not json\n", encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    """The command, run where there is no broker."""
    return CliRunner().invoke(
        main, ["playbook", *arguments], env={"DANGOL_BOOTSTRAP": "127.0.0.1:1", "COLUMNS": "100"}
    )


def test_a_playbook_in_order(folder: Path) -> None:
    """Its version, and how much is in it."""
    done = run("check", "hotel.yaml")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"hotel.yaml: {VERSION}, {PLAYS} plays, {TYPES} touchpoint types\n"


def test_those_that_ship_have_names(folder: Path) -> None:
    """A name stands for its file, wherever one is."""
    checked = run("check", "hotel")
    same = run("diff", "hotel", "hotel.yaml", "--on", "day.jsonl")

    assert checked.stdout == f"hotel: {VERSION}, {PLAYS} plays, {TYPES} touchpoint types\n"
    assert "no decision would have been another" in same.stdout


def test_mistakes_of_all_files_are_told(folder: Path) -> None:
    """Each with its place, as editors read it; the exit code is 2, and what is in order is said."""
    done = run("check", "typo.yaml", "hotel.yaml", "none.yaml")
    lines = done.stderr.splitlines()

    assert done.exit_code == 2
    assert done.stdout.startswith("hotel.yaml: hotel@")
    assert lines[0].startswith("typo.yaml:")
    assert lines[0].endswith("(did you mean `aware`?)")
    assert lines[1:] == ["none.yaml: the playbook can't be read: No such file or directory"]


def test_mistakes_for_a_machine(folder: Path) -> None:
    """The place stands in fields of its own."""
    done = run("check", "--json", "typo.yaml", "hotel.yaml")
    typo, hotel = json.loads(done.stdout)

    assert (done.exit_code, done.stderr) == (2, "")
    line = SHIPPED[: SHIPPED.index("stage: aware")].count("\n") + 1
    assert (typo["file"], typo["ok"], typo["line"], typo["column"]) == ("typo.yaml", False, line, 13)
    assert typo["mistake"].startswith("Invalid enum value 'awaer'")
    assert hotel == {
        "file": "hotel.yaml",
        "ok": True,
        "name": "hotel",
        "version": VERSION,
        "plays": PLAYS,
        "types": TYPES,
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "x.yaml: not UTF-8 at byte 0"),
        (b"# " + b"x" * MAX_BYTES, "x.yaml: 1,000,002 bytes are more than a playbook may have (1,000,000)"),
    ],
)
def test_files_that_are_no_playbooks(folder: Path, content: bytes, reason: str) -> None:
    """They are told in one line, by check as by apply, before a broker is asked."""
    Path("x.yaml").write_bytes(content)
    checked, applied = run("check", "x.yaml"), run("apply", "x.yaml")

    assert (checked.exit_code, applied.exit_code) == (2, 2)
    assert checked.stderr.startswith(reason)
    assert applied.stderr.startswith(f"dangol: {reason}")


@pytest.mark.parametrize("command", [["apply", "hotel.yaml"], ["show"], ["show", "--list"]])
def test_without_a_broker(folder: Path, command: list[str]) -> None:
    """One line and exit code 3."""
    done = run(*command)

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("dangol: no Kafka broker answers at 127.0.0.1:1")
    assert done.stderr.count("\n") == 1


def test_a_version_needs_the_broker_and_files_do_not(folder: Path) -> None:
    """`diff` asks only for what is not a file."""
    files = run("diff", "hotel.yaml", "dear.yaml", "--on", "day.jsonl")
    version = run("diff", "current", "dear.yaml", "--on", "day.jsonl")

    assert files.exit_code == 0
    assert version.exit_code == 3


def test_what_would_have_been_otherwise(folder: Path) -> None:
    """By play, with an example, and the lines that can't be used."""
    done = run("diff", "hotel.yaml", "dear.yaml", "--on", "day.jsonl")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}

    assert done.stdout.splitlines()[0].startswith(f"{VERSION} → hotel@")
    assert "1 touchpoints of 1 customers, 1 lines left out" in done.stdout
    assert rows["make-it-right"][:2] == ["1", "1"]
    assert rows["hold-promotions"][:2] == ["0", "1"]
    assert "2026-03-14 09:30:00  ann  complaint.opened  make-it-right" in done.stdout
    assert "amount 15" in done.stdout
    assert "amount 20" in done.stdout
    assert done.stderr.startswith("line 2: json-invalid")


def test_the_same_for_a_machine(folder: Path) -> None:
    """All counts, and as many examples as asked for."""
    told = json.loads(run("diff", "hotel.yaml", "dear.yaml", "--on", "day.jsonl", "--json").stdout)
    none = json.loads(
        run("diff", "hotel.yaml", "dear.yaml", "--on", "day.jsonl", "--json", "--examples", "0").stdout
    )

    assert (told["old"], told["changed"], told["touchpoints"], told["rejected"]) == (
        VERSION,
        1,
        1,
        {"json-invalid": 1},
    )
    assert told["plays"]["make-it-right"] == {
        "family": "recovery-offer",
        "changed": 1,
        "old": {"fired": 1},
        "new": {"fired": 1},
    }
    (example,) = told["examples"]
    assert [example[side]["content"]["amount"] for side in ("old", "new")] == [15, 20]
    assert none["examples"] == []


def test_no_difference_is_said(folder: Path) -> None:
    """Comments and order of keys change nothing."""
    Path("same.yaml").write_text("# mine\n" + SHIPPED, encoding="utf-8")

    assert (
        "no decision would have been another"
        in run("diff", "hotel.yaml", "same.yaml", "--on", "day.jsonl").stdout
    )


def test_plays_that_come_and_go_are_named(folder: Path) -> None:
    """A play with another name is the same service; without any of its family the service is lost."""
    Path("renamed.yaml").write_text(SHIPPED.replace("key-at-the-door", "key-by-phone"), encoding="utf-8")
    renamed = run("diff", "hotel.yaml", "renamed.yaml", "--on", "day.jsonl").stdout.splitlines()
    told = json.loads(run("diff", "hotel.yaml", "renamed.yaml", "--on", "day.jsonl", "--json").stdout)

    assert renamed[2:4] == ["gone: key-at-the-door (room-key)", "new: key-by-phone (room-key)"]
    assert not any(line.startswith("a service is lost") for line in renamed)
    assert (told["plays_gone"], told["plays_new"], told["services_lost"]) == (
        {"key-at-the-door": "room-key"},
        {"key-by-phone": "room-key"},
        {},
    )


def test_a_service_that_would_be_lost_is_told(folder: Path) -> None:
    """The shop has no room keys: whoever has the hotel's playbook in force is told before."""
    done = run("diff", "hotel", "retail", "--on", "day.jsonl")
    told = json.loads(run("diff", "hotel", "retail", "--on", "day.jsonl", "--json").stdout)

    assert (
        "a service is lost: no room-key any more (key-at-the-door): nobody gets a key, and keys that are out "
        "are not revoked"
    ) in " ".join(done.stdout.split())
    assert told["services_lost"] == {"room-key": ["key-at-the-door"]}
