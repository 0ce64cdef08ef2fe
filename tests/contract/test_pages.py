"""The pages for subscribers against the code: examples, fields, settings and links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from schemas.families import FAMILIES, Content, Play
from schemas.families.entry import EntryPlay
from schemas.families.play import PlayBase
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from schemas.trigger import TriggerEvent
from stream.engine import load_engine

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "schemas" / "pages").glob("*.md")}
"""The pages, by family."""

CONTENTS = {type_.__struct_config__.tag: type_ for type_ in get_args(Content)}
PLAYS = {type_.__struct_config__.tag: type_ for type_ in get_args(Play)}

_decode = msgspec.json.Decoder(TriggerEvent).decode


def table(family: str, head: str) -> list[str]:
    """The names in the first column of a page's table that begins with `head`."""
    (rows,) = re.findall(rf"(?m)^\| {re.escape(head)} \|.*\n\|---.*\n((?:\|.*\n)+)", PAGES[family])
    return re.findall(r"(?m)^\| `([^`]+)` \|", rows)


@pytest.mark.parametrize("family", sorted(PAGES))
def test_examples_are_records(family: str) -> None:
    """Each example is a record of the family as the code writes it: nothing unknown, nothing missing."""
    examples = re.findall(r"(?ms)^```json\n(.*?)^```", PAGES[family])

    assert examples
    for example in examples:
        event = _decode(example)
        assert event.type == f"cx.trigger.{family}.v1"
        assert msgspec.json.encode(event) == msgspec.json.format(example.encode(), indent=-1)


@pytest.mark.parametrize("family", sorted(PAGES))
def test_fields(family: str) -> None:
    """The table of fields is the content's, in order."""
    assert table(family, "field of `content`") == list(CONTENTS[family].__struct_fields__)


@pytest.mark.parametrize("family", sorted(PAGES))
def test_settings(family: str) -> None:
    """The table of settings is what the family's plays have beyond those of every play, and their needs."""
    play = PLAYS[family]
    base = EntryPlay if issubclass(play, EntryPlay) else PlayBase
    own = [field for field in play.__struct_fields__ if field not in base.__struct_fields__]
    told = table(family, "field of the play")

    assert sorted(set(own) - set(told)) == []
    assert sorted(set(told) - set(play.__struct_fields__)) == []


@pytest.mark.parametrize("family", sorted(PAGES))
def test_links(family: str) -> None:
    """The README leads to the page, and the page names the topic."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"(schemas/pages/{family}.md)" in readme
    assert f"`{Topics().trigger(family)}`" in PAGES[family]


def test_gates_of_a_room_key() -> None:
    """The table of gates is what arrivals of a stranger, by event and by location, fail, and the others."""
    engine = load_engine()
    now = 1_773_480_600_000
    arrival = Touchpoint("1", "/app", "guest.arrived", "ann", now)
    decision = engine.step(None, arrival, now).decision
    assert decision is not None

    gates = [*decision.data.candidates[0].failed, "age", "live-key", "room"]
    assert table("room-key", "gate") == gates


def test_every_family_has_a_page() -> None:
    """No family is without one, and no page is left of a family that is gone."""
    assert set(PAGES) == set(FAMILIES)
