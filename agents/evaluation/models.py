"""Models: what `--model` can be, by name."""

from __future__ import annotations

from stream.churn.scorer import Scorer

NAMES = ("stacked", "logistic")
"""The default first."""


def model(name: str, horizon_days: float) -> Scorer:
    """A new one of these.

    Args:
        name: one of `NAMES`.
        horizon_days: within which a customer who doesn't come back counts as lost.
    """
    if name == "stacked":
        from stream.churn.stacked import Stacked  # noqa: PLC0415 - each brings what only it needs

        return Stacked(horizon_days)
    from stream.churn.logistic import Logistic  # noqa: PLC0415 - as above

    return Logistic()
