"""Quix Streams around the engine: a stateful apply over RocksDB with its changelog.

Settings are the library's own, but for when it commits: by default every five seconds, which is
longer than the bench runs. It commits once, at the very last touchpoint, so that what is measured
is its work and not the time until its clock strikes.
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application, State
from quixstreams.models import Serializer, Topic

from agents.bench.assignment import Assignment, from_argument
from schemas import decision, profile, touchpoint, trigger
from schemas.decision import Decision
from schemas.topics import Topics
from schemas.trigger import Trigger
from stream.engine import load_engine

NEVER = 3600.0
"""Seconds between commits by the clock: more than any bench."""

KEY = "profile"
"""Name of the one value in a customer's state."""


class Encoder(Serializer):
    """Writes triggers and decisions as CloudEvents."""

    def __call__(self, value: Trigger | Decision, *args: Any, **kwargs: Any) -> bytes:
        """The bytes of what the engine decided."""
        return trigger.encode(value) if isinstance(value, Trigger) else decision.encode(value)


def run(assignment: Assignment) -> None:
    """Process touchpoints until SIGTERM."""
    app = Application(
        broker_address=assignment.bootstrap,
        consumer_group=assignment.group,
        auto_offset_reset="earliest",
        commit_interval=NEVER,
        commit_every=assignment.total,
        state_dir=assignment.folder,
        loglevel="WARNING",
    )
    topics = assignment.topics
    source = app.topic(topics.touchpoints, value_deserializer="bytes", key_deserializer="bytes")
    decisions, triggers = _outputs(app, topics)
    step = load_engine().step

    def apply(value: bytes, state: State[Any, Any]) -> list[Trigger | Decision]:
        event = touchpoint.decode(value)
        stored = state.get_bytes(KEY)
        outcome = step(None if stored is None else profile.decode(stored), event, event.time)
        state.set_bytes(KEY, profile.encode(outcome.profile))
        return [*outcome.triggers, *outcome.decisions]

    def destination(value: Trigger | Decision, *_: Any) -> Topic:
        return triggers[value.family] if isinstance(value, Trigger) else decisions

    (app.dataframe(source).apply(apply, stateful=True, expand=True).to_topic(destination))
    app.run()


def _outputs(app: Application, topics: Topics) -> tuple[Topic, dict[str, Topic]]:
    encoder = Encoder()
    decisions = app.topic(topics.decisions, value_serializer=encoder)
    triggers = {
        family: app.topic(topics.trigger(family), value_serializer=encoder) for family in topics.families
    }
    return decisions, triggers


if __name__ == "__main__":
    run(from_argument())
