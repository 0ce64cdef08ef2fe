"""Ledger: what must stand on the topics after a run, what stands there, and how they differ.

What must stand there follows from the touchpoint topic as it is in the end, partition by partition
and offset by offset, taken through the engine without a broker. So whatever the producer of the
touchpoints did twice or out of order is part of the question, not of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from agents.partitioner import partition_of
from agents.touchpoints import MAX_HEADER_BYTES, REKEYED
from schemas import decision, touchpoint, trigger
from schemas import profile as profiles
from schemas.deadletter import origin_of
from schemas.errors import RejectedError
from schemas.profile import Profile
from schemas.topics import Topics
from stream.engine import Engine
from stream.replay import profile_line
from tests.cluster import Sent, read_all, read_profiles

SHOWN = 5
"""Cases of each kind that a message shows; one is most often enough."""

WIDEST = 1500
"""Characters of a case that a message shows: two decisions side by side."""

Place = tuple[int, int]
"""Partition and offset of a touchpoint."""

Output = tuple[str, bytes]
"""Id and bytes of a trigger or a decision."""


class Expected:
    """What must become of touchpoint records.

    Args:
        engine: what decides.
        records: everything on the touchpoint topic, in order within each partition.
        partitions: how many there are.
        clock: what `now` is.

    Attributes:
        profiles: the last profile of each customer, without where it was read.
        triggers: the id and the bytes of each trigger.
        decisions: the id and the bytes of each decision. A broken producer may use an id again for another
            touchpoint, so that one id has two of them.
        rejected: the code of each dead letter, by where its record stands.
        rekeyed: records that had to be published once more under the right key, by what they are.
        copies: records that were, by what they are.
        forwarded: touchpoints that the engine sends to other customers, by partition and value.
        counted: a customer's touchpoints after each applied one, by where it stands.
        applied: touchpoints applied.
        late: those among them that were too late to act on.
        duplicates: touchpoints seen before.
        erased: touchpoints dropped, as their customer was erased after them.
    """

    def __init__(
        self,
        engine: Engine,
        records: Iterable[Any],
        partitions: int,
        clock: Literal["event", "record"] = "event",
    ) -> None:
        self._step = engine.step
        self._clock = clock
        self._profiles: dict[str, Profile] = {}
        self._partitions = partitions
        self.triggers: Counter[Output] = Counter()
        self.decisions: Counter[Output] = Counter()
        self.rejected: dict[Place, str] = {}
        self.rekeyed: Counter[tuple[int, bytes]] = Counter()
        self.copies: Counter[tuple[int, bytes]] = Counter()
        self.counted: dict[Place, tuple[str, int]] = {}
        self.forwarded: list[tuple[int, bytes]] = []
        self.applied = self.late = self.duplicates = self.erased = 0
        for record in records:
            self._enter(record)
        self.profiles = {customer: profile_line(p) for customer, p in self._profiles.items()}

    @property
    def touchpoints(self) -> dict[str, int]:
        """Touchpoints applied, by customer."""
        return {customer: profile.touchpoints for customer, profile in self._profiles.items()}

    def _enter(self, record: Any) -> None:
        if any(name == REKEYED and value.isdigit() for name, value in record.headers):
            self.copies[record.partition, record.value] += 1
        place = record.partition, record.offset
        timestamp = record.timestamp if record.timestamp >= 0 else None
        try:
            event = touchpoint.decode(record.value, record.headers, timestamp)
            customer = event.customer.encode()
            belongs = partition_of(customer, self._partitions)
            if record.key != customer or belongs != record.partition:
                if sum(len(name) + len(value or b"") for name, value in record.headers) > MAX_HEADER_BYTES:
                    raise RejectedError("headers-too-large", "")
                self.rekeyed[belongs, record.value] += 1
                return
            now = event.time if self._clock == "event" or timestamp is None else timestamp
            outcome = self._step(self._profiles.get(event.customer), event, now)
        except RejectedError as reject:
            self.rejected[place] = reject.code
            return
        except msgspec.ValidationError:
            self.rejected[place] = "data-invalid"
            return
        except Exception:  # noqa: BLE001 - as the worker does: a fault of the engine costs one record
            self.rejected[place] = "engine-error"
            return
        if outcome.duplicate or outcome.erased:
            self.duplicates += outcome.duplicate
            self.erased += outcome.erased
            return
        self._profiles[event.customer] = outcome.profile
        self.applied += 1
        self.late += outcome.late
        self.counted[place] = event.customer, outcome.profile.touchpoints
        for forward in outcome.forwards:
            key = forward.touchpoint.customer.encode()
            self.forwarded.append(
                (partition_of(key, self._partitions), touchpoint.encode(forward.touchpoint))
            )
        for fired in outcome.triggers:
            self.triggers[fired.id, trigger.encode(fired)] += 1
        for decided in outcome.decisions:
            self.decisions[decided.id, decision.encode(decided)] += 1


class Found:
    """What stands on the topics.

    Attributes:
        touchpoints: every record of the touchpoint topic.
        stored: every record of the profiles topic.
        triggers: every trigger.
        decisions: every decision.
        letters: every dead letter.
    """

    def __init__(self, bootstrap: str, topics: Topics) -> None:
        self.touchpoints = read_all(bootstrap, topics.touchpoints)
        self.stored = read_profiles(bootstrap, topics)
        self.triggers = read_all(bootstrap, *topics.triggers)
        self.decisions = read_all(bootstrap, topics.decisions)
        self.letters = read_all(bootstrap, topics.dead_letters)


class Comparison:
    """What is expected against what was found.

    Args:
        published: what the driver published, in whatever order.
        expected: what must stand there.
        found: what does.

    Attributes:
        lost: touchpoints that are missing in profiles, copies of records included.
        doubled: touchpoints that are in profiles once too often.
        differing: customers whose last profile has other bytes.
        missing: ids of triggers and decisions that should be there.
        unexpected: triggers and decisions that should not be there, or have other bytes than they should.
        letters_missing: dead letters that should be there.
        letters_unexpected: dead letters that should not, or with another code.
        repeated: triggers that stand there once more, with an id that was there before.
        stale: profiles written behind a newer one of the same customer.
        unpublished: what was published and does not stand on the touchpoint topic.
    """

    def __init__(self, published: Iterable[Sent], expected: Expected, found: Found) -> None:
        last: dict[str, Profile] = {}
        self.stale: list[str] = []
        self.first_wrong: list[str] = []
        for record in found.stored:
            profile = profiles.decode(record.value)
            before = last.get(profile.customer)
            last[profile.customer] = profile
            self._follow(record, before, profile, expected)
        wanted = expected.touchpoints
        counts = {customer: profile.touchpoints for customer, profile in last.items()}
        customers = sorted({*wanted, *counts})
        differences = {c: counts.get(c, 0) - wanted.get(c, 0) for c in customers}
        self.lost = -sum(min(n, 0) for n in differences.values())
        self.doubled = sum(max(n, 0) for n in differences.values())
        lines = {customer: profile_line(profile) for customer, profile in last.items()}
        self.differing = [
            f"{c}: {counts.get(c, 0)} touchpoints instead of {wanted.get(c, 0)}, read at "
            f"{last[c].applied if c in last else 'nowhere'}"
            for c in customers
            if lines.get(c) != expected.profiles.get(c)
        ]
        placed = {(record.partition, record.value) for record in found.touchpoints}
        unsent = [*(expected.rekeyed - expected.copies).elements()]
        unsent += [sent for sent in expected.forwarded if sent not in placed]
        self.lost += len(unsent)
        self.differing += [f"not published under its other key: {value[:200]!r}" for _, value in unsent]
        outputs = [*found.triggers, *found.decisions]
        wanted_outputs = expected.triggers + expected.decisions
        self.missing = sorted(id_ for id_, _ in wanted_outputs - Counter(map(_output, outputs)))
        self.unexpected = [
            _told(record, wanted_outputs) for record in outputs if _output(record) not in wanted_outputs
        ]
        delivered = Counter(map(_output, found.triggers))
        self.repeated = sum(
            max(count - expected.triggers[output], 0)
            for output, count in delivered.items()
            if output in expected.triggers
        )
        letters = {_letter(record) for record in found.letters}
        self.letters_missing = sorted(set(expected.rejected.items()) - letters)
        self.letters_unexpected = sorted(letters - set(expected.rejected.items()))
        standing = Counter((record.key, record.value) for record in found.touchpoints)
        self.unpublished = (Counter((key, value) for key, value, _ in published) - standing).total()

    @property
    def holds(self) -> bool:
        """Whether all is as it must be; what was delivered twice under the same id is no fault."""
        return not any(
            (
                *(self.lost, self.doubled, self.differing, self.missing, self.unexpected),
                *(self.letters_missing, self.letters_unexpected, self.unpublished),
            )
        )

    def __str__(self) -> str:
        told = (
            f"lost {self.lost}, double {self.doubled}, profiles that differ {len(self.differing)}, "
            f"ids missing {len(self.missing)}, unexpected {len(self.unexpected)}, "
            f"dead letters missing {len(self.letters_missing)}, unexpected {len(self.letters_unexpected)}, "
            f"never published {self.unpublished}, stale writes {len(self.stale)}"
        )
        lines = [told]
        shown: tuple[tuple[str, list[Any]], ...] = (
            ("differs", self.differing),
            ("first wrong write", self.first_wrong),
            ("stale write", self.stale),
            ("missing id", self.missing),
            ("unexpected", self.unexpected),
            ("dead letter missing", self.letters_missing),
            ("dead letter unexpected", self.letters_unexpected),
        )
        for what, cases in shown:
            lines += [f"  {what}: {str(case)[:WIDEST]}" for case in cases[:SHOWN]]
        return "\n".join(lines)

    def _follow(self, record: Any, before: Profile | None, profile: Profile, expected: Expected) -> None:
        """Note a write that is older than the one before it, and each customer's first wrong one."""
        partition = record.partition
        stands = profile.applied.get(partition, -1)
        where = f"{profile.customer}: profiles {partition}@{record.offset}, read at {stands}"
        if before is not None and before.applied.get(partition, -1) > stands:
            self.stale.append(f"{where} behind {before.applied[partition]}")
        customer, count = expected.counted.get((partition, stands), ("nobody", 0))
        if (customer, count) != (profile.customer, profile.touchpoints) and not any(
            line.startswith(f"{profile.customer}:") for line in self.first_wrong
        ):
            self.first_wrong.append(
                f"{where}, at {record.timestamp}: {profile.touchpoints} touchpoints instead of {count}"
            )


def _output(record: Any) -> Output:
    return msgspec.json.decode(record.value)["id"], record.value


def _told(record: Any, wanted: Iterable[Output]) -> str:
    id_, value = _output(record)
    right = [each for known, each in wanted if known == id_]
    place = f"{record.topic} {record.partition}@{record.offset}, at {record.timestamp}"
    return f"{place}: {value!r} instead of {right}"


def _letter(record: Any) -> tuple[Place, str]:
    reason = origin_of(record.headers)
    assert reason is not None, f"a dead letter without a reason at {record.partition}@{record.offset}"
    return (reason.origin.partition, reason.origin.offset), reason.code
