"""A protected room is upgraded on a real homeserver: the bot follows, and one click moves what there is to move."""

from __future__ import annotations

from tests.keeper import Garden, InProcess, block, words


async def upgrade(garden: Garden) -> str:
    """Alice upgrades the room as a client does; returns the new one."""
    answer = await garden.alice.call("POST", "rooms", garden.room, "upgrade", body={"new_version": "11"})
    return str(answer["replacement_room"])


async def test_an_upgraded_room_is_followed_and_one_click_moves_policy_and_requests(keeper: InProcess) -> None:
    policy = "rules: [{when: {reason_matches: friend}, then: accept}]"
    garden = await keeper.plant(policy, alone=True, room_version="10")
    ana = await garden.knocker("ana", "roses")
    number = block(await garden.card(ana))["number"]

    new = await upgrade(garden)

    await garden.heard(lambda event: "accept my join request" in words(event))
    bea = await garden.knocker("bea", "friend")  # the old room goes on taking knocks
    await garden.shown(bea, "pending")
    assert "replaced" in await garden.command(f"accept {number}")
    await garden.alice.invite(new, keeper.user_id)
    asked = await garden.heard(lambda event: "Click ✅" in words(event))
    await garden.offered(asked["event_id"], "✅")

    await garden.alice.react(garden.mods, asked["event_id"], "✅")

    await garden.heard(lambda event: "Pending requests moved: 2" in words(event))
    there = Garden(keeper, garden.alice, new, garden.mods)
    assert "friend" in await garden.command(f"policy show {new}")
    await garden.command(f"accept {number}")
    await there.membership(ana, "invite")
    await there.shown(ana, "accepted", number=number, by=garden.alice.user_id)
    await ana.join(new)
    await there.shown(ana, "joined")
    cat = await there.knocker("cat", "a friend")
    await there.membership(cat, "invite")


async def test_a_tombstone_to_a_room_that_anybody_made_is_not_followed(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    eve = await garden.person("eve")
    trap = await eve.create_room("Trap", invite=[keeper.user_id, garden.alice.user_id])

    await garden.alice.put_state(garden.room, "m.room.tombstone", {"body": "gone", "replacement_room": trap})

    line = await garden.heard(lambda event: "does not say that it replaces" in words(event))
    assert trap in words(line)
    assert trap not in await garden.command("rooms")
