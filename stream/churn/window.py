"""Window: the latest examples, what was said of them, and how good that was: of all, by stage and segment."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from schemas.catalogue import Stage
from schemas.example import MAX_SEGMENTS
from stream.churn.quality import Quality, brier_of, quality_of

WINDOW = 5_000
"""Examples over which quality is told, the latest."""

FEWEST = 100
"""Examples of a stage or segment before anything is told of it: of fewer, it is chance."""

OTHER = "other"
"""What segments beyond the `MAX_SEGMENTS` with the most examples are called together: there are more only for
as long as examples of several playbooks are among the latest."""

Of = Literal["said", "learned", "challenger"]
"""Whose risks are judged: those that workers said then; those of what was learned, before it saw each; and
those of a challenger in its shadow, likewise."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """An example, with what was said of it.

    Attributes:
        said: the risk that workers said then.
        learned: what was learned would have said, before it saw it.
        challenger: what the challenger would have; None where there was none.
        churned: whether the customer was lost.
        stage: where the customer stood on the journey; None where the example doesn't tell.
        segments: in which segments the customer was; none where the example doesn't tell.
    """

    said: float
    learned: float
    challenger: float | None
    churned: bool
    stage: Stage | None
    segments: tuple[str, ...] = ()


class Window:
    """The latest `WINDOW` examples."""

    def __init__(self) -> None:
        self._judged: deque[Judged] = deque(maxlen=WINDOW)

    def add(self, judged: Judged) -> None:
        """Take in an example; the oldest goes."""
        self._judged.append(judged)

    def clear(self) -> None:
        """Forget all."""
        self._judged.clear()

    def promote(self) -> None:
        """Have the challenger's risks be those of what was learned; there is no challenger in them then."""
        promoted = [
            msgspec.structs.replace(one, learned=one.challenger, challenger=None)
            for one in self._judged
            if one.challenger is not None
        ]
        self._judged = deque(promoted, WINDOW)

    def without_challenger(self) -> None:
        """Forget what a challenger said."""
        judged = [msgspec.structs.replace(one, challenger=None) for one in self._judged]
        self._judged = deque(judged, WINDOW)

    def quality(self, of: Of, stage: Stage | None = None) -> tuple[Quality, float] | None:
        """How good risks were, and the Brier score; None where none can tell.

        Args:
            of: whose.
            stage: of customers at this stage alone, if there were `FEWEST`.
        """
        if stage is None:
            return _quality(of, self._judged)
        return _quality(of, (one for one in self._judged if one.stage == stage), FEWEST)

    def by_segment(self, of: Of) -> dict[str, tuple[Quality, float]]:
        """The same of customers in each segment of which there were `FEWEST`, and in the other segments.

        Args:
            of: whose.
        """
        counts = Counter(name for one in self._judged for name in one.segments)
        apart = set(sorted(counts, key=lambda name: (-counts[name], name))[:MAX_SEGMENTS])
        members: dict[str, list[Judged]] = {}
        for one in self._judged:
            for name in {name if name in apart else OTHER for name in one.segments}:
                members.setdefault(name, []).append(one)
        told = {name: _quality(of, members[name], FEWEST) for name in sorted(members)}
        return {name: quality for name, quality in told.items() if quality is not None}

    def pairs(self) -> Iterator[tuple[float, float, bool]]:
        """What was learned and the challenger said of the same, and the label, the oldest first."""
        for one in self._judged:
            if one.challenger is not None:
                yield one.learned, one.challenger, one.churned


def _quality(of: Of, judged: Iterable[Judged], fewest: int = 0) -> tuple[Quality, float] | None:
    found = [(risk, one.churned) for one in judged if (risk := getattr(one, of)) is not None]
    if len(found) < fewest:
        return None
    risks, labels = [risk for risk, _ in found], [churned for _, churned in found]
    quality = quality_of(risks, labels)
    return None if quality is None else (quality, brier_of(risks, labels))
