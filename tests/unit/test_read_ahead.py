"""Read ahead: all items, in order, without holding anything up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from agents.read_ahead import LIMIT, ReadAhead


def test_all_items_come_in_order() -> None:
    """Many more items than are held at once arrive complete, in order, in lists no longer than the limit."""
    count = 3 * LIMIT + 7

    async def read() -> list[list[int]]:
        return [chunk async for chunk in ReadAhead(range(count))]

    chunks = asyncio.run(read())

    assert [item for chunk in chunks for item in chunk] == list(range(count))
    assert max(map(len, chunks)) <= LIMIT


def test_an_item_is_handed_over_while_the_next_is_awaited() -> None:
    """What a pipe said arrives although it then falls silent."""
    taken = threading.Event()

    def pipe() -> Iterator[str]:
        yield "first"
        assert taken.wait(10)
        yield "second"

    async def read() -> list[list[str]]:
        chunks = []
        async for chunk in ReadAhead(pipe()):
            chunks.append(chunk)
            taken.set()
        return chunks

    assert asyncio.run(read()) == [["first"], ["second"]]


def test_an_error_comes_after_what_was_read() -> None:
    """A file that breaks off in the middle gives its first half, then its error."""
    taken = []

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    async def read() -> None:
        async for chunk in ReadAhead(broken()):
            taken.extend(chunk)

    with pytest.raises(OSError, match="gone"):
        asyncio.run(read())
    assert taken == [1]
