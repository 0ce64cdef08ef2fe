"""Budget: what an offer is worth is taken from the play's budgets, or the offer is not made.

A budget of the customer's own is asked at once. One that customers share is asked by a message to its
ledger (stream/ledgers.py); until that has answered the proposal is held, and every step decides on it once
more then. What a trigger has promised is committed when it is accepted, and given back when it is declined,
ignored, revoked or not made after all; if nobody says what became of it, it runs out in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from schemas.budget import EVERYONE, budget_of, chain_of, ledger_key, thousandths
from schemas.families.recovery_offer import RecoveryOffer
from schemas.ledger import MAX_CLAIMS, Claim, Ledger
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR
from stream import budgets, ledgers, stays
from stream.arbitration import holding, lifecycle
from stream.arbitration.critical import is_critical
from stream.budgets import GRANTED, OWN, Terms
from stream.forward import Forward
from stream.plays.context import Context, Deferral, Proposal, Refusal

REASON = "budget"

ASKED = "budget-asked"
"""Reason code of what waits for the ledger of a shared budget."""

CLAIMS = "claims"
"""What failed where as much is promised to the customer as can be kept in mind."""

UNANSWERED = "unanswered"
"""What failed where a ledger did not answer in time."""

GRACE = HOUR
"""How much longer a promise is kept than it may be taken up, in ms: the word that it was may come late."""

LOST = 365 * DAY
"""After how long without an answer none will come, in ms. An answer is as certain as any touchpoint; in a
backfill months of a customer's life may pass before it is there, though it was given at once."""


class Budgets:
    """What the plays of a playbook may spend.

    Args:
        playbook: whose.

    Attributes:
        timer: name of the timers at which promises run out.
    """

    def __init__(self, playbook: Playbook) -> None:
        self.timer = ledgers.TIMER
        self._budgets = playbook.budgets
        self._properties = playbook.properties
        self._of_play = {
            play.play: chain_of(play.budget, playbook.budgets)
            for play in playbook.plays
            if play.budget is not None
        }
        self._own_terms = {
            name: Terms(budget) for name, budget in playbook.budgets.items() if budget.per == "customer"
        }

    def check(self, context: Context, proposal: Proposal) -> Proposal | Refusal | Deferral | None:
        """Let through what there is money for; let wait what a ledger has to be asked for.

        A person who calls does so all the same, but has nothing to give.
        """
        names = self._of_play.get(proposal.play.play)
        if names is None:
            return None
        amount = getattr(proposal.content, "amount", None)
        if not amount:
            return None
        profile, id_ = context.profile, reservation_of(context, proposal)
        claim = profile.claims.get(id_)
        if claim is None:
            verdict = self._claim(context, proposal, names, id_, thousandths(amount))
        elif claim.refused:
            verdict = claim.refused
        else:
            verdict = UNANSWERED if claim.waiting else None
        if isinstance(verdict, str):
            self._give_back(context, id_)
            return _unfunded(proposal) or Refusal(REASON, (verdict,))
        return verdict

    def fired(self, context: Context, proposal: Proposal, trigger: str) -> None:
        """Note which trigger promises what was reserved for a proposal."""
        profile = context.profile
        # What has waited may be of a play that had a budget when it was proposed.
        if profile.claims and (proposal.held is not None or proposal.play.play in self._of_play):
            id_ = reservation_of(context, proposal)
            claim = profile.claims.get(id_)
            if claim is not None:
                said = msgspec.structs.replace(claim, trigger=trigger)
                profile.claims = {**profile.claims, id_: said}

    def answered(self, context: Context) -> str | None:
        """Take a ledger's answer; id of what is held and may be decided on now, if there is any.

        A promise that nobody waits for any more is given back.
        """
        touchpoint, profile = context.touchpoint, context.profile
        said = msgspec.convert(touchpoint.data, ledgers.AnswerData)
        assert touchpoint.moved is not None
        key, id_ = touchpoint.moved.path[0], said.reservation
        claim = profile.claims.get(id_)
        if claim is None:
            if touchpoint.type == ledgers.GRANT:
                nothing = Claim(0, touchpoint.time, touchpoint.time)
                self._tell(context, ledgers.RELEASE, key, id_, nothing)
            return None
        if key not in claim.waiting:
            return None
        waiting = tuple(each for each in claim.waiting if each != key)
        if touchpoint.type == ledgers.REFUSAL:
            shared = tuple(each for each in claim.shared if each != key)
            name, _ = budget_of(key)
            claim = msgspec.structs.replace(claim, shared=shared, waiting=(), refused=name)
        else:
            claim = msgspec.structs.replace(claim, waiting=waiting)
        profile.claims = {**profile.claims, id_: claim}
        return None if claim.waiting else next((h.id for h in profile.held if h.id.startswith(id_)), None)

    def hear(self, context: Context, status: str) -> None:
        """Commit or give back what a trigger has promised, by what the touchpoint says became of it.

        The first answer holds: a service that has spent the money can't be told otherwise.
        """
        if status == lifecycle.DELIVERED or not context.profile.claims:
            return
        trigger = lifecycle.trigger_of(context.touchpoint)
        for id_, claim in context.profile.claims.items():
            if claim.trigger == trigger:
                if status == lifecycle.ACCEPTED:
                    self._commit(context, id_, claim)
                else:
                    self._give_back(context, id_)
                return

    def sweep(self, context: Context) -> None:
        """Give back what was reserved for a trigger that is revoked, or was not made after all."""
        profile = context.profile
        if not profile.claims:
            return
        held = {each.id[:ID] for each in profile.held}
        revoked = {each.id for each in profile.issued if each.status == lifecycle.REVOKED}
        for id_, claim in profile.claims.items():
            if claim.trigger in revoked or (not claim.trigger and id_ not in held):
                self._give_back(context, id_)

    def expire(self, context: Context, key: str) -> None:
        """Give back what has run out in an account of this profile, a customer's or a shared one."""
        ledgers.expire(context.profile, key, context.now, context.touchpoint.id)

    def _claim(
        self, context: Context, proposal: Proposal, names: tuple[str, ...], id_: str, amount: int
    ) -> str | Deferral | None:
        """Reserve; the budget that has not enough left, or what is to be waited for."""
        profile, now, time = context.profile, context.now, context.touchpoint.time
        _forget(profile, now)
        if len(profile.claims) >= MAX_CLAIMS:
            return CLAIMS
        expires = now + proposal.valid_for
        own: list[str] = []
        shared: list[str] = []
        for name in names:
            per = self._budgets[name].per
            if per == "customer":
                own.append(name)
            elif per == "programme":
                shared.append(ledger_key(name, EVERYONE))
            elif (place := self._property_of(context)) is not None:
                shared.append(ledger_key(name, place))
        claim = Claim(amount, time, expires, tuple(own), tuple(shared), tuple(shared))
        for done, name in enumerate(own):
            ledger = budgets.expire(profile.ledgers.get(name, Ledger()), now)
            terms = self._own_terms[name]
            ledger, verdict = budgets.reserve(ledger, id_, amount, time, expires + GRACE, terms, OWN)
            ledgers.put(profile, name, ledger, context.touchpoint.id)
            if verdict != GRANTED:
                # What has been reserved so far is given back with the claim.
                profile.claims = {**profile.claims, id_: Claim(amount, time, expires, tuple(own[:done]))}
                return name
        profile.claims = {**profile.claims, id_: claim}
        for key in shared:
            self._tell(context, ledgers.RESERVE, key, id_, claim)
        return Deferral(ASKED, now + LOST) if shared else None

    def _property_of(self, context: Context) -> str | None:
        """The property that it is about: as the touchpoint says, else where the customer is staying."""
        data, profile = context.touchpoint.data, context.profile
        said = data.get("property")
        if isinstance(said, str):
            return said if said in self._properties else None
        booking = data.get("booking")
        about = stays.find(profile, booking) if isinstance(booking, str) else None
        if about is None:
            about = next((each for each in profile.bookings if each.status == "in-house"), None)
        return about.property if about is not None and about.property in self._properties else None

    def _commit(self, context: Context, id_: str, claim: Claim) -> None:
        profile = context.profile
        for name in claim.own:
            ledger = profile.ledgers.get(name, Ledger())
            terms = self._own_terms.get(name)
            ledger, _ = budgets.commit(ledger, id_, claim.amount, claim.time, terms, OWN)
            ledgers.put(profile, name, ledger, context.touchpoint.id)
        for key in claim.shared:
            self._tell(context, ledgers.COMMIT, key, id_, claim)
        profile.claims = _without(profile.claims, id_)

    def _give_back(self, context: Context, id_: str) -> None:
        profile = context.profile
        claim = profile.claims.get(id_)
        if claim is None:
            return
        for name in claim.own:
            ledger = profile.ledgers.get(name)
            if ledger is not None:
                ledgers.put(profile, name, budgets.release(ledger, id_, OWN), context.touchpoint.id)
        for key in claim.shared:
            self._tell(context, ledgers.RELEASE, key, id_, claim)
        profile.claims = _without(profile.claims, id_)

    def _tell(self, context: Context, type_: str, key: str, id_: str, claim: Claim) -> None:
        customer = context.profile.customer
        expires = claim.expires + GRACE
        context.forwards.append(ledgers.request(type_, customer, key, id_, claim, expires, context.now))


ID = 16
"""How many digits of the id that a proposal is held under are the reservation's."""


def reservation_of(context: Context, proposal: Proposal) -> str:
    """The id of the reservation for a proposal: the same when it is decided on once more."""
    return holding.id_of(context, proposal)[:ID]


def farewell(profile: Profile, now: int) -> list[Forward]:
    """What the ledgers are told of a customer who is erased: what was promised is given back."""
    return [
        ledgers.request(ledgers.RELEASE, profile.customer, key, id_, claim, claim.expires, now)
        for id_, claim in profile.claims.items()
        for key in claim.shared
    ]


def merge(profile: Profile, other: Profile) -> None:
    """Take over what another profile of the same customer was promised, and what was spent on it.

    Both had the whole budget as long as nobody knew that they are one customer: of what they have spent
    together nothing is taken back, but nothing more is promised until the period is over.
    """
    if other.claims:
        both = sorted({**other.claims, **profile.claims}.items(), key=lambda each: (each[1].expires, each[0]))
        profile.claims = dict(both[-MAX_CLAIMS:])
    for name, ledger in other.ledgers.items():
        mine = profile.ledgers.get(name)
        joined = ledger if mine is None else budgets.merge(mine, ledger, OWN)
        ledgers.put(profile, name, joined, "")


def _forget(profile: Profile, now: int) -> None:
    """Let go of promises of which nobody has said for long what became of them: they have run out."""
    over = [id_ for id_, claim in profile.claims.items() if claim.trigger and claim.expires + GRACE <= now]
    for id_ in over:
        profile.claims = _without(profile.claims, id_)


def _without(claims: Mapping[str, Claim], id_: str) -> dict[str, Claim]:
    return {other: claim for other, claim in claims.items() if other != id_}


def _unfunded(proposal: Proposal) -> Proposal | None:
    """The proposal with nothing to give, where it has to go out all the same; else None."""
    content = proposal.content
    if not isinstance(content, RecoveryOffer) or not is_critical(proposal):
        return None
    return msgspec.structs.replace(
        proposal, content=msgspec.structs.replace(content, amount=0.0, unfunded=True)
    )
