"""Catalogue: what the types of touchpoints of the past mean, and which of them is coming back."""

from __future__ import annotations

from collections import Counter

import msgspec

from schemas.catalogue import TouchpointType
from schemas.errors import InputError
from schemas.playbook import Playbook, load
from schemas.touchpoint import Touchpoint
from stream.engine import DEFAULT_PLAYBOOK


def playbook_of(touchpoints: list[Touchpoint], activity: tuple[str, ...], data: str) -> Playbook:
    """The playbook that ships, with these types as activity and without what else touchpoints do."""
    playbook = load(DEFAULT_PLAYBOOK.read_text(encoding="utf-8"), str(DEFAULT_PLAYBOOK))
    found = Counter(touchpoint.type for touchpoint in touchpoints)
    usual = [name for name, entry in playbook.catalogue.items() if entry.effect == "activity"]
    chosen = (
        activity
        or tuple(name for name in usual if name in found)
        or (tuple(found) if len(found) == 1 else ())
    )
    seen = ", ".join(f"{name} ({count:,})" for name, count in found.most_common(8))
    if not chosen:
        raise InputError(f"{data}: say with --activity which type is coming back; there are {seen}")
    if missing := [name for name in chosen if name not in found]:
        raise InputError(f"--activity {missing[0]}: no such type in {data}; there are {seen}")
    catalogue = {}
    for name in found:
        entry = playbook.catalogue.get(name, TouchpointType())
        issue = entry.effect if entry.effect in ("issue.opened", "issue.closed") else None
        effect = "activity" if name in chosen else issue
        catalogue[name] = msgspec.structs.replace(entry, effect=effect)
    return msgspec.structs.replace(playbook, catalogue=catalogue, plays=())
