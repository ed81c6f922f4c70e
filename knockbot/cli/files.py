"""New files that only their owner can read, written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from knockbot.errors import KnockbotError


def exists(file: Path) -> KnockbotError:
    """Says that a file exists; it is never overwritten."""
    return KnockbotError(f"{file} exists already and was not changed: move it away or choose another place")


def holds(file: Path, text: str) -> bool:
    """Whether a file exists and has exactly this content."""
    try:
        return file.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def write_all(files: dict[Path, str]) -> None:
    """Write new files that only their owner can read: all of them, or none."""
    begun: list[Path] = []
    try:
        for file, text in files.items():
            _make_directory(file.parent)
            file.touch(mode=0o600, exist_ok=False)
            begun.append(file)
            file.write_text(text, encoding="utf-8")
    except BaseException as error:
        for half in begun:
            half.unlink()
        if isinstance(error, FileExistsError):
            raise exists(file) from None
        if isinstance(error, OSError):
            raise KnockbotError(f"cannot write {file}: {error.strerror}") from None
        raise


def write_new(file: Path, write: Callable[[Callable[[bytes], object]], None]) -> None:
    """Write a new file that only its owner can read, completely or not at all."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise exists(file) from None
    except OSError as error:
        raise KnockbotError(f"cannot write {file}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as out:
            write(out.write)
            out.flush()
            os.fsync(out.fileno())
    except BaseException as error:
        file.unlink()
        if isinstance(error, OSError):
            raise KnockbotError(f"cannot write {file}: {error.strerror}") from None
        raise


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KnockbotError(f"cannot make the directory {directory}: {error.strerror}") from None
