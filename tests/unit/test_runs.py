"""Runs: in turn by partition, each of which names the record that it follows."""

from __future__ import annotations

from typing import NamedTuple

from faust.types import TP

from agents.runs import Fetched, Run, in_turn


class Record(NamedTuple):
    """A record, as far as runs go."""

    offset: int


def test_a_full_partition_starves_no_other() -> None:
    """Runs come one of each partition in turn; other topics come record by record."""
    fetched = Fetched(
        {
            TP("t", 0): [Record(offset) for offset in (1, 2, 3, 4, 5)],
            TP("t", 1): [Record(6)],
            TP("other", 0): [Record(7), Record(8)],
        }
    )
    fetched.follows = {}

    assert [(tp, [record.offset for record in run]) for tp, run in in_turn(fetched, frozenset({"t"}), 2)] == [
        (TP("t", 0), [1, 2]),
        (TP("t", 1), [6]),
        (TP("other", 0), [7]),
        (TP("t", 0), [3, 4]),
        (TP("other", 0), [8]),
        (TP("t", 0), [5]),
    ]


def test_each_run_names_the_record_before_it() -> None:
    """Runs of a partition form a chain, across fetches too, so that one that is lost leaves a gap."""
    fetched = Fetched({TP("t", 0): [Record(7), Record(9), Record(10)], TP("t", 1): [Record(0)]})
    fetched.follows = {TP("t", 0): 4}

    runs = [run for _, run in in_turn(fetched, frozenset({"t"}), 2) if isinstance(run, Run)]

    assert [(run.follows, run.last) for run in runs] == [(4, 9), (None, 0), (9, 10)]
