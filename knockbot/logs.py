"""Logging: one line for people or one JSON object for machines, and no line that a stranger can forge."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from knockbot.config.settings import Logging
from knockbot.config.values import Format
from knockbot.documents.text import shown

LONGEST_LINE = 2000


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        # A message may contain text of strangers; it must not begin a new line, or colour the terminal.
        record.message = shown(record.message, LONGEST_LINE)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        # The same is true for the text of an exception: below a message every line is indented.
        trace = super().formatException(ei).splitlines()
        return "\n".join(f"    {_indent(line)}{shown(line, LONGEST_LINE)}" for line in trace)


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip(" ")))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})  # what `flow/journal.py` tells machines
        line = fields | {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shown(record.getMessage(), LONGEST_LINE),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(settings: Logging) -> None:
    """Log to standard error, as the config file says. Libraries log only problems."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.format is Format.JSON else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # `store/db.py` reports once that PostgreSQL is away; asyncpg would print a traceback every few moments.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    logging.getLogger("knockbot").setLevel(settings.level.upper())
