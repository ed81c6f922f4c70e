"""Reading events: what a real Synapse sent, event by event, and whatever else anybody may send."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.text import storable
from knockbot.domain.ids import is_room_id, is_user_id
from knockbot.domain.invites import MOST_KEYS, https_host
from knockbot.domain.model import (
    Echo,
    File,
    Happening,
    IdentityKey,
    MemberChange,
    Membership,
    Message,
    Reaction,
    Redaction,
    RoomChange,
    ThirdPartyChange,
    ThirdPartyInvite,
)
from knockbot.domain.state_keys import spoken
from knockbot.flow.ports import EFFECT_KEY
from knockbot.matrix.events import Malformed, is_event_id, matters, parse
from tests.matrix.edge import ANA, BOT, GARDEN, MODERATOR, MODS, START, Json, changed, member, reaction, state, text

# --- what a real Synapse sent ---------------------------------------------------------------------------------

SAMPLES = Path(__file__).parent.parent / "samples" / "received.jsonl"
"""One line for each thing done on a Synapse 1.163.2, with the events that an application service received for it."""

NOTHING = "nothing"

BECOMES: dict[str, list[str]] = {
    # A local user and the bot, in rooms of versions 10, 11 and 12.
    "v?_knock": ["alice ? > knock by alice: please let me in"],
    "v?_knock_again_no_reason": ["alice knock > knock by alice"],
    "v?_knock_again_other_reason": ["alice knock > knock by alice: second try"],
    "v?_retract": ["alice knock > leave by alice: changed my mind"],
    "v?_reknock_after_retract": ["alice leave > knock by alice: again"],
    "v?_accept_invite": ["alice knock > invite by knockbot: welcome"],
    "v?_join_after_accept": ["alice invite > join by alice"],
    "v10_leave_after_join": ["alice join > leave by alice"],
    "v11_leave_after_join": ["alice join > leave by alice"],
    "v10_knock_after_leave": ["alice leave > knock by alice: third"],
    "v11_knock_after_leave": ["alice leave > knock by alice: third"],
    "v12_knock_after_leave": ["alice join > leave by alice", "alice leave > knock by alice: third"],
    "v?_reject_kick": ["alice knock > leave by knockbot: not today"],
    "v?_kick_twice_1": ["alice knock > leave by knockbot"],
    "v?_reknock_after_reject": ["alice leave > knock by alice: at once"],
    "v?_invite_after_reject": ["alice leave > invite by knockbot"],
    "v?_decline_invite": ["alice invite > leave by alice"],
    "v?_ban": ["alice knock > ban by knockbot: spam"],
    "v?_unban": ["alice ban > leave by knockbot"],
    "v?_knock_after_unban": ["alice leave > knock by alice"],
    # Others act, and what else happens while somebody knocks.
    "accept_by_other_moderator_knock": ["bob ? > knock by bob: hi"],
    "accept_by_other_moderator": ["bob knock > invite by mod"],
    "accept_after_rule_changed_to_invite": ["bob knock > invite by knockbot"],
    "invite_revoked_by_moderator": ["bob invite > leave by mod: oops"],
    "join_rule_changed_to_invite": ["m.room.join_rules by mod"],
    "room_upgraded_while_knocking": ["m.room.tombstone by mod", "m.room.power_levels by mod"],
    "deactivated_while_knocking": ["carol knock > leave by carol"],
    "knock_when_rule_invite": ["bob invite > leave by bob"],
    "knock_by_alias": ["bob ? > knock by bob: alias"],
    "knock_by_state_put": ["bob leave > knock by bob: via PUT state"],
    "knock_retract_by_state_put": ["bob knock > leave by bob"],
    "knock_restricted_unsatisfied_knock": ["bob ? > knock by bob: no condition"],
    "knock_restricted_satisfied_knock": ["bob leave > knock by bob: I could just join"],
    "knock_restricted_satisfied_join": ["bob knock > join by bob"],
    "knock_restricted_join_while_knocking_condition_now_satisfied": ["bob knock > join by bob"],
    "bot_invited": ["knockbot ? > invite by mod"],
    "bot_joined": ["knockbot invite > join by knockbot"],
    "bot_pl0_invite": ["bob knock > invite by knockbot"],
    # A retry after Synapse was restarted says nothing of what stood there before.
    "recovered_after_synapse_restart": [
        "load_u5 ? > knock by load_u5: a",
        "load_u5 ? > knock by load_u5: b",
        "load_u0 ? > leave by knockbot: while down",
        "load_u6 ? > knock by load_u6",
    ],
    # Reasons that are none, or not fit to be stored.
    "reason_null": ["bob leave > knock by bob"],
    "reason_object": ["bob knock > leave by bob", "bob leave > knock by bob"],
    "reason_control": ["bob leave > knock by bob: a\ufffdb\u202e\nc"],
    # Users of another server; what they take back there, nobody here is told.
    "fed_B_in_room_knock": ["dora ? > knock by dora: B is in the room"],
    "fed_B_in_room_reject": ["dora knock > leave by knockbot: no"],
    "fed_B_in_room_retract": ["dora knock > leave by dora"],
    "fed_knock_no_displayname": ["hal ? > knock by hal"],
    "fed_room_on_B_knock_by_A_user": ["gus ? > knock by gus: A user"],
    "fed_room_on_B_knock_by_B_user": ["fred ? > knock by fred: home"],
    "fed_room_on_B_accept": ["fred knock > invite by knockbot"],
    "fed_v?_knock": ["bob? ? > knock by bob?: from B"],
    "fed_v?_knock_again_same_reason": ["bob? knock > knock by bob?: from B"],
    "fed_v?_knock_again_other_reason": ["bob? knock > knock by bob?: second"],
    "fed_v?_accept": ["bob? knock > invite by knockbot: welcome"],
    "fed_v?_join": ["bob? invite > join by bob?"],
    "fed_v?_leave": ["bob? join > leave by bob?"],
    "fed_v?_reject": ["rej? knock > leave by knockbot: no"],
    "fed_v?_reknock_after_reject": ["rej? leave > knock by rej?: again"],
    "fed_v?_ban": ["rej? knock > ban by knockbot: spam"],
    "fed_v?_accept_after_retract": ["ret? knock > invite by knockbot"],
    "fed_v?_invite_revoked": ["ret? invite > leave by knockbot: revoked"],
    "fed_v?_declined": ["ret? invite > leave by ret?"],
    "fed_v?_3pid_redeemed_by_B_user": ["iris? ? > invite by knockbot, redeemed"],
    # Third-party invites.
    "tpi_v?_invite_by_bot": ["knockbot invites dav...@exa... by 3 keys of localhost"],
    "tpi_v?_invite_by_mod": ["mod invites car...@exa... by 3 keys of localhost"],
    "tpi_v?_redeemed_bot_invite": ["dave? ? > invite by knockbot, redeemed"],
    "tpi_v?_redeemed_mod_invite": ["carol? ? > invite by mod, redeemed"],
    "tpi_v?_join_after_redeem": ["carol? invite > join by carol?"],
    "tpi_invite_bound_address": ["gina ? > invite by knockbot"],
    "tpi_redeem_while_knocking": ["hank knock > invite by knockbot, redeemed"],
    "tpi_redeem_inviter_left": ["ivy ? > invite by mod2, redeemed"],
    "tpi_own_key_join_no": ["ola ? > invite by knockbot, redeemed", "ola invite > join by ola"],
    "tpi_revoked_by_bot": ["knockbot empties"],
    "tpi_redacted": ["mod redacts"],
}
"""What each sample becomes: whom it is about, what stood there before where that is told, and what stands now.

`v?` stands for the versions of rooms of which there is a sample.
"""


def told(happening: Happening | None) -> str:
    """A happening in the words of the table above."""
    if isinstance(happening, MemberChange):
        before = happening.replaced_membership or "?"
        reason = f": {happening.reason}" if happening.reason else ""
        about, by = name_of(happening.user_id), name_of(happening.sender)
        redeemed = ", redeemed" if happening.token is not None else ""
        return f"{about} {before} > {happening.membership} by {by}{redeemed}{reason}"
    if isinstance(happening, ThirdPartyChange):
        if happening.invite is None:
            return f"{name_of(happening.sender)} empties"
        keys = happening.invite.keys
        hosts = " and ".join(dict.fromkeys(https_host(key.url or "") or "nobody" for key in keys))
        return f"{name_of(happening.sender)} invites {happening.invite.display_name} by {len(keys)} keys of {hosts}"
    if isinstance(happening, Redaction):
        return f"{name_of(happening.sender)} redacts"
    if isinstance(happening, RoomChange):
        return f"{happening.type} by {name_of(happening.sender)}"
    assert happening is None
    return NOTHING


def name_of(user_id: str) -> str:
    return user_id[1:].partition(":")[0]


@pytest.mark.parametrize(
    ("event_type", "key", "read"),
    [
        ("m.space.child", "!lawn:tulip.example", "!lawn:tulip.example"),
        ("m.space.child", "", ""),
        ("m.space.child", "lawn", None),
        ("m.space.child", 5, None),
        ("m.room.name", "!lawn:tulip.example", None),
    ],
)
def test_a_change_of_a_space_names_the_room_that_it_is_about(event_type: str, key: Any, read: str | None) -> None:
    event = {"type": event_type, "state_key": key, "room_id": "!a:b", "event_id": "$1", "sender": "@a:b", "content": {}}
    happening = parse(event, "@knockbot:lab.test")

    assert (happening.key if isinstance(happening, RoomChange) else None) == read
    assert matters(event) == "state"


def samples() -> Iterator[tuple[str, Json]]:
    for line in SAMPLES.read_text().splitlines():
        sample = json.loads(line)
        for event in sample["events"]:
            yield sample["sample"], event


def row_of(sample: str) -> tuple[str, str]:
    """The row of the table a sample belongs to, and its version of room, where it has one."""
    for version in ("10", "11", "12"):
        row = sample.replace(f"v{version}_", "v?_")
        if sample not in BECOMES and row != sample:
            return row, version
    return sample, ""


def test_every_event_that_synapse_sent_becomes_what_it_means() -> None:
    found: dict[str, list[str]] = {}
    expected = {}
    for sample, event in samples():
        row, version = row_of(sample)
        found.setdefault(sample, []).append(told(parse(event, "@knockbot:lab.test")))
        # The users of some samples have the version of their room in their names.
        expected[sample] = [re.sub(r"(?<=[a-z])\?", version, line) for line in BECOMES[row]]

    assert found == expected
    assert {row_of(sample)[0] for sample in found} == set(BECOMES)


def test_every_event_that_synapse_sent_is_read_to_its_last_field() -> None:
    for _, event in samples():
        happening = parse(event, "@knockbot:lab.test")
        if isinstance(happening, MemberChange):
            content, unsigned = event["content"], event["unsigned"]
            assert happening.room_id == event["room_id"]
            assert happening.event_id == event["event_id"]
            assert happening.user_id == event["state_key"]
            assert happening.sent_at == event["origin_server_ts"]
            assert happening.display_name == content.get("displayname")
            assert happening.has_avatar == bool(content.get("avatar_url"))
            assert happening.replaces == unsigned.get("replaces_state")


# --- what else may come ---------------------------------------------------------------------------------------


def test_a_knock_is_read_whole() -> None:
    event = member(reason="please", displayname="Ana", avatar_url="mxc://a/b")
    event["unsigned"] |= {"replaces_state": "$before", "prev_content": {"membership": "leave"}}

    change = parse(event, BOT)

    knock, leave = Membership.KNOCK, Membership.LEAVE
    assert change == MemberChange(GARDEN, "$knock", ANA, ANA, knock, "please", "Ana", True, START, "$before", leave)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Al\u200bice", "Al\u200bice"),
        ("\u200b" * 30_000 + "Alice", "Alice"),
        (" \u200b" * 30_000 + "Alice  B", "Alice B"),
        ("x" * 60_000, "x" * 500),
        ("\0" * 600 + "a" * 600, "a" * 500),
    ],
    ids=["short", "behind what nobody sees", "behind blanks", "long", "behind what no database takes"],
)
def test_a_name_is_kept_from_where_a_reader_sees_it(name: str, read: str) -> None:
    change = parse(member(displayname=name), BOT)

    assert isinstance(change, MemberChange)
    assert change.display_name == read


@pytest.mark.parametrize(("url", "has"), [("mxc://a/b", True), ("", False), (None, False), (5, False), ({}, False)])
def test_an_avatar_is_an_address_that_is_not_empty(url: Any, has: bool) -> None:
    change = parse(member(avatar_url=url), BOT)

    assert isinstance(change, MemberChange)
    assert change.has_avatar is has


NEW = {"msgtype": "m.text", "body": "!kb accept 1"}
REPLACE = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$old"}, "m.new_content": NEW}
IN_THREAD = {
    "rel_type": "m.thread",
    "event_id": "$root",
    "is_falling_back": True,
    "m.in_reply_to": {"event_id": "$last"},
}
CAPTION = {"msgtype": "m.file", "filename": "list.csv", "url": "mxc://a.b/c"}
EDIT = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$old"}, "m.new_content": {"body": "!kb accept 1"}}
HTML = {"format": "org.matrix.custom.html", "formatted_body": "<b>!kb</b>"}


@pytest.mark.parametrize(
    ("content", "becomes"),
    [
        ({}, Message(MODS, "$said", MODERATOR, START, "!kb help")),
        (HTML, Message(MODS, "$said", MODERATOR, START, "!kb help", "<b>!kb</b>")),
        ({"formatted_body": "<b>!kb</b>"}, Message(MODS, "$said", MODERATOR, START, "!kb help")),
        (
            {"m.relates_to": {"m.in_reply_to": {"event_id": "$card"}}},
            Message(MODS, "$said", MODERATOR, START, "!kb help", None, "$card"),
        ),
        (
            {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$card"}}},
            Message(MODS, "$said", MODERATOR, START, "!kb help", None, "$card", thread="$root"),
        ),
        (
            {"m.relates_to": IN_THREAD},
            Message(MODS, "$said", MODERATOR, START, "!kb help", thread="$root"),
        ),
        (
            {"m.relates_to": {**IN_THREAD, "is_falling_back": "yes"}},
            Message(MODS, "$said", MODERATOR, START, "!kb help", None, "$last", thread="$root"),
        ),
        (
            {"m.relates_to": {**IN_THREAD, "rel_type": "x"}},
            Message(MODS, "$said", MODERATOR, START, "!kb help", None, "$last"),
        ),
        (
            {"m.relates_to": {**IN_THREAD, "event_id": 5}},
            Message(MODS, "$said", MODERATOR, START, "!kb help", None, "$last"),
        ),
        ({"msgtype": "m.notice"}, None),
        ({"msgtype": "m.emote"}, None),
        ({"msgtype": "m.image"}, None),
        (EDIT, None),
        (REPLACE, Message(MODS, "$said", MODERATOR, START, "!kb accept 1", edits="$old")),
        ({"m.relates_to": {"rel_type": "m.replace", "event_id": 5}}, None),
        ({"m.relates_to": {"rel_type": "m.replace"}, "m.new_content": NEW}, None),
        ({"m.relates_to": {"rel_type": "m.replace", "event_id": "$old"}}, None),
        (CAPTION, Message(MODS, "$said", MODERATOR, START, "!kb help", file=File("a.b", "c"))),
        ({**CAPTION, "url": 5}, Message(MODS, "$said", MODERATOR, START, "!kb help")),
        (
            {**CAPTION, **HTML},
            Message(MODS, "$said", MODERATOR, START, "!kb help", "<b>!kb</b>", file=File("a.b", "c")),
        ),
        ({**CAPTION, "filename": "!kb help"}, None),
        ({**CAPTION, "filename": 5}, None),
        ({"msgtype": "m.file", "url": "mxc://a.b/c"}, None),
        *(
            ({**CAPTION, "msgtype": kind}, Message(MODS, "$said", MODERATOR, START, "!kb help", file=File("a.b", "c")))
            for kind in ("m.image", "m.video", "m.audio")
        ),
        ({"msgtype": "m.image", "url": "mxc://a.b/c"}, None),
        ({**CAPTION, "msgtype": "m.location"}, None),
        ({"m.mentions": {"user_ids": [BOT]}}, Message(MODS, "$said", MODERATOR, START, "!kb help")),
    ],
)
def test_only_text_that_is_no_edit_and_no_notice_can_command(content: Json, becomes: Message | None) -> None:
    assert parse(text(**content), BOT) == becomes


def test_a_message_is_cut_where_no_event_could_be_longer() -> None:
    message = parse(text(body="x" * 100_000), BOT)

    assert isinstance(message, Message)
    assert len(message.body) == 65_536


def test_the_bots_own_message_is_an_echo_of_its_job() -> None:
    own = changed(text(**{EFFECT_KEY: "card:7"}), BOT, "sender")

    assert parse(own, BOT) == Echo(MODS, "$said", "card:7")
    assert parse(changed(text(), BOT, "sender"), BOT) is None


def test_nobody_else_can_send_an_echo() -> None:
    assert isinstance(parse(text(**{EFFECT_KEY: "card:7"}), BOT), Message)


@pytest.mark.parametrize("key", ["❌", "❌\ufe0f"])
def test_a_reaction_is_the_same_with_and_without_its_variation_selector(key: str) -> None:
    assert parse(reaction(key=key), BOT) == Reaction(MODS, "$click", MODERATOR, START, "$card", "❌")


def test_a_redacted_reaction_is_nothing() -> None:
    assert parse(reaction() | {"content": {}}, BOT) is None


@pytest.mark.parametrize("key", ["something", "@ana:tulip.example", None, 5])
def test_state_of_a_room_has_an_empty_key(key: Any) -> None:
    assert parse(changed(state("$1", "m.room.power_levels"), key, "state_key"), BOT) is None


@pytest.mark.parametrize(
    ("event_type", "why"),
    [
        ("m.room.member", "state"),
        ("m.room.power_levels", "state"),
        ("m.room.join_rules", "state"),
        ("m.room.server_acl", "state"),
        ("m.room.tombstone", "state"),
        ("m.room.third_party_invite", "state"),
        ("m.room.redaction", "redaction"),
        ("m.room.message", "talk"),
        ("m.reaction", "talk"),
        ("m.room.encrypted", "sealed"),
        ("m.room.create", None),
        ("", None),
        (None, "state"),
        (5, "state"),
    ],
)
def test_what_is_kept_and_why(event_type: Any, why: str | None) -> None:
    assert matters({"type": event_type}) == why


# --- third-party invites --------------------------------------------------------------------------------------

KEYS: list[tuple[Json, list[tuple[str, str | None]]]] = [
    ({}, []),
    ({"public_key": "a"}, [("a", None)]),
    ({"public_key": "a", "key_validity_url": "https://id/"}, [("a", "https://id/")]),
    ({"public_key": "a", "public_keys": [{"public_key": "a"}, {"public_key": "b"}]}, [("a", None), ("b", None)]),
    ({"public_keys": [{"public_key": "b", "key_validity_url": 5}]}, [("b", None)]),
    ({"public_keys": [{"public_key": "b", "key_validity_url": ""}]}, [("b", "")]),
    ({"public_key": 5, "key_validity_url": "https://id/", "public_keys": [{"public_key": "b"}]}, [("b", None)]),
    ({"public_key": "a", "public_keys": "b"}, [("a", None)]),
    ({"public_key": "a", "public_keys": {"public_key": "b"}}, [("a", None)]),
    ({"public_keys": [None, 5, "x", [], {}, {"key": "b"}, {"public_key": None}, {"public_key": "c"}]}, [("c", None)]),
    ({"public_key": "a\0", "key_validity_url": "https://id/\0"}, [("a\ufffd", "https://id/\ufffd")]),
]


@pytest.mark.parametrize(("content", "keys"), KEYS)
def test_every_key_that_opens_the_door_is_read_and_nothing_else(content: Json, keys: list[tuple[str, Any]]) -> None:
    change = parse(state("$i", "m.room.third_party_invite", key="t", x=1, **content), BOT)

    invite = ThirdPartyInvite(GARDEN, "$i", "t", MODERATOR, "", tuple(IdentityKey(*key) for key in keys))
    assert change == ThirdPartyChange(GARDEN, "$i", "t", MODERATOR, invite, START)


def test_of_hundreds_of_keys_a_few_are_kept_whole_and_who_has_one_of_them_shows() -> None:
    keys = [
        {"public_key": f"{number}" * 20, "key_validity_url": f"https://id.example/{'x' * 5000}"}
        for number in range(500)
    ]

    change = parse(state("$i", "m.room.third_party_invite", key="t", public_keys=[*keys, {"public_key": "own"}]), BOT)

    assert isinstance(change, ThirdPartyChange)
    assert change.invite is not None
    assert len(change.invite.keys) == MOST_KEYS + 1
    assert change.invite.keys[-1] == IdentityKey("own")
    assert change.invite.keys[0] == IdentityKey(keys[0]["public_key"], keys[0]["key_validity_url"])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("car...@exa...", "car...@exa..."),
        ("x" * 60_000, "x" * 500),
        ("a\0b", "a\ufffdb"),
        ({"a": 1}, ""),
        (None, ""),
        (5, ""),
    ],
)
def test_the_name_of_whom_it_is_for_is_text_of_some_length(name: Any, read: str) -> None:
    change = parse(state("$i", "m.room.third_party_invite", key="t", display_name=name), BOT)

    assert isinstance(change, ThirdPartyChange)
    assert change.invite is not None
    assert change.invite.display_name == read


@pytest.mark.parametrize("content", [{}, None, 5, [], "x"])
def test_an_invite_without_content_is_none(content: Any) -> None:
    change = parse(state("$i", "m.room.third_party_invite", key="t") | {"content": content}, BOT)

    assert change == ThirdPartyChange(GARDEN, "$i", "t", MODERATOR, None, START)


@pytest.mark.parametrize(
    ("unsigned", "by"),
    [
        ({"redacted_because": {"sender": ANA}}, ANA),
        ({"redacted_because": {"sender": "ana"}}, MODERATOR),
        ({"redacted_because": {"sender": 5}}, MODERATOR),
        ({"redacted_because": 5}, MODERATOR),
        ({}, MODERATOR),
    ],
)
def test_an_invite_that_was_redacted_is_emptied_by_whoever_did_that(unsigned: Json, by: str) -> None:
    event = state("$i", "m.room.third_party_invite", key="t") | {"unsigned": unsigned}

    change = parse(event, BOT)
    still_there = parse(event | {"content": {"public_key": "a"}}, BOT)

    assert isinstance(change, ThirdPartyChange)
    assert isinstance(still_there, ThirdPartyChange)
    assert (change.sender, still_there.sender) == (by, MODERATOR)


@pytest.mark.parametrize("token", ["", "t" * 255, "..", "a/b", "nul\0", "\ufffd", "half \ud800", "\u202e"])
def test_any_token_is_read_so_that_the_room_can_be_asked_for_it(token: str) -> None:
    change = parse(state("$i", "m.room.third_party_invite", key=token), BOT)

    assert isinstance(change, ThirdPartyChange)
    assert storable(change.token) == change.token
    assert spoken(change.token) == token


@pytest.mark.parametrize("token", [None, 5, [], {}, "t" * 256])
def test_what_is_no_token_makes_no_invite(token: Any) -> None:
    with pytest.raises(Malformed):
        parse(changed(state("$i", "m.room.third_party_invite"), token, "state_key"), BOT)


def redeems(membership: str, signed: Any) -> str | None:
    change = parse(member(membership=membership, third_party_invite={"signed": signed}), BOT)
    assert isinstance(change, MemberChange)
    return change.token


def test_only_an_invite_redeems_one() -> None:
    """Its token has been checked by the homeserver; in any other event it is what its user wants it to be."""
    found = {membership: redeems(membership, {"token": "t"}) for membership in Membership}

    assert found == {membership: "t" if membership == "invite" else None for membership in Membership}


@pytest.mark.parametrize("signed", [None, 5, "t", [], {}, {"token": None}, {"token": 5}, {"token": "t" * 256}])
def test_an_invite_may_say_anything_about_a_token(signed: Any) -> None:
    assert redeems("invite", signed) is None


def test_a_redeemed_token_is_written_like_the_one_that_was_planted() -> None:
    planted = parse(state("$i", "m.room.third_party_invite", key="a\0b"), BOT)

    assert isinstance(planted, ThirdPartyChange)
    assert redeems("invite", {"token": "a\0b"}) == planted.token


@pytest.mark.parametrize(
    ("fields", "redacts"),
    [
        ({"content": {"redacts": "$i"}}, "$i"),
        ({"content": {}, "redacts": "$i"}, "$i"),
        ({"content": {"redacts": "$new"}, "redacts": "$old"}, "$new"),
        ({"content": {"redacts": 5}, "redacts": "$i"}, None),
        ({"content": {}}, None),
        ({"content": None}, None),
        ({"content": {"redacts": "i"}}, None),
    ],
)
def test_what_a_redaction_redacts_is_read_in_rooms_of_every_version(fields: Json, redacts: str | None) -> None:
    redaction = parse(text("$r") | {"type": "m.room.redaction"} | fields, BOT)

    assert redaction == (None if redacts is None else Redaction(MODS, "$r", MODERATOR, redacts))


# --------------------------------------------------------------------------------------------------------------


def test_an_event_without_a_type_is_malformed() -> None:
    with pytest.raises(Malformed):
        parse({}, BOT)


IDS = [ANA, BOT, GARDEN, MODS, "$e", "@:x", "@a\0:x", "!x:\ud800", "", "knock", "join", "m.text", "m.annotation", "✅"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(IDS)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2))
WATCHED = ["m.room.member", "m.room.message", "m.reaction", "m.room.power_levels", "m.room.name"]
TYPES = st.sampled_from([*WATCHED, "m.room.third_party_invite", "m.room.redaction"]) | JSON
CONTENT_KEYS = ["membership", "reason", "displayname", "avatar_url", "msgtype", "body", "format", "formatted_body"]
INVITE_KEYS = ["display_name", "public_key", "public_keys", "key_validity_url", "third_party_invite", "redacts"]
RELATION = st.fixed_dictionaries({}, optional={"rel_type": JSON, "event_id": JSON, "key": JSON, "m.in_reply_to": JSON})
CONTENT = st.fixed_dictionaries(
    {},
    optional={**dict.fromkeys(CONTENT_KEYS + INVITE_KEYS, JSON), EFFECT_KEY: JSON, "m.relates_to": RELATION | JSON},
)
UNSIGNED = st.fixed_dictionaries({}, optional={"replaces_state": JSON, "prev_content": CONTENT | JSON})
USER = st.sampled_from([ANA, BOT]) | JSON
EVENTS = st.fixed_dictionaries(
    {"type": TYPES},
    optional={
        "event_id": st.just("$e") | JSON,
        "room_id": st.just(GARDEN) | JSON,
        "sender": USER,
        "state_key": USER | st.just(""),
        "origin_server_ts": st.integers() | JSON,
        "content": CONTENT | JSON,
        "unsigned": UNSIGNED | JSON,
    },
)


@given(EVENTS | st.dictionaries(st.text(), JSON, max_size=3))
def test_any_event_is_read_or_malformed_and_what_is_read_can_be_stored(event: Json) -> None:
    try:
        happening = parse(event, BOT)
    except Malformed:
        return
    if happening is None:
        return
    assert is_event_id(happening.event_id)
    assert is_room_id(happening.room_id)
    fields = dataclasses.asdict(happening)
    assert all(is_user_id(fields[key]) for key in ("sender", "user_id") if key in fields)
    assert 0 <= fields.get("sent_at", 0) < 2**53
    for value in leaves(fields):
        assert not isinstance(value, str) or storable(value) == value
        assert isinstance(value, str | int | None)


def leaves(value: Any) -> Iterator[Any]:
    """All that stands in a happening, however deep."""
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value
