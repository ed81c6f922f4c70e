"""Aliases on a real homeserver that somebody else made and moves, and rooms of the config file met late."""

from __future__ import annotations

from typing import Any

from knockbot.demo.people import Person, until
from tests.journey.test_configured import read_again
from tests.keeper import Garden, InProcess, Process, words


class Squatter:
    """Somebody who made an alias for another's room, as any member may, and points it elsewhere later."""

    def __init__(self, eve: Person, alias: str) -> None:
        self.eve = eve
        self.alias = alias

    @classmethod
    async def of(cls, garden: Garden, room: str, name: str) -> Squatter:
        """Eve is a member of a room of alice's, and makes an alias for it."""
        eve = await garden.person("eve")
        await garden.bring(eve, room)
        localpart = eve.user_id[1:].partition(":")[0]
        squatter = cls(eve, f"#{name}-{localpart}:{garden.keeper.homeserver.name}")
        await squatter.point_at(room)
        return squatter

    async def point_at(self, room: str) -> None:
        """Make the alias."""
        await self.eve.call("PUT", "directory", "room", self.alias, body={"room_id": room})

    async def move_to_own_room(self, garden: Garden, **room: Any) -> str:
        """Delete the alias, and make it again for a room of eve's own, with the bot in it; returns the room."""
        trap = await self.eve.create_room("Garden", invite=[garden.keeper.user_id], **room)
        await self.eve.wait_for_membership(trap, garden.keeper.user_id, "join")
        await self.eve.call("DELETE", "directory", "room", self.alias)
        await self.point_at(trap)
        return trap


async def test_members_of_the_room_that_took_over_an_alias_do_not_come_in(keeper: InProcess) -> None:
    garden = await keeper.ruled()
    club = await garden.alice.create_room("Club", invite=[keeper.user_id])
    await garden.alice.wait_for_membership(club, keeper.user_id, "join")
    squatter = await Squatter.of(garden, club, "club")
    policy = f"rules: [{{when: {{member_of: '{squatter.alias}'}}, then: accept}}]\notherwise: reject"
    said = await garden.command(f"policy set {garden.room}\n{policy}")
    assert f"{squatter.alias} means the room {club} here." in said

    trap = await squatter.move_to_own_room(garden)
    await garden.command(f"protect {squatter.alias}", by=await garden.moderator("mona", level=None))
    await garden.command(f"test {garden.room} {squatter.eve.user_id}")
    mallory = await garden.person("mallory")
    await squatter.eve.invite(trap, mallory.user_id)
    await mallory.join(trap)
    member = await garden.person("member")
    await garden.bring(member, club)
    for person in (mallory, member):
        await person.knock(garden.room)

    await garden.membership(mallory, "leave")
    await garden.membership(member, "invite")
    assert club in await garden.command(f"policy show {garden.room}")


async def test_an_alias_that_somebody_moves_neither_unlocks_a_room_of_the_config_file_nor_takes_its_cards(
    process: Process,
) -> None:
    await process.start()
    garden = await process.plant(protect=False, alone=True)
    door, mods = await Squatter.of(garden, garden.room, "garden"), await Squatter.of(garden, garden.mods, "mods")
    named = {door.alias: {"management_room": mods.alias, "policy": {"rules": [], "otherwise": "forward"}}}
    await read_again(process, named)
    await garden.command(f"policy set {garden.room}\notherwise: accept", expect="set in my config file")

    await process.stop()
    trap, den = await moved_while_down(process, door, mods)
    await process.start()
    await read_again(process, {**named, door.alias: {**named[door.alias], "policy": {"otherwise": "forward"}}})

    await garden.command(f"policy set {garden.room}\notherwise: accept", expect="set in my config file")
    ana = await garden.knocker("ana", "for the moderators' eyes")
    await garden.card(ana)
    await garden.caught_up()
    for place in (trap, den):
        assert not [event for event in await door.eve.messages(place) if "eyes" in words(event)]
    shown = await garden.command("rooms")
    assert f"{door.alias} means the room {garden.room} here." in shown
    assert trap not in shown.replace(f"another room: {trap}", "")
    line = await garden.heard(lambda event: "now leads to another room" in words(event))
    assert "I still use" in words(line)


async def moved_while_down(process: Process, door: Squatter, mods: Squatter) -> tuple[str, str]:
    """Both aliases lead to rooms of eve's once the bot is back, which is invited to both."""
    made = []
    for squatter in (door, mods):
        await squatter.eve.call("DELETE", "directory", "room", squatter.alias)
        room = await squatter.eve.create_room("Garden", invite=[process.user_id], join_rule="knock")
        await squatter.point_at(room)
        made.append(room)
    if door.eve.user_id != mods.eve.user_id:
        await mods.eve.invite(made[1], door.eve.user_id)
        await door.eve.join(made[1])
    return made[0], made[1]


async def test_a_room_of_the_config_file_is_protected_when_the_bot_is_invited_later(process: Process) -> None:
    alice = await process.homeserver.person("alice")
    levels = {"users": {process.user_id: 50}}
    room = await alice.create_room("Garden", join_rule="knock", power_levels=levels)
    mods = await alice.create_room("Mods")
    process.config["rooms"] = {room: {"management_room": mods, "policy": {"rules": [], "otherwise": "accept"}}}
    # Nobody is permitted to invite the bot: that the config file names the rooms is enough.
    process.config["permissions"] = {}
    await process.start()
    garden = Garden(process, alice, room, mods)

    async def complaints() -> int:
        return process.said().count("cannot protect")

    await until(complaints, bool, lambda _: f"it did not say what is missing:\n{process.said()}")
    await alice.invite(mods, process.user_id)
    await alice.wait_for_membership(mods, process.user_id, "join")
    await garden.heard(lambda event: f"I am not in {room}" in words(event))
    await alice.invite(room, process.user_id)
    await garden.heard(lambda event: "is now protected from here" in words(event))

    ana = await garden.knocker("ana", "hello")
    await garden.membership(ana, "invite")
    assert await complaints() == 2  # of two rooms, then of one


async def test_a_room_of_the_config_file_is_protected_when_its_alias_is_made_later(process: Process) -> None:
    await process.start()
    garden = await process.plant(protect=False, alone=True)
    alias = f"#late-{garden.alice.user_id[1:].partition(':')[0]}:{process.homeserver.name}"
    await read_again(process, {alias: {"management_room": garden.mods, "policy": {"rules": [], "otherwise": "accept"}}})
    assert f"I cannot find {alias}" in process.said()

    await garden.alice.call("PUT", "directory", "room", alias, body={"room_id": garden.room})
    await garden.alice.put_state(garden.room, "m.room.canonical_alias", {"alias": alias})

    ana = await garden.knocker("ana", "hello")
    await garden.membership(ana, "invite")
    assert f"{alias} means the room {garden.room} here." in await garden.command("rooms")


async def test_a_club_that_was_upgraded_is_used_after_one_click(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    alice = garden.alice
    club = await alice.create_room("Club", invite=[keeper.user_id], room_version="10")
    await alice.wait_for_membership(club, keeper.user_id, "join")
    await garden.set_policy(f"rules: [{{when: {{member_of: '{club}'}}, then: accept}}]\notherwise: reject")
    answer = await alice.call("POST", "rooms", club, "upgrade", body={"new_version": "11"})
    new = str(answer["replacement_room"])
    await garden.heard(lambda event: "I am not in that room yet" in words(event))
    ana = await garden.knocker("ana")
    await garden.card(ana)

    await alice.invite(new, keeper.user_id)
    asked = await garden.heard(lambda event: "to use the new room in the policy" in words(event))
    await garden.offered(asked["event_id"], "✅")
    await alice.react(garden.mods, asked["event_id"], "✅")
    await garden.heard(lambda event: f"means the room {new} here" in words(event))

    bea = await garden.person("bea")
    await garden.bring(bea, new)
    await bea.knock(garden.room)
    await garden.membership(bea, "invite")
