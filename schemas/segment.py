"""Segment's calls and its e-commerce names, read as touchpoint types.

Source: Segment's spec (track, page, screen, identify, group, alias) and its
e-commerce events version 2; RudderStack and Dittofeed speak the same.
"""

from __future__ import annotations

import re
from typing import Any

SOURCE = "/segment"
"""`source` of what is read in Segment's form."""

NAMES = {
    "Order Completed": "order.placed",
    "Order Cancelled": "order.cancelled",
    "Order Refunded": "order.returned",
    "Product Viewed": "product.viewed",
    "Product List Viewed": "product.viewed",
    "Product Added": "cart.added",
    "Products Searched": "product.searched",
    "Product Reviewed": "review.posted",
    "Product Shared": "product.shared",
    "Checkout Started": "checkout.started",
    "Email Opened": "email.opened",
    "Email Link Clicked": "email.clicked",
}
"""Event names of Segment's e-commerce spec that mean one of our touchpoint types."""

_CALLS = {
    "page": "page.viewed",
    "screen": "screen.viewed",
    "identify": "identity.stated",
    "group": "group.joined",
    "alias": "identity.aliased",
}

_NOT_WORD = re.compile(r"[\W_]+")


def name_of(call: str, event: str | None) -> str:
    """The touchpoint type of a Segment call.

    >>> name_of("track", "Order Completed")
    'order.placed'
    >>> name_of("track", "Spa Visited")
    'spa.visited'
    >>> name_of("page", None)
    'page.viewed'
    """
    if call != "track" or not event:
        return _CALLS.get(call, call)
    return NAMES.get(event) or _NOT_WORD.sub(".", event.lower()).strip(".") or "track"


def amount_of(properties: dict[str, Any]) -> Any:
    """The money that a call is about: `amount`, else Segment's `revenue`, `total` or `value`, or None.

    The first two mean money whatever they hold, so that a mistake in them is found; `total` and
    `value` are common words, and money only as numbers.

    >>> amount_of({"total": 20, "revenue": 18})
    18
    >>> amount_of({"value": "sea view"})
    """
    for name in ("amount", "revenue"):
        if (amount := properties.get(name)) is not None:
            return amount
    for name in ("total", "value"):
        amount = properties.get(name)
        if amount.__class__ is float or amount.__class__ is int:
            return amount
    return None
