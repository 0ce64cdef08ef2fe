"""Faust as its tutorial has it: `async for`, a table, and `await topic.send`, around the engine.

Settings are the library's own. It reads bytes and not Records, for the engine's own decoding is
faster than Faust's, and runs as every Faust app does, by `faust worker`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import faust

from agents.bench.assignment import Assignment, from_argument
from schemas import decision, profile, touchpoint, trigger
from stream.engine import load_engine


def make(assignment: Assignment) -> faust.App:
    """The app, with its one agent."""
    topics = assignment.topics
    app = faust.App(
        assignment.group,
        broker=f"kafka://{assignment.bootstrap}",
        store="memory://",
        datadir=assignment.folder,
        topic_partitions=assignment.partitions,
    )
    raw: dict[str, Any] = {
        "key_type": bytes,
        "value_type": bytes,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "partitions": assignment.partitions,
    }
    source = app.topic(topics.touchpoints, **raw)
    decisions = app.topic(topics.decisions, **raw)
    triggers = {family: app.topic(topics.trigger(family), **raw) for family in topics.families}
    profiles = app.Table("profiles", key_type=bytes, value_type=bytes)
    step = load_engine().step

    @app.agent(source)
    async def decide(touchpoints: Any) -> None:
        async for value in touchpoints:
            event = touchpoint.decode(value)
            key = event.customer.encode()
            stored = profiles.get(key)
            outcome = step(None if stored is None else profile.decode(stored), event, event.time)
            profiles[key] = profile.encode(outcome.profile)
            for fired in outcome.triggers:
                await triggers[fired.family].send(key=key, value=trigger.encode(fired))
            for decided in outcome.decisions:
                await decisions.send(key=key, value=decision.encode(decided))

    _tell_recovery(app, profiles)
    return app


def _tell_recovery(app: faust.App, profiles: Any) -> None:
    """Print how many profiles were recovered, in how many seconds, by the signals that our worker uses."""
    began = time.monotonic()

    async def assigned(*_: Any, **__: Any) -> None:
        nonlocal began
        began = time.monotonic()

    async def recovered(*_: Any, **__: Any) -> None:
        print(f"recovered {len(profiles)} {time.monotonic() - began:.3f}", flush=True)  # noqa: T201 - read by the bench

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_rebalance_complete.connect(recovered, weak=False)


if __name__ == "__main__":
    told = from_argument()
    told.folder.mkdir(parents=True, exist_ok=True)
    # Without a web server, for its port may be taken: it serves nothing that is measured.
    sys.argv = ["faust", "worker", "--without-web", "--loglevel", "warn"]
    make(told).main()
