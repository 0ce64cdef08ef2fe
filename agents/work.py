"""Work: what a run of records comes to, until it is published, committed and counted."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.batches import Record
from agents.metrics import Metrics, count_all
from schemas import mark, profile
from schemas.ingestion import Ingestion
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream import identity
from stream.arbitration import budget
from stream.arbitration.consent import VIOLATION
from stream.arbitration.lifecycle import NOBODY, OUTCOMES, UNKNOWN
from stream.erasure import is_blank
from stream.outcome import Outcome
from stream.plays.context import FIRED
from stream.recoveries import CAME_BACK
from stream.timers import TIMER_DUE

NOT_ON_IT = "none"
"""Label of the stage of one who is not on the journey: before the first touchpoint, and once gone."""


@dataclass(slots=True)
class Work:
    """What a run of records comes to.

    Attributes:
        partition: of the touchpoint topic.
        run: the records; none where timers have fired.
        profiles: the profiles that changed, by customer; blank ones of who was erased and did not come back.
        forgotten: customers who were erased in this run.
        records: what is to be published, and is not yet.
        consumed: records by type.
        rejected: records by reason code.
        emitted: triggers by family.
        held: candidates held back, by family and reason.
        refused: those of them for which a budget had not enough left, by its name.
        fates: what became of triggers, by family and outcome.
        violations: triggers that would have gone out without consent.
        applied: touchpoints applied.
        duplicates: touchpoints seen before.
        replayed: records that a profile already stands beyond.
        late: touchpoints applied too late to act on.
        erased: touchpoints dropped, as their customer was erased after them.
        erasures: customers erased, each time that one was.
        rekeyed: records published once more under the right key.
        timers: timers fired, by play.
        transitions: changes of stage, by the stage before and the one after.
        lags: seconds from what happened to the record, of touchpoints applied.
        scores: churn risks scored.
        ingestion: when touchpoints came, where the run says anything new of it.
        outages: of ingestion, that were over with the run.
        seen: when others saw what cannot wait, in ms; None where they see it once it is committed.
    """

    partition: int
    run: Sequence[Any] = ()
    profiles: dict[str, Profile] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)
    consumed: dict[str, int] = field(default_factory=dict)
    rejected: Tally[tuple[str, ...]] = field(default_factory=Tally)
    emitted: Tally[tuple[str, ...]] = field(default_factory=Tally)
    held: Tally[tuple[str, ...]] = field(default_factory=Tally)
    refused: Tally[tuple[str, ...]] = field(default_factory=Tally)
    fates: Tally[tuple[str, ...]] = field(default_factory=Tally)
    violations: int = 0
    applied: int = 0
    duplicates: int = 0
    replayed: int = 0
    late: int = 0
    erased: int = 0
    erasures: int = 0
    rekeyed: int = 0
    timers: Tally[tuple[str, ...]] = field(default_factory=Tally)
    transitions: Tally[tuple[str, ...]] = field(default_factory=Tally)
    lags: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ingestion: Ingestion | None = None
    outages: int = 0
    seen: float | None = None

    def note(self, outcome: Outcome, event: Touchpoint, record: Any, published: list[Record]) -> None:
        """Keep what a touchpoint led to, and count it."""
        after = outcome.profile
        after.applied = {**after.applied, self.partition: record.offset}
        self.profiles[event.customer] = after
        self.records += published
        self.applied += 1
        if outcome.stage is not None:
            moved = outcome.stage.data
            self.transitions[moved.from_ or NOT_ON_IT, moved.to or NOT_ON_IT] += 1
        if outcome.erasure is not None:
            self.erasures += 1
            self.forgotten.add(event.customer)
            return
        self.late += outcome.late
        lag = record.timestamp - event.time
        self.lags.append(lag / 1000 if lag > 0 else 0.0)
        if not outcome.forwards:
            self.scores.append(outcome.profile.risk)
        if outcome.decisions:
            self.note_decided(outcome)

    def note_decided(self, outcome: Outcome) -> None:
        """Count what was decided."""
        for fired in outcome.triggers:
            self.emitted[fired.family,] += 1
        for decided in outcome.decisions:
            is_timed = decided.data.touchpoint_type == TIMER_DUE
            for candidate in decided.data.candidates:
                if is_timed:
                    self.timers[candidate.play,] += 1
                reason = candidate.reason
                if reason == UNKNOWN:
                    self.fates[NOBODY, candidate.failed[0]] += 1
                elif candidate.trigger is not None and (reason in OUTCOMES or reason == CAME_BACK):
                    self.fates[candidate.family, reason] += 1
                # Two ids that were joined are no trigger that was held back.
                # Nor is one whose budget is still being asked for.
                elif reason not in (FIRED, budget.ASKED) and candidate.family != identity.FAMILY:
                    if reason == budget.REASON and candidate.failed:
                        self.refused[candidate.failed[0],] += 1
                    self.held[candidate.family, reason] += 1
                    self.violations += reason == VIOLATION

    def count(self, metrics: Metrics) -> None:
        """Enter all of it into metrics."""
        for type_, number in self.consumed.items():
            metrics.consumed.labels(metrics.type_label(type_)).inc(number)
        count_all(metrics.rejected, self.rejected)
        count_all(metrics.dead_letters, self.rejected)
        count_all(metrics.transitions, self.transitions)
        metrics.applied.inc(self.applied)
        metrics.duplicate.inc(self.duplicates)
        metrics.replayed.inc(self.replayed)
        metrics.late.inc(self.late)
        metrics.erased.inc(self.erased)
        metrics.erasures.inc(self.erasures)
        metrics.rekeyed.inc(self.rekeyed)
        metrics.outages.inc(self.outages)
        now = time.time() * 1000 if self.seen is None else self.seen
        metrics.decision_latency.observe(max(now - record.timestamp, 0.0) / 1000 for record in self.run)
        metrics.event_lag.observe(self.lags)
        metrics.score.observe(self.scores)
        count_all(metrics.triggers, self.emitted)
        count_all(metrics.suppressed, self.held)
        count_all(metrics.budget_refused, self.refused)
        count_all(metrics.timers_fired, self.timers)
        count_all(metrics.outcomes, self.fates)
        metrics.violations.inc(self.violations)


def stored_of(profiles: Mapping[str, Profile], forgotten: Iterable[str]) -> dict[bytes, bytes | None]:
    """What the changelog is to hold: profiles, and of who was erased a tombstone and a mark."""
    stored: dict[bytes, bytes | None] = {
        customer.encode(): None if changed.erased >= 0 and is_blank(changed) else profile.encode(changed)
        for customer, changed in profiles.items()
    }
    for customer in sorted(forgotten):
        stored[mark.key_of(customer)] = mark.encode(profiles[customer])
    return stored
