"""Membership: in which of the playbook's segments a customer was, in three bytes of a look."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from zlib import crc32

from schemas.example import MAX_SEGMENTS

SIZE = 3
"""Bytes that it takes."""


class Membership:
    """Packs the names of segments, and reads them again where the playbook still has the same ones.

    The lowest bits are the segments, in the playbook's order; those that are left, 8 or more, are of a digest
    of their names. What another list of segments has packed is not read, but for one in 256 of them at worst.

    Args:
        segments: the names of the playbook's segments, in its order; the first `MAX_SEGMENTS` are told apart.

    >>> membership = Membership(["vip", "new-guest"])
    >>> membership.unpacked(membership.packed(["new-guest"]))
    ('new-guest',)
    >>> Membership(["vip", "regular"]).unpacked(membership.packed(["vip"])) is None
    True
    """

    def __init__(self, segments: Iterable[str]) -> None:
        self._names = tuple(islice(segments, MAX_SEGMENTS))
        self._bits = {name: 1 << place for place, name in enumerate(self._names)}
        self._digest = crc32(" ".join(self._names).encode()) << len(self._names) & (1 << 8 * SIZE) - 1

    def packed(self, segments: Iterable[str]) -> bytes:
        """The segments that a customer is in; nothing where the playbook has none."""
        if not self._names:
            return b""
        word = self._digest
        for name in segments:
            word |= self._bits.get(name, 0)
        return word.to_bytes(SIZE)

    def unpacked(self, packed: bytes) -> tuple[str, ...] | None:
        """The segments that a customer was in; None where it was not noted, or by another list of them."""
        if not self._names or len(packed) != SIZE:
            return None
        members = int.from_bytes(packed) ^ self._digest
        if members >> len(self._names):
            return None
        return tuple(name for name, bit in self._bits.items() if members & bit)
