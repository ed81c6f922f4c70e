"""Policies as files: what a message does not hold is sent as one, and a file is read as what is typed."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.documents.yaml import LONGEST
from knockbot.domain.notices import because
from knockbot.errors import Later, Never
from knockbot.store import policies
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE

SHORT = "otherwise: ban\n"
LONG = "rules:\n" + "".join(f"- {{ when: {{ user: '@u{n}:tulip.example' }}, then: accept }}\n" for n in range(300))


async def told(house: House, command: str, **how: Any) -> list[str]:
    before = len(house.spoken())
    house.tell(command, **how)
    await house.live()
    return house.spoken()[before:]


def files(house: House) -> list[dict[str, Any]]:
    """The files that the bot has sent."""
    said = house.world.rooms[MODS].said
    return [one for one in said if one["content"].get("msgtype") == "m.file" and one["sender"] != ALICE]


def text_of(house: House, event: dict[str, Any]) -> str:
    return house.world.media[event["content"]["url"].rpartition("/")[2]].decode()


async def in_force(house: House) -> str:
    async with house.db.tx() as tx:
        return (await policies.revisions(tx, GARDEN, 1))[0].text


# --- sent ---------------------------------------------------------------------------------------------------------


async def test_a_policy_that_a_message_holds_comes_without_a_file(house: House) -> None:
    await house.set_policy(SHORT, GARDEN)
    [said] = await told(house, f"policy show {GARDEN}")
    assert SHORT.strip() in said
    assert "as a file" not in said
    assert files(house) == []


async def test_a_longer_one_comes_as_a_file_after_its_beginning(house: House) -> None:
    await house.set_policy(LONG, GARDEN)
    [said, *_] = await told(house, f"policy show {GARDEN}")
    assert f"… and {len(LONG) - 10_000:,} more characters" in said
    assert said.rstrip(".").endswith(f"send the file back with the caption !kb policy set {GARDEN}")
    [file] = files(house)
    assert text_of(house, file) == LONG
    content = file["content"]
    assert content["body"] == content["filename"] == "policy.yaml"
    assert content["info"] == {"mimetype": "application/yaml", "size": len(LONG)}
    assert content["m.mentions"] == {}
    command = [one for one in house.world.rooms[MODS].said if one["sender"] == ALICE][-1]
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": command["event_id"]}}
    *_, reply, last = house.world.rooms[MODS].said
    assert (reply["content"]["msgtype"], last) == ("m.notice", file)


async def test_an_old_revision_comes_as_a_file_too(house: House) -> None:
    await house.set_policy(LONG, GARDEN)
    await house.set_policy(SHORT, GARDEN)
    await told(house, f"policy show {GARDEN} 1")
    assert text_of(house, files(house)[0]) == LONG


async def test_in_a_thread_the_file_is_in_the_thread(house: House) -> None:
    await house.set_policy(LONG, GARDEN)
    begun = house.world.say(MODS, ALICE, "What have we got?")
    thread = {"rel_type": "m.thread", "event_id": begun, "is_falling_back": True, "m.in_reply_to": {"event_id": begun}}
    house.world.say(MODS, ALICE, f"!kb policy show {GARDEN}", **{"m.relates_to": thread})
    await house.live()
    [file] = files(house)
    assert file["content"]["m.relates_to"]["event_id"] == begun
    assert file["content"]["m.relates_to"]["rel_type"] == "m.thread"


async def test_it_is_sent_once_where_the_answers_of_the_homeserver_are_lost(house: House) -> None:
    await house.set_policy(LONG, GARDEN)
    house.world.play("upload", Later(because("homeserver.nonsense"), retry_after=1), done=True)
    await told(house, f"policy show {GARDEN}")
    house.world.play("send", Later(because("homeserver.nonsense"), retry_after=1), done=True)
    await house.later(60)
    [file] = files(house)
    assert text_of(house, file) == LONG
    assert len(house.world.asked("upload")) == 2


async def test_where_the_homeserver_takes_no_such_file_that_is_told(house: House) -> None:
    await house.set_policy(f"language: de\n{LONG}", GARDEN)
    house.world.play("upload", Never(because("file.too_large"), code="M_TOO_LARGE"))
    said = await told(house, f"policy show {GARDEN}")
    assert said[-1] == "Ich konnte die Datei policy.yaml nicht schicken: sie ist zu groß."
    assert files(house) == []


# --- read ---------------------------------------------------------------------------------------------------------


async def test_the_file_can_be_sent_back(house: House) -> None:
    await house.set_policy(LONG, GARDEN)
    await told(house, f"policy show {GARDEN}")
    changed = text_of(house, files(house)[0]) + "otherwise: ban\n"
    house.world.send_file(MODS, ALICE, changed.encode(), f"!kb policy set {GARDEN}")
    await house.live()
    assert house.spoken()[-1].startswith(
        "✅ Revision 2 of the policy of Garden is in force: 300 rules now, 300 before."
    )
    assert await in_force(house) == changed


@pytest.mark.parametrize("kind", ["m.file", "m.image"])
async def test_a_file_may_be_replied_to(house: House, kind: str) -> None:
    event = house.world.send_file(MODS, ALICE, b"\xef\xbb\xbfotherwise: ban\r\n", msgtype=kind)
    [said] = await told(house, f"policy set {GARDEN}", reply_to=event)
    assert said.startswith("✅ Revision 1")


async def test_what_is_typed_counts_more_than_a_file_that_is_replied_to(house: House) -> None:
    event = house.world.send_file(MODS, ALICE, SHORT.encode())
    await told(house, f"policy set {GARDEN}\notherwise: forward", reply_to=event)
    assert await in_force(house) == "otherwise: forward"


async def test_a_policy_in_a_file_is_tried(house: House) -> None:
    house.world.send_file(MODS, ALICE, SHORT.encode(), f"!kb policy try {GARDEN}")
    await house.live()
    assert "Which policy?" not in house.spoken()[-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "This file is no text in UTF-8."),
        (b"x" * (4 * LONGEST + 1), "The file is larger than 256 KiB. I did not read it."),
        (b"x" * (LONGEST + 1), "Policy not changed: too long: 65537 characters, at most 65536."),
        (b"otherwise: nobody", "Policy not changed: line 1: otherwise: unknown word"),
        (b" \n", "Which policy? Write it on the lines below, or send it as a file with this command as its caption."),
    ],
)
async def test_a_file_that_is_no_policy_changes_nothing(house: House, content: bytes, said: str) -> None:
    house.world.send_file(MODS, ALICE, content, f"!kb policy set {GARDEN}")
    await house.live()
    assert house.spoken()[-1].startswith(said)
    async with house.db.tx() as tx:
        assert await policies.revisions(tx, GARDEN, 1) == []


async def test_a_reply_to_what_is_no_file_asks_for_the_policy(house: House) -> None:
    event = house.world.say(MODS, ALICE, "what now?")
    [said] = await told(house, f"policy set {GARDEN}", reply_to=event)
    assert said.startswith("Which policy?")


async def test_a_file_that_is_gone_is_told(house: House) -> None:
    house.world.send_file(MODS, ALICE, SHORT.encode(), f"!kb policy set {GARDEN}")
    house.world.media.clear()
    await house.live()
    assert house.spoken()[-1].startswith("I could not read the file:")
