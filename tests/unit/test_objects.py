"""Objects: what a River model is made of moves as plain numbers, and nothing else is ever made."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from functools import partial
from math import inf
from random import Random
from typing import Any

import pytest
from river import drift

from stream.churn.objects import read, written


def moved(value: Any) -> Any:
    """A value through JSON and back."""
    return read(json.loads(json.dumps(written(value), allow_nan=False)))


def test_values_come_back_as_they_were() -> None:
    """Numbers to the bit, what JSON has no place for, texts that look like marks, containers by kind."""
    value = {
        "numbers": (0.1, 1e-300, 3, inf, -inf),
        "marks": ["=x", "#1", "@river.tree", "none", None, True],
        2: {"a", "b"},
        (1, "pair"): deque([1.0, 2.0], maxlen=2),
    }

    assert moved(value) == value
    assert moved(value)[1, "pair"].maxlen == 2


def test_what_is_shared_stays_shared() -> None:
    """Two that draw from one generator, and a list that holds itself, do so afterwards."""
    generator = Random(1)
    loop: list[Any] = [generator, generator]
    loop.append(loop)
    first, second, itself = moved(loop)

    assert first is second
    assert itself[2] is itself
    assert first.random() == Random(1).random()


def test_detector_goes_on_as_it_would_have() -> None:
    """River's ADWIN, most of which is Rust, detects the drift at the same place."""
    detector: Any = drift.ADWIN()  # type: ignore[no-untyped-call]
    for place in range(900):
        detector.update(place % 2)
    copy = moved(detector)
    detected = [[one.update(5), one.drift_detected][1] for one in (detector, copy) for _ in range(200)]

    assert any(detected)
    assert detected[:200] == detected[200:]


def test_factories_make_what_they_made() -> None:
    """A dict with a default goes on making it."""
    counts = moved(defaultdict(partial(defaultdict, float), {True: defaultdict(float, {"a": 1.0})}))
    counts[False]["b"] += 2.0

    assert counts == {True: {"a": 1.0}, False: {"b": 2.0}}


@pytest.mark.parametrize(
    "name",
    ["os:system", "builtins:eval", "river.utils.random:poisson", "river.tree:nothing", "subprocess:Popen"],
)
def test_what_is_no_part_of_a_model_is_refused(name: str) -> None:
    """No function and no class from elsewhere is made, called or imported because a snapshot says so."""
    with pytest.raises(ValueError, match="snapshot"):
        read([[f"@{name}", ["=true"], "none", [], []], ["tuple", ["#0"]]])


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [["tuple", ["#7"]]],
        [["tuple", ["#0"]]],
        [["tuple", ["#-1"]]],
        [["tuple", [1, 2]]],
        [["list"], ["tuple", ["#0"]]],
        [["@river.drift.adwin:ADWIN", [], 3, [], []], ["tuple", ["#0"]]],
        [
            ["@river._river_rust.drift:AdaptiveWindowing", [0.002, 32, 5, 5, 10], "#1", [], []],
            ["bytes", "=eHh4"],
            ["tuple", ["#0"]],
        ],
        [["@collections:deque", ["=a", "=b", "=c"], "none", [], []], ["tuple", ["#0"]]],
    ],
)
def test_what_is_no_list_of_objects_is_refused(objects: list[Any]) -> None:
    """Places that are not there, that hold themselves, that lack a part: a ValueError, nothing else."""
    with pytest.raises(ValueError, match=r"snapshot|literal|values|unpack"):
        read(objects)


def test_a_model_of_other_things_has_no_snapshot() -> None:
    """What could not be read again is not written down."""
    with pytest.raises(TypeError, match="nothing that a model is made of"):
        written({"path": json.JSONDecoder()})
