"""Engine: one touchpoint after another, from what happened to what is done about it."""

# ruff: noqa: SLF001 - a copy of an engine is one as well

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import msgspec

from schemas.budget import RESERVED
from schemas.catalogue import TouchpointType
from schemas.cloudevents import SOURCE, deterministic_id
from schemas.decision import Candidate, Decision, DecisionData
from schemas.erasure import TYPE as ERASE
from schemas.errors import InputError
from schemas.example import MAX_SEGMENTS
from schemas.ingestion import STEADY, Ingestion, Outage
from schemas.playbook import Playbook, load
from schemas.profile import Profile, copied, new_profile
from schemas.timer import Timer
from schemas.timestamp import HOUR
from schemas.touchpoint import Touchpoint
from stream import (
    duplicates,
    effects,
    erasure,
    experience,
    identity,
    journey,
    ledgers,
    recency,
    referrals,
    timers,
)
from stream.arbitration.arbiter import Arbiter
from stream.churn import labels, models, outages
from stream.churn.columns import Columns
from stream.churn.features import NAMES, features_of, values_of
from stream.churn.membership import Membership
from stream.churn.outlook import Outlook
from stream.churn.rescoring import risks_of
from stream.churn.scorer import Scorer, ordered
from stream.churn.signals import signals_of
from stream.desk import Desk
from stream.forward import Forward
from stream.messages import Messages
from stream.outcome import Outcome
from stream.plays.context import Context
from stream.plays.index import PlayIndex
from stream.plays.retention_offer import RetentionOfferRule

_PLAYS = Path(__file__).parent / "plays"

SHIPPED: dict[str, Path] = {
    name: _PLAYS / f"{name}.yaml" for name in ("hotel", "retail", "subscription", "b2b")
}
"""The playbooks that ship, by name."""

DEFAULT_PLAYBOOK = SHIPPED["hotel"]

LATENESS = HOUR
"""How old a touchpoint may be, in ms, for something still to be done about it. An app that was
offline for an hour still gets its moment; yesterday's arrival must not open a door."""

_UNKNOWN = TouchpointType()
_IDENTITY = TouchpointType()
_BUDGET = TouchpointType()
"""What the catalogue holds of types that are about identity, or a budget; told apart by being these."""


class Engine:
    """The pure core: no Kafka, no clock, no I/O, no state of its own that changes.

    Args:
        playbook: the journey map and the plays.
        scorer: what the churn risk is predicted with; the engine never lets it learn.
        model: the scorer's version, which every decision names.

    Attributes:
        index: the plays, ready to decide, and their conditions.
        outlook: what is known of a customer's churn risk beside its height.
    """

    def __init__(self, playbook: Playbook, scorer: Scorer, model: str) -> None:
        self.playbook = playbook
        self.playbook_version = playbook.version
        self.model = model
        self._catalogue = {
            **playbook.catalogue,
            **dict.fromkeys(identity.TYPES, _IDENTITY),
            **dict.fromkeys(ledgers.MESSAGES, _BUDGET),
        }
        self._tells_of_purchases = referrals.BOUGHT in playbook.catalogue
        self._plays = frozenset(play.play for play in playbook.plays)
        self._seen: Callable[[Profile, int], Any] = values_of
        self._risk_of: Callable[[Any], float] = ordered(scorer, NAMES)
        self.outlook = Outlook(scorer, features_of, playbook.currency)
        self._scorer, self._has_signals = scorer, False
        self._desk = Desk(playbook, model)
        self.ledgers = ledgers.Ledgers(playbook)
        self.index = PlayIndex(playbook)
        self._budgets = self.index.budgets
        self._holding = self.index.holding
        self._settle = Arbiter(playbook, self.index.budgets).settle
        self._asked = self.index.asked
        self._recording = self.index.recording
        self._message_of = Messages(playbook).message_of
        self._rule_of = self.index.rule_of
        self._gates = self.index.gates
        self._status_of = self.index.lifecycle.status_of
        self._hear = self.index.lifecycle.hear
        self._labels = self._new_labels()

    def scored_by(self, scorer: Scorer, model: str) -> Engine:
        """This engine, with risks by a scorer that learned from signals (stream/churn/signals.py).

        Args:
            scorer: what the churn risk is predicted with.
            model: its version.
        """
        other = copy(self)
        other.model = model
        other._seen = signals_of
        other._risk_of = scorer.predict
        other.outlook = Outlook(scorer, signals_of, self.playbook.currency)
        other._scorer, other._has_signals = scorer, True
        other._desk = Desk(self.playbook, model)
        other._labels = other._new_labels()
        return other

    def _new_labels(self) -> labels.Labels | None:
        churn = self.playbook.churn
        if churn is None:
            return None
        membership = Membership(self.playbook.segments)
        return labels.Labels(churn, self.model, self.score, membership, self.segments_of)

    def looks_at(self, play: str, type_: str) -> bool:
        """Whether a play looks at touchpoints of a type at all."""
        return any(rule.play.play == play for rule in self.index.rules_for(type_))

    @property
    def learns(self) -> bool:
        """Whether what comes of customers is learned, so that it matters when touchpoints came."""
        return self._labels is not None

    def step(
        self, profile: Profile | None, touchpoint: Touchpoint, now: int, ingestion: Ingestion = STEADY
    ) -> Outcome:
        """Fire the customer's timers that are due by now, then apply one touchpoint.

        The profile given is never changed, so a step that raises leaves it as it was. A timer is decided
        on as of the moment when it was due, so that the outcome is the same whether something else has
        fired it before or not. A duplicate does nothing at all: its time says nothing new.

        Args:
            profile: the customer's profile; None for one who is new.
            touchpoint: what happened.
            now: time of the decision in ms: the record's Kafka timestamp, or in a backfill
                the touchpoint's own time.
            ingestion: when touchpoints came in its partition, this one included.

        Raises:
            msgspec.ValidationError: the touchpoint's data lacks what its type needs.
            RejectedError: it links ids in a way that is not allowed, or is dangol's own to publish.
        """
        said = touchpoint.time
        entry = self._catalogue.get(touchpoint.type, _UNKNOWN)
        if entry is _BUDGET or touchpoint.customer.startswith(RESERVED):
            return self._account(profile, touchpoint, now, ingestion)
        if profile is not None and said <= profile.erased and touchpoint.type not in identity.MESSAGES:
            return Outcome(profile, erased=True)
        if touchpoint.type == ERASE:
            # Not deduplicated by its id: to erase twice does no harm, not to erase does.
            blank, proof, forwards = erasure.erase(profile, touchpoint, now)
            left = None
            if profile is not None and profile.stage_since:
                left = journey.change_of(blank, (profile.stage, profile.stage_since), touchpoint, now)
            return Outcome(blank, forwards=forwards, erasure=proof, stage=left)
        if said > now:
            # By a clock that is ahead: it must not outrank what the customer says in the meantime.
            touchpoint = msgspec.structs.replace(touchpoint, time=now)
        if (
            entry is _IDENTITY
            or touchpoint.moved is not None
            or (profile is not None and profile.moved_to is not None)
        ):
            return self._meet(profile, touchpoint, said, now, ingestion)
        digest = duplicates.digest_of(touchpoint)
        if profile is None:
            before = new_profile(touchpoint.customer)
        elif duplicates.is_duplicate(profile, digest, now):
            return Outcome(profile, duplicate=True)
        else:
            before = profile
        profile = copied(before)
        if said > now:
            profile.ahead = max(profile.ahead, said)
        duplicates.remember(profile, digest, now)
        outcome = self._applied(profile, touchpoint, entry, now, ingestion)
        if self._labels is not None:
            outcome.examples += self._labels.note(
                profile, touchpoint, now, ingestion.outages, late=outcome.late
            )
        if self._desk.is_open:
            outcome.service = self._desk.renew(before, profile, touchpoint, now)
        return outcome

    def _applied(
        self,
        profile: Profile,
        touchpoint: Touchpoint,
        entry: TouchpointType,
        now: int,
        ingestion: Ingestion,
    ) -> Outcome:
        """What comes of a touchpoint that has not been here before, on a profile that may be changed."""
        before: Outcome | None = None
        if profile.timers and profile.timers[0].due <= now:
            before = Outcome(profile)
            self._fire_due(before, now, 0, ingestion)
        recency.count(profile, touchpoint)
        opened = closed = None
        forwards: list[Forward] = []
        if entry.effect is not None:
            opened, closed = effects.apply(profile, touchpoint, entry.effect)
        if profile.referred_by is not None or entry.effect == "referral.followed":
            forwards = self._refer(profile, touchpoint, entry.effect, now)
        for recorder in self._recording.get(touchpoint.type, ()):
            recorder.note(profile, touchpoint)
        weight = entry.weight if entry.rating is None else experience.weight_of(touchpoint, entry)
        if weight:
            experience.record(profile, touchpoint, weight)
        stage, since = profile.stage, profile.stage_since
        journey.advance(profile, entry.stage, weight, touchpoint.time)
        change = None
        if profile.stage != stage or not since:
            change = journey.change_of(profile, (stage, since), touchpoint, now)
        profile.risk = self._risk_of(self._seen(profile, now))

        late = now - touchpoint.time > LATENESS
        context = Context(
            profile,
            touchpoint,
            now,
            late,
            weight,
            opened,
            closed,
            self._plays,
            self.playbook_version,
            self.model,
            [],
            [],
            gates=self._gates,
            message_of=self._message_of,
            outlook=self.outlook,
        )
        if (status := self._status_of(touchpoint.type)) is not None:
            self._hear(context, status)
            self._budgets.hear(context, status)
        for rule in self._asked(context):
            rule.decide(context)
        if context.proposals or profile.claims:
            self._settled(context)
        decisions = []
        if context.candidates:
            decisions.append(self._decision(profile, touchpoint, now, context.candidates))
        if before is not None:
            return Outcome(
                profile,
                before.triggers + context.triggers,
                before.decisions + decisions,
                late=late,
                stage=change,
                forwards=before.forwards + forwards + context.forwards,
                examples=before.examples,
            )
        forwards += context.forwards
        return Outcome(profile, context.triggers, decisions, late=late, stage=change, forwards=forwards)

    def score(self, profile: Profile, now: int) -> float:
        """The churn risk of a profile as at a time, in ms."""
        return self._risk_of(self._seen(profile, now))

    def segments_of(self, profile: Profile, now: int) -> tuple[str, ...]:
        """Those of the playbook's first `MAX_SEGMENTS` segments that a customer is in, as at a time, in ms.

        What happens at the time plays no part: the booking is the one that is on, or comes next.
        """
        if not self.playbook.segments:
            return ()
        nothing = Touchpoint("", SOURCE, timers.TIMER_DUE, profile.customer, now)
        return self.index.conditions.segments_of(self._context(profile, nothing, now), MAX_SEGMENTS)

    def scores(self, profiles: Iterable[Profile], now: int) -> list[float]:
        """As `score`, of many at once, to rounding."""
        risks: list[float] = risks_of(
            self._scorer, Columns(profiles), now, signals=self._has_signals
        ).tolist()
        return risks

    def _refer(self, profile: Profile, touchpoint: Touchpoint, effect: str | None, now: int) -> list[Forward]:
        """Note whose referral was followed; what is told to that customer of it, and of a first purchase."""
        told = []
        if effect == "referral.followed" and (by := referrals.follow(profile, touchpoint)) is not None:
            told.append(Forward(referrals.success(profile, by, now)))
        if self._tells_of_purchases and (bought := referrals.first_purchase(profile, now)) is not None:
            told.append(Forward(bought))
        return told

    def fire(self, profile: Profile, until: int, clock: int = 0, ingestion: Ingestion = STEADY) -> Outcome:
        """Fire a customer's timers that are due, without a touchpoint.

        Each is decided on as of the moment when it was due. What would have run out by `clock` before
        anyone could get it is held back as `stale`; but keys are taken away however late it is.

        Args:
            profile: the customer's profile, which is never changed.
            until: timers due at or before it fire, in ms.
            clock: what time it really is, in ms; 0 where that plays no part, as in a backfill.
            ingestion: when touchpoints came in the customer's partition, all of them until then.
        """
        outcome = Outcome(copied(profile))
        self._fire_due(outcome, until, clock, ingestion)
        if self._desk.is_open and outcome.decisions:
            decided = outcome.decisions[-1]
            fired = Touchpoint(decided.touchpoint, SOURCE, timers.TIMER_DUE, profile.customer, decided.time)
            outcome.service = self._desk.renew(profile, outcome.profile, fired, decided.time)
        return outcome

    def _fire_due(self, outcome: Outcome, until: int, clock: int, ingestion: Ingestion) -> None:
        """Fire all timers that are due on the outcome's profile."""
        known, gone = outages.known(ingestion, until)
        while (timer := timers.take_due(outcome.profile, until, known)) is not None:
            rule = self._rule_of(timer.name)
            if rule is None:
                if timer.name == labels.TIMER:
                    self._learn(outcome, timer, clock, gone)
                # Else set by a play that the playbook has no more.
                continue
            stand_in = timers.stand_in(timer, outcome.profile.customer)
            context = self._context(outcome.profile, stand_in, timer.due, clock)
            rule.expire(context, timer.key)
            self._settled(context)
            self._gather(outcome, context)

    def _learn(self, outcome: Outcome, timer: Timer, clock: int, gone: Sequence[Outage]) -> None:
        """Do what is due of what is learned about the customer, if the playbook still has it learned.

        Time alone makes a risk grow: whoever was looked at while nothing happened may be made an offer.
        """
        profile, due = outcome.profile, timer.due
        if self._labels is None:
            labels.forget(profile)
            return
        outcome.examples += self._labels.fire(profile, due, gone)
        if profile.looked == due:
            context = self._context(profile, timers.stand_in(timer, profile.customer), due, clock)
            for rule in self._asked(context):
                if isinstance(rule, RetentionOfferRule):
                    rule.decide(context)
            self._settled(context)
            self._gather(outcome, context)

    def _gather(self, outcome: Outcome, context: Context) -> None:
        """Add what was decided to an outcome."""
        outcome.triggers += context.triggers
        outcome.forwards += context.forwards
        if context.candidates:
            decided = self._decision(context.profile, context.touchpoint, context.now, context.candidates)
            outcome.decisions.append(decided)

    def _settled(self, context: Context) -> None:
        """Let the arbiter decide, and note which plays the customer has entered by that."""
        if context.proposals:
            self._settle(context)
        if context.profile.claims:
            self._budgets.sweep(context)
        for note in context.entered:
            note(context)

    def _context(self, profile: Profile, touchpoint: Touchpoint, now: int, clock: int = 0) -> Context:
        """What is decided in where nothing happened to the customer: a timer, or a ledger's answer."""
        return Context(
            profile,
            touchpoint,
            now,
            late=False,
            weight=0.0,
            opened=None,
            closed=None,
            plays=self._plays,
            playbook_version=self.playbook_version,
            model=self.model,
            triggers=[],
            candidates=[],
            clock=clock,
            gates=self._gates,
            message_of=self._message_of,
            outlook=self.outlook,
        )

    def _account(
        self, profile: Profile | None, touchpoint: Touchpoint, now: int, ingestion: Ingestion
    ) -> Outcome:
        """A step about a budget: of its ledger, or of a customer whom the ledger has answered."""
        if touchpoint.customer.startswith(RESERVED):
            known = new_profile(touchpoint.customer) if profile is None else profile
            after, answers = self.ledgers.hear(known, touchpoint, now)
            return Outcome(after, duplicate=after is known and not answers, forwards=answers)
        ledgers.check(touchpoint, ledgers.ANSWERS)
        if profile is None or erasure.is_blank(profile):
            # Whoever was erased has given back what was promised, and does not come to be known by it again.
            return Outcome(new_profile(touchpoint.customer) if profile is None else profile, duplicate=True)
        outcome = Outcome(copied(profile))
        meeting = identity.Meeting(outcome.profile, touchpoint, now)
        meeting.hold()
        outcome.forwards += meeting.forwards
        if meeting.taken is None:
            # It is for the customer whom this id is an alias of.
            return outcome
        self._fire_due(outcome, now, 0, ingestion)
        context = self._context(outcome.profile, touchpoint, now)
        held = self._budgets.answered(context)
        if held is not None:
            self._holding.resume(context, held, granted=touchpoint.type == ledgers.GRANT)
        self._settled(context)
        self._gather(outcome, context)
        if self._desk.is_open:
            outcome.service = self._desk.renew(profile, outcome.profile, touchpoint, now)
        return outcome

    def _meet(
        self, profile: Profile | None, touchpoint: Touchpoint, said: int, now: int, ingestion: Ingestion
    ) -> Outcome:
        """A step that concerns more than one id of a customer."""
        is_blank = profile is not None and erasure.is_blank(profile)
        if is_blank and profile is not None and touchpoint.type == identity.HANDOVER:
            # It was under way: whoever was erased has claimed nothing since.
            return Outcome(profile, erased=True)
        before = new_profile(touchpoint.customer) if profile is None else profile
        profile = copied(before)
        if said > now:
            profile.ahead = max(profile.ahead, said)
        standing = profile.stage, profile.stage_since
        meeting = identity.Meeting(profile, touchpoint, now)
        meeting.hold()
        if meeting.taken is not None:
            return self.step(profile, meeting.taken, now, ingestion)
        if is_blank and not meeting.forwards and erasure.is_blank(_unheard(profile)):
            # Whoever was erased does not come to be known again by what others still have to say.
            return Outcome(profile, duplicate=True)
        if meeting.merged:
            profile.risk = self._risk_of(self._seen(profile, now))
        change = journey.change_of(profile, standing, touchpoint, now)
        outcome = Outcome(profile, duplicate=meeting.repeated, forwards=meeting.forwards, stage=change)
        candidates: list[Candidate] = []
        if meeting.merged:
            context = self._context(profile, touchpoint, now)
            for rule in self.index.joining:
                rule.join(context, meeting.surplus)
            # What waited here may be more than can be held: `_settled` sweeps that as well.
            self._settled(context)
            outcome.triggers, candidates = context.triggers, context.candidates
            outcome.forwards += context.forwards
        if self._desk.is_open:
            outcome.service = self._desk.renew(before, profile, touchpoint, now, anyway=meeting.merged)
        if meeting.reason is not None:
            # The record that two ids were joined or parted names the other one.
            about = msgspec.structs.replace(touchpoint, correlation=meeting.other)
            candidates = [Candidate(identity.FAMILY, identity.FAMILY, meeting.reason), *candidates]
            outcome.decisions = [self._decision(profile, about, now, candidates)]
        return outcome

    def _decision(
        self, profile: Profile, touchpoint: Touchpoint, now: int, candidates: Sequence[Candidate]
    ) -> Decision:
        return Decision(
            deterministic_id(profile.customer, touchpoint.source, touchpoint.id),
            profile.customer,
            now,
            touchpoint.id,
            DecisionData(
                touchpoint.type,
                tuple(candidates),
                profile.stage,
                round(profile.risk, 6),
                self.model,
                self.playbook_version,
            ),
            touchpoint.correlation,
        )


def _unheard(profile: Profile) -> Profile:
    """The profile as if other ids had said nothing."""
    return msgspec.structs.replace(profile, heard={}, ahead=0)


def load_engine(playbook: Path | None = None, model: str | None = None) -> Engine:
    """The engine with a playbook and a model; by default those that ship.

    Raises:
        InputError: the playbook or the model can't be used.

    >>> from schemas.touchpoint import Touchpoint
    >>> anger = Touchpoint("1", "/desk", "complaint.opened", "ann", 1773480600000)
    >>> [trigger.family for trigger in load_engine().step(None, anger, anger.time).triggers]
    ['recovery-offer', 'suppression']
    """
    path = playbook or DEFAULT_PLAYBOOK
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the playbook can't be read: {error}") from None
    version = model or models.DEFAULT
    return Engine(load(text, str(path)), models.load(version), version)
