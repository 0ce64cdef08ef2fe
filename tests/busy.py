"""A playbook by which all that a profile may remember comes to be remembered, for tests of its bounds."""

from __future__ import annotations

from schemas.playbook import Playbook, load
from stream.engine import DEFAULT_PLAYBOOK

ASKING = 70
"""Plays that each ask for something else: more than there are entries kept of any kind."""

OFFERS = 40

_ASK = """
  - play: ask-{number}
    family: participation
    channel: c{number}
    category: k{number}
    reentry: 1d
    touchpoints: [desk.visited, screen.viewed]
    ask: data
    data: d{number}
    benefit: something
    min_score: -1
    again_after: 1s
    valid_for: 20h
"""

_MORE = """
  - play: waits
    family: participation
    absence: {after: [page.viewed], unless: [order.placed], within: 30m}
    by: name
    reentry: per-key
    ask: data
    data: waits
    benefit: something
    min_score: -1
    again_after: 1s
    valid_for: 20h
  - play: steps
    family: participation
    sequence: {steps: [page.viewed, screen.viewed, product.searched], within: 1h}
    by: name
    reentry: per-key
    ask: data
    data: steps
    benefit: something
    min_score: -1
    again_after: 1s
    valid_for: 20h
  - play: once-each
    family: participation
    touchpoints: [product.searched]
    by: name
    reentry: per-key
    ask: review
    min_score: -1
    again_after: 1s
    valid_for: 20h
  - play: every-surprise
    family: wow
    touchpoints: [desk.visited]
    odds: 1.0
    offers: [%s]
    rest: 1s
    valid_for: 20h
"""

_SLEEPING = """
  - play: asleep-{number}
    family: participation
    channel: push
    quiet_hours: always
    touchpoints: [page.viewed]
    ask: data
    data: asleep-{number}
    benefit: something
    min_score: -1
    again_after: 1s
    valid_for: 30h
"""


def _text() -> str:
    text = DEFAULT_PLAYBOOK.read_text(encoding="utf-8")
    offers = [f"gift-{number}" for number in range(OFFERS)]
    more = "".join(f"  {name}: {{amount: 1}}\n" for name in offers)
    for there, instead in (
        ("offers:\n  free-night", f"offers:\n{more}  free-night"),
        ("calendars:\n", 'calendars:\n  always: {from: "00:00", to: "23:59"}\n'),
        ("    cooldown: 1d\n", "    cooldown: 1s\n"),
        ("  - {channel: push, at_most: 2, within: 1d}\n", ""),
    ):
        assert there in text
        text = text.replace(there, instead, 1)
    sleeping = "".join(_SLEEPING.format(number=number) for number in range(10))
    asking = "".join(_ASK.format(number=number) for number in range(ASKING))
    return text + (_MORE % ", ".join(offers)) + sleeping + asking


BUSY: Playbook = load(_text(), "busy.yaml")
"""The hotel's playbook, with far more plays, offers and quiet hours than anyone has."""
