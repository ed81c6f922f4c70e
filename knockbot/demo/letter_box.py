"""A mail server on loopback that takes every mail and passes on none."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

from knockbot.demo.people import until


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that came."""

    to: str
    subject: str
    text: str

    @property
    def token(self) -> str:
        """The token in it: of an invite, or of a validation."""
        return self._after("Token")

    @property
    def link(self) -> str:
        """The address it asks to open."""
        return self._after("Link")

    def _after(self, word: str) -> str:
        found = re.search(rf"^{word}: (\S+)$", self.text, re.MULTILINE)
        assert found is not None, f"no {word} in the mail:\n{self.text}"
        return found[1]


class LetterBox:
    """A mail server on loopback that takes everything and passes on nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[Mail] = []

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more."""
        self._server.close()
        await self._server.wait_closed()

    async def next_to(self, address: str, wanted: Callable[[Mail], bool]) -> Mail:
        """The next mail to an address for which `wanted` holds, once it comes; each is handed out once."""

        async def look() -> list[Mail]:
            return [mail for mail in self.mails if mail.to.casefold() == address.casefold() and wanted(mail)]

        mails = await until(look, bool, lambda _: f"no mail to {address}; those that came: {self.mails}")
        self.mails.remove(mails[0])
        return mails[0]

    def take_all(self) -> list[Mail]:
        """All that has come and was not handed out."""
        mails, self.mails = self.mails, []
        return mails

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much of SMTP (RFC 5321) as it takes to be handed a mail."""
        recipient = ""
        writer.write(b"220 the letter box\r\n")
        while line := (await reader.readline()).decode(errors="replace").strip():
            match line.partition(" ")[0].upper():
                case "RCPT":
                    recipient = line.partition("<")[2].partition(">")[0]
                    writer.write(b"250 yes\r\n")
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    data = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                    self.mails.append(_read_mail(recipient, data))
                    writer.write(b"250 taken\r\n")
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 yes\r\n")
            await writer.drain()
        writer.close()


def _read_mail(recipient: str, data: bytes) -> Mail:
    message = email.message_from_bytes(data.replace(b"\r\n.", b"\r\n"), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return Mail(recipient, str(message["Subject"]), message.get_content())
