"""Logs of the operator: one JSON object a line, each with the resource that a pass is about."""

import logging

import structlog

from holded_operator.config import OperatorConfig


def configure_logging(config: OperatorConfig) -> None:
    """Send all logs, those of libraries included, through structlog."""
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if config.log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # They tell every request and every step of a migration; what matters of it is in our own lines.
    for name in ("httpx", "httpcore", "urllib3", "yoyo", "aiohttp.access", "kubernetes", "kopf.objects"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
