"""A request keeps every word said about it, has a number of its own, and is one row from knock to outcome."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace

import asyncpg
import pytest

from knockbot.domain.model import (
    Answer,
    Decision,
    Kind,
    Knock,
    MemberChange,
    Membership,
    Miss,
    Request,
    State,
    Verdict,
)
from knockbot.domain.reasons import foreign
from knockbot.store import judgements, prompts, requests, rooms
from knockbot.store.db import Database
from knockbot.store.rooms import ProtectedRoom
from tests.plans import plan_of
from tests.store.samples import GARDEN, KNOCK, MODS, NOW, STORABLE, judgement, opened, read

NEW = Request(
    id=1,
    management_room=MODS,
    number=1,
    room_id=GARDEN,
    kind=Kind.KNOCK,
    user_id="@ana:tulip.example",
    event_id="$knock",
    reason="I am a student of botany",
    display_name="Ana",
    has_avatar=True,
    state=State.PENDING,
    opened_at=NOW,
    changed_at=NOW,
)
"""What `KNOCK` becomes."""

DECISION = Decision(
    Verdict.FORWARD,
    "#3",
    "Please say who you are.",
    (Miss("trolls", foreign('reason does not match "troll"')), Miss("#2", foreign("user is not local"))),
    foreign("whether the user is in #space"),
)
ANSWER = Answer(Verdict.REJECT, "@mod:tulip.example", NOW + 7, "$knock", "#3", "not now", "$click")


def other(number: int, room_id: str = GARDEN) -> Knock:
    return replace(KNOCK, room_id=room_id, user_id=f"@user{number}:tulip.example", event_id=f"$knock{number}")


# --- fields -------------------------------------------------------------------------------------------------------


async def test_a_new_request_holds_the_knock_and_nothing_else(db: Database) -> None:
    request = await opened(db)

    assert request == NEW
    assert await read(db, request.id) == NEW
    assert request.knock == KNOCK


async def test_a_knock_without_name_picture_or_reason_is_a_request_too(db: Database) -> None:
    bare = Knock(GARDEN, "@:tulip.example", "$bare")
    request = await opened(db, bare)

    assert (await read(db, request.id)).knock == bare


async def test_every_field_that_changes_is_read_back_as_it_was_written(db: Database) -> None:
    request = await opened(db)
    async with db.tx() as tx:
        card = await prompts.new(tx, MODS, "card", GARDEN, NOW)
        await judgements.add(tx, request.id, judgement(DECISION), NOW)
        await requests.answered(tx, request.id, ANSWER)
        await requests.in_trouble(tx, request.id, foreign("they refuse invites"))
        await requests.put_on_card(tx, request.id, card.id)
        await requests.shown(tx, request.id, "$knock", card.id, "$card")

    assert await read(db, request.id) == replace(
        NEW,
        decision=DECISION,
        answer=ANSWER,
        trouble=foreign("they refuse invites"),
        card_id=card.id,
        shown_event_id="$knock",
        first_shown_in="$card",
    )


async def test_each_verdict_is_read_back(db: Database) -> None:
    request = await opened(db)
    for verdict in Verdict:
        decision, answer = Decision(verdict, "otherwise"), Answer(verdict, "@bot:a", NOW, "$knock")
        async with db.tx() as tx:
            await judgements.add(tx, request.id, judgement(decision), NOW)
            await requests.answered(tx, request.id, answer)

        stored = await read(db, request.id)
        assert (stored.decision, stored.answer) == (decision, answer)


async def test_an_outcome_says_who_brought_it_about_and_when(db: Database) -> None:
    request = await opened(db)
    for state in State:
        async with db.tx() as tx:
            await requests.in_trouble(tx, request.id, foreign("they refuse invites"))
            await requests.settled(tx, request.id, state, "@mod:tulip.example", NOW + 9)

        outcome = replace(NEW, state=state, by="@mod:tulip.example", changed_at=NOW + 9, trouble=None)
        assert await read(db, request.id) == outcome


async def test_another_knock_takes_the_place_of_the_one_that_stood(db: Database) -> None:
    request = await opened(db)
    again = MemberChange(GARDEN, "$again", "@ana:tulip.example", "@ana:tulip.example", Membership.KNOCK, "please", None)
    async with db.tx() as tx:
        await requests.knocked_again(tx, request, again, NOW + 5)

    assert await read(db, request.id) == replace(
        NEW, event_id="$again", reason="please", display_name=None, has_avatar=False, changed_at=NOW + 5
    )


async def test_an_answer_that_is_taken_back_leaves_the_request_to_the_moderators(db: Database) -> None:
    request = await opened(db)
    async with db.tx() as tx:
        await requests.answered(tx, request.id, ANSWER)
    assert not (await read(db, request.id)).awaits_moderators
    async with db.tx() as tx:
        await requests.answered(tx, request.id, None)

    assert await read(db, request.id) == NEW
    assert NEW.awaits_moderators


async def test_a_new_answer_ends_the_trouble_with_the_last(db: Database) -> None:
    request = await opened(db)
    async with db.tx() as tx:
        await requests.in_trouble(tx, request.id, foreign("they refuse invites"))
        await requests.answered(tx, request.id, ANSWER)

    assert (await read(db, request.id)).trouble is None


async def test_strangers_text_is_read_back_to_the_letter(db: Database) -> None:
    for number, text in enumerate(STORABLE.values()):
        knock = replace(other(number), reason=text, display_name=text)
        decision = replace(DECISION, reason=text, missed=(Miss(text, foreign(text)),), unknown=foreign(text))
        answer = replace(ANSWER, rule=text, reason=text)
        request = await opened(db, knock)
        async with db.tx() as tx:
            await judgements.add(tx, request.id, judgement(decision), NOW)
            await requests.answered(tx, request.id, answer)
            await requests.in_trouble(tx, request.id, foreign(text))

        stored = await read(db, request.id)
        assert (stored.knock, stored.decision, stored.answer, stored.trouble) == (
            knock,
            decision,
            answer,
            foreign(text),
        )


async def test_a_historical_user_id_is_read_back_and_found(db: Database) -> None:
    for user_id in (
        "@ana:tulip.example",
        "@Ana:tulip.example",
        "@:tulip.example",
        "@<b>:tulip.example",
        "@new\nline:tulip.example",
        "@Ü😀:[::1]:8448",
        "@\u202eana:tulip.example",
        "@" + "x" * 240 + ":a",
    ):
        request = await opened(db, replace(KNOCK, user_id=user_id))
        async with db.tx() as tx:
            assert await requests.latest(tx, GARDEN, user_id) == request
            assert await requests.latest(tx, GARDEN, user_id + "x") is None


# --- numbers ------------------------------------------------------------------------------------------------------


async def test_each_management_room_counts_from_one(db: Database) -> None:
    here = [await opened(db, other(n)) for n in range(3)]
    there = [await opened(db, other(n, room_id="!b"), management_room="!elsewhere") for n in range(2)]

    assert [request.number for request in here] == [1, 2, 3]
    assert [request.number for request in there] == [1, 2]


async def test_rooms_of_one_management_room_share_its_numbers(db: Database) -> None:
    assert [(await opened(db, other(n, room_id=f"!{n}"))).number for n in range(4)] == [1, 2, 3, 4]


async def test_a_number_is_given_once_however_many_knock_at_the_same_moment(db: Database) -> None:
    opened_at_once = await asyncio.gather(*(opened(db, other(n)) for n in range(40)))

    assert sorted(request.number for request in opened_at_once) == list(range(1, 41))


async def test_processes_share_the_numbers(pair: tuple[Database, Database]) -> None:
    numbers = await asyncio.gather(*(opened(pair[n % 2], other(n)) for n in range(40)))

    assert sorted(request.number for request in numbers) == list(range(1, 41))


async def test_a_request_that_was_rolled_back_leaves_no_gap(db: Database) -> None:
    async def fail() -> None:
        async with db.tx() as tx:
            await requests.open_knock(tx, MODS, other(1), NOW)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert (await opened(db, other(2))).number == 1


async def test_a_request_is_found_by_the_number_its_management_room_knows(db: Database) -> None:
    request = await opened(db)

    async with db.tx() as tx:
        assert await requests.by_number(tx, MODS, 1) == request
        assert await requests.by_number(tx, MODS, 2) is None
        assert await requests.by_number(tx, MODS, 999_999_999) is None
        assert await requests.by_number(tx, "!elsewhere", 1) is None


async def test_a_request_that_moves_gets_a_number_there_and_leaves_its_card_behind(db: Database) -> None:
    await opened(db, other(1), management_room="!new")
    request = await opened(db)
    async with db.tx() as tx:
        card = await prompts.new(tx, MODS, "card", GARDEN, NOW)
        await requests.put_on_card(tx, request.id, card.id)
        await requests.shown(tx, request.id, "$knock", card.id, "$card")
        await requests.move(tx, request, "!new")

    assert await read(db, request.id) == replace(request, management_room="!new", number=2)
    assert (await opened(db, other(2))).number == 2


async def test_the_message_that_showed_a_request_first_is_kept_until_it_is_on_another_card(db: Database) -> None:
    request = await opened(db)
    async with db.tx() as tx:
        card, another = [await prompts.new(tx, MODS, "card", GARDEN, NOW) for _ in range(2)]
        await requests.put_on_card(tx, request.id, card.id)
        for said_in in ("$card", "$edit"):
            await requests.shown(tx, request.id, "$knock", card.id, said_in)
            await requests.put_on_card(tx, request.id, card.id)
        assert (await requests.get(tx, request.id)).first_shown_in == "$card"
        await requests.put_on_card(tx, request.id, another.id)
        assert (await requests.get(tx, request.id)).first_shown_in is None
        await requests.shown(tx, request.id, "$later", card.id, "$edit")  # the card that it has left
        now = await requests.get(tx, request.id)
        assert (now.shown_event_id, now.first_shown_in) == ("$knock", None)


# --- one open request per applicant -------------------------------------------------------------------------------


async def test_an_applicant_has_one_open_request_at_a_door(db: Database) -> None:
    await opened(db)
    with pytest.raises((sqlite3.IntegrityError, asyncpg.UniqueViolationError)):
        await opened(db, replace(KNOCK, event_id="$again"))


async def test_an_applicant_may_knock_at_several_doors_and_again_after_an_outcome(db: Database) -> None:
    first = await opened(db)
    elsewhere = await opened(db, replace(KNOCK, room_id="!other"))
    async with db.tx() as tx:
        await requests.settled(tx, first.id, State.WITHDRAWN, KNOCK.user_id, NOW)
    again = await opened(db, replace(KNOCK, event_id="$again"))

    async with db.tx() as tx:
        assert await requests.latest(tx, GARDEN, KNOCK.user_id) == again
        assert await requests.latest(tx, "!other", KNOCK.user_id) == elsewhere


async def test_of_two_processes_one_opens_the_request(pair: tuple[Database, Database]) -> None:
    results = await asyncio.gather(*(opened(db) for db in pair), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["Request", "UniqueViolationError"]


# --- finding ------------------------------------------------------------------------------------------------------


async def test_requests_are_found_by_room_state_and_age(db: Database) -> None:
    ana = [await opened(db, now=NOW)]
    async with db.tx() as tx:
        await requests.settled(tx, ana[0].id, State.ACCEPTED, "@mod:a", NOW)
    ana.append(await opened(db, replace(KNOCK, event_id="$2"), now=NOW + 10))
    bea = await opened(db, other(1), now=NOW + 20)
    cat = await opened(db, other(2, room_id="!other"), now=NOW + 30)
    gone = await opened(db, other(3), now=NOW + 40)
    async with db.tx() as tx:
        await requests.settled(tx, gone.id, State.REJECTED, "@mod:a", NOW)

    async with db.tx() as tx:
        assert ids(await requests.pending(tx, MODS)) == [ana[1].id, bea.id, cat.id]
        assert ids(await requests.pending(tx, MODS, "!other")) == [cat.id]
        assert ids(await requests.pending(tx, "!elsewhere")) == []
        assert await requests.count_pending(tx) == {(MODS, GARDEN): 2, (MODS, "!other"): 1}
        assert ids(await requests.unsettled(tx, GARDEN)) == [ana[0].id, ana[1].id, bea.id]
        assert await requests.recent_of(tx, ana[1], NOW) == [(MODS, None, False), (MODS, None, True)]
        assert await requests.recent_of(tx, ana[1], NOW + 1) == [(MODS, None, True)]
        assert await requests.counts(tx) == dict.fromkeys(map(str, State), 0) | {
            "pending": 3,
            "accepted": 1,
            "rejected": 1,
        }


def ids(found: list[Request]) -> list[int]:
    return [request.id for request in found]


async def test_the_requests_on_a_card_come_oldest_first(db: Database) -> None:
    async with db.tx() as tx:
        card = await prompts.new(tx, MODS, "card", GARDEN, NOW)
        strange = await prompts.new(tx, MODS, "card", GARDEN, NOW)
    shared = [await opened(db, other(n)) for n in range(4)]
    async with db.tx() as tx:
        for request in reversed(shared):
            await requests.put_on_card(tx, request.id, card.id)

    async with db.tx() as tx:
        assert ids(await requests.on_card(tx, card.id)) == ids(shared)
        assert await requests.on_card(tx, strange.id) == []


async def test_a_request_that_was_read_is_held_until_the_transaction_ends(pair: tuple[Database, Database]) -> None:
    """So that of two answers given at the same moment one is first."""
    request = await opened(pair[0])
    won: list[str] = []

    async def answer(db: Database, by: str) -> None:
        async with db.tx() as tx:
            if (await requests.get(tx, request.id)).awaits_moderators:
                await asyncio.sleep(0)
                await requests.answered(tx, request.id, replace(ANSWER, by=by))
                won.append(by)

    await asyncio.gather(*(answer(db, f"@{n}:a") for n in range(5) for db in pair))
    stored = await read(pair[0], request.id)
    assert stored.answer is not None
    assert won == [stored.answer.by]


async def test_a_history_is_read_from_an_index_alone(db: Database) -> None:
    """Else the long reasons of thousands of knocks would be read with each."""
    async with db.tx() as tx:
        for number in range(200):
            request = await requests.open_knock(
                tx, MODS, replace(KNOCK, event_id=f"$e{number}", reason="x" * 1000), NOW
            )
            await requests.settled(tx, request.id, State.REJECTED, "@mod:a", NOW + number)
        assert len(await requests.history(tx, GARDEN, KNOCK.user_id)) == 200
        asked = (GARDEN, KNOCK.user_id, 10)
        if db.alone:
            plan = " ".join(row["detail"] for row in await tx.fetch(f"EXPLAIN QUERY PLAN {requests.HISTORY}", *asked))
            assert "USING COVERING INDEX requests_of_applicant" in plan
        else:
            await tx.execute("SET LOCAL enable_seqscan = off")
            await tx.execute("SET LOCAL enable_bitmapscan = off")
            # Which plan is cheapest depends on what else is there: here, many others.
            await tx.execute(
                "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, has_avatar, "
                "state, opened_at, changed_at) SELECT management_room, number + 1000 * other, room_id, kind, "
                "user_id || other, event_id, '', has_avatar, state, opened_at, changed_at "
                "FROM requests, generate_series(1, 50) AS other"
            )
            await tx.execute("ANALYZE requests")
            plan = " ".join(row["QUERY PLAN"] for row in await tx.fetch(f"EXPLAIN {requests.HISTORY}", *asked))
            assert "Index Only Scan Backward using requests_of_applicant" in plan
            assert "Sort" not in plan


async def test_the_rooms_with_a_history_are_found_by_an_index(db: Database) -> None:
    async with db.tx() as tx:
        for number in range(20):
            await rooms.protect(tx, ProtectedRoom(f"!{number}:a", MODS, "", "@mod:a", NOW))
            for user in range(20):
                knock = replace(KNOCK, room_id=f"!{number}:a", user_id=f"@{user}:a", event_id=f"$e{number}-{user}")
                request = await requests.open_knock(tx, MODS, knock, NOW)
                await requests.settled(tx, request.id, State.REJECTED, "@mod:a", NOW + number)
        asked = ("!1:a", "@1:a")
        assert len(await requests.history_managed(tx, *asked)) == 20
    async with db.tx() as tx:  # once all see the rows: else statistics that PostgreSQL makes by itself know of none
        await tx.execute("ANALYZE")  # of tables that nobody has looked at, PostgreSQL takes any index that begins alike
        plan = await plan_of(tx, requests.ROOMS_WITH_HISTORY, *asked, alone=db.alone)
    assert "requests_of_applicant (room_id=? AND user_id=?" in plan or "using requests_of_applicant" in plan
    assert "rooms_managed" in plan
    assert "SCAN requests" not in plan
    assert "Seq Scan on requests" not in plan


async def test_a_history_has_an_end(db: Database) -> None:
    async with db.tx() as tx:
        for number in range(requests.LONGEST_HISTORY + 5):
            request = await requests.open_knock(tx, MODS, replace(KNOCK, event_id=f"$e{number}"), NOW)
            await requests.settled(tx, request.id, State.REJECTED, "@mod:a", NOW + number)
        found = await requests.history(tx, GARDEN, KNOCK.user_id)
    assert len(found) == requests.LONGEST_HISTORY
    assert found[-1] == (State.REJECTED, NOW + requests.LONGEST_HISTORY + 4)


# --- cards of several rooms ---------------------------------------------------------------------------------------


async def test_a_card_of_other_doors_is_found_by_the_applicants_open_requests_alone(db: Database) -> None:
    """Else each knock of a flood would look through all that waits."""
    request = await opened(db)
    asked = (MODS, request.user_id, request.room_id)
    async with db.tx() as tx:
        await requests.put_on_card(tx, request.id, (await prompts.new(tx, MODS, "card", GARDEN, NOW)).id)
        if db.alone:
            rows = await tx.fetch(f"EXPLAIN QUERY PLAN {requests.AT_OTHER_DOORS}", *asked)
            plan = " ".join(row["detail"] for row in rows)
            assert "theirs USING INDEX requests_pending (management_room=? AND user_id=?)" in plan
        else:
            await tx.execute(
                "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, has_avatar, "
                "state, opened_at, changed_at, card_id) SELECT management_room, number + other, room_id, kind, "
                "user_id || other, event_id, '', has_avatar, state, opened_at, changed_at, card_id "
                "FROM requests, generate_series(1, 5000) AS other"
            )
            await tx.execute("ANALYZE requests")
            plan = " ".join(row["QUERY PLAN"] for row in await tx.fetch(f"EXPLAIN {requests.AT_OTHER_DOORS}", *asked))
            assert "requests_pending on requests theirs" in plan or "requests_open on requests theirs" in plan
        assert "SCAN theirs" not in plan
        assert "Seq Scan on requests theirs" not in plan
