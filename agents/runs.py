"""Runs: consecutive records of a partition, in which the fast lane hands out what it fetched."""

from __future__ import annotations

from typing import Any

from faust.types import TP


class Fetched(dict[Any, Any]):
    """Records by partition, with the epoch that they were fetched in.

    Attributes:
        epoch: which seek they were fetched after.
        follows: by partition, the last offset fetched before in this epoch; not there for the first.
    """

    epoch: int
    follows: dict[TP, int]


class Run(list[Any]):
    """Consecutive records of a partition.

    Attributes:
        epoch: which seek they were fetched after.
        follows: offset of the record before, None for the first run of an epoch. A run that follows
            another than the one done last has lost its predecessor on the way.
    """

    epoch: int
    follows: int | None

    @property
    def last(self) -> int:
        """Offset of the last record."""
        offset: int = self[-1].offset
        return offset


def in_turn(fetched: Fetched, run_topics: frozenset[str], run_length: int) -> list[tuple[TP, list[Any]]]:
    """The records as runs, one of each partition in turn, so that a full partition starves no other."""
    runs: list[tuple[int, TP, list[Any]]] = []
    for tp, records in fetched.items():
        if tp.topic not in run_topics:
            runs.extend((turn, tp, [record]) for turn, record in enumerate(records))
            continue
        follows = fetched.follows.get(tp)
        for turn, start in enumerate(range(0, len(records), run_length)):
            run = Run(records[start : start + run_length])
            run.follows = follows
            follows = run.last
            runs.append((turn, tp, run))
    runs.sort(key=lambda run: run[0])
    return [(tp, run) for _, tp, run in runs]
