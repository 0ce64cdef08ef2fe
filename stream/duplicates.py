"""Deduplication by (source, id), in the profile: a touchpoint delivered twice counts once.

CloudEvents 1.0 makes the pair unique. What was seen is kept as a digest of eight bytes and the
time in seconds, oldest first, over `WINDOW` and at most `MAX_SEEN` touchpoints of a customer.
A new touchpoint is mistaken for one of them once in 2⁶⁴/64 times.
"""

from __future__ import annotations

from hashlib import blake2b

from schemas.profile import MAX_SEEN, Profile
from schemas.timestamp import DAY, SECOND
from schemas.touchpoint import Touchpoint

WINDOW = 30 * DAY
"""How long a touchpoint is remembered, in ms: as long as the dead-letter topic keeps what may be sent again.
It costs 12 bytes a touchpoint, and no more than those of `MAX_SEEN`."""

_DIGEST = 8
_ENTRY = _DIGEST + 4
_ROOM = (MAX_SEEN - 1) * _ENTRY


def is_duplicate(profile: Profile, digest: bytes, now: int) -> bool:
    """Whether this digest was seen within the window before `now` (ms)."""
    seen = profile.seen
    at = seen.find(digest)
    while at >= 0:
        if at % _ENTRY == 0 and now - _time_at(seen, at) <= WINDOW:
            return True
        at = seen.find(digest, at + 1)
    return False


def remember(profile: Profile, digest: bytes, now: int) -> None:
    """Add a digest, and forget what is older than the window or too many."""
    seen = profile.seen
    size = len(seen)
    # On every touchpoint, hence without max() and with one copy of all that is kept.
    drop = size - _ROOM if size > _ROOM else 0
    while drop < size and now - _time_at(seen, drop) > WINDOW:
        drop += _ENTRY
    profile.seen = seen[drop:] + (digest + (now // SECOND).to_bytes(4, "big"))


def forget(profile: Profile, digest: bytes) -> None:
    """Take a digest out, as if it had not been seen."""
    seen = profile.seen
    entries = [seen[at : at + _ENTRY] for at in range(0, len(seen), _ENTRY)]
    profile.seen = b"".join(entry for entry in entries if entry[:_DIGEST] != digest)


def merge(profile: Profile, other: Profile) -> None:
    """Remember as well what another profile has seen; the latest stay."""
    if not other.seen:
        return
    both = profile.seen + other.seen
    entries = {both[at : at + _ENTRY] for at in range(0, len(both), _ENTRY)}
    ordered = sorted(entries, key=lambda entry: (entry[_DIGEST:], entry))
    profile.seen = b"".join(ordered[-MAX_SEEN:])


def digest_of(touchpoint: Touchpoint) -> bytes:
    """The digest that stands for a touchpoint's (source, id)."""
    identity = f"{len(touchpoint.source)}:{touchpoint.source}{touchpoint.id}"
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def _time_at(seen: bytes, at: int) -> int:
    return int.from_bytes(seen[at + _DIGEST : at + _ENTRY], "big") * SECOND
