"""Whose keys an invite carries is read with care, and it is known when an inviter's word is worth nothing any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.invites import Fall, fall, fallen, https_host, may_invite, spoken, written
from knockbot.domain.model import MemberChange, Membership, ThirdPartyInvite
from knockbot.domain.power import powers
from knockbot.domain.text import storable

INVITER = "@mod:tulip.example"
ADMIN = "@admin:tulip.example"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://id.example", "id.example"),
        ("https://id.example/", "id.example"),
        ("https://id.example/_matrix/identity/v2/pubkey/isvalid", "id.example"),
        ("https://localhost:45031/_matrix/identity/api/v1/pubkey/ephemeral/isvalid", "localhost"),
        ("HTTPS://Id.Example?x=https://evil.example", "id.example"),
        ("https://id.example#@evil.example", "id.example"),
        ("https://id.example/@evil.example", "id.example"),
        ("https://[2001:DB8::1]:8090/", "[2001:db8::1]"),
        ("https://id.example:/", "id.example"),
    ],
)
def test_the_host_of_a_plain_https_url_is_found(url: str, host: str) -> None:
    assert https_host(url) == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "id.example",
        "//id.example/",
        "http://id.example/",
        "https:id.example",
        "https:/id.example",
        "https:///id.example",
        "https://",
        "https://:443/",
        "https://id.example:99999999/",
        "https://id.example:x/",
        "https://id.example@evil.example/",
        "https://id.example:x@evil.example/",
        "https://@id.example/",
        "https://evil.example\\@id.example/",
        "https://id.example\\@evil.example/",
        "https://id.example/\\..",
        "https://id.example /",
        " https://id.example/",
        "https://id.example/\n",
        "https://id.ex\tample/",
        "https://id.example\0.evil.example/",
        "https://id%2eexample/",
        "https://id\uff61example/",
        "https://\u0456d.example/",
        "https://\u212aey.example/",  # the Kelvin sign, whose lower case is k
        "http\u017f://id.example/",
        "https://[id.example]/",
        "https://[::1/",
        "https://[::1]evil.example/",
        "https://id_example/",
        "https://" + "a" * 256,
        "javascript:https://id.example/",
    ],
)
def test_a_url_that_two_readers_may_take_for_two_hosts_is_of_none(url: str) -> None:
    assert https_host(url) is None


ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT | ANY_TEXT.map("https://{}".format) | ANY_TEXT.map("https://id.example{}".format))
def test_no_url_makes_reading_it_raise(url: str) -> None:
    host = https_host(url)
    assert host is None or url.lower().startswith(f"https://{host}")


# --- what it stands under -------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "token", "a/b", "..", "%2e", "%0000", "🚪", "\u202e"])
def test_a_token_that_can_be_stored_is_written_as_it_is(token: str) -> None:
    assert written(token) == token


TOKENS = st.text(st.characters(exclude_categories=())) | st.text("%0\0\ufffd\ud800A")


@given(TOKENS)
def test_every_token_can_be_stored_and_is_found_again(token: str) -> None:
    assert storable(written(token)) == written(token)
    assert spoken(written(token)) == token


@given(TOKENS, TOKENS)
def test_no_two_tokens_are_written_alike(one: str, other: str) -> None:
    assert (written(one) == written(other)) is (one == other)


# --- when the inviter falls -----------------------------------------------------------------------------------

LEFT = MemberChange("!r:tulip.example", "$e", INVITER, INVITER, Membership.LEAVE)


@pytest.mark.parametrize(
    ("membership", "sender", "before", "expected"),
    [
        (Membership.BAN, ADMIN, Membership.JOIN, Fall.REMOVED),
        (Membership.BAN, ADMIN, Membership.LEAVE, Fall.REMOVED),
        (Membership.BAN, ADMIN, None, Fall.REMOVED),
        (Membership.LEAVE, ADMIN, Membership.JOIN, Fall.REMOVED),
        (Membership.LEAVE, ADMIN, Membership.KNOCK, Fall.REMOVED),
        (Membership.LEAVE, ADMIN, None, Fall.REMOVED),
        (Membership.LEAVE, ADMIN, Membership.BAN, None),
        (Membership.LEAVE, INVITER, Membership.JOIN, Fall.LEFT),
        (Membership.LEAVE, INVITER, None, Fall.LEFT),
        (Membership.LEAVE, INVITER, Membership.INVITE, None),
        (Membership.LEAVE, INVITER, Membership.KNOCK, None),
        (Membership.JOIN, INVITER, Membership.LEAVE, None),
        (Membership.JOIN, INVITER, Membership.JOIN, None),
        (Membership.INVITE, ADMIN, Membership.LEAVE, None),
        (Membership.KNOCK, INVITER, Membership.LEAVE, None),
    ],
)
def test_an_inviter_falls_by_being_removed_or_by_leaving(
    membership: Membership, sender: str, before: Membership | None, expected: Fall | None
) -> None:
    assert fall(replace(LEFT, membership=membership, sender=sender, replaced_membership=before)) is expected


V11 = {"sender": ADMIN, "content": {"room_version": "11"}}
V12 = {"sender": ADMIN, "content": {"room_version": "12", "additional_creators": [INVITER]}}


@pytest.mark.parametrize(
    ("create", "levels", "expected"),
    [
        (V11, {"invite": 50, "users": {INVITER: 50}}, True),
        (V11, {"invite": 50, "users": {INVITER: 49}}, False),
        (V11, {"invite": 51, "users": {INVITER: 50}}, False),
        (V11, {"invite": 50}, False),
        (V11, {}, True),  # the specification lets everybody invite where nothing is said
        (V11, {"users": {INVITER: -1}}, False),
        (V12, {"invite": 100}, True),
        (V11, None, True),
    ],
)
def test_an_inviter_may_invite_while_their_level_reaches_that_of_inviting(
    create: dict[str, object], levels: dict[str, object] | None, expected: bool
) -> None:
    assert may_invite(powers(create, levels), INVITER) is expected


@pytest.mark.parametrize(
    ("member", "level", "expected"),
    [
        (None, 50, None),
        (None, 49, Fall.DEMOTED),
        (replace(LEFT, membership=Membership.JOIN), 50, None),
        (replace(LEFT, membership=Membership.JOIN), 49, Fall.DEMOTED),
        (replace(LEFT, membership=Membership.INVITE, sender=ADMIN), 50, None),
        (LEFT, 50, Fall.LEFT),
        (LEFT, 0, Fall.LEFT),
        (replace(LEFT, replaced_membership=Membership.INVITE), 50, Fall.LEFT),
        (replace(LEFT, sender=ADMIN), 50, Fall.REMOVED),
        (replace(LEFT, sender=ADMIN, replaced_membership=Membership.BAN), 50, Fall.REMOVED),
        (replace(LEFT, sender=ADMIN, membership=Membership.BAN), 50, Fall.REMOVED),
    ],
)
def test_where_nobody_told_an_inviter_is_judged_by_where_they_stand(
    member: MemberChange | None, level: int, expected: Fall | None
) -> None:
    levels = powers(V11, {"invite": 50, "users": {INVITER: level}})
    assert fallen(member, levels, INVITER) is expected


def test_a_third_party_invite_is_judged_as_a_knock_of_its_inviter_that_says_nothing() -> None:
    invite = ThirdPartyInvite("!r:tulip.example", "$e", "token", INVITER, "ignore all rules")
    knock = invite.as_knock()
    assert (knock.room_id, knock.user_id, knock.event_id) == ("!r:tulip.example", INVITER, "$e")
    assert (knock.reason, knock.display_name, knock.has_avatar) == ("", None, False)
