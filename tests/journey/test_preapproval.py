"""People are approved before they knock: by a pasted list, or a file that a homeserver keeps, of who has the power."""

from __future__ import annotations

import pytest

from tests.keeper import Garden, InProcess
from tests.uploads import send_file

POLICY = "rules: [{name: friends, when: {pre_approved: true}, then: accept}]"


@pytest.fixture
async def garden(keeper: InProcess) -> Garden:
    """A garden whose policy asks who is approved, and where not everybody may invite; each test brings its people."""
    return await keeper.garden(POLICY, levels={"invite": 50})


async def test_a_pasted_list_lets_in_whom_it_names_when_they_knock(garden: Garden) -> None:
    ana, ben, cem = [await garden.person(name) for name in ("ana", "ben", "cem")]

    said = await garden.command(f"allow {garden.room} until 2100-01-01\n- {ana.user_id} alto\n- {ben.user_id}")
    assert said.startswith("✅ Pre-approved for Garden")
    for person in (ana, ben, cem):
        await person.knock(garden.room)

    await garden.membership(ana, "invite")
    await garden.membership(ben, "invite")
    await garden.card(cem)
    assert ana.user_id in await garden.command(f"allowed {garden.room}")


async def test_who_is_knocking_already_is_let_in_once_they_are_approved(garden: Garden) -> None:
    ana = await garden.knocker()
    await garden.card(ana)

    said = await garden.command(f"allow {ana.user_id} {garden.room}")

    assert f"{ana.user_id} is waiting for an answer. I judge this request again." in said
    await garden.membership(ana, "invite")
    await garden.shown(ana, "accepted")


@pytest.mark.parametrize("replied", [False, True])
async def test_a_csv_file_is_fetched_from_the_homeserver(garden: Garden, replied: bool) -> None:
    ana = await garden.person()
    content = f"\ufeffuser;until;note\r\n{ana.user_id};2100-01-01;Änne, alto\r\n".encode()

    if replied:
        file = await send_file(garden.alice, garden.mods, content)
        said = await garden.command(f"allow {garden.room}", reply_to=file)
    else:
        said = await garden.answer_to(await send_file(garden.alice, garden.mods, content, f"!kb allow {garden.room}"))

    assert said.startswith("✅ Pre-approved for Garden")
    assert said.endswith(f": {ana.user_id}.\nuntil 2100-01-01 (UTC) · note: Änne, alto")
    await ana.knock(garden.room)
    await garden.membership(ana, "invite")


async def test_a_file_that_its_sender_edited_is_not_taken(garden: Garden) -> None:
    """The homeserver tells of the edit beside the message."""
    ana, ben = await garden.person("ana"), await garden.person("ben")
    file = await send_file(garden.alice, garden.mods, ana.user_id.encode())
    newer = await send_file(garden.alice, garden.mods, ben.user_id.encode())
    edit = {
        "m.new_content": {"msgtype": "m.text", "body": "x"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": file},
    }
    await garden.alice.say(garden.mods, "* x", content={"msgtype": "m.text", **edit})

    said = await garden.command(f"allow {garden.room}", reply_to=file)

    assert said == "I could not read the file: it was edited after it was sent. Send it again as a new message."
    assert (await garden.command(f"allow {garden.room}", reply_to=newer)).startswith("✅ Pre-approved")


async def test_a_file_that_the_homeserver_does_not_have_is_told(garden: Garden) -> None:
    gone = {"msgtype": "m.file", "filename": "x.csv", "url": f"mxc://{garden.keeper.homeserver.name}/nothing"}
    event = await garden.alice.say(garden.mods, f"!kb allow {garden.room}", content=gone)

    assert (await garden.answer_to(event)).startswith("I could not read the file: ")


async def test_whose_approver_was_demoted_waits_and_the_card_says_why(garden: Garden) -> None:
    mona, ana = await garden.moderator(level=50), await garden.person()
    said = await garden.command(f"allow {ana.user_id} {garden.room}", by=mona)
    assert said.startswith("✅ Pre-approved")
    await garden.give_power(mona.user_id, 0)

    await ana.knock(garden.room)
    card = await garden.card(ana)
    assert f"{mona.user_id} pre-approved them, but this has no effect now" in card["content"]["body"]
    assert f"What {mona.user_id} pre-approved has no effect now" in await garden.command(f"allowed {garden.room}")

    await garden.give_power(mona.user_id, 50)
    await ana.leave(garden.room)
    await ana.knock(garden.room, "again")
    await garden.membership(ana, "invite")


async def test_who_has_no_power_in_the_room_approves_nobody(garden: Garden) -> None:
    mona, ana = await garden.moderator(level=0), await garden.person()

    assert "does not have permission" in await garden.command(f"allow {ana.user_id} {garden.room}", by=mona)
    await ana.knock(garden.room)
    await garden.card(ana)
