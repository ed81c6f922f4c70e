"""Encrypted management rooms for tests: a bot that may encrypt, moderators whose clients do, and lost keys."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")


from knockbot.demo.people import Json, Person, until
from knockbot.demo.sealed import SealedPerson
from knockbot.demo.story import ENCRYPTED
from knockbot.flow.keys import MEGOLM, SEALED
from knockbot.matrix.crypto.machine import KEY_TABLES
from tests.keeper import Garden, Keeper
from tests.lab import LabHomeserver

ALGORITHM = {"algorithm": MEGOLM}
PICKLE_KEY = "a secret of twenty characters at least"


def encryption(**more: Any) -> dict[str, Any]:
    """The part of config.yaml that allows it."""
    return {"allow": True, "pickle_key": PICKLE_KEY, **more}


async def moderator(homeserver: LabHomeserver, name: str = "alice") -> SealedPerson:
    """Somebody new whose client encrypts."""
    localpart = f"{name}-sealed{next(homeserver._numbers)}"
    return await SealedPerson.register(homeserver, localpart, display_name=name.capitalize())


async def plant(keeper: Keeper, alice: SealedPerson | None = None, *, state: Any = ENCRYPTED) -> Garden:
    """A garden whose management room is encrypted."""
    alice = alice or await moderator(keeper.homeserver)
    mods = await alice.create_room(invite=[keeper.user_id], initial_state=state)
    return await keeper.plant(alice=alice, mods=mods)


async def raw(garden: Garden) -> list[Json]:
    """What the homeserver has of the bot's words in the management room."""
    events = await Person.messages(garden.alice, garden.mods, limit=200)  # unopened
    return [e for e in events if e["sender"] == garden.keeper.user_id and e["type"] in (SEALED, "m.room.message")]


async def use_another_key(garden: Garden) -> None:
    """Alice's client begins a new session."""
    assert isinstance(garden.alice, SealedPerson)
    await garden.alice.use_another_key(garden.mods)


async def new_device(person: SealedPerson) -> SealedPerson:
    """Another device of theirs, which has the keys of nothing that was said before."""
    localpart = person.user_id[1:].partition(":")[0]
    device = await SealedPerson.log_in(person.http, person.url, localpart, person.password)
    await device.get_keys()
    return device


async def devices_of(keeper: Keeper) -> set[str]:
    """The bot's devices on the homeserver."""
    headers = {"Authorization": f"Bearer {keeper.slot.as_token}"}
    url = f"{keeper.homeserver.url}/_matrix/client/v3/devices"
    async with keeper.homeserver.http.get(url, headers=headers, params={"user_id": keeper.user_id}) as answer:
        return {device["device_id"] for device in (await answer.json())["devices"]}


async def another_device(keeper: Keeper, before: set[str]) -> None:
    """Return once the bot has another device than before, and no other."""

    async def look() -> set[str]:
        return await devices_of(keeper)

    await until(look, lambda now: len(now) == 1 and now != before, lambda now: f"the bot has {now}")


async def come_back_without_keys(keeper: Keeper, sqlite_url: str) -> None:
    """Have the bot lose its device and all its keys, and return once it has come back with another."""
    before = await devices_of(keeper)
    await keeper.stop()
    lose_keys(sqlite_url)
    await keeper.start()
    await another_device(keeper, before)


def lose_keys(sqlite_url: str) -> None:
    """Take the bot's device and all its keys out of a database."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:"))) as file:
        for table in (*KEY_TABLES, "bot_device", "mail"):
            file.execute(f"DELETE FROM {table}")
        file.commit()
