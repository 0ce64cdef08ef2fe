"""Recovery: how fast a worker has its state back from the changelog, beside Faust's own."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Iterator

import msgspec
from aiokafka.errors import KafkaError

from agents.bench.child import Child
from agents.bench.contestants import Contestant
from agents.bench.report import Recovery
from agents.bench.stage import Stage
from agents.bench.workload import START, Record
from agents.partitioner import partition_of
from schemas import profile
from schemas.errors import BrokerError, DangolError
from schemas.profile import Profile
from schemas.timestamp import HOUR
from schemas.touchpoint import Touchpoint
from stream.engine import Engine

TAKE_PART = ("dangol", "tutorial")
"""Those who read their state from a changelog into memory, and tell how long it took."""

PROFILE_BYTES = 800
"""Size that a profile has to reach: that of a customer with some history."""

GIVE_UP_SECONDS = 300.0
"""How long a recovery may take, start included: ten times as long as stock Faust's of 200,000 profiles."""

PAUSE_SECONDS = 0.2

# Faust prints through its log, which puts words of its own before and after.
_TOLD = re.compile(r"recovered (\d+) (\d+\.\d+)")


async def recover(
    contestant: Contestant, bootstrap: str, engine: Engine, count: int, partitions: int
) -> Recovery:
    """Fill a changelog with profiles, start a contestant, and take its word for how long it took.

    Both measure the same: from Faust's signal that partitions were assigned to its signal that
    the rebalance is complete.

    Raises:
        BrokerError: the broker can't be reached, or failed.
        DangolError: the contestant ended, or recovered anything but all.
    """
    model = _model(engine)
    child = Child(contestant, bootstrap, f"bench-{secrets.token_hex(3)}.cx", partitions, 0)
    changelog = contestant.changelog(child.assignment)
    try:
        async with Stage(child.assignment, changelog) as stage:
            await stage.publish(changelog, _records(model, count, partitions))
            with child:
                found, seconds = await _told(child, count)
                await asyncio.to_thread(child.stop)
    except KafkaError as error:
        raise BrokerError(
            f"the broker at {bootstrap} failed the bench: {error or type(error).__name__}"
        ) from error
    if found != count:
        raise DangolError(f"{contestant.name} recovered {found:,} profiles instead of {count:,}")
    return Recovery(count, seconds, round(count / seconds, 1), len(profile.encode(model)))


async def _told(child: Child, count: int) -> tuple[int, float]:
    """What the contestant says that it recovered, and in how many seconds."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        child.check()
        for line in child.said():
            told = told_by(line)
            # Faust completes a first rebalance before it has partitions.
            if told is not None and told[0] > 0:
                return told
        await asyncio.sleep(PAUSE_SECONDS)
    raise DangolError(
        f"{child.contestant.name} did not recover {count:,} profiles in {GIVE_UP_SECONDS:.0f} s; "
        f"{child.last_words()}"
    )


def told_by(line: str) -> tuple[int, float] | None:
    """How many profiles in how many seconds, if that is what a line of a log tells.

    >>> told_by('[WARNING] recovered 20 1.5')
    (20, 1.5)
    >>> told_by('{"event":"ready","profiles":20,"recovery_seconds":0.5}')
    (20, 0.5)
    """
    if (told := _TOLD.search(line)) is not None:
        return int(told[1]), float(told[2])
    if '"ready"' in line:
        ready = json.loads(line)
        return int(ready["profiles"]), float(ready["recovery_seconds"])
    return None


def _model(engine: Engine) -> Profile:
    """A profile with as much history as makes it large enough."""
    held: Profile | None = None
    hour = 0
    types = list(engine.playbook.catalogue)
    while held is None or len(profile.encode(held)) < PROFILE_BYTES:
        time_ = START + hour * HOUR
        # Those that need data of a certain kind are not needed to make it long.
        type_ = types[hour % 12]
        held = engine.step(held, Touchpoint(f"t-{hour:08d}", "/web", type_, "r-000000", time_), time_).profile
        hour += 1
    return held


def _records(model: Profile, count: int, partitions: int) -> Iterator[Record]:
    for number in range(count):
        customer = f"r-{number:06d}"
        key = customer.encode()
        value = profile.encode(msgspec.structs.replace(model, customer=customer))
        yield Record(key, value, partition_of(key, partitions))
