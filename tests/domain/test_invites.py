"""Whose keys an invite carries is read with care, and it is known when an inviter's word is worth nothing any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.text import storable
from knockbot.domain.invites import (
    LONGEST_PHONE,
    SHORTEST_PHONE,
    Address,
    Fall,
    fall,
    fallen,
    https_host,
    may_invite,
    possible_again,
    read_address,
)
from knockbot.domain.model import MemberChange, Membership, ThirdPartyInvite
from knockbot.domain.power import powers
from knockbot.domain.state_keys import spoken, written
from knockbot.times import DAY

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


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "address", "rest"),
    [
        ("carla@example.org", Address("email", "carla@example.org"), ""),
        ("  Carla@Example.ORG  ", Address("email", "carla@example.org"), ""),
        ("carla@example.org Carla from Monday", Address("email", "carla@example.org"), "Carla from Monday"),
        ("<carla@example.org> Carla", Address("email", "carla@example.org"), "Carla"),
        ("mailto:carla@example.org", Address("email", "carla@example.org"), ""),
        ("<MAILTO:carla@example.org?subject=x>", Address("email", "carla@example.org"), ""),
        ("carla@example.org, Carla", Address("email", "carla@example.org"), "Carla"),
        ("a.b+c_d-e=f@sub.example.org", Address("email", "a.b+c_d-e=f@sub.example.org"), ""),
        ("ána@bücher.example", Address("email", "ána@bücher.example"), ""),
        ("+4912345678", Address("msisdn", "4912345678"), ""),
        ("+49 123 456-78", Address("msisdn", "4912345678"), ""),
        ("+49 (0)123/456.78 Carl", Address("msisdn", "4912345678"), "Carl"),
        ("+1 (202) 555-0123 Carl the 2nd", Address("msisdn", "12025550123"), "Carl the 2nd"),
        ("0049 12345678, Carl", Address("msisdn", "4912345678"), "Carl"),
    ],
)
def test_an_address_is_read_as_people_write_it(typed: str, address: Address, rest: str) -> None:
    assert read_address(typed) == (address, rest)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "Carla",
        "@carla:example.org",
        "#garden:example.org",
        "carla@",
        "@example.org",
        "carla@example",
        "carla@@example.org",
        "carla@example@example.org",
        "carla@example..org",
        "carla@.example.org",
        "carla@example.org.",
        "a,b@example.org",
        "a;b@example.org",
        '"a b"@example.org',
        "a\\b@example.org",
        "carla@example.org\nBcc:x@example.org",
        "car\u202ela@example.org",
        "car\0la@example.org",
        "x" * 65 + "@example.org",
        "carla@" + "x" * 250 + ".org",
        "0123 45678",
        "12345678",
        "+123456",
        "+1234567890123456",
        "+49 123 456 78x",
        "+",
        "++4912345678",
    ],
)
def test_what_is_no_address_is_not_taken_for_one(typed: str) -> None:
    assert read_address(typed) is None


@given(st.text())
def test_whatever_is_typed_an_address_is_one_word_for_an_identity_server(typed: str) -> None:
    read = read_address(typed)

    if read is not None:
        address, rest = read
        assert address.text.isprintable()
        assert len(address.text.split()) == 1
        assert read_address(str(address)) == (address, "")
        assert rest in typed


@given(st.from_regex(r"(\+|00)[0-9]{1,5}([ ()./-]*[0-9]){0,60}[ ,x]?", fullmatch=True))
def test_a_phone_number_is_read_whole_or_not_at_all(typed: str) -> None:
    read = read_address(typed)

    if read is not None:
        assert read[0].medium == "msisdn"
        assert SHORTEST_PHONE <= len(read[0].text) <= LONGEST_PHONE
        assert read[1] == ""


# --- budgets ------------------------------------------------------------------------------------------------------

NOON = 100 * DAY


@pytest.mark.parametrize(
    ("times", "budget", "possible"),
    [
        ((), 1, None),
        ((NOON - 1,), 2, None),
        ((NOON - 1,), 1, NOON - 1 + DAY),
        ((NOON,), 1, NOON + DAY),
        ((NOON - DAY,), 1, None),
        ((NOON - DAY + 1,), 1, NOON + 1),
        ((NOON - 5, NOON - 3, NOON - 1), 3, NOON - 5 + DAY),
        ((NOON - 1, NOON - 5, NOON - 3), 3, NOON - 5 + DAY),
        # The budget was made smaller meanwhile.
        ((NOON - 5, NOON - 3, NOON - 1), 1, NOON - 1 + DAY),
        ((NOON - 5, NOON - 3, NOON - 1), 2, NOON - 3 + DAY),
        ((NOON - 2 * DAY, NOON - DAY, NOON - 1), 2, None),
    ],
)
def test_a_budget_says_when_there_is_something_in_it_again(
    times: tuple[int, ...], budget: int, possible: int | None
) -> None:
    assert possible_again(times, budget, NOON) == possible


@given(st.lists(st.integers(NOON - 2 * DAY, NOON)), st.integers(1, 5))
def test_at_that_moment_it_is_possible_and_not_before(times: list[int], budget: int) -> None:
    at = possible_again(times, budget, NOON)

    if at is not None:
        assert possible_again(times, budget, at) is None
        assert possible_again(times, budget, at - 1) is not None
