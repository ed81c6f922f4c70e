"""Policy lists at the door, on a real homeserver: a real policy room that a second person writes."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.demo.people import Person
from knockbot.flow.ports import PROMPT_KEY
from tests.keeper import Garden, InProcess, words
from tests.planting import gone, member, planted, told

DOOR = """
lists: [{{room: "{room}", name: community, then: {then}}}]
otherwise: {otherwise}
"""


@pytest.fixture
async def garden(keeper: InProcess) -> Garden:
    """A garden of its own for each test: they set policies."""
    return await keeper.plant()


@pytest.fixture
async def liz(garden: Garden) -> Person:
    """Who keeps the list."""
    return await garden.person("liz")


async def bans(liz: Person, *entities: str) -> str:
    """A public policy room of hers, with entries for these users."""
    room = await liz.create_room("Bans", preset="public_chat")
    for entity in entities:
        await entry(liz, room, entity)
    return room


async def entry(liz: Person, room: str, entity: str, **content: Any) -> str:
    """She puts somebody on the list."""
    rule = {"entity": entity, "recommendation": "m.ban", "reason": "ads", **content}
    return await liz.put_state(room, "m.policy.rule.user", rule, key=f"rule:{entity}")


async def use(garden: Garden, room: str, then: str = "ban", otherwise: str = "accept") -> None:
    """The garden's moderators use the list."""
    await garden.set_policy(DOOR.format(room=room, then=then, otherwise=otherwise))


async def test_who_is_on_a_real_list_is_banned_and_others_come_in(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    eve, ana = await garden.person("eve"), await garden.person("ana")
    await use(garden, await bans(liz, eve.user_id))
    # Until the list was read the moderators decide, and then they are judged again.
    await eve.knock(garden.room)
    await ana.knock(garden.room)

    await garden.membership(eve, "ban")
    await garden.membership(ana, "invite")
    assert "invite" not in await garden.acts_on(eve)


async def test_a_list_in_a_room_of_version_12_is_named_by_an_id_without_a_server(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    eve, ana, bea = [await garden.person(name) for name in ("eve", "ana", "bea")]
    room = await liz.create_room("Bans", preset="public_chat", room_version="12")
    assert ":" not in room
    await entry(liz, room, eve.user_id)
    await use(garden, room)
    await ana.knock(garden.room)
    await garden.membership(ana, "invite")  # the list was read
    await eve.knock(garden.room)
    await garden.membership(eve, "ban")

    await entry(liz, room, ana.user_id)
    await entry(liz, room, bea.user_id)
    await garden.membership(ana, "ban")
    await liz.put_state(room, "m.policy.rule.user", {}, key=f"rule:{bea.user_id}")
    await bea.knock(garden.room)
    await garden.membership(bea, "invite")
    shown = await garden.command("lists")
    assert room in shown, shown


async def test_an_entry_that_arrives_while_somebody_waits_bans_them(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    room = await bans(liz)
    await use(garden, room, otherwise="forward")
    ana = await garden.knocker("ana")
    await garden.card(ana)

    await entry(liz, room, ana.user_id)
    await garden.membership(ana, "ban")
    card = await garden.shown(ana, "banned", rule="list community")
    assert "policy list" in words(card)


async def test_an_invite_that_was_not_taken_is_withdrawn(keeper: InProcess, garden: Garden, liz: Person) -> None:
    room = await bans(liz)
    await use(garden, room)
    ana = await garden.knocker("ana")
    await garden.membership(ana, "invite")

    await entry(liz, room, "@ana*:*")
    await garden.membership(ana, "ban")
    await garden.shown(ana, "banned", rule="list community")


async def test_the_inviter_of_an_invite_that_stands_stays_when_listed_and_is_banned_with_the_next_one(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    room = await bans(liz)
    await use(garden, room, otherwise="forward\notherwise_third_party: accept")
    mona = await member(garden)
    stood = await planted(garden, mona)
    await told(garden, stood, "standing")

    await entry(liz, room, mona.user_id)
    line = await told(garden, stood, "revoked", rule="list community")
    await gone(garden, stood)
    assert "The inviter is on list" in words(line)
    assert "ban" not in words(line).replace("Bans", "")
    await garden.membership(mona, "join")

    judged = await planted(garden, mona)
    await told(garden, judged, "revoked", rule="list community")
    await gone(garden, judged)
    await garden.membership(mona, "ban")
    await garden.heard(
        lambda event: f"The inviter {mona.user_id} was banned from" in words(event), "that the inviter was banned"
    )


async def test_who_is_listed_at_another_room_is_let_in_here_and_not_invited_there(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    ana, ben = await garden.person("ana"), await garden.person("ben")
    lawn = await keeper.plant(alice=garden.alice, mods=garden.mods, name="Lawn")
    await use(lawn, await bans(liz, ana.user_id))
    await garden.set_policy(f'{{also_invite: "{lawn.room}", otherwise: accept}}')
    for who in (ben, ana):
        await who.knock(garden.room)
        await garden.membership(who, "invite")
        await who.join(garden.room)

    await lawn.membership(ben, "invite")
    missed = await garden.heard(
        lambda event: "could not invite them to 1 other room" in words(event), "what is missing"
    )
    assert ana.user_id in words(missed)
    assert "Lawn: a policy list of that room names them" in words(missed)
    await garden.caught_up()
    assert await garden.alice.membership(lawn.room, ana.user_id) is None
    assert await garden.alice.membership(garden.room, ana.user_id) == "join"


async def test_what_was_put_on_the_list_while_the_bot_was_down_counts(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    room = await bans(liz)
    await use(garden, room)
    first = await garden.knocker("first")
    await garden.membership(first, "invite")  # the list was read

    await keeper.stop()
    ana = await garden.person("ana")
    await ana.knock(garden.room)
    await entry(liz, room, ana.user_id)
    await keeper.start()
    await garden.membership(ana, "ban")
    assert "invite" not in await garden.acts_on(ana)


async def test_where_the_bot_is_banned_from_the_list_its_last_state_counts(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    eve = await garden.person("eve")
    room = await bans(liz, eve.user_id)
    await use(garden, room)
    first = await garden.knocker("first")
    await garden.membership(first, "invite")  # the list was read

    await liz.ban(room, keeper.user_id)
    alarm = "cannot follow the policy list"
    await garden.heard(lambda event: alarm in words(event) and room in words(event), "the alarm")
    await eve.knock(garden.room)
    await garden.membership(eve, "ban")


async def test_a_list_that_was_named_by_its_id_and_is_upgraded_is_followed_after_one_click(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    eve, ana = await garden.person("eve"), await garden.person("ana")
    old = await liz.create_room("Bans", preset="public_chat", room_version="10")
    await use(garden, old)
    answer = await liz.call("POST", "rooms", old, "upgrade", body={"new_version": "11"})
    new = str(answer["replacement_room"])
    question = await garden.heard(
        lambda event: f"uses the list {old}" in words(event), "the question about the new room"
    )
    await garden.alice.react(garden.mods, question["event_id"], "✅")
    await garden.heard(lambda event: f"{old} means the room {new} here" in words(event), "that it was taken")

    await entry(liz, new, eve.user_id)
    await ana.knock(garden.room)
    await garden.membership(ana, "invite")
    await eve.knock(garden.room)
    await garden.membership(eve, "ban")
    shown = await garden.command("lists")
    assert new in shown, shown
    assert old not in shown, shown


async def test_a_list_that_was_dropped_and_changed_before_a_restart_counts_when_it_is_named_again(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    eve, ana = await garden.person("eve"), await garden.person("ana")
    room = await bans(liz)
    await use(garden, room)
    first = await garden.knocker("first")
    await garden.membership(first, "invite")  # the list was read
    await garden.set_policy("otherwise: accept")
    await entry(liz, room, eve.user_id)
    await keeper.stop()
    await keeper.start()

    await use(garden, room)
    await eve.knock(garden.room)
    await ana.knock(garden.room)
    await garden.membership(eve, "ban")
    await garden.membership(ana, "invite")
    assert "invite" not in await garden.acts_on(eve)


async def test_naming_an_empty_list_and_an_entry_about_somebody_else_let_nobody_in_who_waits(
    keeper: InProcess, garden: Garden, liz: Person
) -> None:
    await garden.set_policy("otherwise: forward")
    ana, bea = await garden.knocker("ana"), await garden.knocker("bea")
    for who in (ana, bea):
        await garden.card(who)
    room = await bans(liz)
    await use(garden, room)
    about = {"kind": "apply_policy", "room_id": garden.room}
    offer = await garden.heard(lambda event: event["content"].get(PROMPT_KEY) == about, "the offer to apply the policy")
    cleo = await garden.knocker("cleo")
    await garden.membership(cleo, "invite")  # the list was read

    await entry(liz, room, bea.user_id)
    await garden.membership(bea, "ban")  # whoever waits was looked at
    assert not {"invite", "ban"} & {*await garden.acts_on(ana)}

    await garden.alice.react(garden.mods, offer["event_id"], "✅")
    await garden.membership(ana, "invite")


async def test_a_tombstone_sends_the_bot_into_no_unrelated_room(keeper: InProcess, garden: Garden, liz: Person) -> None:
    room = await bans(liz)
    await use(garden, room)
    lounge = await liz.create_room("Lounge", preset="public_chat")
    await liz.put_state(room, "m.room.tombstone", {"body": "moved", "replacement_room": lounge})
    question = await garden.heard(
        lambda event: f"uses the list {room}" in words(event), "the question about the new room"
    )
    await garden.caught_up()
    assert await liz.membership(lounge, keeper.user_id) is None

    await garden.alice.react(garden.mods, question["event_id"], "✅")
    why = "does not say that it replaces the old one"
    await garden.heard(lambda event: why in words(event), "the refusal", after=question["event_id"])
    await liz.wait_for_membership(lounge, keeper.user_id, "leave")
    assert room in await garden.command("lists")
