"""Accounts: what is stated of a business customer's contract; the latest word on each thing holds."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from schemas.account import Account
from schemas.profile import Profile
from schemas.touchpoint import Identifier, Touchpoint

NONE = Account()

Seats = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class AccountData(msgspec.Struct, frozen=True):
    """What an account touchpoint may say; null takes a word back, what is left out stays as it was.

    Attributes:
        plan: what was agreed, by name.
        seats: how many may use it.
        renews: the day on which the contract is renewed, or ends.
    """

    plan: Identifier | UnsetType | None = UNSET
    seats: Seats | UnsetType | None = UNSET
    renews: date | UnsetType | None = UNSET


def state(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note what is stated of an account.

    Raises:
        msgspec.ValidationError: the data says something that can't be.
    """
    said, time = msgspec.convert(touchpoint.data, AccountData), touchpoint.time
    word = NONE
    if said.plan is not UNSET:
        word = msgspec.structs.replace(word, plan=said.plan, plan_said=time)
    if said.seats is not UNSET:
        word = msgspec.structs.replace(word, seats=said.seats, seats_said=time)
    if said.renews is not UNSET:
        word = msgspec.structs.replace(word, renews=said.renews, renews_said=time)
    _note(profile, word)


def merge(profile: Profile, other: Profile) -> None:
    """Take over what another profile of the same customer was told later."""
    if other.account is not None:
        _note(profile, other.account)


def _note(profile: Profile, word: Account) -> None:
    known = profile.account or NONE
    plan, plan_said = max((known.plan, known.plan_said), (word.plan, word.plan_said), key=_rank)
    seats, seats_said = max((known.seats, known.seats_said), (word.seats, word.seats_said), key=_rank)
    renews, renews_said = max((known.renews, known.renews_said), (word.renews, word.renews_said), key=_rank)
    joined = Account(plan, plan_said, seats, seats_said, renews, renews_said)
    profile.account = None if joined == NONE else joined


def _rank(word: tuple[str | int | date | None, int]) -> tuple[int, bool, str | int | date]:
    # Of two at once a word goes before its being taken back, and the greater before the lesser, so that both
    # orders of arrival come to the same.
    value, said = word
    return (said, value is not None, value if value is not None else 0)
