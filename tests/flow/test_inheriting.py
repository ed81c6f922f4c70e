"""Policies of spaces: which room goes by which policies, with whose power, and what their names mean."""

from __future__ import annotations

import pytest

from knockbot.config.policies import read_known_policy
from knockbot.domain.model import Origin
from knockbot.domain.policy import Policy
from knockbot.flow import place, rules
from knockbot.flow.rules import InForce
from knockbot.store import judgements, rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

TOWN, COUNTRY, POND = "!town:tulip.example", "!country:tulip.example", "!pond:tulip.example"
STAFF, OTHER_STAFF = "!staff:tulip.example", "!other-staff:tulip.example"
BOB = "@bob:tulip.example"


async def put_in(house: House, room_id: str, space: str | None) -> None:
    """A room belongs to a space from now on."""
    async with house.db.tx() as tx:
        await rooms.set_space(tx, room_id, space)


async def new_space(house: House, *below: str, space: str = TOWN, policy: str | None = None) -> None:
    """Protect a space with these rooms in it."""
    house.world.room(space, space[1:].partition(":")[0].title(), ALICE, BOT, levels=levels_for())
    await house.protect(space, policy=policy)
    for room_id in below:
        await put_in(house, room_id, space)


async def new_room(house: House, room_id: str = POND, label: str = "Pond") -> None:
    """Protect another room."""
    house.world.room(room_id, label, ALICE, BOT, levels=levels_for())
    await house.protect(room_id)


async def in_force(house: House, room_id: str = GARDEN) -> InForce:
    """What decides in a room."""
    return await rules.look_up(house.context, room_id)


async def there(house: House, room_id: str = GARDEN) -> place.Place:
    """A room as a turn sees it."""
    async with house.db.tx() as tx:
        found = await place.find(house.context, tx, room_id)
    assert found is not None
    return found


# --- which policies decide ------------------------------------------------------------------------------------


async def test_a_room_without_a_policy_takes_that_of_its_space(house: House) -> None:
    await new_space(house, GARDEN, policy="otherwise: accept")
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.membership(ANA) == "invite"
    request = await house.request(ANA)
    assert request.decision is not None
    assert (request.decision.origin, request.decision.author) == (Origin(TOWN, "Town"), ALICE)


async def test_a_room_with_a_policy_goes_by_that_alone(house: House) -> None:
    await house.set_policy("announce: none")
    await new_space(house, GARDEN, policy="{otherwise: accept, reasons: hidden}")
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.card().state == "pending"
    assert (await there(house)).settings.reasons == "shown"


async def test_with_inherit_own_rules_come_first_and_those_of_the_space_follow(house: House) -> None:
    await house.set_policy(f"{{inherit: true, rules: [{{when: {{user: '{ANA}'}}, then: accept}}]}}")
    await new_space(house, GARDEN, policy=f"rules: [{{when: {{user: ['{ANA}', '{BEA}']}}, then: reject}}]")
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await house.live()

    assert (house.membership(ANA), house.membership(BEA)) == ("invite", "leave")


async def test_with_inherit_a_setting_is_that_of_the_space_where_the_room_sets_none(house: House) -> None:
    await house.set_policy("{inherit: true, announce: none}")
    await new_space(house, GARDEN, policy="{announce: line, reasons: hidden, otherwise: accept, language: de}")
    found = await there(house)

    settings = found.settings
    assert (settings.announce, settings.reasons, settings.otherwise, found.language) == (
        "none",
        "hidden",
        "accept",
        "de",
    )
    assert house.context.policies.rooms == []  # no turn compiles a policy
    assert (await in_force(house)).policy.settings == settings


async def test_a_room_of_no_space_that_inherits_goes_on_with_the_default(house: House) -> None:
    await house.set_policy("inherit: true")

    assert [layer.room_id for layer in (await in_force(house)).layers] == [GARDEN, ""]
    assert (await there(house)).settings.otherwise == "forward"


async def test_a_space_without_a_policy_is_passed_over(house: House) -> None:
    await new_space(house, GARDEN)
    await new_space(house, TOWN, space=COUNTRY, policy="otherwise: reject")

    assert [layer.room_id for layer in (await in_force(house)).layers] == [COUNTRY]
    assert (await there(house)).settings.otherwise == (await there(house, TOWN)).settings.otherwise == "reject"


async def test_a_space_that_inherits_is_followed_by_the_space_above(house: House) -> None:
    await house.set_policy("inherit: true")
    await new_space(house, GARDEN, policy="{inherit: true, announce: none}")
    await new_space(house, TOWN, space=COUNTRY, policy="otherwise: reject")

    assert [layer.room_id for layer in (await in_force(house)).layers] == [GARDEN, TOWN, COUNTRY]
    assert ((await there(house)).settings.announce, (await there(house)).settings.otherwise) == ("none", "reject")


async def test_spaces_in_a_circle_end_the_search(house: House) -> None:
    await house.set_policy("inherit: true")
    await new_space(house, GARDEN, policy="inherit: true")
    await new_space(house, TOWN, space=COUNTRY, policy="inherit: true")
    await put_in(house, COUNTRY, TOWN)
    await put_in(house, TOWN, COUNTRY)

    assert [layer.room_id for layer in (await in_force(house)).layers] == [GARDEN, TOWN, COUNTRY, ""]
    assert [layer.room_id for layer in (await there(house, TOWN)).layers] == [TOWN, COUNTRY]


async def test_of_too_many_spaces_above_each_other_the_nearest_decide(house: House) -> None:
    await house.set_policy("inherit: true")
    below = GARDEN
    for number in range(20):
        await new_space(house, below, space=f"!s{number}:tulip.example", policy="inherit: true")
        below = f"!s{number}:tulip.example"

    layers = [layer.room_id for layer in (await in_force(house)).layers]
    assert layers == [GARDEN, *(f"!s{number}:tulip.example" for number in range(8)), ""]


async def test_a_space_of_another_management_room_decides_nothing(house: House) -> None:
    house.world.room("!others:tulip.example", "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await new_space(house, GARDEN, policy="otherwise: ban")
    await house.protect(TOWN, "!others:tulip.example")
    async with house.db.tx() as tx:
        await tx.execute("UPDATE rooms SET space = $1 WHERE room_id = $2", TOWN, GARDEN)  # as nothing writes it

    assert [layer.room_id for layer in (await in_force(house)).layers] == [""]
    assert (await there(house)).settings.otherwise == "forward"


async def test_what_is_looked_up_and_what_a_turn_sees_are_the_same(house: House) -> None:
    await new_room(house)
    await house.set_policy("{inherit: true, otherwise: reject}")
    await new_space(house, GARDEN, POND, policy="{otherwise: accept, inviter_left: keep}")
    for room_id in (GARDEN, POND, TOWN):
        found = await there(house, room_id)
        async with house.db.tx() as tx:
            [managed] = [one for one in await place.managed_by(house.context, tx, MODS) if one.room_id == room_id]
        assert managed == found
        looked_up = await in_force(house, room_id)
        assert rules.compiled(house.context, found) == looked_up
        assert looked_up.policy.settings == found.settings
        assert looked_up.revision == found.revision


# --- how it changes -------------------------------------------------------------------------------------------


async def test_every_process_sees_a_new_policy_of_a_space_at_once(house: House) -> None:
    await new_space(house, GARDEN, policy="otherwise: reject")
    other = house.new_context(house.db)  # it keeps policies by itself
    assert (await rules.look_up(other, GARDEN)).policy.otherwise == "reject"
    await house.set_policy("otherwise: ban", TOWN)

    assert (await rules.look_up(other, GARDEN)).policy.otherwise == "ban"
    async with house.db.tx() as tx:
        found = await place.find(other, tx, GARDEN)
    assert found is not None
    assert found.settings.otherwise == "ban"


async def test_the_policy_of_a_space_is_compiled_once_for_all_its_rooms(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def known(text: str) -> Policy:
        read.append(text)
        return read_known_policy(text)

    monkeypatch.setattr(rules, "read_known_policy", known)
    await new_room(house)
    await house.set_policy("inherit: true")
    await new_space(house, GARDEN, POND, policy="otherwise: accept")
    for room_id in (GARDEN, POND, TOWN, GARDEN, POND):
        await in_force(house, room_id)

    assert sorted(read) == ["inherit: true", "otherwise: accept"]


async def test_a_room_that_leaves_its_space_goes_by_the_default_again(house: House) -> None:
    await new_space(house, GARDEN, policy="otherwise: reject")
    await put_in(house, GARDEN, None)

    assert (await there(house)).settings.otherwise == "forward"
    assert (await in_force(house)).policy.otherwise == "forward"


# --- with whose power -----------------------------------------------------------------------------------------


async def test_the_rules_of_a_space_are_left_to_the_moderators_where_its_author_is_not_in_the_room(
    house: House,
) -> None:
    await new_space(house, GARDEN, policy="otherwise: forward")
    await house.set_policy("otherwise: accept", TOWN, author=BOB)  # Bob is not in the garden
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.membership(ANA) == "knock"
    assert BOB in house.card().text


async def test_each_rule_acts_with_the_power_of_the_author_of_its_policy(house: House) -> None:
    own = f"{{inherit: true, rules: [{{when: {{user: '{ANA}'}}, then: accept}}]}}"
    await house.set_policy(own)
    await new_space(house, GARDEN)
    await house.set_policy("otherwise: accept", TOWN, author=BOB)
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await house.live()

    assert (house.membership(ANA), house.membership(BEA)) == ("invite", "knock")
    decisions = [(await house.request(user)).decision for user in (ANA, BEA)]
    assert [decision.author for decision in decisions if decision] == [ALICE, BOB]


async def test_whoever_falls_from_power_in_the_room_takes_the_rules_of_the_space_along(house: House) -> None:
    await new_space(house, GARDEN, policy="otherwise: reject")
    house.world.set_levels(GARDEN, users={ALICE: 0, BOT: 100})
    await house.live()
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert house.membership(ANA) == "knock"
    assert ALICE in house.card().text


async def test_invites_of_a_lost_inviter_are_revoked_with_the_power_of_who_set_that(house: House) -> None:
    await house.set_policy("{inherit: true, inviter_left: keep}")
    await new_space(house, GARDEN)
    await house.set_policy("inviter_removed: revoke", TOWN, author=BOB)
    found = await there(house)

    assert found.author_of("inviter_left") == ALICE
    assert found.author_of("inviter_removed") == BOB
    assert found.author_of("inviter_demoted") == BOB  # nobody sets it, so it is as the space has it


# --- what names mean ------------------------------------------------------------------------------------------


async def test_a_name_means_another_room_in_each_policy(house: House) -> None:
    house.world.room(STAFF, "Staff", ALICE, BOT, ANA)
    house.world.room(OTHER_STAFF, "Other staff", ALICE, BOT, BEA)
    rule = "rules: [{when: {member_of: '#staff:tulip.example'}, then: accept}]"
    house.world.aliases["#staff:tulip.example"] = STAFF
    await house.set_policy(f"inherit: true\n{rule}")
    house.world.aliases["#staff:tulip.example"] = OTHER_STAFF
    await new_space(house, GARDEN, policy=rule)
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await house.live()

    found = [(await house.request(user)).decision for user in (ANA, BEA)]
    assert [(house.membership(user)) for user in (ANA, BEA)] == ["invite", "invite"]
    assert [decision.origin for decision in found if decision] == [None, Origin(TOWN, "Town")]


async def test_a_judgement_says_by_which_revisions_it_was_made(house: House) -> None:
    await house.set_policy("inherit: true")
    await new_space(house, GARDEN, policy="otherwise: forward")
    await house.set_policy("otherwise: accept", TOWN)
    house.world.knock(GARDEN, ANA)
    await house.live()

    request = await house.request(ANA)
    async with house.db.tx() as tx:
        judgement = await judgements.newest(tx, request.id)
    assert judgement is not None
    assert (judgement.revision, judgement.inherited) == (1, {TOWN: 2})


# --- what is said of it ---------------------------------------------------------------------------------------


async def told(house: House, command: str, *, by: str = ALICE) -> str:
    """The reply to a command."""
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    return "\n".join(house.spoken()[before:])


async def test_show_names_where_each_part_of_a_policy_is_from(house: House) -> None:
    await house.set_policy("inherit: true\nreasons: hidden\nrules:\n- {name: mine, when: {local: true}, then: accept}")
    text = "reasons: shown\nannounce: none\nrules:\n- {name: theirs, when: {local: false}, then: reject}"
    await new_space(house, GARDEN, policy=text)
    reply = await told(house, f"policy show {GARDEN}")

    own, theirs = reply.split("Then follows the policy of Town, revision 1 by @alice:tulip.example:")
    assert "Policy of Garden (revision 1 by @alice:tulip.example):" in own
    assert "name: mine" in own
    assert "theirs" not in own
    assert ("name: theirs" in theirs, "announce: none" in theirs) == (True, True)
    assert "reasons" not in theirs  # the room sets it itself
    assert "built-in default" in theirs


async def test_show_of_a_room_without_a_policy_shows_that_of_its_space_as_it_was_written(house: House) -> None:
    await new_space(house, GARDEN, policy="# be careful\notherwise: reject")
    reply = await told(house, f"policy show {GARDEN}")

    assert "Policy of Garden (the policy of Town, revision 1 by @alice:tulip.example):" in reply
    assert "# be careful\notherwise: reject" in reply


async def test_show_of_a_room_that_inherits_without_a_space_shows_the_default(house: House) -> None:
    await house.set_policy("{inherit: true, otherwise: forward, otherwise_third_party: forward}")

    assert "Then follows the default" in await told(house, f"policy show {GARDEN}")


async def test_show_says_how_much_of_several_long_policies_it_leaves_out(house: House) -> None:
    rules = "\n".join(f"- {{name: rule {number}, when: {{local: true}}, then: accept}}" for number in range(300))
    await house.set_policy(f"inherit: true\nrules:\n{rules}")
    await new_space(house, GARDEN, policy=f"rules:\n{rules}")
    reply = await told(house, f"policy show {GARDEN}")

    assert "more characters" in reply
    assert len(reply) < 12_000


async def test_log_check_and_rooms_name_the_policies_of_other_rooms(house: House) -> None:
    await new_room(house)
    await house.set_policy("inherit: true")
    await new_space(house, GARDEN, POND, policy="otherwise: reject")
    theirs = "the policy of Town, revision 1 by @alice:tulip.example"

    for command in (f"policy log {GARDEN}", f"check {GARDEN}"):
        assert f"After its own policy: {theirs}." in await told(house, command)
    for command in (f"policy log {POND}", f"check {POND}"):
        assert f"In force: {theirs}." in await told(house, command)
    assert "Pond has no policy of its own." in await told(house, f"policy log {POND}")
    listed = await told(house, "rooms")
    assert (listed.count(f"In force: {theirs}."), listed.count(f"After its own policy: {theirs}.")) == (1, 1)


async def test_a_rule_of_a_space_is_named_with_its_space_wherever_it_is_named(house: House) -> None:
    own = "{inherit: true, rules: [{name: gone, when: {local: false}, then: ban}]}"
    await house.set_policy(own)
    text = "{reasons: hidden, rules: [{name: ours, when: {local: true}, then: accept}], otherwise: reject}"
    await new_space(house, GARDEN, policy=text)
    tested = await told(house, f"test {GARDEN} {ANA}")
    assert "by rule “ours” of Town" in tested
    assert "rule “gone” does not match" in tested

    house.world.knock(GARDEN, ANA)
    await house.live()
    assert "rule “ours” of Town" in house.spoken()[-1]
    block = house.said()[-1]["org.knockbot.request"]
    assert (block["rule"], block["policy_of"]) == ("ours", TOWN)
    for command in ("show 1", "log 1"):
        assert "rule “ours” of Town" in await told(house, command)

    other = await told(house, f"test {GARDEN} @dan:lily.example")
    assert "ban, by rule “gone”\n" in f"{other}\n"
    assert "Town" not in other


async def test_the_otherwise_of_a_space_is_named_with_its_space(house: House) -> None:
    await new_space(house, GARDEN, policy="otherwise: reject")
    assert "because no rule matches (otherwise of Town)" in await told(house, f"test {GARDEN} {ANA}")
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert "the policy of Town (otherwise)" in house.spoken()[-1]
    assert "the policy of Town (otherwise)" in await told(house, "log 1")
    assert "because no rule matches (otherwise of Town)" in await told(house, "show 1")
