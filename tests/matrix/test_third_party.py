"""Third-party invites at the homeserver's edge: what stands in a room, who came in by it, and how one is taken back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from knockbot.domain.model import Answer, Request, State, ThirdPartyInvite, Verdict
from knockbot.errors import ActionError, Later
from knockbot.flow import settling
from knockbot.matrix.homeserver import STANDING_STATE
from knockbot.matrix.rooms import HISTORY_PAGES
from knockbot.store import requests
from knockbot.store.db import Database
from tests.matrix.bench import FORBIDDEN, NOT_FOUND, Bench, bench
from tests.matrix.edge import ANA, BOT, GARDEN, MODERATOR, MODS, START, Json
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply

TPI = "m.room.third_party_invite"
KEY = {"public_key": "key"}


@pytest.fixture
async def on(db: Database, fake: FakeHomeserver) -> AsyncIterator[Bench]:
    """The bench."""
    async with bench(db, fake) as made:
        yield made


def planted(token: str = "t", event_id: str = "$invite", content: Any = None, *, sender: str = MODERATOR) -> Json:
    """What stands under a token, as a state event."""
    return {
        "type": TPI,
        "event_id": event_id,
        "room_id": GARDEN,
        "sender": sender,
        "state_key": token,
        "origin_server_ts": START,
        "content": KEY if content is None else content,
    }


CREATE = {"type": "m.room.create", "state_key": "", "content": {}}


def synced(*events: Json, room: str = GARDEN) -> Reply:
    """The answer to a sync in which a room has this state."""
    bare = [{name: value for name, value in event.items() if name != "room_id"} for event in events]
    return Reply(body={"next_batch": "s1", "rooms": {"join": {room: {"state": {"events": bare}}}}})


# --- what stands in a room ------------------------------------------------------------------------------------


async def test_the_invites_of_a_room_come_by_one_sync_that_is_asked_for_little_else(on: Bench) -> None:
    on.fake.on("GET", "v3/sync", synced(CREATE, planted("a"), planted("b", "$b", {})))

    found = await on.context.outside.third_parties(GARDEN)

    assert [(change.token, change.invite is not None, change.room_id) for change in found] == [
        ("a", True, GARDEN),
        ("b", False, GARDEN),
    ]
    [asked] = on.fake.requests
    wanted = json.loads(asked.query["filter"])
    assert wanted["room"]["rooms"] == [GARDEN]
    assert wanted["room"]["state"]["types"] == [TPI, *STANDING_STATE]
    assert wanted["room"]["timeline"]["types"] == wanted["presence"]["types"] == []
    assert asked.query["timeout"] == "0"
    assert asked.query["set_presence"] == "offline"
    assert asked.query["user_id"] == BOT


async def test_no_two_syncs_have_the_same_filter(on: Bench) -> None:
    """Synapse would answer the second one with what was true minutes ago."""
    on.fake.on("GET", "v3/sync", synced(CREATE))
    for _ in range(2):
        await on.context.outside.third_parties(GARDEN)

    first, second = on.fake.requests
    assert first.query["filter"] != second.query["filter"]


UNTRUSTED: dict[str, Reply] = {
    "the room is missing": Reply(body={"next_batch": "s1"}),
    "another room": synced(CREATE, room="!other:tulip.example"),
    "nothing of what every room has": synced(),
    "not an object": Reply(body={"rooms": {"join": {GARDEN: []}}}),
    "no such call": Reply(404, {"errcode": "M_UNRECOGNIZED"}),
    "application services may not sync": Reply(500, {"errcode": "M_UNKNOWN"}),
    "forbidden": FORBIDDEN,
}


@pytest.mark.parametrize("why", UNTRUSTED)
async def test_where_a_sync_says_nothing_of_the_room_its_whole_state_is_asked_for(on: Bench, why: str) -> None:
    on.fake.on("GET", "v3/sync", UNTRUSTED[why])
    on.fake.on("GET", f"{GARDEN}/state", Reply(body=[CREATE, planted("a"), "nonsense", {"type": "m.room.member"}]))

    found = await on.context.outside.third_parties(GARDEN)

    assert [change.token for change in found] == ["a"]


@pytest.mark.parametrize("answer", [Reply(429, {"errcode": "M_LIMIT_EXCEEDED"}), Reply(503), Reply(drop=True)])
async def test_a_homeserver_that_is_not_there_is_not_asked_for_more(on: Bench, answer: Reply) -> None:
    on.fake.on("GET", "v3/sync", answer)

    with pytest.raises(Later):
        await on.context.outside.third_parties(GARDEN)

    assert on.fake.asked("GET", "state") == []


@pytest.mark.parametrize("answer", [Reply(body={}), Reply(body=5), Reply(403, {"errcode": "M_FORBIDDEN"})])
async def test_a_state_that_cannot_be_had_is_not_an_empty_one(on: Bench, answer: Reply) -> None:
    on.fake.on("GET", "v3/sync", Reply(body={}))
    on.fake.on("GET", f"{GARDEN}/state", answer)

    with pytest.raises(ActionError):
        await on.context.outside.third_parties(GARDEN)


async def test_what_makes_no_sense_is_not_taken_for_an_invite_that_is_gone(on: Bench) -> None:
    on.fake.on("GET", "v3/sync", synced(CREATE, planted(sender="nobody")))
    with pytest.raises(Later):
        await on.context.outside.third_parties(GARDEN)


TOKENS = ["", "token", "a/b", "a%2Fb", "?x=1", "#f", "a b", "nul\0", "\ufffd0000", "é\u202e", "🚪"]


@pytest.mark.parametrize("token", TOKENS)
async def test_one_invite_is_read_under_its_very_token(on: Bench, token: str) -> None:
    on.state[GARDEN, TPI, token] = planted(token)
    [change] = await listed(on, planted(token))

    found = await on.context.outside.third_party(GARDEN, change)

    assert found is not None
    assert found.invite is not None


async def listed(on: Bench, *events: Json) -> list[str]:
    """The tokens of these events as they are written down."""
    on.fake.on("GET", "v3/sync", synced(CREATE, *events))
    return [change.token for change in await on.context.outside.third_parties(GARDEN)]


@pytest.mark.parametrize("token", [".", ".."])
async def test_a_token_that_would_lead_elsewhere_in_a_url_is_looked_for_in_the_whole_state(
    on: Bench, token: str
) -> None:
    """A sync may leave out what stands there."""
    on.fake.on("GET", f"{GARDEN}/state", Reply(body=[CREATE, planted("other"), planted(token, "$dots")]))

    found = await on.context.outside.third_party(GARDEN, token)

    assert found is not None
    assert found.event_id == "$dots"
    assert on.lines == ["GET state"]


async def test_where_there_never_was_one_there_is_none(on: Bench) -> None:
    assert await on.context.outside.third_party(GARDEN, "unknown") is None


# --- who came in ----------------------------------------------------------------------------------------------


def came(user: str, token: Any, event_id: str, at: int = START) -> Json:
    """Somebody came in by a third-party invite."""
    return {
        "type": "m.room.member",
        "event_id": event_id,
        "sender": MODERATOR,
        "state_key": user,
        "origin_server_ts": at,
        "content": {"membership": "invite", "third_party_invite": {"signed": {"token": token}}},
    }


def history(*pages: Sequence[Any]) -> list[Reply]:
    """A room's history in pages, newest first."""
    more = [{"end": f"p{number}"} for number in range(1, len(pages))] + [{}]
    return [Reply(body={"chunk": list(page), **rest}) for page, rest in zip(pages, more, strict=True)]


async def test_who_came_in_is_found_by_what_their_inviters_did_oldest_first(on: Bench) -> None:
    plain = {**came("@x:y", None, "$plain")}
    on.fake.on("GET", "messages", *history([came(ANA, "t2", "$2"), plain], [came("@bea:x", "t1", "$1"), 5]))

    found = await on.context.outside.redeemed(GARDEN, {MODERATOR, BOT}, START)

    assert [(change.user_id, change.token, change.event_id) for change in found] == [
        ("@bea:x", "t1", "$1"),
        (ANA, "t2", "$2"),
    ]
    wanted = json.loads(on.fake.requests[0].query["filter"])
    assert wanted == {"types": ["m.room.member"], "senders": sorted([MODERATOR, BOT])}


async def test_history_before_that_moment_is_not_looked_through(on: Bench) -> None:
    on.fake.on("GET", "messages", *history([came(ANA, "t", "$1")], [came(ANA, "t", "$2", START - 5)], [], []))

    await on.context.outside.redeemed(GARDEN, {MODERATOR}, START)

    assert len(on.fake.requests) == 2


async def test_one_event_that_claims_to_be_old_does_not_hide_the_others(on: Bench) -> None:
    page = [came(ANA, "t1", "$1", 0), came("@bea:x", "t2", "$2")]
    on.fake.on("GET", "messages", *history(page, [came("@cid:x", "t3", "$3")]))

    found = await on.context.outside.redeemed(GARDEN, {MODERATOR}, START)

    assert [change.event_id for change in found] == ["$3", "$2", "$1"]


async def test_history_has_an_end(on: Bench) -> None:
    on.fake.on("GET", "messages", Reply(body={"chunk": [came(ANA, "t", "$1")], "end": "more"}))

    await on.context.outside.redeemed(GARDEN, {MODERATOR}, START)

    assert len(on.fake.requests) == HISTORY_PAGES


# --- taken back -----------------------------------------------------------------------------------------------


async def invited(on: Bench, token: str = "t", *, inviter: str = MODERATOR) -> Request:
    """A request for an invite that stands in the room."""
    on.state[GARDEN, TPI, token] = planted(token, sender=inviter)
    [written] = await listed(on, planted(token))
    on.fake.requests.clear()
    on.fake.on("PUT", f"state/{TPI}/*", lambda asked: put(on, asked))
    on.fake.on("PUT", f"state/{TPI}", lambda asked: put(on, asked))
    async with on.db.tx() as tx:
        invite = ThirdPartyInvite(GARDEN, "$invite", written, inviter)
        return await requests.open_invite(tx, MODS, invite, on.clock())


def put(on: Bench, asked: Asked) -> Reply:
    """The room takes it."""
    token = asked.path[-1] if asked.path[-1] != TPI else ""
    on.state[GARDEN, TPI, token] = planted(token, "$emptied", asked.body, sender=BOT)
    return Reply(body={"event_id": "$emptied"})


async def rejected(on: Bench, request: Request) -> None:
    """A moderator wants it taken back."""
    async with on.context.turn() as turn:
        word = Answer(Verdict.REJECT, MODERATOR, on.clock(), request.event_id, cause="$word")
        await settling.apply_answer(on.context, turn, request, word)


@pytest.mark.parametrize("token", TOKENS)
async def test_taking_back_is_one_read_and_one_write_of_nothing_under_the_very_token(on: Bench, token: str) -> None:
    request = await invited(on, token)
    await rejected(on, request)

    await on.run_due()
    await on.later()

    assert on.state[GARDEN, TPI, token]["content"] == {}
    read, write = [asked for asked in on.fake.requests if TPI in asked.path]
    assert (read.method, write.method, write.body) == ("GET", "PUT", {})
    now = await on.request(request)
    assert (now.state, now.by) == (State.REVOKED, MODERATOR)


@pytest.mark.parametrize("token", [".", ".."])
async def test_what_cannot_stand_in_a_url_is_redacted(on: Bench, token: str) -> None:
    request = await invited(on, token)
    on.fake.on("GET", f"{GARDEN}/state", Reply(body=[CREATE, planted(token)]))
    on.fake.on("PUT", "redact/$invite/*", Reply(body={"event_id": "$redaction"}))
    await rejected(on, request)

    await on.run_due()

    assert on.lines[-1].startswith("PUT redact/$invite/")
    assert (await on.request(request)).state is State.REVOKED


@pytest.mark.parametrize("stands", [None, {}])
async def test_what_is_empty_already_is_left_alone(on: Bench, stands: Json | None) -> None:
    request = await invited(on)
    on.state.pop((GARDEN, TPI, "t"))
    if stands is not None:
        on.state[GARDEN, TPI, "t"] = planted(content=stands)
    await rejected(on, request)

    await on.run_due()

    assert [asked.method for asked in on.fake.requests] == ["GET"]
    assert (await on.request(request)).state is State.REVOKED


async def test_an_invite_of_somebody_else_under_that_token_is_left_alone(on: Bench) -> None:
    request = await invited(on)
    on.state[GARDEN, TPI, "t"] = planted(event_id="$other", sender=ANA)
    await rejected(on, request)

    await on.run_due()

    assert await on.states() == ["overtaken"]
    assert (await on.request(request)).state is State.PENDING


async def test_another_invite_of_the_same_inviter_is_taken_back(on: Bench) -> None:
    request = await invited(on)
    on.state[GARDEN, TPI, "t"] = planted(event_id="$other")
    await rejected(on, request)

    await on.run_due()

    assert on.state[GARDEN, TPI, "t"]["content"] == {}


@pytest.mark.parametrize("lost", [Reply(drop=True), Reply(500), Reply(body={})])
async def test_twice_is_as_good_as_once(on: Bench, lost: Reply) -> None:
    request = await invited(on)

    def put_and_lose(asked: Asked) -> Reply:
        put(on, asked)
        return lost

    on.fake.on("PUT", f"state/{TPI}/*", put_and_lose)
    await rejected(on, request)
    await on.run_due()
    assert (await on.request(request)).state is State.PENDING
    await on.later()

    assert len(on.fake.asked("PUT", f"state/{TPI}/*")) == 1
    assert (await on.request(request)).state is State.REVOKED


async def test_without_the_power_to_invite_it_waits_for_it(on: Bench) -> None:
    request = await invited(on)
    on.powers({"users": {BOT: 50, MODERATOR: 60}, "invite": 60})
    on.fake.on("PUT", f"state/{TPI}/*", FORBIDDEN)
    await rejected(on, request)

    await on.run_due()

    assert await on.states() == ["blocked"]
    assert on.context.wakeups.unchecked == {GARDEN}
    assert "60" in await on.why()


async def test_out_of_the_room_it_waits_to_be_let_in(on: Bench) -> None:
    request = await invited(on)
    on.fake.on("GET", f"state/{TPI}/*", FORBIDDEN)
    on.stands("leave", BOT)
    await rejected(on, request)

    await on.run_due()

    assert await on.states() == ["blocked"]


@pytest.mark.parametrize("answer", [FORBIDDEN, Reply(400, {"errcode": "M_BAD_JSON"}), NOT_FOUND])
async def test_any_other_no_is_the_moderators_to_deal_with(on: Bench, answer: Reply) -> None:
    request = await invited(on)
    on.fake.on("PUT", f"state/{TPI}/*", answer)
    await rejected(on, request)

    await on.run_due()

    now = await on.request(request)
    assert "given_up" in await on.states()
    assert (now.answer, now.trouble is not None, now.awaits_moderators) == (None, True, True)
    assert on.context.wakeups.unchecked == set()
