"""Logs: structlog, silent per event; lines for people on a terminal, JSON elsewhere.

The libraries below us write through it too, from warnings up, and what an unreachable broker
makes them repeat many times a second is left to the one line that dangol itself writes.
"""

from __future__ import annotations

import logging
import sys
import time

import orjson
import structlog

_QUIET = ("aiokafka", "faust", "mode")
"""Libraries whose troubles dangol tells in its own words; they are heard at critical only."""

log = structlog.get_logger("dangol.broker")

OUTAGE_SECONDS = 60.0
"""How often an outage is told again while it lasts, in seconds."""


class OutageNotice(logging.Handler):
    """Turns the many lines that a client logs of an unreachable broker into one a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told = -OUTAGE_SECONDS

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of an outage, unless it was told of within the last minute."""
        message = record.getMessage()
        now = time.monotonic()
        if "connect" in message.lower() and now - self._told >= OUTAGE_SECONDS:
            self._told = now
            log.warning("the broker does not answer, trying again", reason=message)


def brief(record: logging.LogRecord) -> bool:
    """Let a record of a library through, its error in words instead of a traceback."""
    if record.exc_info and not record.name.startswith("dangol"):
        error = record.exc_info[1]
        record.msg, record.args = f"{record.getMessage()} ({type(error).__name__}: {error})", None
        record.exc_info = record.exc_text = None
    return True


def configure(*, json: bool | None = None, verbose: bool = False) -> None:
    """Set up logging for this process, to standard error.

    Args:
        json: JSON lines; None: unless standard error is a terminal.
        verbose: let the Kafka libraries speak from `info` up, for finding faults.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(serializer=_dumps)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    if not verbose:
        handler.addFilter(brief)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("dangol").setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL)
    if not verbose:
        client = logging.getLogger("aiokafka")
        client.setLevel(logging.WARNING)
        client.propagate = False
        client.handlers = [OutageNotice()]


def _dumps(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
