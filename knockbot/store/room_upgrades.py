"""Rooms that were replaced by another, protected or named in a policy, and how far the bot is in following them."""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain.upgrades import RoomUpgrade, Stage
from knockbot.store.db import Tx
from knockbot.store.rows import Row

_UPGRADE = Row(RoomUpgrade, "room_upgrades", stage="state")


async def find(tx: Tx, room_id: str, policy_of: str = "") -> RoomUpgrade | None:
    """What is known of a room's replacement: of a protected one, or of one that a policy names."""
    return _UPGRADE.maybe(
        await tx.fetchrow(f"{_UPGRADE.select} WHERE room_id = $1 AND policy_of = $2", room_id, policy_of)
    )


async def in_policy_of(tx: Tx, policy_of: str) -> list[RoomUpgrade]:
    """The rooms named by the policy of a protected room that were replaced."""
    rows = await tx.fetch(f"{_UPGRADE.select} WHERE policy_of = $1 ORDER BY room_id", policy_of)
    return _UPGRADE.all(rows)


async def ask_again(tx: Tx, upgrade: RoomUpgrade) -> None:
    """The question to the moderators is gone; the next look asks it again."""
    await put(tx, replace(upgrade, stage=Stage.WAITING))


async def asked_by(tx: Tx, prompt_id: int) -> RoomUpgrade | None:
    """The upgrade that a prompt asks about."""
    return _UPGRADE.maybe(await tx.fetchrow(f"{_UPGRADE.select} WHERE prompt_id = $1", prompt_id))


async def leading_to(tx: Tx, replacement: str) -> list[RoomUpgrade]:
    """The rooms that this one is to replace."""
    rows = await tx.fetch(f"{_UPGRADE.select} WHERE replacement = $1 ORDER BY room_id", replacement)
    return _UPGRADE.all(rows)


async def put(tx: Tx, upgrade: RoomUpgrade) -> None:
    """Store how far the bot is; another tombstone in the same room replaces the first."""
    await tx.execute(
        "INSERT INTO room_upgrades (room_id, tombstone, replacement, state, prompt_id, policy_of) "
        "VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (room_id, policy_of) DO UPDATE SET tombstone = $2, replacement = $3, state = $4, prompt_id = $5",
        upgrade.room_id,
        upgrade.tombstone,
        upgrade.replacement,
        upgrade.stage,
        upgrade.prompt_id,
        upgrade.policy_of,
    )


async def forget(tx: Tx, room_id: str, policy_of: str = "") -> None:
    """The room is not replaced after all, or is not named any more."""
    await tx.execute("DELETE FROM room_upgrades WHERE room_id = $1 AND policy_of = $2", room_id, policy_of)
