"""Standardisation: by what features are measured, as far as they were seen."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LEAST = 5
"""Examples before features count at all: a mean and a deviation of fewer are chance."""

_TINY = 1e-12
"""Variance below which a feature is constant."""

_TOGETHER = 32
"""Most examples whose values are added to means and deviations together: the scale that features are
measured by hardly moves meanwhile, and arithmetic on many rows costs no more than on one."""

_SOON = 16
"""Together are added at most a sixteenth of as many as there were before: at first, each at once."""

# Found once: every score and every lesson asks for each of them.
subtract, multiply, minimum, maximum = np.subtract, np.multiply, np.minimum, np.maximum


class Standardisation:
    """Means, deviations and extremes of features, moved by up to `_TOGETHER` examples at a time.

    Before the features stands an offset, which is taken as it is: its mean is 0, its scale 1, and it has no
    limits.

    Args:
        width: how many features there are.
        limit: standard deviations at which a feature is clipped.

    Attributes:
        means: of each feature.

    >>> measure = Standardisation(1, 5.0)
    >>> for day in range(10):
    ...     measure.note(np.array([float(day)]))
    >>> measure.standardised(np.array([[4.5], [9.0], [99.0]])).round(3).tolist()
    [[0.0], [1.567], [1.567]]
    """

    def __init__(self, width: int, limit: float) -> None:
        self.limit = limit
        self._count = self._held = 0
        self._recent: Floats = np.zeros((_TOGETHER, width))
        self._squares, self._lows, self._highs = (np.zeros(width) for _ in range(3))
        self._centres, self._scales, self._upper, self._lower = (np.zeros(1 + width) for _ in range(4))
        self._scales[0], self._upper[0], self._lower[0] = 1.0, inf, -inf
        self.means = self._centres[1:]

    @property
    def seen(self) -> int:
        """The examples seen."""
        return self._count + self._held

    def note(self, values: Floats) -> None:
        """Take note of the features of an example; at times, add them to what is known of each."""
        held = self._held
        self._recent[held] = values
        self._held = held = held + 1
        if held == _TOGETHER or held * _SOON > self._count:
            self._add()
            self._scale()

    def standardise(self, raw: Floats, z: Floats) -> None:
        """Write an offset and features, standardised and kept within what was seen, into `z`."""
        subtract(raw, self._centres, z)
        multiply(z, self._scales, z)
        minimum(z, self._upper, out=z)
        maximum(z, self._lower, out=z)

    def standardised(self, rows: Floats) -> Floats:
        """The same of many at once, a row of features each, without offset."""
        z: Floats = rows - self.means
        z *= self._scales[1:]
        np.minimum(z, self._upper[1:], out=z)
        np.maximum(z, self._lower[1:], out=z)
        return z

    def widened(self, width: int) -> Standardisation:
        """The same with features more, which have been 0 so far."""
        # What is held has no values of what is new.
        self._add()
        wider = Standardisation(width, self.limit)
        wider._count = self._count
        for mine, theirs in zip(self._known(), wider._known(), strict=True):
            theirs[: len(mine)] = mine
        wider._scale()
        return wider

    def snapshot(self) -> dict[str, Any]:
        """All that was seen, as plain numbers."""
        return {
            "count": self._count,
            "means": self.means.tolist(),
            "squares": self._squares.tolist(),
            "lows": self._lows.tolist(),
            "highs": self._highs.tolist(),
            "recent": self._recent[: self._held].tolist(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot of as many features.

        Raises:
            KeyError: it lacks something.
            TypeError: it is not shaped as one.
            ValueError: the same, or it holds more than it may.
        """
        self._count = int(snapshot["count"])
        for mine, part in zip(self._known(), ("means", "squares", "lows", "highs"), strict=True):
            mine[:] = np.array(snapshot[part], dtype=np.float64).reshape(mine.shape)
        recent = np.array(snapshot["recent"], dtype=np.float64).reshape(-1, len(self.means) or 1)
        if len(recent) >= _TOGETHER:
            raise ValueError("the snapshot holds more recent examples than are ever held")
        self._held = len(recent)
        self._recent[: self._held] = recent
        self._scale()

    def _known(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.means, self._squares, self._lows, self._highs

    def _add(self) -> None:
        """Add the examples held, all at once (Chan, Golub and LeVeque 1983, formula 2.1)."""
        held, before = self._held, self._count
        if not held:
            return
        rows = self._recent[:held]
        means = rows.mean(axis=0)
        off = rows - means
        apart = means - self.means
        self._count = count = before + held
        self.means += apart * (held / count)
        self._squares += np.einsum("ij,ij->j", off, off) + apart * apart * (before * held / count)
        np.minimum(self._lows, rows.min(axis=0), out=self._lows)
        np.maximum(self._highs, rows.max(axis=0), out=self._highs)
        self._held = 0

    def _scale(self) -> None:
        """Measure features by what was added so far."""
        if self._count < LEAST:
            return
        variances = self._squares / self._count
        varies = variances > _TINY
        np.maximum(variances, _TINY, out=variances)
        np.sqrt(variances, out=variances)
        scales = np.divide(varies, variances, out=self._scales[1:])
        np.minimum((self._highs - self.means) * scales, self.limit, out=self._upper[1:])
        np.maximum((self._lows - self.means) * scales, -self.limit, out=self._lower[1:])
