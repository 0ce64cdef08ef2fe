"""The cache of decoded profiles: bounded, the longest unchanged goes first, unreadable ones start anew."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from agents.metrics import Metrics
from agents.tables import profiles as module
from agents.tables.memory import MemoryStore
from agents.tables.profiles import Profiles, Undecodable
from schemas import profile as codec
from schemas.errors import StateError
from schemas.profile import VERSION, new_profile


class Counting(MemoryStore):
    """A store that tells what was read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.open(0)
        self.open(1)
        self.reads: list[bytes] = []

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The stored bytes, noted."""
        self.reads.append(key)
        return super().get(partition, key)


@pytest.fixture
def store() -> Counting:
    """A store with partitions 0 and 1 that holds nobody."""
    return Counting()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the cache counts."""
    return CollectorRegistry()


@pytest.fixture
def profiles(store: Counting, registry: CollectorRegistry) -> Profiles:
    """The cache."""
    return Profiles(store, Metrics(registry, []))


def keep(profiles: Profiles, *customers: str, partition: int = 0, offset: int = 0) -> None:
    """Commit new profiles of these customers."""
    changed = {customer: new_profile(customer) for customer in customers}
    stored: dict[bytes, bytes | None] = {c.encode(): codec.encode(p) for c, p in changed.items()}
    profiles.commit(partition, changed, stored, offset)


def test_a_customer_who_is_new_has_no_profile(profiles: Profiles) -> None:
    """None, and not an empty profile: the engine makes those."""
    assert profiles.get(0, "ann") is None


def test_what_was_committed_is_not_decoded_again(profiles: Profiles, store: Counting) -> None:
    """A profile that was just written is at hand, and stands in the store with its offset."""
    keep(profiles, "ann", offset=7)

    assert profiles.get(0, "ann") == new_profile("ann")
    assert store.reads == []
    assert store.offset(0) == 7


def test_a_stored_profile_is_read(profiles: Profiles, store: Counting) -> None:
    """What is not at hand comes from the store; it is kept when it is committed, not before."""
    store.write(0, {b"ann": codec.encode(new_profile("ann"))}, 1)

    assert profiles.get(0, "ann") == new_profile("ann")
    assert profiles.get(0, "ann") == new_profile("ann")
    assert store.reads == [b"ann", b"ann"]


def test_partitions_are_apart(profiles: Profiles) -> None:
    """A profile is found under its own partition alone."""
    keep(profiles, "ann", partition=1)

    assert profiles.get(0, "ann") is None


def test_the_longest_unchanged_goes_first(
    profiles: Profiles, store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound of a partition, the one with no touchpoint longest has to be decoded again."""
    monkeypatch.setattr(module, "MAX_DECODED", 3)
    keep(profiles, "ann", "bob", "eve")
    keep(profiles, "zoe", partition=1)
    keep(profiles, "ann")
    keep(profiles, "joe")

    for customer in ("ann", "eve", "joe", "bob"):
        profiles.get(0, customer)
    profiles.get(1, "zoe")
    assert store.reads == [b"bob"]


def test_forgetting_leaves_the_store(profiles: Profiles, store: Counting) -> None:
    """After a rebalance all is read anew, from what recovery has written."""
    keep(profiles, "ann")
    profiles.forget()
    store.write(0, {b"ann": codec.encode(msgspec.structs.replace(new_profile("ann"), touchpoints=9))}, 8)

    found = profiles.get(0, "ann")
    assert found is not None
    assert found.touchpoints == 9


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x80"])
def test_an_unreadable_profile_is_counted_and_handed_out_as_it_is(
    profiles: Profiles, store: Counting, registry: CollectorRegistry, stored: bytes
) -> None:
    """Whoever asked keeps the bytes before the customer starts anew."""
    store.write(0, {b"ann": stored}, 1)

    with pytest.raises(Undecodable) as refused:
        profiles.get(0, "ann")
    assert refused.value.stored == stored
    assert registry.get_sample_value("cx_state_undecodable_total") == 1.0


def test_a_profile_of_a_newer_program_is_not_touched(profiles: Profiles, store: Counting) -> None:
    """Going on would destroy what only the newer program can read: one clear line instead."""
    newer = msgspec.msgpack.encode({"version": VERSION + 1, "customer": "ann", "unheard": 1})
    store.write(0, {b"ann": newer}, 1)

    with pytest.raises(StateError, match=f"version {VERSION + 1}; this program knows up to {VERSION}"):
        profiles.get(0, "ann")
    assert store.get(0, b"ann") == newer
