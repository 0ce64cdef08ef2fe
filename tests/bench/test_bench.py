"""The bench on a real broker: every contestant does its work, and right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.bench.contestants import CONTESTANTS

ROOT = Path(__file__).parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """`dangol bench` with a small load."""
    command = [
        sys.executable,
        "-m",
        "agents",
        "bench",
        "--events",
        "2000",
        "--customers",
        "300",
        "--runs",
        "1",
    ]
    return subprocess.run(
        [*command, "--json", *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )


@pytest.mark.parametrize("name", CONTESTANTS)
def test_every_contestant_makes_what_the_engine_says(kafka: str, name: str) -> None:
    """Around the same engine each publishes the same triggers and keeps the same profiles."""
    if not CONTESTANTS[name].available:
        pytest.skip(f"{CONTESTANTS[name].needs} is not installed")
    done = bench("--bootstrap", kafka, "--only", name)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "fault" not in report["figures"][name], done.stderr
    assert report["figures"][name]["median"] > 0
    assert report["machine"]["broker_time"] is True


def test_both_recover_all_profiles(kafka: str) -> None:
    """What stands on the changelog is read to its end, by the worker and by stock Faust."""
    done = bench("--bootstrap", kafka, "--only", "dangol", "--only", "tutorial", "--recovery", "2000")

    assert done.returncode == 0, done.stderr
    recovery = json.loads(done.stdout)["recovery"]
    assert {name: told["profiles"] for name, told in recovery.items()} == {"dangol": 2000, "tutorial": 2000}
    assert 700 <= recovery["dangol"]["bytes_each"] < 900


def test_the_embedded_broker_will_do() -> None:
    """Without Java, the figures are of the embedded broker, and the report says whose time it is."""
    done = bench("--broker", "embedded", "--only", "dangol", "--only", "bare")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [name for name, figure in report["figures"].items() if "fault" in figure] == []
    assert report["ratios"].keys() == {"dangol_vs_bare"}
    assert report["machine"]["broker_time"] is False
