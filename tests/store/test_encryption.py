"""The bot's device and its mail on record: nothing twice, nothing lost, and an old copy is known as such."""

from __future__ import annotations

import json
from typing import Any

import pytest

from knockbot.domain import plan
from knockbot.domain.jobs import Act, Say
from knockbot.domain.notices import dumps
from knockbot.domain.reasons import foreign
from knockbot.store import encryption, jobs
from knockbot.store.db import Database
from knockbot.store.encryption import DEVICE_LISTS, KEEP, TO_DEVICE, Device
from tests.store.samples import MODS, NOW

BOT = "@knockbot:tulip.example"
MESSAGE = {"type": "m.room.encrypted", "sender": "@a:b", "content": {"ciphertext": "x"}}


async def test_a_message_that_comes_twice_is_taken_in_once_by_whichever_way(db: Database) -> None:
    async with db.tx() as tx:
        await encryption.store_mail(tx, [(TO_DEVICE, MESSAGE), (TO_DEVICE, MESSAGE)], NOW)
        await encryption.store_mail(tx, [(TO_DEVICE, {**MESSAGE, "to_user_id": BOT})], NOW)
        [mail] = await encryption.mail_waiting(tx)
        await encryption.mail_taken(tx, mail.seq, NOW)
        await encryption.store_mail(tx, [(TO_DEVICE, MESSAGE)], NOW)

        assert json.loads(mail.raw) == MESSAGE
        assert await encryption.mail_waiting(tx) == []


async def test_that_somebodys_devices_have_changed_is_news_each_time(db: Database) -> None:
    changed = (DEVICE_LISTS, {"changed": ["@a:b"]})
    async with db.tx() as tx:
        await encryption.store_mail(tx, [changed, changed], NOW)

        assert len(await encryption.mail_waiting(tx)) == 2


async def test_mail_is_taken_in_in_its_order_and_forgotten_after_a_day(db: Database) -> None:
    letters = [(TO_DEVICE, {**MESSAGE, "content": {"number": number}}) for number in range(5)]
    async with db.tx() as tx:
        await encryption.store_mail(tx, letters, NOW)
        batch = await encryption.mail_waiting(tx)
        for mail in batch:
            await encryption.mail_taken(tx, mail.seq, NOW)
        assert [json.loads(mail.raw)["content"]["number"] for mail in batch] == [0, 1, 2, 3, 4]
        assert await tx.fetchval("SELECT count(*) FROM mail") == 5

        await encryption.store_mail(tx, [(TO_DEVICE, MESSAGE)], NOW + KEEP + 1)
        [last] = await encryption.mail_waiting(tx)
        await encryption.mail_taken(tx, last.seq, NOW + KEEP + 1)

        assert await tx.fetchval("SELECT count(*) FROM mail") == 1
        assert await tx.fetchval("SELECT raw FROM mail") is None


async def test_a_device_keeps_its_place_and_another_one_begins_anew(db: Database) -> None:
    async with db.tx() as tx:
        await encryption.started(tx, BOT, "ONE", 1)
        await encryption.read_up_to(tx, BOT, "s5")
        await encryption.started(tx, BOT, "ONE", 2)
        assert await encryption.device(tx, BOT) == Device("ONE", "s5", 2)

        await encryption.started(tx, BOT, "TWO", 3)
        assert await encryption.device(tx, BOT) == Device("TWO", None, 3)


async def test_what_is_to_be_said_in_an_encrypted_room_is_left_to_the_process_with_the_keys(db: Database) -> None:
    async with db.tx() as tx:
        await encryption.note(tx, [MODS, MODS])
        await jobs.add(
            tx, [plan.say(MODS, "here", Say({})), plan.say("!clear", "there", Say({})), plan.enter(MODS, "$i")], NOW
        )

    without = await jobs.claim(db, NOW, 10, keys=False)
    with_keys = await jobs.claim(db, NOW, 10, keys=True)

    assert {claimed.job.act for claimed in without} == {Act.SAY, Act.JOIN}
    assert "say:here" not in {claimed.job.key for claimed in without}
    assert [claimed.job.key for claimed in with_keys] == ["say:here"]


async def test_once_encrypted_a_room_is_so_for_ever_and_its_key_is_shared_anew_when_told(db: Database) -> None:
    async with db.tx() as tx:
        await encryption.note(tx, [MODS])
        await encryption.share(tx, MODS, "digest")
        await encryption.note(tx, [MODS])
        assert await encryption.is_encrypted(tx, MODS)
        assert await encryption.shared_with(tx, MODS) == "digest"

        await encryption.share_anew(tx)
        assert await encryption.shared_with(tx, MODS) is None


async def test_of_one_sender_a_days_worth_is_kept_and_of_others_all(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encryption, "DAILY", 3)
    flood = [(TO_DEVICE, {**MESSAGE, "content": {"number": number}}) for number in range(10)]
    async with db.tx() as tx:
        await encryption.store_mail(tx, flood, NOW)
        await encryption.store_mail(tx, [(TO_DEVICE, {**MESSAGE, "sender": "@c:b"})], NOW)
        assert len(await encryption.mail_waiting(tx)) == 4
        await encryption.store_mail(tx, flood[5:], NOW + KEEP + 1)
        assert len(await encryption.mail_waiting(tx)) == 7

    assert [record.getMessage().count("@a:b") for record in caplog.records] == [1, 1]


async def test_what_is_skipped_is_marked_and_told_once_a_day_for_each_sender(db: Database) -> None:
    letters = [(TO_DEVICE, {**MESSAGE, "content": {"number": number}}) for number in range(3)]
    other = (TO_DEVICE, {**MESSAGE, "sender": "@c:b"})
    async with db.tx() as tx:
        await encryption.store_mail(tx, [*letters, other], NOW)
        batch = await encryption.mail_waiting(tx)
        told = [await encryption.mail_skipped(tx, mail.seq, NOW, foreign("no \0 sense")) for mail in batch]

        assert told == [True, False, False, True]
        assert await encryption.mail_waiting(tx) == []
        assert await tx.fetchval("SELECT count(*) FROM mail WHERE fault = $1", dumps(foreign("no \ufffd sense"))) == 4


@pytest.mark.parametrize("content", ["\ud800", "\0", 10**30, {"a": float("inf")}])
async def test_mail_of_any_content_is_kept(db: Database, content: Any) -> None:
    async with db.tx() as tx:
        await encryption.store_mail(tx, [(TO_DEVICE, {"sender": content, "content": content})], NOW)

        assert len(await encryption.mail_waiting(tx)) == 1


async def test_mail_that_is_too_deep_to_be_written_is_kept_as_far_as_it_goes(db: Database) -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    async with db.tx() as tx:
        await encryption.store_mail(tx, [(TO_DEVICE, {**MESSAGE, "content": deep}), (TO_DEVICE, MESSAGE)], NOW)

        assert len(await encryption.mail_waiting(tx)) == 2
