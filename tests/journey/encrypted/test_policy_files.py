"""A long policy in an encrypted room: it comes as an encrypted file, which can be sent back."""

from __future__ import annotations

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from tests.keeper import Garden
from tests.uploads import download, send_sealed_file

POLICY = "rules:\n" + "".join(f"- {{ when: {{ user: '@u{n}:tulip.example' }}, then: accept }}\n" for n in range(300))


async def test_a_long_policy_comes_as_an_encrypted_file_that_can_be_sent_back(garden: Garden) -> None:
    sent = await send_sealed_file(garden.alice, garden.mods, POLICY.encode(), "!kb policy set")
    assert (await garden.answer_to(sent)).startswith("✅")

    await garden.tell("policy show")

    file = await garden.heard(
        lambda event: event["content"].get("msgtype") == "m.file" and event["sender"] == garden.keeper.user_id
    )
    assert "url" not in file["content"]
    assert b"rules" not in await download(garden.alice, file["content"]["file"]["url"])
    said = await garden.command("policy set", reply_to=file["event_id"])
    assert said.startswith("✅ Revision 2 of the policy of Garden is in force: 300 rules now, 300 before.")
