"""Customers: which of them are meant, as `--customers` says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

from schemas.errors import InputError

_CLAUSE = re.compile(
    r"\s*(?:(id|hash)\s*(?:%\s*([1-9][0-9]*)\s*)?(==|!=|<=|>=|<|>)\s*(-?[0-9]+)|id\s*(==|!=)\s*(?:'([^']*)'|\"([^\"]*)\"))\s*"
)


def chosen(expression: str | None) -> Callable[[str], bool]:
    """Whether a customer is meant; clauses of `id` or `hash` joined by `and`, `or`, `&&`, `||`."""
    if expression is None:
        return lambda _customer: True
    alternatives = []
    for alternative in re.split(r"\|\||\bor\b", expression):
        clauses = []
        for clause in re.split(r"&&|\band\b", alternative):
            found = _CLAUSE.fullmatch(clause)
            if not found:
                raise InputError(
                    f"--customers {expression!r}: can't read {clause.strip()!r}; "
                    "say such as `id % 10 == 0`, `hash % 4 < 2`, `id == 'ann'`, joined by `and` or `or`"
                )
            clauses.append(found.groups())
        alternatives.append(clauses)
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }

    def holds(customer: str, clause: Sequence[str | None]) -> bool:
        subject, divisor, sign, number, text_sign, single, double = clause
        if text_sign is not None:
            return compare[text_sign](customer, single if single is not None else double)
        # An id that is no number is taken by its hash, so that one in ten is one in ten anywhere.
        is_number = subject == "id" and re.fullmatch(r"-?[0-9]{1,18}", customer)
        value = int(customer) if is_number else crc32(customer.encode())
        if divisor is not None:
            value %= int(divisor)
        assert sign is not None
        assert number is not None
        return compare[sign](value, int(number))

    return lambda customer: any(
        all(holds(customer, clause) for clause in clauses) for clauses in alternatives
    )
