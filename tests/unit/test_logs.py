"""Logs: JSON where nobody watches, and one line for an outage instead of hundreds."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import time

import pytest
import structlog

from agents import logs

SAY = """
import logging
import structlog
from agents import logs
logs.configure()
structlog.get_logger("dangol.test").info("ready", partitions=[0, 1])
logging.getLogger("aiohttp").warning("from %s", "below")
logging.getLogger("aiohttp").info("too quiet")
logging.getLogger("faust").error("in its own words")
logging.getLogger("mode").error("in its own words")
"""


def test_lines_are_json_where_there_is_no_terminal() -> None:
    """Each line is an object with event, level and time; other libraries' warnings too, Faust's not."""
    done = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["ready", "from below"]
    assert [line["level"] for line in lines] == ["info", "warning"]
    assert lines[0]["partitions"] == [0, 1]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert done.stdout == ""


def test_lines_are_for_people_on_a_terminal() -> None:
    """A person gets text, not JSON."""
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", SAY], stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)

    assert done.returncode == 0
    assert "ready" in said
    assert "{" not in said


def _record(message: str) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, message, None, None)


def test_an_outage_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what a client says many times a second, one line a minute is left."""
    clock = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    notice = logs.OutageNotice()

    with structlog.testing.capture_logs() as told:
        for second in range(125):
            clock[0] = 1_000.0 + second
            notice.emit(_record("Unable connect to node with id 1"))

    assert [entry["event"] for entry in told] == ["the broker does not answer, trying again"] * 3
    assert {entry["reason"] for entry in told} == {"Unable connect to node with id 1"}


def test_other_lines_of_the_client_are_not_told() -> None:
    """What is no outage is dangol's own to tell, in its own words."""
    with structlog.testing.capture_logs() as told:
        logs.OutageNotice().emit(_record("Heartbeat failed: group is rebalancing"))

    assert told == []


def test_an_error_below_is_a_line_without_a_traceback() -> None:
    """What a library logs with its traceback is told in one line; dangol's own keep theirs."""
    failing = """
import logging
from agents import logs
logs.configure()
try:
    raise RuntimeError("loop is closed")
except RuntimeError:
    logging.getLogger("transport").exception("while stopping")
"""
    done = subprocess.run([sys.executable, "-c", failing], capture_output=True, text=True, check=True)

    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["event"] == "while stopping (RuntimeError: loop is closed)"
    assert "exception" not in line
