"""Segment: its calls and e-commerce names as touchpoint types."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.segment import amount_of, name_of


@pytest.mark.parametrize(
    ("call", "event", "type_"),
    [
        ("track", "Order Completed", "order.placed"),
        ("track", "Product List Viewed", "product.viewed"),
        ("track", "Spa Visited", "spa.visited"),
        ("track", "  spa -- visited!", "spa.visited"),
        ("track", "spa_visited", "spa.visited"),
        ("track", "객실 문의", "객실.문의"),
        ("track", "Größe Gewählt", "größe.gewählt"),
        ("track", "!!!", "track"),
        ("track", "", "track"),
        ("track", None, "track"),
        ("page", "Order Completed", "page.viewed"),
        ("screen", None, "screen.viewed"),
        ("identify", None, "identity.stated"),
        ("group", None, "group.joined"),
        ("alias", None, "identity.aliased"),
        ("weird", None, "weird"),
    ],
)
def test_type_of_a_call(call: str, event: str | None, type_: str) -> None:
    """A known name becomes our type, any other its own words in any script, joined by dots."""
    assert name_of(call, event) == type_


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({}, None),
        ({"value": 1}, 1),
        ({"value": 1, "total": 2}, 2),
        ({"value": 1, "total": 2, "revenue": 3}, 3),
        ({"value": 1, "total": 2, "revenue": 3, "amount": 4}, 4),
        ({"revenue": 0, "total": 2}, 0),
        ({"revenue": None, "total": 2}, 2),
        ({"value": 1.5}, 1.5),
        ({"value": "sea view"}, None),
        ({"value": "12"}, None),
        ({"value": True}, None),
        ({"value": {"amount": 1}}, None),
        ({"total": "all of it", "value": 3}, 3),
        ({"revenue": "12", "value": 3}, "12"),
        ({"amount": "12", "revenue": 3}, "12"),
    ],
)
def test_amount_of_a_call(properties: dict[str, Any], amount: object) -> None:
    """The name that says the most about money wins; a mistake in it is passed on, to be refused."""
    assert amount_of(properties) == amount
