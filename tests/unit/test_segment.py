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
    ],
)
def test_amount_of_a_call(properties: dict[str, Any], amount: float | None) -> None:
    """The name that says the most about money wins, and nothing is not zero."""
    assert amount_of(properties) == amount
