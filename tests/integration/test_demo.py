"""`dangol demo`: it ends by itself with nothing lost, and leaves nobody behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.families import FAMILIES

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds that anything here may take at most, on a machine with much else to do."""


def start(*options: str) -> subprocess.Popen[str]:
    """A demo as a child process."""
    return subprocess.Popen(
        [sys.executable, "-m", "agents", "demo", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(pid: int) -> list[int]:
    """Processes that a process started itself."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def runs(pid: int) -> bool:
    """Whether there is such a process and it is not just waiting to be collected."""
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() != "" and not listed.stdout.startswith("Z")


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check_summary(demo: subprocess.Popen[str]) -> None:
    """The demo ends with 0, and its summary says that all records are accounted for."""
    out, err = demo.communicate(timeout=2 * PATIENCE)
    assert demo.returncode == 0, err
    summary = json.loads(out)
    accounted = summary["applied"] + sum(summary["rejected"].values()) + summary["duplicates"]

    assert (summary["simulation"], summary["zero_loss"]) == (True, True)
    assert (summary["published"], accounted) == (3526, 3526)
    assert summary["triggers"]["room-key"]["day"] > 0
    assert list(summary["triggers"]) == list(FAMILIES)


def test_demo_on_the_embedded_broker() -> None:
    """Everything in one command: broker, worker, subscriber, and a sum that is right."""
    check_summary(start("--customers", "200", "--seconds", "2", "--json"))


def test_demo_on_kafka(kafka: str) -> None:
    """The same on Apache Kafka."""
    check_summary(start("--customers", "200", "--seconds", "2", "--json", "--bootstrap", kafka))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_demo_leaves_nobody_behind(number: signal.Signals) -> None:
    """Interrupted, told to end or killed: broker and worker are gone soon after."""
    demo = start("--customers", "50", "--seconds", "600")
    # Broker, worker, and one watch for each.
    wait_until(lambda: len(children(demo.pid)) == 4)
    born = children(demo.pid)
    os.kill(demo.pid, number)
    demo.communicate(timeout=PATIENCE)

    wait_until(lambda: not any(runs(pid) for pid in born))


def test_demo_without_a_broker() -> None:
    """A broker that isn't there is one line and exit code 3."""
    demo = start("--customers", "5", "--bootstrap", "127.0.0.1:1")
    _, err = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 3
    assert err.startswith("dangol: no Kafka broker answers at 127.0.0.1:1")
    assert err.count("\n") == 1
