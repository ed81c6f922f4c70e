"""What an act on a homeserver is refused with, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError

E = TypeVar("E", bound=ActionError)


@contextmanager
def refused(kind: type[E], match: str) -> Iterator[pytest.ExceptionInfo[E]]:
    """Like `pytest.raises`, for an error whose reason has these words."""
    with pytest.raises(kind) as caught:
        yield caught
    assert re.search(match, in_words(caught.value.why)), in_words(caught.value.why)
