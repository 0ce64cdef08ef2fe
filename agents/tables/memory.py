"""Memory: profiles in dicts. Fast, and rebuilt from the changelog at every start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from schemas import ingestion, pin
from schemas.errors import StateError
from schemas.profile import is_profile


class MemoryStore:
    """A ProfileStore in this process's memory: about the profiles' size plus 150 B each."""

    def __init__(self) -> None:
        self._partitions: dict[int, dict[bytes, bytes]] = {}
        self._offsets: dict[int, int] = {}

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The stored bytes of a key, or None.

        Raises:
            StateError: the partition is not open.
        """
        return self._held(partition).get(key)

    def write(self, partition: int, changes: Mapping[bytes, bytes | None], offset: int) -> None:
        """Apply changes (None deletes) and note the changelog offset.

        Raises:
            StateError: the partition is not open.
        """
        held = self._held(partition)
        for key, value in changes.items():
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        self._offsets[partition] = offset

    def offset(self, partition: int) -> int | None:
        """The changelog offset that a partition stands at; None if nothing is held of it."""
        return self._offsets.get(partition)

    def open(self, partition: int) -> None:
        """Make a partition ready to be used."""
        self._partitions.setdefault(partition, {})

    def drop(self, partitions: Iterable[int]) -> None:
        """Let go of partitions that are someone else's now."""
        for partition in partitions:
            self._partitions.pop(partition, None)
            self._offsets.pop(partition, None)

    def clear(self, partition: int) -> None:
        """Forget all that an open partition holds, its offset too.

        Raises:
            StateError: the partition is not open.
        """
        self._held(partition).clear()
        self._offsets.pop(partition, None)

    def items(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All profiles of a partition, by key."""
        return ((key, value) for key, value in self._partitions[partition].items() if is_profile(key))

    def size(self) -> int:
        """How many profiles and marks of erasures are held."""
        return sum(
            len(held) - (pin.KEY in held) - (ingestion.KEY in held) for held in self._partitions.values()
        )

    def unscrubbed(self) -> list[int]:
        """None: what was deleted here is gone."""
        return []

    def scrub(self, partition: int) -> None:
        """Nothing to do."""

    def remove_stale(self) -> None:
        """Nothing to do: what is someone else's is not kept."""

    def close(self) -> None:
        """Let go of everything."""
        self._partitions.clear()
        self._offsets.clear()

    def _held(self, partition: int) -> dict[bytes, bytes]:
        try:
            return self._partitions[partition]
        except KeyError:
            raise StateError(f"partition {partition} of the profiles is not open here") from None
