"""Commands at work on a store full of strangers' text: whatever is typed gets one reply, and no reply does harm."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockbot.chat.catalogue import render
from knockbot.chat.commands import COMMANDS, LATE, hear
from knockbot.chat.markup import Words
from knockbot.chat.messages import message
from knockbot.domain.invites import Address
from knockbot.domain.jobs import LINE, Say
from knockbot.domain.model import Decision, IdentityKey, Knock, Message, Miss, State, ThirdPartyInvite, Verdict
from knockbot.domain.notices import Notice, notice
from knockbot.domain.reasons import foreign
from knockbot.engine.turn import WAITS
from knockbot.flow import saying, settling
from knockbot.flow.saying import Audience
from knockbot.store import addressees, inbox, jobs, policies, requests, rooms
from knockbot.store.addressees import Addressee
from knockbot.store.db import Database
from knockbot.store.inbox import Arrival
from tests.chat.safety import HOSTILE, assert_harmless
from tests.matrix.bench import Bench, bench
from tests.matrix.edge import ANA, BOT, GARDEN, MODERATOR, MODS, keep_door
from tests.matrix.fake_homeserver import FakeHomeserver
from tests.store.samples import judgement

STRANGE_ROOM = "!line\nbreak\u202e<b>:tulip.example"
HOSTILE_POLICY = """\
rules:
- name: "<b>bold</b> & \\u202e @room"
  when: {reason_matches: "<i>"}
  then: ban
  reason: "</code><script>"
- when: {member_of: "#gone<b>:rose.example"}
  then: accept
"""
RESTING = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
async def on(db: Database, fake: FakeHomeserver) -> AsyncIterator[Bench]:
    """A bench whose store holds a request for each hostile text, in rooms with hostile names."""
    async with bench(db, fake) as made:
        await keep_door(db, STRANGE_ROOM)
        for number, text in enumerate(HOSTILE):
            await fill(made, number, text)
        yield made


async def fill(on: Bench, number: int, text: str) -> None:
    user = f"@{text.replace(':', '')[:30]}{number}:x.example"
    knock = Knock(GARDEN, user, f"$knock-{number}", text, text[:500])
    async with on.context.turn() as turn:
        request = await requests.open_knock(turn.tx, MODS, knock, on.clock())
        decision = Decision(Verdict.FORWARD, text or "x", text, (Miss(text or "y", foreign(text)),), foreign(text))
        await settling.apply_decision(on.context, turn, request, judgement(decision))
        if number % 3 == 0:
            await requests.in_trouble(turn.tx, request.id, foreign(text))
        elif number % 3 == 1:
            await settling.record_outcome(on.context, turn, request, State.WITHDRAWN, user)
        await turn.tx.execute("UPDATE rooms SET label = $1 WHERE room_id = $2", text, STRANGE_ROOM)
        await rooms.set_trouble(turn.tx, STRANGE_ROOM, foreign(text))
        planted = ThirdPartyInvite(
            GARDEN, f"$invite-{number}", text, user, text, (IdentityKey(text, text), IdentityKey(text))
        )
        invite = await requests.open_invite(turn.tx, MODS, planted, on.clock())
        whose = Address("email", text or "x")
        await addressees.remember(turn.tx, Addressee(GARDEN, text, whose, user, on.clock(), text))
        held_back = Decision(
            Verdict.FORWARD, text or "x", text, (Miss(text or "y", foreign(text)),), None, foreign(text)
        )
        await settling.apply_decision(on.context, turn, invite, judgement(held_back))
        if number == 0:
            await policies.revise(turn.tx, GARDEN, author=user, text=HOSTILE_POLICY, now=on.clock(), cause=None)


class Ear:
    """Says things in the management room, and looks what became of them."""

    def __init__(self, on: Bench) -> None:
        self.on = on
        self.numbers = itertools.count(1)

    async def hear(self, body: str, html: str | None = None, *, sender: str = MODERATOR, age: int = 0) -> str:
        """Hand a message to the commands until it is heard to the end, which may take long; returns its id."""
        event_id = f"$said-{next(self.numbers)}"
        async with self.on.db.tx() as tx:
            await inbox.store(tx, [Arrival(event_id, MODS, "{}")], self.on.clock())
            [waiting] = await inbox.waiting(tx, MODS)
        said = Message(MODS, event_id, sender, self.on.clock() - age, body, html)
        while (handled := await hear(self.on.context, said)) is WAITS:
            await self.on.context.wakeups.arrivals.wait()
            self.on.context.wakeups.arrivals.clear()
        await self.on.context.turns.end(waiting.seq, event_id, handled)
        async with self.on.db.tx() as tx:
            assert await inbox.waiting(tx, MODS) == []
        return event_id

    async def replies(self, event_id: str) -> list[Words | None]:
        """What was planned in reply to a message, in words, or `None` for a tick."""
        return [render(said) if said is not None else None for said in await self.notices(event_id)]

    async def notices(self, event_id: str) -> list[Notice | None]:
        """The same as notices."""
        async with self.on.db.tx() as tx:
            rows = await tx.fetch(
                "SELECT * FROM jobs WHERE key = $1 OR key = $2", f"say:reply:{event_id}", f"tick:{event_id}"
            )
        planned = [jobs._CLAIMED.one(row).job.payload for row in rows]
        return [LINE.decode(one.line).notice if isinstance(one, Say) else None for one in planned]


@pytest.fixture
def ear(on: Bench) -> Ear:
    """Somebody who speaks in the management room."""
    return Ear(on)


ROOMS = ["", GARDEN, STRANGE_ROOM, "#nowhere:rose.example", "https://matrix.to/#/!x:y?via=a", "<b>", "\u202e", "!"]
NUMBERS = ["", *map(str, range(1, len(HOSTILE) + 1)), "1 2 3", "1-3, 9-7", "1-23", "1-999999999", "999", "1 <b>why</b>"]
PEOPLE = [ANA, "@<b>:x", "@a\u202eb:x please", "nobody", "@ana"]
BULK = [STRANGE_ROOM, "older:x", "user:@nobody:x.example", 'text:"no such words" because <b>', "<b>"]
"""What asks nothing: a question is a message of its own."""
ARGUMENTS = {
    "help": ["", "accept", "policy set", "<b>"],
    "protect": ROOMS,
    "unprotect": ROOMS,
    "rooms": ["", "x"],
    "check": ROOMS,
    "list": ROOMS,
    "show": NUMBERS,
    "accept": NUMBERS,
    "reject": NUMBERS,
    "ban": NUMBERS,
    "invite": [f"{room} {whom}" for room in ROOMS for whom in ("", "a@b.example <b>", "+4912345678", "@a:b", "<i>")],
    "invites": ROOMS,
    "revoke": NUMBERS,
    "policy show": ROOMS,
    "policy set": [f"{room}\n{text}" for room in ROOMS[1:3] for text in (HOSTILE_POLICY, *HOSTILE, "rules: 5", "- &x")],
    "policy revert": [f"{room} {number}" for room in ROOMS for number in ("", "1", "99", "<b>")],
    "policy apply": ROOMS,
    "policy try": [f"{room} {span}\n{text}" for room in ROOMS[:3] for span in ("", "7d") for text in ("", "rules: []")],
    "policy presets": ["", "careful", "<b>", "careful careful"],
    "policy use": ["", *[f"{name} {room}" for name in ("careful", "members", "<b>") for room in ROOMS]],
    "policy log": ROOMS,
    "test": [f"{room} {person}" for room in ROOMS for person in PEOPLE],
    "log": ["", "1", *PEOPLE],
    "queue": [""],
    "lists": ROOMS,
    "allow": [
        f"{person} {room}" for person in (*PEOPLE, "*:rose.example", "*:*") for room in (*ROOMS, "until 2000-01-01")
    ],
    "disallow": [f"{person} {room}" for person in (*PEOPLE, "*:rose.example") for room in ROOMS],
    "allowed": ROOMS,
    "templates": ROOMS,
    "note": ["", "1", "1 -", *(f"1 {text}" for text in HOSTILE), "999 text"],
    "claim": NUMBERS,
    "release": NUMBERS,
    "defer": [
        "",
        "1",
        *(f"{number} {when}" for number in ("1", "999", "<b>") for when in ("2d", "off", "9999d", "<b>")),
    ],
    "undo": NUMBERS,
    "wave on": [f"{room} {span}" for room in ROOMS for span in ("", "2h", "9999d", "<b>")],
    "wave off": ROOMS,
    "call": ROOMS,
    "call me": ROOMS,
    "call off": ROOMS,
    "ask": ["", "1", "1 -", *(f"1 {text}" for text in HOSTILE), "999 text", "1 2 text"],
    "interview": NUMBERS,
    "codes": ROOMS,
    "code new": [
        *ROOMS,
        *(f"{STRANGE_ROOM} {terms}" for terms in ("uses:0", "uses:<b>", "until:2000-01-01", "<b>", "a b", *HOSTILE)),
    ],
    "code end": ["", "<b>", *(f"<b> {room}" for room in ROOMS), *(f"{text} {STRANGE_ROOM}" for text in HOSTILE)],
    "vouch": ["", *(f"{person} {text}" for person in PEOPLE for text in (*ROOMS, *HOSTILE))],
    "unvouch": ["", *(f"{person} {room}" for person in PEOPLE for room in ROOMS)],
    **{f"{verb} all": BULK for verb in ("accept", "reject", "ban")},
}


def test_the_table_of_arguments_has_every_command() -> None:
    assert set(ARGUMENTS) == set(COMMANDS)


@pytest.mark.parametrize("command", ARGUMENTS)
async def test_every_command_gets_one_reply_and_the_reply_does_no_harm(on: Bench, ear: Ear, command: str) -> None:
    for argument in ARGUMENTS[command]:
        event_id = await ear.hear(f"!kb {command} {argument}")

        [reply] = await ear.notices(event_id)
        if reply is not None:
            assert render(reply).plain
            assert_harmless(message(reply, f"say:reply:{event_id}", reply_to=event_id))


async def test_no_line_of_a_reply_is_made_by_the_name_of_a_room(on: Bench, ear: Ear) -> None:
    async with on.db.tx() as tx:
        await tx.execute("UPDATE rooms SET label = 'Garden', trouble = NULL")

    [reply] = await ear.replies(await ear.hear("!kb rooms"))

    assert reply is not None
    assert len(reply.plain.split("\n")) == 2


TYPED = st.sampled_from([*COMMANDS, "acept", ""]).flatmap(
    lambda name: st.tuples(
        st.sampled_from(["!kb ", "!KB: ", f"{BOT} ", "> quoted\n\n!kb "]),
        st.just(name),
        st.sampled_from([" ", "\n", "\u00a0", ""]),
        st.sampled_from([text for texts in ARGUMENTS.values() for text in texts]) | st.text(),
        st.sampled_from(["", "\n"]),
        st.sampled_from(HOSTILE) | st.text(),
    ).map("".join)
)


@settings(suppress_health_check=RESTING, max_examples=60)
@given(st.text() | TYPED, st.none() | st.text().map(lambda text: f"<a href='https://matrix.to/#/{BOT}'>x</a>{text}"))
async def test_whatever_is_typed_is_heard_to_the_end(on: Bench, ear: Ear, body: str, html: str | None) -> None:
    event_id = await ear.hear(body, html)

    for reply in await ear.notices(event_id):
        if reply is not None:
            assert render(reply).plain
            assert_harmless(message(reply, f"say:reply:{event_id}", reply_to=event_id))


@pytest.mark.parametrize("body", ["hello", "please !kb list", "!kbx list", "", "> !kb list"])
async def test_what_is_no_command_gets_no_reply(on: Bench, ear: Ear, body: str) -> None:
    assert await ear.replies(await ear.hear(body)) == []


async def test_the_bot_does_not_command_itself(on: Bench, ear: Ear) -> None:
    assert await ear.replies(await ear.hear("!kb list", sender=BOT)) == []


async def test_a_command_that_comes_an_hour_late_is_not_run(on: Bench, ear: Ear) -> None:
    [reply] = await ear.replies(await ear.hear("!kb reject 1", age=LATE + 1))

    assert reply is not None
    assert "late" in reply.plain
    async with on.db.tx() as tx:
        first = await requests.by_number(tx, MODS, 1)
    assert first is not None
    assert first.answer is None


async def test_a_command_heard_twice_is_answered_once(on: Bench, ear: Ear) -> None:
    event_id = await ear.hear("!kb help")
    async with on.context.turn() as turn:
        await saying.say(on.context, turn, Audience(MODS), f"reply:{event_id}", notice("late"))

    [reply] = await ear.replies(event_id)
    assert reply is not None
    assert reply.plain != "again"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("!kb reject 1", None),
        ("!kb reject 1 Not now.", "Not now."),
        ("!kb reject 1 Not now.\nSay who you are.", "Not now.\nSay who you are."),
        ("!kb reject 1\n\nNot now.\n", "Not now."),
        ("!kb reject 1 " + "x" * 5000, "x" * 1000),
    ],
)
async def test_what_is_said_with_an_answer_may_have_several_lines(
    on: Bench, ear: Ear, typed: str, reason: str | None
) -> None:
    await ear.hear(typed)

    async with on.db.tx() as tx:
        first = await requests.by_number(tx, MODS, 1)
    assert first is not None
    assert first.answer is not None
    assert first.answer.reason == reason
