"""Rows become values, and the table of tables knows every table and every column there is."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import asyncpg
import pytest

from knockbot import store
from knockbot.backup.dump import snapshot
from knockbot.store import prompts, requests
from knockbot.store.db import Database
from knockbot.store.rows import Column, Row, optional
from knockbot.store.tables import TABLES
from tests.store.samples import GARDEN, KNOCK, MODS


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Petal:
    colour: Colour
    scents: bool
    kin: Colour | None = None


@dataclass(frozen=True)
class Flower:
    name: str
    petal: Petal
    seeds: tuple[str, ...] | None
    height: int | None = None


_PETAL = Row(Petal, "")
FLOWER = Row(
    Flower, "flowers", name="called", petal=_PETAL, seeds=Column("seed_list", optional(lambda s: (*s.split(),)))
)


def test_a_row_is_read_into_the_fields_of_a_value() -> None:
    row = {"called": "rose", "colour": "red", "scents": 1, "kin": None, "seed_list": "a b", "height": 3}

    assert FLOWER.one(row) == Flower("rose", Petal(Colour.RED, scents=True), ("a", "b"), 3)
    assert FLOWER.one(row).petal.scents is True
    assert FLOWER.maybe(None) is None
    assert FLOWER.all([row | {"seed_list": None}])[0].seeds is None


def test_what_is_selected_is_what_is_read() -> None:
    assert FLOWER.select == "SELECT called, seed_list, height, colour, scents, kin FROM flowers"


def test_a_field_that_is_no_plain_value_has_to_say_how_it_is_read() -> None:
    with pytest.raises(AssertionError, match=r"Flower\.petal has to say how it is read"):
        Row(Flower, "flowers", seeds="seeds")
    with pytest.raises(AssertionError, match="Petal has no field colours"):
        Row(Petal, "petals", colours="c")


# --- the table of tables --------------------------------------------------------------------------------------


def rows() -> Iterator[Row[object]]:
    for module in pkgutil.iter_modules(store.__path__, "knockbot.store."):
        yield from (value for value in vars(importlib.import_module(module.name)).values() if isinstance(value, Row))


def read_of(table: str) -> set[str]:
    """The columns of a table that are fields of some value."""
    plain = [(row.table.split(" ")[0], sql) for row in rows() for sql in row.sql if " AS " not in sql]
    return {Column(sql).name for first, sql in plain if (sql.partition(".")[0] if "." in sql else first) == table}


async def test_every_column_is_read_into_a_value_or_named_as_one_that_is_not(ready_url: str, db: Database) -> None:
    async with snapshot(ready_url) as schema:
        columns = {table: set(await schema.columns(table)) for table in TABLES}

    assert columns == {name: read_of(name) | {*table.in_sql} for name, table in TABLES.items()}
    for name, table in TABLES.items():
        assert {*table.personal, *([table.counts] if table.counts else [])} <= columns[name]
        assert not read_of(name) & {*table.in_sql}, name


# --- what is only looked at -----------------------------------------------------------------------------------


async def test_what_is_only_shown_waits_for_nobody(pair: tuple[Database, Database]) -> None:
    one, other = pair
    async with one.tx() as tx:
        request = await requests.open_knock(tx, MODS, KNOCK, 1)
        card = await prompts.new(tx, MODS, "card", GARDEN, 1)
        await requests.put_on_card(tx, request.id, card.id)

    async with one.tx() as tx, other.tx() as looking:
        await requests.get(tx, request.id)
        await prompts.get(tx, card.id)
        await looking.execute("SET LOCAL lock_timeout = '100ms'")

        assert (await requests.get(looking, request.id, held=False)).id == request.id
        assert await requests.by_number(looking, MODS, request.number, held=False) is not None
        assert await requests.invites_of(looking, GARDEN, held=False) == []
        assert len(await requests.on_card(looking, card.id, held=False)) == 1
        assert (await prompts.get(looking, card.id, held=False)).id == card.id
        with pytest.raises(asyncpg.LockNotAvailableError):
            await requests.get(looking, request.id)
