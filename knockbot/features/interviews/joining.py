"""The message by which moderators take part in an interview: a click on ✋ has them invited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from knockbot.domain.may import Deed
from knockbot.domain.model import Reaction
from knockbot.domain.notices import Many, Notice, Numbered, User, because, notice
from knockbot.engine.prompts import Face, PromptKind
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.interviews import holding
from knockbot.features.interviews.holding import INTERVIEW
from knockbot.flow import answering, offers, place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.questions import CLOSED, Question
from knockbot.store import interviews, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.interviews import GOES_ON
from knockbot.store.prompts import Prompt

HAND: Final = "✋"


async def _face(context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        interview = await interviews.of_prompt(tx, prompt.id, held=False)
        there = await place.find(context, tx, prompt.about)
        request = await requests.get(tx, interview.request_id, held=False) if interview is not None else None
        people = await interviews.people(tx, prompt.id)
    write = partial(_message, context, language=place.language_of(context, [there] if there is not None else []))
    needless = because("overtaken.not_asked")
    if interview is None or request is None or there is None:
        return Face(partial(write, CLOSED), needless=needless)
    user, number, who = User(interview.user_id), Numbered(request.number), Many(tuple(map(User, people)))
    if interview.stage not in GOES_ON or prompt.is_closed(context.now()):
        return Face(partial(write, notice("interview.closed", request=number, user=user, people=who)), ())
    said = notice("interview.ask", request=number, user=user, room=there.called, people=who)
    block = {"kind": prompt.kind, "room_id": prompt.about, "number": request.number, "user_id": request.user_id}
    return Face(partial(write, said, blocks={PROMPT_KEY: block}), (HAND,))


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, calls=calls, **how)


async def _is_open(tx: Tx, prompt: Prompt) -> bool:
    interview = await interviews.of_prompt(tx, prompt.id, held=False)
    return interview is not None and interview.stage in GOES_ON and prompt.closes_at is None


async def _take(context: Context, _: Place, prompt: Prompt, reaction: Reaction) -> Write[Notice | None]:
    async with context.db.tx() as tx:
        interview = await interviews.of_prompt(tx, prompt.id, held=False)
        request = await requests.get(tx, interview.request_id, held=False) if interview is not None else None
    if interview is None or request is None:
        raise Refused(CLOSED)
    await answering.insist_on_being_able(context, Deed.ASK, reaction.sender, request)

    async def write(turn: Turn) -> Notice | None:
        return await holding.take_part(turn, interview, reaction.sender)

    return write


async def _removed(_: Context, __: Turn, ___: Prompt) -> None:
    """The message was removed: the interview goes on with those who are in it."""


async def look(context: Context, there: Place) -> None:
    """Look for clicks that came while the bot was away."""
    async with context.db.tx() as tx:
        found = await prompts.still_open(tx, INTERVIEW, there.room_id)
    for prompt in found:
        await offers.look_at(context, prompt)


QUESTION: Final[PromptKind[Context]] = Question((HAND,), _is_open, _take).kind(_face, _removed)
