"""Apache Kafka on this machine: one JVM, loopback only, for tests and for `make kafka`."""

from __future__ import annotations

from deploy.kafka.server import KafkaServer

__all__ = ["KafkaServer"]
