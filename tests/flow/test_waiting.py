"""The list of those who wait: in pages, by filters, and always within one message."""

from __future__ import annotations

import json

import pytest

from knockbot.domain.model import Knock
from knockbot.store import requests
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ANA, BEA

POND = "!pond:tulip.example"


@pytest.fixture
async def house(house: House) -> House:
    await house.protect()
    return house


async def waits(house: House, count: int, reason: str = "hello", name: str | None = None, called: str = "") -> None:
    """So many wait, the first one longest; with this in each user ID."""
    async with house.db.tx() as tx:
        for n in range(count):
            house.clock.go_on(1)
            knock = Knock(GARDEN, f"@u{n}{called}:s{n % 2}.example", f"$knock{n}", reason, name)
            await requests.open_knock(tx, MODS, knock, house.clock())


async def listed(house: House, command: str) -> str:
    house.tell(command)
    await house.live()
    return house.spoken()[-1]


def numbers(said: str) -> list[int]:
    return [int(line.split()[0][1:]) for line in said.split("\n") if line.startswith("#")]


async def test_fifty_are_three_pages_and_each_says_how_to_go_on(house: House) -> None:
    await waits(house, 50)
    first, second, third = [await listed(house, f"list {page}".replace(" 1", "")) for page in (1, 2, 3)]
    assert [numbers(page) for page in (first, second, third)] == [
        list(range(1, 21)),
        list(range(21, 41)),
        list(range(41, 51)),
    ]
    assert first.split("\n")[0] == "50 requests are waiting. This is page 1 of 3, the longest wait first."
    assert [page.split("\n")[-1] for page in (first, second)] == ["Next page: !kb list 2", "Next page: !kb list 3"]
    assert "Next page" not in third


async def test_twenty_are_one_page_without_a_word_of_pages(house: House) -> None:
    await waits(house, 20)
    said = await listed(house, "list")
    assert (numbers(said), "page" in said) == (list(range(1, 21)), False)


@pytest.mark.parametrize("page", [-1, 0, 4, 999])
async def test_a_page_that_is_not_there_is_told(house: House, page: int) -> None:
    await waits(house, 41)
    assert await listed(house, f"list {page}") == f"There is no page {page}. The list has 3 pages."


async def test_filters_and_pages_go_together(house: House) -> None:
    await waits(house, 50)
    said = await listed(house, f"list {GARDEN} server:s1.example")
    assert numbers(said) == list(range(2, 42, 2))
    assert said.split("\n")[-1] == f"Next page: !kb list {GARDEN} server:s1.example 2"
    assert numbers(await listed(house, said.split("\n")[-1].removeprefix("Next page: !kb "))) == [42, 44, 46, 48, 50]


async def test_the_longest_wait_comes_first_also_where_its_number_is_higher(house: House) -> None:
    async with house.db.tx() as tx:
        late = await requests.open_knock(tx, MODS, Knock(GARDEN, ANA, "$late"), house.clock())
        early = await requests.open_knock(tx, MODS, Knock(GARDEN, BEA, "$early"), house.clock() - 5000)
    assert numbers(await listed(house, "list")) == [early.number, late.number]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("list server:elsewhere.example", "Nobody is waiting who fits server:elsewhere.example."),
        ('list text:"x y"', 'Nobody is waiting who fits text:"x y".'),
        ("list nowhere", "nowhere"),
        ("list sever:x.org", "sever:x.org"),
        ("list older:soon", "older:soon"),
        ("list @ana:tulip.example", "@ana:tulip.example"),
        (f"list {POND}", "!kb rooms"),
    ],
)
async def test_what_does_not_fit_or_is_written_wrongly_is_named(house: House, command: str, said: str) -> None:
    await waits(house, 1)
    assert said in await listed(house, command)


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "reason",
    ["x" * 10_000, "😀" * 5000, '"' * 10_000, "&<>" * 3000, "\u202e" * 5000 + "x" * 5000, "٠" * 5000, "@room " * 900],
)
@pytest.mark.parametrize("language", ["en", "de"])
async def test_a_page_fits_into_a_message_whatever_strangers_write(house: House, reason: str, language: str) -> None:
    await house.set_policy(f"language: {language}")
    await waits(house, 50, reason, reason[:500], "'" * 230)
    for page, first in ((1, 1), (2, 21), (3, 41)):
        said = await listed(house, f"list {page}")
        assert numbers(said) == list(range(first, min(first + 20, 51)))
        assert len(json.dumps(house.said()[-1])) < 60_000
        assert page == 3 or f"!kb list {page + 1}" in said.split("\n")[-1]
