"""Reviews: moderators answer by a click or by a command, and power in the protected room decides who may."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.demo.people import until
from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess, block, edit_of, html, in_reply_to, words

# --- clicks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emoji", "membership", "state"),
    [("✅", "invite", "accepted"), ("❌", "leave", "rejected"), ("⛔\ufe0f", "ban", "banned")],
    ids=ascii,
)
async def test_one_click_on_a_card_answers(garden: Garden, emoji: str, membership: str, state: str) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.alice.react(garden.mods, card["event_id"], emoji)

    await garden.membership(ana, membership)
    edited = await garden.shown(ana, state, by=garden.alice.user_id, rule=None)
    assert edit_of(edited) == card["event_id"]
    assert garden.alice.user_id in words(edited)
    assert await garden.acts_on(ana) == [membership]


async def test_other_emojis_say_nothing(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    for emoji in ("👍", "✔️", "x", "✅ yes", ""):
        await garden.alice.react(garden.mods, card["event_id"], emoji)

    await garden.caught_up()
    assert len(await garden.said_about(ana)) == 1
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_a_click_on_something_else_says_nothing(garden: Garden) -> None:
    ana = await garden.knocker()
    await garden.card(ana)
    help_ = await garden.tell("help")
    await garden.answer_to(help_)
    reply = next(event for event in await garden.said() if in_reply_to(event) == help_)

    await garden.alice.react(garden.mods, reply["event_id"], "✅")

    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_neither_a_reply_to_a_card_nor_its_number_says_anything_in_another_room(garden: Garden) -> None:
    """A click from elsewhere the homeserver does not even take: relations must be in the same room."""
    ana = await garden.knocker()
    card = await garden.card(ana)
    elsewhere = await garden.keeper.plant(alice=garden.alice)

    said = await elsewhere.command("accept", reply_to=card["event_id"])
    numbered = await elsewhere.command(f"accept {block(card)['number']}")

    assert "!kb accept" in said
    assert f"#{block(card)['number']}" in numbered
    assert ana.user_id not in numbered
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


# --- the first answer wins ----------------------------------------------------------------------------------------


async def test_the_second_answer_is_told_that_it_comes_second(garden: Garden) -> None:
    mona = await garden.moderator(level=None)
    ana = await garden.knocker()
    card = await garden.card(ana)
    await mona.react(garden.mods, card["event_id"], "✅")
    await garden.shown(ana, "accepted")

    await garden.alice.react(garden.mods, card["event_id"], "❌")

    told = await garden.heard(lambda event: in_reply_to(event) == card["event_id"])
    assert mona.user_id in words(told)
    assert told["content"]["msgtype"] == "m.notice"
    assert await garden.alice.membership(garden.room, ana.user_id) == "invite"


async def test_two_answers_at_once_are_one_act(garden: Garden) -> None:
    mona = await garden.moderator(level=None)
    ana = await garden.knocker()
    card = await garden.card(ana)

    await asyncio.gather(
        garden.alice.react(garden.mods, card["event_id"], "⛔"),
        mona.react(garden.mods, card["event_id"], "✅"),
        garden.alice.say(garden.mods, f"!kb reject {block(card)['number']}"),
    )

    await garden.caught_up()
    assert len(await garden.acts_on(ana)) == 1
    states = [block(event)["state"] for event in await garden.said_about(ana)]
    assert states[-1] in {"accepted", "rejected", "banned"}


async def test_the_same_answer_twice_is_given_once(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.command(f"accept {block(card)['number']}")
    await garden.shown(ana, "accepted")

    again = await garden.command(f"accept {block(card)['number']}")

    assert garden.alice.user_id in again
    assert await garden.acts_on(ana) == ["invite"]


async def test_nobody_is_let_in_who_has_taken_it_back(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await ana.retract(garden.room)
    await garden.shown(ana, "withdrawn")

    await garden.alice.react(garden.mods, card["event_id"], "✅")

    told = await garden.heard(lambda event: in_reply_to(event) == card["event_id"])
    assert f"#{block(card)['number']}" in words(told)
    assert await garden.acts_on(ana) == []


async def test_an_invite_that_crosses_a_retraction_is_told_with_its_mend(garden: Garden) -> None:
    people = [await garden.knocker() for _ in range(4)]
    cards = [await garden.card(person) for person in people]

    await asyncio.gather(
        *(garden.alice.react(garden.mods, card["event_id"], "✅") for card in cards),
        *(person.leave(garden.room) for person in people),
    )

    await garden.caught_up()
    for person in people:
        membership = await garden.alice.membership(garden.room, person.user_id)
        state = block((await garden.said_about(person))[-1])["state"]
        alarms = [event for event in await garden.said() if f"/kick {person.user_id}" in words(event)]
        if (membership, state) == ("invite", "withdrawn"):
            assert [alarm["content"]["msgtype"] for alarm in alarms] == ["m.text"]
        else:
            assert (membership, state) in {("leave", "withdrawn"), ("leave", "declined"), ("invite", "accepted")}
            assert alarms == []


# --- an accept is for the knock that was seen ---------------------------------------------------------------------


async def test_an_accept_given_for_an_older_knock_is_not_carried_over(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant()
    people = [await garden.knocker(name, "I grow roses") for name in ("clicked", "commanded")]
    cards = [await garden.card(person) for person in people]
    await keeper.stop()
    for person in people:
        await person.knock(garden.room, "buy cheap pills")
    await garden.alice.react(garden.mods, cards[0]["event_id"], "✅")
    await garden.tell(f"accept {block(cards[1])['number']}")

    await keeper.start()

    for card in cards:
        await garden.heard(lambda event, card=card: edit_of(event) == card["event_id"] and "cheap pills" in html(event))  # type: ignore[misc]  # of the default
    await garden.caught_up()
    for person in people:
        assert await garden.alice.membership(garden.room, person.user_id) == "knock"
        assert block((await garden.said_about(person))[-1])["state"] == "pending"


async def test_nobody_escapes_a_no_by_knocking_once_more(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant()
    people = {verdict: await garden.knocker(reason="one") for verdict in ("reject", "ban")}
    numbers = {verdict: block(await garden.card(person))["number"] for verdict, person in people.items()}
    await keeper.stop()
    for verdict, person in people.items():
        await garden.tell(f"{verdict} {numbers[verdict]}")
        await person.knock(garden.room, "two")

    await keeper.start()

    await garden.membership(people["reject"], "leave")
    await garden.membership(people["ban"], "ban")


async def test_after_looking_at_the_new_knock_it_can_be_accepted(garden: Garden) -> None:
    ana = await garden.knocker(reason="one")
    card = await garden.card(ana)
    await ana.knock(garden.room, "two")
    await garden.heard(lambda event: edit_of(event) == card["event_id"] and "two" in html(event))
    await garden.caught_up()  # nobody clicks in the millisecond in which the edit arrives; who did would be asked again

    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.membership(ana, "invite")


# --- who may ------------------------------------------------------------------------------------------------------

STRICT = {"invite": 50, "kick": 50, "ban": 70}


async def strict_garden(keeper: InProcess) -> Garden:
    """A garden in which letting in and turning away take 50, and banning takes 70."""
    return await keeper.garden(levels=STRICT, bot_level=90)


async def test_a_click_without_the_power_for_it_is_refused(keeper: InProcess) -> None:
    garden = await strict_garden(keeper)
    mona = await garden.moderator(level=69)
    ana = await garden.knocker()
    card = await garden.card(ana)

    await mona.react(garden.mods, card["event_id"], "⛔")

    told = await garden.heard(lambda event: in_reply_to(event) == card["event_id"])
    assert mona.user_id in words(told)
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_a_click_with_just_the_power_for_it_is_enough(keeper: InProcess) -> None:
    garden = await strict_garden(keeper)
    mona = await garden.moderator(level=70)
    ana = await garden.knocker()
    card = await garden.card(ana)

    await mona.react(garden.mods, card["event_id"], "⛔")

    await garden.membership(ana, "ban")
    await garden.shown(ana, by=mona.user_id)


async def test_to_be_in_the_management_room_is_not_enough(garden: Garden) -> None:
    mona = await garden.moderator(level=None, joined=False)
    ana = await garden.knocker()
    card = await garden.card(ana)

    await mona.react(garden.mods, card["event_id"], "✅")
    await garden.heard(lambda event: in_reply_to(event) == card["event_id"])
    refused = await garden.command(f"accept {block(card)['number']}", by=mona)

    assert "Garden" in refused
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_an_applicant_cannot_let_themselves_in(garden: Garden) -> None:
    ana = await garden.person()
    await garden.bring(ana, garden.mods)
    await ana.knock(garden.room)
    card = await garden.card(ana)

    await ana.react(garden.mods, card["event_id"], "✅")

    await garden.heard(lambda event: in_reply_to(event) == card["event_id"])
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_nobody_turns_away_who_stands_as_high_as_they(keeper: InProcess) -> None:
    garden = await keeper.garden(levels=STRICT, bot_level=90)
    mona, peer = await garden.moderator("mona", level=70), await garden.moderator("peer", level=70)
    await peer.leave(garden.room)
    await peer.knock(garden.room)
    card = await garden.card(peer)

    refused = await garden.command(f"ban {block(card)['number']}", by=mona)

    assert mona.user_id in refused
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, peer.user_id) == "knock"


async def test_the_bot_says_what_it_may_not_do_and_what_mends_it(keeper: InProcess) -> None:
    garden = await keeper.plant(bot_level=None)
    ana = await garden.knocker()
    card = await garden.shown(ana, "pending")

    refused = await garden.command(f"reject {block(card)['number']}")

    assert keeper.user_id in refused
    assert "50" in refused
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_a_click_that_is_refused_is_refused_once(garden: Garden) -> None:
    mona = await garden.moderator(level=None, joined=False)
    ana = await garden.knocker()
    card = await garden.card(ana)

    for _ in range(3):
        click = await mona.react(garden.mods, card["event_id"], "✅")
        await mona.redact(garden.mods, click)

    await garden.caught_up()
    told = [event for event in await garden.said() if in_reply_to(event) == card["event_id"]]
    assert len(told) == 1


# --- commands -----------------------------------------------------------------------------------------------------


async def test_an_accept_may_carry_a_message(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.command(f"accept {block(card)['number']} Welcome, the roses are to the left")

    assert (await garden.membership(ana, "invite"))["reason"] == "Welcome, the roses are to the left"
    assert "roses" in words(await garden.shown(ana, "accepted"))


async def test_a_no_may_carry_a_reason(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.command(f"ban {block(card)['number']} three times is enough")

    assert (await garden.membership(ana, "ban"))["reason"] == "three times is enough"


async def test_a_reply_to_a_card_needs_no_number(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.command("accept come in", reply_to=card["event_id"])

    assert (await garden.membership(ana, "invite"))["reason"] == "come in"


async def test_a_reply_with_the_quote_of_older_clients_is_understood(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    body = f"> <{garden.keeper.user_id}> {words(card).splitlines()[0]}\n> !kb ban 1\n\n!kb reject no"

    await garden.alice.say(garden.mods, body, reply_to=card["event_id"])

    assert (await garden.membership(ana, "leave"))["reason"] == "no"


async def test_a_reply_needs_its_prefix(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.alice.say(garden.mods, "accept", reply_to=card["event_id"])

    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_in_a_reply_to_a_card_the_number_of_another_is_asked_about(garden: Garden) -> None:
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    card, other = await garden.card(ana), block(await garden.card(ben))["number"]

    said = await garden.command(f"reject {other}", reply_to=card["event_id"])

    assert f"is not about #{other}, so I did nothing" in said
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"
    assert await garden.alice.membership(garden.room, ben.user_id) == "knock"
    await garden.command(f"reject {block(card)['number']} not now", expect="", reply_to=card["event_id"])
    assert (await garden.membership(ana, "leave"))["reason"] == "not now"


@pytest.mark.parametrize(("emoji", "becomes"), [("✅", "invite"), ("❌\ufe0f", "leave"), ("⛔", "ban")])
async def test_a_reply_of_an_emoji_is_the_click(garden: Garden, emoji: str, becomes: str) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.alice.say(garden.mods, emoji, reply_to=card["event_id"])

    await garden.membership(ana, becomes)


async def test_a_command_in_the_thread_of_a_card_means_it_and_is_answered_there(garden: Garden) -> None:
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    card, other = await garden.card(ana), await garden.card(ben)

    def thread(last: str) -> dict[str, Any]:
        root = {"rel_type": "m.thread", "event_id": card["event_id"], "is_falling_back": True}
        return {"m.relates_to": {**root, "m.in_reply_to": {"event_id": last}}}

    talk = await garden.alice.say(garden.mods, "who is that?", content=thread(card["event_id"]))
    asked = await garden.tell("show", content=thread(talk))
    said = await garden.answer_to(asked)
    await garden.tell("reject twelve words, please", content=thread(other["event_id"]))

    assert ana.user_id in said
    (reply,) = await garden.answers_to(asked)
    assert reply["content"]["m.relates_to"] == thread(asked)["m.relates_to"]
    assert (await garden.membership(ana, "leave"))["reason"] == "twelve words, please"
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ben.user_id) == "knock"


async def test_what_is_nearly_an_answer_gets_one_hint_a_day(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    mona = await garden.moderator("mona")  # who had no hint yet

    await mona.react(garden.mods, card["event_id"], "👍")
    hint = await garden.heard(lambda event: in_reply_to(event) == card["event_id"], "a hint")
    await mona.say(garden.mods, "ok", reply_to=card["event_id"])
    await garden.caught_up_here()

    assert "!kb accept" in words(hint)
    assert len(await garden.answers_to(card["event_id"])) == 1
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_an_applicant_may_go_by_the_name_on_the_card(garden: Garden) -> None:
    quentin = await garden.knocker("quentin")
    await garden.card(quentin)

    said = await garden.command("accept Quentin welcome")

    assert quentin.user_id in said
    assert (await garden.membership(quentin, "invite"))["reason"] == "welcome"


async def test_several_are_answered_at_once(garden: Garden) -> None:
    people = [await garden.knocker(name) for name in ("ana", "ben", "cleo")]
    numbers = [block(await garden.card(person))["number"] for person in people]

    await garden.command(f"accept {numbers[0]} #{numbers[1]}, {numbers[2]} welcome all")

    for person in people:
        assert (await garden.membership(person, "invite"))["reason"] == "welcome all"


async def test_of_several_those_that_can_be_answered_are(garden: Garden) -> None:
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    first, second = [block(await garden.card(person))["number"] for person in (ana, ben)]
    await ana.retract(garden.room)
    await garden.shown(ana, "withdrawn")

    said = await garden.command(f"accept {first}, {second}, 999999999")

    await garden.membership(ben, "invite")
    assert f"#{first}" in said
    assert "#999999999" in said


@pytest.mark.parametrize(
    "text", ["accept", "accept all of them", "accept 0", "accept -1", "accept 99999", "reject 1.5"]
)
async def test_an_answer_to_nothing_is_told_so(garden: Garden, text: str) -> None:
    before = await garden.acts_of_the_bot()

    said = await garden.command(text)

    assert "!kb" in said
    assert await garden.acts_of_the_bot() == before


async def test_a_long_reason_is_cut_and_still_given(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.command(f"reject {block(card)['number']} " + "because " * 5000)

    assert (await garden.membership(ana, "leave"))["reason"].startswith("because because")


async def test_the_answer_is_on_the_card_before_the_act_is_done(garden: Garden) -> None:
    """An act that takes long must not look like an answer that was lost."""
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.command(f"accept {block(card)['number']}")

    async def last() -> str:
        return str(block((await garden.said_about(ana))[-1])["state"])

    await until(last, lambda state: state == "accepted", lambda state: f"the card still says {state}")
