"""Referrals: one customer's ultimate moment of truth is another one's zero moment of truth.

The referred customer's app says at the first touch whose referral was followed. So nothing is kept of
anyone before they come by themselves, and the advocate hears of it by a touchpoint of dangol's own; and by
another one when the friend buys for the first time.
"""

from __future__ import annotations

import msgspec

from schemas.cloudevents import SOURCE, deterministic_id
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Identifier, Moved, Touchpoint
from stream import recency

SUCCEEDED = "referral.succeeded"
"""Type of the touchpoint by which the advocate hears that someone came."""

BOUGHT = "referral.bought"
"""Type of the one by which the advocate hears that they bought; sent where the catalogue has it."""


class ReferralData(msgspec.Struct, frozen=True):
    """What a touchpoint must say that follows a referral: by whom it was."""

    by: Identifier


def follow(profile: Profile, touchpoint: Touchpoint) -> str | None:
    """Note who referred a customer; the earliest word holds.

    Returns:
        The advocate, where that is to be told; None where it was known, or is the customer.

    Raises:
        msgspec.ValidationError: the data names nobody.
    """
    by = msgspec.convert(touchpoint.data, ReferralData).by
    if by == profile.customer or by in profile.aliases:
        return None
    is_new = profile.referred_by is None
    _note(profile, by, touchpoint.time)
    return by if is_new else None


def success(profile: Profile, by: str, now: int) -> Touchpoint:
    """What the advocate is told: that someone came.

    It is numbered as all that one id tells another: so the advocate's profile knows to whom its erasure has
    to say farewell, who then forgets by whom they were referred.
    """
    return _told(profile, SUCCEEDED, by, now)


def first_purchase(profile: Profile, now: int) -> Touchpoint | None:
    """What the advocate is told when a referred customer has bought for the first time, once; else None.

    It is asked after each touchpoint, as the purchase may be told before the referral, or under another id.
    Who had bought on a day before coming by it was a customer already.
    """
    by = profile.referred_by
    if by is None or profile.referral_bought or not profile.active_days:
        return None
    if profile.last_active < profile.referred_at or recency.days_of(profile)[0] < profile.referred_at // DAY:
        return None
    profile.referral_bought = True
    return _told(profile, BOUGHT, by, now)


def _told(profile: Profile, type_: str, by: str, now: int) -> Touchpoint:
    profile.sent = max(profile.sent + 1, now)
    id_ = deterministic_id(type_, profile.customer, by)
    return Touchpoint(id_, SOURCE, type_, by, now, moved=Moved((profile.customer,), profile.sent))


def forget(profile: Profile, who: str) -> bool:
    """Forget that a customer was referred by someone; whether that was so."""
    if profile.referred_by != who:
        return False
    profile.referred_by, profile.referred_at, profile.referral_bought = None, 0, False
    return True


def merge(profile: Profile, other: Profile) -> None:
    """Take over by whom another profile of the same customer was referred, if that was earlier."""
    if other.referred_by is not None and other.referred_by != profile.customer:
        _note(profile, other.referred_by, other.referred_at)
        profile.referral_bought = profile.referral_bought or other.referral_bought


def _note(profile: Profile, by: str, time: int) -> None:
    known = (profile.referred_at, profile.referred_by)
    if known[1] is None or (time, by) < known:
        profile.referred_by, profile.referred_at = by, time
