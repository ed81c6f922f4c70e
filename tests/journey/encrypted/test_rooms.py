"""Encrypted management rooms: everything as in clear ones, and nothing of it readable by anybody else."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from mautrix.client import Client
from mautrix.crypto.ssss.machine import Machine
from mautrix.types import EventType

from knockbot.check import check
from knockbot.config.settings import read_settings
from knockbot.demo.story import ENCRYPTED
from knockbot.flow.keys import SEALED
from knockbot.matrix.crypto.secret import recovery_key
from tests.keeper import Garden, InProcess, edit_of, words
from tests.sealed import (
    ALGORITHM,
    PICKLE_KEY,
    devices_of,
    encryption,
    moderator,
    plant,
    raw,
)

# --- as in clear rooms --------------------------------------------------------------------------------------------


async def test_a_moderator_meets_the_bot_in_an_encrypted_room(garden: Garden) -> None:
    ana = await garden.knocker("ana", "I like tulips")

    card = await garden.card(ana)
    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.membership(ana, "invite")
    edited = await garden.shown(ana, "accepted")
    assert edit_of(edited) == card["event_id"]
    assert card["unsigned"]["sealed"]
    assert {event["type"] for event in await raw(garden)} == {SEALED}


async def test_commands_and_replies_to_cards_are_understood(garden: Garden) -> None:
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    card = await garden.card(ana)
    await garden.card(ben)

    await garden.tell("reject Sorry", reply_to=card["event_id"])
    await garden.membership(ana, "leave")
    await garden.tell("accept 2")
    await garden.membership(ben, "invite")

    assert "Nobody is waiting" in await garden.command("list")


async def test_notes_and_claims_stand_on_the_card_and_in_no_event_in_clear(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.tell("note a letter in spring", reply_to=card["event_id"])
    await garden.tell("claim", reply_to=card["event_id"])
    await garden.heard(lambda event: "a letter in spring" in words(event) and "✋ Claimed by" in words(event), "both")

    assert "a letter" not in str(await raw(garden))


async def test_what_is_in_clear_in_an_encrypted_event_is_its_relation_alone(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.tell("accept 1")
    await garden.shown(ana, "accepted")

    outside = [event["content"] for event in await raw(garden)]
    assert {key for content in outside for key in content} == {
        "algorithm",
        "ciphertext",
        "device_id",
        "m.relates_to",
        "sender_key",
        "session_id",
    }
    edits = [c["m.relates_to"] for c in outside if c.get("m.relates_to", {}).get("rel_type") == "m.replace"]
    assert {edit["event_id"] for edit in edits} == {card["event_id"]}


async def test_an_edit_commands_nothing(garden: Garden) -> None:
    said = await garden.alice.say(garden.mods, "nothing yet")
    edited = {"msgtype": "m.text", "body": "!kb list"}
    relation = {"rel_type": "m.replace", "event_id": said}
    edit = await garden.alice.say(
        garden.mods, "* !kb list", content={"m.new_content": edited, "m.relates_to": relation}
    )
    await garden.command("help")

    assert await garden.answers_to(edit) == []


async def test_a_direct_message_is_answered_encrypted(keeper: InProcess) -> None:
    alice = await moderator(keeper.homeserver)
    room = await alice.create_room(invite=[keeper.user_id], is_direct=True, initial_state=ENCRYPTED)
    await alice.wait_for_membership(room, keeper.user_id, "join")
    garden = Garden(keeper, alice, room, room)

    assert "protect" in await garden.command("help")
    assert {event["type"] for event in await raw(garden)} == {SEALED}


async def test_an_unencrypted_room_stays_so(keeper: InProcess) -> None:
    garden = await plant(keeper, state=[])

    assert {event["type"] for event in await raw(garden)} == {"m.room.message"}


async def test_a_room_that_is_encrypted_later_is_so_from_then_on(keeper: InProcess) -> None:
    garden = await plant(keeper, state=[])
    await garden.alice.put_state(garden.mods, "m.room.encryption", ALGORITHM)

    await garden.command("list")

    assert (await raw(garden))[-1]["type"] == SEALED


async def test_the_knocks_of_an_encrypted_protected_room_are_answered(keeper: InProcess) -> None:
    alice = await moderator(keeper.homeserver)
    mods = await alice.create_room(invite=[keeper.user_id], initial_state=ENCRYPTED)
    garden = await keeper.plant(alice=alice, mods=mods, protect=False)
    await garden.caught_up()
    await alice.put_state(garden.room, "m.room.encryption", ALGORITHM)
    await garden.command(f"protect {garden.room}", expect="is now protected")

    ana = await garden.knocker()
    await garden.card(ana)
    await alice.say(garden.room, "nothing that the bot has to know")
    await garden.tell("accept 1")

    await garden.membership(ana, "invite")
    said = await alice.messages(garden.room, limit=200)
    [encrypted] = [place for place, event in enumerate(said) if event["type"] == "m.room.encryption"]
    talk = (SEALED, "m.room.message")  # before that, the bot greeted whoever invited it
    assert not [e for e in said[encrypted:] if e["sender"] == keeper.user_id and e["type"] in talk]


async def test_the_bot_is_verified_by_itself(garden: Garden) -> None:
    ana = await garden.knocker()

    card = await garden.card(ana)

    assert card["unsigned"]["trust"] == "cross-signed-tofu"


async def test_the_recovery_key_opens_the_secrets_of_the_account(keeper: InProcess, garden: Garden) -> None:
    bot: Any = keeper.user_id
    client = Client(mxid=bot, base_url=keeper.homeserver.url, token=keeper.slot.as_token, as_user_id=bot)
    try:
        machine = Machine(client)
        key_id, metadata = await machine.get_default_key_data()
        key = metadata.verify_recovery_key(key_id, recovery_key(PICKLE_KEY))
        seed = await machine.get_decrypted_account_data(EventType.CROSS_SIGNING_MASTER, key)
    finally:
        await client.api.session.close()

    assert len(seed) == 32


async def test_check_tells_the_bots_device_and_whether_it_is_vouched_for(keeper: InProcess, garden: Garden) -> None:
    [device] = await devices_of(keeper)
    told: list[str] = []

    await check(read_settings(keeper.config), told.append)
    keeper.config["encryption"] = encryption(pickle_key="another secret of twenty characters")
    await check(read_settings(keeper.config), told.append)

    first, second = [line for line in told if "encryption:" in line]
    assert first.startswith(f"✅ encryption: the bot's device is {device},")
    assert second.startswith("❌ encryption: clients show the bot's device as unverified")
