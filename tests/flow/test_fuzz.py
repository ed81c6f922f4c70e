"""Whatever strangers send: the rest of its transaction goes on, and neither rooms nor log say what they must not."""

from __future__ import annotations

import itertools
import json
import logging
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockbot import logs
from knockbot.chat.commands import COMMANDS
from knockbot.domain.model import State
from knockbot.engine.wakeups import Wakeups
from knockbot.matrix.gateway import Gateway, _read, _sifted
from tests.chat.safety import HOSTILE, assert_harmless, assert_nothing_hidden
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, BOT, levels_for

CALLED = "@called:tulip.example"
POLICY = f"""
call: ["{CALLED}"]
rules:
- {{name: friends, when: {{reason_matches: "(?i)friend"}}, then: accept, reason: "<b>come</b> @room"}}
- {{name: "<i>names</i>", when: {{display_name_matches: "evil|@room"}}, then: reject}}
- {{for: third_party_invite, when: {{inviter_power_at_least: 100}}, then: accept}}
- {{for: third_party_invite, when: {{invites_by_inviter: {{more_than: 5, within: 1h}}}}, then: reject}}
otherwise: forward
"""

BEGINNING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) +[\w.]+: ")
FORGED = "x\n2026-11-21 12:00:00,000 INFO    knockbot: all is well"

# --- what strangers send ------------------------------------------------------------------------------------------

texts = st.sampled_from([*HOSTILE, FORGED]) | st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
ids = st.builds(
    "{}{}:{}".format, st.sampled_from("@!$#"), texts, st.sampled_from(["tulip.example", "a", "[::1]:1", ""])
)
users = st.sampled_from([ALICE, ANA, BOT, "@ben:rose.example", "@mod</code>:tulip.example", "@a\u202eb:tulip.example"])
commands = st.builds(
    "!kb {} {} {}\n{}".format,
    st.sampled_from([*COMMANDS]) | texts,
    st.sampled_from([GARDEN, "#garden:tulip.example", "1", "1 2 3", "999999999", ANA]) | texts | ids,
    texts,
    texts | st.sampled_from(["rules: []\notherwise: forward", "rules: [{then: <b>}]", "&a [*a]", "{" * 50, "- \0"]),
)
conditions = values | st.dictionaries(
    st.sampled_from(["reason_matches", "user", "server", "display_name_matches", "local", "has_avatar"]) | texts,
    texts | st.lists(texts, max_size=2) | st.booleans() | values,
    max_size=2,
)
rules = st.fixed_dictionaries(
    {
        "when": conditions | st.just({"local": True}),
        "then": st.sampled_from(["accept", "forward", "reject", "ban"]) | texts,
    },
    optional={"name": texts, "reason": texts, "for": st.sampled_from(["knock", "third_party_invite"]) | values},
)
policies = st.fixed_dictionaries(
    {"rules": st.lists(rules, max_size=3) | values}, optional={"otherwise": st.sampled_from(["forward", "ban"]) | texts}
).map(json.dumps)
bodies = (
    commands
    | texts
    | st.builds("!kb policy set {}\n{}".format, st.just(GARDEN), policies | texts)
    | st.builds("!kb {} {}".format, st.sampled_from([*COMMANDS]), texts | ids)
    | st.builds("{}: {}".format, st.sampled_from([BOT, "Knockbot"]), texts)
)
links = st.builds('<a href="https://matrix.to/#/{}">{}</a> {}'.format, ids | texts, texts, texts)

members = st.fixed_dictionaries(
    {"membership": st.sampled_from(["knock", "knock", "knock", "leave", "invite", "join", "ban"])},
    optional={
        "reason": texts | values,
        "displayname": texts | values,
        "avatar_url": texts | values,
        "third_party_invite": values | st.builds(lambda token: {"signed": {"token": token, "mxid": ANA}}, texts),
    },
)
keys = st.fixed_dictionaries({"public_key": texts, "key_validity_url": texts})
invites = st.fixed_dictionaries(
    {},
    optional={
        "display_name": texts | values,
        "public_key": texts | values,
        "key_validity_url": texts | values,
        "public_keys": values
        | st.lists(st.fixed_dictionaries({"public_key": texts, "key_validity_url": texts}), max_size=3),
    },
)
messages = st.fixed_dictionaries(
    {"msgtype": st.just("m.text"), "body": bodies},
    optional={
        "format": st.just("org.matrix.custom.html"),
        "formatted_body": links | texts | values,
        "m.relates_to": values | st.builds(lambda target: {"m.in_reply_to": {"event_id": target}}, ids | texts),
        "m.mentions": values,
        "org.knockbot.effect": texts,
    },
)
reactions = st.builds(
    lambda target, key: {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}},
    ids | texts,
    st.sampled_from(["✅", "❌", "⛔", "✅\ufe0f"]) | texts,
)


def event(event_type: str, content: st.SearchStrategy[Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    room = st.just(MODS if event_type in ("m.room.message", "m.reaction") else GARDEN)
    fields = {"type": st.just(event_type), "sender": users, "room_id": room, "content": content, **more}
    return st.fixed_dictionaries(fields, optional={"unsigned": values, "redacts": ids | values})


whole = st.one_of(
    event("m.room.member", members, state_key=users),
    event("m.room.third_party_invite", invites, state_key=texts),
    event("m.room.message", messages),
    event("m.reaction", reactions),
    event("m.room.redaction", st.builds(lambda redacts: {"redacts": redacts}, ids | values)),
    event("m.room.power_levels", values, state_key=st.just("")),
    event("m.room.name", values, state_key=st.just("")),
)
mutations = st.lists(st.tuples(st.integers(0, 50), values | texts | ids), max_size=2)


def mutated(one: Mapping[str, Any], changes: list[tuple[int, Any]]) -> Any:
    """The event with other values somewhere in it, or in place of it."""
    made: Any = json.loads(json.dumps(one))
    for place, value in changes:
        spots = [*_spots(made)]
        if spots:
            inside, key = spots[place % len(spots)]
            inside[key] = value
    return made


def _spots(inside: Any) -> Iterator[tuple[Any, Any]]:
    keys = inside.keys() if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
    for key in [*keys]:
        yield inside, key
        yield from _spots(inside[key])


strange = st.builds(mutated, whole, mutations) | values

# --- where they send it -------------------------------------------------------------------------------------------


class Noted(logging.Handler):
    """Keeps what is logged, as both formats write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []
        self.objects: list[str] = []
        self.failures: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logs._Text().format(record))
        self.objects.append(logs._Json().format(record))
        if record.exc_info:
            self.failures.append(self.texts[-1])


@pytest.fixture
async def open_house(empty_sqlite: Path, sqlite_url: str) -> AsyncIterator[House]:
    """A knockbot with a policy, and people in its rooms, for one example after the other."""
    shutil.copy(empty_sqlite, sqlite_url.removeprefix("sqlite:"))
    async with housed(sqlite_url) as house:
        await house.set_policy(POLICY)
        house.world.aliases["#garden:tulip.example"] = GARDEN
        yield house


@pytest.fixture
def noted() -> Iterator[Noted]:
    handler, logger = Noted(), logging.getLogger("knockbot")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


numbers = itertools.count(1)


async def hand_over(house: House, parts: list[Any]) -> str:
    """Send these in one transaction, each under an id of its own, and behind them a good knock; who it is of."""
    number = next(numbers)
    good = f"@good{number}:tulip.example"
    for place, part in enumerate(parts):
        if isinstance(part, dict):
            part.setdefault("event_id", f"$strange{number}-{place}")
            part.setdefault("origin_server_ts", house.clock())
    house.world.knock(GARDEN, good, "hello")
    body = json.dumps({"events": [*parts, *house.world.delivered()]}).encode()
    read = _read(body)
    sifted = _sifted(read, sealed=False)
    assert sifted is not None
    await Gateway("token", house.db, Wakeups(), house.clock)._keep(sifted, read)
    await house.live()
    return good


def says_only_what_it_may(house: House) -> None:
    """Of all the bot said, in every room."""
    for room in house.world.rooms.values():
        for said in [one for one in room.said if one["sender"] == BOT and one["type"] == "m.room.message"]:
            content = said["content"]
            shown = content.get("m.new_content", content)
            calls = (CALLED,) if shown["m.mentions"] else ()
            assert_harmless(content, calls)
            assert not calls or content["msgtype"] == "m.text"
        room.said.clear()


def logs_only_lines(noted: Noted) -> None:
    for text in noted.texts:
        first, *rest = text.split("\n")
        assert BEGINNING.match(first), first
        assert all(line.startswith("    ") for line in rest), text
        assert_nothing_hidden(text)
    for line in noted.objects:
        assert "\n" not in line
        assert json.loads(line)["message"] is not None
    assert noted.failures == []
    noted.texts.clear()
    noted.objects.clear()


fuzzed = settings(
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@fuzzed
@given(parts=st.lists(strange, min_size=1, max_size=6))
async def test_no_event_stops_the_rest_or_breaks_out_of_what_is_said(
    open_house: House, noted: Noted, parts: list[Any]
) -> None:
    good = await hand_over(open_house, parts)

    assert (await open_house.request(good)).state is State.PENDING
    assert await open_house.waiting() == await open_house.waiting(MODS) == 0
    says_only_what_it_may(open_house)
    logs_only_lines(noted)


@fuzzed
@given(said=st.lists(bodies, min_size=1, max_size=4), html=st.none() | links | texts)
async def test_no_command_of_a_moderator_does(
    open_house: House, noted: Noted, said: list[str], html: str | None
) -> None:
    """They may be in the management room and mean no good; what is said and logged is the same."""
    formatted = {} if html is None else {"format": "org.matrix.custom.html", "formatted_body": html}
    parts = [
        {
            "type": "m.room.message",
            "sender": ALICE,
            "room_id": MODS,
            "content": {"msgtype": "m.text", "body": body, **formatted},
        }
        for body in said
    ]

    await hand_over(open_house, parts)
    await hand_over(open_house, [])  # judged by whatever policy that has led to

    says_only_what_it_may(open_house)
    logs_only_lines(noted)
    await open_house.protect()  # somebody may have said that it is to be unprotected
    await open_house.set_policy(POLICY)


@fuzzed
@given(label=texts, levels=st.tuples(values, values), said=st.tuples(texts, texts))
async def test_no_state_of_a_room_does(
    open_house: House, noted: Noted, label: str, levels: tuple[Any, Any], said: tuple[str, str]
) -> None:
    garden = open_house.world.rooms[GARDEN]
    garden.label = label
    for strange_levels in ({"invite": levels[0], "users": levels[1]}, {"users": {BOT: levels[0]}, "kick": levels[1]}):
        garden.levels = {"invite": 0, "kick": 50, "ban": 50} | strange_levels
        who = f"@strange{next(numbers)}:rose.example"
        open_house.world.knock(GARDEN, who, said[0], displayname=said[1])
        try:
            await open_house.look_everywhere()
            await open_house.live()
        finally:
            garden.levels = levels_for()
        open_house.world.change(GARDEN, who, who, "leave")
        await open_house.live()

    says_only_what_it_may(open_house)
    logs_only_lines(noted)
