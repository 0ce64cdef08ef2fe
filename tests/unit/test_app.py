"""The worker's app: how Faust is set up, without a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from agents.app import WorkerApp
from agents.connection import Connection
from agents.health import Health
from agents.metrics import Metrics
from agents.playbooks import Playbooks
from agents.settings import Settings
from stream.engine import load_engine


def test_faust_serves_nothing_and_logs_in_as_we_do(tmp_path: Path) -> None:
    """Faust's web server, which would show tables, is off; its clients log in as the connection says."""

    async def configured() -> Any:
        connection = Connection(
            "a:1,b:2", sasl_mechanism="SCRAM-SHA-512", sasl_username="ann", sasl_password="secret"
        )
        settings = Settings(connection, state=tmp_path)
        metrics = Metrics(CollectorRegistry(), [])
        app = WorkerApp(settings, Playbooks(load_engine(), metrics), 4, metrics, Health())
        return app.faust

    app = asyncio.run(configured())

    assert app.conf.web_enabled is False
    assert [str(url) for url in app.transport.url] == ["kafka://a:1", "kafka://b:2"]
    assert app.conf.broker_credentials.username == "ann"
    assert app.conf.broker_credentials.protocol.value == "SASL_SSL"
