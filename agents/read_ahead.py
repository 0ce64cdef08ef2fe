"""Read ahead: a file's lines in a thread of its own, handed over as many at a time as there are.

A pipe that has nothing to say must neither hold up what it said before nor the event loop; and the
thread must not keep the program alive, which asyncio's own threads would.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")

LIMIT = 2_000
"""Items read and not yet taken, beyond which reading waits: the memory of a fast file is bounded."""


class ReadAhead(Generic[Item]):
    """Iterates over lists of items, in order; each holds what was read since the last was taken.

    Whatever the items' iterator raises is raised when all before it was taken.

    >>> async def chunks():
    ...     return [chunk async for chunk in ReadAhead("")]
    >>> asyncio.run(chunks())
    []
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self._read: list[Item] = []
        self._error: BaseException | None = None
        self._ended = False
        self._changed = threading.Condition()

    async def __aiter__(self) -> AsyncIterator[list[Item]]:
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        threading.Thread(target=self._run, args=(loop, news), daemon=True, name="read-ahead").start()
        while True:
            await news.wait()
            with self._changed:
                news.clear()
                chunk, self._read = self._read, []
                ended = self._ended
                self._changed.notify()
            if chunk:
                yield chunk
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def _run(self, loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self._read.append(item)
                    if len(self._read) == 1:
                        loop.call_soon_threadsafe(news.set)
                    while len(self._read) >= LIMIT and not loop.is_closed():
                        self._changed.wait(1.0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets it
            self._error = error
        with self._changed:
            self._ended = True
            # Closed where the program has gone on without us, and then nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(news.set)
