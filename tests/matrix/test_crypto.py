"""The bot's machine against a homeserver by script: other people's devices, whatever they say of themselves."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from mautrix.crypto import OlmAccount, PgCryptoStore, Session
from mautrix.types import DeviceID, IdentityKey, UserID
from olm import OutboundGroupSession  # type: ignore[attr-defined]  # which it has, but does not say so

from knockbot.domain.ids import server_of
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.flow.keys import MEGOLM, Unreadable
from knockbot.matrix.api import DeviceApi
from knockbot.matrix.crypto import olm, silent
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
        self.claimed: list[list[str]] = []
        """For each request: for whose devices keys were claimed."""
        self.silent: set[str] = set()
        """Servers that do not answer."""
        self.mine: dict[str, Any] = {}
        """The bot's one-time keys."""
        self.away: list[Exception] = []
        """How it fails the next time that it is asked for devices."""
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

    def _failures(self, users: Iterable[str]) -> dict[str, Any]:
        return {server: {"status": 503} for server in {server_of(user) for user in users} & self.silent}

    async def request(self, _: Any, path: Any, content: Any = None, **__: Any) -> Any:
        """Answer one request."""
        what = str(path).split("/v3/")[1].split("/")
        if what[:2] == ["keys", "upload"]:
            self.mine |= content.get("one_time_keys", {})
        if what[:2] == ["keys", "query"]:
            if self.away:
                raise self.away.pop()
            self.asked.append(list(content["device_keys"]))
            asked = [user for user in content["device_keys"] if server_of(user) not in self.silent]
            found = {user: self.devices[user] for user in asked if user in self.devices}
            return {"device_keys": found, "failures": self._failures(content["device_keys"])}
        if what[:2] == ["keys", "claim"]:
            keys: dict[str, Any] = {}
            self.claimed.append(list(content["one_time_keys"]))
            for user, devices in content["one_time_keys"].items():
                if server_of(user) in self.silent:
                    continue
                keys[user] = {one: self.one_time[user, one] for one in devices if (user, one) in self.one_time}
            return {"one_time_keys": keys, "failures": self._failures(content["one_time_keys"])}
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


# --- servers that do not answer -----------------------------------------------------------------------------------

EVE, FRED = "@eve:hole.example", "@fred:hole.example"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The only item is the time."""
    time = [1000.0]
    monkeypatch.setattr(olm, "monotonic", lambda: time[0])
    monkeypatch.setattr("knockbot.matrix.crypto.machine.monotonic", lambda: time[0])
    return time


async def test_a_server_that_does_not_answer_is_asked_less_and_less_often_whoever_of_its_users_it_is_about(
    machine: Machine, server: Server, clock: list[float]
) -> None:
    """While it is asked, no other room can be read or written."""
    server.add(ALICE, 1)
    server.silent = {"hole.example"}
    moments = []
    for minute in range(190):
        before = len(server.asked)
        await say(machine, MODS, EVE if minute % 2 else FRED)
        await say(machine, OTHER, ALICE)
        if any("hole" in user for asked in server.asked[before:] for user in asked):
            moments.append(minute)
        clock[0] += 60
    assert moments == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert {one for sent in server.sent for one in sent} == {(ALICE, "D0000")}


async def test_it_is_asked_as_ever_once_it_answers(machine: Machine, server: Server, clock: list[float]) -> None:
    server.silent = {"hole.example"}
    server.add(EVE, 1)
    await say(machine, MODS, EVE)
    server.silent = set()
    await say(machine, MODS, EVE)
    assert server.sent == []
    clock[0] += silent.FIRST
    await say(machine, MODS, EVE)
    assert server.sent == [{(EVE, "D0000")}]
    server.add(FRED, 1)
    await say(machine, MODS, EVE, FRED)
    assert server.sent[-1] == {(EVE, "D0000"), (FRED, "D0000")}


async def test_one_that_names_devices_and_gives_out_no_keys_is_left_alone_too(
    machine: Machine, server: Server, clock: list[float]
) -> None:
    server.add(EVE, 3 * GIVEN)
    await machine._whole(machine._olm.look_up([EVE]))
    server.silent = {"hole.example"}
    for _ in range(10):
        await say(machine, MODS, EVE)
        clock[0] += 1
    assert server.claimed == [[EVE]]
    clock[0] += 600
    await say(machine, MODS, EVE)
    assert server.claimed == [[EVE]] * 2


async def test_the_bots_own_server_always_counts_as_one_that_answers(
    machine: Machine, server: Server, clock: list[float]
) -> None:
    for _ in range(3):
        await say(machine, MODS, MONA)  # whom it does not know
        clock[0] += 1
    assert server.asked == [[MONA]] * 3


# --- keys that arrive -----------------------------------------------------------------------------------------


class Sender:
    """Alice's device, which sends the keys of her messages to the bot's device."""

    def __init__(self, machine: Machine, server: Server) -> None:
        self.account = OlmAccount()
        keys = self.account.get_device_keys(UserID(ALICE), DeviceID("HERS")).serialize()
        server.devices[ALICE] = {"HERS": cast("Any", keys)}
        self.to = machine._olm.own_identity
        key = IdentityKey(next(iter(server.mine.values()))["key"])
        self.session: Session = self.account.new_outbound_session(self.to.identity_key, key)

    def letter(self) -> tuple[str, dict[str, Any]]:
        """The key of a new session, and what holds it."""
        room = OutboundGroupSession()
        inside = {
            "type": "m.room_key",
            "sender": ALICE,
            "sender_device": "HERS",
            "keys": {"ed25519": self.account.signing_key},
            "recipient": BOT,
            "recipient_keys": {"ed25519": self.to.signing_key},
            "content": {
                "algorithm": MEGOLM,
                "room_id": MODS,
                "session_id": room.id,
                "session_key": room.session_key,
            },
        }
        sealed = self.session.encrypt(json.dumps(inside)).serialize()
        content = {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": self.account.identity_key,
            "ciphertext": {self.to.identity_key: sealed},
        }
        return room.id, {"type": "m.room.encrypted", "sender": ALICE, "content": content}


@pytest.fixture
async def sender(machine: Machine, server: Server) -> Sender:
    await machine.take(encryption.KEY_COUNTS, {"signed_curve25519": 20})  # for which it makes new ones
    return Sender(machine, server)


async def taken(machine: Machine, letter: dict[str, Any]) -> frozenset[str]:
    return await machine.take(encryption.TO_DEVICE, letter)


async def test_a_letter_whose_sender_could_not_be_looked_up_is_read_the_next_time(
    machine: Machine, server: Server, sender: Sender
) -> None:
    session_id, letter = sender.letter()
    server.away = [Later(foreign("away"))]
    with pytest.raises(Later):
        await taken(machine, letter)

    assert await taken(machine, letter) == {session_id}
    next_id, another = sender.letter()
    assert await taken(machine, another) == {next_id}


@pytest.mark.parametrize("letters", [1, 2], ids=["the first letter of a session", "a later one"])
async def test_a_letter_is_read_the_next_time_if_the_process_died_before_its_key_was_kept(
    machine: Machine, server: Server, sender: Sender, letters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(letters - 1):
        await taken(machine, sender.letter()[1])
    session_id, letter = sender.letter()

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(machine._store, "put_group_session", die)
        with pytest.raises(asyncio.CancelledError):
            await taken(machine, letter)

    next_one = Machine(machine._db, BOT, "a secret of twenty characters at least")
    await next_one.begin(cast("DeviceApi", server), "MINE", anew=False)
    assert await taken(next_one, letter) == {session_id}
    next_id, another = sender.letter()
    assert await taken(next_one, another) == {next_id}


@pytest.mark.parametrize("call", ["update_session", "add_session", "put_account"])
async def test_a_key_that_was_kept_before_the_process_died_is_there(
    machine: Machine, server: Server, sender: Sender, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if call == "update_session":
        await taken(machine, sender.letter()[1])
    session_id, letter = sender.letter()

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(PgCryptoStore, call, die)
        with pytest.raises(asyncio.CancelledError):
            await taken(machine, letter)

    next_one = Machine(machine._db, BOT, "a secret of twenty characters at least")
    await next_one.begin(cast("DeviceApi", server), "MINE", anew=False)
    assert await next_one._store.has_group_session(
        cast("Any", MODS), olm._place(session_id, sender.account.identity_key, "")
    )
    if call != "put_account":  # after which it counts as read
        assert await taken(next_one, letter) == {session_id}, "its message need not wait until it is due"


async def test_a_letter_is_read_once(machine: Machine, sender: Sender) -> None:
    session_id, letter = sender.letter()
    assert await taken(machine, letter) == {session_id}

    with pytest.raises(Unreadable):
        await taken(machine, letter)
