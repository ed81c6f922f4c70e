"""One person knocks at a space and at its rooms on a real homeserver: one card, one click, and what helps to decide."""

from __future__ import annotations

from typing import Any

from knockbot.demo.people import Json
from knockbot.documents.text import without_marks
from tests.keeper import REQUESTS, Garden, InProcess, edit_of, in_reply_to, words


async def room(garden: Garden, name: str, parent: str | None = None, **how: Any) -> str:
    """A room of alice's that takes knocks and in which the bot has power, perhaps in a space."""
    bot = garden.keeper.user_id
    room_id = await garden.alice.create_room(
        name, join_rule="knock", power_levels={"users": {bot: 50}}, invite=[bot], **how
    )
    await garden.alice.wait_for_membership(room_id, bot, "join")
    if parent is not None:
        server = garden.alice.user_id.partition(":")[2]
        await garden.alice.put_state(parent, "m.space.child", {"via": [server]}, room_id)
    return room_id


async def estate(keeper: InProcess) -> tuple[Garden, list[str]]:
    """A space with three rooms, protected with them; the space and its rooms."""
    garden = await keeper.plant(protect=False, alone=True)
    space = await room(garden, "Estate", creation_content={"type": "m.space"})
    doors = [space, *[await room(garden, name, space) for name in ("Garden", "Pond", "Rose")]]
    command = await garden.tell(f"protect {space} with rooms")
    await garden.heard(lambda event: in_reply_to(event) == command and "with its rooms" in words(event))
    return garden, doors


def content_of(event: Json) -> Json:
    found: Json = event["content"].get("m.new_content", event["content"])
    return found


def shows(event: Json, state: str, doors: list[str]) -> bool:
    """Whether a card shows requests at just these rooms, all in this state; the rooms are handled side by side."""
    blocks = content_of(event).get(REQUESTS, [])
    here = sorted(block["room_id"] for block in blocks) == sorted(doors)
    return here and {block["state"] for block in blocks} == {state}


def states(event: Json) -> dict[str, str]:
    """The state of the request at each of the rooms of a card."""
    return {block["room_id"]: block["state"] for block in content_of(event).get(REQUESTS, [])}


async def test_one_person_at_all_doors_of_a_space_has_one_card_and_one_click_lets_them_in(keeper: InProcess) -> None:
    garden, doors = await estate(keeper)
    ana = await garden.person("ana")
    for room_id in doors:
        await ana.knock(room_id, "I live here")

    full = await garden.heard(lambda event: shows(event, "pending", doors), "a card of four rooms")

    assert words(full).split("\n")[0].endswith("asks to join 4 rooms, 4 waiting")
    card = edit_of(full) or full["event_id"]
    await garden.offered(card)
    await garden.alice.react(garden.mods, card, "✅")
    for room_id in doors:
        await garden.alice.wait_for_membership(room_id, ana.user_id, "invite")
    await garden.heard(lambda event: edit_of(event) == card and shows(event, "accepted", doors), "an edit")
    await garden.offered(card, "")
    for room_id in doors:
        await ana.join(room_id)
    await garden.heard(lambda event: edit_of(event) == card and shows(event, "joined", doors), "an edit")


async def test_a_moderator_of_one_room_answers_there_and_is_told_of_the_others(keeper: InProcess) -> None:
    garden, doors = await estate(keeper)
    here = Garden(keeper, garden.alice, doors[1], garden.mods)
    mona = await here.moderator()
    ana = await garden.person("ana")
    for room_id in doors[1:3]:
        await ana.knock(room_id, "hello")
    full = await garden.heard(lambda event: shows(event, "pending", doors[1:3]), "a card of two rooms")
    card = edit_of(full) or full["event_id"]
    await garden.offered(card)

    await mona.react(garden.mods, card, "❌")

    refused = await garden.heard(lambda event: in_reply_to(event) == card, "a reply")
    assert "Pond" in words(refused)
    assert "Garden" not in words(refused)
    await garden.alice.wait_for_membership(doors[1], ana.user_id, "leave")
    answered = {doors[1]: "rejected", doors[2]: "pending"}
    await garden.heard(
        lambda event: states(event) == answered, "the card with one answer"
    )  # a click is for what it shows
    await garden.offered(card)
    await garden.alice.react(garden.mods, card, "✅")
    await garden.alice.wait_for_membership(doors[2], ana.user_id, "invite")


async def test_a_card_names_the_other_rooms_that_its_applicant_is_in_as_the_homeserver_tells_them(
    keeper: InProcess,
) -> None:
    garden, doors = await estate(keeper)
    ana = await garden.person("ana")
    await garden.bring(ana, doors[2])
    await ana.knock(doors[1], "hello")

    here = Garden(keeper, garden.alice, doors[1], garden.mods)
    assert "\nThey are in Pond.\n" in words(await here.shown(ana, "pending"))


async def test_a_reply_to_the_card_answers_only_the_rooms_that_it_numbers(keeper: InProcess) -> None:
    garden, doors = await estate(keeper)
    ana = await garden.person("ana")
    for room_id in doors:
        await ana.knock(room_id, "hello")
    full = await garden.heard(lambda event: shows(event, "pending", doors), "a card of four rooms")
    card = edit_of(full) or full["event_id"]
    number = {block["room_id"]: block["number"] for block in content_of(full)[REQUESTS]}

    asked = await garden.command("ban 9999", reply_to=card)
    assert "is not about #9999, so I did nothing" in asked
    await garden.command(f"reject {number[doors[0]]} not now", expect="", reply_to=card)
    await garden.alice.wait_for_membership(doors[0], ana.user_id, "leave")
    assert [await garden.alice.membership(room_id, ana.user_id) for room_id in doors[1:]] == ["knock"] * 3

    said = await garden.command(f"accept {number[doors[1]]}, {number[doors[2]]}", reply_to=card)
    assert f"#{number[doors[1]]} Ana {ana.user_id} at Garden" in without_marks(said)
    assert f"#{number[doors[2]]} Ana {ana.user_id} at Pond" in without_marks(said)
    assert await garden.alice.membership(doors[3], ana.user_id) == "knock"
    await garden.command("ban", expect="", reply_to=card)
    await garden.alice.wait_for_membership(doors[3], ana.user_id, "ban")
    settled = await garden.heard(lambda event: edit_of(event) == card and "asked to join 4 rooms" in words(event))
    assert content_of(settled)["body"].startswith("❌✅⛔ ")
    await garden.offered(card, "")
    shown = without_marks(await garden.command("show", reply_to=card))
    assert [line.split(" ")[1] for line in shown.split("\n") if f" {ana.user_id} at " in line] == [
        f"#{number[room_id]}" for room_id in sorted(doors, key=number.__getitem__)
    ]


async def test_whoever_clicks_without_the_power_or_too_late_on_a_question_gets_a_reply(keeper: InProcess) -> None:
    garden, doors = await estate(keeper)
    mona = await garden.person("mona")
    for room_id in (garden.mods, doors[0]):
        await garden.bring(mona, room_id)
    await room(garden, "Shed", doors[0])
    asked = await garden.heard(lambda event: "new room" in words(event), "a question")
    question = edit_of(asked) or asked["event_id"]

    def replies(event: Json) -> bool:
        return in_reply_to(event) == question

    for emoji in ("✅", "❌"):
        await mona.react(garden.mods, question, emoji)
    await garden.caught_up_here()
    refused = [words(event) for event in await garden.said() if replies(event)]
    assert len(refused) == 2, "one for each answer"
    assert not any("closed" in one for one in refused)
    await garden.alice.react(garden.mods, question, "✅")
    await garden.heard(lambda event: edit_of(event) == question and "This question is closed" in words(event))
    nora = await garden.person("nora")
    await garden.bring(nora, garden.mods)
    for emoji in ("✅", "❌"):
        await nora.react(garden.mods, question, emoji)
    late = await garden.heard(lambda event: replies(event) and "This question is closed" in words(event), "a reply")
    assert f"{garden.alice.user_id} chose ✅" in without_marks(words(late))
