"""The index: each type of touchpoint is looked at by its plays, in the playbook's order."""

from __future__ import annotations

import pytest

from stream.plays.index import PlayIndex
from tests.hotel import HOTEL

KEY, RIGHT, HOLD, STAY = "key-at-the-door", "make-it-right", "hold-promotions", "stay-with-us"


@pytest.mark.parametrize(
    ("type_", "plays"),
    [
        ("page.viewed", [STAY]),
        ("spa.visited", [STAY]),
        ("guest.arrived", [KEY, STAY]),
        ("booking.confirmed", [KEY, RIGHT, STAY]),
        ("order.placed", [RIGHT, STAY]),
        ("booking.cancelled", [KEY, STAY]),
        ("device.bound", [KEY, STAY]),
        ("consent.withdrawn", [KEY, STAY]),
        ("consent.granted", [STAY]),
        ("wait.long", [RIGHT, STAY]),
        ("order.returned", [STAY]),
        ("chat.rated", [RIGHT, STAY]),
        ("complaint.opened", [RIGHT, HOLD, STAY]),
        ("complaint.closed", [RIGHT, HOLD, STAY]),
    ],
)
def test_plays_of_a_type(type_: str, plays: list[str]) -> None:
    """A type is looked at by the plays that name it, or that its weight or effect concerns, and no other."""
    assert [rule.play.play for rule in PlayIndex(HOTEL).rules_for(type_)] == plays
