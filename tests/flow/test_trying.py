"""Trying a policy: what it would have decided, by what is stored, with nothing guessed and nothing changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import pytest

from knockbot.domain.model import Verdict
from knockbot.features.replay import trying
from knockbot.flow.workbench import AT_ONCE
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.planted import MONA, VOUCHED, move_in, planted
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, levels_for

BOB, FAR = f"@bob:{HOME}", "@far:slow.example"
CLUB, OTHER_CLUB = "!club:tulip.example", "!otherclub:tulip.example"
POND = "!pond:tulip.example"
ALIAS = f"#club:{HOME}"
OURS = "rules: [{name: ours, when: {local: true}, then: accept}]"
BY_CLUB = f'rules: [{{name: club, when: {{member_of: "{ALIAS}"}}, then: accept}}]'
BY_ID = BY_CLUB.replace(ALIAS, CLUB)


async def knocked(house: House, *people: str, reason: str = "") -> None:
    for user_id in people:
        house.world.knock(GARDEN, user_id, reason)
        await house.live()


async def try_(house: House, policy: str, *, by: str = ALICE, of: str = f"{GARDEN} 30d") -> str:
    """What is said of a policy that somebody tries."""
    before = len(house.spoken())
    house.tell(f"policy try {of}\n{policy}", by=by)
    await house.live()
    [reply] = house.spoken()[before:]
    return reply


def figures(reply: str) -> tuple[int, int, int]:
    """How many decisions there were, how many would differ, and how many cannot be known."""
    lines = reply.split("\n")
    differ = next((line for line in lines if "would be different" in line), "0")
    unknown = next((line for line in lines if "cannot be known" in line), "0")
    return int(lines[0].split("on ")[1].split(" ")[0]), int(differ.split(" ")[0]), int(unknown.split(" ")[0])


async def on_record(house: House) -> Any:
    """All that a trial must not change."""
    async with house.db.tx() as tx:
        tables = ("requests", "judgements", "policies", "pins", "audit", "prompts", "rooms")
        return {table: [dict(row) for row in await tx.fetch(f"SELECT * FROM {table}")] for table in tables}


async def test_it_says_how_many_would_differ_and_which_and_changes_nothing(house: House) -> None:
    await knocked(house, ANA, FAR, BEA)
    before = await on_record(house)
    calls = len(house.world.asked("invite", "kick", "ban"))

    reply = await try_(house, f"{OURS}\notherwise: ban")

    assert reply.split("\n") == [
        "I tried this policy on 3 decisions about Garden, from the last 30 days. Nothing was changed.",
        "3 decisions would be different.",
        f"#3 {BEA}: forward → accept",
        f"#2 {FAR}: forward → ban",
        f"#1 {ANA}: forward → accept",
    ]
    assert await on_record(house) == before
    assert len(house.world.asked("invite", "kick", "ban")) == calls


async def test_what_would_be_the_same_is_not_named(house: House) -> None:
    await house.set_policy(OURS)
    await knocked(house, ANA, FAR)
    assert figures(await try_(house, OURS)) == (2, 0, 0)
    assert "0 decisions would be different." in await try_(house, OURS)


async def test_without_any_decision_it_says_so(house: House) -> None:
    assert await try_(house, OURS) == "No decision about Garden is on record from the last 30 days."


async def test_only_the_time_that_was_asked_for_counts(house: House) -> None:
    await knocked(house, ANA)
    house.clock.go_on(3 * 3600)
    await knocked(house, BEA)
    assert figures(await try_(house, OURS, of=f"{GARDEN} 2h"))[0] == 1
    assert figures(await try_(house, OURS, of=GARDEN))[0] == 2
    assert figures(await try_(house, OURS, of="1d"))[0] == 2  # the only room may be left out


async def test_of_a_request_that_was_judged_often_the_last_decision_counts(house: House) -> None:
    for reason in ("a", "b", "c", "d", "e"):
        await knocked(house, ANA, reason=reason)
    assert figures(await try_(house, OURS)) == (1, 1, 0)


async def test_no_more_than_twenty_are_named(house: House) -> None:
    for number in range(23):
        house.world.knock(GARDEN, f"@n{number}:{HOME}")
    await house.live()
    reply = await try_(house, OURS)
    assert figures(reply) == (23, 23, 0)
    assert reply.count(" → ") == 20
    assert "… and 3 more" in reply


# --- what is not known --------------------------------------------------------------------------------------------


@pytest.fixture
async def club(house: House) -> House:
    """A club that Alice and the bot are in, and Ana."""
    house.world.room(CLUB, "Club", ALICE, BOT, ANA, join_rule="invite")
    house.world.aliases[ALIAS] = CLUB
    return house


async def test_whom_nobody_looked_up_then_is_unknown_now(club: House) -> None:
    await knocked(club, ANA, FAR)
    assert figures(await try_(club, BY_CLUB)) == (2, 0, 2)
    assert figures(await try_(club, f"{BY_CLUB}\notherwise: ban")) == (2, 0, 2)


@pytest.mark.parametrize(("then", "now"), [(BY_CLUB, BY_CLUB), (BY_CLUB, BY_ID), (BY_ID, BY_CLUB), (BY_ID, BY_ID)])
async def test_what_was_found_out_counts_for_each_name_of_that_room(club: House, then: str, now: str) -> None:
    await club.set_policy(f"{then}\notherwise: reject")
    await knocked(club, ANA, FAR)
    assert figures(await try_(club, f"{now}\notherwise: reject")) == (2, 0, 0)
    assert figures(await try_(club, f"{now}\notherwise: ban")) == (2, 1, 0)
    assert f"{FAR}: reject → ban" in await try_(club, f"{now}\notherwise: ban")


async def test_a_name_that_means_another_room_now_says_nothing_of_the_one_before(club: House) -> None:
    await club.set_policy(BY_CLUB)
    await knocked(club, ANA)
    club.world.room(OTHER_CLUB, "Another club", ALICE, BOT, join_rule="invite")
    club.world.aliases[ALIAS] = OTHER_CLUB
    assert figures(await try_(club, BY_CLUB)) == (1, 0, 1)
    assert figures(await try_(club, BY_ID)) == (1, 0, 0)


async def test_whoever_is_not_in_a_room_learns_nothing_of_its_members(club: House) -> None:
    club.world.rooms[GARDEN].levels["users"][BOB] = 100
    for room_id in (GARDEN, MODS):
        club.world.change(room_id, BOB, BOB, "join")
    await club.set_policy(BY_CLUB)
    await knocked(club, ANA)
    for policy in (BY_CLUB, BY_ID):
        reply = await try_(club, policy, by=BOB)
        assert reply.startswith("I could not try this policy: line 1: rule")
        assert ANA not in reply


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (f"rules: [{{when: {{member_of: '{ALIAS}x'}}, then: accept}}]", "line 1: rule #1: when.member_of names"),
        ("lists: [{room: '#nowhere:tulip.example'}]", "I cannot find #nowhere:tulip.example: "),
        ("lists: [{room: '!nowhere:tulip.example'}]", "line 1: lists.#1.room names !nowhere:tulip.example. A list"),
        ("also_invite: ['#nowhere:tulip.example']", "line 1: also_invite.#1 names #nowhere:tulip.example, which"),
        ("otherwise: dance", 'line 1: otherwise: unknown word "dance"'),
    ],
)
async def test_why_a_policy_is_not_tried_says_nothing_of_a_change(house: House, policy: str, why: str) -> None:
    assert (await try_(house, policy)).startswith(f"I could not try this policy: {why}")


@pytest.mark.parametrize(
    ("span", "english", "german"),
    [
        ("1s", "the last second", "der letzten Sekunde"),
        ("1m", "the last minute", "der letzten Minute"),
        ("12h", "the last 12 hours", "den letzten 12 Stunden"),
        ("1d", "the last day", "dem letzten Tag"),
        ("1w", "the last 7 days", "den letzten 7 Tagen"),
    ],
)
async def test_the_time_that_is_looked_at_reads_as_people_write(
    house: House, span: str, english: str, german: str
) -> None:
    house.tell(f"policy try {GARDEN} {span}\n{OURS}")
    await house.live()
    assert house.spoken()[-1] == f"No decision about Garden is on record from {english}."
    await house.set_policy("language: de")
    house.tell(f"policy try {GARDEN} {span}\n{OURS}")
    await house.live()
    assert house.spoken()[-1] == f"Zu Garden ist aus {german} keine Entscheidung verzeichnet."


async def test_words_that_are_gone_are_unknown(house: House) -> None:
    event = house.world.knock(GARDEN, ANA, "a student")
    await house.live()
    policy = "rules: [{when: {reason_matches: student}, then: accept}]"
    assert figures(await try_(house, policy)) == (1, 1, 0)
    house.world.redact(GARDEN, ALICE, event)
    await house.live()
    assert figures(await try_(house, policy)) == (1, 0, 1)


async def test_the_past_of_an_applicant_counts_only_if_it_was_looked_up(house: House) -> None:
    policy = "rules: [{when: {rejected_before: true}, then: ban}]"
    await knocked(house, ANA)
    assert figures(await try_(house, policy)) == (1, 0, 1)
    await house.set_policy(policy)
    await knocked(house, BEA)
    assert figures(await try_(house, policy)) == (2, 0, 1)


async def test_whether_keys_are_valid_is_unknown_where_nobody_asked(house: House) -> None:
    move_in(house)
    await planted(house, MONA, **VOUCHED)
    assert figures(await try_(house, "otherwise_third_party: accept")) == (1, 0, 1)
    assert figures(await try_(house, "otherwise_third_party: reject")) == (1, 1, 0)


# --- what counts --------------------------------------------------------------------------------------------------


async def test_of_a_dry_run_counts_what_it_said(house: House) -> None:
    await house.set_policy("dry_run: true\notherwise: ban")
    await knocked(house, ANA)
    assert figures(await try_(house, "otherwise: ban")) == (1, 0, 0)
    assert f"{ANA}: ban → reject" in await try_(house, "dry_run: true\notherwise: reject")


async def test_of_an_author_without_the_power_counts_what_the_policy_said(house: House) -> None:
    await house.set_policy("otherwise: ban")
    house.world.set_levels(GARDEN, ban=101)
    await knocked(house, ANA)
    house.world.set_levels(GARDEN, ban=50)
    await house.live()
    assert figures(await try_(house, "otherwise: ban")) == (1, 0, 0)


async def test_rules_that_follow_from_the_space_are_tried_too(house: House) -> None:
    space = "!space:tulip.example"
    house.world.room(space, "Space", ALICE, BOT, levels=levels_for())
    await house.protect(space)
    await house.set_policy(f"{OURS}\notherwise: ban", space)
    async with house.db.tx() as tx:
        await tx.execute("UPDATE rooms SET space = $1 WHERE room_id = $2", space, GARDEN)
    await knocked(house, ANA, FAR)
    assert figures(await try_(house, "inherit: true")) == (2, 0, 0)
    assert figures(await try_(house, "inherit: true\notherwise: reject")) == (2, 1, 0)
    assert figures(await try_(house, "rules: []")) == (2, 2, 0)


async def test_the_policy_of_a_space_is_tried_in_all_rooms_in_which_it_decides(house: House) -> None:
    space = "!space:tulip.example"
    house.world.room(space, "Space", ALICE, BOT, levels=levels_for())
    await house.protect(space)
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(POND)
    async with house.db.tx() as tx:
        await tx.execute("UPDATE rooms SET space = $1 WHERE room_id IN ($2, $3)", space, GARDEN, POND)
    await house.set_policy(f"{OURS}\notherwise: ban", space)
    await house.set_policy("inherit: true\nrules: [{when: {server: slow.example}, then: reject}]", POND)
    await knocked(house, ANA, FAR)
    for who in (ANA, FAR):
        house.world.knock(POND, who, "hello")
        await house.live()
    before = await on_record(house)

    said = await try_(house, "otherwise: forward", of=f"{space} 7d")
    assert "on 4 decisions about Space" in said
    assert "These are all rooms in which the policy of Space decides: 3." in said
    assert f"{ANA} at Pond: accept → forward" in said
    assert f"{FAR} at Garden: ban → forward" in said
    assert f"{FAR} at Pond" not in said, "the room's own rule decides before"
    assert await on_record(house) == before


async def test_requests_with_a_number_in_another_management_room_are_not_told(house: House) -> None:
    await knocked(house, ANA)
    house.click("❌")
    await house.live()
    other = "!others:tulip.example"
    house.world.room(other, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(other, ALICE, f"!kb protect {GARDEN}")
    await house.live()
    house.world.say(other, ALICE, f"!kb policy try {GARDEN}\n{OURS}")
    await house.live()
    assert house.spoken(other)[-1].startswith("No decision about Garden is on record")
    house.tell(f"policy try {GARDEN}\n{OURS}")
    await house.live()
    assert "not managed from this room" in house.spoken()[-1]


# --- who may, and what is wrong -----------------------------------------------------------------------------------


async def test_it_takes_what_setting_the_policy_takes(house: House) -> None:
    await knocked(house, ANA)
    house.world.change(MODS, BOB, BOB, "join")
    assert ANA not in await try_(house, OURS, by=BOB)
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 49
    assert "level 50" in await try_(house, OURS, by=BOB)
    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    assert figures(await try_(house, OURS, by=BOB)) == (1, 1, 0)
    house.world.rooms[GARDEN].levels["ban"] = 60
    assert "ban needs level 60" in await try_(house, "otherwise: ban", by=BOB)
    assert figures(await try_(house, OURS)) == (1, 1, 0)


async def test_it_is_possible_in_a_room_of_the_config_file(house: House) -> None:
    await knocked(house, ANA)
    async with house.db.tx() as tx:
        await tx.execute("UPDATE rooms SET locked = $1 WHERE room_id = $2", True, GARDEN)
    assert figures(await try_(house, OURS)) == (1, 1, 0)


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("of", "policy", "reply"),
    [
        (GARDEN, "rules: 5", "I could not try this policy: line 1: rules: expected a list"),
        (GARDEN, "otherwise: maybe", "I could not try this policy: line 1: otherwise"),
        (f"{GARDEN} 0d", OURS, "I could not try this policy: this is not a time: “0d”. Write it like this: 30d."),
        (f"{GARDEN} -3d", OURS, "I could not try this policy: this is not a time: “-3d”. Write it like this: 30d."),
        (f"{GARDEN} 30 d", OURS, "I could not try this policy: this is not a time: “30 d”. Write it like this: 30d."),
        (
            f"{GARDEN} 30days",
            OURS,
            "I could not try this policy: this is not a time: “30days”. Write it like this: 30d.",
        ),
        (f"{GARDEN} 30", OURS, "I could not try this policy: this is not a time: “30”. Write it like this: 30d."),
        (
            f"{GARDEN} 30d",
            "",
            "Which policy? Write it on the lines below, or send it as a file with this command as its caption.",
        ),
        ("Gardn 30d", OURS, "Gardn"),
    ],
)
async def test_what_is_wrong_is_told(house: House, of: str, policy: str, reply: str) -> None:
    assert (await try_(house, policy, of=of)).startswith(reply)


# --- beside all else ----------------------------------------------------------------------------------------------


async def test_who_clicks_and_knocks_does_not_wait_for_a_trial(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await knocked(house, ANA, BEA)
    monkeypatch.setattr(trying, "PATIENCE", 0.0)
    house.tell(f"policy try {GARDEN}\n{OURS}")
    house.tell("list")
    await house.live()
    told = [body for body in house.spoken() if "I tried this policy" in body or "waiting" in body or "#1" in body]
    assert figures(next(body for body in told if "I tried" in body)) == (2, 2, 0)
    assert len([body for body in house.spoken() if "I tried" in body]) == 1


async def test_a_trial_that_died_is_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await knocked(house, ANA)
    monkeypatch.setattr(trying, "PATIENCE", 0.0)
    house.tell(f"policy try {GARDEN}\n{OURS}")
    await house.deliver()
    await house.arrivals._start_rooms()
    await house.die()
    await house.start_again()
    await house.live()
    await house.later(5)
    assert len([body for body in house.spoken() if "I tried" in body]) == 1


async def test_where_the_share_of_time_is_used_up_it_says_how_far_it_came(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await knocked(house, *(f"@n{number}:{HOME}" for number in range(5)))
    monkeypatch.setattr(trying, "PORTION", 2)
    decide = trying._again

    def costly(*args: Any) -> Any:
        house.context.workbench._used[MODS] = (AT_ONCE, house.clock())
        return decide(*args)

    monkeypatch.setattr(trying, "_again", costly)
    reply = await try_(house, OURS)
    assert figures(reply) == (2, 2, 0)
    assert "only at the newest decisions" in reply


# --- against a slow oracle ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """Somebody who knocks, and the rooms that they are in."""

    user_id: str
    reason: str
    name: str
    rooms: frozenset[str]


Holds = Callable[[Person], bool]

RULES: tuple[tuple[str, tuple[str, ...], Holds], ...] = (
    ("local: true", (), lambda who: who.user_id.endswith(f":{HOME}")),
    ("server: [slow.example, far.example]", (), lambda who: who.user_id.endswith((":slow.example", ":far.example"))),
    ("reason_matches: (?i)student", (), lambda who: "student" in who.reason.lower()),
    ("not: {reason_length_at_least: 8}", (), lambda who: len(who.reason) < 8),
    ("display_name_matches: ^B", (), lambda who: who.name.startswith("B")),
    ("has_avatar: true", (), lambda _: False),
    (f'member_of: "{ALIAS}"', (CLUB,), lambda who: CLUB in who.rooms),
    (f'not: {{member_of: "{CLUB}"}}', (CLUB,), lambda who: CLUB not in who.rooms),
    (
        f'any: [{{user: "@*7:*"}}, {{member_of: ["{CLUB}", "{OTHER_CLUB}"]}}]',
        (CLUB, OTHER_CLUB),
        lambda who: "7:" in who.user_id or not who.rooms.isdisjoint((CLUB, OTHER_CLUB)),
    ),
    (
        "all: [{local: false}, {reason_matches: friend}]",
        (),
        lambda who: not who.user_id.endswith(f":{HOME}") and "friend" in who.reason,
    ),
)
"""What a rule says, the rooms whose members it asks for, and whether it holds, in Python."""

REASONS = ("", "hi", "I am a student", "a friend of Bob", "STUDENT and friend of ana")


@dataclass(frozen=True)
class Written:
    """A policy: some of the rules with what they do, and what is done otherwise."""

    rules: tuple[tuple[int, Verdict], ...]
    otherwise: Verdict

    @classmethod
    def by(cls, chance: random.Random) -> Written:
        chosen = chance.sample(range(len(RULES)), k=chance.randint(0, 4))
        sayable = [verdict for verdict in Verdict if verdict is not Verdict.ASK]  # that takes questions
        return cls(tuple((one, chance.choice(sayable)) for one in chosen), chance.choice(sayable))

    @property
    def text(self) -> str:
        rules = [f"{{when: {{{RULES[one][0]}}}, then: {then}}}" for one, then in self.rules]
        return f"rules: [{', '.join(rules)}]\notherwise: {self.otherwise}"

    @property
    def asks(self) -> set[str]:
        """The rooms whose members it asks for."""
        return {room for one, _ in self.rules for room in RULES[one][1]}

    def says(self, who: Person, open_: Collection[str] = ()) -> Verdict | None:
        """Its verdict; `None` where that depends on whether they are in the open rooms."""
        ways = [
            replace(who, rooms=who.rooms - {*open_} | {*some})
            for number in range(len(open_) + 1)
            for some in combinations(sorted(open_), number)
        ]
        for one, then in self.rules:
            truths = {RULES[one][2](way) for way in ways}
            if truths == {True}:
                return then
            if truths != {False}:
                return None
        return self.otherwise


@pytest.mark.parametrize("seed", range(6))
async def test_its_figures_are_those_of_a_slow_oracle(ready_url: str, seed: int) -> None:
    """The oracle knows who is where and what they wrote, and asks nothing of the code that it checks."""
    chance = random.Random(seed)
    async with housed(ready_url) as house:
        users = [f"@u{number}:{chance.choice([HOME, 'slow.example', 'far.example'])}" for number in range(24)]
        members = {CLUB: chance.sample(users, 9), OTHER_CLUB: chance.sample(users, 5)}
        for room_id, label in ((CLUB, "Club"), (OTHER_CLUB, "Another club")):
            house.world.room(room_id, label, ALICE, BOT, *members[room_id], join_rule="invite")
        house.world.aliases[ALIAS] = CLUB
        judged: list[tuple[Person, Written]] = []
        for start in range(0, len(users), 6):
            then = Written.by(chance)
            await house.set_policy(f"dry_run: true\n{then.text}")
            for user_id in users[start : start + 6]:
                rooms = frozenset(room for room, within in members.items() if user_id in within)
                who = Person(user_id, chance.choice(REASONS), chance.choice(["Bea", "Anna", ""]), rooms)
                house.world.knock(GARDEN, user_id, who.reason, **({"displayname": who.name} if who.name else {}))
                judged.append((who, then))
            await house.live()
        numbers = {who.user_id: (await house.request(who.user_id)).number for who, _ in judged}
        for _ in range(5):
            policy = Written.by(chance)
            differ, unknown = {}, set()
            for who, then in judged:
                was, would = then.says(who), policy.says(who, policy.asks - then.asks)
                if would is None:
                    unknown.add(numbers[who.user_id])
                elif would is not was:
                    differ[numbers[who.user_id]] = f"{was} → {would}"
            reply = await try_(house, policy.text)
            named = {}
            for line in reply.split("\n"):
                if " → " in line:
                    number, _, rest = line.partition(" ")
                    named[int(number.removeprefix("#"))] = rest.rpartition(": ")[2]
            assert figures(reply) == (len(users), len(differ), len(unknown)), (policy, reply, differ, sorted(unknown))
            assert named.items() <= differ.items()
            assert len(named) == min(len(differ), trying.SHOWN)
