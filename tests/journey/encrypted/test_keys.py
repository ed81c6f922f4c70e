"""The keys of encrypted management rooms: late, lost, renewed, handed from process to process, and never told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from mautrix.types import EncryptionAlgorithm, EventType, ForwardedRoomKeyEventContent

from knockbot.app import now
from knockbot.backup.dump import export, restore
from knockbot.check import check
from knockbot.config.settings import read_settings
from knockbot.demo.homeserver import free_port
from knockbot.demo.people import Json, until
from knockbot.demo.sealed import SealedPerson
from knockbot.demo.story import ENCRYPTED
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Unavailable
from knockbot.features.encryption import sealed
from knockbot.flow.keys import SEALED
from knockbot.matrix import gateway
from knockbot.matrix.crypto.secret import master_key, recovery_key
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import jobs
from tests.keeper import Garden, InProcess, Process, block, edit_of, words
from tests.lab import Lab, LabHomeserver
from tests.sealed import (
    ALGORITHM,
    PICKLE_KEY,
    another_device,
    come_back_without_keys,
    devices_of,
    encryption,
    lose_keys,
    moderator,
    new_device,
    plant,
    raw,
    use_another_key,
)

pytestmark = pytest.mark.long


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a key does so for a moment only."""
    monkeypatch.setattr(sealed, "SOON", 200)
    monkeypatch.setattr(sealed, "PATIENCE", 500)


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


async def test_what_was_said_while_the_bot_was_away_is_read_once_it_is_back(keeper: InProcess) -> None:
    garden = await plant(keeper)
    ana = await garden.knocker()
    await garden.card(ana)
    await keeper.stop()
    await use_another_key(garden)
    await garden.tell("accept 1")
    await keeper.start()

    await garden.membership(ana, "invite")


async def test_old_cards_stay_answerable_when_all_keys_were_lost(keeper: InProcess, sqlite_url: str) -> None:
    garden = await plant(keeper)
    ana, ben = await garden.knocker("ana"), await garden.knocker("ben")
    card = await garden.card(ana)
    await garden.card(ben)
    await come_back_without_keys(keeper, sqlite_url)

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
    await garden.heard(lambda event: "I cannot read the messages that I sent" in words(event))
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
                raise Later(foreign("the answer was lost"), retry_after=0.1)
        return event_id

    async def no_echo(*_: Any) -> None:
        return None

    await garden.caught_up()  # the offer of a policy to begin with is sent by now
    monkeypatch.setattr(Homeserver, "send", send)
    monkeypatch.setattr(jobs, "echo_of", no_echo)
    ana = await garden.knocker()
    card = await garden.card(ana)
    await garden.caught_up()

    cards = [event for event in await garden.said() if block(event) and not edit_of(event)]
    assert [one["event_id"] for one in cards] == [sent[0]] == [card["event_id"]]


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


async def test_mail_that_is_nested_too_deeply_stops_nothing(garden: Garden, impatient: None) -> None:
    mona = await moderator(garden.keeper.homeserver, "mona")
    taken = 0
    for levels in range(900, 960):
        content = '{"a":' * levels + "0" + "}" * levels
        url = f"{mona.url}/_matrix/client/v3/sendToDevice/{SEALED}/deep{levels}"
        body = f'{{"messages": {{"{garden.keeper.user_id}": {{"*": {content}}}}}}}'
        async with mona.http.put(url, data=body, headers={"Authorization": f"Bearer {mona.token}"}) as answer:
            taken += answer.status == 200  # from some depth on, Synapse itself refuses
    assert taken > 1

    await use_another_key(garden)
    assert "Nobody is waiting" in await garden.command("list")


# --- whose key it is ----------------------------------------------------------------------------------------------


async def key_of(person: SealedPerson, room: Any) -> Any:
    """The key of what somebody says from now on, as it is given to others."""
    outbound = await person._store.get_outbound_group_session(room)
    assert outbound is not None
    return outbound.share_content


async def give(person: SealedPerson, key: Any, to: Any) -> None:
    """Give somebody a key, whosever it is, as one's own."""
    for device in (await person._olm._fetch_keys([to], include_untracked=True))[to].values():
        await person._olm.send_encrypted_to_device(device, EventType.ROOM_KEY, key)


async def test_no_member_makes_a_moderator_unreadable_with_their_key(garden: Garden) -> None:
    assert isinstance(garden.alice, SealedPerson)
    mona = await moderator(garden.keeper.homeserver, "mona")
    await garden.bring(mona, garden.mods)
    await garden.command("list")

    await give(mona, await key_of(garden.alice, garden.mods), garden.keeper.user_id)
    await use_another_key_of(mona, garden)

    assert "Nobody is waiting" in await garden.command("list")


async def use_another_key_of(person: SealedPerson, garden: Garden) -> None:
    """Have the bot answer somebody's command, after which it has taken in all that they sent it before."""
    hers = Garden(garden.keeper, person, garden.room, garden.mods)
    await person.use_another_key(garden.mods)
    await hers.command("list")


async def test_no_member_is_before_a_moderator_with_their_key(garden: Garden) -> None:
    alice = garden.alice
    assert isinstance(alice, SealedPerson)
    mona = await moderator(garden.keeper.homeserver, "mona")
    await garden.bring(mona, garden.mods)
    await alice.use_another_key(garden.mods)
    said = {"msgtype": "m.text", "body": "!kb list"}
    await alice.seal(garden.mods, "m.room.message", said, to=[alice.user_id, mona.user_id])
    key = await key_of(alice, garden.mods)
    content = await alice.seal(garden.mods, "m.room.message", said, to=[alice.user_id, mona.user_id])
    await give(mona, key, garden.keeper.user_id)
    await use_another_key_of(mona, garden)

    late = await alice.call("PUT", "rooms", garden.mods, "send", SEALED, "late", body=content)
    await give(alice, key, garden.keeper.user_id)

    assert "Nobody is waiting" in await garden.answer_to(str(late["event_id"]))


async def test_a_copy_that_comes_first_does_not_count_as_read(garden: Garden, impatient: None) -> None:
    alice = garden.alice
    assert isinstance(alice, SealedPerson)
    mona = await moderator(garden.keeper.homeserver, "mona")
    await garden.bring(mona, garden.mods)
    said = {"msgtype": "m.text", "body": "!kb list"}
    content = await alice.seal(garden.mods, "m.room.message", said)

    copy = await mona.call("PUT", "rooms", garden.mods, "send", SEALED, "copy", body=content)
    assert "I cannot read this message" in await garden.answer_to(str(copy["event_id"]))
    true = await alice.call("PUT", "rooms", garden.mods, "send", SEALED, "true", body=content)

    assert "Nobody is waiting" in await garden.answer_to(str(true["event_id"]))


async def test_a_key_from_a_later_message_on_does_not_take_the_place_of_an_earlier_one(garden: Garden) -> None:
    alice = garden.alice
    assert isinstance(alice, SealedPerson)
    await garden.command("list")
    said = {"msgtype": "m.text", "body": "!kb list"}
    early = await alice.seal(garden.mods, "m.room.message", said)
    await alice.seal(garden.mods, "m.room.message", said)
    await give(alice, await key_of(alice, garden.mods), garden.keeper.user_id)
    mona = await moderator(garden.keeper.homeserver, "mona")
    await garden.bring(mona, garden.mods)
    await use_another_key_of(mona, garden)

    sent = await alice.call("PUT", "rooms", garden.mods, "send", SEALED, "early", body=early)

    assert "Nobody is waiting" in await garden.answer_to(str(sent["event_id"]))


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


async def say_in_clear(garden: Garden, body: str, txn_id: str) -> str:
    """Alice says something unencrypted."""
    content = {"msgtype": "m.text", "body": body}
    path = ("rooms", garden.mods, "send", "m.room.message", txn_id)
    return str((await garden.alice.call("PUT", *path, body=content))["event_id"])


async def test_where_only_verified_devices_count_others_are_told(homeserver: LabHomeserver, sqlite_url: str) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption(trust="verified"))
    async with keeper.running():
        alice = await moderator(homeserver)
        mods = await alice.create_room(invite=[keeper.user_id], initial_state=ENCRYPTED)
        garden = await keeper.plant(alice=alice, mods=mods, protect=False)
        assert "only from verified" in await garden.command("rooms")
        assert "only from verified" in await garden.answer_to(await say_in_clear(garden, "!kb rooms", "clear"))

        await alice.verify()

        assert "only from verified" not in await garden.command("rooms")

        await alice.put_state(mods, "m.room.encryption", {})
        assert "only from verified" in await garden.answer_to(await say_in_clear(garden, "!kb rooms", "emptied"))


# --- where it is not allowed --------------------------------------------------------------------------------------


async def waiting(keeper: InProcess) -> int:
    """How many acts wait for something that people have to mend."""
    async with keeper.context.db.tx() as tx:
        return (await jobs.counts(tx)).get("blocked", 0)


async def test_nothing_is_said_in_clear_in_a_room_that_is_encrypted_later_until_that_is_allowed(
    homeserver: LabHomeserver, sqlite_url: str, complaints: list[str]
) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url)
    async with keeper.running():
        garden = await plant(keeper, state=[])
        await garden.alice.put_state(garden.mods, "m.room.encryption", ALGORITHM)
        await garden.heard(lambda event: "encryption is not enabled" in words(event))
        ana = await garden.knocker()
        await until(lambda: waiting(keeper), bool, lambda _: "nothing waits")
        before = await raw(garden)
    assert [event for event in before if ana.user_id in str(event)] == []
    told: list[str] = []
    await check(read_settings(keeper.config), told.append)
    assert "is encrypted, and encryption is not allowed" in "\n".join(told)

    keeper.config["encryption"] = encryption()
    async with keeper.running():
        await garden.card(ana)
        said = await raw(garden)
        assert {event["type"] for event in said[len(before) :]} == {SEALED}
        await garden.tell("accept 1")
        await garden.shown(ana, "accepted")

    del keeper.config["encryption"]
    async with keeper.running():
        ben = await garden.knocker("ben")
        await until(lambda: waiting(keeper), bool, lambda _: "nothing waits")
        known = {event["event_id"] for event in before}
        in_clear = [e for e in await raw(garden) if e["type"] != SEALED and e["event_id"] not in known]
        assert ["encryption is not enabled" in words(event) for event in in_clear] == [True]
        assert ben.user_id not in str(in_clear)
    assert complaints
    complaints.clear()


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


async def test_a_wrong_pickle_key_is_said_at_the_start_and_a_lost_one_replaced_once_the_keys_are_forgotten(
    homeserver: LabHomeserver, sqlite_url: str
) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption())
    async with keeper.running():
        garden = await plant(keeper)
    another = "another secret of twenty characters"
    keeper.config["encryption"] = encryption(pickle_key=another)

    with pytest.raises(Unavailable, match=r"encryption\.pickle_key"):
        await keeper.start()
    lose_keys(sqlite_url)
    async with keeper.running():
        await garden.command("list")
        found = await garden.alice.call("POST", "keys", "query", body={"device_keys": {keeper.user_id: []}})

    [device] = found["device_keys"][keeper.user_id].values()
    [master], [vouching] = (found[name][keeper.user_id]["keys"] for name in ("master_keys", "self_signing_keys"))
    assert master == f"ed25519:{master_key(another)}"
    assert vouching in device["signatures"][keeper.user_id]


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
            await come_back_without_keys(keeper, sqlite_url)
            assert "Nobody is waiting" in await garden.command("list")


async def test_a_key_that_no_transaction_brings_is_fetched_when_it_is_missed(
    lab: Lab, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Synapse leaves it out for as long as it repeats transactions after an outage."""
    async with lab.own_homeserver(slots=1, lines=BY_TRANSACTIONS, extra=FLAGS) as homeserver:
        keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption(appservice=True))
        async with keeper.running():
            garden = await plant(keeper)
            await garden.command("list")
            monkeypatch.setattr(gateway, "mail_in_transaction", lambda *_: [])
            for _ in range(2):
                await use_another_key(garden)
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
