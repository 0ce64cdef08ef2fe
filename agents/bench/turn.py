"""Turn: one contestant's work on the load, from when it lies before it to its last acknowledgement.

A contestant starts, joins its group and does the warm-up. Idle, it is halted (SIGSTOP) while the
load is published. The clock runs from the moment it may go on until the broker has appended the last
record of all that it writes: triggers, decisions, and the state after the last touchpoint. So neither
start nor join nor publishing are in anybody's time, and reading, deciding and keeping are in everybody's.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiokafka.errors import KafkaError

from agents.bench.child import Child
from agents.bench.contestants import Contestant
from agents.bench.stage import Stage, fault
from agents.bench.workload import Workload
from schemas.errors import BrokerError, DangolError

READY_SECONDS = 90.0
"""How long start, join and warm-up may take: some seconds of imports, two of Kafka, one of work."""

STALL_SECONDS = 60.0
"""Without any progress for so long, a contestant is given up."""

PAUSE_SECONDS = 0.25
"""Pause between two looks at how far a contestant is; each is two small requests to the broker."""

IDLE_SECONDS = 1.5
"""Between warm-up and halt: what still is to be committed gets its time."""


class Turn(msgspec.Struct, frozen=True):
    """What came of a turn.

    Attributes:
        seconds: from the start to the last acknowledgement.
        fault: what is wrong with what was made; None if it is right.
        broker_time: whether the times are the broker's.
    """

    seconds: float
    fault: str | None
    broker_time: bool


async def take(contestant: Contestant, bootstrap: str, workload: Workload, partitions: int) -> Turn:
    """Let a contestant take its turn.

    Raises:
        BrokerError: the broker can't be reached, or failed.
        DangolError: the contestant ended, or got nowhere.
    """
    # A name of its own each time: nobody finds what another left.
    prefix = f"bench-{secrets.token_hex(3)}.cx"
    total = len(workload.warm_up) + len(workload.load)
    child = Child(contestant, bootstrap, prefix, partitions, total)
    try:
        async with Stage(child.assignment, contestant.changelog(child.assignment)) as stage:
            touchpoints = child.assignment.topics.touchpoints
            await stage.publish(touchpoints, workload.warm_up)
            with child:
                await _until(child, lambda: _is_warm(stage, workload), stage.outputs, READY_SECONDS)
                await asyncio.sleep(IDLE_SECONDS)
                child.halt()
                await stage.publish(touchpoints, workload.load)
                began = await stage.now()
                child.go_on()
                await _until(child, lambda: _is_done(stage, total), lambda: _progress(stage), STALL_SECONDS)
                await asyncio.to_thread(child.stop)
            found = await stage.found()
    except KafkaError as error:
        raise BrokerError(
            f"the broker at {bootstrap} failed the bench: {error or type(error).__name__}"
        ) from error
    return Turn((found.last - began) / 1000, fault(workload.expected, found), found.broker_time)


async def _is_warm(stage: Stage, workload: Workload) -> bool:
    return await stage.decisions() >= workload.warm


async def _is_done(stage: Stage, total: int) -> bool:
    return await stage.committed() == total


async def _progress(stage: Stage) -> int:
    return await stage.outputs() + await stage.committed()


async def _until(
    child: Child,
    holds: Callable[[], Awaitable[bool]],
    progress: Callable[[], Awaitable[int]],
    patience: float,
) -> None:
    """Wait until something holds, as long as there is progress.

    Raises:
        DangolError: there was none for `patience` seconds, or the contestant ended.
    """
    reached, since = -1, time.monotonic()
    while not await holds():
        child.check()
        if (now := await progress()) != reached:
            reached, since = now, time.monotonic()
        elif time.monotonic() - since > patience:
            raise DangolError(
                f"{child.contestant.name} got nowhere for {patience:.0f} s; {child.last_words()}"
            )
        await asyncio.sleep(PAUSE_SECONDS)
