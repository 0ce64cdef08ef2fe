"""History: touchpoints of the past, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from agents import cdnow
from agents.touchpoint_files import TouchpointFile
from schemas.errors import InputError
from schemas.touchpoint import Touchpoint, decode

CDNOW = "cdnow"
"""What is said in place of a file for the real purchases of CDNOW."""

TOLD = 3
"""Lines that can't be read of which each is told; of the rest it is told how many there are."""


def history(
    data: str, wanted: Callable[[str], bool], tell: Callable[[str], object], *, sort: bool = False
) -> list[Touchpoint]:
    """The touchpoints of these customers, in order of time.

    Args:
        data: a file, or `cdnow`.
        wanted: whether a customer is meant.
        tell: is told of lines that are left out.
        sort: put them in order, rather than refuse a file that is not.

    Raises:
        InputError: there are none, the file can't be read, or it goes back in time.
    """
    touchpoints = _in_order(_read(data, wanted, tell), data, sort=sort)
    if not touchpoints:
        raise InputError(f"{data} holds no touchpoint of these customers that can be read")
    return touchpoints


def _read(data: str, wanted: Callable[[str], bool], tell: Callable[[str], object]) -> Iterator[Touchpoint]:
    if data == CDNOW:
        yield from (touchpoint for touchpoint in map(decode, cdnow.lines()) if wanted(touchpoint.customer))
        return
    rejected = 0
    with TouchpointFile(data) as file:
        for line in file:
            if line.touchpoint is None:
                rejected += 1
                if rejected <= TOLD:
                    tell(f"{file.name}, line {line.number}: {line.reject}; left out")
            elif wanted(line.touchpoint.customer):
                yield line.touchpoint
    if rejected > TOLD:
        tell(f"{file.name}: {rejected - TOLD:,} more lines left out")


def _in_order(touchpoints: Iterable[Touchpoint], data: str, *, sort: bool) -> list[Touchpoint]:
    if sort or data == CDNOW:
        return sorted(touchpoints, key=lambda touchpoint: touchpoint.time)
    ordered = []
    before = -1
    for number, touchpoint in enumerate(touchpoints, start=1):
        if touchpoint.time < before:
            raise InputError(
                f"{data}: touchpoint {number:,} is earlier than the one before it; "
                "sort the file by time, or say --sort"
            )
        before = touchpoint.time
        ordered.append(touchpoint)
    return ordered
