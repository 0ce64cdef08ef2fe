"""Messages: what may be said to a customer, in the customer's language, of what a trigger knows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from schemas.families import Content
from schemas.families.play import PlayBase
from schemas.families.recommendation import Recommended
from schemas.playbook import Playbook
from schemas.template import pieces

Pieces = tuple[tuple[str, str | None], ...]


class Messages:
    """The texts of a playbook, taken apart once.

    Args:
        playbook: whose texts; it was checked.
    """

    def __init__(self, playbook: Playbook) -> None:
        self._default = playbook.language
        self._texts: dict[str, dict[str, Pieces]] = {
            name: {language: tuple(pieces(text)) for language, text in texts.items()}
            for name, texts in playbook.templates.items()
        }

    def message_of(self, play: PlayBase, content: Content, language: str | None) -> str | None:
        """What may be said of a play's content; None where it has no text, or where not all of it is known.

        Args:
            play: the play.
            content: what is to be done.
            language: what the customer has stated. `pt-BR` is spoken to in `pt` if there is no text of its
                own, and else as who has stated none.
        """
        if play.template is None or getattr(content, "unfunded", False):
            # A person calls with nothing to give: what that one says is not for us to write.
            return None
        texts = self._texts[play.template]
        stated = language or self._default
        text = texts.get(stated) or texts.get(stated.partition("-")[0]) or texts[self._default]
        said = []
        for literal, word in text:
            said.append(literal)
            if word is not None:
                fact = getattr(content, word)
                if fact is None or fact == ():
                    return None
                said.append(fact if fact.__class__ is str else _spoken(fact))
        return "".join(said)


def _spoken(fact: Any) -> str:
    """A fact as it stands in a sentence.

    >>> _spoken(180.0), _spoken((Recommended("robe", 0.7), Recommended("soap", 0.3)))
    ('180', 'robe, soap')
    """
    match fact:
        case float():
            return f"{fact:.2f}".rstrip("0").rstrip(".")
        case datetime():
            return f"{fact:%Y-%m-%d %H:%M} UTC"
        case date():
            return fact.isoformat()
        case tuple():
            return ", ".join(map(_spoken, fact))
        case Recommended():
            return fact.item
    return str(fact)
