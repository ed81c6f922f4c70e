"""A code at a real door, and the word of whoever came in by it: it lets others in, until its giver is banned."""

from __future__ import annotations

import re

from knockbot.demo.people import Person, until
from tests.journey.conftest import OwnKeeper
from tests.journey.test_letters import read
from tests.journey.test_questions import card_says
from tests.keeper import Garden, InProcess
from tests.lab import LabHomeserver

POLICY = """
letters: {accepted: true}
rules:
- {name: choir, when: {code: true}, then: accept}
- {name: friends, when: {vouched: true}, then: accept}
"""


async def conversation(garden: Garden, person: Person) -> str:
    """The conversation of somebody who is invited to the garden as well."""

    async def look() -> set[str]:
        return {*(await Person.sync(person)).get("rooms", {}).get("invite", {})} - {garden.room}

    [room] = await until(look, bool, lambda _: f"no conversation with {person}")
    await person.join(room)
    return room


async def test_who_came_in_by_a_code_vouches_for_others_until_they_are_banned(keeper: InProcess) -> None:
    garden = await keeper.garden(POLICY, name="Vouching")
    said = await garden.command(f"code new {garden.room} uses:1 choir")
    [code] = re.findall(r"\b(?:[0-9a-z]{4}-){3}[0-9a-z]{4}\b", said)
    ben = await garden.knocker("ben", f"My code is {code}.")
    talk = await conversation(garden, ben)
    await read(ben, talk, "You are accepted")
    await ben.join(garden.room)
    await garden.membership(ben, "join")

    ana = await garden.knocker("ana", "hello")
    await garden.card(ana)
    await ben.say(talk, f"vouch {ana.user_id} {garden.room} We sing together.")
    await read(ben, talk, "You vouch for", ana.user_id, "I look at it again")
    await garden.membership(ana, "invite")
    await card_says(garden, ana, "vouches for them: We sing together.")

    cem = await garden.person("cem")
    await ben.say(talk, f"vouch {cem.user_id} {garden.room}")
    await read(ben, talk, "You vouch for", cem.user_id)
    await garden.alice.ban(garden.room, ben.user_id)
    await garden.membership(ana, "leave")
    await cem.knock(garden.room)
    await garden.card(cem)
    await card_says(garden, cem, "does not count: was banned from the room")


async def test_a_member_who_invites_the_bot_to_a_chat_vouches_in_the_room_that_it_makes(
    own_keeper: OwnKeeper, homeserver: LabHomeserver
) -> None:
    alice = await homeserver.person("alice")
    keeper = await own_keeper(permissions={alice.user_id: "user"})
    garden = await keeper.plant(POLICY, alice=alice, name="Chatting")
    dee = await garden.person("dee")
    await garden.bring(dee, garden.room)
    theirs = await dee.create_room(preset="trusted_private_chat", invite=[keeper.user_id], is_direct=True)
    talk = await conversation(garden, dee)
    await read(dee, talk, "You invited me to a chat")
    await dee.wait_for_membership(theirs, keeper.user_id, "leave")

    ana = await garden.knocker("ana", "hello")
    await garden.card(ana)
    await dee.say(talk, f"bürgen {ana.user_id} {garden.room}")
    await read(dee, talk, "You vouch for", ana.user_id)
    await garden.membership(ana, "invite")
