"""Plain: what a snapshot may be made of, and the check that all its numbers are finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any


def check_finite(snapshot: Mapping[str, Any]) -> None:
    """Look at every number of a snapshot.

    Raises:
        ValueError: one is not finite; the message names the part that holds it.
    """
    for name, value in snapshot.items():
        for number in _numbers(value):
            if not isfinite(number):
                raise ValueError(f"the snapshot's {name} holds {number}")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(inner)
    elif not isinstance(value, str):
        yield value
