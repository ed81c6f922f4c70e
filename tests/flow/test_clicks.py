"""A click on a message that can be answered, whatever its kind: it is taken, refused, no answer to it, or too late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pytest

from knockbot.flow.cards import CARD
from knockbot.product import PROMPTS
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, HOME, levels_for

BOB, MONA, NORA = f"@bob:{HOME}", f"@mona:{HOME}", f"@nora:{HOME}"
ROSES, CLUB, NEW, SPACE, POND = f"!roses:{HOME}", f"!club:{HOME}", f"!new:{HOME}", f"!space:{HOME}", f"!pond:{HOME}"


async def a_card(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()


async def an_offer_to_apply(house: House) -> None:
    await a_card(house)
    house.tell(f"policy set {GARDEN}\nrules: [{{when: {{local: true}}, then: accept}}]")
    await house.live()


async def an_offer_of_presets(house: House) -> None:
    people_in(house, ROSES)
    house.tell(f"protect {ROSES}")
    await house.live()


async def an_upgrade(house: House) -> None:
    people_in(house, NEW, predecessor=GARDEN)
    house.world.replace(GARDEN, NEW)
    await house.live()


async def an_upgrade_of_a_named_room(house: House) -> None:
    people_in(house, CLUB)
    house.tell(f'policy set {GARDEN}\nrules: [{{when: {{member_of: "{CLUB}"}}, then: accept}}]')
    await house.live()
    people_in(house, NEW, predecessor=CLUB)
    house.world.replace(CLUB, NEW)
    await house.live()


async def new_rooms_of_a_space(house: House) -> None:
    people_in(house, SPACE, is_space=True)
    people_in(house, POND)
    house.tell(f"protect {SPACE} with rooms")
    await house.live()
    house.world.name_child(SPACE, POND, via=[HOME])
    await house.live()


async def a_batch(house: House) -> None:
    await a_card(house)
    house.tell("reject all")
    await house.live()


async def an_undo(house: House) -> None:
    await a_card(house)
    house.tell("accept 1")
    await house.later()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.later()
    house.tell("undo 1")
    await house.later()


async def a_wave(house: House) -> None:
    await house.set_policy("wave: {knocks: 2, within: 10m, ends_after: 30m}")
    for number in range(9):
        house.world.knock(GARDEN, f"@p{number}:{HOME}", "let me in")
        await house.later(1)
    await house.later(60)


async def a_wave_that_is_over(house: House) -> None:
    await a_wave(house)
    await house.later(31 * 60)
    await house.ring()
    await house.later(60)


async def a_digest_of_a_day(house: House) -> None:
    await house.set_policy('digest: "09:00"')
    await a_card(house)
    house.clock.go_on(24 * 3600)
    await house.ring()
    await house.later()


async def an_interview(house: House) -> None:
    await a_card(house)
    house.tell("interview 1")
    await house.later()


ASKS: Mapping[str, Callable[[House], Awaitable[None]]] = {
    CARD: a_card,
    "apply_policy": an_offer_to_apply,
    "preset": an_offer_of_presets,
    "room_upgrade": an_upgrade,
    "named_room_upgrade": an_upgrade_of_a_named_room,
    "space_rooms": new_rooms_of_a_space,
    "batch": a_batch,
    "undo": an_undo,
    "wave": a_wave,
    "digest": a_digest_of_a_day,
    "wave_over": a_wave_that_is_over,
    "interview": an_interview,
}
"""How each kind comes to be asked."""

OF_ONE = ("batch", "undo")
"""Kinds that only one person can answer; `test_bulk.py` and `test_undo_at_work.py` say what the others are told."""

OF_NOBODY = ("wave", "digest")
"""Kinds that tell something and take no answer; `test_waves.py` and `test_digests.py` say what a click is told."""

OF_MANY = ("interview",)
"""Kinds that everybody can click on; `test_interviews.py` says what follows."""

SHARED = [kind for kind in ASKS if kind not in (*OF_ONE, *OF_NOBODY, *OF_MANY)]
QUESTIONS = [kind for kind in SHARED if kind != CARD]


def people_in(house: House, room_id: str, **how: object) -> None:
    """A room with alice, bob and the bot, who may do everything there, and with mona, who may not."""
    name = room_id[1:].partition(":")[0].capitalize()
    levels = levels_for()
    levels["users"][BOB] = 100
    house.world.room(room_id, name, ALICE, BOB, MONA, BOT, levels=levels, **how)


@pytest.fixture
async def house(house: House) -> House:
    """The garden with bob, who may do everything, and mona, who may nothing; nora is in the management room only."""
    for room_id, people in ((GARDEN, (BOB, MONA)), (MODS, (BOB, MONA, NORA))):
        for user_id in people:
            house.world.change(room_id, ALICE, user_id, "invite")
            house.world.change(room_id, user_id, user_id, "join")
        house.world.rooms[room_id].levels["users"][BOB] = 100
    await house.live()
    return house


async def asked(house: House, kind: str) -> str:
    """The event of the newest message of this kind."""
    await ASKS[kind](house)
    async with house.db.tx() as tx:
        return str(await tx.fetchval("SELECT event_id FROM prompts WHERE kind = $1 ORDER BY id DESC LIMIT 1", kind))


async def click(house: House, event_id: str, emoji: str, by: str) -> list[str]:
    """Somebody clicks; returns what the bot says to that."""
    before = len(house.spoken())
    house.world.react(MODS, by, event_id, emoji)
    await house.later(10)
    return house.spoken()[before:]


def yes(kind: str) -> str:
    return "2️⃣" if kind == "preset" else "✅"


def is_open(house: House, event_id: str) -> bool:
    """Whether the bot offers an answer by its own reactions."""
    relations = [e["content"].get("m.relates_to", {}) for e in house.world.rooms[MODS].said if e["sender"] == BOT]
    return any(one.get("rel_type") == "m.annotation" and one["event_id"] == event_id for one in relations)


async def again(house: House) -> None:
    """The bot is killed and starts again."""
    await house.die()
    await house.start_again()
    await house.live()


def test_every_kind_is_tested() -> None:
    assert set(ASKS) == set(PROMPTS)


@pytest.mark.parametrize("kind", SHARED)
async def test_whoever_may_not_answer_is_told_once_for_each_answer_and_it_stays_open(house: House, kind: str) -> None:
    event_id = await asked(house, kind)

    for by in (MONA, NORA):
        assert len(await click(house, event_id, yes(kind), by)) == 1
        assert len(await click(house, event_id, "❌", by)) == 1
        assert await click(house, event_id, yes(kind), by) == []
        assert await click(house, event_id, "❌", by) == []
    assert is_open(house, event_id)
    await again(house)
    assert await click(house, event_id, yes(kind), MONA) == []
    assert is_open(house, event_id)

    before = len(house.spoken())
    await click(house, event_id, yes(kind), BOB)
    assert not is_open(house, event_id)
    assert not [said for said in house.spoken()[before:] if "closed" in said or "already" in said]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("kind", SHARED)
async def test_whoever_clicks_too_late_is_told_once(house: House, kind: str, restarts: bool) -> None:
    event_id = await asked(house, kind)
    await click(house, event_id, yes(kind), ALICE)
    assert not is_open(house, event_id)
    if restarts:
        await again(house)

    for by in (BOB, MONA, NORA):
        assert len(await click(house, event_id, yes(kind), by)) == 1
        assert await click(house, event_id, yes(kind), by) == []


@pytest.mark.parametrize("kind", QUESTIONS)
async def test_who_is_too_late_for_a_question_is_told_whose_click_it_took(house: House, kind: str) -> None:
    event_id = await asked(house, kind)
    house.world.react(MODS, ALICE, event_id, yes(kind))
    house.world.react(MODS, BOB, event_id, yes(kind))
    await house.later(10)

    chosen = "2️⃣ server" if kind == "preset" else "✅"
    closed = f"This question is closed. {ALICE} chose {chosen}."
    assert house.spoken().count(closed) == 1
    assert await click(house, event_id, "❌", MONA) == [closed]
    assert await click(house, event_id, yes(kind), ALICE) == []


async def test_the_question_about_new_rooms_says_too_late_after_a_no_as_well(house: House) -> None:
    event_id = await asked(house, "space_rooms")
    assert await click(house, event_id, "❌", ALICE) == []

    closed = f"This question is closed. {ALICE} chose ❌."
    assert await click(house, event_id, "✅", BOB) == [closed]
    assert await click(house, event_id, "❌", BOB) == []


@pytest.mark.parametrize("kind", SHARED)
async def test_a_click_where_the_room_is_protected_no_longer_is_told_so_once(house: House, kind: str) -> None:
    event_id = await asked(house, kind)
    room = {"preset": ROSES, "space_rooms": SPACE}.get(kind, GARDEN)
    house.tell(f"unprotect {room}")
    await house.later()

    for by in (BOB, MONA):
        [said] = await click(house, event_id, yes(kind), by)
        assert (
            "no longer protected" in said
            if kind == CARD
            else said == "This question is closed, because it needs no answer any more."
        )
        assert await click(house, event_id, yes(kind), by) == []


@pytest.mark.parametrize("kind", [*QUESTIONS, *OF_ONE])
async def test_what_is_no_answer_gets_a_hint_once_a_day(house: House, kind: str) -> None:
    event_id = await asked(house, kind)

    [said] = await click(house, event_id, "⛔", BOB)
    assert said.startswith("That does not answer this question. The possible clicks are: ")
    assert yes(kind) in said
    assert await click(house, event_id, "👍", BOB) == []
    assert await click(house, event_id, "🎉", MONA) == []
    assert is_open(house, event_id)
