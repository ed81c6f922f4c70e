"""A message that can be answered, of whatever kind: it is posted, edited, clicked, closed and taken away in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from knockbot.domain.languages import Language
from knockbot.domain.notices import because, notice
from knockbot.engine.prompts import Face, PromptKind, post, refresh
from knockbot.engine.turn import Turn, Write
from knockbot.flow.context import Context
from knockbot.flow.ports import PROMPT_KEY
from knockbot.product import PROMPTS
from knockbot.store import prompts
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, BOT

POLL = "poll"


class Poll:
    """A kind of prompt that counts who clicked."""

    def __init__(self) -> None:
        self.votes: list[tuple[str, str]] = []
        self.removed: list[int] = []
        self.open = True
        self.needed = True

    def kind(self) -> PromptKind[Context]:
        async def render(context: Context, prompt: Prompt) -> Face:
            def write(calls: Sequence[str], key: str) -> Mapping[str, Any]:
                said = notice("late") if self.votes else notice("edit.not_run")
                block = {PROMPT_KEY: {"kind": POLL}}
                return context.wording.message(said, key, language=Language.EN, aloud=True, calls=calls, blocks=block)

            needless = None if self.needed else because("overtaken.not_asked")
            return Face(write, ("1️⃣", "2️⃣") if self.open else (), (ALICE,), needless=needless)

        async def takes_clicks(_: Tx, __: Prompt) -> bool:
            return self.open

        async def clicked(_: Context, prompt: Prompt, reaction: Any) -> Write[None]:
            async def write(turn: Turn) -> None:
                self.votes.append((reaction.sender, reaction.key))
                await refresh(turn, prompt.id)

            return write

        async def removed(_: Context, __: Turn, prompt: Prompt) -> None:
            self.removed.append(prompt.id)

        async def too_late(*_: Any) -> None:
            return None

        return PromptKind(render, takes_clicks, clicked, too_late, removed)


@pytest.fixture
def poll(house: House) -> Poll:
    poll = Poll()
    house.furnish(prompts={**PROMPTS, POLL: poll.kind()})
    return poll


async def asked(house: House, *, closes_at: int | None = None) -> Prompt:
    async with house.context.turn() as turn:
        prompt = await prompts.new(turn.tx, MODS, POLL, GARDEN, turn.now, closes_at=closes_at)
        await post(turn, prompt)
        await post(turn, prompt)
    await house.live()
    async with house.db.tx() as tx:
        return await prompts.get(tx, prompt.id)


def said(house: House) -> list[Any]:
    return [e for e in house.world.rooms[MODS].said if PROMPT_KEY in e["content"]]


def offers(house: House) -> list[str]:
    reactions = [e for e in house.world.rooms[MODS].said if e["type"] == "m.reaction" and e["sender"] == BOT]
    return [e["content"]["m.relates_to"]["key"] for e in reactions if e["content"]]


async def test_it_is_posted_once_calls_and_offers_its_answers(house: House, poll: Poll) -> None:
    prompt = await asked(house)

    [posted] = said(house)
    assert posted["event_id"] == prompt.event_id
    assert posted["content"]["m.mentions"] == {"user_ids": [ALICE]}
    assert posted["content"][PROMPT_KEY] == {"kind": POLL}
    assert offers(house) == ["1️⃣", "2️⃣"]
    assert poll.votes == []  # its own reactions are no answers


async def test_what_nobody_has_to_answer_any_more_is_not_posted(house: House, poll: Poll) -> None:
    poll.needed = False
    await asked(house)

    assert said(house) == []


async def test_a_click_goes_to_its_kind_and_the_message_is_edited_where_that_changes_it(
    house: House, poll: Poll
) -> None:
    prompt = await asked(house)
    house.world.react(MODS, ALICE, str(prompt.event_id), "2️⃣")
    await house.live()
    house.world.react(MODS, ALICE, str(prompt.event_id), "1️⃣")
    await house.live()

    assert poll.votes == [(ALICE, "2⃣"), (ALICE, "1⃣")]  # as they are compared: without the variation selector
    assert len(said(house)) == 2
    assert said(house)[1]["content"]["m.mentions"] == {}


async def test_a_click_on_its_newest_edit_is_one_on_it(house: House, poll: Poll) -> None:
    prompt = await asked(house)
    house.world.react(MODS, ALICE, str(prompt.event_id), "1️⃣")
    await house.live()
    house.world.react(MODS, ALICE, said(house)[1]["event_id"], "2️⃣")
    await house.live()

    assert len(poll.votes) == 2


async def test_from_its_end_on_it_takes_no_answer(house: House, poll: Poll) -> None:
    prompt = await asked(house, closes_at=house.clock() + 10_000)
    house.world.react(MODS, ALICE, str(prompt.event_id), "1️⃣")
    await house.later(10)
    house.world.react(MODS, ALICE, str(prompt.event_id), "2️⃣")
    await house.live()

    assert poll.votes == []


async def test_its_offers_go_when_it_takes_no_clicks_any_more(house: House, poll: Poll) -> None:
    prompt = await asked(house)
    poll.open = False
    async with house.context.turn() as turn:
        await prompts.shows(turn.tx, prompt.id, None)
        await refresh(turn, prompt.id)
    await house.live()

    assert offers(house) == []


async def test_its_kind_hears_that_its_message_was_removed(house: House, poll: Poll) -> None:
    prompt = await asked(house)
    house.world.redact(MODS, ALICE, str(prompt.event_id))
    await house.live()

    assert poll.removed == [prompt.id]


async def test_a_prompt_elsewhere_of_the_same_event_takes_no_click(house: House, poll: Poll) -> None:
    prompt = await asked(house)
    house.world.react(GARDEN, ALICE, str(prompt.event_id), "1️⃣")
    await house.live()

    assert poll.votes == []
