"""Challenger: the rule by which what was learned in the shadow takes the place of what is in force."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import msgspec

from stream.churn.quality import log_loss_of, quality_of
from stream.churn.window import WINDOW

MARGIN = 0.002
"""Log loss by which a challenger has to be better at least: below it, no offer would be another."""

BLOCKS = 50
"""The examples are compared in so many blocks, in the order in which labels became known: examples of one
customer and of one week are alike, and to take each for a witness of its own would make us too sure."""

CERTAIN = 3.27
"""Standard errors above the mean of blocks: Student's t with 49 degrees of freedom is below it 999 times in
1,000. It is asked often whether a challenger is better: one chance in twenty would come true within a day."""


class Comparison(msgspec.Struct, frozen=True):
    """A challenger against the champion, on the same examples, which neither had seen.

    Attributes:
        examples: how many there were.
        difference: mean of the challenger's log loss less the champion's: below 0, the challenger is better.
        bound: what the difference is below with a certainty of 99.9 %.
        auc: the challenger's AUC less the champion's.
        better: whether it is to be promoted: on 5,000 examples the bound is below −0.002, and its AUC is not
            lower.
    """

    examples: int
    difference: float
    bound: float
    auc: float
    better: bool


def compared(pairs: Sequence[tuple[float, float, bool]]) -> Comparison | None:
    """Compare what champion and challenger said; None where there is too little to compare.

    Args:
        pairs: what the champion said, what the challenger said, and the label, the oldest first.

    >>> import math
    >>> pairs = [(0.6, 0.7, True), (0.4, 0.3, False)] * 2_500
    >>> found = compared(pairs)
    >>> found.examples, found.better, round(found.difference, 3), round(math.log(6 / 7), 3)
    (5000, True, -0.154, -0.154)
    """
    champion, challenger = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = [pair[2] for pair in pairs]
    theirs, its = quality_of(champion, labels), quality_of(challenger, labels)
    if theirs is None or its is None or len(pairs) < BLOCKS:
        return None
    edges = [len(pairs) * block // BLOCKS for block in range(BLOCKS + 1)]
    means = [
        log_loss_of(challenger[start:end], labels[start:end])
        - log_loss_of(champion[start:end], labels[start:end])
        for start, end in pairwise(edges)
    ]
    mean = sum(means) / BLOCKS
    spread = sqrt(sum((each - mean) ** 2 for each in means) / (BLOCKS - 1) / BLOCKS)
    bound, auc = mean + CERTAIN * spread, its.auc - theirs.auc
    better = len(pairs) >= WINDOW and bound < -MARGIN and auc >= 0.0
    return Comparison(len(pairs), its.log_loss - theirs.log_loss, bound, auc, better)
