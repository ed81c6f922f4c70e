"""The bot's machine against a homeserver by script: other people's devices, whatever they say of themselves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from mautrix.crypto import OlmAccount
from mautrix.types import DeviceID, UserID

from knockbot.flow.keys import MEGOLM
from knockbot.matrix.api import DeviceApi
from knockbot.matrix.crypto import olm
from knockbot.matrix.crypto.machine import Machine
from knockbot.matrix.crypto.olm import GIVEN, LOOKED_UP, MOST_DEVICES
from knockbot.store import encryption
from knockbot.store.db import Database
from tests.lab import opened

BOT, ALICE, MONA = "@knockbot:b", "@alice:b", "@mona:b"
MODS, OTHER = "!mods:b", "!other:b"
TEXT = {"msgtype": "m.text", "body": "hello"}


class Server:
    """The keys of everybody, as a homeserver hands them out, and what was sent to devices."""

    def __init__(self) -> None:
        self.devices: dict[str, dict[str, Any]] = {}
        self.one_time: dict[tuple[str, str], Any] = {}
        self.sent: list[set[tuple[str, str]]] = []
        """For each request: to which devices."""
        self.asked: list[list[str]] = []
        """For each request: whose devices were asked for."""
        self.log: Any = None
        self._numbers = itertools.count()
        self.held: asyncio.Event | None = None
        """Where set, what is sent to devices waits for it."""

    def get_txn_id(self) -> str:
        """Another one each time."""
        return str(next(self._numbers))

    def add(self, user_id: str, number: int) -> None:
        """Somebody has so many devices."""
        for one in range(number):
            device_id, account = f"D{one:04}", OlmAccount()
            keys = account.get_device_keys(UserID(user_id), DeviceID(device_id)).serialize()
            self.devices.setdefault(user_id, {})[device_id] = keys
            [(name, key)] = account.get_one_time_keys(UserID(user_id), DeviceID(device_id), 49).items()
            self.one_time[user_id, device_id] = {str(name): cast("Any", key)}

    async def request(self, _: Any, path: Any, content: Any = None, **__: Any) -> Any:
        """Answer one request."""
        what = str(path).split("/v3/")[1].split("/")
        if what[:2] == ["keys", "query"]:
            self.asked.append(list(content["device_keys"]))
            found = {user: self.devices[user] for user in content["device_keys"] if user in self.devices}
            return {"device_keys": found}
        if what[:2] == ["keys", "claim"]:
            keys: dict[str, Any] = {}
            for user, devices in content["one_time_keys"].items():
                keys[user] = {one: self.one_time[user, one] for one in devices if (user, one) in self.one_time}
            return {"one_time_keys": keys}
        if what[0] == "sendToDevice":
            if self.held is not None:
                await self.held.wait()
            self.sent.append({(user, one) for user, devices in content["messages"].items() for one in devices})
            return {}
        return {"one_time_key_counts": {"signed_curve25519": 50}}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def machine(database_url: str, server: Server) -> AsyncIterator[Machine]:
    """The bot's device on either engine."""
    db: Database = await opened(database_url)
    try:
        async with db.tx() as tx:
            await encryption.note(tx, [MODS, OTHER])
        machine = Machine(db, BOT, "a secret of twenty characters at least")
        await machine.prepare()
        await machine.begin(cast("DeviceApi", server), "MINE", anew=True)
        yield machine
        await machine.end()
    finally:
        await db.close()


async def say(machine: Machine, room_id: str, *members: str) -> None:
    """The bot says something to these members."""
    await machine.seal(room_id, "m.room.message", TEXT, members, {"algorithm": MEGOLM})


async def test_somebody_with_many_devices_gets_the_key_on_so_many_of_them(machine: Machine, server: Server) -> None:
    server.add(MONA, MOST_DEVICES + 30)
    server.add(ALICE, 2)

    await say(machine, MODS, ALICE, MONA)

    told = set[tuple[str, str]]().union(*server.sent)
    assert len([one for user, one in told if user == MONA]) == MOST_DEVICES
    assert {one for user, one in told if user == ALICE} == {"D0000", "D0001"}
    assert max(map(len, server.sent)) <= GIVEN


async def test_another_room_has_its_turn_while_a_key_goes_to_many_devices(machine: Machine, server: Server) -> None:
    server.add(MONA, 3 * GIVEN)
    server.add(ALICE, 1)
    await say(machine, OTHER, ALICE)
    server.held = asyncio.Event()
    long = asyncio.create_task(say(machine, MODS, MONA))
    await asyncio.sleep(0)
    short = asyncio.create_task(say(machine, OTHER, ALICE))
    server.held.set()

    await asyncio.wait([long, short], return_when=asyncio.FIRST_COMPLETED)

    assert short.done()
    await long


async def test_many_members_are_looked_up_a_few_at_a_time(machine: Machine, server: Server) -> None:
    members = [f"@m{number}:b" for number in range(LOOKED_UP + 5)]
    for member in members:
        server.add(member, 1)

    await say(machine, MODS, *members)
    await say(machine, MODS, *members)

    assert [len(users) for users in server.asked] == [LOOKED_UP, 5]


HOSTILE: list[Any] = [
    None,
    5,
    [],
    {},
    {"user_id": MONA},
    {"keys": 5},
    {"signatures": 5},
    {"signatures": {}},
    {"algorithms": [5, {}]},
    {"device_id": "ANOTHER"},
    {"user_id": ALICE},
    {"keys": {"curve25519:D0000": "x", "ed25519:D0000": "x"}},
    {"keys": {"curve25519:D0000": "\0" * 43, "ed25519:D0000": "\ud800"}},
    {"unsigned": {"device_display_name": "\0"}},
    {"unsigned": 5},
]


async def test_a_device_that_makes_no_sense_spoils_no_other(machine: Machine, server: Server) -> None:
    server.add(MONA, len(HOSTILE) + 1)
    server.add(ALICE, 1)
    for number, said in enumerate(HOSTILE):
        sound = server.devices[MONA][f"D{number:04}"]
        server.devices[MONA][f"D{number:04}"] = {**sound, **said} if isinstance(said, dict) and said else said

    await say(machine, MODS, ALICE, MONA)

    told = set[tuple[str, str]]().union(*server.sent)
    assert {(ALICE, "D0000"), (MONA, f"D{len(HOSTILE):04}")} <= told
    assert (MONA, "D0000") not in told


async def test_a_one_time_key_that_makes_no_sense_spoils_no_other(machine: Machine, server: Server) -> None:
    keys: list[Any] = [None, 5, {}, {"signed_curve25519:x": 5}, {"signed_curve25519:x": {"key": "x"}}]
    server.add(MONA, len(keys) + 1)
    for number, key in enumerate(keys):
        server.one_time[MONA, f"D{number:04}"] = key

    await say(machine, MODS, MONA)

    assert server.sent == [{(MONA, f"D{len(keys):04}")}]


async def test_what_says_no_devices_of_somebody_spoils_nobody_elses(machine: Machine, server: Server) -> None:
    server.add(ALICE, 1)
    answers: list[Any] = [None, 5, [], {}, {"device_keys": 5}]
    members = {f"@m{number}:b": answer for number, answer in enumerate(answers)}
    server.devices |= members

    await say(machine, MODS, ALICE, *members)

    assert server.sent == [{(ALICE, "D0000")}]


async def test_whose_devices_have_changed_is_looked_up_when_it_is_needed(machine: Machine, server: Server) -> None:
    server.add(MONA, 1)
    await say(machine, MODS, MONA)

    senseless: list[Any] = [None, 5, MONA, {}, [5, None, {}, "", "@", "nobody", "@\0:b", "@\ud800:b"]]
    for nonsense in senseless:
        await machine.take(encryption.DEVICE_LISTS, {"changed": nonsense})
    await say(machine, MODS, MONA)
    assert server.asked == [[MONA]]

    await machine.take(encryption.DEVICE_LISTS, {"changed": [*(f"@n{number}:b" for number in range(40_000)), MONA]})
    assert server.asked == [[MONA]]
    await say(machine, MODS, MONA)
    assert server.asked == [[MONA], [MONA]]


async def test_somebody_unknown_is_looked_up_a_few_times_an_hour(machine: Machine, server: Server) -> None:
    server.add(MONA, 1)
    for number in range(olm.LOOKS_AN_HOUR + 20):
        assert await machine._olm.get_or_fetch_device_by_key(UserID(MONA), cast("Any", f"key {number}")) is None

    assert len(server.asked) == 1 + olm.LOOKS_AN_HOUR
