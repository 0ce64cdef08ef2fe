"""Where a key belongs, as Kafka's own clients reckon it."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from agents.partitioner import partition_of
from tests.hotel import PROPERTY_TEST


@pytest.mark.parametrize(
    ("key", "partition"),
    [(b"", 1), (b"a", 4), (b"ann", 2), (b"bob", 6), (b"21", 4), ("단골".encode(), 3), (b"\xff" * 256, 1)],
)
def test_known_keys_stay_where_they_are(key: bytes, partition: int) -> None:
    """A partition is for ever: a customer who moved would leave the profile behind."""
    assert partition == partition_of(key, 8)


@pytest.mark.parametrize(
    ("key", "digest"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_the_hash_is_that_of_the_java_client(key: bytes, digest: int) -> None:
    """The digests that stand in the Java client's own test come out, also negative ones."""
    assert (digest & 0x7FFFFFFF) % 1_000 == partition_of(key, 1_000)


@PROPERTY_TEST
@given(key=st.binary(max_size=64), partitions=st.integers(1, 100))
def test_the_producer_agrees(key: bytes, partitions: int) -> None:
    """A record that a producer places by its key is where the worker looks for it."""
    everywhere = list(range(partitions))

    assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)
