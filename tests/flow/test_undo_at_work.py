"""Undo at work: what is not carried out yet, third-party invites, two at once, a death in the middle, and what comes in
between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.store import requests
from tests.flow.house import GARDEN, MODS, House, until_called
from tests.flow.planted import DAVE, MONA, STAND, invite, move_in, planted, redeemed
from tests.flow.test_also_invite import gardens, let_in
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, settled
from tests.flow.test_lists import set_policy as set_list_policy
from tests.flow.test_spaces import LAWN
from tests.flow.test_undo import BOB, question
from tests.flow.world import ALICE, ANA, BEA, BOT, FAR, levels_for

FINISHED = {"accept": ("leave", "rejected"), "reject": ("invite", "accepted"), "ban": ("leave", "rejected")}
"""Where an applicant is, and what their request is, once an answer is undone."""

CALLS = {"accept": "kick", "reject": "invite", "ban": "unban"}
"""What the bot calls to undo an answer."""


async def moderated(house: House) -> None:
    """Bob is a moderator, too."""
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.change(MODS, BOB, BOB, "join")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.live()


async def answered(house: House, verdict: str, who: str = ANA) -> None:
    """Somebody knocks, and Alice answers."""
    house.world.knock(GARDEN, who, "hello")
    await house.live()
    house.tell(f"{verdict} {len(house.cards())}")
    await house.later()


async def undo(house: House, which: str = " 1", *, by: str = ALICE) -> str:
    """Somebody wants it undone; what is said last."""
    house.tell(f"undo{which}", by=by)
    await house.later()
    return house.spoken()[-1]


async def outcome(house: House, who: str = ANA) -> tuple[str | None, str]:
    return house.membership(who), (await house.request(who)).state


async def lines(house: House) -> list[str]:
    """The kinds of the lines on record about the only request."""
    return [kind for _, kind in await house.history(await house.request(ANA))]


# --- not carried out yet ------------------------------------------------------------------------------------------


async def blocked(house: House, verdict: str) -> None:
    """An answer that the bot has no power to carry out."""
    await moderated(house)
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.tell(f"{verdict} 1")
    await house.hear()
    house.world.set_levels(GARDEN, invite=60, kick=60, ban=60)
    await house.live()
    assert await house.jobs("blocked") != {}


@pytest.mark.parametrize("which", ["", " 1"])
@pytest.mark.parametrize("verdict", FINISHED)
async def test_an_answer_that_is_not_carried_out_is_taken_back_whatever_the_bot_may(
    house: House, verdict: str, which: str
) -> None:
    await blocked(house, verdict)

    assert "#1 is open again" in await undo(house, which)
    house.world.set_levels(GARDEN, invite=50, kick=50, ban=50)
    await house.later()
    assert await outcome(house) == ("knock", "pending")
    assert (await house.request(ANA)).awaits_moderators
    assert (await lines(house))[-1] == "undone"
    assert {*house.card().offers} == {"✅", "❌", "⛔"}


async def test_that_of_somebody_else_takes_the_power_for_the_opposite(house: House) -> None:
    await blocked(house, "ban")
    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 100, BOB: 0})

    assert "#1: you cannot undo this" in await undo(house, by=BOB)
    assert not (await house.request(ANA)).awaits_moderators
    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 100, BOB: 100})
    assert "#1 is open again" in await undo(house, by=BOB)


async def test_while_it_is_being_carried_out_it_is_said_so(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    hang = asyncio.Event()
    house.world.play("invite", hang=hang)
    house.tell("accept 1")
    await house.hear()
    await until_called(house, "invite")
    house.tell("undo 1")
    await house.hear()
    hang.set()
    await house.later()

    assert "is being carried out at this moment" in house.spoken()[-1]
    assert await outcome(house) == ("invite", "accepted")


# --- once, whatever happens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("verdict", FINISHED)
async def test_a_death_in_the_middle_leaves_one_outcome(house: House, verdict: str, lost: bool) -> None:
    """Killed between the act and its record, or before the homeserver has done it."""
    await answered(house, verdict)
    house.world.play(CALLS[verdict], Later(foreign("cut off"), retry_after=30.0), done=lost)
    house.tell("undo 1")
    await house.hear()
    await until_called(house, CALLS[verdict])
    await house.die()
    await house.start_again()
    await house.later(120)
    await house.later(120)

    assert await outcome(house) == FINISHED[verdict]
    request = await house.request(ANA)
    assert (request.by, request.being_undone) == (ALICE, False)
    assert (await lines(house)).count("undone") == 1
    assert [said for said in house.spoken() if said.startswith("⚠️")] == []


@pytest.mark.parametrize("verdict", FINISHED)
async def test_two_moderators_at_once_undo_it_once(house: House, verdict: str) -> None:
    await moderated(house)
    await answered(house, verdict)
    house.tell("undo 1", by=ALICE)
    house.tell("undo 1", by=BOB)
    await house.later()

    assert await outcome(house) == FINISHED[verdict]
    assert (await lines(house)).count("undone") == 1
    assert [said for said in house.spoken() if f"already undone by {ALICE}" in said] != []


@pytest.mark.parametrize("verdict", FINISHED)
async def test_a_look_in_the_middle_changes_nothing(house: House, verdict: str) -> None:
    await answered(house, verdict)
    house.world.play(CALLS[verdict], Later(foreign("busy"), retry_after=30.0))
    await undo(house)
    await house.later(3)
    assert (await house.request(ANA)).being_undone
    assert f"{ALICE} is undoing the answer of {ALICE}" in house.card().text
    await house.look_everywhere()
    await house.live()
    await house.later(60)

    assert await outcome(house) == FINISHED[verdict]


@pytest.mark.parametrize("verdict", FINISHED)
async def test_where_the_homeserver_refuses_the_earlier_answer_holds(house: House, verdict: str) -> None:
    await answered(house, verdict)
    before = await house.request(ANA)
    house.world.play(CALLS[verdict], Never(foreign("no such luck"), code="M_UNKNOWN"))
    said = await undo(house)

    request = await house.request(ANA)
    assert said.startswith("⚠️ #1 was not undone")
    assert (request.state, request.answer, request.undone) == (before.state, before.answer, None)
    assert (await lines(house))[-1] == "not_undone"


@pytest.mark.parametrize(
    ("verdict", "by", "membership", "state", "said"),
    [
        ("accept", ANA, "join", "joined", "not undone"),
        ("accept", ANA, "leave", "declined", "not undone"),
        ("accept", BOB, "ban", "banned", "not undone"),
        ("reject", ANA, "knock", "rejected", "not undone"),
        ("reject", BOB, "ban", "banned", "not undone"),
        ("reject", BOB, "invite", "accepted", "I invite"),
        ("ban", BOB, "leave", "rejected", "I lift the ban"),
    ],
)
async def test_what_comes_in_between_counts_and_is_told(  # noqa: PLR0917 (a table)
    house: House, verdict: str, by: str, membership: str, state: str, said: str
) -> None:
    await moderated(house)
    await answered(house, verdict)
    house.world.play(CALLS[verdict], Later(foreign("busy"), retry_after=30.0))
    await undo(house)
    if membership == "knock":
        house.world.knock(GARDEN, ANA, "again")
    else:
        house.world.change(GARDEN, by, ANA, membership)
    await house.live()
    await house.later(60)
    request, *_ = await house.requests(ANA)

    assert (house.membership(ANA), request.state, request.being_undone) == (membership, state, False)
    assert said in house.spoken()[-1]


async def test_what_is_not_undone_when_the_room_is_let_go_stays_as_it_is(house: House) -> None:
    await answered(house, "ban")
    house.world.play("unban", Later(foreign("busy"), retry_after=30.0))
    await undo(house)
    house.tell(f"unprotect {GARDEN}")
    await house.later(60)
    await house.protect()
    await house.look_everywhere()
    await house.later(60)

    request = await house.request(ANA)
    assert (house.membership(ANA), request.state, request.undone) == ("ban", "banned", None)
    assert any("#1 was not undone" in said for said in house.spoken())


async def test_several_that_one_command_answered_are_undone_together(house: House) -> None:
    for who in (ANA, BEA):
        house.world.knock(GARDEN, who, "hello")
        await house.live()
    house.tell("reject 1, 2")
    await house.later()
    said = await undo(house, "")

    assert [house.membership(who) for who in (ANA, BEA)] == ["invite", "invite"]
    assert said.count("I invite") == 2


async def test_a_reply_to_a_card_is_about_its_request(house: House) -> None:
    await answered(house, "ban")
    house.tell("undo", reply_to=house.card().event_id)
    await house.later()

    assert await outcome(house) == ("leave", "rejected")


async def test_who_is_on_a_list_or_of_a_denied_server_is_not_invited(house: House) -> None:
    await answered(house, "reject", FAR)
    house.world.set_acl(GARDEN, allow=["*"], deny=["slow.example"])
    await house.later()

    assert "The server ACL of Garden denies slow.example" in await undo(house)
    assert await outcome(house, FAR) == ("leave", "rejected")


async def test_a_lifted_ban_counts_for_nothing(house: House) -> None:
    await answered(house, "ban")
    await undo(house)
    await house.set_policy("rules: [{when: {banned_before: {times: 1}}, then: reject}]\notherwise: accept")
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()

    assert house.membership(ANA) == "invite"


TAKEN_BACK = {
    "accept": ("Before: accepted, then the invite was withdrawn by @bob:tulip.example", "invite withdrawn"),
    "ban": ("Before: banned, then the ban was lifted by @bob:tulip.example", "ban lifted"),
    "join": ("Before: accepted, then removed again by @bob:tulip.example", "removed again"),
}
"""By what was undone: what the next card says, and the log."""


async def taken_back(house: House, what: str) -> None:
    """Somebody is answered, joins perhaps, and Bob undoes that."""
    await moderated(house)
    await answered(house, "ban" if what == "ban" else "accept")
    if what == "join":
        house.world.change(GARDEN, ANA, ANA, "join")
        await house.live()
    await undo(house, by=BOB)
    if what == "join":
        house.world.react(MODS, BOB, question(house), "✅")
        await house.later()


@pytest.mark.parametrize("policy", ["rejected_before: true", "accepted_before: true"])
@pytest.mark.parametrize("what", TAKEN_BACK)
async def test_an_accept_or_a_ban_that_was_taken_back_counts_for_nothing(house: House, what: str, policy: str) -> None:
    await taken_back(house, what)
    await house.set_policy(f"rules: [{{when: {{{policy}}}, then: reject}}]\notherwise: forward")
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()

    assert house.membership(ANA) == "knock"
    assert TAKEN_BACK[what][0] in house.cards()[-1].text
    assert "ejected" not in house.cards()[-1].text


@pytest.mark.parametrize("what", TAKEN_BACK)
async def test_the_log_calls_no_rejection_what_was_taken_back(house: House, what: str) -> None:
    await taken_back(house, what)
    kinds = [kind for _, kind in await house.history(await house.request(ANA))]
    house.tell("log 1")
    await house.later()

    assert f"· {TAKEN_BACK[what][1]} · by {BOB}" in house.spoken()[-1]
    assert not {"rejected", "kicked_later"} & {*kinds}


@pytest.mark.parametrize("first", ["the echo", "the act"])
async def test_whoever_is_removed_again_is_not_rejected_whatever_is_heard_first(house: House, first: str) -> None:
    await moderated(house)
    await answered(house, "accept")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    await undo(house, by=BOB)
    house.world.react(MODS, BOB, question(house), "✅")
    await house.hear()
    if first == "the echo":
        house.world.change(GARDEN, BOT, ANA, "leave")
        await house.hear()
    await house.later()
    async with house.db.tx() as tx:
        assert await requests.history(tx, GARDEN, ANA) == []
    assert (await house.request(ANA)).removal is None


async def test_who_is_kicked_while_that_is_under_way_is_rejected_by_whoever_kicked(house: House) -> None:
    await moderated(house)
    await answered(house, "accept")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    await undo(house, by=BOB)
    house.world.react(MODS, BOB, question(house), "✅")
    await house.hear()
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.later()
    async with house.db.tx() as tx:
        assert [state for state, _ in await requests.history(tx, GARDEN, ANA)] == ["rejected"]


async def test_a_rejection_that_nobody_took_back_still_counts(house: House) -> None:
    await answered(house, "reject")
    await house.set_policy("rules: [{when: {rejected_before: true}, then: reject}]\notherwise: forward")
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()

    assert house.membership(ANA) == "leave"


# --- somebody who has joined --------------------------------------------------------------------------------------


async def asked(house: House) -> str:
    """Ana was accepted and has joined, and Alice is asked whether to remove her; returns the question."""
    await moderated(house)
    await answered(house, "accept")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    await undo(house)
    return question(house)


def shown(house: House, event_id: str) -> str:
    """What a message shows now."""
    edits = [
        event["content"]["m.new_content"]["body"]
        for event in house.world.rooms[MODS].said
        if event["content"].get("m.relates_to", {}).get("event_id") == event_id and "m.new_content" in event["content"]
    ]
    posted = next(e["content"]["body"] for e in house.world.rooms[MODS].said if e["event_id"] == event_id)
    return str(edits[-1] if edits else posted)


@pytest.mark.parametrize("dies", [True, False])
async def test_without_a_yes_nothing_happens_and_the_question_says_so_in_time(house: House, dies: bool) -> None:
    event_id = await asked(house)
    if dies:
        await house.die()
        house.clock.go_on(601)
        await house.start_again()
    else:
        house.clock.go_on(601)
    await house.ring()
    await house.later()
    assert "Nobody said yes in time" in shown(house, event_id)

    house.world.react(MODS, ALICE, event_id, "✅")
    await house.later()
    assert await outcome(house) == ("join", "joined")


@pytest.mark.parametrize("how", ["alice says yes", "bob removes them", "they leave"])
async def test_a_question_is_closed_once_it_needs_no_answer(house: House, how: str) -> None:
    first = await asked(house)
    await undo(house, by=BOB)
    second = question(house)
    assert first != second
    if how == "alice says yes":
        house.world.react(MODS, ALICE, first, "✅")
    else:
        house.world.change(GARDEN, BOB if how == "bob removes them" else ANA, ANA, "leave")
    await house.live()
    await house.ring()
    await house.later()

    assert house.membership(ANA) == "leave"
    assert shown(house, second) == "This question is closed, because it needs no answer any more."
    assert shown(house, first).startswith("This question is closed")


async def test_a_yes_while_the_bot_was_down_counts_within_its_time(house: House) -> None:
    event_id = await asked(house)
    await house.die()
    house.world.react(MODS, ALICE, event_id, "✅")
    house.world.outbox.clear()
    await house.start_again()
    await house.later()

    assert await outcome(house) == ("leave", "rejected")


async def test_the_question_is_asked_once_however_often_it_is_wanted(house: House) -> None:
    await asked(house)
    before = len(house.spoken())
    house.tell("undo 1")
    await house.later()

    assert len(house.spoken()) == before


async def test_a_death_between_the_removal_and_its_record_leaves_one_outcome(house: House) -> None:
    event_id = await asked(house)
    house.world.play("kick", Later(foreign("cut off"), retry_after=30.0), done=True)
    house.world.react(MODS, ALICE, event_id, "✅")
    await house.hear()
    await until_called(house, "kick")
    await house.die()
    await house.start_again()
    await house.later(120)

    assert await outcome(house) == ("leave", "rejected")
    assert (await lines(house)).count("undone") == 1


async def test_the_invites_to_other_rooms_are_withdrawn_and_the_others_named(house: House) -> None:
    await gardens(house)
    await let_in(house)
    assert house.membership(ANA, LAWN) == "invite"
    await undo(house)
    house.world.react(MODS, ALICE, question(house), "✅")
    await house.later()

    assert (house.membership(ANA), house.membership(ANA, LAWN)) == ("leave", "leave")
    assert "I also withdraw the invites" in house.spoken()[-1]


async def test_from_other_rooms_nobody_is_removed(house: House) -> None:
    await gardens(house)
    await let_in(house)
    house.world.change(LAWN, ANA, ANA, "join")
    await house.live()
    await undo(house)
    house.world.react(MODS, ALICE, question(house), "✅")
    await house.later()

    assert (house.membership(ANA), house.membership(ANA, LAWN)) == ("leave", "join")
    assert "I remove nobody from these: Lawn" in house.spoken()[-1]


# --- third-party invites ------------------------------------------------------------------------------------------


async def test_the_accept_of_an_invite_that_nobody_has_used_is_undone_by_revoking_it(house: House) -> None:
    await planted(house)
    house.tell("accept 1")
    await house.later()
    assert (await invite(house)).state == "standing"

    assert "I revoke the invite" in await undo(house)
    assert ((await invite(house)).state, house.world.rooms[GARDEN].invites["t"]["content"]) == ("revoked", {})
    assert "already undone" in await undo(house)


async def test_that_of_a_rule_too(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    await undo(house)

    assert ((await invite(house)).state, house.world.rooms[GARDEN].invites["t"]["content"]) == ("revoked", {})


async def test_what_was_revoked_is_not_restored_and_the_reply_says_how_to_invite_again(house: House) -> None:
    await planted(house)
    house.tell("reject 1")
    await house.later()

    said = await undo(house)
    assert "cannot be restored" in said
    assert "!kb invite" in said


async def test_the_ban_of_its_inviter_is_lifted_and_the_invite_stays_revoked(house: House) -> None:
    move_in(house)
    await planted(house, MONA)
    house.world.set_levels(GARDEN, users={BOT: 60, ALICE: 100, MONA: 50})
    house.tell("ban 1")
    await house.later()
    assert house.membership(MONA) == "ban"

    assert f"I lift the ban of {MONA}" in await undo(house)
    assert (house.membership(MONA), (await invite(house)).state) == ("leave", "revoked")
    assert "cannot be restored" in await undo(house)


@pytest.mark.parametrize("join", [True, False])
async def test_the_accept_of_a_guest_is_undone_as_that_of_an_applicant(house: House, join: bool) -> None:
    await house.set_policy(STAND)
    await planted(house)
    await redeemed(house, join=join)
    assert (await invite(house)).state == "redeemed"
    await undo(house)
    if join:
        house.world.react(MODS, ALICE, question(house), "✅")
        await house.later()

    assert (house.membership(DAVE), (await invite(house)).state) == ("leave", "rejected")


@pytest.mark.parametrize(
    ("verdict", "membership", "state"), [("reject", "invite", "redeemed"), ("ban", "leave", "rejected")]
)
async def test_a_no_to_a_guest_is_undone_as_that_to_an_applicant(
    house: House, verdict: str, membership: str, state: str
) -> None:
    rules: Any = "{rules: [{for: redeemed_invite, when: {user: '@*'}, then: forward}], otherwise_third_party: accept}"
    await house.set_policy(rules)
    await planted(house)
    await redeemed(house)
    house.tell(f"{verdict} 1")
    await house.later()
    await undo(house)

    assert (house.membership(DAVE), (await invite(house)).state) == (membership, state)


# --- elsewhere ----------------------------------------------------------------------------------------------------


async def test_requests_of_other_management_rooms_are_unknown(house: House) -> None:
    elsewhere = "!others:tulip.example"
    house.world.room(elsewhere, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await answered(house, "ban")
    house.world.say(elsewhere, ALICE, "!kb undo 1")
    house.world.say(elsewhere, ALICE, "!kb undo")
    await house.later()

    assert house.membership(ANA) == "ban"
    assert ["no request" in said or "nothing here" in said for said in house.spoken(elsewhere)][-2:] == [True, True]


@pytest.mark.parametrize("listed", [True, False])
async def test_whoever_lifts_the_ban_of_somebody_on_a_list_is_told_that_it_names_them(
    house: House, listed: bool
) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    await set_list_policy(house, open_door())
    house.world.list_entity(BANS, LIZ, ANA)
    await settled(house)
    house.world.knock(GARDEN, ANA, "hello")
    await settled(house)
    assert house.membership(ANA) == "ban"
    if not listed:
        house.world.unlist(BANS, LIZ, ANA)
        await settled(house)
    said = await undo(house)

    assert house.membership(ANA) == "leave"
    assert ("They may be banned again when they ask: a policy list of that room names them." in said) is listed


# --- the yes is taken back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [ALICE, BOB])
async def test_a_yes_that_is_taken_back_in_the_same_second_removes_nobody(house: House, by: str) -> None:
    clicked = house.world.react(MODS, ALICE, await asked(house), "✅")
    await house.hear()
    house.world.redact(MODS, by, clicked)
    await house.hear()
    await house.later()

    assert house.membership(ANA) == "join"
    request = await house.request(ANA)
    assert (request.state, request.undone) == (State.JOINED, None)
    assert [kind for _, kind in await house.history(request)][-1] == "not_undone"
    assert f"{by} removed the reaction that gave the answer" in house.spoken()[-1]
    assert await house.jobs("due", "running", "blocked") == {}


async def test_that_it_was_taken_back_is_seen_before_the_act_where_nobody_told_of_it(house: House) -> None:
    clicked = house.world.react(MODS, ALICE, await asked(house), "✅")
    await house.hear()
    house.world.redact(MODS, ALICE, clicked)
    house.world.outbox.clear()
    await house.work()
    await house.later()

    assert house.membership(ANA) == "join"


async def test_a_yes_that_is_taken_back_too_late_is_told_with_the_way_back(house: House) -> None:
    clicked = house.world.react(MODS, ALICE, await asked(house), "✅")
    await house.later()
    assert house.membership(ANA) == "leave"
    house.world.redact(MODS, ALICE, clicked)
    await house.later()

    assert f"already removed. To invite them again, type this in your client: /invite {ANA}" in house.spoken()[-1]


async def test_the_bot_is_killed_after_a_yes_that_is_taken_back(house: House) -> None:
    clicked = house.world.react(MODS, ALICE, await asked(house), "✅")
    await house.hear()
    await house.die()
    house.world.redact(MODS, ALICE, clicked)
    await house.start_again()
    await house.later()

    assert house.membership(ANA) == "join"


# --- which answer is meant ----------------------------------------------------------------------------------------


async def test_an_applicant_is_named_by_their_id(house: House) -> None:
    await moderated(house)
    await answered(house, "reject")
    assert f"I invite {ANA} to Garden" in await undo(house, f" {ANA}")
    assert (await outcome(house))[0] == "invite"
    assert "I know no request of @nobody:tulip.example here." in await undo(house, " @nobody:tulip.example")


async def test_undone_twice_the_answer_before_is_named_with_its_command(house: House) -> None:
    await moderated(house)
    await answered(house, "reject")
    house.clock.go_on(60)
    await answered(house, "reject", BEA)
    house.clock.go_on(60)
    await undo(house, "")

    said = await undo(house, "")
    assert "#2 was already undone" in said
    assert f"Your answer before that was about {ANA} (#1). To undo it: !kb undo 1" in said
    assert house.membership(ANA) == "leave"
