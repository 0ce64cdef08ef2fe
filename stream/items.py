"""Items: what a customer bought or said no to, so that it is not recommended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.item import MAX_ITEMS, Item
from schemas.profile import Profile
from schemas.touchpoint import MAX_ID

NEVER = Item()

MAX_NAMED = 16
"""Items taken from one touchpoint: an order of more is a shop's."""


def named(value: Any) -> list[str]:
    """The items that a field names: one by its name, or several.

    >>> named("robe"), named(["robe", {"item": "soap"}, 7]), named(None)
    (['robe'], ['robe'], [])
    """
    values = value if isinstance(value, list) else [value]
    return [each for each in values[:MAX_NAMED] if isinstance(each, str) and 0 < len(each) <= MAX_ID]


def buy(profile: Profile, names: Iterable[str], time: int) -> None:
    """Note that items were bought at a time (ms)."""
    _note(profile, {name: Item(bought=time) for name in names})


def decline(profile: Profile, names: Iterable[str], time: int) -> None:
    """Note that the customer said no to items at a time (ms)."""
    _note(profile, {name: Item(declined=time) for name in names})


def unwanted(profile: Profile, since: int) -> set[str]:
    """Items that were declined, or bought at or after a time (ms).

    Whoever bought an item after saying no to it has changed their mind.
    """
    return {
        name for name, item in profile.items.items() if item.declined > item.bought or item.bought >= since
    }


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer has bought and declined."""
    _note(profile, other.items)


def _note(profile: Profile, said: dict[str, Item]) -> None:
    if not said:
        return
    both = dict(profile.items)
    for name, theirs in said.items():
        ours = both.get(name, NEVER)
        both[name] = Item(max(ours.declined, theirs.declined), max(ours.bought, theirs.bought))
    # What was declined is kept longest: to recommend it again says that nobody has listened.
    kept = sorted(both.items(), key=lambda entry: (entry[1].declined, entry[1].bought, entry[0]))
    profile.items = dict(kept[-MAX_ITEMS:])
