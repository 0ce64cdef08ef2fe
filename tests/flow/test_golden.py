"""Golden scenarios: touchpoints in, triggers, decisions and changes of stage out, byte for byte.

Each folder of tests/golden is a scenario: `touchpoints.jsonl`, what `dangol replay` says of them in
`expected.jsonl`, perhaps what `dangol causes` says in `causes.json`, and perhaps a playbook of its own.
With REGENERATE=1 (`make golden`) what is expected is written anew: look at the difference before you believe
it.
"""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from schemas.timestamp import to_datetime
from stream.engine import SHIPPED
from tests.scenarios import SCENARIOS, Scenario

VERSION = re.compile(rb'"playbook":"([\w-]+)@[0-9a-f]{8}"')

REGENERATE = os.environ.get("REGENERATE") == "1"


def replay(scenario: Scenario) -> bytes:
    """What `dangol replay` says of a scenario; nothing of it may be refused."""
    command = [
        "replay",
        str(scenario.touchpoints),
        "--playbook",
        str(scenario.playbook),
        "--stages",
        "--json",
    ]
    result = CliRunner().invoke(main, command)

    assert result.exit_code == 0, result.output
    assert "rejected      " in result.stderr
    assert [line for line in result.stderr.splitlines() if line.startswith("line ")] == []
    # A playbook's digest changes with every word of it, whether or not that decides anything here.
    return VERSION.sub(rb'"playbook":"\1"', result.stdout_bytes)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_scenario_comes_out_as_ever(scenario: Scenario) -> None:
    """Byte for byte what was written down, but for the playbook's digest; a change has to be looked at."""
    found = replay(scenario)
    if REGENERATE:
        scenario.expected.write_bytes(found)

    assert found.decode().splitlines() == scenario.expected.read_text(encoding="utf-8").splitlines()
    assert found == scenario.expected.read_bytes()


def told(scenario: Scenario) -> set[str]:
    """What a scenario comes to: `play: reason` of each candidate, `from > to` of each change of stage."""
    found = set()
    for line in scenario.expected.read_text(encoding="utf-8").splitlines():
        data: Any = json.loads(line)["data"]
        found |= {f"{each['play']}: {each['reason']}" for each in data.get("candidates", ())}
        if "regression" in data:
            found.add(f"{data['from']} > {data['to']}")
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_scenario_shows_what_it_is_for(scenario: Scenario) -> None:
    """Whatever else is written down anew, the point of the scenario is in it."""
    assert sorted(scenario.shows - told(scenario)) == []


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.causes.exists()], ids=str)
def test_what_a_scenario_tells_of_causes(scenario: Scenario) -> None:
    """Time saved and spent, what came of what was done, and the levels that it served, as written down."""
    command = ["causes", "--on", str(scenario.touchpoints), "--playbook", str(scenario.playbook), "--json"]
    result = CliRunner().invoke(main, command)
    found = json.loads(VERSION.sub(rb'"playbook":"\1"', result.stdout_bytes))
    if REGENERATE:
        scenario.causes.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    assert found == json.loads(scenario.causes.read_text(encoding="utf-8"))


def test_now_is_now() -> None:
    """What a touchpoint leads to goes out as of its own time, what a silence leads to as of its very end."""
    (scenario,) = (each for each in SCENARIOS if each.name == "cx/21-now")
    times = {}
    for line in scenario.touchpoints.read_text(encoding="utf-8").splitlines():
        touchpoint = json.loads(line)
        times[touchpoint["id"]] = datetime.fromisoformat(touchpoint["time"])
    told = [json.loads(line) for line in scenario.expected.read_text(encoding="utf-8").splitlines()]
    triggers = [each for each in told if each["type"].startswith("cx.trigger.")]
    late = []
    for trigger in triggers:
        cause = trigger["causationid"]
        due = times.get(cause) or to_datetime(int(cause.rpartition("@")[2]))
        late.append((datetime.fromisoformat(trigger["time"]) - due).total_seconds())

    assert late == [0.0] * 13
    assert sum(trigger["causationid"].startswith("timer/") for trigger in triggers) == 3


def test_every_shipped_playbook_has_a_scenario() -> None:
    """Each business that a playbook ships for has touchpoints of its own to try it on."""
    assert {name for name in SHIPPED if name != "hotel"} <= {str(scenario) for scenario in SCENARIOS}
