"""Undo, all of it as one table: each verdict, by whom it was given, who undoes it, and what has happened meanwhile; and
each other state that a request can be in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from json import dumps

import pytest

from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import offers
from tests.flow.planted import DAVE, STAND, invite, planted, redeemed
from tests.flow.test_bulk import spoken
from tests.flow.test_undo import BOB, RULES, asks, asks_again, joins, leaves, question
from tests.flow.world import ALICE, ANA, BOT, levels_for

CARA = "@cara:tulip.example"
"""A third moderator, who does things in her client."""

Step = Callable[[House], Awaitable[object] | object]


@dataclass(frozen=True)
class Row:
    """One line of the table: what happened, and what comes of the undo."""

    meanwhile: tuple[Step, ...]
    said: str
    """What the last thing that the bot says has in it."""
    membership: str | None
    state: str


def cara(membership: str) -> Step:
    return lambda house: house.world.change(GARDEN, CARA, ANA, membership)


async def forwards(house: House) -> None:
    """Who asks from now on is for the moderators, whatever a rule said before."""
    await house.set_policy("otherwise: forward")


JOINED_ELSEWHERE = (cara("invite"), joins)

MATRIX: dict[tuple[str, str], Row] = {
    ("accept", "nothing"): Row((), "I withdraw the invite of @ana", "leave", "rejected"),
    ("accept", "joined, and a yes"): Row((joins,), "I remove @ana", "leave", "rejected"),
    ("accept", "left"): Row((leaves,), "@ana:tulip.example declined the invite", "leave", "declined"),
    ("accept", "left and asked again"): Row((forwards, leaves, asks_again), "declined the invite", "knock", "declined"),
    ("accept", "joined and left"): Row((joins, leaves), "has left by themselves", "leave", "joined"),
    ("accept", "joined, left and asked again"): Row(
        (forwards, joins, leaves, asks_again), "has asked again since, with #2", "knock", "joined"
    ),
    ("accept", "removed by another"): Row(
        (joins, cara("leave")), "@cara:tulip.example has removed @ana", "leave", "joined"
    ),
    ("accept", "banned by another"): Row((joins, cara("ban")), "@cara:tulip.example has banned @ana", "ban", "joined"),
    ("accept", "invited by another too"): Row(
        (cara("invite"),), "@cara:tulip.example has invited @ana", "invite", "accepted"
    ),
    ("reject", "nothing"): Row((), "I invite @ana", "invite", "accepted"),
    ("reject", "joined"): Row(JOINED_ELSEWHERE, "has joined by now", "join", "rejected"),
    ("reject", "asked again"): Row((forwards, asks_again), "has asked again since, with #2", "knock", "rejected"),
    ("reject", "asked again and left"): Row(
        (forwards, asks_again, leaves), "has asked again since, with #2", "leave", "rejected"
    ),
    ("reject", "invited by another"): Row((cara("invite"),), "@cara:tulip.example has invited", "invite", "rejected"),
    ("reject", "banned by another"): Row((cara("ban"),), "@cara:tulip.example has banned @ana", "ban", "rejected"),
    ("ban", "nothing"): Row((), "I lift the ban of @ana", "leave", "rejected"),
    ("ban", "lifted by another"): Row((cara("leave"),), "is already lifted", "leave", "banned"),
    ("ban", "lifted, and joined"): Row((cara("leave"), *JOINED_ELSEWHERE), "has joined by now", "join", "banned"),
    ("ban", "lifted, and asked again"): Row(
        (forwards, cara("leave"), asks_again), "has asked again since, with #2", "knock", "banned"
    ),
    ("ban", "lifted, asked again and left"): Row(
        (forwards, cara("leave"), asks_again, leaves), "has asked again since, with #2", "leave", "banned"
    ),
    ("ban", "lifted, and banned by another"): Row(
        (cara("leave"), cara("ban")), "@cara:tulip.example has banned @ana", "ban", "banned"
    ),
}
"""By verdict and by what has happened since."""

STAYS = {"accept": ("invite", "accepted"), "reject": ("leave", "rejected"), "ban": ("ban", "banned")}
"""Where an applicant is, and what their request is, if nothing is undone."""
AGAIN = {"accept": "/invite", "reject": "/kick", "ban": "/ban"}
"""How to do in a client what was undone."""
UNDONE = {"accept": ("leave", "rejected"), "reject": ("invite", "accepted"), "ban": ("leave", "rejected")}

CREDIT = {"moderator": "by @alice:tulip.example", "rule": "by rule “all of them”", "batch": "by @alice:tulip.example"}
"""Who gave the answer, as it is said."""

WHO = [
    ("moderator", ALICE),
    pytest.param("moderator", BOB, marks=pytest.mark.one_engine),
    pytest.param("rule", ALICE, marks=pytest.mark.one_engine),
    pytest.param("batch", ALICE, marks=pytest.mark.one_engine),
    ("batch", BOB),
]
"""What answered, and who undoes that. The moderator who answered, and who asked for the batch, is Alice."""


async def opened(house: House) -> None:
    """Alice, Bob and Cara are moderators."""
    for who in (BOB, CARA):
        house.world.change(GARDEN, who, who, "join")
        house.world.change(MODS, who, who, "join")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB, CARA)))
    await house.live()


async def given(house: House, verdict: str, source: str) -> None:
    """Ana asked, and was answered."""
    await opened(house)
    if source == "rule":
        await house.set_policy(RULES % verdict)
    asks(house)
    await house.later()
    if source == "moderator":
        house.tell(f"{verdict} 1")
    if source == "batch":
        house.tell(f"{verdict} all")
        await house.live()
        house.world.react(MODS, ALICE, offers(house, "batch")[-1].event_id, "✅")
    await passes(house)


async def passes(house: House) -> None:
    """What is under way is done."""
    for _ in range(4):
        await house.live()
        await house.ring()
        await house.later(2)


async def play(house: House, steps: tuple[Step, ...]) -> None:
    """One thing after another happens."""
    for step in steps:
        happens = step(house)
        if isinstance(happens, Awaitable):
            await happens
        await house.later()


async def undo(house: House, by: str) -> str:
    """Somebody wants it undone, and says yes where they are asked; what is said last."""
    asked = len(offers(house, "undo"))
    house.tell("undo 1", by=by)
    await house.later()
    if len(offers(house, "undo")) > asked:
        house.world.react(MODS, by, question(house), "✅")
        await house.later()
    return spoken(house)[-1]


async def outcome(house: House) -> tuple[str | None, str]:
    first, *_ = await house.requests(ANA)
    assert not first.being_undone
    return house.membership(ANA), first.state


def batch_line(house: House) -> str:
    """What the message of the batch says now."""
    said = [e["content"] for e in house.world.rooms[MODS].said if '"batch"' in dumps(e["content"])]
    return str(said[-1].get("m.new_content", said[-1])["body"])


async def times_undone(house: House) -> int:
    first, *_ = await house.requests(ANA)
    return [kind for _, kind in await house.history(first)].count("undone")


@pytest.mark.parametrize(("source", "by"), WHO)
@pytest.mark.parametrize(("verdict", "meanwhile"), MATRIX)
async def test_what_has_happened_since_decides(
    house: House, verdict: str, meanwhile: str, source: str, by: str
) -> None:
    row = MATRIX[verdict, meanwhile]
    await given(house, verdict, source)
    assert await outcome(house) == STAYS[verdict]
    await play(house, row.meanwhile)
    said = await undo(house, by)

    assert row.said in said
    assert await outcome(house) == (row.membership, row.state)
    done = said.startswith("I ")
    assert await times_undone(house) == done
    assert not done or CREDIT[source] in said
    await passes(house)
    assert await house.jobs("due", "running", "blocked") == {}
    if source == "batch":
        assert (f"1 was undone by {by}: #1" in batch_line(house)) is done


@pytest.mark.parametrize(("source", "by"), WHO)
@pytest.mark.parametrize("verdict", STAYS)
async def test_twice_is_once_and_the_second_is_told_by_whom_and_how_to_go_on(
    house: House, verdict: str, source: str, by: str
) -> None:
    await given(house, verdict, source)
    await undo(house, by)
    for again in (by, ALICE, BOB):
        said = await undo(house, again)
        assert f"was already undone by {by}" in said
        assert f"{AGAIN[verdict]} {ANA}" in said

    assert await outcome(house) == UNDONE[verdict]
    assert await times_undone(house) == 1


@pytest.mark.parametrize(("source", "by"), WHO)
@pytest.mark.parametrize("verdict", STAYS)
async def test_without_the_power_for_the_opposite_nothing_is_undone(
    house: House, verdict: str, source: str, by: str
) -> None:
    await given(house, verdict, source)
    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 100, BOB: 100, CARA: 100, by: 0})
    await house.later()

    assert f"{by} does not have permission for this in Garden" in await undo(house, by)
    assert await outcome(house) == STAYS[verdict]
    other = BOB if by == ALICE else ALICE
    assert (await undo(house, other)).startswith("I ")
    assert await outcome(house) == UNDONE[verdict]


# --- other states -------------------------------------------------------------------------------------------------


def busy(call: str) -> Step:
    """The homeserver does not do this for a long time."""
    return lambda house: house.world.play(call, Later(foreign("busy"), retry_after=3600))


def tells(command: str) -> Step:
    return lambda house: house.tell(command)


async def a_month(house: House) -> None:
    house.clock.go_on(31 * DAY / 1000)
    await house.look_everywhere()
    await house.later()


NEVER_ANSWERED: dict[str, Row] = {
    "not answered": Row((asks,), "has no answer that I could undo", "knock", "pending"),
    "withdrawn": Row((asks, leaves), "withdrew the join request", "leave", "withdrawn"),
    "expired": Row((asks, a_month), "Nobody answered @ana:tulip.example in time", "knock", "expired"),
    "joined by themselves": Row((asks, joins), "has no answer that I could undo", "join", "joined"),
}

NOT_CARRIED_OUT: dict[str, Row] = {
    verdict: Row((busy(call), asks, tells(f"{verdict} 1")), "#1 is open again", "knock", "pending")
    for verdict, call in (("accept", "invite"), ("reject", "kick"), ("ban", "ban"))
}


@pytest.mark.parametrize("by", [ALICE, BOB])
@pytest.mark.parametrize("name", NEVER_ANSWERED)
async def test_what_nobody_answered_is_not_undone_and_that_is_told(house: House, name: str, by: str) -> None:
    row = NEVER_ANSWERED[name]
    await opened(house)
    await play(house, row.meanwhile)

    assert row.said in await undo(house, by)
    assert await outcome(house) == (row.membership, row.state)


@pytest.mark.parametrize("by", [ALICE, BOB])
@pytest.mark.parametrize("name", NOT_CARRIED_OUT)
async def test_what_is_not_carried_out_yet_is_open_again(house: House, name: str, by: str) -> None:
    row = NOT_CARRIED_OUT[name]
    await opened(house)
    await play(house, row.meanwhile)

    assert row.said in await undo(house, by)
    assert await outcome(house) == (row.membership, row.state)
    assert (await house.request(ANA)).awaits_moderators
    await house.later(7200)
    assert await outcome(house) == (row.membership, row.state)


ASKED = "{rules: [{for: redeemed_invite, when: {user: '@*'}, then: forward}], otherwise_third_party: accept}"


async def plants(house: House) -> None:
    await planted(house)


def uses(*, join: bool) -> Step:
    async def redeem(house: House) -> None:
        await redeemed(house, join=join)

    return redeem


def sets(policy: str) -> Step:
    return lambda house: house.set_policy(policy)


INVITES: dict[str, Row] = {
    "not answered": Row((plants,), "has no answer that I could undo", None, "pending"),
    "standing, by a moderator": Row((plants, tells("accept 1")), "I revoke the invite", None, "revoked"),
    "standing, by a rule": Row((sets(STAND), plants), "I revoke the invite", None, "revoked"),
    "revoked, rejected": Row((plants, tells("reject 1")), "a revoked invite cannot be restored", None, "revoked"),
    "redeemed, not joined": Row((sets(STAND), plants, uses(join=False)), "I withdraw the invite", "leave", "rejected"),
    "redeemed, joined, and a yes": Row((sets(STAND), plants, uses(join=True)), "I remove @dave", "leave", "rejected"),
    "guest rejected": Row(
        (sets(ASKED), plants, uses(join=False), tells("reject 1")), "I invite @dave", "invite", "redeemed"
    ),
    "guest banned": Row(
        (sets(ASKED), plants, uses(join=True), tells("ban 1")), "I lift the ban of @dave", "leave", "rejected"
    ),
    "guest banned before they joined": Row(
        (sets(ASKED), plants, uses(join=False), tells("ban 1")), "I invite @dave", "invite", "redeemed"
    ),
}


@pytest.mark.parametrize("by", [ALICE, BOB])
@pytest.mark.parametrize("name", INVITES)
async def test_third_party_invites_and_their_guests(house: House, name: str, by: str) -> None:
    row = INVITES[name]
    await opened(house)
    await play(house, row.meanwhile)

    assert row.said in await undo(house, by)
    request = await invite(house)
    assert (house.membership(DAVE), request.state, request.being_undone) == (row.membership, row.state, False)
    assert [said for said in spoken(house) if said.startswith("⚠️")] == []
