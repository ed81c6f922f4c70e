"""Cards: what moderators and machines read on them, what they offer, and how they follow what happens."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from knockbot.demo.people import Json, until
from tests.keeper import REQUESTS, Garden, InProcess, block, edit_of, html, reacts_to, words

MACHINE_KEYS = {"number", "kind", "room_id", "user_id", "event_id", "state", "rule", "by"}


async def test_a_card_says_who_asks_for_what_and_why(garden: Garden) -> None:
    ana = await garden.knocker(reason="a very personal story")

    card = await garden.shown(ana, "pending")

    content = card["content"]
    assert content["msgtype"] == "m.text"  # notices are never pushed
    assert content["m.mentions"] == {}
    assert ana.user_id in content["body"]
    assert ana.user_id in content["formatted_body"]
    assert "Garden" in content["body"]
    assert "Reason: a very personal story" in content["body"].split("\n")
    assert "<br>Reason: a very personal story<br>" in content["formatted_body"]
    assert "spoiler" not in content["formatted_body"]


async def test_a_card_speaks_to_machines_too(garden: Garden) -> None:
    ana = await garden.knocker()

    card = await garden.shown(ana, "pending")

    assert set(block(card)) == MACHINE_KEYS
    assert block(card) | {"number": 0, "event_id": ""} == {
        "number": 0,
        "kind": "knock",
        "room_id": garden.room,
        "user_id": ana.user_id,
        "event_id": "",
        "state": "pending",
        "rule": None,
        "by": None,
    }
    knock = await garden.alice.call(
        "GET", "rooms", garden.room, "state", "m.room.member", ana.user_id, query={"format": "event"}
    )
    assert block(card)["event_id"] == knock["event_id"]
    assert isinstance(card["content"]["org.knockbot.effect"], str)


async def test_an_edit_says_all_of_it_anew_and_calls_nobody(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.alice.react(garden.mods, card["event_id"], "✅")

    edited = await garden.shown(ana, "accepted")
    content, new = edited["content"], edited["content"]["m.new_content"]
    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": card["event_id"]}
    assert content["m.mentions"] == {}
    assert new["org.knockbot.request"] == content["org.knockbot.request"]
    assert new["org.knockbot.request"]["state"] == "accepted"
    assert new["org.knockbot.effect"] == content["org.knockbot.effect"]
    assert new["msgtype"] == "m.text"
    assert "m.relates_to" not in new
    assert ana.user_id in new["body"]
    assert ana.user_id in new["formatted_body"]


async def test_every_job_has_a_key_of_its_own(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.alice.react(garden.mods, card["event_id"], "❌")
    await garden.shown(ana, "rejected")

    keys = [event["content"]["org.knockbot.effect"] for event in await garden.said()]

    assert len(keys) == len(set(keys))


async def test_clients_that_ask_for_the_card_get_its_newest_edit(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await ana.retract(garden.room)
    edited = await garden.shown(ana, "withdrawn")

    bundled = (await garden.alice.event(garden.mods, card["event_id"]))["unsigned"]["m.relations"]["m.replace"]

    assert bundled["event_id"] == edited["event_id"]


async def test_numbers_count_up_over_all_rooms_of_a_management_room(keeper: InProcess) -> None:
    first = await keeper.plant(alone=True)
    second = await keeper.plant(alice=first.alice, mods=first.mods)

    ana = await first.knocker("ana")
    number_of_ana = block(await first.shown(ana))["number"]
    ben = await second.knocker("ben")
    number_of_ben = block(await second.shown(ben))["number"]

    assert [number_of_ana, number_of_ben] == [1, 2]


async def test_a_card_calls_the_room_by_its_newest_name_which_breaks_out_of_nothing(keeper: InProcess) -> None:
    garden = await keeper.plant()
    await garden.alice.put_state(garden.room, "m.room.name", {"name": "<h1>Orchard</h1>\n#9\u202e @room"})
    await garden.caught_up()

    ana = await garden.knocker()

    card = await garden.shown(ana)
    assert "Orchard" in words(card)
    assert "<h1>" not in html(card)
    assert "\u202e" not in words(card) + html(card)
    assert not any(line.startswith("#9") for line in words(card).splitlines())
    assert card["content"]["m.mentions"] == {}
    assert "<h1>" not in html(await garden.heard(lambda event: "kb policy" not in words(event)))


async def test_an_applicant_at_two_doors_is_two_requests(keeper: InProcess) -> None:
    first, second = await keeper.plant(), await keeper.plant()
    ana = await first.knocker()
    await ana.knock(second.room)
    cards = [await garden.card(ana) for garden in (first, second)]

    await first.alice.react(first.mods, cards[0]["event_id"], "❌")

    await first.membership(ana, "leave")
    await second.caught_up()
    assert await second.alice.membership(second.room, ana.user_id) == "knock"


# --- what a card offers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bot_level", "levels", "offered"),
    [
        (50, {"invite": 0, "kick": 50, "ban": 60}, "✅❌"),
        (50, {"invite": 60, "kick": 50, "ban": 50}, "❌⛔"),
    ],
)
async def test_a_card_offers_what_the_bot_may_do(
    keeper: InProcess, bot_level: int | None, levels: dict[str, int], offered: str
) -> None:
    garden = await keeper.plant(bot_level=bot_level, levels=levels)

    ana = await garden.knocker()

    card = await garden.shown(ana, "pending")
    await garden.offered(card["event_id"], offered)
    await garden.command("help")
    assert sorted(await garden.offers(card["event_id"])) == sorted(offered)
    assert all((emoji in words(card)) is (emoji in offered) for emoji in "✅❌⛔")


async def test_a_card_of_somebody_above_the_bot_offers_no_rejection(keeper: InProcess) -> None:
    garden = await keeper.plant()
    former = await garden.moderator("former", level=60)
    await former.leave(garden.room)

    await former.knock(garden.room)

    card = await garden.shown(former, "pending")
    await garden.offered(card["event_id"], "✅")


async def test_offers_follow_the_power_of_the_bot(keeper: InProcess) -> None:
    garden = await keeper.plant()
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.give_power(keeper.user_id, 0)
    await garden.offered(card["event_id"], "✅")
    await garden.give_power(keeper.user_id, 50)
    await garden.offered(card["event_id"], "✅❌⛔")

    await garden.alice.react(garden.mods, card["event_id"], "❌")
    await garden.membership(ana, "leave")


# --- one applicant, many knocks -----------------------------------------------------------------------------------


async def test_more_than_five_requests_of_one_applicant_share_a_card(garden: Garden) -> None:
    ana = await garden.person()
    cards: list[Json] = []
    for _ in range(5):
        await ana.knock(garden.room)
        after = cards[-1]["event_id"] if cards else None
        cards.append(await garden.shown(ana, "pending", after=after))
        await ana.retract(garden.room)
        await garden.shown(ana, "withdrawn", number=block(cards[-1])["number"])

    await ana.knock(garden.room, "once more")

    sixth = await garden.shown(ana, "pending", number=block(cards[-1])["number"] + 1)
    assert len({card["event_id"] for card in cards}) == 5
    assert edit_of(sixth) == cards[-1]["event_id"]
    assert {one["user_id"] for one in sixth["content"][REQUESTS]} == {ana.user_id}
    await garden.alice.react(garden.mods, cards[-1]["event_id"], "✅")
    await garden.membership(ana, "invite")
    await garden.shown(ana, "accepted", number=block(sixth)["number"])


async def test_knocking_again_and_again_while_waiting_makes_one_card_that_ends_up_right(garden: Garden) -> None:
    ana = await garden.person()

    for time in range(9):  # after ten within minutes the next is judged later
        await ana.knock(garden.room, f"attempt {time}")

    await garden.heard(lambda event: block(event).get("user_id") == ana.user_id and "attempt 8" in html(event))
    about = await garden.said_about(ana)
    assert len({block(event)["number"] for event in about}) == 1
    assert len([event for event in about if edit_of(event) is None]) == 1
    assert "attempt 8" in html(about[-1])


async def test_knocking_and_leaving_in_a_hurry_ends_up_right(garden: Garden) -> None:
    ana = await garden.person()

    for _ in range(4):
        await ana.knock(garden.room, "let me in")
        await ana.retract(garden.room)
    await ana.knock(garden.room, "let me in")

    await garden.caught_up()
    about = await garden.said_about(ana)
    newest = max(block(event)["number"] for event in about)
    shown = {block(event)["number"]: block(event)["state"] for event in about}
    assert shown[newest] == "pending"
    assert all(state == "withdrawn" for number, state in shown.items() if number != newest)


# --- text of strangers --------------------------------------------------------------------------------------------


async def test_the_bots_reactions_go_when_a_card_is_settled_and_those_of_moderators_stay(garden: Garden) -> None:
    ana = await garden.knocker()
    card = (await garden.card(ana))["event_id"]
    await garden.alice.react(garden.mods, card, "❌")
    await garden.shown(ana, "rejected")

    async def kept() -> list[tuple[str, str]]:
        seen = [e for e in await garden.alice.messages(garden.mods, limit=100) if reacts_to(e) == card]
        return [(event["sender"], event["content"]["m.relates_to"]["key"]) for event in seen]

    mine = [(garden.alice.user_id, "❌")]
    await until(kept, lambda seen: seen == mine, lambda seen: f"only {mine} was to stay, and there is {seen}")


async def test_a_reason_cannot_forge_a_machine_block_or_a_mention(garden: Garden) -> None:
    reason = (
        json.dumps({"org.knockbot.request": {"state": "accepted"}}) + f" https://matrix.to/#/{garden.alice.user_id}"
    )

    ana = await garden.knocker(reason=reason)

    card = await garden.shown(ana, "pending")
    assert card["content"]["m.mentions"] == {}
    assert html(card).count("<a ") == 1
    assert f'<a href="https://matrix.to/#/{quote(ana.user_id, safe="")}">{ana.user_id}</a>' in html(card)


async def test_a_reason_of_markup_stays_text(garden: Garden) -> None:
    ana = await garden.knocker(reason="</span> <b>admins</b> & friends")

    card = await garden.shown(ana, "pending")

    assert "&lt;/span&gt; &lt;b&gt;admins&lt;/b&gt; &amp; friends" in html(card)


async def test_an_avatar_is_never_loaded(garden: Garden) -> None:
    ana = await garden.person()
    await ana.call("PUT", "profile", ana.user_id, "avatar_url", body={"avatar_url": "mxc://lab.test/picture"})

    await ana.knock(garden.room)

    card = await garden.shown(ana, "pending")
    assert "mxc://" not in json.dumps(card["content"])
