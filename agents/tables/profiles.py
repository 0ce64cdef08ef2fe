"""Profiles: decoded profiles in front of a store, bounded, for the partitions of this worker.

In front of those are the profiles that were decided on and are not acknowledged yet: as many as a
partition's pipeline lets wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import msgspec
import structlog

from agents.metrics import Metrics
from agents.tables.store import ProfileStore
from agents.timers import Timers
from schemas import ingestion as ingestions
from schemas import mark
from schemas import profile as codec
from schemas.errors import StateError
from schemas.ingestion import STEADY, Ingestion
from schemas.profile import Profile
from stream.churn import outages

log = structlog.get_logger("dangol.profiles")

MAX_DECODED = 5_000
"""Decoded profiles kept of each partition: some 10 MB, and the customers of a busy hour."""


class Undecodable(Exception):  # noqa: N818 - what is wrong is what was stored
    """A stored profile can't be read.

    Attributes:
        stored: its bytes.
        reason: what is wrong with them, without what stands in them.
        instead: the profile to begin anew with; None for that of a new customer.
    """

    def __init__(self, stored: bytes, reason: str, instead: Profile | None) -> None:
        super().__init__(reason)
        self.stored = stored
        self.reason = reason
        self.instead = instead


class Profiles:
    """Reads and writes profiles by partition and customer.

    Args:
        store: where the bytes are kept.
        metrics: where unreadable profiles are counted.
        timers: what is told of the timers of profiles that change; None where the clock fires none.
    """

    def __init__(self, store: ProfileStore, metrics: Metrics, timers: Timers | None = None) -> None:
        self.store = store
        self._timers = timers
        self._metrics = metrics
        self._decoded: dict[int, dict[str, Profile]] = {}
        self._ahead: dict[int, dict[str, Profile]] = {}
        self._ingestions: dict[int, Ingestion] = {}

    def get(self, partition: int, customer: str) -> Profile | None:
        """A customer's profile; None for one who is new, a blank one for one who was erased.

        Raises:
            Undecodable: it can't be read; counted, and the caller keeps the bytes before it starts anew.
            StateError: a newer program wrote it; going on would destroy what only that one can read. Or
                it is the mark of an erasure, and can't be read.
        """
        if (ahead := self._ahead.get(partition)) and (profile := ahead.get(customer)) is not None:
            return profile
        if (decoded := self._decoded.get(partition)) and (profile := decoded.get(customer)) is not None:
            return profile
        stored = self.store.get(partition, customer.encode())
        if stored is None:
            return self._erased(partition, customer)
        try:
            return codec.decode(stored)
        except msgspec.DecodeError as error:
            self._metrics.undecodable.inc()
            raise Undecodable(stored, str(error), self._erased(partition, customer)) from None

    def _erased(self, partition: int, customer: str) -> Profile | None:
        """The blank profile of a customer who was erased; None for any other."""
        marked = self.store.get(partition, mark.key_of(customer))
        if marked is None:
            return None
        try:
            return mark.profile_of(mark.decode(marked), customer)
        except msgspec.DecodeError as error:
            # To go on without it would bring back who asked to be forgotten.
            raise StateError(
                f"a mark of an erasure in partition {partition} can't be read: {error}"
            ) from None

    def ingestion(self, partition: int) -> Ingestion:
        """When touchpoints came in a partition, as far as was decided on them.

        Raises:
            StateError: a newer program wrote it, or the partition is not open.
        """
        if (known := self._ingestions.get(partition)) is None:
            known = self._ingestions[partition] = self._stored_ingestion(partition)
        return known

    def _stored_ingestion(self, partition: int) -> Ingestion:
        stored = self.store.get(partition, ingestions.KEY)
        if stored is None:
            return STEADY
        try:
            return ingestions.decode(stored)
        except msgspec.DecodeError as error:
            log.error(  # noqa: TRY400 - the error is the line
                "when touchpoints came can't be read: which silences are usual is learned anew",
                partition=partition,
                reason=str(error),
            )
            return STEADY

    def known(self, partition: int, now: int) -> int:
        """Up to when labels of a partition are known at a time, both in ms (stream/churn/outages.py).

        Raises:
            StateError: see `ingestion`.
        """
        return outages.known(self.ingestion(partition), now)[0]

    def anticipate(
        self, partition: int, profiles: Mapping[str, Profile], ingestion: Ingestion | None = None
    ) -> None:
        """Take note of what was decided and the changelog has not acknowledged yet.

        Args:
            partition: of which partition.
            profiles: the profiles that changed, by customer; blank ones of who was erased.
            ingestion: when touchpoints came, where that has changed.
        """
        if ingestion is not None:
            self._ingestions[partition] = ingestion
        self._ahead.setdefault(partition, {}).update(profiles)
        if self._timers is not None:
            self._timers.note(partition, profiles)

    def retract(self, partition: int) -> list[str]:
        """Forget what was anticipated of a partition and not committed; whom it was about."""
        self._ingestions.pop(partition, None)
        return list(self._ahead.pop(partition, ()))

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
        decoded = self._decoded.setdefault(partition, {})
        ahead = self._ahead.get(partition, {})
        for customer, profile in profiles.items():
            # Taken out and put back, they stand at the end: at the front is who had no touchpoint longest.
            decoded.pop(customer, None)
            decoded[customer] = profile
            # A later one may have been decided on meanwhile.
            if ahead.get(customer) is profile:
                del ahead[customer]
        if None in stored.values():
            for key in [key for key, value in stored.items() if value is None]:
                decoded.pop(key.decode(), None)
        for customer in list(islice(decoded, max(len(decoded) - MAX_DECODED, 0))):
            del decoded[customer]

    def forget(self, partition: int | None = None) -> None:
        """Let go of the decoded profiles of a partition, or of all: the store below may have changed."""
        if partition is None:
            self._decoded.clear()
            self._ingestions.clear()
        else:
            self._decoded.pop(partition, None)
            self._ingestions.pop(partition, None)
