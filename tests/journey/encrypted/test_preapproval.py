"""A list of people to approve is sent as an encrypted file, and only who has its key can read it."""

from __future__ import annotations

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from tests.keeper import Garden
from tests.uploads import send_sealed_file


@pytest.mark.parametrize("replied", [False, True])
async def test_an_encrypted_csv_file_is_opened(garden: Garden, replied: bool) -> None:
    await garden.set_policy("rules: [{name: friends, when: {pre_approved: true}, then: accept}]")
    ana = await garden.person()
    content = f"{ana.user_id},2100-01-01,Änne\r\n".encode()

    if replied:
        said = await garden.command("allow", reply_to=await send_sealed_file(garden.alice, garden.mods, content))
    else:
        said = await garden.answer_to(await send_sealed_file(garden.alice, garden.mods, content, "!kb allow"))

    assert said == f"✅ Pre-approved for Garden: {ana.user_id}.\nuntil 2100-01-01 (UTC) · note: Änne"
    await ana.knock(garden.room)
    await garden.membership(ana, "invite")
