"""Letters at a real door: an applicant reads in one conversation what becomes of their request, and answers there."""

from __future__ import annotations

from knockbot.demo.people import Json, Person, until
from tests.keeper import Ears, Garden, InProcess, block, words

LETTERS = "letters: {received: true, accepted: true, rejected: true}"


async def invited_to(person: Person) -> str:
    """The only room that somebody is invited to."""

    async def look() -> list[str]:
        return list((await Person.sync(person)).get("rooms", {}).get("invite", {}))  # whatever their client makes of it

    [room] = await until(look, bool, lambda _: f"nobody invited {person}")
    return room


async def read(person: Person, room: str, *said: str) -> Json:
    """The message of the bot in the conversation that says all of this."""

    def wanted(event: Json) -> bool:
        return event["type"] == "m.room.message" and all(one in words(event) for one in said)

    return await Ears(person, room).wait_for(wanted, what=" … ".join(said))


async def number_of(garden: Garden, who: Person) -> int:
    return int(block(await garden.shown(who, "pending"))["number"])


async def told_to_moderators(garden: Garden, who: Person, said: str) -> Json:
    """What the moderators read about somebody."""
    return await garden.keeper.ears(garden.alice, garden.mods).wait_for(
        lambda event: garden.is_said(event) and said in words(event) and who.user_id in words(event), what=said
    )


async def test_who_is_accepted_reads_it_in_one_conversation_and_nothing_after_they_left_it(keeper: InProcess) -> None:
    garden = await keeper.garden(LETTERS, name="Reading")
    ana = await garden.knocker(reason="hello")
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "Reading", "was received")

    await ana.say(talk, "status")
    await read(ana, talk, "1. Reading", "waits for an answer")
    number = await number_of(garden, ana)
    await garden.command(f"accept {number}")
    await read(ana, talk, "You are accepted", "Reading")
    await garden.membership(ana, "invite")
    assert set((await ana.sync())["rooms"]["invite"]) == {garden.room}

    await ana.leave(talk)
    await until(keeper.context.outside.joined_rooms, lambda rooms: talk not in rooms, lambda _: "the bot stays there")
    await garden.tell(f"undo {number}")
    await garden.membership(ana, "leave")
    await garden.shown(ana, "rejected")
    assert "not told: the applicant declined or left the conversation" in await garden.command(f"log {number}")


async def test_who_is_rejected_reads_the_reason_in_german_objects_and_is_let_in(keeper: InProcess) -> None:
    garden = await keeper.garden(f"{LETTERS}\nlanguage: de", name="Garten")
    ana = await garden.knocker(reason="hallo")
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "Deine Anfrage, Garten beizutreten, ist angekommen.")
    number = await number_of(garden, ana)

    await garden.tell(f"reject {number} Kein Platz mehr.")
    await read(ana, talk, "wurde abgelehnt", "Kein Platz mehr.", "einspruch")
    await garden.membership(ana, "leave")
    await ana.say(talk, "einspruch Ich brauche nur ein Beet.")
    await read(ana, talk, "Die Moderation von Garten hat deinen Text jetzt.")
    await told_to_moderators(garden, ana, "Ich brauche nur ein Beet.")

    await garden.tell(f"undo {number}")
    await read(ana, talk, "Deine Anfrage wurde angenommen.")
    await garden.membership(ana, "invite")


async def test_who_withdraws_there_has_rejected_nobody_and_is_rejected_by_nobody(keeper: InProcess) -> None:
    garden = await keeper.garden(LETTERS, name="Reading")
    ana = await garden.knocker(reason="hello")
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "was received")
    await ana.say(talk, "withdraw")

    await read(ana, talk, "I withdraw your request to join Reading.")
    await garden.shown(ana, "withdrawn")
    assert (await garden.membership(ana, "leave"))["reason"] == "Withdrawn by the applicant."
