"""Engine: one touchpoint after another, from what happened to what is done about it."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.decision import Decision, DecisionData
from schemas.errors import InputError
from schemas.playbook import Playbook, TouchpointType, load
from schemas.profile import Profile, new_profile
from schemas.timestamp import HOUR
from schemas.touchpoint import Touchpoint
from schemas.trigger import Trigger
from stream import duplicates, experience, issues, journey, permissions, recency, stays
from stream.churn import models
from stream.churn.features import features_of
from stream.churn.scorer import Scorer
from stream.forward import Forward
from stream.plays.context import Context
from stream.plays.index import PlayIndex

DEFAULT_PLAYBOOK = Path(__file__).parent / "plays" / "hotel.yaml"

LATENESS = HOUR
"""How old a touchpoint may be, in ms, for something still to be done about it. An app that was
offline for an hour still gets its moment; yesterday's arrival must not open a door."""

_UNKNOWN = TouchpointType()


class Outcome(msgspec.Struct, gc=False):
    """What a touchpoint led to.

    Attributes:
        profile: the profile afterwards; the very same one as before for a duplicate.
        triggers: what is to be done, in order.
        decision: every candidate with its reason; None where there was none.
        duplicate: whether the touchpoint was seen before and nothing was done.
        late: whether it was too old for anything to be done about it.
        forwards: touchpoints for other customers, in order.
    """

    profile: Profile
    triggers: list[Trigger] = []
    decision: Decision | None = None
    duplicate: bool = False
    late: bool = False
    forwards: list[Forward] = []


class Engine:
    """The pure core: no Kafka, no clock, no I/O, no state of its own that changes.

    Args:
        playbook: the journey map and the plays.
        scorer: what the churn risk is predicted with; the engine never lets it learn.
        model: the scorer's version, which every decision names.
    """

    def __init__(self, playbook: Playbook, scorer: Scorer, model: str) -> None:
        self.playbook = playbook
        self.playbook_version = playbook.version
        self.model = model
        self._catalogue = playbook.catalogue
        self._plays = frozenset(play.play for play in playbook.plays)
        self._predict = scorer.predict
        self._rules_for = PlayIndex(playbook).rules_for

    def step(self, profile: Profile | None, touchpoint: Touchpoint, now: int) -> Outcome:
        """Apply one touchpoint.

        The profile given is never changed, so a step that raises leaves it as it was.

        Args:
            profile: the customer's profile; None for one who is new.
            touchpoint: what happened.
            now: time of the decision in ms: the record's Kafka timestamp, or in a backfill
                the touchpoint's own time.

        Raises:
            msgspec.ValidationError: the touchpoint's data lacks what its type needs.
        """
        if touchpoint.time > now:
            # By a clock that is ahead: it must not outrank what the customer says in the meantime.
            touchpoint = msgspec.structs.replace(touchpoint, time=now)
        digest = duplicates.digest_of(touchpoint)
        if profile is None:
            profile = new_profile(touchpoint.customer)
        elif duplicates.is_duplicate(profile, digest, now):
            return Outcome(profile, duplicate=True)
        profile = copy(profile)
        duplicates.remember(profile, digest, now)
        entry = self._catalogue.get(touchpoint.type, _UNKNOWN)
        recency.count(profile, touchpoint)
        opened = closed = None
        if entry.effect is not None:
            opened, closed = _apply(profile, touchpoint, entry.effect)
        weight = experience.weight_of(touchpoint, entry)
        if weight:
            experience.record(profile, touchpoint, weight)
        journey.advance(profile, entry.stage, weight, touchpoint.time)
        profile.risk = self._predict(features_of(profile, now))

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
        )
        for rule in self._rules_for(touchpoint.type):
            rule.decide(context)
        decision = self._decision(context) if context.candidates else None
        return Outcome(profile, context.triggers, decision, late=late)

    def _decision(self, context: Context) -> Decision:
        profile, touchpoint = context.profile, context.touchpoint
        return Decision(
            deterministic_id(profile.customer, touchpoint.source, touchpoint.id),
            profile.customer,
            context.now,
            touchpoint.id,
            DecisionData(
                touchpoint.type,
                tuple(context.candidates),
                profile.stage,
                round(profile.risk, 6),
                self.model,
                self.playbook_version,
            ),
            touchpoint.correlation,
        )


def _apply(profile: Profile, touchpoint: Touchpoint, effect: str) -> tuple[str | None, str | None]:
    """What a touchpoint does to the profile; the issue that it opened, and the one that it closed."""
    match effect:
        case "activity":
            recency.count_activity(profile, touchpoint)
        case "booking.confirmed":
            # A change of a booking is no further purchase.
            if stays.confirm(profile, touchpoint):
                recency.count_activity(profile, touchpoint)
        case "booking.cancelled":
            stays.set_status(profile, touchpoint, "cancelled")
        case "stay.checked-in":
            stays.set_status(profile, touchpoint, "in-house")
        case "stay.checked-out":
            stays.set_status(profile, touchpoint, "checked-out")
        case "issue.opened":
            return issues.open_issue(profile, touchpoint), None
        case "issue.closed":
            return None, issues.close_issue(profile, touchpoint)
        case "device.bound":
            permissions.bind_device(profile, touchpoint)
        case "consent.granted":
            permissions.grant(profile, touchpoint)
        case "consent.withdrawn":
            permissions.withdraw(profile, touchpoint)
    return None, None


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
