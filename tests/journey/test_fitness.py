"""What was fit is looked at again, on a real homeserver: rooms that open, are upgraded or deleted, and redactions."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from knockbot.demo.people import until
from tests.keeper import Garden, InProcess, block, words


async def told(garden: Garden, sentence: str) -> str:
    """What the bot says of it in the management room."""
    return words(await garden.heard(lambda event: sentence in words(event), sentence))


async def test_a_protected_room_that_is_made_public_is_told_once(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    await garden.alice.put_state(garden.room, "m.room.join_rules", {"join_rule": "public"})

    await told(garden, "Everyone can join without asking")
    await garden.caught_up()
    assert "Everyone can join without asking" in await garden.command("rooms")
    said = [event for event in await garden.said() if "Everyone can join without asking" in words(event)]
    assert len(said) == 2  # once by itself, and once as it was asked for


async def test_a_management_room_that_others_can_read_is_told_there(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    await garden.alice.put_state(garden.mods, "m.room.history_visibility", {"history_visibility": "world_readable"})

    await told(garden, "People outside this management room can read it")


@pytest.mark.parametrize("purge", [False, True])
async def test_a_room_that_the_admin_deletes_is_told(keeper: InProcess, purge: bool) -> None:
    garden = await keeper.plant(alone=True)
    homeserver = keeper.homeserver
    answer = await homeserver.register(f"admin{purge:d}", "secret", admin=True)
    url = f"{homeserver.url}/_synapse/admin/v2/rooms/{quote(garden.room)}"
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    async with homeserver.http.delete(url, headers=headers, json={"purge": purge, "block": True}) as response:
        assert response.status == 200

    async def said() -> str:  # not by /sync, which Synapse refuses for a moment to members of a room that it purges
        events = await garden.alice.messages(garden.mods)
        return "\n".join(words(event) for event in events if event["type"] == "m.room.message")

    await until(said, lambda text: "the homeserver removed me" in text, str)
    looks = (await said()).count("I am not in this room")  # a look may have found it before the event came
    await garden.tell("rooms")
    await until(said, lambda text: text.count("I am not in this room") > looks, str)


async def test_a_card_that_was_redacted_comes_back_and_a_redacted_knock_loses_its_words(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    ana = await garden.knocker("ana", "my secret")
    card = await garden.card(ana)
    knock, number = block(card)["event_id"], block(card)["number"]
    await garden.alice.redact(garden.mods, card["event_id"])

    again = await garden.heard(lambda e: block(e).get("user_id") == ana.user_id, "another card", after=card["event_id"])
    assert again["event_id"] != card["event_id"]
    await garden.alice.redact(garden.room, knock)

    async def shown() -> str:
        return await garden.command(f"show {number}")

    await until(shown, lambda text: "my secret" not in text, lambda text: text)
