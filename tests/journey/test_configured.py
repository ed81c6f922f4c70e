"""Rooms that the config file rules, the config read again while the bot runs, and rooms the bot cannot read in."""

from __future__ import annotations

import secrets
import signal
from typing import Any

import pytest

from knockbot import app
from knockbot.demo.people import Person, until
from tests.journey.conftest import OwnKeeper
from tests.journey.test_lists import entry
from tests.keeper import Garden, InProcess, Process, words


def send_hang_up(process: Process) -> None:
    process._running.send_signal(signal.SIGHUP)


async def read_again(process: Process, rooms: dict[str, Any], *, says: str = "the config was read again") -> None:
    """Have the bot read another config, and wait until it says what came of it."""
    before = process.said().count(says)
    process.config["rooms"] = rooms
    process.write_config()
    send_hang_up(process)

    async def said() -> int:
        return process.said().count(says)

    await until(said, lambda times: times > before, lambda _: f"it did not say {says!r}:\n{process.said()}")


async def knocked(garden: Garden, membership: str) -> Person:
    """Somebody knocks, and is answered."""
    ana = await garden.knocker(reason="hello")
    await garden.membership(ana, membership)
    return ana


async def test_a_room_of_the_config_file_is_ruled_by_it_alone(process: Process) -> None:
    await process.start()
    garden = await process.plant(protect=False)

    def ruled(verdict: str) -> dict[str, Any]:
        return {garden.room: {"management_room": garden.mods, "policy": {"rules": [], "otherwise": verdict}}}

    await read_again(process, ruled("reject"))
    await knocked(garden, "leave")

    # Chat cannot change it, whoever asks.
    await garden.command(f"policy set {garden.room}\notherwise: accept", expect="set in my config file")
    await garden.command(f"unprotect {garden.room}", expect="set in my config file")
    await garden.command(f"protect {garden.room}", expect="set in my config file")
    assert "otherwise: reject" in await garden.command(f"policy show {garden.room}")

    # The next reading changes it live; a mistake changes nothing.
    await read_again(process, ruled("accept"))
    await knocked(garden, "invite")
    await read_again(process, ruled("maybe"), says="is not taken")
    await knocked(garden, "invite")

    # Named no longer, the room stays protected, and is the moderators' own again.
    await read_again(process, {})
    await garden.set_policy("otherwise: ban")
    await knocked(garden, "ban")


async def test_a_room_that_cannot_be_entered_now_is_named_in_the_log_and_the_others_go_on(process: Process) -> None:
    await process.start()
    garden = await process.plant(protect=False)

    await read_again(
        process,
        {
            f"#nowhere:{process.homeserver.name}": {"management_room": garden.mods},
            garden.room: {"management_room": garden.mods, "policy": {"rules": [], "otherwise": "reject"}},
        },
    )

    assert "cannot protect #nowhere" in process.said()
    await knocked(garden, "leave")


async def test_a_list_of_the_default_policy_whose_alias_leads_somewhere_later_is_followed_then(
    own_keeper: OwnKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "PATIENCE", 1)  # looked up each second, in place of each minute
    alias = f"late-{secrets.token_hex(4)}"
    by_list = {"lists": [{"room": f"#{alias}:lab.test", "name": "late"}], "otherwise": "accept"}
    keeper = await own_keeper(defaults={"policy": by_list})
    garden = await keeper.plant(alone=True)
    ana, ben, liz = await garden.knocker("ana"), await garden.knocker("ben"), await garden.person("liz")
    await garden.card(ana)
    await garden.card(ben)

    room = await liz.create_room("Late", preset="public_chat")
    await entry(liz, room, ben.user_id)
    await liz.call("PUT", "directory", "room", f"#{alias}:lab.test", body={"room_id": room})

    await garden.membership(ana, "invite")
    await garden.membership(ben, "ban")
    await garden.shown(ben, "banned", rule="list late")
    assert "users 1" in await garden.command("lists")


# --- rooms the bot cannot read in ---------------------------------------------------------------------------------

ENCRYPTION = {"algorithm": "m.megolm.v1.aes-sha2"}
ENCRYPTED = {"type": "m.room.encryption", "content": ENCRYPTION}


async def test_an_invite_into_an_encrypted_room_is_answered_with_one_where_the_bot_can_read(keeper: InProcess) -> None:
    alice = await keeper.homeserver.person("alice")

    secret = await alice.create_room(invite=[keeper.user_id], initial_state=[ENCRYPTED])

    async def invites() -> dict[str, Any]:
        found: dict[str, Any] = (await alice.sync())["rooms"].get("invite", {})
        return found

    offered = next(iter(await until(invites, bool, lambda _: "no invite came")))
    await alice.join(offered)
    said = await alice.wait_for(offered, lambda event: "encrypted" in words(event), what="why it was made")
    assert said["sender"] == keeper.user_id
    assert await alice.state(offered, "m.room.encryption") is None
    levels = await alice.state(offered, "m.room.power_levels") or {}
    create = await alice.state(offered, "m.room.create") or {}
    creators = create.get("additional_creators", [])
    assert alice.user_id in creators or levels["users"][alice.user_id] >= levels.get("state_default", 50)
    said_there = [event for event in await alice.messages(secret) if event["sender"] == keeper.user_id]
    assert [event["type"] for event in said_there] == ["m.room.member"]  # it came, and that is all


async def test_an_encrypted_room_that_takes_knocks_gets_no_such_offer(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False)
    await garden.alice.put_state(garden.room, "m.room.encryption", ENCRYPTION)
    await garden.command(f"protect {garden.room}", expect="is now protected")

    ana = await garden.knocker(reason="hello")

    await garden.card(ana)
    assert not (await garden.alice.sync())["rooms"].get("invite", {})


@pytest.mark.parametrize("permissions", [{}, {"elsewhere.test": "user"}])
async def test_a_stranger_gets_neither_bot_nor_room(own_keeper: OwnKeeper, permissions: dict[str, str]) -> None:
    keeper = await own_keeper(permissions=permissions)
    alice = await keeper.homeserver.person("alice")

    room = await alice.create_room(invite=[keeper.user_id], initial_state=[ENCRYPTED])

    await alice.wait_for_membership(room, keeper.user_id, "leave")
    assert not (await alice.sync())["rooms"].get("invite", {})
