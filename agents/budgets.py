"""Budgets: what is left of the shared ones whose ledgers this worker keeps, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agents.metrics import Metrics
from agents.tables.profiles import Profiles, Undecodable
from schemas.errors import StateError
from schemas.profile import new_profile
from stream.ledgers import Ledgers


def show(
    ledgers: Ledgers,
    profiles: Profiles,
    partitions: Iterable[int],
    partition_of: Callable[[bytes], int],
    now: int,
    metrics: Metrics,
) -> None:
    """Set what is left of each shared budget, and forget those whose ledger is another worker's by now.

    Args:
        ledgers: those of the playbook in force.
        profiles: the state.
        partitions: those of this worker.
        partition_of: the partition that a key belongs to.
        now: time in ms; it says which period.
        metrics: where it is shown.
    """
    mine = frozenset(partitions)
    metrics.budget_remaining.clear()
    for key in ledgers.keys:
        partition = partition_of(key.encode())
        if partition not in mine:
            continue
        try:
            profile = profiles.get(partition, key) or new_profile(key)
        except (Undecodable, StateError):
            # Whoever decides by it says so.
            continue
        name, scope, share = ledgers.remaining(profile, now)
        metrics.budget_remaining.labels(name, scope).set(share)
