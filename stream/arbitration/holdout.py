"""Holdout: some customers get nothing, so that it can be seen what the others get something for.

Who they are follows from customer and play alone, so that it stays the same, and is a decision like any
other: those held out can be compared with those to whom the play has fired.
"""

from __future__ import annotations

from hashlib import blake2b

from schemas.playbook import Playbook
from stream.plays.context import Context, Proposal, Refusal

REASON = "holdout"

_ALL = 2**64


def share_of(customer: str, what: str) -> float:
    """Where a customer stands, from 0 to 1, as by lot, but always the same for the same `what`.

    >>> 0 <= share_of("ann", "welcome") < 1, share_of("ann", "welcome") == share_of("ann", "welcome")
    (True, True)
    """
    # Names of plays have no line break, so no two pairs are written alike.
    digest = blake2b(f"{what}\n{customer}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / _ALL


class Holdout:
    """The shares of a playbook: one for everything, and one for each play.

    Args:
        playbook: whose.
    """

    def __init__(self, playbook: Playbook) -> None:
        self._everything = playbook.holdout

    def check(self, context: Context, proposal: Proposal) -> Refusal | None:
        """Hold what is for someone who is held out, from everything or from this play."""
        customer, play = context.profile.customer, proposal.play
        # `=` is in no play's name.
        if self._everything and share_of(customer, "holdout=all") < self._everything:
            return Refusal(REASON, ("everything",))
        if play.holdout and share_of(customer, f"holdout={play.play}") < play.holdout:
            return Refusal(REASON, ("play",))
        return None
