"""Reasons: whatever code stands on a decision, there is a sentence for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.playbook import load
from schemas.touchpoint import Touchpoint
from stream.arbitration.lifecycle import OUTCOMES
from stream.engine import DEFAULT_PLAYBOOK, Engine, load_engine
from stream.plays.context import PROPOSED
from stream.reasons import REASONS, reason_of

STREAM = Path(__file__).parents[2] / "stream"

SAYING = {"hold": 1, "say": 1, "refuse": 1, "Candidate": 2, "Refusal": 0, "Deferral": 0}
"""What takes a reason code, and from which argument on there are reasons and parts of them."""


def constants(tree: ast.Module) -> dict[str, str]:
    """Texts that a module gives a name to, by that name."""
    found = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[target.id] = value.value
    return found


def words(node: ast.expr) -> Iterator[ast.expr]:
    """The texts and names that an expression may come to."""
    if isinstance(node, ast.IfExp):
        yield from words(node.body)
        yield from words(node.orelse)
    elif isinstance(node, ast.Tuple):
        for each in node.elts:
            yield from words(each)
    elif isinstance(node, ast.Constant | ast.Name | ast.Attribute):
        yield node


def codes() -> set[str]:
    """The reason codes that the engine's source says, gives back in arbitration, or puts on a link."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in STREAM.rglob("*.py")}
    anywhere = {name: text for tree in trees.values() for name, text in constants(tree).items()}
    found = set(OUTCOMES)
    for path, tree in trees.items():
        names = anywhere | constants(tree)
        said = [*reasons_said(tree, arbitrates=path.parent.name == "arbitration"), *reasons_of_links(tree)]
        for word in (word for each in said for word in words(each)):
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                found.add(word.value)
            elif isinstance(word, ast.Name) and word.id in names:
                found.add(names[word.id])
            elif isinstance(word, ast.Attribute) and word.attr in anywhere:
                found.add(anywhere[word.attr])
    return found - {PROPOSED}


def reasons_said(tree: ast.Module, *, arbitrates: bool) -> Iterator[ast.expr]:
    """What is handed to a context as a reason, and what a step of arbitration gives back."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            yield from node.args[SAYING.get(name, len(node.args)) :]
        elif isinstance(node, ast.Return) and arbitrates and node.value:
            yield node.value


def reasons_of_links(tree: ast.Module) -> Iterator[ast.expr]:
    """What is assigned to the reason of a meeting of two ids."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            targets = target.elts if isinstance(target, ast.Tuple) else [target]
            for one, value in zip(targets, values, strict=False):
                if isinstance(one, ast.Attribute) and one.attr == "reason":
                    yield value


def test_every_reason_code_has_a_sentence() -> None:
    """What a play, a step of arbitration or a link says as a code, `dangol explain` says in words."""
    assert sorted(codes() - REASONS.keys()) == []


def test_the_search_for_codes_finds_those_that_are_known() -> None:
    """Codes said outright, by a name, by a choice, in arbitration and on links are all found."""
    assert codes() >= {"cooldown", "late", "suppressed", "consent", "stale", "linked", "refused"}


def test_every_gate_of_a_room_key_has_a_sentence() -> None:
    """A stranger's arrival fails all gates but `live-key`; each is told."""
    arrival = Touchpoint("1", "/app", "guest.arrived", "ann", 1_773_480_600_000)
    decision = load_engine().step(None, arrival, arrival.time).decision
    assert decision is not None

    assert [gate for gate in (*decision.data.candidates[0].failed, "live-key") if gate not in REASONS] == []


@pytest.mark.parametrize("code", REASONS)
def test_sentences_end(code: str) -> None:
    """What is said and advised are whole sentences, on one line."""
    reason = REASONS[code]

    assert reason.said.endswith(".")
    assert reason.advice == "" or reason.advice.endswith(".")
    assert "\n" not in reason.said + reason.advice


def test_a_code_of_a_newer_program_is_told_as_it_is() -> None:
    """Nobody is left without an answer because the command is older than the worker."""
    assert reason_of("tomorrow").said == "Held back as `tomorrow`."


def test_an_engine_knows_what_its_plays_look_at() -> None:
    """A play for the door looks at arrivals alone, one that goes by risk at everything."""
    engine = load_engine()
    playbook = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), "hotel.yaml")

    assert isinstance(engine, Engine)
    assert engine.looks_at(playbook.plays[0].play, "guest.arrived")
    assert not engine.looks_at(playbook.plays[0].play, "page.viewed")
    assert engine.looks_at("stay-with-us", "page.viewed")
    assert not engine.looks_at("no-such-play", "guest.arrived")
