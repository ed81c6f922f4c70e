"""Identifiers are read as the specification writes them, and no stranger's text makes that raise or hang."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.ids import (
    MAX_VIA,
    RoomReference,
    globs,
    host_of,
    is_alias,
    is_room_id,
    is_server_name,
    is_user_id,
    room_meant,
    room_reference,
    server_of,
    user_reference,
)
from knockbot.errors import Fault

ANY_TEXT = st.text(st.characters(exclude_categories=()))
V12_ROOM = "!nt553xm2Ln7PWffKKeeK_9fdisL94FA_QdcNLuywHHw"


# --- telling them apart ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "@ana:tulip.example",
        "@ana:localhost:59365",
        "@ana:1.2.3.4:8448",
        "@ana:[2001:db8::1]",
        "@ana:[2001:db8::1]:8448",
        "@:tulip.example",
        "@Ana B<c>\n\u202e👩:tulip.example",
        "@" + "a" * 240 + ":tulip.example",
    ],
)
def test_a_user_id_may_be_historical_have_a_port_and_an_ip_literal(text: str) -> None:
    assert is_user_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ana",
        "@ana",
        "@ana:",
        "ana:tulip.example",
        "#ana:tulip.example",
        " @ana:tulip.example",
        "@ana:tulip.example ",
        "@ana:tulip.example\n",
        "@ana:tulip.example:",
        "@ana:tulip.example:port",
        "@ana:tulip.example:123456",
        "@ana:tulip.example:1:2",
        "@ana:tulip example",
        "@ana:tülip.example",
        "@ana:[2001:db8::1",
        "@ana:2001:db8::1",
        "@a\0na:tulip.example",
        "@a\ud800na:tulip.example",
        "@" + "a" * 241 + ":tulip.example",
        "@" + "é" * 121 + ":tulip.example",
    ],
)
def test_what_names_no_user_is_no_user_id(text: str) -> None:
    assert not is_user_id(text)


@pytest.mark.parametrize("text", ["!yPXwyNeJyWVhANGvMj:lab.test", "!a/b c:tulip.example:8448", V12_ROOM, "!abc"])
def test_a_room_id_has_a_server_or_is_a_bare_hash(text: str) -> None:
    assert is_room_id(text)


@pytest.mark.parametrize("text", ["", "!", "!:", "!abc:", "abc", "#abc:tulip.example", "!a b", "!" + "a" * 255, "!a\n"])
def test_what_names_no_room_is_no_room_id(text: str) -> None:
    assert not is_room_id(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#garden:tulip.example", True),
        ("#gärten & höfe:tulip.example:8448", True),
        ("#garden", False),
        ("garden:tulip.example", False),
        ("#gar\0den:tulip.example", False),
        ("#" + "a" * 255 + ":tulip.example", False),
    ],
)
def test_an_alias_has_a_server(text: str, expected: bool) -> None:
    assert is_alias(text) is expected


PINNED = {"#club:a": "!club:a", "!old:a": "!new:a", "!same:a": "!same:a"}


@pytest.mark.parametrize(
    ("name", "room_id"),
    [
        ("#club:a", "!club:a"),
        ("#other:a", None),
        ("!old:a", "!new:a"),
        ("!same:a", "!same:a"),
        ("!other:a", "!other:a"),
        ("!hash", "!hash"),
    ],
)
def test_a_name_means_the_room_that_it_was_pinned_to_also_if_it_is_an_id(name: str, room_id: str | None) -> None:
    assert room_meant(name, PINNED) == room_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tulip.example", True),
        ("TULIP.example:8448", True),
        ("[::1]:8448", True),
        ("", False),
        ("https://tulip.example", False),
        ("*.tulip.example", False),
        ("tulip.example/", False),
    ],
)
def test_a_server_name_is_a_host_perhaps_with_a_port(text: str, expected: bool) -> None:
    assert is_server_name(text) is expected


@given(ANY_TEXT, st.sampled_from("@#!"))
def test_no_text_makes_reading_identifiers_raise(text: str, sigil: str) -> None:
    for candidate in (
        text,
        sigil + text,
        f"{sigil}{text}:tulip.example",
        f"https://matrix.to/#/{text}",
        f"matrix:u/{text}",
    ):
        for read in (is_user_id, is_alias, is_room_id, is_server_name, server_of, host_of):
            read(candidate)
        room, user = room_reference(candidate), user_reference(candidate)
        assert room is None or is_room_id(room.room) or is_alias(room.room)
        assert user is None or is_user_id(user)


# --- taking them apart ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "server", "host"),
    [
        ("@ana:tulip.example", "tulip.example", "tulip.example"),
        ("@ana:Tulip.Example:8448", "Tulip.Example:8448", "tulip.example"),
        ("@:localhost:59365", "localhost:59365", "localhost"),
        ("@ana:[2001:DB8::1]:8448", "[2001:DB8::1]:8448", "[2001:db8::1]"),
        ("@ana:[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]"),
        ("#garden:1.2.3.4:80", "1.2.3.4:80", "1.2.3.4"),
        ("nobody", "", ""),
    ],
)
def test_a_server_keeps_its_port_and_a_host_is_what_acls_compare(identifier: str, server: str, host: str) -> None:
    assert server_of(identifier) == server
    assert host_of(server) == host


# --- references -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "room", "via"),
    [
        ("#garden:tulip.example", "#garden:tulip.example", ()),
        ("  #garden:tulip.example\n", "#garden:tulip.example", ()),
        (V12_ROOM, V12_ROOM, ()),
        ("#100%25:tulip.example", "#100%25:tulip.example", ()),
        ("https://matrix.to/#/#garden:tulip.example", "#garden:tulip.example", ()),
        ("https://matrix.to/#/%23garden%3Atulip.example", "#garden:tulip.example", ()),
        ("https://matrix.to/#/%23g%C3%A4rten:tulip.example", "#gärten:tulip.example", ()),
        ("https://matrix.to/#/%23a%2Fb%3Fc:tulip.example", "#a/b?c:tulip.example", ()),
        ("https://matrix.to/#/%23100%2525:tulip.example", "#100%25:tulip.example", ()),
        ("HTTPS://MATRIX.TO/#/%23garden:tulip.example", "#garden:tulip.example", ()),
        ("https://matrix.to/#/!abc:lab.test/$event?via=lab.test&via=a.b:80", "!abc:lab.test", ("lab.test", "a.b:80")),
        (f"https://matrix.to/#/{V12_ROOM}?via=lab.test&via=lab.test&x=y", V12_ROOM, ("lab.test",)),
        ("https://matrix.to/#/!abc:lab.test?via=no+server&via=%FF&via", "!abc:lab.test", ()),
        ("https://matrix.to/#/!abc:lab.test?via=%5B%3A%3A1%5D%3A80", "!abc:lab.test", ("[::1]:80",)),
        ("matrix:r/garden:tulip.example", "#garden:tulip.example", ()),
        ("matrix:room/garden:tulip.example?action=join", "#garden:tulip.example", ()),
        ("matrix:roomid/abc:lab.test/e/event?via=lab.test&via=b.c", "!abc:lab.test", ("lab.test", "b.c")),
        (f"matrix:roomid/{V12_ROOM[1:]}?via=lab.test#later", V12_ROOM, ("lab.test",)),
        ("MATRIX:R/garden:tulip.example", "#garden:tulip.example", ()),
        ("matrix://authority.example/r/garden:tulip.example", "#garden:tulip.example", ()),
    ],
)
def test_a_room_may_be_named_by_id_alias_or_link(text: str, room: str, via: tuple[str, ...]) -> None:
    assert room_reference(text) == RoomReference(room, via)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garden",
        "@ana:tulip.example",
        "https://matrix.to/#/@ana:tulip.example",
        "https://matrix.to/#/",
        "https://matrix.to/",
        "https://matrix.to.evil.example/#/#garden:tulip.example",
        "https://evil.example/https://matrix.to/#/#garden:tulip.example",
        "https://matrix.to/#/%23g%FFrten:tulip.example",
        "https://matrix.to/#/%2523garden:tulip.example",
        "https://matrix.to/#/%23garden%00:tulip.example",
        "matrix:u/ana:tulip.example",
        "matrix:e/event",
        "matrix:garden:tulip.example",
        "see #garden:tulip.example",
    ],
)
def test_what_names_no_room_is_no_reference_to_one(text: str) -> None:
    assert room_reference(text) is None


def test_a_link_with_very_many_servers_gives_only_the_first() -> None:
    link = "https://matrix.to/#/!abc:lab.test?" + "&".join(f"via=s{i}.example" for i in range(1000))
    reference = room_reference(link)
    assert reference is not None
    assert reference.via == tuple(f"s{i}.example" for i in range(MAX_VIA))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@ana:tulip.example", "@ana:tulip.example"),
        ("https://matrix.to/#/@ana:tulip.example", "@ana:tulip.example"),
        ("https://matrix.to/#/%40an%2Fa%3Atulip.example?via=b.c", "@an/a:tulip.example"),
        ("matrix:u/ana:tulip.example?action=chat", "@ana:tulip.example"),
        ("matrix:user/ana:tulip.example", "@ana:tulip.example"),
        ("ana", None),
        ("#garden:tulip.example", None),
        ("matrix:r/ana:tulip.example", None),
        ("https://matrix.to/#/#garden:tulip.example", None),
    ],
)
def test_a_user_may_be_named_by_id_or_link(text: str, expected: str | None) -> None:
    assert user_reference(text) == expected


# --- globs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("@ana:tulip.example", "@ana:tulip.example", True),
        ("@ana:tulip.example", "@ana:tulipxexample", False),
        ("@*:tulip.example", "@ana:tulip.example", True),
        ("@*:tulip.example", "@:tulip.example", True),
        ("@*:tulip.example", "@ana:tulip.example.evil.example", False),
        ("@*:tulip.example", "x@ana:tulip.example", False),
        ("@*:tulip.example", "@new\nline:tulip.example", True),
        ("@*:tulip.example", "@ana:tulip.example\n", False),
        ("@*:tulip.example", "@a\ud800:tulip.example", True),
        ("@an?:tulip.example", "@ana:tulip.example", True),
        ("@an?:tulip.example", "@an👩:tulip.example", True),
        ("@an?:tulip.example", "@an:tulip.example", False),
        ("@Ana:tulip.example", "@ana:tulip.example", False),
        ("@[a-z].+(x)\\d$^|:t", "@[a-z].+(x)\\d$^|:t", True),
        ("*", "", True),
        ("?", "", False),
        ("**?**", "a", True),
        ("a?b?c", "axbyc", True),
        ("a?b?c", "axcyc", False),
        ("@a*?c*d?:x", "@abcdd1:x", True),
        ("@a*b?d*:x", "@aaabcbcd:x", True),
    ],
)
def test_a_glob_fits_the_whole_text_or_nothing(pattern: str, text: str, expected: bool) -> None:
    assert globs([pattern]).first_match(text) == (pattern if expected else None)


def test_case_is_ignored_only_where_asked() -> None:
    assert globs(["*.SPAM.example"], ignore_case=True).first_match("a.spam.EXAMPLE") == "*.SPAM.example"
    assert globs(["*.SPAM.example"]).first_match("a.spam.example") is None


def test_of_several_globs_the_one_that_fits_is_named_as_it_was_written() -> None:
    several = globs(["a.example", "Evil.example", "*.Spam.example"], ignore_case=True)
    assert several.first_match("evil.EXAMPLE") == "Evil.example"
    assert several.first_match("x.spam.example") == "*.Spam.example"
    assert several.first_match("good.example") is None


def test_a_glob_made_to_hang_does_not() -> None:
    for pattern in ("*a" * 120 + "b*", "*a?" * 80 + "b*", "*" + "a?" * 120 + "b*"):
        assert globs([pattern]).first_match("a" * 60_000) is None


def test_a_glob_longer_than_any_identifier_is_a_fault() -> None:
    with pytest.raises(Fault, match="too long: 256 characters, at most 255"):
        globs(["a" * 256])


def fits_naively(pattern: str, text: str) -> bool:
    """What a glob means, spelled out letter by letter."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(fits_naively(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and fits_naively(pattern[1:], text[1:])


@given(st.text("ab.*?\n\\é", max_size=8), st.text("ab.*?\n\\é", max_size=8))
def test_globs_agree_with_their_meaning_spelled_out(pattern: str, text: str) -> None:
    assert (globs([pattern]).first_match(text) is not None) is fits_naively(pattern, text)


@given(st.lists(st.text("ab.*?\né", max_size=6), max_size=8), st.text("ab.\né", max_size=8))
def test_many_globs_agree_with_each_by_itself(patterns: list[str], text: str) -> None:
    found = globs(patterns).first_match(text)

    fitting = [pattern for pattern in patterns if fits_naively(pattern, text)]
    assert found in fitting if fitting else found is None
