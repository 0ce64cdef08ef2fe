"""Mark: what state keeps of a customer who was erased, so that nothing of before comes back.

It stands in the changelog and in the stores beside the profiles, under a key that holds a digest of the
customer's id. That key begins with a byte that no UTF-8 has, so it is no customer's.
"""

from __future__ import annotations

import msgspec

from schemas.erasure import digest_of
from schemas.errors import StateError
from schemas.profile import VERSION as PROFILE_VERSION
from schemas.profile import Profile

PREFIX = b"\xff"
"""First byte of a mark's key; the digest follows, in hex."""

VERSION = 1
"""Version of the stored form, as for profiles."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """That a customer was erased.

    Attributes:
        version: version of the stored form.
        erased: touchpoints up to this time, in ms, are dropped.
        applied: last applied offset, by source partition: at or below it is a replay.
    """

    version: int
    erased: int
    applied: dict[int, int] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Mark)


def key_of(customer: str) -> bytes:
    """The key of a customer's mark.

    >>> len(key_of("ann"))
    65
    """
    return PREFIX + digest_of(customer).encode()


def is_mark(key: bytes) -> bool:
    """Whether a key of the profiles' changelog is that of a mark.

    >>> is_mark(key_of("ann")), is_mark(b"ann")
    (True, False)
    """
    return key.startswith(PREFIX)


def digest_in(key: bytes) -> str:
    """The digest that a mark's key holds.

    >>> digest_in(key_of("ann")) == digest_of("ann")
    True
    """
    return key[len(PREFIX) :].decode("ascii", "backslashreplace")


def encode(profile: Profile) -> bytes:
    """The mark of a profile's customer, who was erased."""
    return _encoder.encode(Mark(VERSION, profile.erased, profile.applied))


def decode(stored: bytes) -> Mark:
    """Read a mark's bytes.

    Raises:
        msgspec.DecodeError: the bytes are no mark.
        StateError: they are of a version that this program doesn't know.
    """
    mark = _decoder.decode(stored)
    if mark.version != VERSION:
        raise StateError(f"a stored mark has version {mark.version}; this program knows {VERSION}: update it")
    return mark


def profile_of(mark: Mark, customer: str) -> Profile:
    """What is known of a customer who was erased: until when, and what was applied."""
    return Profile(version=PROFILE_VERSION, customer=customer, erased=mark.erased, applied=mark.applied)
