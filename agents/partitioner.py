"""Partitioner: where a customer's records belong, as Kafka's own clients reckon it."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key by Kafka's default partitioner (murmur2 of the key's bytes).

    >>> partition_of(b"ann", 8)
    2
    """
    digest: int = murmur2(key)
    return (digest & 0x7FFFFFFF) % partitions
