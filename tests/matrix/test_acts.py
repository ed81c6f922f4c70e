"""Actions on a homeserver by script, with a real store: each reads before it acts, and twice is as good as once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from knockbot.domain import plan
from knockbot.domain.jobs import Act, Job, Join, Leave, React
from knockbot.domain.model import Request, State, Verdict
from knockbot.domain.notices import notice
from knockbot.engine.worker import Worker
from knockbot.flow import cards, saying, settling
from knockbot.flow.acts.going import ASKED_IN
from knockbot.flow.saying import Audience
from knockbot.flow.working import all_acts, hooks
from knockbot.matrix.acts import CLOCKS_APART, PAGES, transaction_id
from knockbot.store import jobs, prompts, requests
from knockbot.store.db import Database
from tests.matrix.bench import FORBIDDEN, NOT_FOUND, Bench, bench
from tests.matrix.edge import ANA, AWAY, BOT, GARDEN, HOME, MODERATOR, MODS, START, keep_door
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply

BEA = f"@bea:{HOME}"
DEAD = "dead.example"
ACCEPT, REJECT, BAN = Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN
CALL = {ACCEPT: "invite", REJECT: "kick", BAN: "ban"}
READ = f"GET state/m.room.member/{ANA}"
MAY = [f"GET state/m.room.member/{MODERATOR}", "GET state/m.room.power_levels"]
"""Whether whoever answered may still do so; what never changes in a room is asked once."""
ASKED_ONCE = "GET state/m.room.create"


@pytest.fixture
async def on(db: Database, fake: FakeHomeserver) -> AsyncIterator[Bench]:
    """The bench."""
    async with bench(db, fake) as made:
        yield made


# --- on applicants --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "state"), [(ACCEPT, State.ACCEPTED), (REJECT, State.REJECTED), (BAN, State.BANNED)]
)
async def test_an_answer_takes_a_read_of_the_applicant_a_look_at_the_moderator_and_one_act(
    on: Bench, verdict: Verdict, state: State
) -> None:
    request = await on.answer(await on.knock(), verdict, "in a word")

    await on.run_due()
    await on.later()

    assert known_room(on) == [READ, *MAY, f"POST {CALL[verdict]}"]
    read, *_, act = on.fake.requests
    assert read.query["format"] == "event"
    assert act.body == {"user_id": ANA, "reason": "in a word"}
    assert await on.states() == ["done"]
    now = await on.request(request)
    assert (now.state, now.by) == (state, MODERATOR)


def known_room(on: Bench) -> list[str]:
    """What was asked, apart from what is asked once of each room."""
    return [line for line in on.lines if line != ASKED_ONCE]


async def test_twenty_answers_take_twenty_reads_and_twenty_acts(on: Bench) -> None:
    people = [f"@u{n}:{HOME if n % 2 else 'rose.example'}" for n in range(20)]
    for person in people:
        await on.answer(await on.knock(person), list(CALL)[len(person) % 3])

    for _ in range(25):  # one of a lane at a time
        await on.run_due()

    assert set(await on.states()) == {"done"}
    reads = [asked.path[-1] for asked in on.fake.requests if asked.method == "GET" and asked.path[-1] in people]
    acts = [asked.body["user_id"] for asked in on.fake.requests if asked.method == "POST"]
    assert sorted(reads) == sorted(acts) == sorted(people)


SETTLED_BY_OTHERS: list[tuple[Verdict, str, str, tuple[str, State]]] = [
    # the answer, what stands in the room, and by whom: what becomes of the job, and of the request
    (ACCEPT, "invite", MODERATOR, ("done", State.ACCEPTED)),
    (ACCEPT, "join", ANA, ("done", State.JOINED)),
    (ACCEPT, "leave", ANA, ("overtaken", State.WITHDRAWN)),
    (ACCEPT, "leave", MODERATOR, ("overtaken", State.REJECTED)),
    (ACCEPT, "ban", MODERATOR, ("overtaken", State.BANNED)),
    (REJECT, "leave", ANA, ("done", State.WITHDRAWN)),
    (REJECT, "leave", MODERATOR, ("done", State.REJECTED)),
    (REJECT, "ban", MODERATOR, ("done", State.BANNED)),
    (REJECT, "invite", MODERATOR, ("overtaken", State.ACCEPTED)),
    (REJECT, "join", ANA, ("overtaken", State.JOINED)),
    (BAN, "ban", MODERATOR, ("done", State.BANNED)),
    (BAN, "leave", ANA, ("overtaken", State.WITHDRAWN)),
    (BAN, "leave", MODERATOR, ("overtaken", State.REJECTED)),
    (BAN, "invite", MODERATOR, ("overtaken", State.ACCEPTED)),
    (BAN, "join", ANA, ("overtaken", State.JOINED)),
]


@pytest.mark.parametrize(("verdict", "membership", "by", "becomes"), SETTLED_BY_OTHERS)
async def test_what_is_settled_already_is_left_as_it_is(
    on: Bench, verdict: Verdict, membership: str, by: str, becomes: tuple[str, State]
) -> None:
    request = await on.answer(await on.knock(), verdict)
    on.stands(membership, by=by)

    await on.run_due()

    assert on.lines == [READ]
    [of_the_job] = await on.states()
    now = await on.request(request)
    let_in = verdict is ACCEPT and membership == "join"  # by whoever accepted them, though nobody saw the invite
    assert ((of_the_job, now.state), now.by) == (becomes, MODERATOR if let_in else by)


@pytest.mark.parametrize(
    ("verdict", "acts", "becomes"),
    [(ACCEPT, [], "overtaken"), (REJECT, [f"kick {ANA}"], "done"), (BAN, [f"ban {ANA}"], "done")],
)
async def test_an_accept_is_for_one_knock_and_a_no_is_for_whatever_knock_stands(
    on: Bench, verdict: Verdict, acts: list[str], becomes: str
) -> None:
    await on.answer(await on.knock(), verdict)
    on.stands("knock", event_id="$another")

    await on.run_due()

    assert on.acts == acts
    assert await on.states() == [becomes]


@pytest.mark.parametrize("verdict", CALL)
async def test_nobody_is_acted_on_who_has_no_membership(on: Bench, verdict: Verdict) -> None:
    await on.answer(await on.knock(), verdict)
    del on.state[GARDEN, "m.room.member", ANA]

    await on.run_due()

    assert on.acts == []
    assert await on.states() == ["overtaken"]


ODD_MEMBERS: dict[str, Reply] = {
    "an empty object": Reply(body={}),
    "the content only": Reply(body={"membership": "knock"}),
    "a list": Reply(body=[]),
    "HTML": Reply(raw=b"<html>"),
    "no event id": Reply(body={"room_id": GARDEN, "sender": ANA, "state_key": ANA, "content": {"membership": "knock"}}),
    "502": Reply(502),
    "429": Reply(429),
}


@pytest.mark.parametrize("reply", ODD_MEMBERS.values(), ids=ODD_MEMBERS)
@pytest.mark.parametrize("verdict", CALL)
async def test_where_the_room_cannot_be_read_nothing_is_done_and_it_is_tried_later(
    on: Bench, verdict: Verdict, reply: Reply
) -> None:
    await on.answer(await on.knock(), verdict)
    on.fake.on("GET", f"state/m.room.member/{ANA}", reply, on.read)

    await on.run_due()
    assert (on.acts, await on.states()) == ([], ["due"])

    await on.later()
    assert (on.acts, await on.states()) == ([f"{CALL[verdict]} {ANA}"], ["done"])


# --- an act that is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", CALL)
async def test_without_the_power_it_waits_and_says_what_is_needed(on: Bench, verdict: Verdict) -> None:
    request = await on.answer(await on.knock(), verdict)
    on.powers({"users": {BOT: 7, MODERATOR: 50}, CALL[verdict]: 43})
    on.fake.on("POST", CALL[verdict], FORBIDDEN)

    await on.run_due()

    assert await on.states() == ["blocked"]
    assert "43" in await on.why()
    assert "7" in await on.why()
    assert on.context.wakeups.unchecked == {GARDEN}
    assert (await on.request(request)).answer is not None


@pytest.mark.parametrize("gone", ["leave", "ban", "unknown"])
@pytest.mark.parametrize("verdict", CALL)
async def test_a_bot_that_was_put_out_waits_to_be_let_in_again(on: Bench, verdict: Verdict, gone: str) -> None:
    await on.answer(await on.knock(), verdict)
    on.fake.on("POST", CALL[verdict], FORBIDDEN)
    if gone == "unknown":
        on.fake.on("GET", f"state/m.room.member/{BOT}", FORBIDDEN)
    else:
        on.stands(gone, BOT, by=MODERATOR)

    await on.run_due()

    assert await on.states() == ["blocked"]
    assert on.context.wakeups.unchecked == {GARDEN}


async def test_a_room_the_bot_may_not_even_read_waits_too(on: Bench) -> None:
    await on.answer(await on.knock(), ACCEPT)
    on.fake.on("GET", "state/*/*", FORBIDDEN)

    await on.run_due()

    assert (on.acts, await on.states()) == ([], ["blocked"])


@pytest.mark.parametrize("verdict", CALL)
async def test_what_waited_for_a_power_is_done_once_it_is_there(on: Bench, verdict: Verdict) -> None:
    await on.answer(await on.knock(), verdict)
    on.powers({"users": {BOT: 0, MODERATOR: 50}})
    on.fake.on("POST", CALL[verdict], FORBIDDEN, on.act)
    await on.run_due()
    await on.later()
    assert on.acts == [f"{CALL[verdict]} {ANA}"]

    async with on.db.tx() as tx:
        await jobs.unblock(tx, GARDEN, on.clock())
    await on.run_due()

    assert await on.states() == ["done"]


@pytest.mark.parametrize("verdict", CALL)
async def test_a_room_that_moved_on_in_the_same_moment_has_overtaken_the_act(on: Bench, verdict: Verdict) -> None:
    request = await on.answer(await on.knock(), verdict)

    def somebody_was_quicker(_: Asked) -> Reply:
        on.stands("leave")
        return FORBIDDEN

    on.fake.on("POST", CALL[verdict], somebody_was_quicker)
    await on.run_due()

    assert await on.states() == ["overtaken"]
    assert (await on.request(request)).state is State.WITHDRAWN


REFUSED: dict[str, Reply] = {
    "forbidden, for no reason that can be seen": FORBIDDEN,
    "banned": Reply(403, {"errcode": "M_BAD_STATE", "error": "x"}),
    "refuses invites": Reply(403, {"errcode": "M_INVITE_BLOCKED", "error": "x"}),
    "too old": Reply(400, {"errcode": "M_UNSUPPORTED_ROOM_VERSION", "error": "x"}),
    "too old, said otherwise": Reply(400, {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "x"}),
    "too large": Reply(413, {"errcode": "M_TOO_LARGE", "error": "x"}),
    "unknown": Reply(400, {"errcode": "M_SOMETHING_NEW", "error": "in words"}),
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("verdict", CALL)
async def test_what_cannot_be_done_is_given_up_and_asked_of_the_moderators_again(
    on: Bench, verdict: Verdict, reply: Reply
) -> None:
    request = await on.answer(await on.knock(), verdict)
    on.fake.on("POST", CALL[verdict], reply)

    await on.run_due()

    act, card = (await on.jobs()).items()
    assert act[1] == "given_up"
    assert card[0].startswith("card:")
    now = await on.request(request)
    assert (now.state, now.answer) == (State.PENDING, None)
    assert now.trouble
    assert len(on.acts) == (2 if reply is FORBIDDEN else 1)  # a power may have come in the same moment


@pytest.mark.parametrize("verdict", CALL)
async def test_a_power_that_comes_in_the_same_moment_is_used(on: Bench, verdict: Verdict) -> None:
    await on.answer(await on.knock(), verdict)
    on.fake.on("POST", CALL[verdict], FORBIDDEN, on.act)

    await on.run_due()

    assert (len(on.acts), await on.states()) == (2, ["done"])


@pytest.mark.parametrize("verdict", [REJECT, BAN])
async def test_whoever_stands_as_high_as_the_bot_is_left_to_the_moderators(on: Bench, verdict: Verdict) -> None:
    request = await on.answer(await on.knock(), verdict)
    on.powers({"users": {BOT: 50, ANA: 50, MODERATOR: 100}})
    on.fake.on("POST", CALL[verdict], FORBIDDEN)

    await on.run_due()

    assert (await on.states())[0] == "given_up"
    assert "50" in str((await on.request(request)).trouble)


UNWELL: dict[str, Reply] = {
    "401": Reply(401, {"errcode": "M_UNKNOWN_TOKEN"}),
    "suspended": Reply(403, {"errcode": "M_USER_SUSPENDED"}),
    "429": Reply(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 5000}),
    "502": Reply(502, {"errcode": "M_UNKNOWN"}),
    "500": Reply(500, raw=b""),
    "a proxy's 403": Reply(403, raw=b"<html>"),
}


@pytest.mark.parametrize("reply", UNWELL.values(), ids=UNWELL)
@pytest.mark.parametrize("verdict", CALL)
async def test_what_may_go_well_later_is_tried_again_later(on: Bench, verdict: Verdict, reply: Reply) -> None:
    await on.answer(await on.knock(), verdict)
    on.fake.on("POST", CALL[verdict], reply, on.act)

    await on.run_due()
    await on.run_due()
    assert (len(on.acts), await on.states()) == (1, ["due"])

    await on.later()
    assert (len(on.acts), await on.states()) == (2, ["done"])


async def test_the_homeservers_wish_is_the_time_that_is_waited(on: Bench) -> None:
    await on.answer(await on.knock(), ACCEPT)
    on.fake.on("POST", "invite", Reply(429, {"errcode": "M_LIMIT_EXCEEDED"}, {"Retry-After": "900"}))

    await on.run_due()

    async with on.db.tx() as tx:
        due_at = await tx.fetchval("SELECT min(due_at) FROM jobs WHERE state = 'due'")
    assert due_at is not None
    assert START + 900_000 <= due_at <= START + 990_000


# --- an act whose answer is lost ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "state"), [(ACCEPT, State.ACCEPTED), (REJECT, State.REJECTED), (BAN, State.BANNED)]
)
async def test_an_act_whose_answer_is_lost_is_found_done_and_not_done_again(
    on: Bench, verdict: Verdict, state: State
) -> None:
    request = await on.answer(await on.knock(), verdict)
    on.fake.on("POST", CALL[verdict], on.act_and_hang_up)

    await on.run_due()
    assert await on.states() == ["due"]
    await on.later()

    assert known_room(on) == [READ, *MAY, f"POST {CALL[verdict]}", READ]
    assert await on.states() == ["done"]
    now = await on.request(request)
    assert (now.state, now.by) == (state, MODERATOR)


@pytest.mark.parametrize("verdict", CALL)
async def test_an_act_that_was_lost_on_its_way_is_done_at_the_second_attempt(on: Bench, verdict: Verdict) -> None:
    await on.answer(await on.knock(), verdict)
    on.fake.on("POST", CALL[verdict], Reply(drop=True), on.act)

    await on.run_due()
    await on.later()

    assert known_room(on) == [READ, *MAY, f"POST {CALL[verdict]}"] * 2
    assert await on.states() == ["done"]


# --- messages -------------------------------------------------------------------------------------------------

SENT = Reply(body={"event_id": "$sent"})
SEND = "send/m.room.message/*"


def own(key: str, event_id: str = "$sent", at: int = START) -> dict[str, Any]:
    """A message of the bot as the homeserver holds it."""
    return {"event_id": event_id, "sender": BOT, "origin_server_ts": at, "content": {"org.knockbot.effect": key}}


async def send_unsurely(on: Bench) -> Request:
    """A card is sent and the answer lost; returns the request it shows."""
    request = await on.knock()
    await on.forward(request)
    on.fake.on("PUT", SEND, Reply(drop=True), SENT)
    await on.run_due()
    assert await on.states() == ["due"]
    return request


def sent(on: Bench) -> list[Asked]:
    return on.fake.asked("PUT", SEND)


async def test_a_card_is_posted_without_looking_for_it_first(on: Bench) -> None:
    request = await on.knock()
    await on.forward(request)
    on.fake.on("PUT", SEND, SENT)

    await on.run_due()

    [put] = sent(on)
    assert not on.fake.asked("GET", "messages")
    assert put.path[-4:-2] == (MODS, "send")
    assert put.body["org.knockbot.effect"] == "card:1"
    async with on.db.tx() as tx:
        assert (await prompts.get(tx, 1)).event_id == "$sent"
    assert (await on.request(request)).shown_event_id == request.event_id


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_card_is_found_whatever_the_homeservers_clock_shows(on: Bench, hours: int) -> None:
    """Else the search for it would end before it, or never."""
    await send_unsurely(on)
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    at = START + hours * 3600 * 1000
    page = {"chunk": [own("card:9", "$other", at + 5), own("card:1", at=at)], "end": None}
    on.fake.on("GET", "messages", Reply(body=page, headers={"Date": date}))
    on.fake.on("GET", "versions", Reply(headers={"Date": date}))
    await on.homeserver.versions()

    await on.later()

    assert len(sent(on)) == 1
    async with on.db.tx() as tx:
        assert (await prompts.get(tx, 1)).event_id == "$sent"


async def test_a_card_that_came_back_as_an_echo_is_not_sent_again(on: Bench) -> None:
    await send_unsurely(on)
    async with on.db.tx() as tx:
        await jobs.echoed(tx, "card:1", "$echo")

    await on.later()

    assert len(sent(on)) == 1
    assert not on.fake.asked("GET", "messages")
    async with on.db.tx() as tx:
        assert (await prompts.get(tx, 1)).event_id == "$echo"


async def test_a_card_that_stands_in_the_room_is_not_sent_again(on: Bench) -> None:
    await send_unsurely(on)
    pages = [
        {"chunk": [own("say:other"), own("card:11")], "end": "p2"},
        {"chunk": [own("card:1:edit:1")], "end": "p3"},
        {"chunk": [own("card:1", "$found"), own("card:1", "$older")], "end": "p4"},
    ]
    on.fake.on("GET", "messages", *(Reply(body=page) for page in pages))

    await on.later()

    asked = on.fake.asked("GET", "messages")
    assert [page.query.get("from") for page in asked] == [None, "p2", "p3"]
    assert {page.query["dir"] for page in asked} == {"b"}
    assert json.loads(asked[0].query["filter"]) == {"types": ["m.room.message"], "senders": [BOT]}
    assert len(sent(on)) == 1
    async with on.db.tx() as tx:
        assert (await prompts.get(tx, 1)).event_id == "$found"


async def test_what_is_older_than_the_intention_is_not_looked_through(on: Bench) -> None:
    await send_unsurely(on)
    old = own("say:long ago", at=START - CLOCKS_APART - 1)
    on.fake.on("GET", "messages", Reply(body={"chunk": [own("x"), old, own("card:1")], "end": "more"}))

    await on.later()

    assert len(on.fake.asked("GET", "messages")) == 1
    assert len(sent(on)) == 2


async def test_a_homeserver_whose_clock_is_behind_is_allowed_for(on: Bench) -> None:
    await send_unsurely(on)
    behind = own("card:1", "$found", at=START - CLOCKS_APART + 1)
    on.fake.on("GET", "messages", Reply(body={"chunk": [behind]}))

    await on.later()

    assert len(sent(on)) == 1


async def test_where_it_is_not_found_it_is_sent_again_under_the_same_transaction_id(on: Bench) -> None:
    await send_unsurely(on)
    on.fake.on("GET", "messages", Reply(body={"chunk": []}))

    await on.later()

    first, second = sent(on)
    assert first.path == second.path
    assert first.path[-1] == transaction_id("card:1")
    assert (await on.states())[0] == "done"


async def test_a_search_without_end_ends(on: Bench) -> None:
    await send_unsurely(on)
    on.fake.on("GET", "messages", Reply(body={"chunk": [own("x")], "end": "again"}))

    await on.later()

    assert len(on.fake.asked("GET", "messages")) == PAGES


async def test_where_the_room_cannot_be_searched_nothing_is_sent(on: Bench) -> None:
    await send_unsurely(on)
    on.fake.on("GET", "messages", Reply(502), Reply(body={"chunk": [own("card:1")]}))

    await on.later()
    assert (len(sent(on)), (await on.states())[0]) == (1, "due")
    await on.later()
    assert (len(sent(on)), (await on.states())[0]) == (1, "done")


ODD_PAGES: dict[str, Any] = {
    "no list": {"chunk": 5},
    "no objects": {"chunk": [5, None, "x", []]},
    "odd contents": {"chunk": [{"content": 5}, {"content": None}, {}]},
    "odd times": {"chunk": [own("x") | {"origin_server_ts": "now"}, own("x") | {"origin_server_ts": None}]},
    "no event id": {"chunk": [{"content": {"org.knockbot.effect": "card:1"}, "origin_server_ts": START}]},
    "an event id that is none": {"chunk": [own("card:1") | {"event_id": 5}]},
}


@pytest.mark.parametrize("page", ODD_PAGES.values(), ids=ODD_PAGES)
async def test_odd_things_in_the_room_are_passed_over(on: Bench, page: Any) -> None:
    await send_unsurely(on)
    on.fake.on("GET", "messages", Reply(body=page))

    await on.later()

    assert len(sent(on)) == 2
    assert (await on.states())[0] == "done"


async def test_something_said_is_looked_for_before_it_is_said_again(on: Bench) -> None:
    async with on.context.turn() as turn:
        await saying.say(on.context, turn, Audience(MODS), "reply:$1", notice("late"), reply_to="$1")
    on.fake.on("PUT", SEND, Reply(drop=True), SENT)
    on.fake.on("GET", "messages", Reply(body={"chunk": [own("say:reply:$1")]}))

    await on.run_due()
    await on.later()

    [put] = sent(on)
    assert put.body["m.relates_to"] == {"m.in_reply_to": {"event_id": "$1"}}
    assert await on.states() == ["done"]


@pytest.mark.parametrize(
    "reply", [SENT, Reply(400, {"errcode": "M_DUPLICATE_ANNOTATION", "error": "twice"})], ids=["new", "there already"]
)
async def test_a_reaction_stands_once(on: Bench, reply: Reply) -> None:
    async with on.db.tx() as tx:
        job = Job("react:x", MODS, React("$card", "✅"))
        await jobs.add(tx, [job], on.clock())
    on.fake.on("PUT", "send/m.reaction/*", Reply(drop=True), reply)
    on.fake.on("GET", "relations/*", Reply(404, {"errcode": "M_NOT_FOUND"}))

    await on.run_due()
    await on.later()

    first, second = on.fake.asked("PUT", "send/m.reaction/*")
    assert first.path == second.path
    assert first.body["m.relates_to"] == {"rel_type": "m.annotation", "event_id": "$card", "key": "✅"}
    assert await on.states() == ["done"]


def test_each_job_has_a_transaction_id_of_its_own_for_ever() -> None:
    assert transaction_id("card:1") == transaction_id("card:1")
    assert len({transaction_id(key) for key in ("card:1", "card:11", "card:1:edit:1", "say:x")}) == 4
    assert transaction_id("say:/?#\n🚪").isalnum()


async def test_a_card_of_what_is_settled_by_then_is_not_posted(on: Bench) -> None:
    request = await on.knock()
    await on.forward(request)
    async with on.context.turn() as turn:
        await settling.record_outcome(on.context, turn, await requests.get(turn.tx, request.id), State.WITHDRAWN, ANA)

    await on.run_due()

    assert sent(on) == []
    assert await on.states() == ["overtaken"]


async def test_a_bot_that_may_not_speak_keeps_what_it_has_to_say(on: Bench) -> None:
    await on.forward(await on.knock())
    on.fake.on("PUT", SEND, FORBIDDEN, SENT)
    await on.run_due()
    await on.later()
    assert (len(sent(on)), await on.states()) == (1, ["blocked"])

    async with on.db.tx() as tx:
        await jobs.unblock(tx, MODS, on.clock())
    on.fake.on("GET", "messages", Reply(body={"chunk": []}))
    await on.run_due()

    assert (await on.states())[0] == "done"


# --- a card that changes --------------------------------------------------------------------------------------


async def post(on: Bench) -> Request:
    """A card that stands in the management room; returns the request it shows."""
    request = await on.knock()
    await on.forward(request)
    on.fake.on("PUT", SEND, SENT)
    on.fake.on("PUT", "send/m.reaction/*", Reply(body={"event_id": "$offer"}))
    await on.run_due()
    return request


async def test_a_card_offers_what_the_bot_may_do(on: Bench) -> None:
    on.powers({"users": {BOT: 40}, "invite": 30, "kick": 40, "ban": 50})
    await post(on)
    for _ in range(3):
        await on.run_due()

    offered = [asked.body["m.relates_to"]["key"] for asked in on.fake.asked("PUT", "send/m.reaction/*")]
    assert offered == ["✅", "❌"]
    assert "⛔" not in sent(on)[0].body["body"]


async def test_a_card_is_edited_when_its_request_is_settled(on: Bench) -> None:
    request = await post(on)
    async with on.context.turn() as turn:
        await settling.record_outcome(on.context, turn, await requests.get(turn.tx, request.id), State.WITHDRAWN, ANA)
    for _ in range(4):
        await on.run_due()

    _, edit = sent(on)
    assert edit.body["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$sent"}
    assert edit.body["m.mentions"] == {}
    for content in (edit.body, edit.body["m.new_content"]):
        assert content["org.knockbot.request"]["state"] == "withdrawn"


async def test_edits_that_wait_their_turn_are_one_edit(on: Bench) -> None:
    request = await post(on)
    async with on.context.turn() as turn:
        await prompts.shows(turn.tx, 1, "something else")
        for _ in range(5):
            await cards.show(on.context, turn, request.id)
    for _ in range(8):
        await on.run_due()

    assert len(sent(on)) == 2


async def test_an_edit_whose_answer_is_lost_is_sent_again_under_the_same_transaction_id(on: Bench) -> None:
    request = await post(on)
    async with on.context.turn() as turn:
        await prompts.shows(turn.tx, 1, "something else")
        await cards.show(on.context, turn, request.id)
    on.fake.on("PUT", SEND, Reply(drop=True), SENT)
    for _ in range(5):
        await on.later()

    _, lost, again = sent(on)
    assert lost.path == again.path


async def test_an_offer_is_taken_away_by_redacting_it(on: Bench) -> None:
    async with on.db.tx() as tx:
        card = await prompts.new(tx, MODS, "card", GARDEN, on.clock())
        job = plan.unreact(MODS, card.id, "$offer", "✅")
        await jobs.add(tx, [job], on.clock())
    on.fake.on("PUT", "redact/$offer/*", Reply(drop=True), SENT)

    await on.run_due()
    await on.later()

    first, second = on.fake.asked("PUT", "redact/$offer/*")
    assert first.path == second.path
    assert await on.states() == ["done"]


# --- a room to meet in ----------------------------------------------------------------------------------------

MEET = plan.meet(MODS, ANA)
MADE = "!made:tulip.example"


async def ask_to_meet(on: Bench, *replies: Reply) -> None:
    on.fake.on("POST", "createRoom", *replies)
    async with on.db.tx() as tx:
        await jobs.add(tx, [MEET], on.clock())
    await on.run_due()


async def test_a_room_to_meet_is_made_for_one_person(on: Bench) -> None:
    await ask_to_meet(on, Reply(body={"room_id": MADE}))

    [asked] = on.fake.requests
    assert asked.body["invite"] == [ANA]
    assert asked.body["creation_content"] == {"org.knockbot.effect": MEET.key}
    assert (await on.states())[0] == "done"


async def test_a_room_whose_making_got_no_answer_is_found_and_not_made_again(on: Bench) -> None:
    await ask_to_meet(on, Reply(drop=True))
    on.fake.on("GET", "joined_rooms", Reply(body={"joined_rooms": ["!closed:x", "!odd:x", "!trap:x", MADE]}))
    on.fake.on("GET", "!closed:x/state/m.room.create", FORBIDDEN)
    key = {"org.knockbot.effect": MEET.key}
    on.state["!odd:x", "m.room.create", ""] = {"sender": BOT, "content": []}
    on.state["!trap:x", "m.room.create", ""] = {"sender": ANA, "content": key}
    on.state[MADE, "m.room.create", ""] = {"sender": BOT, "content": key}

    await on.later()

    assert len(on.fake.asked("POST", "createRoom")) == 1
    async with on.db.tx() as tx:
        assert await tx.fetchval("SELECT room_id FROM jobs WHERE key LIKE 'say:meet:%'") == MADE


async def test_where_no_such_room_is_found_one_is_made(on: Bench) -> None:
    await ask_to_meet(on, Reply(502), Reply(body={"room_id": MADE}))
    on.fake.on("GET", "joined_rooms", Reply(body={"joined_rooms": [MODS, GARDEN]}))

    await on.later()

    assert len(on.fake.asked("POST", "createRoom")) == 2
    assert (await on.states())[0] == "done"


# --- coming and going -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "call", "reply", "becomes"),
    [
        (Join(), f"join/{GARDEN}", Reply(body={"room_id": GARDEN}), "done"),
        (Join(), f"join/{GARDEN}", FORBIDDEN, "due"),
        (Join(), f"join/{GARDEN}", NOT_FOUND, "overtaken"),
        (Join(), f"join/{GARDEN}", Reply(502), "due"),
        (Leave(), f"{GARDEN}/leave", Reply(), "done"),
        (Leave(), f"{GARDEN}/leave", FORBIDDEN, "done"),
        (Leave(), f"{GARDEN}/leave", Reply(502), "due"),
    ],
)
async def test_coming_and_going_ends_in_any_case_but_silence(
    on: Bench, payload: Join | Leave, call: str, reply: Reply, becomes: str
) -> None:
    async with on.db.tx() as tx:
        await jobs.add(tx, [Job("x", GARDEN, payload)], on.clock())
    on.fake.on("POST", call, reply)

    await on.run_due()

    assert len(on.fake.asked("POST", call)) == 1
    assert await on.states() == [becomes]


async def test_an_invite_that_is_not_known_where_it_came_from_is_tried_again(on: Bench) -> None:
    async with on.db.tx() as tx:
        await jobs.add(tx, [plan.enter(GARDEN, "$invite")], on.clock())
    on.fake.on("POST", f"join/{GARDEN}", FORBIDDEN, Reply(body={"room_id": GARDEN}))

    await on.run_due()
    await on.later()

    assert await on.states() == ["done"]


async def test_an_invite_that_is_good_for_nothing_is_let_be_after_a_while(on: Bench) -> None:
    async with on.db.tx() as tx:
        await jobs.add(tx, [plan.enter(GARDEN, "$invite")], on.clock())
    on.fake.on("POST", f"join/{GARDEN}", FORBIDDEN)

    for _ in range(ASKED_IN + 1):
        await on.later()

    assert len(on.fake.asked("POST", f"join/{GARDEN}")) == ASKED_IN
    assert await on.states() == ["overtaken"]


def test_every_act_has_its_action(on: Bench) -> None:
    assert set(all_acts(on.context)) == set(Act)


# --- a dead server --------------------------------------------------------------------------------------------


def is_dead(asked: Asked) -> bool:
    return str(asked.body["user_id"]).endswith(f":{DEAD}")


def serve_all_but_dead(on: Bench, reply: Reply) -> None:
    on.fake.on("POST", "invite", lambda asked: reply if is_dead(asked) else on.act(asked))


async def test_a_dead_server_keeps_nobody_elses_applicants_waiting(on: Bench) -> None:
    people = [f"@a:{DEAD}", f"@b:{DEAD}", AWAY, ANA, BEA]
    for person in people:
        await on.answer(await on.knock(person), ACCEPT)
    serve_all_but_dead(on, Reply(502))

    for _ in people:
        await on.run_due()

    assert on.acts == [f"invite {ANA}", f"invite {BEA}", f"invite @a:{DEAD}", f"invite {AWAY}"]
    assert await on.states() == ["due", "due", "done", "done", "done"]


async def test_a_dead_server_is_not_asked_about_the_next_applicant_before_its_time(on: Bench) -> None:
    await on.answer(await on.knock(f"@a:{DEAD}"), ACCEPT)
    serve_all_but_dead(on, Reply(502))
    await on.run_due()

    await on.answer(await on.knock(f"@b:{DEAD}"), ACCEPT)
    await on.answer(await on.knock(AWAY), ACCEPT)
    await on.run_due()
    await on.run_due()

    assert on.acts == [f"invite @a:{DEAD}", f"invite {AWAY}"]


async def test_a_server_that_is_back_gets_all_its_applicants_in(on: Bench) -> None:
    for name in "abc":
        await on.answer(await on.knock(f"@{name}:{DEAD}"), ACCEPT)
    on.fake.on("POST", "invite", Reply(502), on.act)

    await on.run_due()
    for _ in range(3):
        await on.later()

    assert await on.states() == ["done"] * 3


@pytest.mark.parametrize("verdict", [REJECT, BAN])
async def test_to_say_no_needs_no_answer_of_the_applicants_server(on: Bench, verdict: Verdict) -> None:
    await on.answer(await on.knock(f"@a:{DEAD}"), ACCEPT)
    await on.answer(await on.knock(f"@b:{DEAD}"), verdict)
    serve_all_but_dead(on, Reply(502))

    await on.run_due()

    assert f"{CALL[verdict]} @b:{DEAD}" in on.acts


@pytest.mark.parametrize("rooms", [1, 12])
async def test_while_a_server_hangs_the_others_go_on(on: Bench, rooms: int) -> None:
    """However many rooms its applicants knock at: they must not take up all acts that may be in flight."""
    for number in range(rooms):
        room = f"!r{number}:{HOME}"
        await keep_door(on.db, room)
        on.powers(room=room)
        on.stands("join", MODERATOR, room=room)
        on.state[room, "m.room.create", ""] = on.state[GARDEN, "m.room.create", ""]
        await on.answer(await on.knock(f"@a{number}:{DEAD}", room=room), ACCEPT)
    await on.answer(await on.knock(AWAY), ACCEPT)
    await on.answer(await on.knock(ANA), ACCEPT)
    serve_all_but_dead(on, Reply(hang=True))
    worker = Worker(on.context, hooks(on.context))
    working = asyncio.create_task(worker.run())
    try:
        await on.fake.wait_for("POST", f"{GARDEN}/invite", 2)
        assert {line for line in on.acts if DEAD not in line} == {f"invite {AWAY}", f"invite {ANA}"}
        assert any(DEAD in line for line in on.acts)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await worker.drain(0.1)
