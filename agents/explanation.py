"""Explanation: what was decided about a customer, in words that a CX person reads."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agents.case import Case
from agents.sentence import said_of
from schemas.decision import Candidate, DecisionEvent
from schemas.errors import InputError
from schemas.families.retention_offer import Driver
from schemas.nearest import nearest
from schemas.profile import Profile
from schemas.timestamp import SECOND, to_rfc3339
from schemas.trigger import TriggerEvent
from stream import identity, journey
from stream.churn.scorer import probability
from stream.engine import Engine
from stream.plays.context import FIRED
from stream.reasons import REASONS, reason_of
from stream.why_not import why_not


class Gate(msgspec.Struct, frozen=True):
    """A gate that did not hold.

    Attributes:
        gate: its code.
        said: what was the case.
        advice: what to do about it.
    """

    gate: str
    said: str
    advice: str


class Verdict(msgspec.Struct, frozen=True):
    """What became of one play.

    Attributes:
        play: the play's name.
        family: its family.
        reason: `fired`, or the code of what held it back.
        said: what that means; of a play that fired, what was done.
        advice: what to do about it, if anything.
        failed: the gates that did not hold, where there are any.
        trigger: id of the trigger, if it fired.
    """

    play: str
    family: str
    reason: str
    said: str
    advice: str
    failed: tuple[Gate, ...] = ()
    trigger: str | None = None


class Told(msgspec.Struct, frozen=True):
    """A decision in words.

    Attributes:
        time: when it was decided, in RFC 3339.
        type: what happened; `timer.due` where something did not happen in time.
        touchpoint: id of the touchpoint, or of the timer.
        about: what it belongs to, where it says so.
        stage: 5A stage at that time.
        risk: churn risk at that time.
        playbook: version of the playbook that decided.
        model: version of the model that scored the risk.
        verdicts: what became of each play, in the playbook's order.
    """

    time: str
    type: str
    touchpoint: str
    about: str | None
    stage: str
    risk: float
    playbook: str
    model: str
    verdicts: tuple[Verdict, ...]


class Finding(msgspec.Struct, frozen=True):
    """One part of what a play needs, and whether it held.

    Attributes:
        part: `play`, `type`, `segment`, `condition`, `cause` or `gate`.
        holds: whether it held; None where that can't be said.
        said: what it is, and what was the case.
    """

    part: str
    holds: bool | None
    said: str


class Inquiry(msgspec.Struct, frozen=True):
    """Why a play did not fire at a touchpoint, or that it did.

    Attributes:
        play: the play's name.
        type: type of the touchpoint.
        touchpoint: its id.
        time: when it happened, in RFC 3339.
        exact: whether it was asked of the profile as it was then; else of that of now.
        findings: its parts, in the order in which they are asked, up to the first that did not hold.
    """

    play: str
    type: str
    touchpoint: str
    time: str
    exact: bool
    findings: tuple[Finding, ...]


class Outlook(msgspec.Struct, frozen=True):
    """The churn risk as the model in force says it now, whatever was said at the latest touchpoint.

    Attributes:
        risk: of not buying again within the horizon, 0 to 1.
        model: version of the model that says so.
        horizon_days: the horizon.
        average_risk: the risk of a customer who is average in everything; None where it can't be told.
        drivers: what makes the risk another one, the most telling first, in log odds.
        expected: what the customer may be expected to spend within the horizon, if not lost.
        value_at_risk: that × risk.
        currency: ISO 4217 code of these amounts.
    """

    risk: float
    model: str
    horizon_days: float
    average_risk: float | None
    drivers: tuple[Driver, ...]
    expected: float
    value_at_risk: float
    currency: str


class Explanation(msgspec.Struct, frozen=True):
    """All that is told of a customer.

    Attributes:
        customer: whose it is.
        standing: where the customer stands now; None where there is no profile.
        outlook: the churn risk, and what it comes of; None where there is no profile as of then.
        decisions: the latest decisions, oldest first.
        inquiry: of the play that was asked for, why it did not fire at the latest touchpoint.
    """

    customer: str
    standing: Standing | None
    outlook: Outlook | None
    decisions: tuple[Told, ...]
    inquiry: Inquiry | None


class Standing(msgspec.Struct, frozen=True):
    """Where a customer stands.

    Attributes:
        stage: 5A stage.
        since: when it was entered, in RFC 3339; None for one who has not come yet.
        dwell_s: seconds spent in each stage so far.
        risk: churn risk at the latest touchpoint.
        first_seen: time of the earliest touchpoint, in RFC 3339.
        last_seen: time of the latest one.
        touchpoints: how many there were.
        active_days: days with a purchase.
        spent: money spent.
        open_issues: types of what is not settled, oldest first.
        aliases: other ids of the customer.
    """

    stage: str
    since: str | None
    dwell_s: dict[str, float]
    risk: float
    first_seen: str
    last_seen: str
    touchpoints: int
    active_days: int
    spent: float
    open_issues: tuple[str, ...]
    aliases: tuple[str, ...]


def explain(case: Case, engine: Engine, play: str | None, at: int | None) -> Explanation:
    """What is known of a customer, in words.

    Args:
        case: what is known.
        engine: what says the risk, and is asked why a play did not fire.
        play: the play that is asked for.
        at: as of which time, in ms; None for now.

    Raises:
        InputError: there is no such play.
    """
    profile, now = case.profile, case.now if at is None else at
    return Explanation(
        case.customer,
        None if profile is None else standing_of(profile, now),
        # Of a profile that has gone on since, nobody knows any more what it was.
        None if profile is None or profile.last_seen > now else outlook_of(profile, engine, now),
        tuple(told_of(event, case.triggers) for event in case.decisions),
        None if play is None else _inquired(case, engine, play, at),
    )


def standing_of(profile: Profile, now: int) -> Standing:
    """Where a customer stands at a time, in ms."""
    return Standing(
        profile.stage,
        to_rfc3339(profile.stage_since) if profile.stage_since else None,
        {stage: lasted / SECOND for stage, lasted in journey.dwell(profile, now).items()},
        round(profile.risk, 6),
        to_rfc3339(profile.first_seen),
        to_rfc3339(profile.last_seen),
        profile.touchpoints,
        profile.active_days,
        profile.spent,
        tuple(issue.type for issue in profile.issues),
        profile.aliases,
    )


def outlook_of(profile: Profile, engine: Engine, now: int) -> Outlook:
    """The churn risk of a profile as at a time, in ms, and what it comes of."""
    outlook, risk = engine.outlook, engine.score(profile, now)
    average = outlook.average_log_odds()
    return Outlook(
        round(risk, 6),
        engine.model,
        outlook.horizon_days,
        None if average is None else round(probability(average), 6),
        outlook.drivers(profile, now),
        round(outlook.expected(profile, now), 2),
        outlook.value_at_risk(profile, now, risk),
        engine.playbook.currency,
    )


def told_of(event: DecisionEvent, triggers: Mapping[str, TriggerEvent]) -> Told:
    """A decision in words.

    Args:
        event: the decision.
        triggers: what fired, by id, as far as it is known.
    """
    data = event.data
    return Told(
        event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        data.touchpoint_type,
        event.causationid,
        event.correlationid or None,
        data.stage,
        data.risk,
        data.playbook,
        data.model,
        tuple(_verdict(candidate, event, triggers) for candidate in data.candidates),
    )


def _verdict(candidate: Candidate, event: DecisionEvent, triggers: Mapping[str, TriggerEvent]) -> Verdict:
    code = candidate.reason
    said, advice = reason_of(code)
    if candidate.family == identity.FAMILY:
        said = f"{said} The other id is {event.correlationid}."
    fired = triggers.get(candidate.trigger or "")
    if code == FIRED and fired is not None:
        said = said_of(fired)
    gates = tuple(_gate(gate) for gate in candidate.failed if gate != code)
    return Verdict(candidate.play, candidate.family, code, said, advice, gates, candidate.trigger)


def _gate(code: str) -> Gate:
    """A gate in words; what is none is the name of a budget, of a cap or the like."""
    said, advice = REASONS.get(code) or (f"It is about `{code}`.", "")
    return Gate(code, said, advice)


def _inquired(case: Case, engine: Engine, name: str, at: int | None) -> Inquiry | None:
    plays = {play.play: play for play in engine.playbook.plays}
    if name not in plays:
        hint = f"{nearest(name, plays)}; name yours by --playbook"
        raise InputError(f"playbook {engine.playbook_version} has no play `{name}`{hint}")
    if not case.steps:
        return None
    latest = case.steps[-1]
    if at is None:
        # Of the touchpoints that the play looks at; where it looks at none of them, that is the answer.
        looked_at = (one for one in reversed(case.steps) if engine.looks_at(name, one.touchpoint.type))
        latest = next(looked_at, latest)
    findings = why_not(
        engine, plays[name], latest.before, latest.touchpoint, latest.now, again=not case.exact
    )
    return Inquiry(
        name,
        latest.touchpoint.type,
        latest.touchpoint.id,
        to_rfc3339(latest.touchpoint.time),
        case.exact,
        tuple(Finding(each.part, each.holds, each.said) for each in findings),
    )
