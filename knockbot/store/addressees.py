"""Whom invites issued by the bot went to: personal data, kept apart from all else so that it can be forgotten.

While an invite is being issued, its address is in `issued`, with the command that asked for it. After that it is in
`addresses`, with the token of the invite. It is nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from mautrix.util.async_db import Scheme

from knockbot.domain.invites import Address
from knockbot.store.db import Tx
from knockbot.store.rows import Row
from knockbot.times import DAY


@dataclass(frozen=True, slots=True)
class Addressee:
    """An address that an invite was sent to, and who asked for that."""

    room_id: str
    token: str
    address: Address
    issued_by: str
    issued_at: int
    name: str = ""
    """Who that is, in the words of the moderator who had it sent."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An invite that a moderator asked for; `cause` is their command."""

    cause: str
    room_id: str
    moderator: str
    at: int
    address: Address
    name: str = ""
    sending: bool = False
    """Whether the identity server may have been asked for it: an email may be on its way, and must not go out twice."""


_ADDRESS = Row(Address, "", text="address")
_ADDRESSEE = Row(Addressee, "addresses", address=_ADDRESS)
_ASKED = Row(Asked, "issued", address=_ADDRESS)


async def remember(tx: Tx, addressee: Addressee) -> None:
    """Keep whom a token was sent to."""
    await tx.execute(
        "INSERT INTO addresses (room_id, token, medium, address, name, issued_by, issued_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (room_id, token) DO NOTHING",
        addressee.room_id,
        addressee.token,
        addressee.address.medium,
        addressee.address.text,
        addressee.name,
        addressee.issued_by,
        addressee.issued_at,
    )


async def of_room(tx: Tx, room_id: str) -> dict[str, Addressee]:
    """Whom the invites to a room went to, by token, as far as that is known."""
    rows = await tx.fetch(f"{_ADDRESSEE.select} WHERE room_id = $1", room_id)
    return {addressee.token: addressee for addressee in _ADDRESSEE.all(rows)}


async def number_of(tx: Tx, room_id: str, address: Address) -> int | None:
    """The number of an address's invite to a room; none where it has no invite that is valid or pending."""
    number = await tx.fetchval(
        "SELECT max(requests.number) FROM addresses JOIN requests ON requests.room_id = addresses.room_id "
        "AND requests.token = addresses.token WHERE addresses.room_id = $1 AND medium = $2 AND address = $3 "
        "AND requests.user_id = '' AND requests.state IN ('pending', 'standing')",
        room_id,
        address.medium,
        address.text,
    )
    return int(number) if number is not None else None


async def forget_old(tx: Tx, before: int) -> None:
    """Forget the addresses of invites that have not been valid since a moment, or whose room is no longer protected."""
    await tx.execute(
        "DELETE FROM addresses WHERE issued_at < $1 AND NOT EXISTS (SELECT 1 FROM requests "
        "WHERE requests.room_id = addresses.room_id AND requests.token = addresses.token "
        "AND (requests.changed_at >= $1 OR (requests.state IN ('pending', 'standing') "
        "AND EXISTS (SELECT 1 FROM rooms WHERE rooms.room_id = requests.room_id))))",
        before,
    )


# --- being issued ---------------------------------------------------------------------------------------------


async def ask(tx: Tx, asked: Asked) -> None:
    """Write down that a moderator asks for an invite, and count it; the same command counts once."""
    await tx.execute(
        "INSERT INTO issued (cause, room_id, moderator, at, medium, address, name) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (cause) DO NOTHING",
        asked.cause,
        asked.room_id,
        asked.moderator,
        asked.at,
        asked.address.medium,
        asked.address.text,
        asked.name,
    )


async def asked_by(tx: Tx, cause: str) -> Asked | None:
    """What a command asked for; none once its end is known."""
    return _ASKED.maybe(await tx.fetchrow(f"{_ASKED.select} WHERE cause = $1 AND address IS NOT NULL", cause))


async def is_asked_for(tx: Tx, room_id: str, address: Address) -> bool:
    """Whether an invite for this address is being issued."""
    found = await tx.fetchval(
        "SELECT count(*) FROM issued WHERE room_id = $1 AND medium = $2 AND address = $3",
        room_id,
        address.medium,
        address.text,
    )
    return bool(found)


async def begin_sending(tx: Tx, cause: str) -> bool:
    """Note that the identity server is about to be asked, which happens once; false where it was begun or has ended."""
    row = await tx.fetchrow(
        "UPDATE issued SET sending = TRUE WHERE cause = $1 AND NOT sending AND address IS NOT NULL RETURNING cause",
        cause,
    )
    return row is not None


async def doubt(tx: Tx) -> None:
    """An identity server may have been asked elsewhere for any invite that has not ended: it is not asked again."""
    await tx.execute("UPDATE issued SET sending = TRUE WHERE address IS NOT NULL")


async def end(tx: Tx, cause: str, *, counted: bool) -> None:
    """Its end is known, so its address is no longer needed here; an invite that was not sent is not `counted`."""
    if counted:
        await tx.execute("UPDATE issued SET medium = NULL, address = NULL, name = NULL WHERE cause = $1", cause)
    else:
        await tx.execute("DELETE FROM issued WHERE cause = $1", cause)


# --- budgets --------------------------------------------------------------------------------------------------


async def hold_budgets(tx: Tx) -> None:
    """Let nobody else count until this transaction ends; SQLite has one writer anyway."""
    if tx.scheme != Scheme.SQLITE:
        await tx.execute("LOCK TABLE issued IN SHARE ROW EXCLUSIVE MODE")


async def issued_at(tx: Tx, since: int, *, room_id: str | None = None, moderator: str | None = None) -> list[int]:
    """When invites were issued since a moment, for a room or by a moderator."""
    column, value = ("room_id", room_id) if room_id is not None else ("moderator", moderator)
    rows = await tx.fetch(f"SELECT at FROM issued WHERE at >= $1 AND {column} = $2 ORDER BY at", since, value)
    return [row["at"] for row in rows]


async def forget_counted(tx: Tx, now: int) -> None:
    """Forget what has ended and no longer counts."""
    await tx.execute("DELETE FROM issued WHERE at < $1 AND address IS NULL", now - DAY)
