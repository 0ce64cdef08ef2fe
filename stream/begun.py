"""Begun: what a customer has begun and not ended, so that they can go on with it elsewhere.

When it happened decides, not when it is told: an end that comes before its beginning ends it all the same.
"""

from __future__ import annotations

import msgspec

from schemas.begun import MAX_BEGUN, Begun
from schemas.profile import Profile

NEVER = Begun()


def key_of(thing: str, reference: str) -> str:
    """What something is kept under; the name of a thing has no colon.

    >>> key_of("cart", "c-1")
    'cart:c-1'
    """
    return f"{thing}:{reference}"


def leave(profile: Profile, key: str, time: int, channel: str, type_: str) -> None:
    """Note that something was begun, or gone on with, at a time (ms); where it was last, it was left."""
    known = profile.begun.get(key, NEVER)
    if (time, channel, type_) > (known.left, known.channel, known.type):
        left = Begun(time, known.ended, channel, type_, known.offered)
        _keep(profile, {**profile.begun, key: left})


def end(profile: Profile, key: str, time: int) -> None:
    """Note that something was ended at a time (ms)."""
    known = profile.begun.get(key, NEVER)
    if time > known.ended:
        ended = Begun(known.left, time, known.channel, known.type, known.offered)
        _keep(profile, {**profile.begun, key: ended})


def offer(profile: Profile, key: str) -> None:
    """Note that it was offered to go on with something."""
    if key in profile.begun:
        known = profile.begun[key]
        profile.begun = {**profile.begun, key: msgspec.structs.replace(known, offered=True)}


def latest_open(profile: Profile, thing: str, since: int, but: str) -> tuple[str, Begun] | None:
    """What was left last of all that is not ended: which one, and what is known of it; None if nothing is.

    Args:
        profile: the customer's.
        thing: what it is.
        since: what was left before, in ms, is too old.
        but: a channel; what was left there, or nobody knows where, is not looked at.
    """
    prefix = key_of(thing, "")
    all_ended = profile.begun.get(prefix, NEVER).ended
    found: tuple[str, Begun] | None = None
    for key, begun in profile.begun.items():
        if (
            begun.left >= since
            and begun.left > begun.ended
            and begun.left > all_ended
            and begun.channel not in {"", but}
            and key.startswith(prefix)
            and (found is None or (begun.left, key) > (found[1].left, found[0]))
        ):
            found = key, begun
    return None if found is None else (found[0][len(prefix) :], found[1])


def merge(profile: Profile, other: Profile) -> None:
    """Take in what another profile of the same customer has begun and ended."""
    if not other.begun:
        return
    both = dict(profile.begun)
    for key, theirs in other.begun.items():
        ours = both.get(key, NEVER)
        left = max((ours.left, ours.channel, ours.type), (theirs.left, theirs.channel, theirs.type))
        both[key] = Begun(left[0], max(ours.ended, theirs.ended), *left[1:], ours.offered or theirs.offered)
    _keep(profile, both)


def _keep(profile: Profile, begun: dict[str, Begun]) -> None:
    if len(begun) > 1:
        # In order of when it was touched last, so that the same things are the same bytes.
        kept = sorted(begun.items(), key=lambda entry: (max(entry[1].left, entry[1].ended), entry[0]))
        begun = dict(kept[-MAX_BEGUN:])
    profile.begun = begun
