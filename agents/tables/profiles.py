"""Profiles: decoded profiles in front of a store, bounded, for the partitions of this worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import structlog

from agents.metrics import Metrics
from agents.tables.store import ProfileStore
from schemas import profile as codec
from schemas.profile import Profile

MAX_DECODED = 20_000
"""Decoded profiles kept, all partitions together: some 40 MB, and the customers of a busy hour."""

log = structlog.get_logger("dangol.profiles")


class Profiles:
    """Reads and writes profiles by partition and customer.

    Args:
        store: where the bytes are kept.
        metrics: where unreadable profiles are counted.
    """

    def __init__(self, store: ProfileStore, metrics: Metrics) -> None:
        self.store = store
        self._metrics = metrics
        self._decoded: dict[tuple[int, str], Profile] = {}

    def get(self, partition: int, customer: str) -> Profile | None:
        """A customer's profile; None for one who is new.

        A stored profile that can't be read is counted and starts anew: the changelog keeps the
        old bytes until compaction, and a customer without history is better than a dead worker.

        Raises:
            StateError: a newer program wrote it; going on would destroy what only that one can read.
        """
        # Taking it out puts it at the end when it is put back: the first is the longest unused.
        profile = self._decoded.pop((partition, customer), None)
        if profile is None:
            stored = self.store.get(partition, customer.encode())
            if stored is None:
                return None
            try:
                profile = codec.decode(stored)
            except msgspec.DecodeError as error:
                self._metrics.undecodable.inc()
                log.error(  # noqa: TRY400 - the traceback would show nothing but this line
                    "a stored profile can't be read", partition=partition, reason=str(error)
                )
                return None
        self._keep(partition, customer, profile)
        return profile

    def commit(
        self,
        partition: int,
        profiles: Mapping[str, Profile],
        stored: Mapping[bytes, bytes | None],
        offset: int,
    ) -> None:
        """Take over what the changelog has acknowledged.

        Args:
            partition: of which partition.
            profiles: the profiles that changed, by customer.
            stored: their bytes, by key.
            offset: the changelog's offset after them.
        """
        self.store.write(partition, stored, offset)
        for customer, profile in profiles.items():
            self._decoded.pop((partition, customer), None)
            self._keep(partition, customer, profile)

    def forget(self) -> None:
        """Let go of all decoded profiles: the store below may have changed."""
        self._decoded.clear()

    def drop(self, partitions: Iterable[int]) -> None:
        """Let go of partitions that are someone else's now."""
        self.forget()
        self.store.drop(partitions)

    def _keep(self, partition: int, customer: str, profile: Profile) -> None:
        decoded = self._decoded
        decoded[(partition, customer)] = profile
        if len(decoded) > MAX_DECODED:
            del decoded[next(iter(decoded))]
