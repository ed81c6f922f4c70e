"""The files that people send: found in their messages, downloaded, and decrypted where they are encrypted."""

from __future__ import annotations

import asyncio
from typing import Any

from knockbot.domain.model import File, FileKey
from knockbot.domain.notices import because
from knockbot.errors import Later, Never
from knockbot.matrix.crypto.keyring import Keyring
from knockbot.matrix.events import file_in, mapping
from knockbot.matrix.homeserver import Homeserver


class Files:
    """Implements `flow.ports.Files`; with the bot's keys, if encryption is allowed."""

    def __init__(self, homeserver: Homeserver, keyring: Keyring | None = None) -> None:
        self._homeserver = homeserver
        self._keyring = keyring

    async def attached(self, room_id: str, event_id: str) -> File | None:
        """The file that a message holds."""
        event = await self._homeserver.event(room_id, event_id)
        edited = mapping(mapping(mapping(event).get("unsigned")).get("m.relations")).get("m.replace") is not None
        if event is not None and self._keyring is not None:
            event = dict(await self._keyring.opened({**event, "room_id": room_id}))
        fields = mapping(event)
        file = file_in(mapping(fields.get("content"))) if fields.get("type") == "m.room.message" else None
        if edited and (file is not None or fields.get("type") == "m.room.encrypted"):
            raise Never(because("file.edited"))  # clients show the newer file, and this would be the older one
        return file

    async def content(self, file: File, most: int) -> bytes:
        """What is in a file. A server that does not deliver it now is a `Never`: nobody should wait for a file."""
        try:
            content = await self._homeserver.download(file.server, file.media_id, most)
        except Later as error:
            if error.unreachable:
                raise
            raise Never(error.why, error.code) from error
        return await asyncio.to_thread(opened, content, file.key) if file.key is not None else content


def opened(content: bytes, key: FileKey) -> bytes:
    """An encrypted file, decrypted. Raises `Never`."""
    try:
        from mautrix.crypto.attachments import decrypt_attachment  # noqa: PLC0415 - there only with the extra
    except ImportError:
        raise Never(because("file.no_encryption")) from None
    from mautrix.errors import DecryptionError  # noqa: PLC0415 - as above

    try:
        return decrypt_attachment(content, key.key, key.sha256, key.iv)
    except (DecryptionError, ValueError) as error:
        raise Never(because("file.not_opened")) from error


def encrypted(content: bytes) -> tuple[bytes, dict[str, Any]]:
    """A file as it is put into the media repository, and what opens it (client-server API, "Sending encrypted
    attachments"), without its address."""
    from mautrix.crypto.attachments import encrypt_attachment  # noqa: PLC0415 - there only with the extra

    ciphertext, key = encrypt_attachment(content)
    return ciphertext, dict(key.serialize())
