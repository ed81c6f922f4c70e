"""A database, looked through for sentences: there are none in it but those that people wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from knockbot.domain.notices import Document, Foreign, Hidden, Letters, Name, Stranger
from knockbot.store.db import Database
from knockbot.store.tables import TABLES

SENTENCE = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,} [^\W\d_]{2,}")
"""Three words in a row; keys and lanes have two at most."""

PEOPLES = {
    "inbox": {"raw"},
    "mail": {"raw"},
    "requests": {"reason", "display_name", "invite_json"},
    "rooms": {"label", "name"},
    "policies": {"text", "settings_json"},
    "offers": {"meaning"},
    "approvals": {"note"},
    "notes": {"text"},
    "vouches": {"why"},
    "appeals": {"text"},
    "questions": {"ask", "answer", "choices_json"},
    "votes": {"reason"},
    "addresses": {"address", "name"},
    "issued": {"address", "name"},
    "list_entries": {"key", "subject", "entity", "reason"},
}
"""The columns that people write."""

WRITTEN = frozenset({"reason", "rule", "display_name", "room_name"})
"""What people write inside of columns that hold JSON."""

THEIRS = (Document, Foreign, Hidden, Letters, Name, Stranger)
"""The arguments of notices that quote somebody, or another program."""

FILLED = " UNION ALL ".join(f"SELECT '{table}' AS name WHERE EXISTS (SELECT * FROM {table})" for table in TABLES)
"""Which tables have rows."""


async def sentences(db: Database) -> list[str]:
    """The sentences in a database that nobody wrote, each with its table and column."""
    async with db.tx() as tx:  # one for all: it is looked through after each test
        filled = [row["name"] for row in await tx.fetch(FILLED)]
        rows = [(table, dict(row)) for table in filled for row in await tx.fetch(f"SELECT * FROM {table}")]
    return [
        f"{table}.{column}: {text}"
        for table, row in rows
        for column, value in row.items()
        if column not in PEOPLES.get(table, ())
        for text in _texts(value)
        if SENTENCE.search(text)
    ]


def _texts(value: object) -> Iterator[str]:
    """The texts of a column, but for what people wrote in it."""
    if not isinstance(value, str):
        return
    try:
        yield from _inside(json.loads(value))
    except ValueError:
        yield value


def _inside(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            if key not in WRITTEN:
                yield from _inside(value)
    elif isinstance(data, list) and not (data and isinstance(data[0], str) and data[0] in _TAGS):
        for item in data:
            yield from _inside(item)


_TAGS = frozenset(kind.__name__.lower() for kind in THEIRS)
