"""Why not: which part of a play did not hold at a touchpoint, asked once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from schemas.catalogue import TouchpointType
from schemas.conditions.evaluation import ConditionError, Reference
from schemas.conditions.evaluation import Part as ConditionPart
from schemas.conditions.meaning import references_in, text_of
from schemas.errors import RejectedError
from schemas.families import Play
from schemas.families.recovery_offer import RecoveryOfferPlay
from schemas.families.retention_offer import RetentionOfferPlay
from schemas.families.room_key import RoomKeyPlay
from schemas.families.suppression import SuppressionPlay
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream import experience
from stream.engine import LATENESS, Engine
from stream.outcome import Outcome
from stream.plays.conditions import NEVER, Conditions
from stream.plays.context import FIRED, Context
from stream.reasons import reason_of


class Part(NamedTuple):
    """One part of what a play needs.

    Attributes:
        part: `type`, `segment`, `condition`, `cause` or `gate`.
        holds: whether it held; None where that can't be said.
        said: what it is, and what was the case.
    """

    part: str
    holds: bool | None
    said: str


def why_not(
    engine: Engine, play: Play, before: Profile | None, touchpoint: Touchpoint, now: int, *, again: bool
) -> list[Part]:
    """The parts of a play in the order in which they are asked, up to the first that did not hold.

    Args:
        engine: what decides; it has the play.
        play: the play.
        before: the profile that the touchpoint meets; None for one who is new.
        touchpoint: what happened.
        now: time of the decision, in ms.
        again: whether the profile knows of the touchpoint already, so that it has to pass for another one.
    """
    if not engine.looks_at(play.play, touchpoint.type):
        return [Part("type", holds=False, said=f"the play does not look at `{touchpoint.type}`")]
    parts = [Part("type", holds=True, said=f"the play looks at `{touchpoint.type}`")]
    if again:
        touchpoint = msgspec.structs.replace(touchpoint, id=f"{touchpoint.id}?")
    try:
        outcome = engine.step(before, touchpoint, now)
    except (RejectedError, msgspec.ValidationError) as error:
        return [*parts, Part("cause", holds=False, said=f"the touchpoint can't be used: {error}")]
    parts += _conditions(engine, play, outcome, touchpoint, now)
    if not all(part.holds for part in parts):
        return parts
    candidates = outcome.decision.data.candidates if outcome.decision is not None else ()
    mine = [candidate for candidate in candidates if candidate.play == play.play]
    if not mine:
        return [*parts, Part("cause", holds=False, said=_missing_cause(engine, play, outcome, touchpoint))]
    for candidate in mine:
        if candidate.reason == FIRED:
            parts.append(Part("gate", holds=True, said="all gates hold: it fires"))
        else:
            codes = candidate.failed or (candidate.reason,)
            parts += [Part("gate", holds=False, said=f"{code}: {reason_of(code).said}") for code in codes]
    return parts


def _conditions(
    engine: Engine, play: Play, outcome: Outcome, touchpoint: Touchpoint, now: int
) -> Iterator[Part]:
    """Each part of a play's condition, its segment first, with the values that it goes by."""
    playbook = engine.playbook
    conditions = Conditions(playbook)
    weight = experience.weight_of(touchpoint, playbook.catalogue.get(touchpoint.type, TouchpointType()))
    names = frozenset(each.play for each in playbook.plays)
    late = now - touchpoint.time > LATENESS
    context = Context(
        *(outcome.profile, touchpoint, now, late, weight, None, None),
        *(names, engine.playbook_version, engine.model, [], []),
    )
    for part in conditions.parts_of(play):
        segment = part.arguments[0] if isinstance(part, Reference) and part.name == "in_segment" else None
        text = text_of(part) if segment is None else f"segment `{segment}`: {playbook.segments[segment]}"
        asked = part if segment is None else conditions.part_of_segment(segment)
        known = dict.fromkeys(_known(conditions, one, context) for one in references_in(asked))
        holds = _answer(conditions, part, context)
        said = f"{text}  ({'; '.join(known)})" if known else text
        yield Part(
            "condition" if segment is None else "segment", holds if isinstance(holds, bool) else None, said
        )


def _known(conditions: Conditions, reference: Reference, context: Context) -> str:
    """What a name or function comes to, in words."""
    value = _answer(conditions, reference, context)
    if isinstance(value, ConditionError):
        return str(value)
    if value == NEVER:
        return f"{reference}: never"
    return f"{reference} is {round(value, 4) if isinstance(value, float) else value}"


def _answer(conditions: Conditions, part: ConditionPart, context: Context) -> Any:
    """What a part comes to, or the error that says why that can't be told."""
    try:
        return conditions.answer(part, context)
    except ConditionError as error:
        return error


def _missing_cause(engine: Engine, play: Play, outcome: Outcome, touchpoint: Touchpoint) -> str:
    """What a play would have needed that has a cause of its own besides the touchpoint's type."""
    said = "the play saw no cause in it"
    match play:
        case RecoveryOfferPlay():
            entry = engine.playbook.catalogue.get(touchpoint.type, TouchpointType())
            weight = experience.weight_of(touchpoint, entry)
            said = f"the moment weighs {weight:g}; the play waits for {-play.min_severity:g} or worse"
        case SuppressionPlay():
            said = "no issue was opened or closed by it"
        case RoomKeyPlay():
            said = "no live key of the guest's was to be taken back for it"
        case RetentionOfferPlay():
            said = _missing_risk(play, outcome.profile)
    return said


def _missing_risk(play: RetentionOfferPlay, profile: Profile) -> str:
    """What a retention play would have needed."""
    days, least = profile.active_days, play.min_active_days
    if days < least:
        return f"the customer bought on {days} days; the play is for those of {least} and more"
    if profile.risk < play.enter:
        return f"the risk is {profile.risk:.2f}; the play waits for {play.enter:.2f}"
    return f"the risk was answered before, and has not been below {play.leave:.2f} since"
