"""Logging: structlog, one line an event, for people on a terminal and as JSON elsewhere.

Room and booking keys may appear; names and subjects never reach anything that logs.
"""

import logging
import sys
from typing import Literal

import structlog


def configure(level: str = "info", form: Literal["console", "json", "auto"] = "auto") -> None:
    """Set up structlog for the whole process. "auto": for people if standard error is a terminal."""
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([] if for_people else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
