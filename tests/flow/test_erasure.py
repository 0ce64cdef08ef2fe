"""An erasure from record to record, without a broker: what is published, what is left, what is dropped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas import mark
from schemas.deadletter import headers_again
from schemas.erasure import digest_of
from schemas.errors import StateError
from schemas.ingestion import STEADY, Ingestion
from schemas.profile import VERSION, Profile
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from stream.outcome import Outcome
from tests.flow.test_touchpoints import ANN, PARTITIONS, TOPICS, Bench, Read, happened
from tests.hotel import NOON, GivenRisk, engine

HOUR = 3_600_000


class Faulty(Engine):
    """An engine with a fault: it raises on everything but a request to erase."""

    def step(
        self, profile: Profile | None, touchpoint: Touchpoint, now: int, ingestion: Ingestion = STEADY
    ) -> Outcome:
        """As the engine's, for a request to erase."""
        if touchpoint.type != "privacy.erase":
            raise KeyError(touchpoint.type)
        return super().step(profile, touchpoint, now, ingestion)


def erase(offset: int, id_: str = "e", time: int = NOON) -> Read:
    """The request to erase Ann."""
    return Read(offset, b"ann", happened("privacy.erase", id_, time=time))


def lived(offset: int, id_: str, time: int = NOON - HOUR) -> Read:
    """Something that happened to Ann."""
    return Read(offset, b"ann", happened("complaint.opened", id_, time=time, issue="secret-issue"))


def changelog(bench: Bench) -> list[tuple[bytes | None, Any]]:
    """What was written to the changelog: keys with profiles, tombstones and marks."""
    return [
        (record.key, record.value and msgspec.msgpack.decode(record.value, strict=False))
        for record in bench.delivery.records
        if record.topic == TOPICS.profiles
    ]


def recovered(bench: Bench) -> Bench:
    """A worker that begins with nothing but the changelog of another one."""
    after = Bench()
    for record in bench.delivery.records:
        if record.topic == TOPICS.profiles:
            assert record.key is not None
            after.store.write(ANN, {record.key: record.value}, 0)
    return after


def test_the_proof_is_published_before_the_profile_goes() -> None:
    """Then the changelog: a tombstone under the id and a mark under its digest."""
    bench = Bench()
    bench.process(lived(0, "1"))
    bench.delivery.records.clear()
    bench.process(erase(1))

    assert [(r.topic, r.partition, r.key) for r in bench.delivery.records] == [
        ("cx.erasures.v1", ANN, digest_of("ann").encode()),
        ("cx.service-context.v1", ANN, b"ann"),
        ("cx.profiles.v1", ANN, b"ann"),
        ("cx.profiles.v1", ANN, mark.key_of("ann")),
    ]
    assert changelog(bench) == [
        (b"ann", None),
        (mark.key_of("ann"), {"version": 1, "erased": NOON, "applied": {ANN: 1}}),
    ]


def test_nothing_of_the_customer_is_left() -> None:
    """Neither in the store nor among the decoded profiles, and the proof has neither id nor payload."""
    bench = Bench()
    bench.process(lived(0, "1"))
    bench.process(erase(1))
    (proof,) = [r.value for r in bench.delivery.records if r.topic == TOPICS.erasures]
    left = b"".join(key + value for key, value in bench.store._partitions[ANN].items()) + (proof or b"")

    assert bench.store.get(ANN, b"ann") is None
    assert bench.profiles._decoded[ANN] == {}
    assert b"ann" not in left
    assert b"secret-issue" not in left
    assert bench.counted("cx_erasures_total") == 1.0


def test_before_and_after_in_one_run() -> None:
    """What came before is removed, what came after is a new profile, and both are known for what they are."""
    bench = Bench()
    bench.process(lived(0, "1"), erase(1), lived(2, "2"), lived(3, "3", NOON + 1), lived(4, "4"))
    stored = bench.profiles.get(ANN, "ann")

    assert stored is not None
    assert (stored.touchpoints, stored.erased, stored.applied) == (1, NOON, {ANN: 3})
    assert bench.counted("cx_touchpoints_erased_total") == 2.0
    assert bench.counted("cx_events_applied_total") == 3.0
    assert mark.decode(bench.store.get(ANN, mark.key_of("ann")) or b"").erased == NOON


def test_published_again_nothing_comes_back() -> None:
    """The whole input at later offsets, also by a worker that knows nothing but the changelog."""
    bench = Bench()
    bench.process(lived(0, "1"), lived(1, "2"), erase(2))
    before = changelog(bench)
    for one in (bench, recovered(bench)):
        work = one.apply(lived(3, "1"), lived(4, "2"), erase(5))
        assert (work.erased, work.applied, work.records, work.profiles) == (3, 0, [], {})
    assert changelog(bench) == before


def test_the_same_offsets_again_are_a_replay() -> None:
    """A crash before the commit: the mark knows what was applied, so nothing is counted twice."""
    bench = Bench()
    run = [lived(0, "1"), erase(1)]
    bench.process(*run)
    work = recovered(bench).apply(*run)

    assert (work.replayed, work.erased, work.records) == (2, 0, [])


def test_a_crash_before_the_changelog_publishes_the_same_proof() -> None:
    """Published, but not yet in the changelog: the next owner publishes the same bytes under the same id."""
    bench = Bench()
    bench.process(lived(0, "1"))
    first = bench.apply(erase(1)).records
    second = recovered(bench).apply(erase(1)).records

    assert first == second
    assert [record.topic for record in first] == [TOPICS.erasures, TOPICS.service_contexts]


def test_who_came_back_may_go_again() -> None:
    """A second mark takes the place of the first, and a second proof stands beside the first."""
    bench = Bench()
    bench.process(erase(0), lived(1, "1", NOON + 1))
    bench.process(erase(2, "f", NOON + 2))

    assert bench.store.get(ANN, b"ann") is None
    assert mark.decode(bench.store.get(ANN, mark.key_of("ann")) or b"").erased == NOON + 2
    assert len({r.value for r in bench.delivery.records if r.topic == TOPICS.erasures}) == 2


def test_every_compacted_topic_gets_a_tombstone() -> None:
    """Whatever else is kept under a customer's id goes with the profile."""
    bench = Bench()
    bench.process(lived(0, "1"), erase(1))
    tombstones = [(r.topic, r.partition, r.key) for r in bench.delivery.records if r.value is None]

    assert tombstones == [("cx.service-context.v1", ANN, b"ann"), ("cx.profiles.v1", ANN, b"ann")]


def test_requests_for_other_ids_go_where_these_are() -> None:
    """The request for an alias is a touchpoint under its key, on its partition."""
    bench = Bench()
    known = Profile(version=VERSION, customer="ann", touchpoints=1, aliases=("card-1",))
    bench.profiles.commit(ANN, {"ann": known}, {b"ann": msgspec.msgpack.encode(known)}, 0)
    bench.process(erase(1))
    (request,) = [r for r in bench.delivery.records if r.topic == TOPICS.touchpoints]

    assert request.key == b"card-1"
    assert 0 <= request.partition < PARTITIONS
    assert msgspec.json.decode(request.value or b"")["type"] == "privacy.erase"


def test_a_mark_that_can_not_be_read_stops_the_worker() -> None:
    """To go on without it would bring back who asked to be forgotten."""
    bench = Bench()
    bench.store.write(ANN, {mark.key_of("ann"): b"\xc1"}, 0)

    with pytest.raises(StateError, match=f"a mark of an erasure in partition {ANN} can't be read"):
        bench.apply(lived(0, "1"))


def test_a_dead_letter_brings_nobody_back() -> None:
    """Replayed after the erasure: with a time of its own or, without one, by the time of its first record."""
    own = msgspec.json.decode(happened("complaint.opened", "1", time=NOON - 1))
    bench = Bench(Faulty(engine().playbook, GivenRisk(0.25), "given"))
    for offset, fields in enumerate((own, {**own, "id": "2", "time": None})):
        bench.process(Read(offset, b"ann", msgspec.json.encode(fields), NOON - 1))
    letters = [r for r in bench.delivery.records if r.topic == TOPICS.dead_letters]
    bench.process(erase(2))

    mended = recovered(bench)
    again = [headers_again(letter.headers, TOPICS.dead_letters, ANN, 0) for letter in letters]
    work = mended.apply(
        *(
            Read(offset, letter.key, letter.value or b"", NOON + HOUR, headers)
            for offset, (letter, headers) in enumerate(zip(letters, again, strict=True), start=3)
        )
    )

    assert (len(letters), work.erased, work.applied, work.profiles) == (2, 2, 0, {})


def test_logs_and_metrics_name_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """An erasure leaves no trace of the customer where operators look."""
    bench = Bench()
    bench.process(lived(0, "1"), erase(1), lived(2, "2"))
    said = capsys.readouterr()
    labels = [str(sample.labels) for metric in bench.registry.collect() for sample in metric.samples]

    assert "ann" not in (said.out + said.err + "".join(labels)).replace("channel", "")
