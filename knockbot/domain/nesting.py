"""Deeply nested JSON from strangers: reads and writes only the levels that are needed when Python would fail."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 64
"""Levels that are kept if there are more than Python can read: no event that knockbot needs is deeper."""


LONGEST_INTEGER = 20
"""Digits. Python refuses to read integers of thousands of digits, which would stop everything else too."""


def read(text: bytes | str) -> Any:
    """The value of JSON, with `null` for parts that are nested too deeply. Raises `ValueError` if it is not JSON."""
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        return json.loads(_pruned(text.encode() if isinstance(text, str) else text), parse_int=_integer)


def written(value: Any, *, sort_keys: bool = False) -> str:
    """A value as JSON; a value that Python could read may still be too deep for it to write."""
    try:
        return json.dumps(value, sort_keys=sort_keys)
    except RecursionError:
        return json.dumps(_shallow(value, DEEPEST), sort_keys=sort_keys)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


_TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def _pruned(text: bytes) -> bytes:
    """JSON with `null` for everything more than `DEEPEST` levels deep."""
    kept: list[bytes] = []
    depth = begin = 0
    for token in _TOKENS.finditer(text):
        if token[0] in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += (text[begin : token.start()], b"null")
        elif token[0] in b"]}":
            depth -= 1
            if depth == DEEPEST:
                begin = token.end()
    return b"".join(kept) + (text[begin:] if depth <= DEEPEST else b"")


def _shallow(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {key: _shallow(one, levels - 1) for key, one in value.items()} if levels else None
    if isinstance(value, list):
        return [_shallow(one, levels - 1) for one in value] if levels else None
    return value
