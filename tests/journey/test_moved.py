"""A room moves to another management room: its open requests go along, and the old one learns nothing more."""

from __future__ import annotations

from knockbot.demo.people import Person
from tests.journey.test_lists import bans, entry
from tests.keeper import Garden, InProcess, block, words

POLICY = """
lists: [{{room: "{room}", name: community, then: ban}}]
rules:
  - {{name: singers, when: {{reason_matches: sing}}, then: accept}}
  - {{name: ads, when: {{reason_matches: cheap}}, then: reject}}
otherwise: forward
"""
SECRET = "a note of the new team"


async def second_house(keeper: InProcess, garden: Garden) -> Garden:
    """The same room as somebody sees it who has all power there, from a management room of her own."""
    mona = await garden.person("mona")
    await garden.bring(mona, garden.room)
    await garden.give_power(mona.user_id, 100)
    mods = await mona.create_room(invite=[keeper.user_id])
    await mona.wait_for_membership(mods, keeper.user_id, "join")
    return Garden(keeper, mona, garden.room, mods)


async def answered(garden: Garden, policy: str) -> tuple[Person, Person, Person]:
    """One was accepted by a rule and has not joined, one waits, and one was rejected by a rule."""
    await garden.set_policy(policy)
    ana = await garden.knocker("ana", "I sing")
    await garden.membership(ana, "invite")
    ben = await garden.knocker("ben", "hello")
    await garden.card(ben)
    cem = await garden.knocker("cem", "cheap watches")
    await garden.membership(cem, "leave")
    await garden.shown(cem, "rejected")
    return ana, ben, cem


async def test_who_waits_and_who_is_invited_move_along_and_the_old_room_hears_nothing_more(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    liz = await garden.person("liz")
    room = await bans(liz)
    ana, ben, cem = await answered(garden, POLICY.format(room=room))
    old_card = await garden.card(ben)
    there = await second_house(keeper, garden)

    await there.command(f"protect {garden.room}", expect="protected")
    moved = await there.card(ben)
    await garden.heard(
        lambda event: "m.new_content" in event["content"] and "The request was moved there." in words(event),
        "the end of the old card",
    )
    await garden.caught_up()
    heard = len(await garden.said())

    # An entry about somebody who was invited, and whatever becomes of the others, is told in the new room alone.
    await entry(liz, room, ana.user_id, reason=SECRET)
    await there.membership(ana, "ban")
    assert SECRET in words(await there.shown(ana, "banned", rule="list community"))
    await there.alice.react(there.mods, moved["event_id"], "✅")
    await there.membership(ben, "invite")
    await ben.join(garden.room)
    await there.shown(ben, "joined", by=there.alice.user_id)
    await cem.knock(garden.room, "hello again")
    await there.card(cem)
    await there.caught_up()
    assert [words(event) for event in (await garden.said())[heard:]] == []

    # A click on the old card is told where the request is, and the old room knows the one that was over before.
    await garden.alice.react(garden.mods, old_card["event_id"], "⛔")
    await garden.heard(
        lambda event: "m.new_content" not in event["content"] and "The request was moved there." in words(event),
        "the answer to the click",
    )
    await garden.membership(ben, "join")
    number = block(await garden.shown(cem, "rejected"))["number"]
    assert "#" in await garden.command(f"show {number}")
    for name in (ana, ben):
        assert name.user_id not in await garden.command("log")
    assert "Nobody is waiting" in await garden.command("list")
