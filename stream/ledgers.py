"""Ledgers: how customers' steps and the ledgers of shared budgets talk to one another.

A budget that customers share is kept by one writer, as a profile of its own under a reserved key. A
customer's step asks it to *reserve*, it answers *granted* or *refused*, and is told to *commit* or to
*release*. The messages are touchpoints that one step sends to another key (stream/forward.py): nobody
else may publish them, and no touchpoint of a customer's comes under a reserved key.

They are not numbered. Each names its reservation, and comes to the same however often it arrives.
"""

from __future__ import annotations

from copy import copy
from typing import Annotated

import msgspec

from schemas.budget import EVERYONE, RESERVED, budget_of, ledger_key
from schemas.cloudevents import SOURCE, deterministic_id
from schemas.errors import RejectedError
from schemas.ledger import Claim, Ledger
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timer import Timer
from schemas.touchpoint import Moved, Touchpoint
from stream import budgets, timers
from stream.budgets import GRANTED, REPEATED, SHARED, Terms
from stream.forward import Forward

RESERVE = "dangol.budget.reserve"
COMMIT = "dangol.budget.commit"
RELEASE = "dangol.budget.release"
GRANT = "dangol.budget.granted"
REFUSAL = "dangol.budget.refused"

REQUESTS = (RESERVE, COMMIT, RELEASE)
ANSWERS = (GRANT, REFUSAL)
MESSAGES = (*REQUESTS, *ANSWERS)
"""Touchpoint types by which customers' steps and ledgers talk; only dangol publishes them."""

TIMER = "budget"
"""Name of the timers at which promises run out; no play can have it, as theirs begin with a family."""

ReservationId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]
"""Sixteen hexadecimal digits."""

Whole = Annotated[int, msgspec.Meta(ge=0, le=10**16)]
"""Thousandths of the currency, or ms."""


class RequestData(msgspec.Struct, frozen=True):
    """What a customer's step says to a ledger.

    Attributes:
        reservation: which one.
        money: how much, in thousandths.
        time: when it was asked for, in ms: that decides the period.
        expires: from when on it is given back by itself, in ms.
    """

    reservation: ReservationId
    money: Whole
    time: Whole
    expires: Whole


class AnswerData(msgspec.Struct, frozen=True):
    """What a ledger says to a customer's step: which reservation, and why not where it is refused."""

    reservation: ReservationId
    because: str | None = None


def request(type_: str, customer: str, key: str, id_: str, claim: Claim, expires: int, now: int) -> Forward:
    """What a customer's step says to a ledger.

    Args:
        type_: one of `REQUESTS`.
        customer: whose step.
        key: the ledger's.
        id_: the reservation's.
        claim: what it is about.
        expires: from when on it is given back by itself, in ms.
        now: time of the step, in ms.
    """
    data: dict[str, object] = {
        "reservation": id_,
        "money": claim.amount,
        "time": claim.time,
        "expires": expires,
    }
    return _message(type_, customer, key, id_, data, now)


def check(touchpoint: Touchpoint, types: tuple[str, ...]) -> None:
    """Refuse what only dangol itself may publish.

    Args:
        touchpoint: what has come.
        types: what may come to its key.

    Raises:
        RejectedError: it is none of them, or does not come from another step.
    """
    moved = touchpoint.moved
    if touchpoint.type not in types:
        raise RejectedError(
            "key-reserved", f"ids that begin with `{RESERVED}` are dangol's own: use another as `subject`"
        )
    if moved is None or not moved.path or touchpoint.source != SOURCE:
        raise RejectedError("budget-foreign", f"`{touchpoint.type}` is for dangol itself to publish")


class Ledgers:
    """The shared budgets of a playbook.

    Args:
        playbook: whose.
    """

    def __init__(self, playbook: Playbook) -> None:
        self._terms: dict[str, Terms] = {}
        for name, budget in playbook.budgets.items():
            if budget.per == "programme":
                self._terms[ledger_key(name, EVERYONE)] = Terms(budget)
            elif budget.per == "property":
                for id_, place in playbook.properties.items():
                    self._terms[ledger_key(name, id_)] = Terms(budget, place.zone)

    def hear(self, profile: Profile, touchpoint: Touchpoint, now: int) -> tuple[Profile, list[Forward]]:
        """What comes of a request to a ledger: its profile, the same one if nothing does, and the answer.

        Raises:
            RejectedError: it is no request, or comes from elsewhere.
            msgspec.ValidationError: its data is not as a customer's step writes it.
        """
        check(touchpoint, REQUESTS)
        assert touchpoint.moved is not None
        said = msgspec.convert(touchpoint.data, RequestData)
        key = touchpoint.customer
        name, _ = budget_of(key)
        terms = self._terms.get(key)
        known = profile.ledgers.get(name, Ledger())
        ledger, id_ = budgets.expire(known, now), said.reservation
        answers: list[Forward] = []
        if touchpoint.type == RELEASE:
            ledger = budgets.release(ledger, id_, SHARED)
        elif touchpoint.type == COMMIT:
            ledger = budgets.commit(ledger, id_, said.money, said.time, terms, SHARED)[0]
        else:
            verdict = budgets.OVER if said.expires <= now else budgets.GONE
            if terms is not None and said.expires > now:
                ledger, verdict = budgets.reserve(
                    ledger, id_, said.money, said.time, said.expires, terms, SHARED
                )
            if verdict != REPEATED:
                type_ = GRANT if verdict == GRANTED else REFUSAL
                data: dict[str, object] = {"reservation": id_}
                if type_ == REFUSAL:
                    data["because"] = verdict
                answers.append(_message(type_, key, touchpoint.moved.path[-1], id_, data, now))
        if ledger is known and not answers:
            return profile, answers
        profile = copy(profile)
        if ledger is not known:
            put(profile, name, ledger, touchpoint.id)
        return profile, answers

    @property
    def keys(self) -> tuple[str, ...]:
        """The ledgers' keys."""
        return tuple(self._terms)

    def remaining(self, profile: Profile, now: int) -> tuple[str, str, float]:
        """Of a ledger's profile the budget, its scope and what is left, 0 to 1."""
        terms = self._terms[profile.customer]
        name, scope = budget_of(profile.customer)
        left = budgets.remaining(profile.ledgers.get(name), now, terms)
        return name, scope, left / terms.amount if terms.amount else 0.0


def put(profile: Profile, name: str, ledger: Ledger, touchpoint: str) -> None:
    """Keep an account, and set the timer to when the first of its promises runs out."""
    profile.ledgers = {**profile.ledgers, name: ledger}
    due = budgets.next_expiry(ledger)
    if due is None:
        timers.cancel(profile, TIMER, name)
    else:
        timers.put(profile, Timer(due, TIMER, name, touchpoint))


def expire(profile: Profile, name: str, now: int, touchpoint: str) -> None:
    """Give back what has run out by now (ms)."""
    ledger = profile.ledgers.get(name)
    if ledger is not None:
        put(profile, name, budgets.expire(ledger, now), touchpoint)


def _message(type_: str, sender: str, to: str, id_: str, data: dict[str, object], now: int) -> Forward:
    message = deterministic_id(type_, sender, to, id_)
    # Number 0: not looked at. A ledger would have to keep the last one of every customer.
    moved = Moved((sender,), 0)
    return Forward(Touchpoint(message, SOURCE, type_, to, now, data, moved=moved))
