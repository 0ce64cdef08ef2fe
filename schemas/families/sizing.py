"""Sizing: how much an offer may be worth to us, by what is at stake."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class Sizing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The greatest share of what is at stake that an offer may be worth.

    At stake is severity × value × risk: how bad the moment was (1 where there was none), what the customer
    is worth, and how likely it is that there will be no other purchase. By the year, value is spent ÷ active
    days × days of a year ÷ mean days between them; of who bought on one day alone, it is what was spent. By
    the horizon of the churn risk, it is what the customer may be expected to spend within it.

    Attributes:
        share: of what is at stake, above 0, to 1.
        value: `year` or `horizon`.
    """

    share: Annotated[float, msgspec.Meta(gt=0, le=1)]
    value: Literal["year", "horizon"] = "year"
