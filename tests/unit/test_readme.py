"""The README against the code: its tables, limits, commands and links, and what its picture loads."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click
import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.cli import COMMANDS, INTERRUPTED, main
from agents.connection import Connection
from agents.metrics import Metrics
from agents.training_metrics import TrainingMetrics
from schemas import errors, touchpoint
from schemas.conditions.syntax import MAX_LENGTH, MAX_NESTING
from schemas.conditions.vocabulary import FUNCTIONS, KINDS, METHODS, NOW, VARIABLES
from schemas.consent import MAX_CONSENTS
from schemas.families import FAMILIES
from schemas.families.entry import EntryPlay
from schemas.families.retention_offer import RetentionOfferPlay
from schemas.holding import MAX_HELD
from schemas.issue import MAX_ISSUES
from schemas.kinds import MAX_KINDS
from schemas.lifecycle import MAX_ISSUED
from schemas.moment import MAX_MOMENTS
from schemas.playbook import MAX_PLAYS, load
from schemas.profile import MAX_ENDED, MAX_ENTERED, MAX_KEYS, MAX_SEEN
from schemas.rights import Right, rights
from schemas.sequence import MAX_PROGRESS
from schemas.stay import MAX_BOOKINGS
from schemas.timer import MAX_TIMERS
from schemas.timestamp import DAY, HOUR
from schemas.topics import Topics
from stream import arbitration
from stream.arbitration import consent, holding, lifecycle
from stream.churn import kinds
from stream.churn.drift import OF
from stream.duplicates import WINDOW
from stream.engine import DEFAULT_PLAYBOOK, LATENESS
from stream.plays.context import EXPIRED, STALE
from stream.plays.entry import CANCELLED
from tests.probes import ProbePlay

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def section(title: str) -> str:
    """The text under a heading, up to the next of the same level or a higher one."""
    marks, rest = re.findall(rf"(?ms)^(#+) {re.escape(title)}\n(.*)", README)[0]
    return re.split(rf"(?m)^#{{1,{len(marks)}}} ", rest)[0]


def first_cells(text: str) -> list[str]:
    """What stands in backquotes in the first cells of the tables of a text."""
    rows = re.findall(r"(?m)^\| (`[^|]+?) \|", text)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"))


def test_topics() -> None:
    """The table names every topic with how long it is kept."""
    told = {
        name.replace("<family>", family): kept
        for name, kept in re.findall(r"(?m)^\| `([^`]+)` \|.*\| ([^|]+) \|$", section("Topics"))
        for family in FAMILIES
    }

    assert told == {
        spec.name: ", ".join(
            ["compacted"] * spec.compacted
            + ([] if spec.retention_ms is None else [f"{spec.retention_ms // DAY} days"])
        )
        for spec in Topics().specs
    }


def test_families() -> None:
    """The table of triggers names every family, in order, and the thresholds of the playbook that ships."""
    plays = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), "hotel.yaml").plays
    (retention,) = [play for play in plays if isinstance(play, RetentionOfferPlay)]
    text = section("Triggers")
    told = [cell.split(";")[0] for cell in re.findall(r"(?m)^\| `[a-z-]+` \| .* \| (\d+ .*) \| .* \|$", text)]
    units = {"m": "minutes", "h": "hours", "d": "days"}

    first = {play.family: play.valid_for for play in reversed(plays)}
    assert told == [f"{first[family][:-1]} {units[first[family][-1]]}" for family in FAMILIES]
    assert [name for name in first_cells(text) if name in FAMILIES] == list(FAMILIES)
    assert f"reaches {retention.enter:.2f}; again only after it was below {retention.leave:.2f}" in text


def test_reasons_of_arbitration() -> None:
    """The tables of reasons and outcomes are exactly those that the steps give."""
    codes = {STALE, EXPIRED, CANCELLED, holding.CROWDED, holding.REPLACED, holding.GONE, consent.VIOLATION}
    for found in iter_modules(arbitration.__path__, f"{arbitration.__name__}."):
        codes |= {reason for reason in [getattr(import_module(found.name), "REASON", None)] if reason}

    # What has run out while it waited, and what nobody has answered, are called the same.
    assert sorted(first_cells(section("Arbitration"))) == sorted(
        [*codes, *lifecycle.OUTCOMES, lifecycle.UNKNOWN]
    )


def test_playbook_of_arbitration() -> None:
    """The sections that the README shows are taken by the playbook that ships."""
    (shown,) = [block for block in blocks("README.md", "yaml") if block in section("Arbitration")]
    hotel = yaml.safe_load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"))

    load(yaml.safe_dump({**hotel, **yaml.safe_load(shown)}), "README.md")


def test_budgets() -> None:
    """The budgets that the README shows are taken by the playbook that ships, with a play on them."""
    (shown,) = [block for block in blocks("README.md", "yaml") if block in section("Budgets")]
    hotel = DEFAULT_PLAYBOOK.read_text(encoding="utf-8").replace("budget: goodwill", "budget: guest")
    shipped = yaml.safe_load(hotel)
    playbook = {**shipped, "budgets": {**shipped["budgets"], **yaml.safe_load(shown)["budgets"]}}

    assert [play["play"] for play in playbook["plays"] if play.get("budget") == "guest"] == ["make-it-right"]
    load(yaml.safe_dump(playbook), "README.md")


def test_dead_letter_codes() -> None:
    """The table of codes is exactly those with which the code rejects a record."""
    codes = set(touchpoint._CODES.values())
    for path in (
        "schemas/touchpoint.py",
        "stream/handover.py",
        "stream/identity.py",
        "stream/ledgers.py",
        "agents/touchpoints.py",
    ):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                ("RejectedError", "_dead_letter")
            ):
                codes |= {code for arg in node.args[:3] if (code := _code_of(arg))}
    codes |= {"json-invalid", "text-invalid"}  # Chosen by an expression.
    codes |= {"state-undecodable"}  # No record is rejected by it.

    assert sorted(first_cells(section("Dead letters"))) == sorted(codes)


def _code_of(node: ast.expr) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+", value) else None


def test_metrics() -> None:
    """The tables of metrics are what a worker and a trainer show, with their labels."""
    of_worker, of_trainer = CollectorRegistry(), CollectorRegistry()
    Metrics(of_worker, [])
    TrainingMetrics(of_trainer)
    told = first_cells(section("Learning while it runs"))

    assert sorted(first_cells(section("Health and metrics"))) == sorted(shown(of_worker))
    assert sorted(name for name in told if name.startswith("cx_")) == sorted(shown(of_trainer))
    assert sorted(name for name in told if not name.startswith("cx_")) == sorted(kinds.KINDS)


def shown(registry: CollectorRegistry) -> list[str]:
    """The metrics of a registry, with their labels."""
    names = []
    for collector in registry._collector_to_names:
        (family,) = collector.collect()
        labels = ",".join(getattr(collector, "_labelnames", ()))
        name = f"{family.name}_total" if family.type == "counter" else family.name
        names.append(f"{name}{{{labels}}}" if labels else name)
    return names


def test_alerts_speak_up_when_they_are_to() -> None:
    """Prometheus's own tool goes through series for which they do, and for which they don't."""
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not on PATH")
    done = subprocess.run(
        [promtool, "test", "rules", "alerts.test.yml"], cwd=ROOT / "deploy", capture_output=True, check=False
    )

    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_alerts_ask_for_metrics_that_there_are() -> None:
    """Each alert asks workers or the trainer for metrics with labels and words that they have."""
    of_worker, of_trainer = CollectorRegistry(), CollectorRegistry()
    Metrics(of_worker, [])
    TrainingMetrics(of_trainer)
    known = {name.partition("{")[0]: name for name in (*shown(of_worker), *shown(of_trainer))}
    rules = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    asked = [each for rule in rules for each in re.findall(r"(cx_\w+)(?:\{(.*?)\})?", rule["expr"])]

    assert len(rules) == 9
    assert {rule["labels"]["severity"] for rule in rules} == {"warning", "info"}
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in rules)
    for name, matchers in asked:
        found = known[re.sub(r"(_sum|_count)$", "", name)]
        for label, words in re.findall(r'(\w+)!?=~?"(.*?)"', matchers):
            assert label in found.partition("{")[2]
            assert set(words.split("|")) <= {*OF, "said"}


def test_exit_codes() -> None:
    """The table of exit codes is those of the error family, success and Ctrl-C."""
    codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.DangolError)
    }

    told = re.findall(r"(?m)^\| (\d+) \|", section("Running it"))
    assert [int(code) for code in told] == sorted({0, *codes, INTERRUPTED})


def test_worker_options() -> None:
    """Options and variables in the table are those that the worker has."""
    worker = main.get_command(click.Context(main), "worker")
    assert worker is not None
    options = {name for option in worker.params for name in option.opts}
    variables = {str(option.envvar) for option in worker.params if getattr(option, "envvar", None)}
    text = section("Running it")

    assert {name.split()[0] for name in first_cells(text) if name.startswith("--")} <= options
    assert set(re.findall(r"`(DANGOL_[A-Z_]+)`", text)) == variables


def test_settings_of_the_connection() -> None:
    """The table of security names every setting of a connection, and its file is one that is taken."""
    named = re.findall(r"`DANGOL_(\w+)`", section("Security"))
    (file,) = blocks("README.md", "toml")

    assert {name.lower() for name in named} == {"connection", *(each.name for each in fields(Connection))}
    assert Connection(**tomllib.loads(file)).security_protocol == "SASL_SSL"


def test_rights() -> None:
    """The table of access control lists is what the tests on a broker with such lists have allowed."""
    told: dict[str, list[Right]] = {}
    role = ""
    for named, what, operations in re.findall(
        r"(?m)^\| (`[\w ]+`)? ?\| ([a-z]+(?: ids)?[^|]*`[^|]*`) \| ([^|]+) \|$", section("Security")
    ):
        role = named.strip("`") or role
        kind, name = what.split("`")[:2]
        told.setdefault(role, []).append(
            Right(
                "transactional-id" if "ids" in kind else "group" if "group" in kind else "topic",
                name,
                "prefixed" if "begin" in kind else "literal",
                tuple(re.findall(r"`(\w+)`", operations)),
            )
        )

    assert told == rights(Topics(), "dangol")


def test_limits() -> None:
    """Limits and times in the promises are those of the code."""
    text = section("What is promised")

    assert (
        f"at most {MAX_MOMENTS} moments, {MAX_BOOKINGS} bookings, {MAX_ISSUES} open issues, "
        f"{MAX_TIMERS} timers, {MAX_CONSENTS} words on consent, {MAX_HELD} triggers that wait, "
        f"{MAX_ISSUED} that went out and {MAX_KINDS} types by name"
    ) in text
    assert f"at most {WINDOW // DAY} days before and is among the customer's latest {MAX_SEEN}" in text
    assert LATENESS == HOUR
    assert "more than an hour older than its record" in text


def test_conditions() -> None:
    """The table of conditions is the vocabulary, word for word, and the limits are those of the code."""
    text = section("Conditions")
    told = re.findall(r"(?m)^\| `([^`]+)`( \?)? \| ([^|]+) \| (.+) \|$", text)
    expected = [
        (f"{root}.{name}", " ?" if field.optional else "", KINDS[field.kind], field.meaning)
        for root, fields in VARIABLES.items()
        for name, field in fields.items()
    ]
    expected.append(("now", "", KINDS[NOW.kind], NOW.meaning))
    for name, function in FUNCTIONS.items():
        needed = function.parameters[: function.required]
        given = ", ".join((*needed, *(f"[{more}]" for more in function.parameters[function.required :])))
        expected.append((f"{name}({given})", "", KINDS[function.kind], function.meaning))
    for name, meaning in METHODS.items():
        size = name == "size"
        signature = f".{name}({'' if size else 'text'})"
        expected.append((signature, "", KINDS["number" if size else "truth"], meaning))

    assert [row for row in told if row[0] != "event.…"] == expected
    assert f"at most {MAX_LENGTH:,} characters, and is nested at most {MAX_NESTING} deep" in text
    assert f"a playbook has at most {MAX_PLAYS:,} plays" in text
    assert f"the first {MAX_KINDS} types of a customer; moments are the latest {MAX_MOMENTS}" in text
    assert (
        f"{MAX_ENTERED} plays entered, {MAX_KEYS} keys, {MAX_PROGRESS} sequences, {MAX_ENDED} ends of waits "
        f"and {MAX_TIMERS} timers of a customer"
    ) in text


def test_conditions_of_the_examples() -> None:
    """The examples of conditions and entries are such as a playbook may have."""
    first, second = (
        yaml.safe_load(block) for block in blocks("README.md", "yaml") if block in section("Conditions")
    )
    hotel = yaml.safe_load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"))
    (right,) = [play for play in hotel["plays"] if play["play"] == "make-it-right"]
    right |= first["plays"][0]
    book = load(yaml.safe_dump(hotel | {"segments": first["segments"]}, sort_keys=False), "hotel.yaml")

    for entry in second["plays"]:
        read = msgspec.convert({"family": "probe", "valid_for": "1h", **entry}, ProbePlay)
        assert list(EntryPlay.mistakes(read, book)) == []


@pytest.mark.parametrize("page", PAGES)
def test_commands(page: str) -> None:
    """Every command line in a block is one that the program takes, and every target one of make's."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in "\n".join(blocks(page, "sh")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["dangol"]:
            command: click.Command = main
            context = click.Context(main)
            while isinstance(command, click.Group):
                words = words[1:]
                found = command.get_command(context, words[0])
                assert found is not None, line
                command = found
            command.make_context(words[0], words[1:])
        if words[:1] == ["make"]:
            assert re.search(rf"(?m)^{words[1]}:", makefile), line


@pytest.mark.parametrize("page", PAGES)
def test_names(page: str) -> None:
    """Commands named in running text exist, and so do files, folders and linked pages."""
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    paths += re.findall(r"`((?:schemas|stream|agents|deploy|tests)/[\w./-]*)`", text)

    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert set(re.findall(r"`dangol (\w+)", text)) - set(COMMANDS) == set()


def test_picture() -> None:
    """The demo's picture loads nothing, runs nothing and is small."""
    picture = (ROOT / "deploy/pictures/demo.svg").read_bytes()

    assert len(picture) < 300_000
    for word in (b"href", b"<script", b"<image", b"<foreignObject", b"@import", b"@font-face", b"url(http"):
        assert word not in picture
