"""Identity on Apache Kafka: two workers, ids on different partitions, and a kill while they are joined."""

from __future__ import annotations

import random
from pathlib import Path

from schemas import profile as profiles
from schemas import touchpoint as touchpoints
from schemas.profile import Profile
from schemas.timestamp import HOUR
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from stream.engine import load_engine
from tests.cluster import Sent, Worker, publish, read_all, read_profiles, wait_for
from tests.conftest import PARTITIONS
from tests.hotel import NOON
from tests.identities import assert_same_life, event, history, link

CUSTOMERS = 40
LIFE = 24
TYPES = ["page.viewed", "order.placed", "complaint.opened", "complaint.closed", "review.posted"]


def lives() -> dict[str, list[Touchpoint]]:
    """What happens to customers, under two ids each."""
    dice = random.Random(17)
    found = {}
    for number in range(CUSTOMERS):
        known = f"user-{number}"
        found[known] = [
            event(
                f"{known}-{at}",
                dice.choice(TYPES),
                dice.choice([known, f"anon-{number}"]),
                NOON + at * HOUR + number,
                amount=12.5,
                issue=dice.choice(["i1", "i2"]),
                rating=dice.choice([1, 5]),
            )
            for at in range(LIFE)
        ]
    return found


def stored(kafka: str, topics: Topics) -> dict[str, Profile]:
    """The latest profile of each id."""
    latest = {record.key.decode(): record.value for record in read_profiles(kafka, topics)}
    return {id_: profiles.decode(value) for id_, value in latest.items() if value is not None}


def test_a_kill_while_ids_are_joined_loses_nothing_and_counts_nothing_twice(
    kafka: str, topics: Topics, tmp_path: Path
) -> None:
    """Every customer has one profile in the end, that of the same life under one id."""
    told = lives()
    everything = [
        touchpoint
        for number, (known, life) in enumerate(told.items())
        for touchpoint in (*life, link(known, f"anon-{number}", NOON + number))
    ]
    random.Random(29).shuffle(everything)
    records: list[Sent] = [(t.customer.encode(), touchpoints.encode(t), []) for t in everything]
    options = ("--clock", "event", "--batch", "20")
    first, second = (Worker(kafka, topics, tmp_path / name, *options).start() for name in ("one", "two"))
    try:
        first.wait_ready()
        second.wait_ready()
        publish(kafka, topics.touchpoints, records, PARTITIONS)
        wait_for(lambda: first.metric("cx_events_applied_total") > 50, "the first worker to be at it", first)
        first.kill()
        first.start()

        def joined() -> bool:
            found = stored(kafka, topics)
            # What an id hands over is there before it is committed that the id has moved.
            return all(
                known in found
                and found[known].touchpoints >= LIFE
                and f"anon-{number}" in found
                and found[f"anon-{number}"].moved_to is not None
                for number, known in enumerate(told)
            )

        wait_for(joined, "all customers to be joined", first, second, seconds=120)
        found = stored(kafka, topics)
        letters = read_all(kafka, topics.dead_letters)
    finally:
        for worker in (first, second):
            worker.kill()

    engine = load_engine()
    for number, (known, life) in enumerate(told.items()):
        assert_same_life(found[known], history(life, known, engine))
        assert (found[known].aliases, found[f"anon-{number}"].moved_to) == ((f"anon-{number}",), known)
    assert letters == []
