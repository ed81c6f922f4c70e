"""Part 2: what knocks make knockbot ask of the homeserver, counted by a proxy."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.bench.figures import Row, Table
from tests.bench.sizes import Sizes
from tests.bench.stage import Stage, stage
from tests.counting import CountingProxy


async def run(sizes: Sizes) -> list[Table]:
    """A row for knocks one by one, and one for as many at once."""
    async with stage(Path(tempfile.mkdtemp()), sizes.engines[0], maubot=False, counted=True) as played:
        proxy = played.proxy
        assert proxy is not None
        rows = []
        for how in ("one by one", "at once"):
            proxy.requests.clear()
            await _knock(played, sizes.counted, at_once=how == "at once")
            rows.append({"knocks": f"{sizes.counted} {how}", **_counted(proxy, sizes.counted)})
    return [Table("requests", "Requests (a test as well)", rows)]


async def _knock(played: Stage, count: int, *, at_once: bool) -> None:
    room = played.contestants[0].room
    guests = await played.guests(count)
    if at_once:
        await played.burst(guests, [room])
    else:
        for guest in guests:
            await played.knock(guest, room)


def _counted(proxy: CountingProxy, knocks: int) -> Row:
    requests = proxy.requests
    acts, reads = sum(one.is_act for one in requests), sum(one.is_read for one in requests)
    return {
        "acts a knock": acts / knocks,
        "reads a knock": reads / knocks,
        "other requests a knock": (len(requests) - acts - reads) / knocks,
        "whole states and member lists": sum(one.is_of_all for one in requests),
    }
