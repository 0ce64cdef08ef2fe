"""Pin: what decides from which record of a partition on.

A run that is replayed after a crash has to decide as it did the first time, whatever playbook or model came
in between. So before a partition is decided on by another one, that is written into its changelog, beside
the profiles, under a key that is no customer's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.errors import StateError

KEY = b"\xfdpins"
"""Key of a partition's pins in the changelog; it begins with a byte that no UTF-8 has."""

VERSION = 1
"""Version of the stored form, as for profiles."""


class Pin(msgspec.Struct, frozen=True, gc=False):
    """That a playbook and a model decide from here on.

    Attributes:
        offset: of the first record that they decide on.
        at: timers that were due after it are theirs, those due before are not; in ms.
        playbook: version of the playbook.
        model: version of the model.
    """

    offset: int
    at: int
    playbook: str
    model: str


class Pins(msgspec.Struct, frozen=True, gc=False):
    """The latest pins of a partition, the oldest first; two at most, as records from before those are done.

    Attributes:
        version: version of the stored form.
        pins: the pins.
    """

    version: int
    pins: tuple[Pin, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pins)


def encode(pins: Sequence[Pin]) -> bytes:
    """The stored bytes of a partition's pins.

    >>> decode(encode([Pin(0, 0, "hotel@3f9c2a1b", "cdnow-2026.11")]))
    (Pin(offset=0, at=0, playbook='hotel@3f9c2a1b', model='cdnow-2026.11'),)
    """
    return _encoder.encode(Pins(VERSION, tuple(pins)))


def decode(stored: bytes) -> tuple[Pin, ...]:
    """Read a partition's pins.

    Raises:
        msgspec.DecodeError: the bytes are no pins.
        StateError: they are of a version that this program doesn't know.
    """
    pins = _decoder.decode(stored)
    if pins.version != VERSION:
        raise StateError(f"stored pins have version {pins.version}; this program knows {VERSION}: update it")
    return pins.pins
