"""Erasure (GDPR, article 17): forget a customer, prove it, and stay that way whatever comes again.

After it the profile is blank but for `erased`: a touchpoint up to that time is dropped, one after it
begins a new profile, as the customer came back by himself. `erased` reaches to the latest time of
anything that was removed, for else a replay would bring that back. A further request at or before it
changes nothing: what it asks for is done, and proven. So a request may go to every other id of the
customer, and from there on, without going round for ever.
"""

from __future__ import annotations

import msgspec

from schemas.cloudevents import SOURCE, deterministic_id
from schemas.erasure import TYPE, Erasure, ErasureData, digest_of, request_of
from schemas.kinds import Kinds
from schemas.profile import Profile, new_profile
from schemas.timestamp import to_datetime
from schemas.touchpoint import Moved, Touchpoint
from stream.arbitration import budget
from stream.forward import Forward
from stream.identity import FAREWELL, RELEASE

_NOT_TOLD = frozenset(("decayed", "active_decayed", "applied", "reached", "evidence"))
"""Fields with an entry for something else than a piece of what was known."""


def erase(
    profile: Profile | None, touchpoint: Touchpoint, now: int
) -> tuple[Profile, Erasure, list[Forward]]:
    """What is left of a customer, the proof, and what is told to other ids.

    Args:
        profile: what is known; None for one who is not known.
        touchpoint: the request, with the time that it gave itself.
        now: time of the erasure, in ms.
    """
    customer = touchpoint.customer
    blank = new_profile(customer)
    blank.erased = touchpoint.time
    removed: dict[str, int] = {}
    others: tuple[str, ...] = ()
    farewells: list[Forward] = []
    if profile is not None:
        blank.erased = max(profile.last_seen, profile.ahead, touchpoint.time)
        blank.applied = profile.applied
        if not is_blank(profile):
            removed = _inventory(profile)
        others = profile.aliases if profile.moved_to is None else (*profile.aliases, profile.moved_to)
        farewells = [*_farewells(profile, now), *budget.farewell(profile, now)]
    digest = digest_of(customer)
    data = ErasureData(to_datetime(touchpoint.time), to_datetime(blank.erased), removed)
    request = request_of(touchpoint.source, touchpoint.id)
    proof = Erasure(deterministic_id(digest, request), digest, request, now, data)
    return blank, proof, [*(_for_other(other, request, blank.erased) for other in others), *farewells]


def _for_other(customer: str, request: str, until: int) -> Forward:
    """The request for another id; up to the same time, as its touchpoints were taken together."""
    return Forward(Touchpoint(deterministic_id(customer, request), SOURCE, TYPE, customer, until))


def _farewells(profile: Profile, now: int) -> list[Forward]:
    """What one who is erased tells the ids that are not the same customer, but keep this one's id.

    Those that were claimed and have not answered yet are released as well.
    """
    others = {*profile.aliases, profile.customer, profile.moved_to}
    advocate = () if profile.referred_by is None else (profile.referred_by,)
    knowing = sorted({*profile.links, *profile.heard, *advocate} - others, key=str.encode)
    told = []
    for to in knowing:
        link = profile.links.get(to)
        # Not numbered: to hear them would be to keep the id.
        types = (RELEASE, FAREWELL) if link is not None and not link.unlinked else (FAREWELL,)
        for type_ in types:
            id_ = deterministic_id(type_, profile.customer, to, str(now))
            moved = Moved((profile.customer,), 0)
            told.append(Forward(Touchpoint(id_, SOURCE, type_, to, now, {}, moved=moved)))
    return told


def is_blank(profile: Profile) -> bool:
    """Whether all that is known of a customer is that he was erased.

    >>> is_blank(Profile(version=2, customer="ann", erased=7, applied={0: 3}))
    True
    >>> is_blank(Profile(version=2, customer="ann", erased=7, touchpoints=1)), is_blank(new_profile("ann"))
    (False, False)
    """
    if profile.erased < 0:
        return False
    return profile == msgspec.structs.replace(
        new_profile(profile.customer), erased=profile.erased, applied=profile.applied
    )


def _inventory(profile: Profile) -> dict[str, int]:
    """How many of what a profile holds; numbers alone name nobody."""
    held = {
        field: len(value)
        for field in profile.__struct_fields__
        if field not in _NOT_TOLD
        and isinstance(value := getattr(profile, field), dict | tuple | Kinds)
        and value
    }
    return {"profile": 1, "touchpoints": profile.touchpoints, **held}
