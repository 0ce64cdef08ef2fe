"""Store: profiles as bytes, by partition, with the changelog offset that they stand for.

Faust's own stores know no partitions in memory, so that revoked ones stay, and give every
partition a cache of 2 GiB on disk. Ours keep each partition apart: a revoked one is dropped, one
that stays is not read again, and the offset says from where the changelog has to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol


class ProfileStore(Protocol):
    """What a table needs of a store; contract tests run over every implementation."""

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The stored bytes of a key, or None."""
        ...

    def write(self, partition: int, changes: Mapping[bytes, bytes | None], offset: int) -> None:
        """Apply changes (None deletes) and note that the partition stands at this changelog offset."""
        ...

    def offset(self, partition: int) -> int | None:
        """The changelog offset that a partition stands at; None if nothing is held of it."""
        ...

    def open(self, partition: int) -> None:
        """Make a partition ready to be used."""
        ...

    def drop(self, partitions: Iterable[int]) -> None:
        """Let go of partitions that are someone else's now."""
        ...

    def clear(self, partition: int) -> None:
        """Forget all that an open partition holds, its offset too."""
        ...

    def items(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All profiles of a partition, by key."""
        ...

    def size(self) -> int:
        """How many profiles and marks of erasures are held; an estimate where counting is dear."""
        ...

    def unscrubbed(self) -> list[int]:
        """Partitions that may still have bytes of customers who were erased."""
        ...

    def scrub(self, partition: int) -> None:
        """Leave no byte of what was deleted or replaced; may take long, so it is called in a thread."""
        ...

    def remove_stale(self) -> None:
        """Remove partitions that have long been someone else's."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
