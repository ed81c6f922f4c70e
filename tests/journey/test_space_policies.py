"""One policy for the rooms of a space, on a real homeserver: taken, continued, changed, applied and lost."""

from __future__ import annotations

from knockbot.demo.people import Person
from tests.journey.test_lists import bans, entry
from tests.journey.test_spaces import named, room
from tests.keeper import Garden, InProcess, in_reply_to, words

FIRST = "rules: [{name: friends, when: {reason_matches: ^friend}, then: accept}]"
THEN = "{rules: [{name: friends, when: {reason_matches: ^friend}, then: accept}], otherwise: reject}"
OWN = "{inherit: true, rules: [{name: pests, when: {reason_matches: pest}, then: ban}]}"


async def at(garden: Garden, there: Garden, reason: str, membership: str) -> Person:
    """Somebody knocks at a room with this reason, and then has this membership there."""
    who = await there.knocker(reason=reason)
    await there.membership(who, membership)
    return who


async def test_five_rooms_of_a_space_go_by_its_policy_as_far_as_they_have_none(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    space = await room(garden, "Town", space=True)
    names = ("Lawn", "Pond", "Shed", "Walled", "Meadow")
    ids = {name: await room(garden, name) for name in names}
    for child in ids.values():
        await named(garden.alice, space, child)
    rooms = {name: Garden(keeper, garden.alice, child, garden.mods) for name, child in ids.items()}
    command = await garden.tell(f"protect {space} with rooms")
    await garden.heard(lambda event: in_reply_to(event) == command and "5 rooms are protected now" in words(event))

    await garden.command(f"policy set {ids['Walled']}\notherwise: forward", expect="in force")
    set_by_alice = await garden.command(f"policy set {space}\n{FIRST}", expect="in force")
    assert "The policy of Town decides in 4 rooms as well." in set_by_alice
    assert "Rooms: Lawn, Meadow, Pond, Shed" in set_by_alice
    await garden.command(f"policy set {ids['Meadow']}\n{OWN}", expect="in force")

    # Three rooms have the space's policy, one has its own before that, and one only its own.
    for name in ("Lawn", "Pond", "Shed", "Meadow"):
        await at(garden, rooms[name], "friend of ben", "invite")
    pest = await at(garden, rooms["Meadow"], "a pest", "ban")
    walled = await rooms["Walled"].knocker(reason="friend of ben")
    await rooms["Walled"].card(walled)
    line = await rooms["Meadow"].shown(pest, "banned", rule="pests")
    assert "policy_of" not in line["content"]["org.knockbot.request"]

    shown = await garden.command(f"policy show {ids['Meadow']}")
    assert f"Then follows the policy of Town, revision 1 by {garden.alice.user_id}:" in shown
    assert f"Policy of Pond (the policy of Town, revision 1 by {garden.alice.user_id}):" in await garden.command(
        f"policy show {ids['Pond']}"
    )

    # Somebody waits in each; the space's policy changes, and a click has it applied wherever it decides.
    waiting = {name: await rooms[name].knocker(reason="hello") for name in ("Lawn", "Pond", "Meadow")}
    for name, who in waiting.items():
        await rooms[name].card(who)
    await garden.command(f"policy set {space}\n{THEN}", expect="in force")
    offered = await garden.heard(lambda event: "3 pending requests in Town and its rooms" in words(event))
    await garden.offered(offered["event_id"], "✅")
    await garden.alice.react(garden.mods, offered["event_id"], "✅")
    for name, who in waiting.items():
        await rooms[name].membership(who, "leave")
        line = await rooms[name].shown(who, "rejected", rule="otherwise")
        assert line["content"].get("m.new_content", line["content"])["org.knockbot.request"]["policy_of"] == space
    assert (await rooms["Walled"].membership(walled, "knock"))["membership"] == "knock"

    # One room leaves the space: it goes by the default again, which leaves everything to the moderators.
    await named(garden.alice, space, ids["Lawn"], still=False)
    gone = await garden.heard(lambda event: "no longer in the space" in words(event))
    assert "Lawn" in words(gone)
    await rooms["Lawn"].card(await rooms["Lawn"].knocker(reason="friend of ben"))


async def test_the_policy_of_a_space_does_in_a_room_only_what_its_author_may_do_there(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    space, lawn = await room(garden, "Town", space=True), await room(garden, "Lawn")
    await named(garden.alice, space, lawn)
    command = await garden.tell(f"protect {space} with rooms")
    await garden.heard(lambda event: in_reply_to(event) == command and "1 room is protected now" in words(event))
    there = Garden(keeper, garden.alice, lawn, garden.mods)
    town = Garden(keeper, garden.alice, space, garden.mods)
    mona = await town.moderator(level=100)  # she is in the space, and not on the lawn
    await garden.command(f"policy set {space}\n{THEN}", by=mona, expect="in force")

    stranger = await there.knocker(reason="friend of ben")
    card = await there.card(stranger)
    assert f"{mona.user_id}, who is not in the room now" in words(card)
    await there.bring(mona, lawn)
    await there.give_power(mona.user_id, 50)
    await garden.caught_up()
    await at(garden, there, "friend of ben", "invite")


async def test_five_rooms_have_the_list_of_their_space_where_who_set_it_has_the_power(keeper: InProcess) -> None:
    garden = await keeper.plant(protect=False, alone=True)
    space = await room(garden, "Town", space=True)
    ids = {name: await room(garden, name) for name in ("Lawn", "Pond", "Shed", "Walled", "Meadow")}
    for child in ids.values():
        await named(garden.alice, space, child)
    rooms = {name: Garden(keeper, garden.alice, child, garden.mods) for name, child in ids.items()}
    command = await garden.tell(f"protect {space} with rooms")
    await garden.heard(lambda event: in_reply_to(event) == command and "5 rooms are protected now" in words(event))
    town = Garden(keeper, garden.alice, space, garden.mods)
    mona, liz = await town.moderator(level=100), await garden.person("liz")
    for name in ("Lawn", "Pond", "Meadow", "Walled"):
        await town.bring(mona, ids[name])
        await rooms[name].give_power(mona.user_id, 50)

    # Her policy has a list; the walled room has only its own, the meadow continues with hers.
    await garden.command(f"policy set {ids['Walled']}\notherwise: forward", expect="in force")
    await garden.command(f"policy set {ids['Meadow']}\n{{inherit: true, reasons: hidden}}", expect="in force")
    eve, ivy = await garden.person("eve"), await garden.person("ivy")
    listed = await bans(liz, eve.user_id, ivy.user_id)
    policy = f'lists: [{{room: "{listed}", name: community}}]\notherwise: forward'
    await garden.command(f"policy set {space}\n{policy}", by=mona, expect="in force")
    await garden.heard(lambda event: "community" in words(event))
    for name in ("Lawn", "Meadow"):
        await eve.knock(ids[name])
        await rooms[name].membership(eve, "ban")
    await eve.knock(ids["Walled"])
    await rooms["Walled"].card(eve)
    await ivy.knock(ids["Shed"])
    card = await rooms["Shed"].card(ivy)
    assert f"{mona.user_id}, who is not in the room now" in words(card)

    # Where her power is gone, an entry is left to the moderators, and the card says whose power is missing.
    await rooms["Pond"].give_power(mona.user_id, 0)
    pest = await rooms["Pond"].knocker()
    await rooms["Pond"].card(pest)
    await entry(liz, listed, pest.user_id)
    await garden.heard(lambda event: mona.user_id in words(event) and pest.user_id in words(event))
    assert await garden.alice.membership(ids["Pond"], pest.user_id) == "knock"

    said = await garden.command(f"unprotect {space}")
    assert "Its 5 rooms stay protected." in said
    assert "In force now in Lawn, Pond, Shed: the default policy." in said
    assert "In force now in Meadow: the room's own policy, then the default policy." in said
    assert "5 rooms are no longer protected." in await garden.command(f"unprotect {space} with rooms")
