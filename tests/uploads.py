"""Files that people send on a real homeserver, in clear or encrypted."""

from __future__ import annotations

from typing import Any

from knockbot.demo.people import Json, Person


async def upload(person: Person, content: bytes) -> str:
    """Put a file into the media repository; returns its address (client-server API, "Content repository")."""
    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "text/csv"}
    async with person.http.post(f"{person.url}/_matrix/media/v3/upload", headers=headers, data=content) as answer:
        assert answer.status == 200, await answer.text()
        uploaded: Json = await answer.json()
    return str(uploaded["content_uri"])


async def send_file(person: Person, room: str, content: bytes, caption: str = "list.csv") -> str:
    """Send a file with a caption; returns the event."""
    uri = await upload(person, content)
    return await person.say(room, caption, content={"msgtype": "m.file", "filename": "list.csv", "url": uri})


async def send_sealed_file(person: Person, room: str, content: bytes, caption: str = "list.csv") -> str:
    """Send an encrypted file with a caption, as clients do in encrypted rooms; returns the event."""
    from mautrix.crypto.attachments import encrypt_attachment  # noqa: PLC0415 - there only with the extra

    ciphertext, info = encrypt_attachment(content)
    key: Any = info.serialize()
    file = {**key, "url": await upload(person, ciphertext)}
    return await person.say(room, caption, content={"msgtype": "m.file", "filename": "list.csv", "file": file})


async def download(person: Person, uri: str) -> bytes:
    """A file of the media repository (client-server API, "Content repository")."""
    headers = {"Authorization": f"Bearer {person.token}"}
    path = uri.removeprefix("mxc://")
    async with person.http.get(f"{person.url}/_matrix/client/v1/media/download/{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()
