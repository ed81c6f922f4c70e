"""Filters of pending requests: how they are read, what fits, and which word a complaint names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knockbot.domain.filters import EVERYBODY, EXAMPLES, READERS, Filters, NotFilters, read
from knockbot.domain.model import Kind, Request, State, ThirdPartyInvite
from knockbot.domain.notices import dumps
from knockbot.times import DAY, HOUR, MINUTE

NOW = 10 * DAY
REQUEST = Request(
    id=1,
    management_room="!mods:rose.example",
    number=7,
    room_id="!garden:rose.example",
    kind=Kind.KNOCK,
    user_id="@Ana:Tulip.example:8448",
    event_id="$knock",
    reason="I  want Free\nMoney, please",
    display_name="Ana",
    has_avatar=False,
    state=State.PENDING,
    opened_at=NOW - 2 * HOUR,
    changed_at=NOW - MINUTE,
)


@pytest.mark.parametrize(
    ("text", "found", "rest"),
    [
        ("", EVERYBODY, ""),
        ("Rose Garden", EVERYBODY, "Rose Garden"),
        ("server:*.Spam.example", Filters(server="*.spam.example"), ""),
        ("SERVER:x.org #garden:x.org", Filters(server="x.org"), "#garden:x.org"),
        ("Rose server:x.org Garden", Filters(server="x.org"), "Rose Garden"),
        ("user:@spam*:* older:1d newer:7d", Filters(user="@spam*:*", older=DAY, newer=7 * DAY), ""),
        ('text:"free  MONEY" 2', Filters(text="free money"), "2"),
        ("text:„freies Geld“ x", Filters(text="freies geld"), "x"),
        ("text:“free money”", Filters(text="free money"), ""),
        ("text:«free money»", Filters(text="free money"), ""),
        ("text:»free money«", Filters(text="free money"), ""),
        ("text:viagra", Filters(text="viagra"), ""),
        ('text:"server:x.org older:1d"', Filters(text="server:x.org older:1d"), ""),
        ('text:"" x', None, "ask.filter_empty"),
        ("server: x.org", None, "ask.filter_empty"),
        ('text:"free money', None, "ask.filter_empty"),
        ("text:\u200b", None, "ask.filter_empty"),
        ("older:soon", None, "ask.filter_time"),
        ("older:-1d", None, "ask.filter_time"),
        ("older:0d", None, "ask.filter_time"),
        ("newer:9999999d", None, "ask.filter_time"),
        ("server:a server:b", None, "ask.filter_twice"),
        ("sever:x.org", None, "ask.filter_unknown"),
        (f"server:{'*' * 256}", None, "ask.filter_long"),
        (f"text:{'x' * 201}", None, "ask.filter_long"),
        ("https://matrix.to/#/#garden:x.org", EVERYBODY, "https://matrix.to/#/#garden:x.org"),
        ("matrix:r/garden:x.org", EVERYBODY, "matrix:r/garden:x.org"),
        ("@ana:x.org", EVERYBODY, "@ana:x.org"),
        ('"Rust: help"', EVERYBODY, '"Rust: help"'),
    ],
)
def test_filters_are_read_in_any_order_and_a_mistake_is_named(text: str, found: Filters | None, rest: str) -> None:
    if found is None:
        with pytest.raises(NotFilters) as refused:
            read(text)
        assert refused.value.said.code == rest
        assert any(name in dumps(refused.value.said) for name in (*READERS, "sever:"))
        return
    assert read(text) == (found, rest)
    assert read(found.written) == (found, "")


@pytest.mark.parametrize("name", READERS)
def test_each_example_is_a_filter(name: str) -> None:
    found, rest = read(EXAMPLES[name])
    assert (found != EVERYBODY, rest) == (True, "")


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (EVERYBODY, True),
        (Filters(server="tulip.example"), True),
        (Filters(server="*.example"), True),
        (Filters(server="example"), False),
        (Filters(server="tulip.example:8448"), False),
        (Filters(user="@ana:*"), True),
        (Filters(user="@ana"), False),
        (Filters(user="@an?:tulip.example:8448"), True),
        (Filters(text="want free money"), True),
        (Filters(text="free  money"), False),
        (Filters(older=2 * HOUR), True),
        (Filters(older=2 * HOUR + 1), False),
        (Filters(newer=2 * HOUR), True),
        (Filters(newer=2 * HOUR - 1), False),
        (Filters(server="tulip.example", text="rules"), False),
    ],
)
def test_a_request_fits_if_it_fits_all_of_them(filters: Filters, fits: bool) -> None:
    assert filters.fit(REQUEST, NOW) is fits


def test_an_unused_invite_fits_by_its_inviter() -> None:
    invite = ThirdPartyInvite(REQUEST.room_id, "$invite", "token", "@eve:spam.example")
    request = replace(REQUEST, kind=Kind.THIRD_PARTY_INVITE, user_id="", invite=invite)
    assert Filters(server="spam.example", user="@eve:*").fit(request, NOW)


def test_hostile_globs_and_texts_come_to_an_end() -> None:
    glob = ("*a" * 127)[:255]
    request = replace(REQUEST, user_id="@" + "a" * 230 + ":b.example", reason="a" * 10_000)
    filters = Filters(user=glob, text="a" * 999 + "b")
    assert not any(filters.fit(request, NOW) for _ in range(200))
