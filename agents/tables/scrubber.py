"""Scrubber: has a store forget, soon after an erasure, what it keeps of it on disk, at a bounded cost."""

from __future__ import annotations

import asyncio
import time

import structlog

from agents.tables.store import ProfileStore

PAUSE_SECONDS = 30.0
"""How often is looked for erasures: all of half a minute are scrubbed together."""

REST = 20
"""How many times as long as it took to scrub is waited before the next time: at most 5 % of a core and of
the disk go into it, however many customers are erased."""

log = structlog.get_logger("dangol.scrubber")


async def scrub_regularly(store: ProfileStore) -> None:
    """Scrub a store's partitions after erasures, one by one, until cancelled.

    Raises:
        StateError: the disk is full or fails.
    """
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        for partition in store.unscrubbed():
            started = time.monotonic()
            await asyncio.to_thread(store.scrub, partition)
            seconds = time.monotonic() - started
            log.info("scrubbed after an erasure", partition=partition, seconds=round(seconds, 3))
            await asyncio.sleep(seconds * REST)
        store.remove_stale()
