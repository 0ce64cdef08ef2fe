"""Desk: when what the desk can look up of a customer is renewed.

A record for every touchpoint would cost as much as the profiles. So it is renewed upon contact, and
whenever something changed that a person at the desk acts on: issues, bookings, promises, preferences, and
what is not to be offered. What runs out is no change: the record has said until when it holds. What moves
with every touchpoint, such as the risk, is as of then. Where a purpose is needed and consent to it is
withdrawn, and where an id becomes an alias of another one, the record goes.
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
from stream.plays.service_context import content_of, own_budgets, promised, restrained


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

    def renew(
        self, before: Profile, profile: Profile, touchpoint: Touchpoint, now: int, *, anyway: bool = False
    ) -> ServiceRecord | None:
        """The record anew, if there is a reason for it.

        Args:
            before: the profile before the step.
            profile: the profile after it.
            touchpoint: what happened, or what stands for a timer.
            now: time of the decision, in ms.
            anyway: whether the profile is another one altogether.
        """
        is_contact = touchpoint.type in self._contacts
        # By identity first: on nearly every touchpoint none of it was touched, and fields are replaced, never
        # changed in place.
        is_untouched = (
            profile.issued is before.issued
            and profile.issues is before.issues
            and profile.bookings is before.bookings
            and profile.preferences is before.preferences
            and profile.suppressed is before.suppressed
            and profile.moved_to is before.moved_to
            and profile.consents is before.consents
        )
        if not (is_contact or anyway) and (is_untouched or not self._is_news(before, profile, now)):
            return None
        data = None
        if self._is_shown(profile):
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
        elif not self._is_shown(before):
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

    def _is_news(self, before: Profile, after: Profile, now: int) -> bool:
        """Whether something else stands on a profile now that a person at the desk acts on."""
        return (
            after.issues != before.issues
            or after.bookings != before.bookings
            or promised(after, now) != promised(before, now)
            or after.preferences != before.preferences
            or restrained(after, now) != restrained(before, now)
            or self._is_shown(after) != self._is_shown(before)
        )

    def _is_shown(self, profile: Profile) -> bool:
        """Whether there may be a record: the id is no alias, and a purpose that is needed is agreed to."""
        return profile.moved_to is None and (
            self._purpose is None or permissions.agreed(profile, self._purpose)
        )
