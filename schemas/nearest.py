"""Nearest: the valid word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """What to add to a message about an unknown word; nothing where none is near.

    >>> nearest("stge", ["stage", "weight"])
    ' (did you mean `stage`?)'
    >>> nearest("zzz", ["stage", "weight"])
    ''
    """
    near = get_close_matches(word, sorted(known), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""
