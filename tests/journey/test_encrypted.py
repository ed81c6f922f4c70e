"""Encrypted management rooms: everything as in clear ones, and nothing of it readable by anybody else."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from mautrix.client import Client
from mautrix.crypto.ssss.machine import Machine
from mautrix.types import EncryptionAlgorithm, EventType, ForwardedRoomKeyEventContent

from knockbot.app import now
from knockbot.check import check
from knockbot.config import Settings
from knockbot.demo.homeserver import free_port
from knockbot.demo.people import Json, Person, until
from knockbot.demo.sealed import SEALED, SealedPerson
from knockbot.errors import Later, Unavailable
from knockbot.flow import sealed
from knockbot.matrix.crypto import KEY_TABLES, recovery_key
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import effects
from knockbot.store.backup import export, restore
from tests.keeper import Garden, InProcess, Keeper, Process, block, edit_of, words
from tests.lab import Lab, LabHomeserver

ALGORITHM = {"algorithm": "m.megolm.v1.aes-sha2"}
ENCRYPTED = [{"type": "m.room.encryption", "state_key": "", "content": ALGORITHM}]
PICKLE_KEY = "a secret of twenty characters at least"


def encryption(**more: Any) -> dict[str, Any]:
    """The part of config.yaml that allows it."""
    return {"allow": True, "pickle_key": PICKLE_KEY, **more}


async def moderator(homeserver: LabHomeserver, name: str = "alice") -> SealedPerson:
    """Somebody new whose client encrypts."""
    number = len(homeserver.url) + next(homeserver._numbers)
    return await SealedPerson.register(homeserver, f"{name}{number}", display_name=name.capitalize())


async def plant(keeper: Keeper, alice: SealedPerson | None = None, *, state: Any = ENCRYPTED) -> Garden:
    """A garden whose management room is encrypted."""
    alice = alice or await moderator(keeper.homeserver)
    mods = await alice.create_room(invite=[keeper.user_id], initial_state=state)
    return await keeper.plant(alice=alice, mods=mods)


@pytest.fixture
async def keeper(homeserver: LabHomeserver, sqlite_url: str) -> AsyncIterator[InProcess]:
    """A bot that reads what is encrypted, on a database of its own."""
    keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption())
    async with keeper.running():
        yield keeper


@pytest.fixture
async def garden(keeper: InProcess) -> Garden:
    """A garden with an encrypted management room."""
    return await plant(keeper)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a key does so for a moment only."""
    monkeypatch.setattr(sealed, "SOON", 200)
    monkeypatch.setattr(sealed, "PATIENCE", 500)


async def raw(garden: Garden) -> list[Json]:
    """What the homeserver has of the bot's words in the management room."""
    events = await Person.messages(garden.alice, garden.mods, limit=200)  # unopened
    return [e for e in events if e["sender"] == garden.keeper.user_id and e["type"] in (SEALED, "m.room.message")]


async def use_another_key(garden: Garden) -> None:
    """Alice's client begins a new session."""
    assert isinstance(garden.alice, SealedPerson)
    await garden.alice.use_another_key(garden.mods)


async def new_device(person: SealedPerson) -> SealedPerson:
    """Another device of theirs, which has the keys of nothing that was said before."""
    localpart = person.user_id[1:].partition(":")[0]
    device = await SealedPerson.log_in(person.http, person.url, localpart, person.password)
    await device.get_keys()
    return device


# --- as in clear rooms --------------------------------------------------------------------------------------------


async def test_a_moderator_meets_the_bot_in_an_encrypted_room(garden: Garden) -> None:
    ana = await garden.knocker("ana", "I like tulips")

    card = await garden.card(ana)
    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.membership(ana, "invite")
    edited = await garden.shown(ana, "accepted")
    assert edit_of(edited) == card["event_id"]
    assert card["unsigned"]["sealed"]
    assert {event["type"] for event in await raw(garden)} == {SEALED}


async def test_commands_and_replies_to_cards_are_understood(garden: Garden) -> None:
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    card = await garden.card(ana)
    await garden.card(ben)

    await garden.tell("reject Sorry", reply_to=card["event_id"])
    await garden.membership(ana, "leave")
    await garden.tell("accept 2")
    await garden.membership(ben, "invite")

    assert "Nobody is waiting" in await garden.command("list")


async def test_what_is_in_clear_in_an_encrypted_event_is_its_relation_alone(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.tell("accept 1")
    await garden.shown(ana, "accepted")

    outside = [event["content"] for event in await raw(garden)]
    assert {key for content in outside for key in content} == {
        "algorithm",
        "ciphertext",
        "device_id",
        "m.relates_to",
        "sender_key",
        "session_id",
    }
    edits = [c["m.relates_to"] for c in outside if c.get("m.relates_to", {}).get("rel_type") == "m.replace"]
    assert {edit["event_id"] for edit in edits} == {card["event_id"]}


async def test_an_edit_commands_nothing(garden: Garden) -> None:
    said = await garden.alice.say(garden.mods, "nothing yet")
    edited = {"msgtype": "m.text", "body": "!kb list"}
    relation = {"rel_type": "m.replace", "event_id": said}
    edit = await garden.alice.say(
        garden.mods, "* !kb list", content={"m.new_content": edited, "m.relates_to": relation}
    )
    await garden.command("help")

    assert await garden.answers_to(edit) == []


async def test_a_direct_message_is_answered_encrypted(keeper: InProcess) -> None:
    alice = await moderator(keeper.homeserver)
    room = await alice.create_room(invite=[keeper.user_id], is_direct=True, initial_state=ENCRYPTED)
    await alice.wait_for_membership(room, keeper.user_id, "join")
    garden = Garden(keeper, alice, room, room)

    assert "protect" in await garden.command("help")
    assert {event["type"] for event in await raw(garden)} == {SEALED}


async def test_an_unencrypted_room_stays_so(keeper: InProcess) -> None:
    garden = await plant(keeper, state=[])

    assert {event["type"] for event in await raw(garden)} == {"m.room.message"}


async def test_a_room_that_is_encrypted_later_is_so_from_then_on(keeper: InProcess) -> None:
    garden = await plant(keeper, state=[])
    await garden.alice.put_state(garden.mods, "m.room.encryption", ALGORITHM)

    await garden.command("list")

    assert (await raw(garden))[-1]["type"] == SEALED


async def test_the_knocks_of_an_encrypted_protected_room_are_answered(keeper: InProcess) -> None:
    alice = await moderator(keeper.homeserver)
    mods = await alice.create_room(invite=[keeper.user_id], initial_state=ENCRYPTED)
    garden = await keeper.plant(alice=alice, mods=mods, protect=False)
    await alice.put_state(garden.room, "m.room.encryption", ALGORITHM)
    await garden.command(f"protect {garden.room}", expect="I keep the door")

    ana = await garden.knocker()
    await garden.card(ana)
    await alice.say(garden.room, "nothing that the bot has to know")
    await garden.tell("accept 1")

    await garden.membership(ana, "invite")
    said = await alice.messages(garden.room, limit=200)
    assert not [e for e in said if e["sender"] == keeper.user_id and e["type"] in (SEALED, "m.room.message")]


async def test_the_bot_is_verified_by_itself(garden: Garden) -> None:
    ana = await garden.knocker()

    card = await garden.card(ana)

    assert card["unsigned"]["trust"] == "cross-signed-tofu"


async def test_the_recovery_key_opens_the_secrets_of_the_account(keeper: InProcess, garden: Garden) -> None:
    bot: Any = keeper.user_id
    client = Client(mxid=bot, base_url=keeper.homeserver.url, token=keeper.slot.as_token, as_user_id=bot)
    try:
        machine = Machine(client)
        key_id, metadata = await machine.get_default_key_data()
        key = metadata.verify_recovery_key(key_id, recovery_key(PICKLE_KEY))
        seed = await machine.get_decrypted_account_data(EventType.CROSS_SIGNING_MASTER, key)
    finally:
        await client.api.session.close()

    assert len(seed) == 32


async def test_check_tells_the_bots_device_and_whether_it_is_vouched_for(keeper: InProcess, garden: Garden) -> None:
    [device] = await devices_of(keeper)
    told: list[str] = []

    await check(Settings.model_validate(keeper.config), told.append)
    keeper.config["encryption"] = encryption(pickle_key="another secret of twenty characters")
    await check(Settings.model_validate(keeper.config), told.append)

    first, second = [line for line in told if "encryption:" in line]
    assert first.startswith(f"✅ encryption: the bot's device is {device},")
    assert second.startswith("❌ encryption: clients show the bot's device as unverified")


# --- again and again ----------------------------------------------------------------------------------------------


async def test_a_restart_between_any_two_steps_changes_nothing(keeper: InProcess) -> None:
    async def restart() -> None:
        await keeper.stop()
        await keeper.start()

    garden = await plant(keeper)
    device = await devices_of(keeper)
    await restart()
    ana = await garden.knocker()
    card = await garden.card(ana)
    await restart()
    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(ana, "invite")
    await restart()
    assert edit_of(await garden.shown(ana, "accepted")) == card["event_id"]
    assert "Nobody is waiting" in await garden.command("list")
    assert await devices_of(keeper) == device


async def devices_of(keeper: Keeper) -> set[str]:
    """The bot's devices on the homeserver."""
    headers = {"Authorization": f"Bearer {keeper.slot.as_token}"}
    url = f"{keeper.homeserver.url}/_matrix/client/v3/devices"
    async with keeper.homeserver.http.get(url, headers=headers, params={"user_id": keeper.user_id}) as answer:
        return {device["device_id"] for device in (await answer.json())["devices"]}


async def another_device(keeper: Keeper, before: set[str]) -> None:
    """Return once the bot has another device than before, and no other."""

    async def look() -> set[str]:
        return await devices_of(keeper)

    await until(look, lambda now: len(now) == 1 and now != before, lambda now: f"the bot has {now}")


async def test_what_was_said_while_the_bot_was_away_is_read_once_it_is_back(keeper: InProcess) -> None:
    garden = await plant(keeper)
    ana = await garden.knocker()
    await garden.card(ana)
    await keeper.stop()
    await use_another_key(garden)
    await garden.tell("accept 1")
    await keeper.start()

    await garden.membership(ana, "invite")


def lose_keys(sqlite_url: str) -> None:
    """Take the bot's device and all its keys out of a database."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:"))) as file:
        for table in (*KEY_TABLES, "bot_device", "mail"):
            file.execute(f"DELETE FROM {table}")
        file.commit()


async def test_old_cards_stay_answerable_when_all_keys_were_lost(keeper: InProcess, sqlite_url: str) -> None:
    garden = await plant(keeper)
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    card = await garden.card(ana)
    await garden.card(ben)
    before = await devices_of(keeper)
    await keeper.stop()
    lose_keys(sqlite_url)
    await keeper.start()

    await another_device(keeper, before)
    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(ana, "invite")
    assert edit_of(await garden.shown(ana, "accepted")) == card["event_id"]
    await garden.tell("accept 2")
    await garden.membership(ben, "invite")
    assert (await garden.said())[-1]["unsigned"]["trust"] == "cross-signed-tofu"


async def test_an_old_copy_of_the_database_gets_another_device(
    keeper: InProcess, sqlite_url: str, tmp_path: Path
) -> None:
    garden = await plant(keeper)
    await keeper.stop()
    path, copy = sqlite_url.removeprefix("sqlite:"), tmp_path / "copy"
    shutil.copy(path, copy)
    await keeper.start()
    await garden.command("list")
    before = await devices_of(keeper)
    await keeper.stop()
    shutil.copy(copy, path)
    await keeper.start()

    await another_device(keeper, before)
    assert "Nobody is waiting" in await garden.command("list")


async def test_after_an_import_the_bot_has_another_device_and_says_that_it_cannot_read_its_own_words(
    keeper: InProcess, tmp_path: Path
) -> None:
    garden = await plant(keeper)
    ana = await garden.knocker("ana")
    card = await garden.card(ana)
    await garden.caught_up()
    backup: list[bytes] = []
    await export(keeper.database, keeper.user_id, now(), backup.append)
    ben, cleo = await garden.knocker("ben"), await garden.knocker("cleo")
    second = await garden.card(ben)
    await garden.alice.react(garden.mods, (await garden.card(cleo))["event_id"], "✅")
    await garden.shown(cleo, "accepted")
    before, acts = await devices_of(keeper), await garden.acts_of_the_bot()
    await keeper.stop()
    keeper.config["database"] = keeper.database = f"sqlite:{tmp_path / 'another.db'}"
    await restore(keeper.database, backup, "backup", keeper.user_id, now())
    await keeper.start()

    await another_device(keeper, before)
    await garden.heard(lambda event: "I cannot read it any more" in words(event))
    third = await garden.shown(ben, "pending", after=second["event_id"])
    assert block(third)["number"] > 1000
    assert await garden.acts_of_the_bot() == acts
    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await garden.membership(ana, "invite")
    assert edit_of(await garden.shown(ana, "accepted")) == card["event_id"]


async def test_a_moderators_new_device_is_heard_and_hears(garden: Garden) -> None:
    await garden.command("list")
    assert isinstance(garden.alice, SealedPerson)
    device = await new_device(garden.alice)
    again = Garden(garden.keeper, device, garden.room, garden.mods)
    garden.keeper._ears.pop((device.user_id, garden.mods))

    await again.command("list")
    ana = await again.knocker()
    await again.card(ana)
    await again.tell("accept 1")
    await again.shown(ana, "accepted")


async def test_a_new_moderator_hears_what_is_said_from_then_on(garden: Garden) -> None:
    await garden.command("list")
    mona = await moderator(garden.keeper.homeserver, "mona")
    for room in (garden.mods, garden.room):
        await garden.bring(mona, room)
    await garden.give_power(mona.user_id, 50)
    ana = await garden.knocker()
    hers = Garden(garden.keeper, mona, garden.room, garden.mods)

    await hers.card(ana)
    await hers.tell("accept 1")

    await hers.shown(ana, "accepted")


@pytest.mark.parametrize(("rule", "hears"), [("joined", False), ("shared", True)])
async def test_whoever_is_only_invited_hears_what_the_history_rule_lets_them(
    keeper: InProcess, rule: str, *, hears: bool
) -> None:
    visibility = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": rule}}
    garden = await plant(keeper, state=[*ENCRYPTED, visibility])
    mona = await moderator(keeper.homeserver, "mona")
    await garden.alice.invite(garden.mods, mona.user_id)
    await garden.command("rooms")
    await mona.join(garden.mods)
    await garden.command("list")
    await mona.messages(garden.mods)

    first, last = [event["content"]["session_id"] for event in await raw(garden)][-2:]
    known = [await mona._store.has_group_session(garden.mods, session) for session in (first, last)]  # type: ignore[arg-type]  # a RoomID is a str
    assert known == [hears, True]


async def test_who_has_left_hears_nothing_more(garden: Garden) -> None:
    mona = await moderator(garden.keeper.homeserver, "mona")
    await garden.bring(mona, garden.mods)
    await garden.command("list")
    await garden.alice.kick(garden.mods, mona.user_id)
    before = {event["content"]["session_id"] for event in await raw(garden)}

    await garden.command("rooms")

    assert (await raw(garden))[-1]["content"]["session_id"] not in before


async def test_the_rooms_own_rule_for_changing_keys_is_kept(keeper: InProcess) -> None:
    rule = {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 2}
    garden = await plant(keeper, state=[{**ENCRYPTED[0], "content": rule}])
    for command in ("list", "rooms", "help", "list", "rooms"):
        await garden.command(command)

    sessions = [event["content"]["session_id"] for event in await raw(garden)]
    assert max(sessions.count(session) for session in sessions) == 2


async def test_a_moderators_new_session_is_read(garden: Garden) -> None:
    assert isinstance(garden.alice, SealedPerson)
    for _ in range(3):
        await garden.alice.use_another_key(garden.mods)
        assert "Nobody is waiting" in await garden.command("list")


async def test_a_card_of_which_it_is_unsure_whether_it_was_sent_is_found_again(
    garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    really_send = Homeserver.send

    async def send(self: Homeserver, room_id: str, event_type: str, *rest: Any) -> str:
        event_id = await really_send(self, room_id, event_type, *rest)
        if event_type == SEALED:
            sent.append(event_id)
            if len(sent) == 1:
                raise Later("the answer was lost", retry_after=0.1)
        return event_id

    async def no_echo(*_: Any) -> None:
        return None

    monkeypatch.setattr(Homeserver, "send", send)
    monkeypatch.setattr(effects, "echo_of", no_echo)
    ana = await garden.knocker()
    card = await garden.card(ana)

    assert sent == [card["event_id"]]


async def test_killed_again_and_again_it_goes_on(homeserver: LabHomeserver, sqlite_url: str, tmp_path: Path) -> None:
    process = Process(homeserver.take_slot(), sqlite_url, tmp_path, encryption=encryption())
    async with process.running():
        garden = await plant(process)
        device = await devices_of(process)
        for number in range(1, 4):
            ana = await garden.knocker()
            process.kill()
            await process.start()
            await garden.card(ana)
            await garden.tell(f"accept {number}")
            process.kill()
            await process.start()
            await garden.shown(ana, "accepted")
        cards = [event for event in await garden.said() if not edit_of(event) and block(event)]
        assert len(cards) == 3
        assert await devices_of(process) == device


STRANGE: list[Any] = [
    {},
    {"algorithm": "m.megolm.v1.aes-sha2"},
    {"algorithm": 5, "session_id": [], "ciphertext": {}},
    {"algorithm": "m.megolm.v1.aes-sha2", "session_id": "\0", "ciphertext": "x"},
    {"algorithm": "m.megolm.v1.aes-sha2", "session_id": "x" * 300, "ciphertext": "x"},
    {"algorithm": "m.olm.v1.curve25519-aes-sha2", "session_id": "x", "ciphertext": {"a": "b"}},
]


@pytest.mark.parametrize("content", STRANGE)
async def test_what_makes_no_sense_stops_nothing(garden: Garden, content: Any) -> None:
    path = ("rooms", garden.mods, "send", SEALED, "strange")
    strange = str((await garden.alice.call("PUT", *path, body=content))["event_id"])

    assert "I cannot read this message" in await garden.answer_to(strange)
    await garden.command("list")


async def test_what_strangers_send_to_the_bots_device_stops_nothing(garden: Garden, impatient: None) -> None:
    mona = await moderator(garden.keeper.homeserver, "mona")
    for number, content in enumerate(
        [
            {},
            {"algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": 5, "sender_key": []},
            {
                "algorithm": "m.olm.v1.curve25519-aes-sha2",
                "ciphertext": {"x": {"type": 9, "body": "x"}},
                "sender_key": "x",
            },
            {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "sender_key": "x", "session_id": "\0"},
        ]
    ):
        messages = {garden.keeper.user_id: {"*": content}}
        await mona.call("PUT", "sendToDevice", SEALED, f"strange{number}", body={"messages": messages})

    await use_another_key(garden)
    await garden.command("list")


# --- keys that are late, and those that never come ----------------------------------------------------------------


async def say_without_key(garden: Garden, command: str) -> str:
    """Alice says something whose key she gives nobody but herself."""
    alice = garden.alice
    assert isinstance(alice, SealedPerson)
    await alice.use_another_key(garden.mods)
    content = await alice.seal(
        garden.mods, "m.room.message", {"msgtype": "m.text", "body": command}, to=[alice.user_id]
    )
    answer = await alice.call("PUT", "rooms", garden.mods, "send", SEALED, f"txn{command}", body=content)
    return str(answer["event_id"])


async def test_what_cannot_be_read_is_said_once(garden: Garden, impatient: None) -> None:
    first = await say_without_key(garden, "!kb list")

    assert "I cannot read this message" in await garden.answer_to(first)
    await garden.command("rooms")
    assert len(await garden.answers_to(first)) == 1


async def test_a_command_whose_key_is_late_is_run_once(garden: Garden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "SOON", 200)
    alice = garden.alice
    assert isinstance(alice, SealedPerson)
    late = await say_without_key(garden, "!kb list")
    await asked_for(alice, garden)

    await forward_key(alice, garden.mods, garden.keeper.user_id)

    assert "Nobody is waiting" in await garden.answer_to(late)
    await garden.command("rooms")
    assert len(await garden.answers_to(late)) == 1


async def forward_key(person: SealedPerson, room: Any, to: Any) -> None:
    """Give somebody the key of what is said now, as is done for whoever asks for it."""
    session = await newest_session(person, room)
    key: Any = ForwardedRoomKeyEventContent(
        algorithm=EncryptionAlgorithm.MEGOLM_V1,
        room_id=room,
        session_id=session.id,
        session_key=session.export_session(session.first_known_index),
        sender_key=session.sender_key,
        forwarding_key_chain=[],
        signing_key=session.signing_key,
    )
    devices = await person._olm._fetch_keys([to], include_untracked=True)
    for device in devices[to].values():
        await person._olm.send_encrypted_to_device(device, EventType.FORWARDED_ROOM_KEY, key)


async def newest_session(person: SealedPerson, room: Any) -> Any:
    """The session that somebody speaks by."""
    outbound = await person._store.get_outbound_group_session(room)
    assert outbound is not None
    return await person._store.get_group_session(room, outbound.id)


async def asked_for(alice: SealedPerson, garden: Garden) -> None:
    """Return once the bot has asked for a key."""
    requests: list[Json] = []
    since = None
    while not requests:
        answer = await alice.call("GET", "sync", query={"timeout": 1000} | ({"since": since} if since else {}))
        since = answer["next_batch"]
        await alice._take(answer)
        requests += [e for e in answer.get("to_device", {}).get("events", []) if e["type"] == "m.room_key_request"]
    assert requests[0]["sender"] == garden.keeper.user_id


async def test_nobody_can_pass_on_what_another_has_said(garden: Garden, impatient: None) -> None:
    mona = await moderator(garden.keeper.homeserver, "mona")
    await garden.bring(mona, garden.mods)
    said = await garden.alice.event(garden.mods, await garden.tell("list"))

    answer = await mona.call("PUT", "rooms", garden.mods, "send", SEALED, "copy", body=said["content"])

    assert "I cannot read this message" in await garden.answer_to(str(answer["event_id"]))


# --- whose commands count -----------------------------------------------------------------------------------------


async def test_where_only_verified_devices_count_others_are_told(homeserver: LabHomeserver, sqlite_url: str) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption(trust="verified"))
    async with keeper.running():
        alice = await moderator(homeserver)
        mods = await alice.create_room(invite=[keeper.user_id], initial_state=ENCRYPTED)
        garden = await keeper.plant(alice=alice, mods=mods, protect=False)
        assert "verified devices only" in await garden.command("rooms")
        clear = await alice.call(
            "PUT", "rooms", mods, "send", "m.room.message", "clear", body={"msgtype": "m.text", "body": "!kb rooms"}
        )
        assert "verified devices only" in await garden.answer_to(clear["event_id"])

        await alice.verify()

        assert "verified devices only" not in await garden.command("rooms")


# --- what is kept -------------------------------------------------------------------------------------------------

SECRET = "xylophone-in-the-tulips"


def stored_in(directory: Path) -> bytes:
    """Every byte of the database, what was deleted and not yet written over among them."""
    return b"".join(file.read_bytes() for file in directory.glob("knockbot.db*"))


async def test_nothing_stored_or_logged_holds_what_was_said(
    homeserver: LabHomeserver, sqlite_url: str, tmp_path: Path
) -> None:
    process = Process(homeserver.take_slot(), sqlite_url, tmp_path, encryption=encryption(), logging={"level": "debug"})
    async with process.running():
        garden = await plant(process)
        await garden.alice.say(garden.mods, f"only among us: {SECRET}")
        await garden.command(f"list {SECRET}")
        await say_without_key(garden, f"!kb {SECRET}")
        await garden.command("help")
        stored = stored_in(tmp_path)
        log = process.said()

    assert stored
    for secret in (SECRET, PICKLE_KEY):
        assert secret.encode() not in stored
        assert secret not in log
    assert recovery_key(PICKLE_KEY).encode() not in stored


async def test_a_wrong_pickle_key_is_said_at_the_start(homeserver: LabHomeserver, sqlite_url: str) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption())
    async with keeper.running():
        await plant(keeper)
    keeper.config["encryption"] = encryption(pickle_key="another secret of twenty characters")

    with pytest.raises(Unavailable, match=r"encryption\.pickle_key"):
        await keeper.start()


# --- other ways to the device's mail ------------------------------------------------------------------------------

MSC4190 = {"io.element.msc4190": True}
BY_TRANSACTIONS = {**MSC4190, "receive_ephemeral": True, "org.matrix.msc3202": True}
FLAGS = {"experimental_features": {"msc2409_to_device_messages_enabled": True, "msc3202_transaction_extensions": True}}


@pytest.mark.parametrize(
    ("lines", "extra", "appservice"),
    [(MSC4190, {}, False), (BY_TRANSACTIONS, FLAGS, True)],
    ids=["sync, device without login", "transactions"],
)
async def test_the_story_goes_the_same_by_every_way(
    lab: Lab, sqlite_url: str, lines: dict[str, Any], extra: dict[str, Any], appservice: bool
) -> None:
    async with lab.own_homeserver(slots=1, lines=lines, extra=extra) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption(appservice=appservice))
        async with keeper.running():
            garden = await plant(keeper)
            ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
            card = await garden.card(ana)
            await garden.card(ben)
            await garden.alice.react(garden.mods, card["event_id"], "✅")
            await garden.shown(ana, "accepted")
            device = await devices_of(keeper)
            await keeper.stop()
            await use_another_key(garden)
            await garden.tell("accept 2")
            await keeper.start()
            await garden.shown(ben, "accepted")
            assert await devices_of(keeper) == device
            await keeper.stop()
            lose_keys(sqlite_url)
            await keeper.start()
            await another_device(keeper, device)
            assert "Nobody is waiting" in await garden.command("list")


# --- several processes --------------------------------------------------------------------------------------------


async def keys_taken(url: str, *, from_: str | None = None) -> str:
    """The process that has the keys, once one has; another than the one that they are taken `from_`, which is dead."""
    connection = await asyncpg.connect(url)

    async def look() -> Any:
        return await connection.fetchval("SELECT process FROM leases WHERE name = 'keys'")

    try:
        # As if it had been silent for long enough.
        await connection.execute("UPDATE processes SET seen_at = 0 WHERE id = $1", from_)
        return str(await until(look, lambda holder: holder not in (None, from_), lambda _: "nobody has the keys"))
    finally:
        await connection.close()


async def test_one_of_two_processes_has_the_keys_and_the_other_takes_them_over(
    homeserver: LabHomeserver, postgres_url: str, tmp_path: Path
) -> None:
    slot = homeserver.take_slot()
    first = Process(slot, postgres_url, tmp_path, encryption=encryption())
    (tmp_path / "second").mkdir()
    second = Process(slot, postgres_url, tmp_path / "second", port=free_port(), encryption=encryption())
    async with first.running():
        garden = await plant(first)
        device = await devices_of(first)
        async with second.running():
            ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
            await garden.card(ana)
            await garden.card(ben)
            await first.stop()
            holder = await keys_taken(postgres_url)
            await first.start()  # to whom the homeserver hands everything, while the other one has the keys
            await use_another_key(garden)
            await garden.tell("accept 1")
            await garden.membership(ana, "invite")
            await garden.shown(ana, "accepted")
            second.kill()
        await keys_taken(postgres_url, from_=holder)
        await garden.tell("accept 2")
        await garden.membership(ben, "invite")
        await garden.shown(ben, "accepted")
        assert await devices_of(first) == device
    assert "the bot has a new device" in first.said()
    assert "the bot has a new device" not in second.said()
