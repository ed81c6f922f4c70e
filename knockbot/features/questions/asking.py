"""The policy says that an applicant is asked: its questions are put to them one after the other, for a limited time.

Each answer has the request judged again (`rejudging`), in the turn of its room, and what the policy says then is done:
to ask the next question is what it says until all are answered. So a rule that an answer decides ends the asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from knockbot.domain.card import machine_block
from knockbot.domain.conversations import Stage as TalkStage
from knockbot.domain.model import Because, Rejudge, Request, Verdict
from knockbot.domain.notices import Many, Notice, Number, Numbered, Sign, Stranger, User, below, notice
from knockbot.domain.plan import NUMBERS
from knockbot.domain.policy import Announce
from knockbot.domain.questions import LONGEST, LONGEST_CHOICE, Choice, Question
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import cards, conversations, place, rejudging, remarks, saying
from knockbot.flow.context import Context
from knockbot.flow.conversations import ToTell
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience, Marks
from knockbot.store import conversations as talks
from knockbot.store import questions, requests, timers
from knockbot.store.questions import Put, Round, Stage
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.timers import Timer
from knockbot.times import HOUR

ASKED: Final = "asked"
UNREACHED: Final = "unreached"
"""The kinds of its timers."""


async def ask(context: Context, turn: Turn, request: Request) -> None:
    """Put the next question to the applicant, unless it is put already and waits for its answer."""
    there = await place.of(context, turn, request.room_id)
    if there is None:
        return
    begun = await questions.round_of(turn.tx, request)
    if begun is None or begun.stage is Stage.OVER:
        begun = await questions.begin(turn.tx, request, turn.now)
        await _announce(context, turn, there, request)
    await _limit(context, turn, there, begun)
    known = {one.key: one for one in await questions.of(turn.tx, request)}
    wanted = there.settings.questions
    for number, question in enumerate(wanted, 1):
        before = known.get(question.key)
        if before is None:
            await _put(context, turn, there, of_policy(turn, request, question), (number, len(wanted)))
        if before is None or before.answer is None:
            break
    await remarks.changed(turn, request.id)


async def _limit(context: Context, turn: Turn, there: Place, begun: Round) -> None:
    """The time for all answers ends; it begins with the first question."""
    at, about = begun.begun_at + there.settings.asking.within, str(begun.request_id)
    await set_timer(context, turn, Timer(f"{ASKED}:{about}", ASKED, about, at))


def of_policy(turn: Turn, request: Request, question: Question) -> Put:
    """A question of the policy, as it is put now."""
    ask, choices = question.ask, question.choices
    return Put(request.id, question.key, request.management_room, request.user_id, ask, choices, turn.now)


async def _put(context: Context, turn: Turn, there: Place, one: Put, which: tuple[int, int]) -> None:
    await questions.put(turn.tx, one)
    number, count = which
    head = notice("question.head", room=there.called, number=Number(number), count=Number(count))
    if count == 1:
        head = notice("question.only_one", room=there.called)
    said = below(head, notice("question.words", text=Stranger(one.ask, LONGEST)), offered(one.choices))
    conversations.tell(context, turn, ToTell(one.user_id, there, said, one.occasion, one.request_id))


def offered(choices: Sequence[Choice]) -> Notice:
    """How a question with these choices, or with none, is answered."""
    if not choices:
        return notice("question.how_text")
    signs = zip(NUMBERS, choices, strict=False)
    rows = [
        notice("question.choice", sign=Sign(sign), label=Stranger(one.label, LONGEST_CHOICE)) for sign, one in signs
    ]
    return notice("question.how_choice", choices=Many(tuple(rows)))


async def _announce(context: Context, turn: Turn, there: Place, request: Request) -> None:
    """Tell the moderators that somebody is asked, as of what rules do: they can answer at any time."""
    if there.settings.announce is Announce.NONE or request.card_id is not None:
        return
    if await cards.fold(context, turn, request):
        return
    said = notice(
        "question.line",
        request=Numbered(request.number),
        user=User(request.user_id),
        room=there.called,
        count=Number(len(there.settings.questions)),
    )
    to, marks = Audience(request.management_room, request), Marks(block=machine_block(request))
    await saying.say(context, turn, to, f"asked:{request.id}:{turn.now}", said, marks=marks)


# --- no answer ----------------------------------------------------------------------------------------------------


async def time_is_over(context: Context, timer: Timer) -> Write[None]:
    """The time for answers is over: if the policy still waits for some, it says now what follows without."""

    async def write(turn: Turn) -> None:
        request = await requests.get(turn.tx, int(timer.about))
        if request.open and request.answer is not None:  # if its answer comes to nothing, this counts after all
            await set_timer(context, turn, Timer(timer.key, timer.kind, timer.about, turn.now + HOUR))
        elif await _waits(turn, request):
            stage = Stage.UNANSWERED if await _was_asked(turn, request) else Stage.UNREACHABLE
            await _go_on_without(context, turn, request, stage)

    return write


async def _waits(turn: Turn, request: Request) -> bool:
    """Whether a request waits for nothing but answers of its applicant."""
    begun = await questions.round_of(turn.tx, request)
    asks = request.decision is not None and request.decision.verdict is Verdict.ASK
    return begun is not None and begun.stage is Stage.OPEN and request.awaits_moderators and asks


async def _was_asked(turn: Turn, request: Request) -> bool:
    """Whether what waits for an answer has got as far as an invite."""
    waiting = [one for one in await questions.of(turn.tx, request) if one.answer is None and one.asked_by is None]
    stages = [await _talk_of(turn, one) for one in waiting]
    return all(stage in (TalkStage.INVITED, TalkStage.JOINED) for stage in stages)


async def _talk_of(turn: Turn, one: Put) -> TalkStage | None:
    """How far the conversation is in which a question was put; `None` if it was put in none."""
    talk = await talks.of_letter(turn.tx, one.occasion)
    return talk.stage if talk is not None else None


async def _go_on_without(context: Context, turn: Turn, request: Request, stage: Stage) -> None:
    await questions.reach(turn.tx, request.id, stage)
    await judge_again(context, turn, request, f"${stage}:{request.id}:{turn.now}")


async def judge_again(context: Context, turn: Turn, request: Request, cause: str) -> None:
    """Have a request judged again, since there is another answer to its questions, or none will come."""
    await rejudging.plan_each(context, turn, [Rejudge(request.room_id, Because.ANSWERED, cause, request.id)])


async def unreached(context: Context, turn: Turn, user_id: str) -> None:
    """Somebody cannot be told anything: look soon whether they were asked something. No request is held here."""
    if await questions.unanswered(turn.tx, user_id):
        await set_timer(context, turn, Timer(f"{UNREACHED}:{user_id}", UNREACHED, user_id, turn.now))


async def cannot_answer(context: Context, timer: Timer) -> Write[None]:
    """Somebody cannot be reached: what they were asked in a conversation that is over, or in none, stays unanswered."""

    async def write(turn: Turn) -> None:
        waiting = await questions.unanswered(turn.tx, timer.about)
        lost = [one for one in waiting if await _talk_of(turn, one) not in GOING_ON]
        for request_id, found in groupby(sorted(lost, key=lambda one: one.request_id), lambda one: one.request_id):
            request, about = await requests.get(turn.tx, request_id), list(found)
            by_hand = [one for one in about if one.asked_by is not None]
            if by_hand:
                await _say_unreachable(context, turn, request, by_hand)
            if len(by_hand) < len(about) and await _waits(turn, request):
                await _go_on_without(context, turn, request, Stage.UNREACHABLE)

    return write


GOING_ON: Final = frozenset({TalkStage.MAKING, TalkStage.INVITED, TalkStage.JOINED})


async def _say_unreachable(context: Context, turn: Turn, request: Request, asked: Sequence[Put]) -> None:
    """Tell the moderators, once, that their questions cannot be put, or get no answer any more."""
    newest = max(asked, key=lambda one: one.place)
    if request.management_room != newest.management_room:
        return
    number, user, count = Numbered(request.number), User(request.user_id), Number(len(asked))
    said = notice("asked.unreachable", request=number, user=user, count=count)
    to = Audience(request.management_room, request)
    await saying.say(context, turn, to, f"unreachable:{newest.occasion}", said, reply_to=newest.key)


# --- what else becomes of a request -------------------------------------------------------------------------------


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """A request is left to the moderators: whoever has answered all is thanked, unless a letter says the same."""
    begun = await questions.round_of(turn.tx, request)
    there = await place.of(context, turn, request.room_id)
    if begun is None or begun.stage is not Stage.OPEN or there is None or there.settings.letters.received:
        return
    known = await questions.of(turn.tx, request)
    answered = {one.key for one in known if one.answer is not None}
    if known and all(question.key in answered for question in there.settings.questions):
        said = notice("question.thanks", room=there.called)
        occasion = f"thanks:{request.id}:{begun.begun_at}"
        conversations.tell(context, turn, ToTell(request.user_id, there, said, occasion, request.id))


async def settled(_: Context, turn: Turn, request: Request) -> None:
    """A request has its outcome: nobody is asked about it any more."""
    if await questions.round_of(turn.tx, request) is not None:
        await _end(turn, request.id)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is no longer protected from its management room: nobody is asked about it any more."""
    for request_id in await questions.end_at(turn.tx, room.room_id):
        await timers.end(turn.tx, f"{ASKED}:{request_id}")


async def restored(context: Context, turn: Turn) -> None:
    """The records are those of a back-up: what was answered since is not known, so it is asked again."""
    asked = await questions.begin_anew(turn.tx, turn.now)
    for request_id, _ in asked:
        await timers.end(turn.tx, f"{ASKED}:{request_id}")
    planned = [Rejudge(room_id, Because.ANSWERED, f"restored:{turn.now}", one) for one, room_id in asked]
    await rejudging.plan_each(context, turn, planned)


async def _end(turn: Turn, request_id: int) -> None:
    await questions.reach(turn.tx, request_id, Stage.OVER)
    await timers.end(turn.tx, f"{ASKED}:{request_id}")


TIMERS: Final = {ASKED: TimerKind(time_is_over), UNREACHED: TimerKind(cannot_answer)}
"""What happens where nobody answers."""
