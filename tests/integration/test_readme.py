"""The README's examples as they stand, on Apache Kafka with a real worker."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.cluster import Worker, publish, read_all, wait_for
from tests.conftest import PARTITIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

FILES = dict(re.findall(r"(?ms)^`([\w.]+)`:\n\n```\w+\n(.*?)^```", README))
"""The examples that are files, by name: a line with the name stands before each."""

RUN_SECONDS = 60
"""How long an example may take."""


class Reader:
    """Someone who follows the README in a folder of their own.

    Args:
        kafka: the broker, which takes the place of the one on port 9092.
        topics: the topics, which take the place of `cx…`.
        folder: where the files are.
    """

    def __init__(self, kafka: str, topics: Topics, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "DANGOL_BOOTSTRAP": kafka,
            "DANGOL_PREFIX": topics.prefix,
            "PYTHONPATH": str(ROOT),
        }
        for name, text in FILES.items():
            ours = text.replace("127.0.0.1:9092", kafka).replace('"cx.', f'"{topics.prefix}.')
            (folder / name).write_text(ours, encoding="utf-8")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command of the README's; its errors go where pytest shows them."""
        program = ["-m", "agents"] if words[0] == "dangol" else []
        return subprocess.Popen(
            [sys.executable, *program, *words[1:]],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> list[str]:
        """Run a command of the README's to its good end; the lines that it printed."""
        process = self.start(*words)
        printed, _ = process.communicate(timeout=RUN_SECONDS)
        assert process.returncode == 0
        return printed.splitlines()


@pytest.fixture
def reader(kafka: str, topics: Topics, tmp_path: Path) -> Reader:
    """A reader with all files at hand."""
    folder = tmp_path / "reader"
    folder.mkdir()
    return Reader(kafka, topics, folder)


@pytest.fixture
def worker(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[Worker]:
    """A worker as the README starts it, ready."""
    running = Worker(kafka, topics, tmp_path / "worker").start().wait_ready()
    yield running
    if running.process.poll() is None:
        running.kill()


def test_an_app_publishes_and_a_service_subscribes(
    kafka: str, topics: Topics, reader: Reader, worker: Worker
) -> None:
    """The guest's key reaches the service once, also when it is delivered twice, and is taken back."""
    reader.run("python", "publish.py")
    wait_for(lambda: worker.metric("cx_events_applied_total") == 4, "the stay", worker)
    (issued,) = read_all(kafka, topics.trigger("room-key"))
    publish(kafka, issued.topic, [(issued.key, issued.value, [])], PARTITIONS)
    reader.run("python", "publish.py")
    end = '{"specversion":"1.0","id":"1","type":"booking.cancelled","subject":"ann","data":{"booking":"B7"}}'
    publish(kafka, topics.touchpoints, [(b"ann", end.encode(), [])], PARTITIONS)
    wait_for(lambda: worker.metric("cx_events_applied_total") == 9, "the end of the stay", worker)
    service = reader.start("python", "subscribe.py")
    assert service.stdout is not None
    lines = [service.stdout.readline().strip() for _ in range(2)]
    service.terminate()
    service.communicate()

    decisions = [json.loads(record.value)["data"] for record in read_all(kafka, topics.decisions)]
    assert f"`{lines[0]}`" in README
    assert lines[1] == lines[0].replace("issue", "revoke")
    assert [decision["candidates"][0]["reason"] for decision in decisions] == ["fired", "live-key", "fired"]


def test_files_become_the_triggers_that_are_shown(reader: Reader, worker: Worker) -> None:
    """CSV, JSON lines and Segment calls, published by the commands shown, give the lines shown."""
    section = README.partition("\n### From a file\n")[2].partition("\n## ")[0]
    (shown,) = re.findall(r"(?ms)^```text\n(.*?)^```", section)
    commands = re.findall(r"(?m)^dangol (?:publish|tail) .*$", section)
    reader.run("python", "publish.py")
    for command in commands[:-1]:
        reader.run(*shlex.split(command))
    wait_for(lambda: worker.metric("cx_events_applied_total") == 8, "all touchpoints", worker)

    followed = reader.run(*shlex.split(commands[-1]), "--max", str(len(shown.splitlines())))

    assert sorted(map(plain, followed)) == sorted(map(plain, shown.splitlines()))


def plain(line: str) -> str:
    """A line of `dangol tail` without its times and the ids of touchpoints."""
    without_times = re.sub(r"^\S+ \S+ +|  \(\d+ ms\)$", "", line)
    return re.sub(r"because [0-9a-f…-]+$", "because …", without_times)
