"""Records from an old back-up: what was answered since is not answered again, and nothing is said or posted twice."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from knockbot.backup.dump import export, restore
from knockbot.backup.recall import LOST_NUMBERS, recall
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.flow.ports import EFFECT_KEY, PROMPT_KEY, REQUEST_KEY
from knockbot.matrix.history import Memory
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import requests, restores, rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, set_policy, settled
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB, CLEO, DORA = "@bob:tulip.example", "@cleo:tulip.example", "@dora:tulip.example"
POLICY = "rules: [{when: {reason_matches: friend}, then: accept}, {when: {reason_matches: spam}, then: ban}]"


class Attic:
    """Where a back-up lies."""

    def __init__(self, house: House, directory: Path) -> None:
        self._house = house
        self._directory = directory
        self._lines: list[bytes] = []
        self.restored: list[House] = []

    async def put(self) -> None:
        """Make a back-up of the records as they are."""
        self._lines.clear()
        await export(self._house.url, BOT, self._house.clock(), self._lines.append)

    async def take(self, *, forgetful: bool = True) -> House:
        """The process dies, its records are lost, and another one starts on those of the back-up.

        A homeserver that is `forgetful` has forgotten the transaction ids, as Synapse has after an hour.
        """
        self._house.world.outbox.clear()
        self._house.clock.go_on(3600)
        if forgetful:
            self._house.world.txn_ids.clear()
        url = f"sqlite:{self._directory / f'restored{len(self.restored)}.db'}"
        await restore(url, self._lines, "backup", BOT, self._house.clock())
        house = await House(url, self._house.world).open()
        self.restored.append(house)
        return house

    async def bring_back(self, **how: Any) -> House:
        """The same, and live on until there is nothing to do."""
        house = await self.take(**how)
        await remember(house)
        await house.look_everywhere()
        await house.live()
        return house


async def remember(house: House) -> None:
    await recall(house.context, Memory(cast("Homeserver", house.homeserver)))


@pytest.fixture
async def attic(house: House, tmp_path: Path) -> AsyncIterator[Attic]:
    attic = Attic(house, tmp_path)
    yield attic
    for restored in attic.restored:
        await restored.close()


def acts(house: House) -> list[tuple[str, ...]]:
    return [call for call in house.world.calls if call[0] in ("invite", "kick", "ban")]


def nothing_stands_twice(house: House) -> None:
    """No two messages by one key, and no two cards or lines about one knock."""
    said = house.said()
    assert [key for key, count in Counter(content[EFFECT_KEY] for content in said).items() if count > 1] == []
    shown = Counter((b["event_id"], b["state"]) for content in said if (b := content.get(REQUEST_KEY)))
    assert [key for key, count in shown.items() if count > 1] == []
    numbers = {block["event_id"]: block["number"] for card in house.cards() for block in card.blocks}
    assert len(set(numbers.values())) == len(numbers), numbers


async def test_what_rules_decided_since_is_neither_done_nor_said_again(house: House, attic: Attic) -> None:
    await house.set_policy(POLICY)
    house.world.knock(GARDEN, ANA, "friend")
    await house.live()
    await attic.put()
    house.world.knock(GARDEN, BOB, "friend")
    house.world.knock(GARDEN, CLEO, "spam")
    await house.live()
    done, said = acts(house), house.spoken()

    restored = await attic.bring_back()

    assert acts(restored) == done
    assert restored.spoken()[:-1] == said
    assert "restored from a back-up" in restored.spoken()[-1]
    assert [(r.number, r.state, r.by, r.reason) for r in await restored.requests(BOB)] == [
        (2, State.ACCEPTED, BOT, "friend")
    ]
    nothing_stands_twice(restored)


async def test_an_invite_that_was_withdrawn_since_is_no_rejection(house: House, attic: Attic) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    await set_policy(house, open_door("forward"))
    await attic.put()
    house.world.knock(GARDEN, ANA, "hello")
    await settled(house)
    house.world.list_entity(BANS, LIZ, ANA)
    await settled(house)
    house.world.unlist(BANS, LIZ, ANA)

    restored = await attic.bring_back()

    assert (await restored.request(ANA)).state is State.REJECTED
    await set_policy(restored, "rules: [{name: again, when: {rejected_before: true}, then: ban}]")
    restored.world.knock(GARDEN, ANA, "once more")
    await settled(restored)
    assert restored.membership(ANA) == "knock"


@pytest.mark.parametrize("verdict", ["accept", "ban"])
@pytest.mark.parametrize("late", [False, True], ids=["asked before the back-up", "asked since"])
async def test_an_answer_that_was_undone_since_is_no_rejection(
    house: House, attic: Attic, verdict: str, late: bool
) -> None:
    if late:
        await attic.put()
    house.world.knock(GARDEN, ANA, "hello")
    await settled(house)
    if not late:
        await attic.put()
    house.tell(f"{verdict} 1")
    await settled(house)
    house.tell("undo 1")
    await settled(house)

    restored = await attic.bring_back()

    assert (await restored.request(ANA)).state is State.REJECTED
    await set_policy(restored, "rules: [{name: again, when: {rejected_before: true}, then: ban}]")
    restored.world.knock(GARDEN, ANA, "once more")
    await settled(restored)
    assert restored.membership(ANA) == "knock"
    came = {"accept": "accepted, then the invite was withdrawn", "ban": "banned, then the ban was lifted"}[verdict]
    assert f"Before: {came} by {ALICE}" in restored.cards()[-1].text


CARA = "@cara:tulip.example"


async def with_votes(house: House) -> None:
    """Alice, Cara and Bob are moderators, and an accept takes two of them; Ana asks."""
    for who in (CARA, BOB):
        for room_id in (GARDEN, MODS):
            house.world.change(room_id, ALICE, who, "invite")
            house.world.change(room_id, who, who, "join")
        house.world.rooms[GARDEN].levels["users"][who] = 50
    house.world.set_levels(GARDEN)
    await set_policy(house, "votes: {accept: 2, ban: 2}")
    house.world.knock(GARDEN, ANA, "hello")
    await settled(house)


@pytest.mark.parametrize("kept", [True, False], ids=["given before the back-up", "given since"])
async def test_a_vote_by_a_click_stands_after_a_restore_and_one_by_a_command_if_it_was_kept(
    house: House, attic: Attic, kept: bool
) -> None:
    await with_votes(house)
    if not kept:
        await attic.put()
    house.click("✅", by=CARA)
    house.tell("ban 1", by=BOB)
    await settled(house)
    if kept:
        await attic.put()

    restored = await attic.bring_back()
    await settled(restored)

    lines = restored.card().text.split("\n")
    assert f"✅ 1 of 2: {CARA}" in lines
    assert (f"⛔ 1 of 2: {BOB}" in lines) is kept
    restored.click("✅", by=ALICE)
    await settled(restored)
    assert restored.membership(ANA) == "invite"


async def test_a_vote_that_was_taken_back_since_the_back_up_does_not_count(house: House, attic: Attic) -> None:
    await with_votes(house)
    clicked = house.click("✅", by=CARA)
    await settled(house)
    await attic.put()
    house.world.redact(MODS, CARA, clicked)
    await settled(house)

    restored = await attic.bring_back()
    await settled(restored)
    restored.click("✅", by=ALICE)
    await settled(restored)

    assert restored.membership(ANA) == "knock"
    assert f"✅ 1 of 2: {ALICE}" in restored.card().text.split("\n")


async def test_a_request_that_moderators_answered_since_is_settled_in_their_name(house: House, attic: Attic) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    house.world.knock(GARDEN, BOB, "hello")
    await house.live()
    await attic.put()
    cards = house.cards()
    house.click("❌", card=cards[0])
    house.click("✅", card=cards[1])
    await house.live()
    done = acts(house)

    restored = await attic.bring_back()

    found = [await restored.request(person) for person in (ANA, BOB)]
    assert [(request.state, request.by) for request in found] == [(State.REJECTED, ALICE), (State.ACCEPTED, ALICE)]
    assert acts(restored) == done
    assert [card.state for card in restored.cards()] == ["rejected", "accepted"]
    nothing_stands_twice(restored)


async def test_a_card_that_was_posted_since_is_taken_up_where_it_stands(house: House, attic: Attic) -> None:
    house.world.knock(GARDEN, ANA, "before")
    await house.live()
    await attic.put()
    house.world.knock(GARDEN, BOB, "since")
    await house.live()

    restored = await attic.bring_back()

    assert [card.block["user_id"] for card in restored.cards()] == [ANA, BOB]
    nothing_stands_twice(restored)
    restored.click("✅", card=restored.cards()[1])
    await restored.live()
    assert restored.membership(BOB) == "invite"
    assert restored.membership(ANA) == "knock"
    assert restored.cards()[1].state == "accepted"
    assert (await restored.request(BOB)).reason == "since"


async def test_whoever_was_rejected_since_and_knocks_again_is_a_new_request(house: House, attic: Attic) -> None:
    """The ❌ on their card was for the first knock, and the records know nothing of it."""
    house.world.knock(GARDEN, ANA, "first")
    await house.live()
    await attic.put()
    house.click("❌")
    await house.live()
    house.world.knock(GARDEN, ANA, "second")

    restored = await attic.bring_back()

    first, second = await restored.requests(ANA)
    assert (first.state, second.state, second.number) == (State.REJECTED, State.PENDING, 2)
    assert restored.membership(ANA) == "knock"
    assert [card.block["number"] for card in restored.cards()] == [1, 2]
    nothing_stands_twice(restored)


async def test_a_knock_again_that_had_its_card_already_is_not_answered_by_the_first_ones_click(
    house: House, attic: Attic
) -> None:
    house.world.knock(GARDEN, ANA, "first")
    await house.live()
    await attic.put()
    house.click("❌")
    await house.live()
    house.world.knock(GARDEN, ANA, "second")
    await house.live()

    restored = await attic.bring_back()

    assert [request.state for request in await restored.requests(ANA)] == [State.REJECTED, State.PENDING]
    assert restored.membership(ANA) == "knock"
    nothing_stands_twice(restored)


async def test_numbers_that_were_given_since_are_not_given_again(house: House, attic: Attic) -> None:
    """A moderator who still sees #2 must not let in whoever is #2 by now."""
    house.world.knock(GARDEN, ANA)
    await house.live()
    await attic.put()
    house.world.knock(GARDEN, BOB)
    await house.live()
    house.click("❌", card=house.cards()[1])
    await house.live()

    restored = await attic.bring_back()
    restored.world.knock(GARDEN, CLEO)
    await restored.live()

    assert (await restored.request(CLEO)).number == 3
    nothing_stands_twice(restored)


@pytest.mark.parametrize("forgetful", [True, False])
async def test_a_homeserver_that_knows_transaction_ids_takes_nothing_for_a_repeat(
    house: House, attic: Attic, forgetful: bool
) -> None:
    """Restored within the hour, a card by the key of another would be that other card, and take its clicks."""
    await attic.put()
    house.world.knock(GARDEN, BOB)
    await house.live()

    restored = await attic.bring_back(forgetful=forgetful)
    restored.world.knock(GARDEN, CLEO)
    await restored.live()

    assert [card.block["user_id"] for card in restored.cards()] == [BOB, CLEO]
    restored.click("✅", card=restored.cards()[0])
    await restored.live()
    assert (restored.membership(BOB), restored.membership(CLEO)) == ("invite", "knock")


async def test_what_was_on_its_way_at_the_moment_of_the_back_up_is_done_once(house: House, attic: Attic) -> None:
    await house.set_policy(POLICY)
    house.world.knock(GARDEN, ANA, "friend")
    house.world.knock(GARDEN, BOB, "hello")
    await house.hear()
    await attic.put()  # all is planned, and nothing done
    await house.work()
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    done = acts(house)

    restored = await attic.bring_back()

    assert acts(restored) == done
    assert len(restored.cards()) == 1
    assert (await restored.request(ANA)).state == State.JOINED
    nothing_stands_twice(restored)


async def test_edits_go_on_after_those_that_were_made_since(house: House, attic: Attic) -> None:
    house.world.knock(GARDEN, ANA, "one")
    await house.live()
    await attic.put()
    house.world.knock(GARDEN, ANA, "two")
    await house.later()

    restored = await attic.bring_back(forgetful=False)
    newest = restored.world.knock(GARDEN, ANA, "three")
    await restored.later()

    assert restored.card().block["event_id"] == newest
    assert restored.card().state == "pending"


async def test_an_invite_by_address_that_was_answered_since_stands_on_that_word(house: House, attic: Attic) -> None:
    house.world.plant(GARDEN, ALICE, "known")
    await house.live()
    await attic.put()
    house.world.plant(GARDEN, ALICE, "new")
    await house.live()
    for card in house.cards():
        house.click("✅", card=card)
        await house.live()
    done = len(house.cards())

    restored = await attic.bring_back()

    async with restored.db.tx() as tx:
        found = [await requests.by_token(tx, GARDEN, token) for token in ("known", "new")]
    assert [(r.number, r.state, r.by) for r in found if r] == [(1, State.STANDING, ALICE), (2, State.STANDING, ALICE)]
    assert len(restored.cards()) == done


async def test_a_room_protected_since_is_told_of_no_more_and_its_numbers_stay_taken(house: House, attic: Attic) -> None:
    await attic.put()
    house.world.room("!new", "New", ALICE, BOT)
    house.world.room("!other", "Others", ALICE, BOT, join_rule="invite")
    await house.protect("!new", "!other")
    house.world.knock("!new", BOB)
    await house.live()

    restored = await attic.bring_back()
    await restored.protect("!new", "!other")
    await restored.look_everywhere()
    await restored.live()

    assert [card.block["number"] for card in restored.cards("!other")] == [1, 2]


async def test_the_moderators_are_told_once_that_the_records_are_old(house: House, attic: Attic) -> None:
    await attic.put()

    restored = await attic.bring_back()
    await remember(restored)
    await restored.live()

    [said] = [text for text in restored.spoken() if "back-up" in text]
    assert "!kb rooms" in said
    async with restored.db.tx() as tx:
        assert await restores.to_recall(tx) is None


@pytest.mark.parametrize("call", ["messages_back", "joined_rooms", "event"])
async def test_a_homeserver_that_does_not_answer_is_asked_again_and_nothing_was_half_recalled(
    house: House, attic: Attic, call: str
) -> None:
    await attic.put()
    house.world.knock(GARDEN, BOB)
    await house.live()
    restored = await attic.take()
    restored.world.play(call, error=Later(foreign("gone")))

    with pytest.raises(Later):
        await remember(restored)
    await remember(restored)
    await restored.look_everywhere()
    await restored.live()

    assert (await restored.request(BOB)).number == 1
    assert len(restored.cards()) == 1


async def test_a_room_that_the_bot_was_put_out_of_is_left_alone(house: House, attic: Attic) -> None:
    await attic.put()
    house.world.knock(GARDEN, BOB)
    await house.live()
    house.world.change(MODS, ALICE, BOT, "leave")
    restored = await attic.take()

    await remember(restored)

    async with restored.db.tx() as tx:
        assert await restores.to_recall(tx) is None


async def test_in_a_room_that_cannot_be_read_again_numbers_are_left_out(house: House, attic: Attic) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    await attic.put()
    house.world.knock(GARDEN, BOB)
    await house.live()
    restored = await attic.take()
    restored.world.play("messages_back", Never(foreign("the homeserver says: no"), code="M_FORBIDDEN"))

    await remember(restored)
    await restored.look_everywhere()
    await restored.live()

    assert [request.number for request in await restored.requests(BOB)] == [1 + LOST_NUMBERS + 1]


async def test_no_number_that_people_see_after_a_restore_is_one_of_the_databases_own(
    house: House, attic: Attic, caplog: pytest.LogCaptureFixture
) -> None:
    """The ids in the database go on from the moment of the import in milliseconds, which has thirteen digits."""
    caplog.set_level(logging.INFO, "knockbot")
    house.world.knock(GARDEN, ANA)
    await house.live()
    await attic.put()
    restored = await attic.bring_back()
    restored.world.knock(GARDEN, BOB)
    await restored.live()
    for command in ("list", "show 2", "log", "queue", f"policy set {GARDEN}\nrules: []", f"policy log {GARDEN}"):
        restored.world.say(MODS, ALICE, f"!kb {command}")
        await restored.live()

    assert (await restored.request(BOB)).id > 10**12
    said = [*restored.spoken(), *(card.text for card in restored.cards()), *caplog.messages]
    assert f"request #2 of {BOB}" in "\n".join(said)
    assert [text for text in said if re.search(r"\d{13}", text)] == []


async def test_what_others_say_in_the_bots_words_is_not_recalled(house: House, attic: Attic) -> None:
    await attic.put()
    block = {"number": 99, "kind": "knock", "room_id": GARDEN, "user_id": DORA, "event_id": "$1", "state": "accepted"}
    house.world.say(MODS, DORA, "x", **{EFFECT_KEY: "card:5", REQUEST_KEY: block})

    restored = await attic.bring_back()
    restored.world.knock(GARDEN, ANA)
    await restored.live()

    assert (await restored.request(ANA)).number == 1
    assert await restored.requests(DORA) == []


async def test_where_its_own_words_cannot_be_read_any_more_the_bot_says_so_and_leaves_numbers_out(
    house: House, attic: Attic
) -> None:
    house.world.knock(GARDEN, ANA, "before")
    await house.live()
    await attic.put()
    house.world.knock(GARDEN, BOB, "since")
    await house.live()
    for event in house.world.rooms[MODS].said:
        if event["sender"] == BOT and event["type"] == "m.room.message":
            event |= {"type": "m.room.encrypted", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}

    restored = await attic.bring_back()

    assert "I cannot read the messages that I sent" in restored.spoken()[-1] + restored.spoken()[0]
    assert [request.number for request in await restored.requests(BOB)] == [1 + LOST_NUMBERS + 1]
    assert acts(restored) == []


async def test_each_management_room_is_told_of_a_restore_readable_or_not(house: House, attic: Attic) -> None:
    second, lawn = "!mods2:tulip.example", "!lawn:tulip.example"
    house.world.room(second, "Mods 2", ALICE, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")
    house.world.room(lawn, "Lawn", ALICE, BOT, levels={"users": {ALICE: 100, BOT: 50}})
    await house.protect(lawn, second)
    await attic.put()
    house.world.play("messages_back", Never(foreign("they refuse.")))

    restored = await attic.bring_back()

    for room_id in (MODS, second):
        assert ["restored from a back-up" in text for text in restored.spoken(room_id)].count(True) == 1


async def test_a_question_that_was_asked_since_is_asked_again_and_answered_by_the_newer_one(
    house: House, attic: Attic
) -> None:
    """Which message asks is on record only: to read it again would take what it asked about from the room."""
    await attic.put()
    new = "!new:tulip.example"
    house.world.room(new, "New garden", ALICE, BOT, levels=levels_for(), predecessor=GARDEN)
    house.world.replace(GARDEN, new)
    await house.live()

    restored = await attic.bring_back()
    [before, again] = [event for event in house.world.rooms[MODS].said if PROMPT_KEY in event["content"]]
    house.world.react(MODS, ALICE, before["event_id"], "✅")
    await restored.live()
    async with restored.db.tx() as tx:
        assert await rooms.find(tx, new) is None
    house.world.react(MODS, ALICE, again["event_id"], "✅")
    await restored.live()
    async with restored.db.tx() as tx:
        assert await rooms.find(tx, new) is not None


async def test_a_click_that_was_removed_since_gives_no_answer(house: House, attic: Attic) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    click = house.click("✅")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60)
    await house.live()
    await attic.put()
    house.world.redact(MODS, ALICE, click)

    restored = await attic.bring_back()
    assert (await restored.request(ANA)).awaits_moderators
    house.world.set_levels(GARDEN, invite=50)
    await restored.later()
    assert restored.membership(ANA) == "knock"
