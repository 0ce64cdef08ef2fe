"""Standstill: a worker that gets nothing though the broker answers says where it stands, and starts over.

A rebalance passes through the broker, aiokafka, Faust and several callbacks, and each waits for the one
before. Where one of them waits for what never comes, nothing fails, and the partitions have an owner who does
nothing; or they have none, where the group's leader has shared out fewer than there are. A commit waits for
its answer, and a client that has lost its way never brings it. Whoever stands still for longer than any
rebalance or request may take has met such a case.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from agents.connection import Connection
from agents.group_view import view_of
from agents.handshake import trouble

REBALANCE_SECONDS = 30.0
"""How long the group's coordinator waits for members who have to let go: a run in hand has five of them."""

SPARE_SECONDS = 20.0
"""What reaching the broker and recovering may take beyond that until something moves."""

LOOK_SECONDS = 5.0
"""How often to look."""

MAX_PLACES = 48
"""Places told of in the log: more than tasks wait at in a rebalance."""

log = structlog.get_logger("dangol.worker")


class Standstill(Exception):  # noqa: N818 - it is no fault of the broker's
    """Nothing moves, and nobody says why."""


class Progress:
    """When something moved last: while a worker takes no touchpoints, or an answer of the broker is awaited.

    Args:
        waits_since: since when the longest awaited answer is, by the monotonic clock in seconds; None: there
            is none.

    Attributes:
        is_spare: whether it was given no partitions, as one worker more than there are partitions is.
    """

    def __init__(self, waits_since: Callable[[], float | None]) -> None:
        self.is_spare = False
        self._waits_since = waits_since
        self._taking = False
        self._moved = time.monotonic()

    def moved(self) -> None:
        """Something moved: a step of a rebalance, some records of a recovery, a try that failed."""
        self._moved = time.monotonic()

    def taking(self, partitions: int | None) -> None:
        """From now on touchpoints of so many partitions are taken; None: not any more."""
        self._taking = bool(partitions)
        self.is_spare = partitions == 0
        self.moved()

    @property
    def awaited(self) -> str:
        """What it waits for, if anything, in words."""
        if self._taking:
            return "an answer of the broker"
        return "partitions" if self.is_spare else "a rebalance"

    def still_seconds(self) -> float:
        """For how long nothing has moved; 0 while touchpoints are taken and no answer is awaited."""
        since = self._waits_since() if self._taking else self._moved
        return 0.0 if since is None else time.monotonic() - max(since, self._moved)


async def watch(
    progress: Progress,
    connection: Connection,
    session_timeout: float,
    is_missed: Callable[[], Awaitable[bool]],
) -> Standstill:
    """Wait until a worker stands still though the broker answers.

    Args:
        progress: the worker's.
        connection: how to reach the broker.
        session_timeout: seconds for which the coordinator waits for members who say nothing.
        is_missed: whether there are partitions that nobody was given.
    """
    patience = REBALANCE_SECONDS + session_timeout + SPARE_SECONDS
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if progress.still_seconds() < patience:
            continue
        if await trouble(connection) is not None:
            # No wonder; what has to be said of that, others say.
            progress.moved()
            continue
        if progress.is_spare and not await is_missed():
            progress.moved()
            continue
        if progress.still_seconds() >= patience:
            log.error(
                "standing still though the broker answers, starting over",
                seconds=round(progress.still_seconds()),
                awaited=progress.awaited,
                at=places(),
            )
            return Standstill("the worker stood still")


async def has_unowned(connection: Connection, group: str, partitions: int) -> bool:
    """Whether a group that is not in a rebalance has given fewer than all partitions to its members."""
    try:
        view = await view_of(connection, group)
    except (KafkaError, OSError, NotImplementedError) as error:
        log.info("can't tell who was given which partitions", reason=type(error).__name__)
        return False
    return view.state == "Stable" and view.assigned < partitions


def places() -> list[str]:
    """Where the tasks of this event loop wait, innermost first, as `file:line` and their way there.

    Those that wait at one place are told together, with how many they are.

    >>> async def wait() -> list[str]:
    ...     waiting = asyncio.create_task(asyncio.sleep(1), name="rest")
    ...     await asyncio.sleep(0)
    ...     told = places()
    ...     waiting.cancel()
    ...     return [each.partition(":")[0] for each in told if "tasks.py" in each]
    >>> asyncio.run(wait())
    ['tasks.py']
    """
    ways = Counter(" < ".join(reversed(_way(task.get_coro()))) for task in asyncio.all_tasks())
    told = [way if number == 1 else f"{way} ×{number}" for way, number in sorted(ways.items()) if way]
    return told[:MAX_PLACES]


def _way(coroutine: Any) -> list[str]:
    """From the outermost frame of a coroutine to where it waits."""
    way = []
    while coroutine is not None and (frame := getattr(coroutine, "cr_frame", None)) is not None:
        way.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        coroutine = coroutine.cr_await
    return way
