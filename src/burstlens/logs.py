"""Logs on standard error: one JSON line for each event, or coloured text when a person is watching."""

import logging
import os
import sys

import structlog


def configure_logs(level: str | None = None) -> None:
    """Set up structlog for this process; `level` defaults to $BURSTLENS_LOG_LEVEL, then `info`."""
    name = (level or os.environ.get("BURSTLENS_LOG_LEVEL") or "info").upper()
    number = logging.getLevelNamesMapping().get(name, logging.INFO)
    person = sys.stderr.isatty()
    shape: tuple[structlog.typing.Processor, ...] = (
        (structlog.dev.ConsoleRenderer(),)
        if person
        else (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
