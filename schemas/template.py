"""Template: what may be said to a customer, with places for what a trigger knows; nothing in it is run."""

from __future__ import annotations

from string import Formatter

import msgspec.inspect

from schemas.families.recommendation import Recommended

MAX_TEXT = 500
"""Characters of a text: several of what a notification shows."""

_parse = Formatter().parse


def pieces(text: str) -> list[tuple[str, str | None]]:
    """A text as literal pieces, each followed by the name of what stands after it, or by None.

    A name is one word: no attribute, no index, no format, so there is nothing that could be reached by it.

    Raises:
        ValueError: it says what is wrong.

    >>> pieces("{offer}, {{for}} you")
    [('', 'offer'), (', {', None), ('for}', None), (' you', None)]
    >>> pieces("{offer.__class__}")
    Traceback (most recent call last):
      ...
    ValueError: `{offer.__class__}` is not a name alone
    """
    if not 0 < len(text) <= MAX_TEXT:
        raise ValueError(f"a text has 1 to {MAX_TEXT} characters")
    try:
        parsed = list(_parse(text))
    except ValueError as error:
        raise ValueError(f"its braces can't be read: {error}") from None
    found: list[tuple[str, str | None]] = []
    for literal, word, form, conversion in parsed:
        if word is not None and (form or conversion or not word.isidentifier()):
            told = f"{word}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
            raise ValueError(f"`{{{told}}}` is not a name alone")
        found.append((literal, word))
    return found


def placeholders(text: str) -> list[str]:
    """The names that stand in a text, in order.

    Raises:
        ValueError: the text can't be used; it says why.

    >>> placeholders("{offer}, worth {amount} {currency}")
    ['offer', 'amount', 'currency']
    """
    return [word for _, word in pieces(text) if word is not None]


def facts_of(content: type[msgspec.Struct]) -> tuple[str, ...]:
    """What the triggers of a family know and can be said in a word, or in a list of items, by name.

    >>> from schemas.families.wow import Wow
    >>> facts_of(Wow)
    ('occasion', 'odds', 'offer', 'amount', 'currency')
    """
    known = msgspec.inspect.type_info(content)
    assert isinstance(known, msgspec.inspect.StructType)
    return tuple(field.name for field in known.fields if _is_spoken(field.type))


_SPOKEN = (
    msgspec.inspect.StrType,
    msgspec.inspect.FloatType,
    msgspec.inspect.IntType,
    msgspec.inspect.DateType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.LiteralType,
    msgspec.inspect.NoneType,
)
"""What stands in a sentence as it is; what is not known leaves the sentence unsaid."""


def _is_spoken(type_: msgspec.inspect.Type) -> bool:
    if isinstance(type_, msgspec.inspect.UnionType):
        return all(_is_spoken(each) for each in type_.types)
    if isinstance(type_, msgspec.inspect.VarTupleType):
        return isinstance(type_.item_type, msgspec.inspect.StructType) and type_.item_type.cls is Recommended
    return isinstance(type_, _SPOKEN)
