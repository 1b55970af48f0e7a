"""Structured logs: JSON lines on stdout, or readable ones at a terminal."""

import logging
from collections.abc import Sequence

import structlog

from holded_contracts.settings import ServiceSettings


def configure_logging(settings: ServiceSettings, *, service: str) -> None:
    """Send all logs, those of libraries included, through structlog with the pipeline's name on each line."""
    processors = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    )
    level = install_handler(settings.log_level, settings.log_format, processors)
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    structlog.contextvars.bind_contextvars(
        service=service, pipeline=f"{settings.pipeline.namespace}/{settings.pipeline.name}", pod=settings.pod_name
    )


def install_handler(log_level: str, log_format: str, processors: Sequence[structlog.typing.Processor]) -> int:
    """Make the root logger write lines of this format, after these processors; return its level as a number."""
    level = logging.getLevelNamesMapping()[log_level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    return level
