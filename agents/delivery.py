"""Delivery: in which order, and how firmly bound together, what comes of a run is published.

- `at-least-once`: triggers are announced: acknowledged first and seen at once. Then decisions and the like,
  profiles and the offset change together, in a transaction. A crash in between publishes triggers once
  more, under the same ids.
- `exactly-once`: all of it is one transaction. Whoever reads committed records sees each trigger once,
  and some 30 ms later.
- On a broker without transactions, as the embedded one: the changelog is acknowledged after the rest, and
  the offset is committed after that. A profile knows the last offset applied to it, so state changes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from agents.batches import Record
from agents.outbox import Outbox
from agents.settings import Guarantee
from agents.transactions import Transactions, Unsupported
from schemas.errors import BrokerError

log = structlog.get_logger("dangol.delivery")


class Delivery:
    """Publishes what runs come to.

    Args:
        guarantee: what is promised to who reads triggers.
        outbox: publishes outside of transactions.
        transactions: publishes in them.
    """

    def __init__(self, guarantee: Guarantee, outbox: Outbox, transactions: Transactions) -> None:
        self._exactly_once = guarantee == "exactly-once"
        self._outbox = outbox
        self._transactions = transactions
        self.transactional = True

    async def start(self) -> None:
        """Connect.

        Raises:
            KafkaError: the broker can't be reached.
        """
        await self._outbox.start()

    async def stop(self) -> None:
        """Disconnect; what is not acknowledged by now is given up."""
        await self._transactions.close()
        await self._outbox.stop()

    async def open(self, partitions: Iterable[int]) -> None:
        """Take partitions over, before their state is read.

        Raises:
            BrokerError: exactly once is wanted of a broker that has no transactions.
            Abandoned: the partitions are not ours, or a rebalance is under way.
            KafkaError: the broker can't be asked.
        """
        if not self.transactional:
            return
        try:
            await self._transactions.open(partitions)
        except Unsupported:
            if self._exactly_once:
                raise BrokerError(
                    "this broker has no transactions, which --delivery exactly-once is made of: "
                    "use Apache Kafka, or --delivery at-least-once"
                ) from None
            self.transactional = False
            log.info("this broker has no transactions: offsets are committed after profiles")

    async def close(self) -> None:
        """Let go of all partitions; what is not committed by now never will be."""
        await self._transactions.close()

    @property
    def announces(self) -> bool:
        """Whether triggers are seen before what they come of is committed."""
        return not (self.transactional and self._exactly_once)

    async def announce(self, records: Sequence[Record], keep_trying: Callable[[], bool]) -> bool:
        """Publish what others may see before it is committed; whether they may.

        Args:
            records: triggers, and touchpoints for other customers.
            keep_trying: asked before every try, and every second while one lasts.

        Raises:
            Abandoned: `keep_trying` said no.
            TopicError: a topic takes no record of a size that has to be.
        """
        if not self.announces:
            return False
        await self._outbox.send(records, keep_trying)
        return True

    async def commit(
        self,
        partition: int,
        records: Sequence[Record],
        changes: Sequence[Record],
        next_offset: int | None,
        keep_trying: Callable[[], bool],
    ) -> dict[str, int]:
        """Publish what has changed, with what was not announced; returning means that it is acknowledged.

        Args:
            partition: of the touchpoint topic.
            records: what was not announced.
            changes: changelog records.
            next_offset: offset of the touchpoint to be read next; None leaves it where it is.
            keep_trying: asked before every try, and every second while one lasts.

        Returns:
            The offset of the last record by topic.

        Raises:
            Abandoned: `keep_trying` said no, or the partition is someone else's.
            TopicError: a topic takes no record of a size that has to be.
            Uncertain: without an offset, whether it went through may stay unknown; the changelog tells.
        """
        if not self.transactional:
            await self._outbox.send(records, keep_trying)
            return await self._outbox.send(changes, keep_trying)
        return await self._transactions.commit(partition, [*records, *changes], next_offset, keep_trying)
