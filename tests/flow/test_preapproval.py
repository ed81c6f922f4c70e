"""People are approved before they knock: by whose word that counts, until when, and what becomes of those who wait."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from knockbot.demo.people import until
from knockbot.domain.approvals import end_of
from knockbot.domain.model import Because, MemberChange, Rejudge, State
from knockbot.domain.notices import because
from knockbot.engine.turn import Handled
from knockbot.errors import Later, Never
from knockbot.features.preapproval import giving
from knockbot.flow import standings
from knockbot.flow.context import Context
from knockbot.store import approvals, judgements
from knockbot.store import rooms as stored_rooms
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, levels_for

BOB = "@bob:tulip.example"
RULES = "rules: [{name: friends, when: {pre_approved: true}, then: accept}]"


@pytest.fixture
async def house(house: House) -> House:
    """A garden whose policy asks who is pre-approved, with bob as a second moderator."""
    house.world.change(GARDEN, ALICE, BOB, "join")
    house.world.change(MODS, ALICE, BOB, "join")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.set_policy(RULES)
    await house.live()
    return house


async def told(house: House, command: str, *, by: str = ALICE) -> str:
    """Somebody types a command; returns the reply."""
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    [*said] = [text for text in house.spoken()[before:] if not text.startswith(("✅ #", "❌ #"))]
    return said[0]


def day_in(house: House, days: int) -> date:
    """The day it is in so many days."""
    return datetime.fromtimestamp(house.clock() / 1000 + days * DAY / 1000, UTC).date()


async def knocks(house: House, user: str, reason: str = "") -> State:
    """Somebody knocks; returns what becomes of it."""
    house.world.knock(GARDEN, user, reason)
    await house.live()
    return (await house.requests(user))[-1].state


async def reasons(house: House, user: str) -> list[Because]:
    """Why the only request of somebody was judged each time."""
    request = await house.request(user)
    async with house.db.tx() as tx:
        return [one.because for one in await judgements.of_request(tx, request.id)]


async def number_of_approvals(house: House) -> int:
    async with house.db.tx() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM approvals"))


async def test_who_is_approved_is_let_in_when_they_knock(house: House) -> None:
    said = await told(house, f"allow {ANA} from the choir")

    assert said == f"✅ Pre-approved for Garden: {ANA}.\nnote: from the choir"
    assert await knocks(house, ANA) is State.ACCEPTED
    assert await knocks(house, BEA) is State.PENDING
    assert (await house.request(ANA)).answer is not None


async def test_whoever_is_not_in_the_room_or_has_no_power_there_approves_nobody(house: House) -> None:
    house.world.change(MODS, ALICE, "@cleo:tulip.example", "join")
    house.world.change(MODS, ALICE, "@dora:tulip.example", "join")
    house.world.change(GARDEN, ALICE, "@dora:tulip.example", "join")

    for command in (f"allow {ANA}", f"disallow {ANA}"):
        assert "Only members of Garden can pre-approve people there." in await told(
            house, command, by="@cleo:tulip.example"
        )
        said = await told(house, command, by="@dora:tulip.example")
        assert "@dora:tulip.example does not have permission for this in Garden" in said
    assert await knocks(house, ANA) is State.PENDING
    assert "Nobody is pre-approved for Garden." in await told(house, "allowed", by="@cleo:tulip.example")


async def test_to_approve_somebody_again_tells_the_old_end_and_the_new_one(house: House) -> None:
    day = day_in(house, 30)
    await told(house, f"allow {ANA} until {day}")
    said = await told(house, f"allow {ANA} choir")
    assert f"You had pre-approved {ANA} before, until {day} (UTC). Now it counts without an end." in said
    said = await told(house, f"allow until {day}\n{ANA}\n{BEA}")
    assert f"You had pre-approved {ANA} before, without an end. Now it counts until {day} (UTC)." in said
    assert "Now it counts" not in (said := await told(house, f"allow {ANA} until {day} another note"))
    assert f"You had pre-approved {ANA} before." in said
    said = await told(house, f"allow\n{ANA}\n{BEA}")
    assert f"You had pre-approved them before: {ANA}, {BEA}. The new dates and notes count." in said


async def test_in_a_reply_to_a_card_the_applicant_and_their_room_are_meant(house: House) -> None:
    park = "!park:tulip.example"
    house.world.room(park, "Park", ALICE, BOT, levels=levels_for())
    await house.protect(park, policy="otherwise: forward")
    house.world.knock(park, BEA)
    await house.live()
    card = house.card().event_id

    for command, note in (("allow", ""), ("allow choir", "choir"), (f"allow {ANA}", ""), ("allow Garden alto", "alto")):
        house.tell(command, reply_to=card)
        await house.live()
        who = ANA if ANA in command else BEA
        room = "Garden" if "Garden" in command else "Park"
        assert house.spoken()[-1].startswith(f"✅ Pre-approved for {room}: {who}.") or note
        async with house.db.tx() as tx:
            found = await tx.fetch("SELECT room_id, who, note FROM approvals")
        where = GARDEN if room == "Garden" else park
        assert (where, who, note) in [(row["room_id"], row["who"], row["note"]) for row in found]


async def test_a_word_that_is_nearly_the_name_of_the_only_room_is_asked_about(house: House) -> None:
    assert "Is “Garten” the room Garden, or a note?" in await told(house, f"allow {ANA} Garten")
    assert await number_of_approvals(house) == 0
    assert "note: Garten" in await told(house, f"allow {ANA} “Garten”")
    assert "note: gardener" not in await told(house, f"allow {BEA} gardener")
    assert "note: market" in await told(house, f"allow {BEA} market")


async def test_disallow_takes_no_note_so_another_word_is_an_unknown_room(house: House) -> None:
    said = await told(house, f"disallow {ANA} Garten")
    assert said == "Garten is not managed from this room. !kb rooms shows which rooms are."


async def test_a_user_id_with_capital_letters_is_told_to_be_another_one(house: House) -> None:
    said = "{} and {} are two accounts."
    assert said.format("@Ana:Tulip.example", "@ana:tulip.example") in await told(house, "allow @Ana:Tulip.example")
    assert "two accounts" not in await told(house, f"allow {ANA}")


async def test_an_edited_file_is_not_taken(house: House) -> None:
    await sent(house, CSV, None)
    [file] = [event for event in house.world.rooms[MODS].said if event["content"].get("msgtype") == "m.file"]
    house.world.play("attached", Never(because("file.edited")))
    house.tell("allow", reply_to=file["event_id"])
    await house.live()
    assert house.spoken()[-1] == (
        "I could not read the file: it was edited after it was sent. Send it again as a new message."
    )
    assert await rows(house) == []


async def test_who_waits_is_judged_again_once_they_are_approved(house: House) -> None:
    assert await knocks(house, ANA) is State.PENDING
    assert await knocks(house, BEA) is State.PENDING

    said = await told(house, f"allow {ANA}")

    assert said.endswith(f"{ANA} is waiting for an answer. I judge this request again.")
    request = await house.request(ANA)
    assert request.state is State.ACCEPTED
    assert await reasons(house, ANA) == [Because.ARRIVED, Because.PRE_APPROVAL]
    assert await reasons(house, BEA) == [Because.ARRIVED]


async def test_who_is_approved_while_their_knock_is_being_judged_is_not_left_out(house: House) -> None:
    """The facts of the knock are gathered, then the approval is written, and only then the judgement."""
    as_ever = house.arrivals._handlers[MemberChange]

    async def meanwhile(context: Context, change: MemberChange) -> Handled:
        handled = await as_ever(context, change)
        house.tell(f"allow {ANA}")
        await house.deliver()
        await house.arrivals._start_rooms()
        await until(partial(number_of_approvals, house), bool, lambda _: "nobody was approved")
        return handled

    house.arrivals._handlers = {**house.arrivals._handlers, MemberChange: meanwhile}
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.arrivals._handlers = {**house.arrivals._handlers, MemberChange: as_ever}
    await house.live()

    assert await reasons(house, ANA) == [Because.ARRIVED, Because.PRE_APPROVAL]
    assert (await house.request(ANA)).state is State.ACCEPTED


async def test_everybody_from_a_server_is_approved_without_its_port_and_case(house: House) -> None:
    said = await told(house, "allow *:ROSE.example")

    assert said == "✅ Pre-approved for Garden: everybody from rose.example."
    assert await knocks(house, "@rosa:rose.example") is State.ACCEPTED
    assert await knocks(house, "@rosa:Rose.example:443") is State.ACCEPTED
    assert await knocks(house, "@rosa:notrose.example") is State.PENDING


async def test_an_approval_ends_with_its_day(house: House) -> None:
    day = day_in(house, 1)
    assert await told(house, f"allow {ANA} until {day}") == f"✅ Pre-approved for Garden: {ANA}.\nuntil {day} (UTC)"
    await told(house, f"allow {BEA} until {day}")

    house.clock.go_on(DAY / 1000)
    assert await knocks(house, ANA) is State.ACCEPTED

    house.clock.go_on(DAY / 1000)
    assert await knocks(house, BEA) is State.PENDING
    assert await told(house, "allowed") == "Nobody is pre-approved for Garden."
    await house.ring()
    assert await number_of_approvals(house) == 0


async def test_an_approval_counts_only_while_whoever_gave_it_could_accept_by_hand(house: House) -> None:
    await told(house, f"allow {ANA} {GARDEN}", by=BOB)
    house.world.set_levels(GARDEN, **levels_for((ALICE,)))
    await house.live()

    assert await knocks(house, ANA) is State.PENDING
    assert f"{BOB} pre-approved them, but this has no effect now" in house.card().text
    assert "level 50 is needed" in house.card().text
    assert f"⚠️ What {BOB} pre-approved has no effect now" in await told(house, "allowed")

    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    house.world.change(GARDEN, BOB, BOB, "leave")
    await house.live()
    assert "who is not in the room now" in await told(house, f"test {GARDEN} {ANA}")


async def test_who_waits_is_judged_again_once_their_approver_has_the_power_again(house: House) -> None:
    await told(house, f"allow {ANA} {GARDEN}", by=BOB)
    house.world.set_levels(GARDEN, **levels_for((ALICE,)))
    await house.live()
    assert await knocks(house, ANA) is State.PENDING
    assert await knocks(house, BEA) is State.PENDING

    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.live()

    assert (await house.request(ANA)).state is State.ACCEPTED
    assert await reasons(house, ANA) == [Because.ARRIVED, Because.PRE_APPROVAL]
    assert await reasons(house, BEA) == [Because.ARRIVED]


async def test_an_approver_who_comes_back_has_who_waits_judged_again(house: House) -> None:
    await told(house, f"allow {ANA} {GARDEN}", by=BOB)
    house.world.change(GARDEN, BOB, BOB, "leave")
    assert await knocks(house, ANA) is State.PENDING
    assert await knocks(house, BEA) is State.PENDING

    house.world.change(GARDEN, ALICE, BOB, "join")
    await house.live()

    assert (await house.request(ANA)).state is State.ACCEPTED
    assert await reasons(house, BEA) == [Because.ARRIVED]


def loses_the_power(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][BOB] = 0


def leaves_unheard(house: House) -> None:
    house.world.change(GARDEN, BOB, BOB, "leave")
    house.world.outbox.clear()


def is_banned_unheard(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOB, "ban")
    house.world.outbox.clear()


GIVERS_FALL: Mapping[Callable[[House], None], str] = {
    loses_the_power: f"{BOB} pre-approved them, but this has no effect now",
    leaves_unheard: f"{BOB} pre-approved them, but this has no effect now",
    is_banned_unheard: f"{BOB} pre-approved them, but this has no effect now",
}


@pytest.mark.parametrize("falls", GIVERS_FALL)
async def test_whether_the_approver_may_accept_is_looked_at_again_right_before_the_invite(
    house: House, falls: Callable[[House], None]
) -> None:
    await told(house, f"allow {ANA} {GARDEN}", by=BOB)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    assert (await house.request(ANA)).answer is not None

    falls(house)
    house.clock.go_on(standings.IMMEDIATE / 1000 + 1)
    await house.work()
    await house.live()

    assert (house.membership(ANA), (await house.request(ANA)).awaits_moderators) == ("knock", True)
    assert GIVERS_FALL[falls] in house.card().text
    assert await reasons(house, ANA) == [Because.ARRIVED, Because.FACTS_CHANGED]

    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    if house.membership(BOB) != "join":
        house.world.change(GARDEN, ALICE, BOB, "join")
    await house.live()
    assert house.membership(ANA) == "invite"


@pytest.mark.parametrize("command", [f"disallow {ANA}", f"disallow {ANA} {GARDEN}"])
async def test_an_approval_taken_back_before_the_invite_is_sent_invites_nobody(house: House, command: str) -> None:
    await told(house, f"allow {ANA}", by=BOB)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.tell(command)
    await house.live()

    assert (house.membership(ANA), (await house.request(ANA)).awaits_moderators) == ("knock", True)
    assert await reasons(house, ANA) == [Because.ARRIVED, Because.FACTS_CHANGED]


async def test_an_approval_whose_day_is_over_before_the_invite_is_sent_invites_nobody(house: House) -> None:
    await told(house, f"allow {ANA} until {day_in(house, 0)}")
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.clock.go_on(DAY / 1000)
    await house.work()
    await house.live()

    assert (house.membership(ANA), (await house.request(ANA)).awaits_moderators) == ("knock", True)


async def test_another_approval_that_counts_is_enough_right_before_the_invite(house: House) -> None:
    await told(house, f"allow {ANA} {GARDEN}", by=BOB)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    async with house.db.tx() as tx:
        [given] = await approvals.newest(tx, GARDEN, house.clock(), 2)
        await approvals.give(tx, [replace(given, given_by=ALICE)])
    leaves_unheard(house)
    house.clock.go_on(standings.IMMEDIATE / 1000 + 1)
    await house.live()

    assert house.membership(ANA) == "invite"
    assert await reasons(house, ANA) == [Because.ARRIVED]


async def test_what_a_moderator_accepts_needs_no_approval(house: House) -> None:
    await told(house, f"allow {ANA} {GARDEN}", by=BOB)
    house.world.set_levels(GARDEN, **levels_for((ALICE,)))
    assert await knocks(house, ANA) is State.PENDING
    house.click("✅")
    await house.live()
    assert house.membership(ANA) == "invite"


async def test_of_several_approvals_any_that_counts_is_enough(house: House) -> None:
    await told(house, f"allow {ANA}")
    house.clock.go_on(1)
    await told(house, "allow *:tulip.example", by=BOB)
    house.world.change(GARDEN, ALICE, BOB, "leave")
    await house.live()

    assert await knocks(house, ANA) is State.ACCEPTED
    assert await knocks(house, BEA) is State.PENDING
    assert f"{BOB} pre-approved them, but this has no effect now" in house.card().text


async def test_an_approval_is_taken_back_by_anybody_who_could_give_it(house: House) -> None:
    await told(house, f"allow {ANA}", by=BOB)
    await told(house, f"allow {ANA}")
    await told(house, "allow *:tulip.example until 2100-01-01 all of us")

    said = await told(house, f"disallow {ANA}")
    assert said == (
        f"✅ No longer pre-approved for Garden: {ANA}.\n"
        "⚠️ Everybody from tulip.example is still pre-approved. To change that, type !kb disallow *:tulip.example."
    )
    assert await told(house, f"disallow {ANA}") == (
        f"Not pre-approved for Garden, so nothing to take back: {ANA}.\n"
        "⚠️ Everybody from tulip.example is still pre-approved. To change that, type !kb disallow *:tulip.example."
    )
    assert await told(house, "disallow *:tulip.example") == (
        "✅ No longer pre-approved for Garden: everybody from tulip.example."
    )
    assert await knocks(house, ANA) is State.PENDING


async def test_who_was_accepted_stays_invited_when_the_approval_goes_and_that_is_told(house: House) -> None:
    await told(house, f"allow {ANA}")
    assert await knocks(house, ANA) is State.ACCEPTED

    said = await told(house, f"disallow {ANA}")

    assert f"⚠️ Already accepted, and still invited: {ANA}." in said
    assert house.membership(ANA) == "invite"


@pytest.mark.parametrize("listed", [False, True])
async def test_those_of_a_server_who_are_still_invited_are_named_when_its_approval_goes(
    house: House, listed: bool
) -> None:
    """Alone, and in a list; of many the first ten."""
    await told(house, f"allow *:{HOME}")
    users = [f"@u{place:02}:{HOME}" for place in range(12)]
    for user in users:
        assert await knocks(house, user) is State.ACCEPTED
    house.world.change(GARDEN, users[0], users[0], "join")
    await house.live()

    said = await told(house, f"disallow\n*:other.example\n*:{HOME}" if listed else f"disallow *:{HOME}")

    assert f"⚠️ Already accepted, and still invited: {', '.join(users[1:11])} and 1 more." in said
    assert users[0] not in said


async def test_who_waits_is_judged_again_when_the_approval_goes(house: House) -> None:
    await house.set_policy("rules: [{name: strangers, when: {pre_approved: false}, then: reject}]")
    await told(house, f"allow {ANA}")
    assert await knocks(house, ANA) is State.PENDING

    said = await told(house, f"disallow {ANA}")

    assert said.endswith(f"{ANA} is waiting for an answer. I judge this request again.")
    assert (await house.request(ANA)).state is State.REJECTED


async def test_an_approval_stays_after_it_was_used(house: House) -> None:
    await told(house, f"allow {ANA}")
    assert await knocks(house, ANA) is State.ACCEPTED
    house.world.change(GARDEN, ANA, ANA, "join")
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()

    assert await knocks(house, ANA) is State.ACCEPTED


@pytest.mark.parametrize("how", ["leave", "ban"])
@pytest.mark.parametrize("whom", [ANA, "*:tulip.example"])
async def test_an_approval_counts_no_more_for_who_was_kicked_or_banned_since(house: House, how: str, whom: str) -> None:
    await told(house, f"allow {whom}")
    assert await knocks(house, ANA) is State.ACCEPTED
    house.world.change(GARDEN, ANA, ANA, "join")
    house.world.change(GARDEN, BOB, ANA, how)
    await house.live()
    if how == "ban":
        house.world.change(GARDEN, BOB, ANA, "leave")

    assert await knocks(house, ANA) is State.PENDING
    assert f"{BOB} has removed them from the room since then" in house.cards()[-1].text
    assert await knocks(house, BEA) is (State.PENDING if whom == ANA else State.ACCEPTED)

    await house.later(1)
    await told(house, f"allow {ANA}")
    assert (await house.requests(ANA))[-1].state is State.ACCEPTED


async def test_a_policy_that_does_not_ask_is_told_with_the_rule_that_is_missing(house: House) -> None:
    await house.set_policy("otherwise: forward")
    assert await knocks(house, ANA) is State.PENDING

    said = await told(house, f"allow {ANA}")

    assert "⚠️ No rule in the policy of Garden asks for pre_approved" in said
    assert "when: { pre_approved: true }" in said
    assert await reasons(house, ANA) == [Because.ARRIVED]
    rule = said[said.index("rules:") :]
    house.tell(f"policy set {GARDEN}\n{rule}")
    await house.live()
    await told(house, f"allow {ANA}")
    assert (await house.request(ANA)).state is State.ACCEPTED


async def test_a_pasted_list_is_taken_as_a_whole_or_not_at_all(house: House) -> None:
    said = await told(house, f"allow until 2030-01-31 choir\n- {ANA}\n- @no-one\n\n{BEA} until 2020-01-01\n@a*:b.c")
    assert said == (
        "Nothing is changed, because 3 lines are wrong:\n"
        "line 3: This is not a user ID and not a server: “@no-one”. Write the full user ID (@ana:example.org), "
        "or *:example.org for everybody from a server.\n"
        "line 5: 2020-01-01 is in the past.\n"
        "line 6: This is a pattern: “@a*:b.c”. You can pre-approve a user, or everybody from a server. "
        "For other patterns, write a rule with user into the policy."
    )
    assert await number_of_approvals(house) == 0

    said = await told(house, f"allow until 2030-01-31 choir\n- {ANA}\n1. {BEA} until 2030-02-28 alto\n{ANA}")
    assert said == (
        f"✅ Pre-approved for Garden: {ANA}, {BEA}.\n"
        "1 line names somebody whom a later line names again. The later line counts."
    )
    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT who, until, note FROM approvals ORDER BY who")
    assert [(row["who"], row["until"], row["note"]) for row in rows] == [
        (ANA, end_of(date(2030, 1, 31)), "choir"),
        (BEA, end_of(date(2030, 2, 28)), "alto"),
    ]


async def test_a_day_ends_by_the_clocks_of_the_room(house: House) -> None:
    await house.set_policy(f"timezone: Europe/Berlin\n{RULES}")
    said = await told(house, f"allow {ANA} until 2030-07-01")
    assert said == f"✅ Pre-approved for Garden: {ANA}.\nuntil 2030-07-01 (Europe/Berlin)"
    async with house.db.tx() as tx:
        assert await tx.fetchval("SELECT until FROM approvals") == end_of(date(2030, 7, 1)) - 2 * 60 * 60 * 1000
    assert "until 2030-07-01 (Europe/Berlin)" in await told(house, "allowed")


# --- files ----------------------------------------------------------------------------------------------------

CSV = f"\ufeffuser;until;note\r\n{ANA};2030-01-31;Anna, alto\r\n*:rose.example;;\r\n".encode()


async def rows(house: House) -> list[tuple[str, int | None, str]]:
    """Who is approved, until when, with which note."""
    async with house.db.tx() as tx:
        found = await tx.fetch("SELECT who, until, note FROM approvals ORDER BY who")
    return sorted((row["who"], row["until"], row["note"]) for row in found)


async def sent(house: House, content: bytes, caption: str | None, *, by: str = ALICE, **more: Any) -> list[str]:
    """Somebody sends a file; returns what the bot says to that."""
    before = len(house.spoken())
    house.world.send_file(MODS, by, content, caption, **more)
    await house.live()
    return house.spoken()[before:]


@pytest.mark.parametrize("caption", ["!kb allow", "!kb allow until 2031-01-01 choir", f"!kb allow {GARDEN}"])
async def test_a_csv_file_with_the_command_as_its_caption_is_taken(house: House, caption: str) -> None:
    [said] = await sent(house, CSV, caption)

    assert said.startswith(f"✅ Pre-approved for Garden: {ANA}, everybody from rose.example.")
    later = (end_of(date(2031, 1, 1)), "choir") if "choir" in caption else (None, "")
    assert await rows(house) == [("*:rose.example", *later), (ANA, end_of(date(2030, 1, 31)), "Anna, alto")]


async def test_a_csv_file_is_taken_where_the_command_is_a_reply_to_it(house: House) -> None:
    assert await sent(house, CSV, None) == []
    [file] = [event for event in house.world.rooms[MODS].said if event["content"].get("msgtype") == "m.file"]

    assert house.world.asked("content") == []
    house.tell("allow", reply_to=file["event_id"])
    await house.live()
    assert house.spoken()[-1].startswith(f"✅ Pre-approved for Garden: {ANA}")
    house.tell("disallow", reply_to=file["event_id"])
    await house.live()
    assert house.spoken()[-1] == f"✅ No longer pre-approved for Garden: {ANA}, everybody from rose.example."
    assert await rows(house) == []


async def test_a_file_and_whoever_is_named_beside_it_are_one_list(house: House) -> None:
    await sent(house, CSV, f"!kb allow {BEA} Bea\n{BOB} until 2032-01-01")
    assert [who for who, _, _ in await rows(house)] == ["*:rose.example", ANA, BEA, BOB]


async def test_a_reply_to_what_is_no_file_asks_whom(house: House) -> None:
    other = house.world.say(MODS, ALICE, "hello")
    house.tell("allow", reply_to=other)
    await house.live()
    assert house.spoken()[-1].startswith("Whom? Write the user before the room")


async def test_a_file_is_not_even_downloaded_for_who_may_not_approve(house: House) -> None:
    house.world.change(MODS, ALICE, "@cleo:tulip.example", "join")
    [said] = await sent(house, CSV, "!kb allow", by="@cleo:tulip.example")
    assert "Only members of Garden can pre-approve people there." in said
    assert house.world.asked("content") == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04", "This file is a spreadsheet."),
        ("@ana:tulip.example,Größe".encode("latin-1"), "This file is no CSV in UTF-8."),
        (b"", "The list names nobody."),
        (f"{ANA}\nnobody\n".encode(), "Nothing is changed, because 1 line is wrong:\nline 2: "),
        (b"x" * (5 * 2**20 + 1), "The file is larger than 5 MiB. Send the list in parts."),
        ("\n".join(f"@u{n}:tulip.example" for n in range(100_000)).encode(), "the list has more than 10,000 entries"),
    ],
    ids=["spreadsheet", "encoding", "empty", "line", "large", "long"],
)
async def test_nothing_of_a_file_with_a_mistake_is_taken(house: House, content: bytes, says: str) -> None:
    [said] = await sent(house, content, "!kb allow")
    assert says in said
    assert await rows(house) == []


async def test_the_longest_list_is_taken_at_once(house: House) -> None:
    house.world.knock(GARDEN, "@u9999:tulip.example")
    await house.live()
    content = "\n".join(f"@u{number}:tulip.example" for number in range(10_000)).encode()

    said = await sent(house, content, "!kb allow")

    assert "@u4:tulip.example and 9,995 more." in said[0]
    assert "1 of them is waiting for an answer." in said[0]
    assert (await house.request("@u9999:tulip.example")).state is State.ACCEPTED
    assert await number_of_approvals(house) == 10_000


async def test_a_file_that_cannot_be_had_is_told_with_why(house: House) -> None:
    house.world.play("content", Never(because("file.not_opened")))
    assert await sent(house, CSV, "!kb allow") == ["I could not read the file: it does not fit its key."]
    [said] = await sent(house, CSV, "!kb allow", url="mxc://tulip.example/elsewhere")
    assert said == "I could not read the file: the homeserver did not find this."


async def test_while_the_homeserver_is_silent_a_file_waits(house: House) -> None:
    house.world.play("content", Later(because("homeserver.no_token"), unreachable=True))
    assert await sent(house, CSV, "!kb allow") == []
    await house.later(120)
    assert len(await rows(house)) == 2


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("allow", "Whom? Write the user before the room"),
        ("allow ana", "Whom? Write the user before the room"),
        ("allow @ana", "This is not a user ID and not a server: “@ana”"),
        (f"allow {BOT}", f"{BOT} is myself. Nobody has to pre-approve me."),
        (f"allow\n{ANA}\n{BOT}", f"{BOT} is myself."),
        (f"allow @{'x' * 250}:tulip.example", "A user ID has at most 255 bytes"),
        (f"allow {ANA} until “”", "The date after until is missing. Write it like this: "),
        ("allow *", "This is not a user ID and not a server: “*”"),
        ("allow *:*.example", "This is a pattern: “*:*.example”"),
        ("allow @*a:b.example", "This is a pattern: “@*a:b.example”"),
        (f"allow {ANA} until", "The date after until is missing"),
        (f"allow {ANA} until tomorrow", "This is not a date: “tomorrow”"),
        (f"allow {ANA} until 24.12.2030", "This is not a date: “24.12.2030”. Write it like this: "),
        (f"allow {ANA} until 2030-02-30", "This is not a date: “2030-02-30”"),
        (f"allow {ANA} until 2001-01-01", "2001-01-01 is in the past."),
        (f"allow {ANA} until 9999-12-31", "9999-12-31 is too late"),
        (f"allow\n{ANA} until 9999-12-31", "9999-12-31 is too late"),
        (f"allow {ANA} {BEA}", "each of them needs a line of their own"),
        (f"allow {ANA}, {BEA}", "each of them needs a line of their own"),
        (f"allow {ANA} #nowhere:tulip.example", "#nowhere:tulip.example"),
        (f"allow {ANA} {'x' * 301}", "The note has more than 300 characters."),
        (f"disallow {ANA} because", "I do not understand “because” here."),
        ("disallow", "Whom? Write the user before the room"),
    ],
)
async def test_a_mistake_is_told_and_nothing_is_changed(house: House, command: str, says: str) -> None:
    assert says in await told(house, command)
    assert await number_of_approvals(house) == 0


async def test_of_several_rooms_one_has_to_be_named_and_no_other_is_touched(house: House) -> None:
    house.world.room("!park:tulip.example", "Park", ALICE, BOT, levels=levels_for())
    house.world.room("!secret:tulip.example", "Secret", ALICE, BOT, levels=levels_for())
    house.world.room("!others:tulip.example", "Others", ALICE, BOT, levels=levels_for())
    await house.protect("!park:tulip.example")
    await house.protect("!secret:tulip.example", "!others:tulip.example")

    assert "Which room?" in await told(house, f"allow {ANA} until 2030-01-01")
    unknown = await told(house, f"allow {ANA} !nowhere:tulip.example")
    assert await told(house, f"allow {ANA} !secret:tulip.example") == unknown.replace("nowhere", "secret")
    assert (await told(house, f"allow {ANA} Park until 2030-01-01 hello")).startswith("✅ Pre-approved for Park")
    assert await told(house, "allowed") == (
        "Nobody is pre-approved for Garden.\n1 entry is pre-approved for Park:\n"
        f"{ANA}, by {ALICE} · until 2030-01-01 (UTC) · note: hello"
    )
    assert await knocks(house, ANA) is State.PENDING


async def test_a_room_takes_only_so_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving, "MOST", 2)
    await told(house, f"allow {ANA}")
    assert "Garden would have more than 2 pre-approvals" in await told(house, f"allow\n{BEA}\n{BOB}")
    assert await number_of_approvals(house) == 1
    assert (await told(house, f"allow\n{BEA}\n{ANA}")).startswith(f"✅ Pre-approved for Garden: {BEA}, {ANA}.")


async def test_a_command_that_comes_in_twice_approves_once(house: House) -> None:
    house.tell(f"allow {ANA}")
    house.world.outbox *= 2
    await house.live()
    assert await number_of_approvals(house) == 1
    assert len([text for text in house.spoken() if text.startswith("✅ Pre-approved")]) == 1


async def test_what_was_done_is_on_record(house: House) -> None:
    await told(house, f"allow {ANA}")
    await told(house, f"disallow {ANA}")
    said = await told(house, "log")
    assert f"pre-approved: {ANA} · by {ALICE}" in said
    assert f"no longer pre-approved: {ANA} · by {ALICE}" in said


async def test_nobody_is_called_by_what_is_said_and_a_note_can_hide_nothing(house: House) -> None:
    await told(house, f"allow {ANA} <b>@room</b> https://evil.example \u202e")
    await told(house, "allowed")
    for content in house.said():
        assert content["m.mentions"] == {}
        assert "<b>@room" not in content.get("formatted_body", "")


async def test_approvals_go_along_when_a_room_is_upgraded(house: House) -> None:
    new = "!new:tulip.example"
    house.world.room(new, "New garden", ALICE, BOB, BOT, levels=levels_for(), predecessor=GARDEN)
    await told(house, f"allow {ANA}")
    await told(house, f"allow {BEA}", by=BOB)
    house.world.replace(GARDEN, new)
    await house.live()
    [asked] = [event for event in house.world.rooms[MODS].said if "Click ✅" in event["content"].get("body", "")]
    house.world.react(MODS, ALICE, asked["event_id"], "✅")
    await house.live()

    house.world.knock(new, ANA)
    house.world.knock(new, BEA)
    await house.live()
    assert (await house.request(ANA, new)).state is State.ACCEPTED
    assert (await house.request(BEA, new)).state is State.PENDING


# --- spaces ---------------------------------------------------------------------------------------------------

TOWN = "!town:tulip.example"


@pytest.fixture
async def town(house: House) -> House:
    """The garden is in a space, and goes by the policy of the space: it has none of its own."""
    house.world.room(TOWN, "Town", ALICE, BOT, levels=levels_for())
    await house.protect(TOWN, policy=RULES)
    async with house.db.tx() as tx:
        await tx.execute("DELETE FROM policies WHERE room_id = $1", GARDEN)
        await stored_rooms.set_space(tx, GARDEN, TOWN)
    return house


async def test_an_approval_for_a_space_counts_where_its_policy_decides(town: House) -> None:
    assert await knocks(town, BEA) is State.PENDING
    said = await told(town, f"allow {TOWN}\n{ANA}\n{BEA}")

    assert said.endswith("1 of them is waiting for an answer. I judge this request again.")
    assert (await town.request(BEA)).state is State.ACCEPTED
    assert await knocks(town, ANA) is State.ACCEPTED
    assert await told(town, f"allowed {GARDEN}") == (
        "Nobody is pre-approved for Garden.\nWhat is pre-approved for Town counts in Garden too."
    )
    said = await told(town, f"disallow {ANA} {GARDEN}")
    assert said.endswith(
        "What is pre-approved for Town counts in Garden too, and some of them are. Take that back there."
    )


async def test_an_approval_for_a_space_takes_the_power_in_the_room_where_they_knock(town: House) -> None:
    town.world.change(TOWN, ALICE, BOB, "join")
    town.world.set_levels(TOWN, **levels_for((ALICE, BOB)))
    town.world.set_levels(GARDEN, **levels_for((ALICE,)))
    await town.live()
    assert (await told(town, f"allow {ANA} {TOWN}", by=BOB)).startswith("✅ Pre-approved for Town")

    assert await knocks(town, ANA) is State.PENDING
    assert f"{BOB} pre-approved them, but this has no effect now" in town.card().text


async def test_an_approval_for_a_space_is_nothing_where_a_policy_of_its_own_decides_alone(town: House) -> None:
    await told(town, f"allow {ANA} {TOWN}")
    await town.set_policy(RULES)

    assert await knocks(town, ANA) is State.PENDING
    assert await told(town, f"allowed {GARDEN}") == "Nobody is pre-approved for Garden."


async def test_after_a_death_who_waits_is_still_judged_again(house: House) -> None:
    assert await knocks(house, ANA) is State.PENDING
    as_ever = house.arrivals._handlers[Rejudge]

    async def never(_: Context, __: Rejudge) -> Handled:
        raise Later(because("homeserver.no_token"), retry_after=60, unreachable=True)

    house.arrivals._handlers = {**house.arrivals._handlers, Rejudge: never}
    house.tell(f"allow {ANA}")
    await house.live()
    assert await number_of_approvals(house) == 1
    assert (await house.request(ANA)).state is State.PENDING
    house.arrivals._handlers = {**house.arrivals._handlers, Rejudge: as_ever}
    await house.die()
    await house.start_again()
    await house.live()

    assert (await house.request(ANA)).state is State.ACCEPTED


# --- what is said of the typical slips ------------------------------------------------------------------------


async def test_users_may_be_mentioned_on_their_lines(house: House) -> None:
    def pill(user: str, name: str) -> str:
        return f'<a href="https://matrix.to/#/{user}">{name}</a>'

    html = f"!kb allow choir<br>{pill(ANA, 'Ana')} alto<br><ul><li>{pill(BEA, 'Bea')}</li></ul>"
    more = {"format": "org.matrix.custom.html", "formatted_body": html}
    house.world.say(MODS, ALICE, "!kb allow choir\nAna alto\n- Bea", **more)
    await house.live()

    assert house.spoken()[-1] == f"✅ Pre-approved for Garden: {ANA}, {BEA}."
    assert await rows(house) == [(ANA, None, "alto"), (BEA, None, "choir")]

    house.world.say(
        MODS, ALICE, "!kb allow\nAna\nsomebody", **{**more, "formatted_body": f"!kb allow<br>{pill(ANA, 'A')}<br>x"}
    )
    await house.live()
    assert "line 2: This is not a user ID and not a server: “Ana”" in house.spoken()[-1]


@pytest.mark.parametrize(
    ("membership", "says"),
    [
        ("join", f"{ANA} is in Garden already."),
        ("ban", f"⚠️ {ANA} is banned from Garden, and so cannot knock. Lift the ban first."),
        ("leave", None),
    ],
)
async def test_where_an_approval_helps_little_that_is_told(house: House, membership: str, says: str | None) -> None:
    house.world.change(GARDEN, ALICE, ANA, membership)
    said = await told(house, f"allow {ANA}")
    assert said == f"✅ Pre-approved for Garden: {ANA}." + (f"\n{says}" if says else "")


async def test_where_the_config_file_rules_only_the_admin_can_add_the_rule(house: House) -> None:
    await house.set_policy("otherwise: forward")
    async with house.db.tx() as tx:
        await tx.execute("UPDATE rooms SET locked = TRUE WHERE room_id = $1", GARDEN)
    said = await told(house, f"allow {ANA}")
    assert "Only my server's admin can add this rule there:" in said
    assert await number_of_approvals(house) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_before_they_knock_an_approval_counts_while_a_giver_could_accept(
    house: House, seed: int
) -> None:
    """An oracle: who has approved whom, and who has the power. Each round changes one thing, and somebody knocks."""
    chance = random.Random(seed)
    given: set[tuple[str, str]] = set()
    able = {ALICE: True, BOB: True}
    for number in range(25):
        user = f"@p{number}:tulip.example"
        giver, whom = chance.choice([ALICE, BOB]), chance.choice([user, "*:tulip.example", "*:rose.example"])
        match chance.choice(["allow", "allow", "disallow", "demote", "promote"]):
            case "allow":
                await told(house, f"allow {whom}", by=giver)
                given |= {(giver, whom)} if able[giver] else set()
            case "disallow":
                await told(house, f"disallow {whom}", by=giver)
                given = {one for one in given if one[1] != whom} if able[giver] else given
            case "demote" | "promote" as how:
                able[BOB] = how == "promote"
                house.world.set_levels(GARDEN, **levels_for([who for who, may in able.items() if may]))
                await house.live()
        counts = any(able[by] and who in (user, "*:tulip.example") for by, who in given)

        assert await knocks(house, user) is (State.ACCEPTED if counts else State.PENDING), (seed, number)
