"""Logs of the operator: one JSON object a line, each with the resource that a pass is about."""

import logging

import structlog

from holded_contracts.io.logs import install_handler
from holded_operator.config import OperatorConfig


def configure_logging(config: OperatorConfig) -> None:
    """Send all logs, those of libraries included, through structlog."""
    processors = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    )
    level = install_handler(config.log_level, config.log_format, processors)
    # They tell every request and every step of a migration; what matters of it is in our own lines.
    for name in ("httpx", "httpcore", "urllib3", "yoyo", "aiohttp.access", "kubernetes", "kopf.objects"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
