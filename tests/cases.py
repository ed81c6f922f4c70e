"""Many cases in one test: as thousands of tests they would cost more to collect and to report than to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def case(name: object) -> Iterator[None]:
    """Whatever fails in here names its case."""
    try:
        yield
    except BaseException as error:  # pytest says by one that nothing was raised
        error.add_note(f"in the case of {name}")
        raise
