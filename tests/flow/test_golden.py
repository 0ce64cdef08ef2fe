"""Golden scenarios: touchpoints in, triggers, decisions and changes of stage out, byte for byte.

Each folder of tests/golden is a scenario: `touchpoints.jsonl`, what `dangol replay` says of them in
`expected.jsonl`, and perhaps a playbook of its own. With REGENERATE=1 (`make golden`) what is expected is
written anew: look at the difference before you believe it.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
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


def test_every_shipped_playbook_has_a_scenario() -> None:
    """Each business that a playbook ships for has touchpoints of its own to try it on."""
    assert {name for name in SHIPPED if name != "hotel"} <= {str(scenario) for scenario in SCENARIOS}
