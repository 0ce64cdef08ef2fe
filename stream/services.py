"""Services: what guests and staff wait for, and what would become of it under another playbook."""

from __future__ import annotations

from schemas.playbook import Playbook

WITHOUT = {
    "room-key": "nobody gets a key, and keys that are out are not revoked",
    "service-context": "whoever answers is told nothing, and what the desk looks up is not renewed",
    "suppression": "promotions are not stopped, and those that were are not let go on",
    "recovery-offer": "nobody apologises, and no person is told to call",
}
"""What it means that no play of a family is there any more."""


def lost(before: Playbook, after: Playbook) -> dict[str, tuple[str, ...]]:
    """The services of one playbook of which the other has no play, and the plays that are gone with each.

    A play with another name is the same service: what it did for a customer, one of its family goes on with.

    >>> from stream.engine import SHIPPED, load_engine
    >>> lost(load_engine().playbook, load_engine(SHIPPED["retail"]).playbook)
    {'room-key': ('key-at-the-door',)}
    """
    kept = {play.family for play in after.plays}
    gone: dict[str, tuple[str, ...]] = {}
    for play in before.plays:
        if play.family in WITHOUT and play.family not in kept:
            gone[play.family] = (*gone.get(play.family, ()), play.play)
    return gone


def told(gone: dict[str, tuple[str, ...]]) -> str:
    """What is lost, in words.

    >>> told({"room-key": ("key-at-the-door",)})
    'no room-key any more (key-at-the-door): nobody gets a key, and keys that are out are not revoked'
    """
    return "; ".join(
        f"no {name} any more ({', '.join(plays)}): {WITHOUT[name]}" for name, plays in gone.items()
    )
