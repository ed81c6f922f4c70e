"""Room versions: the door of every kind of room that takes knocks, from version 7 to today's."""

from __future__ import annotations

import pytest

from knockbot.demo.people import MatrixRefused
from tests.keeper import Garden, InProcess, block

KNOCKABLE = ["7", "8", "9", "10", "11", "12"]


async def garden_of_version(keeper: InProcess, version: str) -> Garden:
    """A garden of this version whose rules give every answer there is."""
    policy = "rules: [{when: {reason_matches: spam}, then: ban}, {when: {reason_matches: friend}, then: accept}]"
    return await keeper.plant(f"{policy}\notherwise: reject", room_version=version)


@pytest.mark.parametrize("version", KNOCKABLE)
async def test_the_door_of_a_room_of_any_version_is_kept(keeper: InProcess, version: str) -> None:
    garden = await garden_of_version(keeper, version)
    assert (await garden.alice.state(garden.room, "m.room.create") or {})["room_version"] == version

    friend, spammer = await garden.knocker("friend", "friend"), await garden.knocker("spammer", "spam")
    ben = await garden.knocker("ben")

    await garden.membership(friend, "invite")
    await garden.membership(spammer, "ban")
    await garden.membership(ben, "leave")
    await friend.join(garden.room)
    with pytest.raises(MatrixRefused):
        await spammer.knock(garden.room)


async def test_a_room_too_old_for_knocks_is_told_so(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, room_version="6", join_rule={"join_rule": "invite"})

    said = await garden.command(f"protect {garden.room}")

    assert said.count("❌") == 1


# --- creators stand above all -------------------------------------------------------------------------------------


async def test_a_creator_who_left_and_knocks_can_only_be_let_in(keeper: InProcess) -> None:
    """From version 12 on nobody can kick or ban a creator, not even while they only knock."""
    bea = await keeper.homeserver.person("bea")
    garden = await keeper.plant(
        "otherwise: reject",
        room_version="12",
        bot_level=100,
        creation_content={"additional_creators": [bea.user_id]},
    )

    await bea.knock(garden.room)

    card = await garden.shown(bea, "pending")
    await garden.offered(card["event_id"], "✅")
    assert "creator" in await garden.command(f"ban {block(card)['number']}")
    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(bea, "invite")


async def test_a_creator_without_a_level_of_their_own_may_do_everything(keeper: InProcess) -> None:
    garden = await keeper.plant(room_version="12", levels={"invite": 100, "kick": 100, "ban": 100}, bot_level=100)
    levels = await garden.alice.state(garden.room, "m.room.power_levels") or {}
    assert garden.alice.user_id not in levels["users"]

    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.alice.react(garden.mods, card["event_id"], "⛔")

    await garden.membership(ana, "ban")


async def test_the_founder_of_an_older_room_is_an_admin_by_number(keeper: InProcess) -> None:
    garden = await keeper.plant(room_version="11", bot_level=90)
    levels = await garden.alice.state(garden.room, "m.room.power_levels") or {}
    users = {user: level for user, level in levels["users"].items() if user != garden.alice.user_id}
    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.alice.put_state(garden.room, "m.room.power_levels", {**levels, "invite": 50, "users": users})

    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"
