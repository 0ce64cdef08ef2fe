"""What chaos happens on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.rounds import Stage
from tests.conftest import require_kafka


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A broker behind proxies, which rounds may break; they leave it whole."""
    require_kafka()
    with Stage(tmp_path_factory.mktemp("chaos")) as made:
        yield made
