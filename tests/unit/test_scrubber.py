"""Scrubber: what is scrubbed, and that a failure is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agents.tables import scrubber
from agents.tables.rocks import RocksStore
from agents.tables.scrubber import scrub_regularly
from schemas import mark
from schemas.errors import StateError


class Full(RocksStore):
    """A store on a disk that is full."""

    def scrub(self, partition: int) -> None:
        """Fail."""
        raise StateError("no space left")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for erasures a hundred times a second."""
    monkeypatch.setattr(scrubber, "PAUSE_SECONDS", 0.01)


def erased(store: RocksStore) -> RocksStore:
    """The store with an erasure in two of three partitions."""
    for partition in range(3):
        store.open(partition)
        store.write(partition, {b"ann": b"payload"}, 1)
    for partition in (0, 2):
        store.write(partition, {b"ann": None, mark.key_of("ann"): b"erased"}, 2)
    return store


def test_every_partition_with_an_erasure_is_scrubbed(tmp_path: Path) -> None:
    """One after the other, until nothing is left to scrub; the others keep what they have."""
    store = erased(RocksStore(tmp_path))

    async def until_clean() -> None:
        scrubbing = asyncio.create_task(scrub_regularly(store))
        while store.unscrubbed():  # noqa: ASYNC110 - a store tells nobody when it is done
            await asyncio.sleep(0.01)
        scrubbing.cancel()
        await asyncio.wait({scrubbing})

    asyncio.run(asyncio.wait_for(until_clean(), 60))
    with_payload = {
        path.parent.name for path in tmp_path.rglob("*") if path.is_file() and b"payload" in path.read_bytes()
    }
    store.close()

    assert with_payload == {"profiles-1"}


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """The worker ends with one line rather than keep what it should not."""
    store = erased(Full(tmp_path))
    with pytest.raises(StateError, match="no space left"):
        asyncio.run(asyncio.wait_for(scrub_regularly(store), 60))
    store.close()
