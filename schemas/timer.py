"""Timer: what is done unless a touchpoint calls it off, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_TIMERS = 32
"""Timers kept: as many as there can be open issues and live keys, and as many waits again; which ones go,
stream/timers.py says."""


class Timer(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """Something that is done unless a touchpoint calls it off before.

    The earlier is the lesser one. There is one for each name and key.

    Attributes:
        due: when it is done, in ms.
        name: whose it is: a family of plays, with the play's name where there may be several of it.
        key: what it is about: an issue, a booking.
        touchpoint: id of the touchpoint that set it.
    """

    due: int
    name: str
    key: str
    touchpoint: str


class _Timed(msgspec.Struct, gc=False):
    """What a profile's bytes say of timers, and nothing else of them."""

    timers: tuple[Timer, ...] = ()


_timed = msgspec.msgpack.Decoder(_Timed)


def timers_in(stored: bytes) -> tuple[Timer, ...]:
    """The timers of a stored profile, in order of when they are due; none where it is no profile.

    Most profiles have none, and of those nothing is decoded.

    >>> from schemas.profile import VERSION, Profile, encode
    >>> timers_in(encode(Profile(VERSION, "ann", timers=(Timer(700, "room-key", "b-1", "e-1"),))))[0].due
    700
    """
    if b"timers" not in stored:
        return ()
    try:
        return _timed.decode(stored).timers
    except msgspec.DecodeError:
        # Whoever reads it for what it is will say so.
        return ()
