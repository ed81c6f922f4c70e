"""Undo, as one table: each state that a request can be in, by whom it was answered and who undoes it, and what has
happened since: what the room shows then, what the request is, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB = "@bob:tulip.example"
RULES = "rules:\n  - {name: all of them, when: {user: '@ana:*'}, then: %s}\notherwise: forward\n"

Does = Callable[[House], object]


def asks(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")


def answers(verdict: str, by: str = ALICE) -> Does:
    return lambda house: house.tell(f"{verdict} 1", by=by)


def joins(house: House) -> None:
    house.world.change(GARDEN, ANA, ANA, "join")


def leaves(house: House) -> None:
    house.world.change(GARDEN, ANA, ANA, "leave")


def asks_again(house: House) -> None:
    house.world.knock(GARDEN, ANA, "once more")


def bob(membership: str) -> Does:
    return lambda house: house.world.change(GARDEN, BOB, ANA, membership)


def powerless(who: str) -> Does:
    return lambda house: house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 100, BOB: 100, who: 0})


def undoes(which: str = " 1", by: str = ALICE) -> Does:
    return lambda house: house.tell(f"undo{which}", by=by)


def confirms(emoji: str = "✅", by: str = ALICE) -> Does:
    return lambda house: house.world.react(MODS, by, question(house), emoji)


def days(count: int) -> Does:
    return lambda house: house.clock.go_on(count * DAY / 1000)


def question(house: House) -> str:
    """The event of the question about a member."""
    said = [
        one
        for one in house.world.rooms[MODS].said
        if one["content"].get("org.knockbot.prompt", {}).get("kind") == "undo"
    ]
    return str([one for one in said if "m.new_content" not in one["content"]][-1]["event_id"])


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    story: tuple[Does, ...]
    said: str
    """What the last thing that the bot says has in it."""
    membership: str | None
    state: str
    card: str = ""
    """What the card has in it."""
    policy: str = ""
    records: tuple[str, ...] = field(default=())


ACCEPTED = (asks, answers("accept"))
JOINED = (*ACCEPTED, joins)
REJECTED = (asks, answers("reject"))
BANNED = (asks, answers("ban"))

TABLE: dict[str, Row] = {
    # Accepted, not joined.
    "accepted, by the same": Row(
        (*ACCEPTED, undoes()),
        "I withdraw the invite of @ana",
        "leave",
        "rejected",
        "Undone by @alice:tulip.example: the invite was withdrawn, after @alice",
    ),
    "accepted, the own last answer": Row((*ACCEPTED, undoes("")), "I withdraw the invite", "leave", "rejected"),
    "accepted, by another": Row(
        (*ACCEPTED, undoes(by=BOB)), "accepted by @alice", "leave", "rejected", "Undone by @bob:tulip.example"
    ),
    "accepted, another's own last answer": Row(
        (*ACCEPTED, undoes("", by=BOB)), "nothing here that I could undo", "invite", "accepted"
    ),
    "accepted, the power is lost": Row(
        (*ACCEPTED, powerless(ALICE), undoes()), "does not have permission", "invite", "accepted"
    ),
    "accepted, joined since, no answer": Row((*JOINED, undoes()), "", "join", "joined"),
    "accepted, joined since, yes": Row(
        (*JOINED, undoes(), confirms()), "I remove @ana", "leave", "rejected", "removed from the room, after @alice"
    ),
    "accepted, joined since, no": Row((*JOINED, undoes(), confirms("❌")), "", "join", "joined"),
    "accepted, joined since, another says yes": Row(
        (*JOINED, undoes(), confirms(by=BOB)), "Only @alice:tulip.example can answer", "join", "joined"
    ),
    "accepted, joined since, yes without the power": Row(
        (*JOINED, undoes(), powerless(ALICE), confirms()), "does not have permission", "join", "joined"
    ),
    "accepted, joined and left since, yes": Row(
        (*JOINED, undoes(), leaves, confirms()), "has left by themselves", "leave", "joined"
    ),
    "accepted, joined and left": Row((*JOINED, leaves, undoes()), "has left by themselves", "leave", "joined"),
    "accepted, joined and banned by another": Row(
        (*JOINED, bob("ban"), undoes()), "@bob:tulip.example has banned", "ban", "joined"
    ),
    "accepted, declined": Row((*ACCEPTED, leaves, undoes()), "declined the invite", "leave", "declined"),
    "accepted, withdrawn by another client": Row(
        (*ACCEPTED, bob("leave"), undoes()), "I invite @ana", "invite", "accepted"
    ),
    "accepted, banned by another": Row((*ACCEPTED, bob("ban"), undoes()), "I lift the ban", "leave", "rejected"),
    "accepted, banned by another, the own last answer": Row(
        (*ACCEPTED, bob("ban"), undoes("")), "has another answer now, by @bob", "ban", "banned"
    ),
    "accepted, left and asked again": Row(
        (*ACCEPTED, leaves, asks_again, undoes()), "declined the invite", "knock", "declined"
    ),
    "accepted, twice": Row((*ACCEPTED, undoes(), undoes()), "already undone by @alice", "leave", "rejected"),
    "accepted, twice, by another": Row(
        (*ACCEPTED, undoes(), undoes(by=BOB)), "/invite @ana:tulip.example", "leave", "rejected"
    ),
    "accepted, the own last answer, twice": Row(
        (*ACCEPTED, undoes(""), undoes("")), "already undone", "leave", "rejected"
    ),
    "accepted, undone, asked again": Row(
        (*ACCEPTED, undoes(), asks_again, undoes("")), "already undone", "knock", "rejected"
    ),
    "accepted by a rule": Row(
        (asks, undoes()), "accepted by rule “all of them”", "leave", "rejected", policy=RULES % "accept"
    ),
    "accepted by a rule, the own last answer": Row(
        (asks, undoes("")), "nothing here", "invite", "accepted", policy=RULES % "accept"
    ),
    "accepted by a rule, joined, yes": Row(
        (asks, joins, undoes(), confirms()), "I remove", "leave", "rejected", policy=RULES % "accept"
    ),
    "accepted in another client": Row((asks, bob("invite"), undoes()), "accepted by @bob", "leave", "rejected"),
    "eight days ago": Row((*ACCEPTED, days(8), undoes()), "only answers of the last 7 days", "invite", "accepted"),
    "six days ago": Row((*ACCEPTED, days(6), undoes()), "I withdraw", "leave", "rejected"),
    # Rejected.
    "rejected, by the same": Row(
        (*REJECTED, undoes()),
        "I invite @ana",
        "invite",
        "accepted",
        "Undone by @alice:tulip.example: invited, after @alice",
    ),
    "rejected, then joins": Row(
        (*REJECTED, undoes(), joins), "I invite", "join", "joined", "Joined. Accepted by @alice"
    ),
    "rejected, then declines": Row((*REJECTED, undoes(), leaves), "I invite", "leave", "declined"),
    "rejected, by another": Row((*REJECTED, undoes(by=BOB)), "rejected by @alice", "invite", "accepted"),
    "rejected, the power is lost": Row(
        (*REJECTED, powerless(ALICE), undoes()), "does not have permission", "leave", "rejected"
    ),
    "rejected, asked again": Row((*REJECTED, asks_again, undoes()), "has asked again since", "knock", "rejected"),
    "rejected, invited by another": Row(
        (*REJECTED, bob("invite"), undoes()), "@bob:tulip.example has invited", "invite", "rejected"
    ),
    "rejected, joined by another way": Row(
        (*REJECTED, bob("invite"), joins, undoes()), "has joined by now", "join", "rejected"
    ),
    "rejected, banned by another": Row(
        (*REJECTED, bob("ban"), undoes()), "@bob:tulip.example has banned", "ban", "rejected"
    ),
    "rejected, twice": Row((*REJECTED, undoes(), undoes()), "/kick @ana:tulip.example", "invite", "accepted"),
    "rejected by a rule": Row(
        (asks, undoes()), "rejected by rule “all of them”", "invite", "accepted", policy=RULES % "reject"
    ),
    # Banned.
    "banned, by the same": Row(
        (*BANNED, undoes()), "I lift the ban of @ana", "leave", "rejected", "the ban by @alice:tulip.example was lifted"
    ),
    "banned, by another": Row((*BANNED, undoes(by=BOB)), "banned by @alice", "leave", "rejected"),
    "banned, then asks again": Row((*BANNED, undoes(), asks_again), "I lift", "knock", "rejected"),
    "banned, the power is lost": Row(
        (*BANNED, powerless(ALICE), undoes()), "does not have permission", "ban", "banned"
    ),
    "banned, lifted by another": Row((*BANNED, bob("leave"), undoes()), "already lifted", "leave", "banned"),
    "banned, lifted and asked again": Row(
        (*BANNED, bob("leave"), asks_again, undoes()), "has asked again", "knock", "banned"
    ),
    "banned, twice": Row((*BANNED, undoes(), undoes()), "already undone", "leave", "rejected"),
    "banned by a rule": Row(
        (asks, undoes()), "banned by rule “all of them”", "leave", "rejected", policy=RULES % "ban"
    ),
    # Nothing to undo.
    "not answered": Row((asks, undoes()), "no answer that I could undo", "knock", "pending"),
    "withdrawn": Row((asks, leaves, undoes()), "withdrew the join request", "leave", "withdrawn"),
    "joined by themselves": Row((asks, joins, undoes()), "no answer that I could undo", "join", "joined"),
    "nothing of one's own": Row((asks, undoes("")), "answered nothing here", "knock", "pending"),
    "unknown": Row((asks, undoes(" 7")), "7", "knock", "pending"),
}


@pytest.mark.parametrize("name", TABLE)
async def test_an_undo_does_and_says_what_the_table_says(house: House, name: str) -> None:
    row = TABLE[name]
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.change(MODS, BOB, BOB, "join")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    if row.policy:
        await house.set_policy(row.policy)
    await house.live()
    for step in row.story:
        step(house)
        await house.later()
    request, *_ = await house.requests(ANA)

    assert row.said in house.spoken()[-1]
    assert (house.membership(ANA), request.state) == (row.membership, row.state)
    assert request.being_undone is False
    if row.card:
        assert row.card in house.card().text
