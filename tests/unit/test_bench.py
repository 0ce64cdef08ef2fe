"""The bench: its load is what it says, and only who does the work right is ranked."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from agents.bench import contestants
from agents.bench.assignment import Assignment
from agents.bench.contestants import CONTESTANTS
from agents.bench.report import Figure, Recovery, Report, figure_of, lines_of, machine_of, ratios_of, table_of
from agents.bench.run import rotated
from agents.bench.stage import Found, fault
from agents.bench.turn import Turn
from agents.bench.workload import WARM_UP, Expected, Workload
from agents.cli import main
from agents.partitioner import partition_of
from schemas import touchpoint
from stream.engine import load_engine

ROOT = Path(__file__).parents[2]

PARTITIONS = 4


@pytest.fixture(scope="module")
def workload() -> Workload:
    """A small load."""
    return Workload(5_000, 500, PARTITIONS, load_engine())


def test_the_same_seed_gives_the_same_touchpoints(workload: Workload) -> None:
    """Two benches measure the same bytes."""
    again = Workload(5_000, 500, PARTITIONS, load_engine())

    assert again.load == workload.load
    assert again.warm_up == workload.warm_up


def test_touchpoints_are_as_large_as_real_ones(workload: Workload) -> None:
    """A touchpoint is a CloudEvent of about 250 bytes."""
    assert 230 < workload.bytes_mean < 280


def test_there_is_a_trigger_for_five_to_twenty_touchpoints(workload: Workload) -> None:
    """The load gives the plays something to do, and not all the time."""
    assert 5 < len(workload.load) / len(workload.expected.triggers) < 20
    assert workload.expected.decisions > workload.warm


def test_most_touchpoints_are_looks_mails_and_orders(workload: Workload) -> None:
    """The mix is that of a hotel and its shop, stays and complaints among them."""
    types = Counter(touchpoint.decode(record.value).type for record in workload.load)
    kinds = Counter(type_.split(".")[0] for type_ in types.elements())

    assert sum(kinds[kind] for kind in ("page", "product", "screen", "email", "order")) > 3_500
    assert {"guest.arrived", "stay.checked-out", "complaint.closed"} <= types.keys()


def test_time_goes_forward(workload: Workload) -> None:
    """Touchpoints come in the order in which they happened."""
    times = [touchpoint.decode(record.value).time for record in workload.load]

    assert times == sorted(times)


def test_each_record_has_its_customers_key_and_partition(workload: Workload) -> None:
    """A contestant that publishes by key and one that publishes by partition do the same."""
    for record in (*workload.warm_up, *workload.load):
        assert record.key == touchpoint.decode(record.value).customer.encode()
        assert record.partition == partition_of(record.key, PARTITIONS)


def test_warm_up_ends_with_a_decision_in_every_partition(workload: Workload) -> None:
    """The last decision of the warm-up can only be there when all of it is done."""
    last = workload.warm_up[WARM_UP:]

    assert sorted(record.partition for record in last) == list(range(PARTITIONS))
    assert {touchpoint.decode(record.value).type for record in last} == {"service.failed"}
    assert {record.key for record in workload.warm_up} & {record.key for record in workload.load} == set()


def test_every_touchpoint_is_expected_to_be_applied(workload: Workload) -> None:
    """The load holds no duplicate and nothing that is refused."""
    assert sum(workload.expected.touchpoints.values()) == len(workload.warm_up) + len(workload.load)


RIGHT = Expected(2, {"a", "b"}, {"ann": 2, "bob": 1})


@pytest.mark.parametrize(
    ("made", "repeated", "what"),
    [
        (RIGHT, 0, None),
        (Expected(2, {"a"}, {"ann": 2, "bob": 1}), 0, "1 of 2 triggers missing"),
        (Expected(2, {"a", "b", "c"}, {"ann": 2, "bob": 1}), 0, "1 triggers too many"),
        (RIGHT, 3, "3 triggers too many"),
        (Expected(3, {"a", "b"}, {"ann": 2, "bob": 1}), 0, "3 decisions instead of 2"),
        (
            Expected(2, {"a", "b"}, {"ann": 3, "bob": 1}),
            0,
            "another count of touchpoints for 1 of 2 customers",
        ),
        (Expected(2, {"a", "b"}, {"ann": 2}), 0, "another count of touchpoints for 1 of 2 customers"),
    ],
)
def test_whatever_was_not_done_right_is_named(made: Expected, repeated: int, what: str | None) -> None:
    """Triggers, decisions and counts are compared with what the engine itself says."""
    assert fault(RIGHT, Found(0, True, made, repeated)) == what


def test_a_figure_is_the_median_of_its_turns() -> None:
    """Slowest and fastest run stand beside it."""
    turns = [Turn(2.0, None, True), Turn(1.0, None, True), Turn(4.0, None, True)]

    assert figure_of(turns, 1_000) == Figure(500.0, 250.0, 1_000.0, (500.0, 1_000.0, 250.0))


def test_one_wrong_turn_makes_a_contestant_wrong() -> None:
    """What is wrong once is wrong."""
    turns = [Turn(2.0, None, True), Turn(1.0, "3 decisions instead of 2", True)]

    assert figure_of(turns, 1_000).fault == "3 decisions instead of 2"


def figure(median: float, fault_: str | None = None) -> Figure:
    """A figure of one run."""
    return Figure(median, median, median, (median,), fault_)


def test_ratios_say_how_many_times_as_fast_ours_is() -> None:
    """Who is wrong has no ratio."""
    figures = {"dangol": figure(60.0), "quix": figure(40.0), "bare": figure(90.0, "wrong")}

    assert ratios_of(figures) == {"dangol_vs_quix": 1.5}


def test_there_are_no_ratios_if_ours_is_wrong() -> None:
    """A worker that does not do its work is faster than nobody."""
    assert ratios_of({"dangol": figure(60.0, "wrong"), "quix": figure(40.0)}) == {}


def test_the_table_ranks_by_speed_and_the_wrong_ones_last() -> None:
    """What a reader looks for stands at the top."""
    figures = {
        "dangol": figure(60.0),
        "tutorial": figure(10.0),
        "quix": figure(40.0),
        "bare": figure(90.0, "bad"),
    }
    recovery = {"dangol": Recovery(10, 0.5, 20.0, 600)}
    machine = machine_of("a broker", broker_time=False)
    report = Report(1_000, 100, 4, 250, 80, machine, figures, ratios_of(figures), recovery)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(table_of(report))
    shown = console.export_text()

    ranked = [line.split()[1] for line in shown.splitlines() if line.startswith("│")]
    assert ranked == ["dangol", "quix", "tutorial", "bare"]
    assert "1.50 ×" in shown
    assert "bare: bad" in lines_of(report)
    assert "recovery: dangol read 10 profiles of 600 B in 0.50 s, 20/s" in lines_of(report)


def test_each_run_begins_with_another_one() -> None:
    """Nobody has the cold broker every time."""
    assert [rotated(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_an_assignment_survives_the_command_line() -> None:
    """What a contestant's process reads is what it was told."""
    told = Assignment("h:1", "cx", "cx.group", 4, 10, "/s")

    assert msgspec.json.decode(told.to_argument(), type=Assignment) == told


def test_who_is_not_installed_is_left_out_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Quix Streams the others are measured, and alone it can't be."""
    monkeypatch.setattr(contestants, "find_spec", lambda _name: None)
    result = CliRunner().invoke(main, ["bench", "--only", "quix"])

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "quix is left out: quixstreams is not installed (pip install 'dangol[bench]')",
        "dangol: nobody is left to take part; install what is missing or name others by --only",
    ]


def test_the_command_knows_all_contestants() -> None:
    """`--only` takes every name, without importing them for --help."""
    result = CliRunner().invoke(main, ["bench", "--help"])

    assert f"[{'|'.join(CONTESTANTS)}]" in result.output


def test_no_contestant_outlives_the_bench() -> None:
    """After kill -9 of the bench, a contestant's process is gone, even a halted one, and so is its folder."""
    script = (
        "import os, signal\n"
        "from agents.bench.child import Child\n"
        "from agents.bench.contestants import Contestant\n"
        "sleeper = Contestant('s', '', lambda _: ['sleep', '60'], str)\n"
        "with Child(sleeper, 'h:1', 'cx', 4, 1) as child:\n"
        "    child.halt()\n"
        "    print(child._process.pid, child._folder, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    pid, folder = done.stdout.split()

    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while (_runs(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(int(pid))
    assert not Path(folder).exists()


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie that its new parent has yet to collect."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.strip().startswith("Z")
