"""Getting in: `protect` with all its ways into a room, the checks before it, and whose invites are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from knockbot.demo.people import Person
from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess, Keeper, block, edit_of, in_reply_to, words
from tests.lab import LabHomeserver


async def unprotected(
    keeper: Keeper, *, alice: Person | None = None, mods: Mapping[str, Any] | None = None, **room: Any
) -> Garden:
    """A room, which the bot is not in unless it is invited, and a management room, where it is."""
    alice = alice or await keeper.homeserver.person("alice")
    room_id = await alice.create_room("Garden", power_levels={"users": {keeper.user_id: 50}}, **room)
    mods_id = await alice.create_room(invite=[keeper.user_id], **(mods or {}))
    await alice.wait_for_membership(mods_id, keeper.user_id, "join")
    return Garden(keeper, alice, room_id, mods_id)


async def keeps(garden: Garden) -> bool:
    """Whether the bot lists the room as one whose door it keeps from here."""
    return garden.room in await garden.command("rooms")


# --- ways in ------------------------------------------------------------------------------------------------------


async def test_the_bot_protects_a_room_it_was_invited_to_before(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False)

    said = await garden.command(f"protect {garden.room}")

    assert "Garden" in said
    assert said.count("✅") == 4  # it takes knocks; the bot may invite, kick and ban
    assert await keeps(garden)
    await garden.card(await garden.knocker())


async def test_the_bot_uses_an_invite_it_holds(own_keeper: OwnKeeper) -> None:
    """One that came while it was down, and that it has not looked at when the command comes."""
    keeper = await own_keeper()
    garden = await unprotected(keeper, join_rule="invite")
    await keeper.stop()
    await garden.alice.invite(garden.room, keeper.user_id)
    command = await garden.tell(f"protect {garden.room}")

    await keeper.start()

    assert "✅" in await garden.answer_to(command)
    assert await keeps(garden)


async def test_the_bot_walks_through_an_open_door(keeper: InProcess) -> None:
    garden = await unprotected(keeper, preset="public_chat")

    said = await garden.command(f"protect {garden.room}")

    assert await garden.alice.membership(garden.room, keeper.user_id) == "join"
    assert "❌" in said  # nobody needs to knock at an open door
    assert await keeps(garden)


async def test_the_bot_knocks_waits_and_goes_on_once_it_is_let_in(keeper: InProcess) -> None:
    garden = await unprotected(keeper, join_rule="knock")
    command = await garden.tell(f"protect {garden.room}")
    await garden.membership_of_bot("knock")
    assert not await keeps(garden)

    await garden.alice.invite(garden.room, keeper.user_id)

    done = await garden.heard(lambda event: in_reply_to(event) == command and "✅" in words(event))
    assert "Garden" in words(done)
    assert await keeps(garden)
    await garden.card(await garden.knocker())


async def test_any_member_may_let_the_bot_in_that_knocked_to_protect(
    own_keeper: OwnKeeper, homeserver: LabHomeserver
) -> None:
    keeper, alice = await keeper_for(own_keeper, homeserver)
    garden = await unprotected(keeper, alice=alice, join_rule="knock")
    carl = await garden.person("carl")
    await garden.bring(carl, garden.room)
    command = await garden.tell(f"protect {garden.room}")
    await garden.membership_of_bot("knock")

    await carl.invite(garden.room, keeper.user_id)

    await garden.heard(lambda event: in_reply_to(event) == command and "✅" in words(event))
    assert await keeps(garden)


async def test_who_asked_is_told_when_the_bot_is_turned_away(keeper: InProcess) -> None:
    garden = await unprotected(keeper, join_rule="knock")
    command = await garden.tell(f"protect {garden.room}")
    await garden.membership_of_bot("knock")

    await garden.alice.kick(garden.room, keeper.user_id, "no bots")

    await garden.heard(lambda event: in_reply_to(event) == command and "no bots" in words(event))
    assert not await keeps(garden)


async def test_the_bot_says_when_it_cannot_get_in(keeper: InProcess) -> None:
    garden = await unprotected(keeper, join_rule="invite")

    said = await garden.command(f"protect {garden.room}")

    assert keeper.user_id in said  # whom to invite
    assert not await keeps(garden)
    await garden.alice.invite(garden.room, keeper.user_id)
    await garden.membership_of_bot("join")
    await garden.command(f"protect {garden.room}", expect="✅")


async def test_the_bot_says_when_it_is_banned_there(keeper: InProcess) -> None:
    garden = await unprotected(keeper, join_rule="knock")
    await garden.alice.ban(garden.room, keeper.user_id)

    said = await garden.command(f"protect {garden.room}")

    assert keeper.user_id in said
    assert not await keeps(garden)


# --- how rooms are named ------------------------------------------------------------------------------------------


async def test_a_room_may_be_named_in_many_ways(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    alias = await named(garden)
    pill = f'<a href="https://matrix.to/#/{alias}">The lovely garden</a>'

    for form in ("{alias}", "https://matrix.to/#/{alias}", "https://matrix.to/#/{room}?via=lab.test"):
        await garden.command("protect " + form.format(alias=alias, room=garden.room), expect="✅")
        await garden.command(f"unprotect {garden.room}", expect="no longer")
    said = await garden.alice.say(garden.mods, "!kb protect The lovely garden", formatted=f"!kb protect {pill}")

    assert "✅" in await garden.answer_to(said)
    assert await keeps(garden)
    assert "accept" in await garden.command(f"policy set {alias}\notherwise: accept")


async def named(garden: Garden) -> str:
    """An alias for the garden."""
    alias = f"#garden-of-{garden.alice.user_id[1:].partition(':')[0]}:{garden.keeper.homeserver.name}"
    await garden.alice.call("PUT", "directory", "room", alias, body={"room_id": garden.room})
    return alias


@pytest.mark.parametrize(
    "reference",
    ["", "#nowhere:lab.test", "!nowhere:lab.test", "!" + "x" * 300],
)
async def test_a_room_that_cannot_be_found_is_told_so(keeper: InProcess, reference: str) -> None:
    garden = await keeper.garden()
    newcomer = await garden.moderator("newcomer", level=None, joined=False)

    said = await garden.command(f"protect {reference}", by=newcomer)

    assert "✅" not in said
    assert "is now protected" not in said


async def test_an_alias_that_moves_away_does_not_take_the_protection_along(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    alias = await named(garden)
    await garden.command(f"protect {alias}", expect="✅")
    other = await garden.alice.create_room("Other", join_rule="knock", invite=[keeper.user_id])
    await garden.alice.wait_for_membership(other, keeper.user_id, "join")
    await garden.alice.call("DELETE", "directory", "room", alias)
    await garden.alice.call("PUT", "directory", "room", alias, body={"room_id": other})

    stranger = await garden.person("stranger")
    await stranger.knock(other)
    await garden.card(await garden.knocker())

    assert await garden.said_about(stranger) == []


# --- who may ------------------------------------------------------------------------------------------------------


async def keeper_for(own_keeper: OwnKeeper, homeserver: LabHomeserver) -> tuple[InProcess, Person]:
    """A bot that only one person may have rooms protected by."""
    alice = await homeserver.person("alice")
    return await own_keeper(permissions={alice.user_id: "user"}), alice


async def test_an_invite_from_outside_the_permissions_is_declined_without_a_word(
    own_keeper: OwnKeeper, homeserver: LabHomeserver
) -> None:
    keeper, alice = await keeper_for(own_keeper, homeserver)
    carl = await keeper.homeserver.person("carl")

    room = await carl.create_room("Trap", invite=[keeper.user_id])

    await carl.wait_for_membership(room, keeper.user_id, "leave")
    bot_events = [event for event in await carl.messages(room) if event["sender"] == keeper.user_id]
    assert [event["type"] for event in bot_events] == ["m.room.member"]
    assert "reason" not in bot_events[0]["content"]
    assert alice.user_id not in str(bot_events)


async def test_the_attempts_of_one_do_not_count_for_another(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False)
    mona = await garden.moderator("mona", level=None)
    for _ in range(4):
        await garden.command(f"protect {garden.room}", by=mona)

    await garden.command(f"protect {garden.room}", expect="✅")


async def test_a_room_that_others_can_read_manages_nothing(keeper: InProcess) -> None:
    readable = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    mods = {"initial_state": [readable]}
    garden = await unprotected(keeper, mods=mods, join_rule="knock", invite=[keeper.user_id])

    said = await garden.command(f"protect {garden.room}")

    assert "private" in said
    assert not await keeps(garden)


async def test_who_is_not_joined_cannot_have_a_room_protected(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False)
    mona = await keeper.homeserver.person("mona")
    mods = await mona.create_room(invite=[keeper.user_id])
    hers = Garden(keeper, mona, garden.room, mods)
    await mona.wait_for_membership(mods, keeper.user_id, "join")

    said = await hers.command(f"protect {garden.room}")

    assert "Garden" not in said  # what a room is called is for those inside
    assert not await keeps(hers)
    assert await garden.alice.membership(garden.room, keeper.user_id) == "join"  # it had been there before


async def test_the_bot_leaves_a_room_it_entered_in_vain(keeper: InProcess) -> None:
    alice = await keeper.homeserver.person("alice")
    room = await alice.create_room("Garden", preset="public_chat")
    mona = await keeper.homeserver.person("mona")
    mods = await mona.create_room(invite=[keeper.user_id])
    hers = Garden(keeper, mona, room, mods)
    await mona.wait_for_membership(mods, keeper.user_id, "join")

    await hers.command(f"protect {room}")

    assert await alice.membership(room, keeper.user_id) == "leave"
    assert [event["type"] for event in await alice.messages(room) if event["sender"] == keeper.user_id] == [
        "m.room.member"
    ] * 2


async def test_the_bot_leaves_a_room_that_let_it_in_for_somebody_without_power(keeper: InProcess) -> None:
    garden = await unprotected(keeper, join_rule="knock")
    mona = await garden.moderator("mona", level=None)
    mods = await mona.create_room(invite=[keeper.user_id])
    hers = Garden(keeper, mona, garden.room, mods)
    await mona.wait_for_membership(mods, keeper.user_id, "join")
    command = await hers.tell(f"protect {garden.room}")
    await garden.membership_of_bot("knock")

    await garden.alice.invite(garden.room, keeper.user_id)

    await garden.membership_of_bot("leave")
    await hers.heard(lambda event: in_reply_to(event) == command and "50" in words(event))
    assert not await keeps(hers)


# --- what is missing ----------------------------------------------------------------------------------------------


async def test_protect_says_what_is_missing_and_what_mends_it(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, bot_level=None, join_rule={"join_rule": "invite"}, alone=True)

    said = await garden.command(f"protect {garden.room}")

    assert said.count("❌") == 3  # nobody can knock; the bot can neither kick nor ban
    assert keeper.user_id in said
    await garden.command("help")
    # The greeting, the checklist, the offer of a policy, the help: no alarm tells again what the checklist has told.
    assert len(await garden.said()) == 4


# --- moving house -------------------------------------------------------------------------------------------------


async def test_moving_to_another_management_room_renumbers_and_closes_the_old_cards(keeper: InProcess) -> None:
    old = await keeper.plant(alone=True)
    ana, ben = await old.knocker("ana"), await old.knocker("ben")
    old_cards = [await old.card(person) for person in (ana, ben)]
    busy = await keeper.plant(alice=old.alice)
    await busy.card(await busy.knocker("cleo"))
    new = Garden(keeper, old.alice, old.room, busy.mods)

    await new.command(f"protect {old.room}", expect="✅")

    new_cards = [await new.card(person) for person in (ana, ben)]
    assert [block(card)["number"] for card in new_cards] == [2, 3]
    for card in old_cards:
        closed = await old.heard(lambda event, card=card: edit_of(event) == card["event_id"])  # type: ignore[misc]  # of the default
        assert "accept" not in words(closed)
        await old.offered(card["event_id"], "")
    assert "#1" not in await old.command("list")
    await old.command("accept 1")
    await old.alice.react(old.mods, old_cards[0]["event_id"], "✅")
    await old.caught_up_here()
    assert await old.alice.membership(old.room, ana.user_id) == "knock"
    await new.alice.react(new.mods, new_cards[0]["event_id"], "✅")
    await new.membership(ana, "invite")
    dora = await new.knocker("dora")
    assert block(await new.card(dora))["number"] == 4


async def test_protecting_again_from_the_same_room_changes_nothing(keeper: InProcess) -> None:
    garden = await keeper.plant()
    ana = await garden.knocker()
    await garden.card(ana)

    await garden.command(f"protect {garden.room}", expect="✅")

    await garden.caught_up()
    assert len(await garden.said_about(ana)) == 1


async def test_who_takes_a_room_to_another_management_room_needs_the_power_for_it(keeper: InProcess) -> None:
    garden = await keeper.plant()
    mona = await garden.moderator("mona", level=0)
    mods = await mona.create_room(invite=[keeper.user_id])
    hers = Garden(keeper, mona, garden.room, mods)
    await mona.wait_for_membership(mods, keeper.user_id, "join")

    await hers.command(f"protect {garden.room}")

    assert await keeps(garden)
    assert not await keeps(hers)


async def test_protect_offers_policies_to_begin_with_and_one_click_uses_one(keeper: InProcess) -> None:
    garden = await unprotected(keeper, join_rule="knock")
    await garden.alice.invite(garden.room, keeper.user_id)
    await garden.give_power(keeper.user_id, 50)
    await garden.command(f"protect {garden.room}", expect="is now protected")

    offer = await garden.heard(lambda event: "Click a policy to begin with" in words(event))
    assert offer["content"]["org.knockbot.prompt"] == {"kind": "preset", "room_id": garden.room}
    await garden.offered(offer["event_id"], ["1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣", "6️⃣"])
    await garden.alice.react(garden.mods, offer["event_id"], "2️⃣")

    await garden.heard(lambda event: "Revision 1 of the policy" in words(event))
    await garden.heard(lambda event: "This question is closed" in words(event))
    ana = await garden.knocker("ana")
    await garden.membership(ana, "invite")
    shown = await garden.command(f"policy show {garden.room}", expect="our own server")
    assert garden.alice.user_id in shown


async def test_what_is_unprotected_is_left_alone_until_it_is_protected_again(keeper: InProcess) -> None:
    garden = await keeper.plant("otherwise: accept")
    await garden.command(f"unprotect {garden.room}")
    ana = await garden.knocker()
    await garden.command("help")
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"

    await garden.command(f"protect {garden.room}", expect="✅")

    await garden.membership(ana, "invite")


async def test_a_protected_space_is_a_room_like_any_other(keeper: InProcess) -> None:
    garden = await keeper.plant(creation_content={"type": "m.space"})

    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.membership(ana, "invite")
