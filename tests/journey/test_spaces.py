"""A space with its rooms on a real homeserver: protected together, followed, and upgraded."""

from __future__ import annotations

from typing import Any

from knockbot.demo.people import Person
from tests.keeper import Garden, InProcess, in_reply_to, words


async def named(alice: Person, space: str, room: str, *, still: bool = True) -> str:
    """Alice says that a room belongs to a space, or that it does not any more; returns the event."""
    content: dict[str, Any] = {"via": [alice.user_id.partition(":")[2]]} if still else {}
    return await alice.put_state(space, "m.space.child", content, room)


async def room(garden: Garden, name: str, *, invited: bool = True, space: bool = False, **how: Any) -> str:
    """A room of alice's in which the bot has power."""
    bot = garden.keeper.user_id
    more = {"creation_content": {"type": "m.space"}} if space else {}
    room_id = await garden.alice.create_room(
        name,
        power_levels={
            "invite": 50,
            "users": {bot: 50, **({garden.alice.user_id: 100} if "room_version" in how else {})},
        },
        invite=[bot] if invited else [],
        **{"join_rule": "knock", **more, **how},
    )
    if invited:
        await garden.alice.wait_for_membership(room_id, bot, "join")
    return room_id


async def test_a_space_of_five_rooms_is_protected_followed_and_let_go(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    space, nested = await room(garden, "Community", space=True), await room(garden, "Inner", space=True)
    lawn, pond = await room(garden, "Lawn"), await room(garden, "Pond")
    shed = await room(garden, "Shed", invited=False, join_rule="invite")
    for parent, child in ((space, lawn), (space, nested), (space, shed), (nested, pond), (nested, space)):
        await named(garden.alice, parent, child)

    command = await garden.tell(f"protect {space} with rooms")

    done = await garden.heard(lambda event: in_reply_to(event) == command and "with its rooms" in words(event))
    assert "3 rooms are protected now" in words(done)
    assert shed in words(done)
    listed = await garden.command("rooms")
    assert all(one in listed for one in (space, nested, lawn, pond))

    await garden.alice.invite(shed, keeper.user_id)
    await garden.heard(lambda event: in_reply_to(event) == command and "1 room is protected now" in words(event))

    later = await room(garden, "Later")
    naming = await named(garden.alice, space, later)
    asked = await garden.heard(lambda event: "has 1 new room" in words(event) and later in words(event))
    await garden.offered(asked["event_id"], "✅❌")
    await garden.alice.react(garden.mods, asked["event_id"], "✅")
    await garden.heard(lambda event: in_reply_to(event) == asked["event_id"] and "1 room is protected" in words(event))
    there = Garden(keeper, garden.alice, later, garden.mods)
    await there.card(await there.knocker())

    await named(garden.alice, space, lawn, still=False)
    gone = await garden.heard(lambda event: "no longer in the space" in words(event))
    assert "Lawn" in words(gone)
    checked = await garden.command(f"check {space}")
    assert "4 protected, 0 not yet, 0 still to be looked at" in checked

    await garden.alice.redact(space, naming)
    gone = await garden.heard(lambda event: "no longer in the space" in words(event) and "Later" in words(event))
    assert "3 protected" in await garden.command(f"check {space}")

    said = await garden.command(f"unprotect {space} with rooms")
    assert "3 rooms of Community are no longer protected" in said
    assert lawn in await garden.command("rooms")


async def test_a_space_that_is_upgraded_keeps_its_rooms(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    space, lawn = await room(garden, "Old", space=True, room_version="10"), await room(garden, "Lawn")
    await named(garden.alice, space, lawn)
    command = await garden.tell(f"protect {space} with rooms")
    await garden.heard(lambda event: in_reply_to(event) == command and "with its rooms" in words(event))

    answer = await garden.alice.call("POST", "rooms", space, "upgrade", body={"new_version": "11"})
    new = str(answer["replacement_room"])
    await garden.alice.invite(new, keeper.user_id)
    asked = await garden.heard(lambda event: "Click ✅" in words(event))
    await garden.alice.react(garden.mods, asked["event_id"], "✅")
    await garden.heard(lambda event: "Pending requests moved" in words(event))

    assert "1 protected, 0 not yet" in await garden.command(f"check {new}")
    later = await room(garden, "Later")
    await named(garden.alice, new, later)
    await garden.heard(lambda event: "has 1 new room" in words(event) and later in words(event))
    assert not [event for event in await garden.said() if "no longer in the space" in words(event)]


async def test_who_is_accepted_in_a_space_and_joins_is_invited_to_its_rooms(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    space, lawn, pond = await room(garden, "Club", space=True), await room(garden, "Lawn"), await room(garden, "Pond")
    for child in (lawn, pond):
        await named(garden.alice, space, child)
    command = await garden.tell(f"protect {space} with rooms")
    await garden.heard(lambda event: in_reply_to(event) == command and "with its rooms" in words(event))
    await garden.command(f"policy set {space}\nalso_invite: children")
    mona = await garden.moderator("mona", level=None)
    door = Garden(keeper, garden.alice, space, garden.mods)
    for place, level in ((space, 50), (lawn, 50), (pond, 0)):
        await garden.bring(mona, place)
        await Garden(keeper, garden.alice, place, garden.mods).give_power(mona.user_id, level)
    ana = await door.knocker()
    card = await door.card(ana)

    await mona.react(garden.mods, card["event_id"], "✅")
    await door.membership(ana, "invite")
    assert await garden.alice.membership(lawn, ana.user_id) is None
    await ana.join(space)

    missed = await garden.heard(lambda event: "could not invite them to 1 other room" in words(event))
    assert "Pond" in words(missed)
    assert mona.user_id in words(missed)
    await garden.alice.wait_for_membership(lawn, ana.user_id, "invite")
    assert await garden.alice.membership(pond, ana.user_id) is None
