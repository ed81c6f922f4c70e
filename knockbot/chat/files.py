"""The file that a command is about: the one whose caption it is, or the one that it replies to."""

from __future__ import annotations

from knockbot.chat.calls import Call
from knockbot.domain.model import File
from knockbot.domain.notices import Notice, notice
from knockbot.errors import Never, Refused
from knockbot.flow.ports import TOO_LARGE


async def meant(call: Call) -> File | None:
    """The file that a command is the caption of, or a reply to; `None` where there is none."""
    if call.message.file is not None or call.message.in_reply_to is None:
        return call.message.file
    try:
        return await call.context.files.attached(call.room, call.message.in_reply_to)
    except Never as error:
        raise Refused(notice("file.not_read", why=error.why)) from error


async def content(call: Call, file: File, most: int, too_large: Notice) -> bytes:
    """What is in a file, of at most so many bytes. Raises `Refused`, with `too_large` beyond that."""
    try:
        return await call.context.files.content(file, most)
    except Never as error:
        raise Refused(too_large if error.code == TOO_LARGE else notice("file.not_read", why=error.why)) from error
