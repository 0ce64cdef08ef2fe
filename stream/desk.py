"""Desk: when what the desk can look up of a customer is renewed.

A record for every touchpoint would cost as much as the profiles. So it is renewed upon contact, and
whenever something changed that a person at the desk acts on: issues, bookings, promises, preferences, and
what is not to be offered. What moves with every touchpoint, such as the risk, is as of then. Where a
purpose is needed and consent to it is withdrawn, and where an id becomes an alias of another one, the record
goes.
"""

from __future__ import annotations

from schemas.cloudevents import deterministic_id
from schemas.duration import millis_of
from schemas.families.service_context import ServiceContextPlay
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.service_context import ServiceRecord
from schemas.touchpoint import Touchpoint
from schemas.trigger import TriggerData
from stream import permissions
from stream.plays.service_context import content_of, own_budgets

Seen = tuple[object, ...]
"""What of a profile is looked at; compared before and after."""


class Desk:
    """Keeps the service records of a playbook with a `service-context` play; without one there are none.

    Args:
        playbook: whose play.
        model: version of the model that scores the risk.
    """

    def __init__(self, playbook: Playbook, model: str) -> None:
        play = next((each for each in playbook.plays if isinstance(each, ServiceContextPlay)), None)
        self.is_open = play is not None
        self._contacts = frozenset(play.touchpoints if play is not None else ())
        self._purpose = None if play is None else play.purpose
        self._play = "" if play is None else play.play
        self._keep_for = 0 if play is None else millis_of(play.keep_for)
        self._currency = playbook.currency
        self._budgets = own_budgets(playbook)
        self._playbook = playbook.version
        self._model = model

    def look(self, profile: Profile) -> Seen:
        """What stands on a profile now that a record is renewed for."""
        return (
            profile.issues,
            profile.bookings,
            profile.issued,
            profile.preferences,
            profile.suppressed,
            profile.moved_to,
            None if self._purpose is None else permissions.agreed(profile, self._purpose),
        )

    def renew(
        self, before: Seen, profile: Profile, touchpoint: Touchpoint, now: int, *, anyway: bool = False
    ) -> ServiceRecord | None:
        """The record anew, if there is a reason for it.

        Args:
            before: what stood on the profile before the step.
            profile: the profile after it.
            touchpoint: what happened, or what stands for a timer.
            now: time of the decision, in ms.
            anyway: whether the profile is another one altogether.
        """
        after = self.look(profile)
        is_contact = touchpoint.type in self._contacts
        if not (anyway or is_contact or after != before):
            return None
        data = None
        if _is_shown(after):
            if profile.touchpoints == 0:
                return None
            contact, channel = (touchpoint.type, touchpoint.channel) if is_contact else (None, None)
            data = TriggerData(
                self._play,
                content_of(profile, now, self._currency, self._budgets, contact, channel),
                profile.stage,
                round(profile.risk, 6),
                self._model,
                self._playbook,
            )
        elif not _is_shown(before):
            # Nothing stands there.
            return None
        return ServiceRecord(
            deterministic_id("service-context", profile.customer, touchpoint.source, touchpoint.id),
            profile.customer,
            now,
            touchpoint.id,
            now + self._keep_for,
            data,
        )


def _is_shown(seen: Seen) -> bool:
    """Whether there may be a record: the id is no alias, and a purpose that is needed is agreed to."""
    *_, moved_to, agreed = seen
    return moved_to is None and agreed is not False
