"""The entities of a list in memory: they say the same as comparing each of them, whatever came and went before."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.entities import Entities
from knockbot.domain.ids import host_of, is_literal, server_of
from knockbot.domain.lists import EntityKind, Name, Subject, folded, has_port, names_of_room, names_of_user

USER, SERVER, ROOM = EntityKind


def entities(*subjects: Subject) -> Entities:
    found = Entities()
    for kind, text in subjects:
        found.add((kind, folded(kind, text)))
    return found


def hit(held: Entities, names: Sequence[Name]) -> Subject | None:
    """The subject that names somebody, those without wildcards first."""
    return next(iter(held.literals(names)), None) or held.search(names).first()


# --- a table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "entity", "user_id", "named"),
    [
        (USER, "@eve:evil.example", "@eve:evil.example", True),
        (USER, "@eve:evil.example", "@Eve:evil.example", False),
        (USER, "@eve:evil.example", "@eve:evil.example:8448", False),
        (USER, "@eve*", "@eve:evil.example", True),
        (USER, "*:evil.example", "@eve:evil.example", True),
        (USER, "@?ve:evil.example", "@eve:evil.example", True),
        (USER, "*spam*", "@eve:spam.example", True),
        (USER, "*spam*ads*", "@spam1:ads.example", True),
        (USER, "*spam*ads*", "@ads1:spam.example", False),
        (USER, "*sp?m*", "@eve:spam.example", True),
        (USER, "@*:*.Evil.example", "@eve:a.evil.example", False),
        (SERVER, "evil.example", "@eve:Evil.Example:8448", True),
        (SERVER, "Evil.example", "@eve:evil.example", True),
        (SERVER, "*.evil.example", "@eve:a.EVIL.example:1", True),
        (SERVER, "*.evil.example", "@eve:evil.example", False),
        (SERVER, "evil.example:8448", "@eve:evil.example:8448", True),
        (SERVER, "evil.example:8448", "@eve:evil.example", False),
        (SERVER, "evil.example:*", "@eve:evil.example:1", True),
        (SERVER, "*8", "@eve:evil.example:8448", False),
        (SERVER, "[2001:db8::1]", "@eve:[2001:DB8::1]:8448", True),
        (SERVER, "[2001:*", "@eve:[2001:db8::1]", True),
        (SERVER, "1.2.3.*", "@eve:1.2.3.4:80", True),
        (ROOM, "!*:evil.example", "@eve:evil.example", False),
    ],
)
def test_an_entity_names_whom_it_means(kind: EntityKind, entity: str, user_id: str, named: bool) -> None:
    assert (hit(entities((kind, entity)), names_of_user(user_id)) is not None) is named


def test_a_room_is_named_by_its_id() -> None:
    held = entities((ROOM, "!*:evil.example"), (USER, "@*:evil.example"))

    assert hit(held, names_of_room("!warez:evil.example")) == (ROOM, "!*:evil.example")


def test_of_several_globs_those_about_users_come_first_and_then_the_first_by_the_alphabet() -> None:
    held = entities((SERVER, "*.example"), (USER, "@e*:evil.example"), (USER, "@*:evil.example"), (USER, "*v*"))

    assert held.search(names_of_user("@eve:evil.example")).first() == (USER, "*v*")


def test_what_is_there_twice_stays_until_both_have_gone() -> None:
    held = entities((USER, "@e*"), (USER, "@e*"), (USER, "@eve:a"), (USER, "@eve:a"))
    who = names_of_user("@eve:a")

    for _ in range(2):
        assert hit(held, who) is not None
        held.remove((USER, "@e*"))
        held.remove((USER, "@eve:a"))
    assert hit(held, who) is None


def test_what_is_about_everybody_names_nobody() -> None:
    held = Entities()
    held.add((USER, "@*:*"), everything=True)

    assert hit(held, names_of_user("@eve:a")) is None
    assert list(held.everything) == [(USER, "@*:*")]
    held.remove((USER, "@*:*"), everything=True)
    assert not held.everything


@pytest.mark.parametrize("glob", ["*{}*", "@*:{}.example", "@{}*", "*.{}.*", "*x{}*y*", "@*{}*:*", "?{}?*"])
def test_of_fifty_thousand_globs_few_are_compared(glob: str) -> None:
    held = Entities()
    for number in range(50_000):
        held.add((USER, glob.format(f"n{number:05}")))
    who = names_of_user("@ana.n12345:tulip.example")

    assert held.search(who).left <= 10
    assert held.lookups(who) <= 1_000


# --- against the slow way ---------------------------------------------------------------------------------------


def slowly(subjects: Sequence[Subject], user_id: str) -> Subject | None:
    """The same by a regular expression for each glob."""
    host, server = host_of(server_of(user_id)), server_of(user_id).lower()
    fitting = []
    for kind, text in subjects:
        names = {USER: [user_id], SERVER: [host, server], ROOM: []}[kind]
        if kind is SERVER and not is_literal(text):
            names = [server] if has_port(text) else [host]
        pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in text)
        if any(re.fullmatch(pattern, name, re.DOTALL) for name in names):
            fitting.append((not is_literal(text), kind is not USER, text, kind))
    return (min(fitting)[3], min(fitting)[2]) if fitting else None


LETTERS = st.sampled_from("ab.*?:@")
GLOBS = st.text(LETTERS, min_size=1, max_size=8)
SUBJECTS = st.tuples(st.sampled_from([USER, SERVER]), GLOBS).map(lambda pair: (pair[0], folded(*pair)))
USERS = st.builds(
    "@{}:{}{}".format, st.text("abA.", max_size=6), st.text("abA.", min_size=1, max_size=6), st.sampled_from(["", ":8"])
)


@settings(max_examples=300)
@given(
    st.lists(SUBJECTS, max_size=12), st.lists(st.integers(0, 11), max_size=8), st.lists(USERS, min_size=1, max_size=5)
)
def test_the_index_says_the_same_as_comparing_each(subjects: list[Subject], gone: list[int], users: list[str]) -> None:
    held, left = Entities(), list(subjects)
    for subject in subjects:
        held.add(subject)
    for place in gone:
        if place < len(left):
            held.remove(left.pop(place))

    for user_id in users:
        names = names_of_user(user_id)
        found = held.literals(names)
        first = min(found, key=lambda subject: (subject[0] is not USER, subject[1]), default=None)
        assert (first or held.search(names).first()) == slowly(left, user_id)
