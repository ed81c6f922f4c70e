"""What is for the bot's device is picked out of syncs and transactions, whatever else stands there."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.matrix.crypto.keyring import Keyring, mail_in_sync, mail_in_transaction
from knockbot.store.encryption import DEVICE_LISTS, KEY_COUNTS, TO_DEVICE
from tests.flow.house import housed

BOT = "@knockbot:tulip.example"
MESSAGE = {"type": "m.room.encrypted", "sender": "@a:b", "content": {}}
LISTS = {"changed": ["@a:b"], "left": []}


def test_a_sync_holds_messages_changed_devices_and_counts() -> None:
    news = {
        "next_batch": "s1",
        "to_device": {"events": [MESSAGE]},
        "device_lists": LISTS,
        "device_one_time_keys_count": {"signed_curve25519": 3},
    }

    assert mail_in_sync(news) == [
        (DEVICE_LISTS, LISTS),
        (TO_DEVICE, MESSAGE),
        (KEY_COUNTS, {"signed_curve25519": 3}),
    ]


@pytest.mark.parametrize(
    "news",
    [
        {},
        {"to_device": None, "device_lists": 5, "device_one_time_keys_count": []},
        {"to_device": {"events": {}}, "device_lists": {"changed": []}},
        {"to_device": {"events": [5, None, {}, {"type": "m.room_key_request"}]}},
        {"device_one_time_keys_count": {"signed_curve25519": 50}},
        {"device_one_time_keys_count": {"signed_curve25519": "few"}},
    ],
)
def test_what_is_nothing_for_the_device_is_no_mail(news: dict[str, Any]) -> None:
    assert mail_in_sync(news) == []


@pytest.mark.parametrize("prefix", ["", "unstable"])
def test_a_transaction_holds_what_is_for_this_device_alone(prefix: str) -> None:
    mine = {**MESSAGE, "to_user_id": BOT, "to_device_id": "MINE"}
    others = [{**mine, "to_device_id": "OLD"}, {**mine, "to_user_id": "@other:tulip.example"}, MESSAGE]
    body = {
        "events": [],
        "de.sorunome.msc2409.to_device" if prefix else "to_device": [*others, mine],
        "org.matrix.msc3202.device_lists" if prefix else "device_lists": LISTS,
        "org.matrix.msc3202.device_one_time_keys_count" if prefix else "device_one_time_keys_count": {
            BOT: {"MINE": {"signed_curve25519": 1}, "OLD": {"signed_curve25519": 0}}
        },
    }

    assert mail_in_transaction(body, BOT, "MINE") == [
        (DEVICE_LISTS, LISTS),
        (TO_DEVICE, mine),
        (KEY_COUNTS, {"signed_curve25519": 1}),
    ]


@pytest.mark.parametrize("body", [{}, {"to_device": 5, "device_lists": [], "device_one_time_keys_count": {BOT: 5}}])
def test_what_makes_no_sense_is_no_mail(body: dict[str, Any]) -> None:
    assert mail_in_transaction(body, BOT, "MINE") == []


def test_without_a_device_there_is_no_mail_for_it() -> None:
    assert mail_in_transaction({"to_device": [{**MESSAGE, "to_user_id": BOT}]}, BOT, None) == []


@pytest.mark.parametrize(("away", "said"), [(True, 0), (False, 1)])
async def test_that_the_device_does_not_work_is_said_only_where_the_homeserver_answered(
    ready_sqlite_url: str, caplog: pytest.LogCaptureFixture, *, away: bool, said: int
) -> None:
    class NoHomeserver:
        async def account_data(self, _: str) -> dict[str, Any]:
            raise Later(foreign("no answer."), unreachable=away)

    async with housed(ready_sqlite_url) as house:
        nobody = cast("Any", NoHomeserver())
        keyring = Keyring(house.context, nobody, nobody, nobody)
        running = asyncio.create_task(keyring.run())
        await keyring.settled.wait()
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    lines = [record for record in caplog.records if "does not work" in record.getMessage()]
    assert len(lines) == said
