"""Third-party invites on record: found by their token, about their inviter and then about whoever came in by them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from knockbot.domain.invites import Address
from knockbot.domain.jobs import Act, Ban, Invite, Kick, Leave, Payload, Plant, React, Revoke, Say
from knockbot.domain.model import (
    Decision,
    IdentityKey,
    Kind,
    MemberChange,
    Membership,
    Request,
    State,
    ThirdPartyInvite,
    Verdict,
)
from knockbot.domain.reasons import foreign
from knockbot.domain.state_keys import written
from knockbot.store import addressees, jobs, judgements, requests, rooms
from knockbot.store.addressees import Addressee, Asked
from knockbot.store.db import Database
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import DAY
from tests.store.samples import (
    GARDEN,
    GUEST,
    HOSTILE,
    INVITE,
    KNOCK,
    MODS,
    NOW,
    STORABLE,
    job,
    judgement,
    opened,
    planted,
    read,
)

MONA = INVITE.inviter
OTHER = "@other:tulip.example"


def under(token: str, inviter: str = MONA) -> ThirdPartyInvite:
    return replace(INVITE, token=token, event_id=f"${token}", inviter=inviter)


async def settle(db: Database, request: Request, state: State) -> None:
    async with db.tx() as tx:
        await requests.settled(tx, request.id, state, MONA, NOW + 5)


# --- fields -------------------------------------------------------------------------------------------------------


async def test_a_new_request_holds_the_invite_and_nobody_who_came_in_by_it(db: Database) -> None:
    request = await planted(db)

    assert request == Request(
        id=1,
        management_room=MODS,
        number=1,
        room_id=GARDEN,
        kind=Kind.THIRD_PARTY_INVITE,
        user_id="",
        event_id="$invite",
        reason="",
        display_name=None,
        has_avatar=False,
        state=State.PENDING,
        opened_at=NOW,
        changed_at=NOW,
        invite=INVITE,
    )
    assert await read(db, request.id) == request
    assert (request.subject, request.redeemed) == (MONA, False)


async def test_knocks_and_invites_are_numbered_together(db: Database) -> None:
    assert [(await planted(db)).number, (await opened(db)).number, (await planted(db, under("t2"))).number] == [1, 2, 3]


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_strangers_write_into_an_invite_is_kept(db: Database, name: str) -> None:
    text = STORABLE[name]
    invite = replace(INVITE, token=written(HOSTILE[name][:255]), display_name=text, keys=(IdentityKey(text, text),))
    await planted(db, invite)

    async with db.tx() as tx:
        found = await requests.by_token(tx, GARDEN, invite.token)
    assert found is not None
    assert found.invite == invite


async def test_hundreds_of_keys_are_kept(db: Database) -> None:
    keys = tuple(IdentityKey(f"{number}" * 40, None) for number in range(900))
    request = await planted(db, replace(INVITE, keys=keys))

    stored = (await read(db, request.id)).invite
    assert stored is not None
    assert stored.keys == keys


async def test_why_an_accept_was_held_back_is_kept(db: Database) -> None:
    request = await planted(db)
    decision = Decision(Verdict.FORWARD, "ours", doubt=foreign("its keys are not valid"))
    async with db.tx() as tx:
        await judgements.add(tx, request.id, judgement(decision), NOW)

    assert (await read(db, request.id)).decision == decision


# --- by token -----------------------------------------------------------------------------------------------------


async def test_a_token_leads_to_its_invite_in_its_room_only(db: Database) -> None:
    request = await planted(db)
    elsewhere = await planted(db, replace(INVITE, room_id="!other"))
    await opened(db)

    async with db.tx() as tx:
        assert await requests.by_token(tx, GARDEN, "token") == request
        assert await requests.by_token(tx, "!other", "token") == elsewhere
        assert await requests.by_token(tx, GARDEN, "unknown") is None


async def test_the_newest_request_of_a_token_is_the_one_it_leads_to(db: Database) -> None:
    first = await planted(db)
    await settle(db, first, State.REVOKED)
    second = await planted(db, replace(INVITE, event_id="$again"))

    async with db.tx() as tx:
        assert await requests.by_token(tx, GARDEN, "token") == second
    stored = await read(db, first.id)
    assert (stored.state, stored.invite) == (State.REVOKED, INVITE)


async def test_two_at_once_under_one_token_are_two_requests_and_one_is_found(db: Database) -> None:
    await asyncio.gather(
        *(planted(db, replace(INVITE, event_id=f"${number}")) for number in range(2)), return_exceptions=True
    )

    async with db.tx() as tx:
        assert await requests.by_token(tx, GARDEN, "token") is not None
        assert await tx.fetchval("SELECT count(*) FROM requests WHERE token IS NOT NULL") == 1


async def test_another_invite_takes_the_place_of_one(db: Database) -> None:
    request = await planted(db)
    other = replace(INVITE, event_id="$other", inviter=OTHER, display_name="eve")
    async with db.tx() as tx:
        await requests.fell(tx, request.id, "$ban")
        await requests.invite_replaced(tx, request.id, other, NOW + 7)

        stored = await requests.get(tx, request.id)
        assert (stored.invite, stored.event_id, stored.changed_at, stored.number) == (other, "$other", NOW + 7, 1)
        assert await requests.not_yet_fallen(tx, GARDEN, OTHER, "$ban") == [stored]
        assert [request_id for request_id, _ in await requests.invites_made(tx, GARDEN, MONA)] == []


# --- whoever came in ----------------------------------------------------------------------------------------------


async def test_once_redeemed_a_request_is_about_whoever_came_in(db: Database) -> None:
    request = await planted(db)
    async with db.tx() as tx:
        assert not await requests.redeemed_by(tx, GARDEN, GUEST.user_id, GUEST.event_id)
        await requests.redeemed(tx, request.id, GUEST)

        stored = await requests.get(tx, request.id)
        assert (stored.user_id, stored.event_id, stored.invite) == (GUEST.user_id, "$came", INVITE)
        assert (stored.subject, stored.redeemed) == (GUEST.user_id, True)
        assert await requests.by_token(tx, GARDEN, "token") == stored
        assert await requests.redeemed_by(tx, GARDEN, GUEST.user_id, GUEST.event_id)
        assert not await requests.redeemed_by(tx, GARDEN, GUEST.user_id, "$other")
        assert not await requests.redeemed_by(tx, "!other", GUEST.user_id, GUEST.event_id)


async def test_a_change_of_membership_is_about_a_knock_and_about_invites_that_wait_or_were_used(db: Database) -> None:
    knock = await opened(db, replace(KNOCK, user_id=GUEST.user_id))
    first, second = await planted(db), await planted(db, under("t2"))
    async with db.tx() as tx:
        assert await requests.about(tx, GARDEN, GUEST.user_id) == [knock]
        await requests.redeemed(tx, first.id, GUEST)
        await requests.redeemed(tx, second.id, replace(GUEST, event_id="$again"))
        await requests.settled(tx, second.id, State.REDEEMED, MONA, NOW)
        found = [knock.id, first.id, second.id]
        assert [request.id for request in await requests.about(tx, GARDEN, GUEST.user_id)] == found
        await requests.settled(tx, first.id, State.REJECTED, MONA, NOW)
        found = [knock.id, second.id]
        assert [request.id for request in await requests.about(tx, GARDEN, GUEST.user_id)] == found


async def test_only_the_newest_of_many_used_invites_have_their_story_told_on(db: Database) -> None:
    many = [await planted(db, under(f"t{number}")) for number in range(requests.STORIES + 1)]
    async with db.tx() as tx:
        for request in many:
            await requests.redeemed(tx, request.id, replace(GUEST, event_id=f"$came{request.id}"))
            await requests.settled(tx, request.id, State.REDEEMED, MONA, NOW)

        found = await requests.about(tx, GARDEN, GUEST.user_id)

    assert [request.id for request in found] == [request.id for request in many[1:]]


async def test_a_redeemed_invite_is_no_knock_of_its_guest(db: Database) -> None:
    request = await planted(db)
    async with db.tx() as tx:
        await requests.redeemed(tx, request.id, GUEST)
        assert await requests.latest(tx, GARDEN, GUEST.user_id) is None
        assert await requests.settled_knock(tx, GARDEN, GUEST.user_id) is None


# --- of an inviter ------------------------------------------------------------------------------------------------


async def test_pending_and_standing_invites_are_found_and_no_others(db: Database) -> None:
    made = {state: await planted(db, under(f"t{number}")) for number, state in enumerate(State)}
    for state, request in made.items():
        if state is not State.PENDING:
            await settle(db, request, state)
    await opened(db)
    await planted(db, replace(INVITE, room_id="!other"))

    async with db.tx() as tx:
        found = await requests.invites_of(tx, GARDEN)
    assert [request.id for request in found] == [made[State.PENDING].id, made[State.STANDING].id]


async def test_an_inviters_invites_are_counted_whatever_came_of_them(db: Database) -> None:
    first = await planted(db, under("t1"), now=NOW)
    second = await planted(db, under("t2"), now=NOW + 50)
    await planted(db, under("t3", inviter=OTHER))
    await settle(db, first, State.REVOKED)

    async with db.tx() as tx:
        assert await requests.invites_made(tx, GARDEN, MONA) == [(first.id, NOW), (second.id, NOW + 50)]
        assert await requests.recent_of(tx, second, NOW + 1) == [(MODS, None, True)]
        assert await requests.recent_of(tx, second, NOW) == [(MODS, None, False), (MODS, None, True)]
        assert await requests.invites_made(tx, "!other", MONA) == []


async def test_a_fall_is_dealt_with_once_for_each_invite_until_the_inviter_rises(db: Database) -> None:
    pending, standing, gone, used = [await planted(db, under(f"t{number}")) for number in range(4)]
    others = await planted(db, under("t9", inviter=OTHER))
    await settle(db, standing, State.STANDING)
    await settle(db, gone, State.REVOKED)

    async def open_to(cause: str, inviter: str = MONA) -> list[int]:
        async with db.tx() as tx:
            return [request.id for request in await requests.not_yet_fallen(tx, GARDEN, inviter, cause)]

    async with db.tx() as tx:
        await requests.redeemed(tx, used.id, GUEST)
    assert await open_to("$left") == [pending.id, standing.id]
    async with db.tx() as tx:
        await requests.fell(tx, standing.id, "$left")
        await requests.fell(tx, others.id, "$left")
    assert (await open_to("$left"), await open_to("$ban")) == ([pending.id], [pending.id, standing.id])
    async with db.tx() as tx:
        await requests.rose(tx, GARDEN, MONA)
    assert (await open_to("$left"), await open_to("$left", OTHER)) == ([pending.id, standing.id], [])


# --- what is still to be done -------------------------------------------------------------------------------------


async def test_what_becomes_of_an_invite_does_not_keep_its_inviter_from_being_banned(db: Database) -> None:
    request = await planted(db)
    acts = [
        job("revoke", Revoke("token", MONA, request.id), room_id=GARDEN),
        job("ban", Ban(MONA, request.id), room_id=GARDEN),
        job("spend", Revoke("token", MONA), room_id=GARDEN),
    ]
    async with db.tx() as tx:
        await jobs.add(tx, acts, NOW)
        await jobs.overtake(tx, request.id, foreign("it is revoked by now"), NOW)
        rows = await tx.fetch("SELECT key, state FROM jobs ORDER BY id")

    assert {row["key"]: row["state"] for row in rows} == {"revoke": "overtaken", "ban": "due", "spend": "due"}


async def test_who_came_in_is_left_alone_once_the_request_is_settled(db: Database) -> None:
    request = await planted(db)
    async with db.tx() as tx:
        await requests.redeemed(tx, request.id, GUEST)
        kick = job("kick", Kick(GUEST.user_id, request.id), room_id=GARDEN)
        await jobs.add(tx, [kick], NOW)
        await jobs.overtake(tx, request.id, foreign("they left"), NOW)
        assert await tx.fetchval("SELECT state FROM jobs") == "overtaken"


async def test_at_a_door_that_is_kept_no_longer_nothing_is_left_to_do(db: Database) -> None:
    request = await planted(db)
    acts: list[Payload] = [
        Invite(MONA),
        Kick(MONA),
        Ban(MONA),
        Revoke("token", MONA),
        Plant(request.id, "token", {}),
        Leave(),
        Say({}),
    ]
    async with db.tx() as tx:
        await jobs.add(tx, [job(type(act).__name__, act, room_id=GARDEN) for act in acts], NOW)
        await jobs.add(tx, [job("elsewhere", Ban(MONA), room_id="!other")], NOW)
        await tx.execute("UPDATE jobs SET state = 'blocked' WHERE key = 'Ban'")
        await jobs.overtake_all(tx, GARDEN, foreign("kept no longer"), NOW)
        rows = await tx.fetch("SELECT key FROM jobs WHERE state = 'due' ORDER BY id")

    assert [row["key"] for row in rows] == ["Leave", "Say", "elsewhere"]


async def test_the_last_act_on_somebody_says_in_which_memberships_it_was_to_hit_them(db: Database) -> None:
    async with db.tx() as tx:
        assert await jobs.last_scope(tx, GARDEN, MONA, Act.BAN) == []
        for number, scope in enumerate(((Membership.KNOCK,), (Membership.JOIN, Membership.INVITE))):
            act = job(f"ban{number}", Ban(MONA, while_in=scope), room_id=GARDEN)
            await jobs.add(tx, [act], NOW)
        assert await jobs.last_scope(tx, GARDEN, MONA, Act.BAN) == ["join", "invite"]
        assert await jobs.last_scope(tx, GARDEN, MONA, Act.KICK) == []
        await jobs.add(tx, [job("plain", Kick(MONA), room_id=GARDEN)], NOW)
        assert await jobs.last_scope(tx, GARDEN, MONA, Act.KICK) == ["knock"]


# --- addresses ----------------------------------------------------------------------------------------------------

CARLA = Address("email", "carla@example.org")
OTHERS = Address("email", "other@example.org")
ADDRESSEE = Addressee(GARDEN, "token", CARLA, MONA, NOW, "Carla")


async def test_an_address_is_kept_apart_and_once(db: Database) -> None:
    async with db.tx() as tx:
        await addressees.remember(tx, ADDRESSEE)
        await addressees.remember(tx, replace(ADDRESSEE, address=OTHERS))
        await addressees.remember(tx, replace(ADDRESSEE, room_id="!other", address=OTHERS))
        assert await addressees.of_room(tx, GARDEN) == {"token": ADDRESSEE}
        assert await addressees.of_room(tx, "!nowhere") == {}


@pytest.mark.parametrize(
    ("state", "changed_at", "kept"),
    [
        (State.PENDING, NOW, True),
        (State.STANDING, NOW, True),
        (State.REVOKED, NOW + 100, True),
        (State.REVOKED, NOW + 99, False),
        (State.REDEEMED, NOW + 100, True),
        (State.REDEEMED, NOW + 99, False),
        (None, NOW, False),
    ],
)
async def test_an_address_is_forgotten_when_its_invite_has_not_stood_for_a_while(
    db: Database, state: State | None, changed_at: int, kept: bool
) -> None:
    if state is not None:
        async with db.tx() as tx:
            await rooms.protect(tx, ProtectedRoom(GARDEN, MODS, "Garden", MONA, NOW))
        request = await planted(db)
        if state is not State.PENDING:
            async with db.tx() as tx:
                await requests.settled(tx, request.id, state, MONA, changed_at)
    async with db.tx() as tx:
        await addressees.remember(tx, ADDRESSEE)
        await addressees.forget_old(tx, NOW + 100)
        assert bool(await addressees.of_room(tx, GARDEN)) is kept


async def test_an_address_that_was_just_written_down_is_not_forgotten(db: Database) -> None:
    async with db.tx() as tx:
        await addressees.remember(tx, ADDRESSEE)
        await addressees.forget_old(tx, NOW)
        assert await addressees.of_room(tx, GARDEN) == {"token": ADDRESSEE}


async def test_the_address_of_an_invite_that_nobody_watches_any_more_is_forgotten(db: Database) -> None:
    request = await planted(db)
    async with db.tx() as tx:
        await requests.settled(tx, request.id, State.STANDING, MONA, NOW)
        await rooms.unprotect(tx, GARDEN)
        await addressees.remember(tx, ADDRESSEE)
        await addressees.forget_old(tx, NOW + 1)
        assert await addressees.of_room(tx, GARDEN) == {}


@pytest.mark.parametrize(
    ("state", "redeemed", "found"),
    [
        (State.PENDING, False, True),
        (State.STANDING, False, True),
        (State.REVOKED, False, False),
        (State.PENDING, True, False),
    ],
)
async def test_an_address_has_an_invite_in_hand_while_that_may_be_redeemed(
    db: Database, state: State, redeemed: bool, found: bool
) -> None:
    request = await planted(db)
    async with db.tx() as tx:
        await addressees.remember(tx, ADDRESSEE)
        if redeemed:
            guest = MemberChange(GARDEN, "$in", OTHER, MONA, Membership.INVITE)
            await requests.redeemed(tx, request.id, guest)
        elif state is not State.PENDING:
            await requests.settled(tx, request.id, state, MONA, NOW)
        assert await addressees.number_of(tx, GARDEN, CARLA) == (request.number if found else None)
        assert await addressees.number_of(tx, "!other", CARLA) is None
        assert await addressees.number_of(tx, GARDEN, OTHERS) is None


# --- invites being issued -----------------------------------------------------------------------------------------

ASKED = Asked("$command", GARDEN, MONA, NOW, CARLA, "Carla")


async def test_what_is_asked_for_is_known_until_its_end_is(db: Database) -> None:
    async with db.tx() as tx:
        await addressees.ask(tx, ASKED)
        assert await addressees.asked_by(tx, "$command") == ASKED
        assert await addressees.asked_by(tx, "$other") is None
        assert await addressees.is_asked_for(tx, GARDEN, CARLA)
        assert not await addressees.is_asked_for(tx, GARDEN, OTHERS)
        assert not await addressees.is_asked_for(tx, "!other", CARLA)
        await addressees.end(tx, "$command", counted=True)
        assert await addressees.asked_by(tx, "$command") is None
        assert not await addressees.is_asked_for(tx, GARDEN, CARLA)
        assert await addressees.issued_at(tx, NOW, moderator=MONA) == [NOW]
        row = await tx.fetchrow("SELECT * FROM issued")
        assert row is not None
        assert (row["medium"], row["address"], row["name"]) == (None, None, None)


async def test_what_sent_nothing_does_not_count(db: Database) -> None:
    async with db.tx() as tx:
        await addressees.ask(tx, ASKED)
        await addressees.end(tx, "$command", counted=False)
        assert await addressees.issued_at(tx, NOW, moderator=MONA) == []


async def test_the_identity_server_is_asked_once(db: Database) -> None:
    async with db.tx() as tx:
        await addressees.ask(tx, ASKED)
    async with db.tx() as tx:
        assert await addressees.begin_sending(tx, "$command")
    async with db.tx() as tx:
        assert not await addressees.begin_sending(tx, "$command")
        assert await addressees.asked_by(tx, "$command") == replace(ASKED, sending=True)


async def test_what_is_over_is_not_begun(db: Database) -> None:
    async with db.tx() as tx:
        await addressees.ask(tx, ASKED)
        await addressees.end(tx, "$command", counted=True)
        assert not await addressees.begin_sending(tx, "$command")


async def test_invites_are_counted_per_moderator_and_room_once_per_command(db: Database) -> None:
    async with db.tx() as tx:
        for cause, room_id, moderator, at in (
            ("$1", GARDEN, MONA, NOW),
            ("$1", GARDEN, MONA, NOW),
            ("$2", GARDEN, OTHER, NOW + 1),
            ("$3", "!other", MONA, NOW + 2),
        ):
            await addressees.ask(tx, replace(ASKED, cause=cause, room_id=room_id, moderator=moderator, at=at))
        assert await addressees.issued_at(tx, NOW, room_id=GARDEN) == [NOW, NOW + 1]
        assert await addressees.issued_at(tx, NOW, moderator=MONA) == [NOW, NOW + 2]
        assert await addressees.issued_at(tx, NOW + 1, moderator=MONA) == [NOW + 2]


async def test_what_counts_no_more_is_forgotten_once_it_is_over(db: Database) -> None:
    async with db.tx() as tx:
        for cause, at in (("$old", NOW - 1), ("$under way", NOW - 1), ("$new", NOW)):
            await addressees.ask(tx, replace(ASKED, cause=cause, at=at))
        await addressees.end(tx, "$old", counted=True)
        await addressees.end(tx, "$new", counted=True)
        await addressees.forget_counted(tx, NOW + DAY)
        rows = await tx.fetch("SELECT cause FROM issued ORDER BY at, cause")
        assert [row["cause"] for row in rows] == ["$under way", "$new"]


async def test_two_who_count_at_the_same_time_take_turns(db: Database) -> None:
    """Each sees what the other has written, so that a budget cannot be used twice."""

    async def count(cause: str) -> int:
        async with db.tx() as tx:
            await addressees.hold_budgets(tx)
            before = await addressees.issued_at(tx, NOW, moderator=MONA)
            await addressees.ask(tx, replace(ASKED, cause=cause))
            return len(before)

    seen = await asyncio.gather(*(count(f"${number}") for number in range(4)))
    assert sorted(seen) == [0, 1, 2, 3]


# --- what was said ------------------------------------------------------------------------------------------------


async def test_what_was_said_is_not_kept(db: Database) -> None:
    async with db.tx() as tx:
        await jobs.add(tx, [job("say", Say({"plain": "carla@example.org"}))], NOW)
        await jobs.add(tx, [job("react", React("$e", "x"))], NOW)
    for claimed in await jobs.claim(db, NOW, 10):
        async with db.tx() as tx:
            await jobs.finish(tx, claimed.id, "done", NOW)
    for claimed in await jobs.claim(db, NOW, 10):
        async with db.tx() as tx:
            await jobs.finish(tx, claimed.id, "done", NOW)
    async with db.tx() as tx:
        rows = await tx.fetch("SELECT key, payload_json FROM jobs ORDER BY id")
    assert [(row["key"], row["payload_json"]) for row in rows] == [
        ("say", "{}"),
        ("react", '{"event_id": "$e", "emoji": "x"}'),
    ]


async def test_what_could_not_be_said_for_long_is_given_up_and_not_kept(db: Database) -> None:
    async with db.tx() as tx:
        for key, at in (("old", NOW - 1), ("new", NOW)):
            await jobs.add(tx, [job(key, Say({"plain": "carla@example.org"}))], at)
        await jobs.add(tx, [job("invite", Invite(MONA, reason="x"))], NOW - 1)
        await jobs.forget_unsaid(tx, NOW, NOW)
        rows = await tx.fetch("SELECT key, state, payload_json FROM jobs ORDER BY id")
    assert [(row["key"], row["state"], "carla" in row["payload_json"]) for row in rows] == [
        ("old", "overtaken", False),
        ("new", "due", True),
        ("invite", "due", False),
    ]
