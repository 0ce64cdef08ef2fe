"""Reasons: what each reason code means, in the words of a CX person, and what can be done about it."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """What a code means.

    Attributes:
        said: what was the case, as a sentence about the customer or the play.
        advice: what to do, or why nothing needs to be done; empty where there is nothing to say.
    """

    said: str
    advice: str = ""


REASONS: dict[str, Reason] = {
    "fired": Reason("All that had to hold held, and the trigger went out."),
    # What arbitration holds back, in the order in which it asks.
    "consent": Reason(
        "The customer has not agreed to the purpose that the play is for, or has taken it back.",
        "Ask for consent where it is worth something to the customer; without it nothing goes out.",
    ),
    "suppressed": Reason(
        "Promotions to this customer are held back, as something is not settled.",
        "Settle what is open: the play is free again when the last issue is closed.",
    ),
    "holdout": Reason(
        "The customer is in the share to whom nothing is done, so that the effect can be measured.",
        "Leave it: without those the play's effect is a guess. The share is `holdout` in the playbook.",
    ),
    "expired": Reason(
        "By the time that it could have gone out, the moment was over.",
        "If the moment lasts longer than that, raise `valid_for` in the playbook.",
    ),
    "cap": Reason(
        "The customer has had as many messages as the playbook allows.",
        "Attention is scarce: if this play matters more than others, raise its priority, not the cap.",
    ),
    "quiet-hours": Reason(
        "It is the customer's quiet time.",
        "It goes out afterwards if it still holds then; the hours are in the playbook's calendars.",
    ),
    "budget": Reason(
        "What may be spent on this is spent.",
        "Raise the limit in the playbook's budgets, or let a person decide.",
    ),
    "budget-asked": Reason(
        "The budget is shared with others, and its ledger is being asked.",
        "Nothing to do: it is decided on again as soon as that has answered.",
    ),
    "claims": Reason(
        "As much is promised to the customer as can be kept in mind, and nobody has said what became of it.",
        "See that services say which offers were accepted or declined.",
    ),
    "unanswered": Reason(
        "The ledger of a shared budget has not answered.",
        "See whether its question is among the dead letters, and send it again.",
    ),
    "outranked": Reason(
        "Another play wanted the same customer at the same moment, and has the higher priority.",
        "Nothing is wrong. If this one should win, raise its `priority`.",
    ),
    "consent-violation": Reason(
        "The customer has not agreed to it; every step let it through, and it was held back at last.",
        "This is a fault of dangol's: report it.",
    ),
    "crowded": Reason(
        "It would have to wait, and as much as can wait for one customer waits already.",
        "See whether so many plays have to wait for the same hour.",
    ),
    "replaced": Reason("The same play has proposed something newer about the same thing since."),
    "play-gone": Reason(
        "While it waited, the playbook was changed, and has the play no more or in another form.",
        "Nothing to do: what the playbook says now holds.",
    ),
    # What promotions are held back for; it stands beside `suppressed`.
    "open-issue": Reason("An issue of the customer's is open.", "Settle it."),
    "declined": Reason(
        "The customer has declined it, or things of this kind.",
        "Nothing to do: leave them in peace.",
    ),
    "fatigue": Reason(
        "The customer has left so much unanswered that everything is too much for now.",
        "Nothing to do: it ends by itself.",
    ),
    # Who is left out so that the effect can be measured; it stands beside `holdout`.
    "everything": Reason("It is the share that the whole playbook leaves out."),
    "play": Reason("It is the share that this play leaves out."),
    # What becomes of a trigger after it has gone out.
    "delivered": Reason("It reached the customer."),
    "accepted": Reason("The customer took it."),
    "ignored": Reason("The customer left it unanswered."),
    "revoked": Reason("It was taken back."),
    "trigger-unknown": Reason(
        "A service said what became of a trigger that is not known.",
        "See that it names the trigger's own `id`, and says so within a few weeks.",
    ),
    # What is asked before a play is entered.
    "reentry": Reason(
        "The customer has been through this play as often as its `reentry` allows.",
        "If it should come again, change `reentry` in the playbook.",
    ),
    "condition-error": Reason(
        "The play's condition can't be answered: something that it asks for is not there.",
        "Ask whether it is there first, as in `has(event.rating) && event.rating >= 4`.",
    ),
    "no-key": Reason(
        "The touchpoint does not say what it is about, so it can't be told from others of its kind.",
        "See that the app sends the field that the play names in `by`.",
    ),
    "cancelled": Reason(
        "What the play waited for was called off.",
        "Nothing to do: this is what `cancelled_by` is for.",
    ),
    # What plays hold back by themselves.
    "cooldown": Reason(
        "The play has fired for this customer not long ago, and waits.",
        "If that is too long, lower `cooldown` in the playbook.",
    ),
    "late": Reason(
        "It was heard of more than an hour after it happened.",
        "See why the app sends it so late; what comes in time is acted on.",
    ),
    "stale": Reason(
        "It was due while no worker ran, and would have run out before anyone could act on it.",
        "Look at when workers were down.",
    ),
    "no-offer": Reason(
        "None of the play's offers is for a moment like this and a customer like this.",
        "End the play's `offers` with one that has no floor.",
    ),
    "already-suppressed": Reason(
        "Promotions were held back already, because of another issue that is open.",
        "Nothing to do: they stay held back until the last issue is closed.",
    ),
    "other-issue-open": Reason(
        "One issue was closed, but another is open, so promotions stay held back.",
        "Settle the other one.",
    ),
    # Gates of a room key.
    "booking": Reason(
        "The guest has no booking that is confirmed or in house, or not the one that the arrival names.",
        "See that the booking system publishes `booking.confirmed` before the guest arrives.",
    ),
    "property": Reason(
        "The booking is for another hotel than the one that the guest is at.",
        "Show the guest the way; a key would open nothing here.",
    ),
    "day": Reason(
        "Today is not between the days of arrival and departure, by the hotel's clock.",
        "If the guest comes early or stays longer, change the booking: the next arrival gets the key.",
    ),
    "device": Reason(
        "The phone that arrived is not the one that is bound to the guest.",
        "Have the guest log in on that phone, so that `device.bound` is published.",
    ),
    "accuracy": Reason(
        "The location is not known, or not exactly enough, to say that the guest is here.",
        "See that the app sends `accuracy_m`; the limit is `accuracy_m` in the playbook.",
    ),
    "age": Reason(
        "The location is too old to say that the guest is here now.",
        "See that the app sends locations as they come; the limit is `max_age` in the playbook.",
    ),
    "location": Reason(
        "What the phone sent as its location is none.",
        "See that the app sends `latitude` and `longitude` in degrees.",
    ),
    "room": Reason(
        "The room is not ready yet.",
        "Nothing to do: the key goes out when the room is ready.",
    ),
    "live-key": Reason(
        "The guest has a key of this booking on the phone already.",
        "Nothing to do: the key that is there opens the door.",
    ),
    # Surprises, invitations, and what is offered in the next channel.
    "not-drawn": Reason(
        "It was drawn by lot, and this time the customer did not win; the odds stand on the decision.",
        "Nothing is wrong: everyone has the same chance. The odds are the play's `odds`.",
    ),
    "mood": Reason(
        "The moment was good, but the bad ones of late outweigh it.",
        "Nothing to do: whoever was let down is not asked for a favour. The limit is `min_score`.",
    ),
    "already-asked": Reason(
        "The customer was asked for the same thing before.",
        "Nothing to do: asked twice is once too often. Where it may be again, `again_after` says when.",
    ),
    "already-given": Reason("The customer has agreed to it already."),
    "no-item": Reason(
        "The customer has bought or declined everything that could be recommended.",
        "Put more items into the playbook's `popularity`.",
    ),
    "came-back": Reason("After the offer the customer came back, and bought again."),
    # What becomes of two ids that are said to be one customer's.
    "claimed": Reason("The other id was asked to join this customer's profile."),
    "linked": Reason("The other id is this customer now: one profile, one history."),
    "unlinked": Reason("The other id is not this customer any more; what came before stays here."),
    "refused": Reason(
        "The other id belongs to another customer already.",
        "Two people may use one device. If they are one, unlink it from the other first.",
    ),
    "erased": Reason(
        "What the other id brought was from before the customer asked to be forgotten.",
        "Nothing to do: it stays forgotten.",
    ),
}
"""What each reason code means. Gates, which stand under `failed`, are told as reasons are."""


def reason_of(code: str) -> Reason:
    """What a code means; of one that a newer program has written, only the code.

    >>> reason_of("live-key").said
    'The guest has a key of this booking on the phone already.'
    """
    return REASONS.get(code) or Reason(f"Held back as `{code}`.")
