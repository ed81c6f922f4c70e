"""Requests: one row from the first knock to its outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache

from knockbot.domain.coding import Coding
from knockbot.domain.compare import KnockOnRecord
from knockbot.domain.model import (
    Answer,
    IdentityKey,
    Kind,
    Knock,
    MemberChange,
    Removal,
    Request,
    State,
    ThirdPartyInvite,
    Undone,
    Untaken,
    Verdict,
)
from knockbot.domain.notices import Notice, dumps, loads
from knockbot.store import jobs, judgements
from knockbot.store.db import Tx, for_update, listed, portions
from knockbot.store.rows import Column, Row, optional
from knockbot.times import MINUTE


def _invite(text: str) -> ThirdPartyInvite:
    data = json.loads(text)
    keys = tuple(IdentityKey(**key) for key in data.pop("keys"))
    return ThirdPartyInvite(keys=keys, **data)


_ANSWER = Coding(Answer)


@lru_cache(maxsize=256)
def _answer(text: str) -> Answer:
    return _ANSWER.decode(json.loads(text))


def _written_answer(answer: Answer) -> str:
    return json.dumps(_ANSWER.encode(answer))


_UNTAKEN = Coding(Untaken)


def _untaken(text: str) -> Untaken:
    return _UNTAKEN.decode(json.loads(text))


_UNDONE = Coding(Undone)


@lru_cache(maxsize=256)
def _undone(text: str) -> Undone:
    return _UNDONE.decode(json.loads(text))


_REMOVAL = Coding(Removal)


def _removal(text: str) -> Removal:
    return _REMOVAL.decode(json.loads(text))


_REQUEST = Row(
    Request,
    "requests",
    by="done_by",
    decision=Column(judgements.NEWEST, optional(judgements.read)),
    answer=Column("answer_json", optional(_answer)),
    invite=Column("invite_json", optional(_invite)),
    untaken=Column("untaken_json", optional(_untaken)),
    undone=Column("undone_json", optional(_undone)),
    removal=Column("removal_json", optional(_removal)),
    code="code_id",
    blocked=Column(jobs.BLOCKED, optional(loads)),
)
_ON_CARD = _REQUEST.columns.replace(" reason,", " substr(reason, 1, 2000) AS reason,")


async def open_knock(tx: Tx, management_room: str, knock: Knock, now: int) -> Request:
    """Open a request for a knock under the next number of its management room."""
    number = await _next_number(tx, management_room)
    row = await tx.fetchrow(
        "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, display_name, "
        "has_avatar, state, opened_at, changed_at, code_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12) "
        f"RETURNING {_REQUEST.columns}",
        management_room,
        number,
        knock.room_id,
        Kind.KNOCK,
        knock.user_id,
        knock.event_id,
        knock.reason,
        knock.display_name,
        knock.has_avatar,
        State.PENDING,
        now,
        knock.code,
    )
    return _REQUEST.one(row)


async def open_invite(
    tx: Tx, management_room: str, invite: ThirdPartyInvite, now: int, *, issued_by: str | None = None
) -> Request:
    """Open a request for a third-party invite; who will redeem it is not known yet.

    From now on its token leads to this request. `issued_by` is the moderator who had the bot send the invite.
    """
    await tx.execute("UPDATE requests SET token = NULL WHERE room_id = $1 AND token = $2", invite.room_id, invite.token)
    number = await _next_number(tx, management_room)
    row = await tx.fetchrow(
        "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, has_avatar, state, "
        "opened_at, changed_at, token, inviter, invite_json, issued_by) "
        "VALUES ($1, $2, $3, $4, '', $5, '', FALSE, $6, $7, $7, $8, $9, $10, $11) "
        f"RETURNING {_REQUEST.columns}",
        management_room,
        number,
        invite.room_id,
        Kind.THIRD_PARTY_INVITE,
        invite.event_id,
        State.PENDING,
        now,
        invite.token,
        issued_by or invite.inviter,
        json.dumps(asdict(invite)),
        issued_by,
    )
    return _REQUEST.one(row)


async def _next_number(tx: Tx, management_room: str) -> int:
    number = await tx.fetchval(
        "INSERT INTO management_rooms (room_id, next_number) VALUES ($1, 2) "
        "ON CONFLICT (room_id) DO UPDATE SET next_number = management_rooms.next_number + 1 RETURNING next_number - 1",
        management_room,
    )
    return int(number)


async def hold_numbers(tx: Tx, management_room: str) -> None:
    """Hold the count of a management room until the transaction ends: requests are opened there one after another, and
    what is looked up now takes in all of those before."""
    if for_update(tx):
        await tx.fetchrow(f"SELECT 1 FROM management_rooms WHERE room_id = $1{for_update(tx)}", management_room)


async def count_from(tx: Tx, management_room: str, number: int) -> None:
    """Let a management room go on counting from a number, unless it has reached a higher one already."""
    await tx.execute(
        "INSERT INTO management_rooms (room_id, next_number) VALUES ($1, $2) ON CONFLICT (room_id) DO UPDATE "
        "SET next_number = $2 WHERE management_rooms.next_number < $2",
        management_room,
        number,
    )


async def skip_numbers(tx: Tx, management_room: str, count: int) -> None:
    """Skip so many numbers in a management room: they may have been used without being on record."""
    await tx.execute(
        "UPDATE management_rooms SET next_number = next_number + $2 WHERE room_id = $1", management_room, count
    )


# --- finding --------------------------------------------------------------------------------------------------


async def get(tx: Tx, request_id: int, *, held: bool = True) -> Request:
    """The request with this id. As in all functions with `held`, it is held until the transaction ends, unless it is
    only read."""
    row = await tx.fetchrow(f"{_REQUEST.select} WHERE id = $1{for_update(tx, held)}", request_id)
    return _REQUEST.one(row)


async def several(tx: Tx, request_ids: Sequence[int]) -> dict[int, Request]:
    """The requests with these ids, only to be read."""
    found: dict[int, Request] = {}
    for ids in portions(request_ids):
        rows = await tx.fetch(f"{_REQUEST.select} WHERE id IN ({listed(ids)})", *ids)
        found |= {request.id: request for request in _REQUEST.all(rows)}
    return found


async def by_number(tx: Tx, management_room: str, number: int, *, held: bool = True) -> Request | None:
    """The request a moderator means by its number."""
    row = await tx.fetchrow(
        f"{_REQUEST.select} WHERE management_room = $1 AND number = $2{for_update(tx, held)}",
        management_room,
        number,
    )
    return _REQUEST.maybe(row)


async def latest(tx: Tx, room_id: str, user_id: str, *, held: bool = True) -> Request | None:
    """The newest knock of one applicant at one room, open or not."""
    return await _newest_knock(tx, "room_id = $1 AND user_id = $2", room_id, user_id, held=held)


async def newest_of_applicant(tx: Tx, user_id: str) -> list[int]:
    """The newest knock of an applicant at each protected room, in the order in which they first knocked at them."""
    rows = await tx.fetch(NEWEST_OF_APPLICANT, user_id)
    found = [(row["first"], row["newest"]) for row in rows if row["newest"] is not None]
    return [newest for _, newest in sorted(found)]


_KNOCKS_THERE = "FROM requests WHERE requests.room_id = rooms.room_id AND user_id = $1 AND kind = 'knock'"

NEWEST_OF_APPLICANT = (
    f"SELECT (SELECT min(id) {_KNOCKS_THERE}) AS first, (SELECT max(id) {_KNOCKS_THERE}) AS newest FROM rooms"
)
"""Of each room the index `requests_of_applicant` tells them."""


async def by_knock(tx: Tx, room_id: str, event_id: str) -> Request | None:
    """The request whose knock is this event."""
    return await _newest_knock(tx, "room_id = $1 AND event_id = $2", room_id, event_id)


async def _newest_knock(tx: Tx, which: str, *args: str, held: bool = True) -> Request | None:
    row = await tx.fetchrow(
        f"{_REQUEST.select} WHERE {which} AND kind = 'knock' ORDER BY id DESC LIMIT 1{for_update(tx, held)}", *args
    )
    return _REQUEST.maybe(row)


async def about(tx: Tx, room_id: str, user_id: str) -> list[Request]:
    """The requests that a change of this user's membership may settle or end: their newest knock, and the invites that
    they redeemed; oldest first.

    They may have used several invites, because one address can be invited twice. These are all those that wait for an
    answer, and the newest few of the others.
    """
    found = await tx.fetch(
        f"{_REQUEST.select} WHERE id IN ({_ABOUT}) ORDER BY kind, id{for_update(tx)}", room_id, user_id
    )
    # A transaction that held one of them until now may have settled it.
    return [request for request in _REQUEST.all(found) if request.kind is Kind.KNOCK or request.state in TOLD_ON]


STORIES = 5
"""Redeemed invites of one user that are followed to their end; people who send invites could redeem any number."""

TOLD_ON = (State.PENDING, State.REDEEMED)
"""The states of such invites."""

_THEIRS = "FROM requests WHERE room_id = $1 AND user_id = $2"

_ABOUT = (
    f"SELECT max(id) {_THEIRS} AND kind = 'knock' "
    f"UNION ALL SELECT id {_THEIRS} AND kind = 'third_party_invite' AND state = 'pending' "
    f"UNION ALL SELECT id FROM (SELECT id {_THEIRS} AND kind = 'third_party_invite' AND state = 'redeemed' "
    f"ORDER BY id DESC LIMIT {STORIES}) AS done"
)


async def settled_before(tx: Tx, request: Request) -> Request | None:
    """The last knock of the same applicant at the same room before this one, if it is settled."""
    row = await tx.fetchrow(
        f"{_REQUEST.select} WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' AND id < $3 "
        "ORDER BY id DESC LIMIT 1",
        request.room_id,
        request.user_id,
        request.id,
    )
    return _REQUEST.one(row) if row and row["state"] != State.PENDING else None


async def names(tx: Tx, room_id: str, user_id: str) -> bool:
    """Whether any request for a room was ever about this user, or about an invite that they sent."""
    row = await tx.fetchrow(
        "SELECT 1 FROM requests WHERE room_id = $1 AND user_id = $2 "
        "UNION ALL SELECT 1 FROM requests WHERE room_id = $1 AND inviter = $2 LIMIT 1",
        room_id,
        user_id,
    )
    return row is not None


_HAS_A_CARD = "EXISTS (SELECT 1 FROM prompts WHERE prompts.id = requests.card_id AND prompts.kind = 'card')"
"""Whether a request is on a card: not in a digest, which is a prompt of another kind."""


async def recent_of(tx: Tx, request: Request, since: int) -> list[tuple[str, int | None, bool]]:
    """The requests at the same room by the same applicant, or inviter, since a moment: of each its management room,
    its card (a digest is none), and whether it is open."""
    whose, who = ("kind = 'knock' AND user_id", request.user_id)
    if request.invite is not None:
        whose, who = "inviter", request.sponsor
    rows = await tx.fetch(
        f"SELECT management_room, CASE WHEN {_HAS_A_CARD} THEN card_id END AS card_id, state FROM requests "
        f"WHERE room_id = $1 AND {whose} = $2 AND opened_at >= $3 ORDER BY id",
        request.room_id,
        who,
        since,
    )
    return [(row["management_room"], row["card_id"], row["state"] == State.PENDING) for row in rows]


async def settled_knock(tx: Tx, room_id: str, user_id: str) -> State | None:
    """What the newest settled knock of a user at a room counts as."""
    counts_as = await tx.fetchval(
        "SELECT counts_as FROM requests WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' "
        "AND state <> 'pending' ORDER BY id DESC LIMIT 1",
        room_id,
        user_id,
    )
    return State(counts_as) if counts_as is not None else None


async def knocks_since(tx: Tx, room_id: str, user_id: str, since: int, most: int) -> int:
    """How many knocks of one applicant at one room were judged since a moment, counted up to `most`."""
    rows = await tx.fetch(
        "SELECT changed_at, knocks FROM requests WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' "
        "ORDER BY id DESC LIMIT $3",
        room_id,
        user_id,
        most,
    )
    return min(most, sum(int(row["knocks"]) for row in rows if row["changed_at"] >= since))


async def history(tx: Tx, room_id: str, user_id: str) -> list[tuple[State, int]]:
    """What a user's knocks at a room count as, and since when; oldest first.

    That includes what people or rules decided, and how it ended: see `settled`, `put_out` and `counts_for_nothing`.
    """
    rows = await tx.fetch(HISTORY, room_id, user_id, LONGEST_HISTORY)
    return [(State(row["counts_as"]), row["counts_since"]) for row in reversed(rows)]


LONGEST_HISTORY = 1000
"""How many knocks a history goes back; no criterion counts more (`criteria.MAX_TIMES`)."""

HISTORY = (
    "SELECT counts_as, counts_since FROM requests WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' "
    "AND counts_as IS NOT NULL ORDER BY id DESC LIMIT $3"
)
"""All that it reads has to be in the index `requests_of_applicant`."""


async def history_managed(tx: Tx, room_id: str, user_id: str) -> list[tuple[State, int]]:
    """The same at all rooms that are managed from the same management room as this one."""
    rooms = await tx.fetch(ROOMS_WITH_HISTORY, room_id, user_id)
    found = [outcome for row in rooms for outcome in await history(tx, row["room_id"], user_id)]
    return sorted(found, key=lambda outcome: outcome[1])[-LONGEST_HISTORY:]


ROOMS_WITH_HISTORY = (
    "SELECT room_id FROM rooms WHERE management_room = (SELECT management_room FROM rooms WHERE room_id = $1) "
    "AND (SELECT 1 FROM requests WHERE requests.room_id = rooms.room_id AND user_id = $2 AND kind = 'knock' "
    "AND counts_as IS NOT NULL LIMIT 1) = 1"
)
"""Of each such room the index `requests_of_applicant` tells whether there is any; by EXISTS, PostgreSQL may join."""


async def rejected_since(tx: Tx, room_id: str, user_id: str) -> int | None:
    """When somebody was last rejected at a room by what begins a cooldown, in milliseconds since the epoch; `None` if
    they never were, or were accepted or banned since."""
    row = await tx.fetchrow(LAST_REJECTION, room_id, user_id)
    return int(row["counts_since"]) if row is not None and row["counts_as"] == State.REJECTED else None


LAST_REJECTION = (
    "SELECT counts_as, counts_since FROM requests WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' "
    "AND counts_as IN ('accepted', 'joined', 'declined', 'rejected', 'banned') AND cools ORDER BY id DESC LIMIT 1"
)


async def pending(tx: Tx, management_room: str, room_id: str | None = None) -> list[Request]:
    """The open requests of a management room, or of one of its protected rooms, oldest first."""
    which, args = ("", []) if room_id is None else (" AND room_id = $2", [room_id])
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE management_room = $1 AND state = 'pending'{which} ORDER BY number",
        management_room,
        *args,
    )
    return _REQUEST.all(rows)


async def answered_by(tx: Tx, management_room: str, event_id: str) -> list[Request]:
    """The open requests of a management room whose answer this event gave, by a command or a click; oldest first, and
    only read."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE management_room = $1 AND state = 'pending' AND answer_json LIKE $2 ORDER BY id",
        management_room,
        f"%{event_id}%",  # this may find too many, so the answer itself is checked
    )
    found = _REQUEST.all(rows)
    return [request for request in found if request.answer is not None and request.answer.cause == event_id]


UNSETTLED = "state IN ('pending', 'accepted', 'standing', 'redeemed')"
"""As the index `requests_unsettled` has it: SQLite takes such an index only for the same words."""


async def awaiting(tx: Tx, room_id: str) -> list[int]:
    """The requests at a room that wait for an answer, oldest first; not those that came over from another room."""
    return [request_id for request_id, _ in await who_awaits(tx, room_id)]


async def who_awaits(tx: Tx, room_id: str) -> list[tuple[int, str]]:
    """The same, each with its applicant; with an empty text where nobody redeemed a third-party invite yet."""
    rows = await tx.fetch(
        f"SELECT id, user_id FROM requests WHERE room_id = $1 AND {UNSETTLED} AND state = 'pending' "
        "AND answer_json IS NULL AND moved_from IS NULL ORDER BY id",
        room_id,
    )
    return [(row["id"], row["user_id"]) for row in rows]


async def unjudged(tx: Tx) -> list[tuple[int, str]]:
    """The knocks that nobody has judged and no card shows, each with its room: requests that were found after a
    restore, where their applicant was being asked something."""
    rows = await tx.fetch(
        f"SELECT id, room_id FROM requests WHERE {UNSETTLED} AND state = 'pending' AND kind = 'knock' "
        "AND answer_json IS NULL AND card_id IS NULL AND moved_from IS NULL "
        "AND id NOT IN (SELECT request_id FROM judgements) ORDER BY id"
    )
    return [(row["id"], row["room_id"]) for row in rows]


async def to_withdraw(tx: Tx, room_id: str) -> list[int]:
    """The requests at a room that wait for an answer because an invite of a rule could not be withdrawn."""
    rows = await tx.fetch(
        f"SELECT id FROM requests WHERE room_id = $1 AND {UNSETTLED} AND state = 'pending' "
        "AND answer_json IS NULL AND untaken_json IS NOT NULL ORDER BY id",
        room_id,
    )
    return [row["id"] for row in rows]


async def invited(tx: Tx, room_id: str) -> list[str]:
    """Those whose knock at a room was accepted, and who have not taken the invite yet."""
    rows = await tx.fetch(
        f"SELECT DISTINCT user_id FROM requests WHERE room_id = $1 AND {UNSETTLED} AND state = 'accepted' "
        "AND kind = 'knock' ORDER BY user_id",
        room_id,
    )
    return [row["user_id"] for row in rows]


async def answered_by_rule(tx: Tx, room_id: str, limit: int) -> list[Request]:
    """The newest requests at a room that a rule has answered and nobody has joined by, as far as the records say."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE room_id = $1 AND {UNSETTLED} "
        "AND answer_json IS NOT NULL AND moved_from IS NULL ORDER BY id DESC LIMIT $2",
        room_id,
        limit,
    )
    return [one for one in _REQUEST.all(rows) if one.answer is not None and one.answer.rule is not None]


async def find(tx: Tx, request_id: int) -> Request | None:
    """The request with this id, if there is one; it is only looked at."""
    return _REQUEST.maybe(await tx.fetchrow(f"{_REQUEST.select} WHERE id = $1", request_id))


async def count_pending(tx: Tx) -> Counter[tuple[str, str]]:
    """How many open requests there are, by management room and protected room."""
    rows = await tx.fetch(
        "SELECT management_room, room_id, count(*) AS n FROM requests WHERE state = 'pending' "
        "GROUP BY management_room, room_id"
    )
    return Counter({(row["management_room"], row["room_id"]): row["n"] for row in rows})


async def unsettled(tx: Tx, room_id: str) -> list[Request]:
    """The requests of a protected room that the room may have overtaken: pending, and accepted but not joined.

    Each with as much of its reason as a card shows, because there may be thousands.
    """
    rows = await tx.fetch(
        f"SELECT {_ON_CARD} FROM requests WHERE room_id = $1 AND {UNSETTLED} AND state IN ('pending', 'accepted') "
        "ORDER BY id",
        room_id,
    )
    return _REQUEST.all(rows)


async def not_over(tx: Tx, room_id: str) -> list[Request]:
    """The requests of a protected room that are pending, or whose accept has not led to a join yet; oldest first.

    Each with as much of its reason as a card shows, because there may be thousands.
    """
    rows = await tx.fetch(f"SELECT {_ON_CARD} FROM requests WHERE room_id = $1 AND {UNSETTLED} ORDER BY id", room_id)
    return _REQUEST.all(rows)


async def by_token(tx: Tx, room_id: str, token: str, *, held: bool = True) -> Request | None:
    """The third-party invite that is in the room under a token, or was the last one there."""
    row = await tx.fetchrow(
        f"{_REQUEST.select} WHERE room_id = $1 AND token = $2{for_update(tx, held)}", room_id, token
    )
    return _REQUEST.maybe(row)


async def by_tokens(tx: Tx, room_id: str, tokens: Sequence[str]) -> dict[str, Request]:
    """The same for many tokens, as far as there are invites on record."""
    found: dict[str, Request] = {}
    for some in portions(tokens):
        rows = await tx.fetch(
            f"SELECT token, {_REQUEST.columns} FROM requests WHERE room_id = $1 AND token IN ({listed(some, 2)})",
            room_id,
            *some,
        )
        found |= {row["token"]: _REQUEST.one(row) for row in rows}
    return found


async def newest_knocks(tx: Tx, room_id: str, users: Sequence[str]) -> dict[str, KnockOnRecord]:
    """The newest knock of each of these applicants at one room, as far as they ever knocked."""
    found: dict[str, KnockOnRecord] = {}
    for some in portions(users):
        rows = await tx.fetch(
            f"SELECT user_id, {_KNOCK.columns} FROM requests WHERE id IN (SELECT max(id) FROM requests "
            f"WHERE room_id = $1 AND kind = 'knock' AND user_id IN ({listed(some, 2)}) GROUP BY user_id)",
            room_id,
            *some,
        )
        found |= {row["user_id"]: _KNOCK.one(row) for row in rows}
    return found


_KNOCK = Row(
    KnockOnRecord,
    "requests",
    request_id="id",
    has_words=Column("(reason <> '' OR display_name IS NOT NULL) AS has_words", bool),
)


async def invites_of(tx: Tx, room_id: str, *, held: bool = True) -> list[Request]:
    """The third-party invites of a room that are pending or standing (approved), redeemed or not; oldest first."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE room_id = $1 AND kind = 'third_party_invite' "
        f"AND state IN ('pending', 'standing') ORDER BY id{for_update(tx, held)}",
        room_id,
    )
    return _REQUEST.all(rows)


async def not_yet_fallen(tx: Tx, room_id: str, inviter: str, cause: str) -> list[Request]:
    """The pending and standing invites of an inviter that were not handled after this loss of rights; oldest first."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE room_id = $1 AND inviter = $2 AND state IN ('pending', 'standing') "
        f"AND user_id = '' AND (fallen_by IS NULL OR fallen_by <> $3) ORDER BY id{for_update(tx)}",
        room_id,
        inviter,
        cause,
    )
    return _REQUEST.all(rows)


async def redeemed_by(tx: Tx, room_id: str, user_id: str, event_id: str) -> bool:
    """Whether it is on record that this event redeemed an invite."""
    return bool(
        await tx.fetchval(
            "SELECT count(*) FROM requests WHERE room_id = $1 AND user_id = $2 AND event_id = $3 "
            "AND kind = 'third_party_invite'",
            room_id,
            user_id,
            event_id,
        )
    )


async def invites_made(tx: Tx, room_id: str, inviter: str) -> list[tuple[int, int]]:
    """When each third-party invite of an inviter for a room arrived: pairs of request id and moment."""
    rows = await tx.fetch(
        "SELECT id, opened_at FROM requests WHERE room_id = $1 AND inviter = $2 ORDER BY id", room_id, inviter
    )
    return [(row["id"], row["opened_at"]) for row in rows]


async def carded_since(tx: Tx, request: Request, since: int, limit: int) -> list[tuple[str, int, bool, bool]]:
    """Who else has asked to join the same room since a moment, on which card, whether that is open, and whether the
    card is about other rooms, too; newest first.

    For third-party invites these are their inviters.
    """
    rows = await tx.fetch(
        "SELECT coalesce(nullif(user_id, ''), inviter) AS who, card_id, state, EXISTS "
        "(SELECT 1 FROM requests AS others WHERE others.card_id = requests.card_id AND others.room_id <> $1) "
        "AS elsewhere FROM requests WHERE room_id = $1 "
        f"AND opened_at >= $2 AND kind = $3 AND management_room = $4 AND {_HAS_A_CARD} ORDER BY id DESC LIMIT $5",
        request.room_id,
        since,
        request.kind,
        request.management_room,
        limit,
    )
    return [(row["who"], row["card_id"], row["state"] == State.PENDING, bool(row["elsewhere"])) for row in rows]


async def at_other_doors(tx: Tx, request: Request) -> int | None:
    """The newest card that shows open requests of the same applicant at rooms of the same space, and of nobody else."""
    card_id = await tx.fetchval(AT_OTHER_DOORS, request.management_room, request.user_id, request.room_id)
    return int(card_id) if card_id is not None else None


AT_OTHER_DOORS = (
    "SELECT theirs.card_id FROM requests AS theirs JOIN rooms ON rooms.room_id = theirs.room_id "
    "WHERE theirs.management_room = $1 AND theirs.user_id = $2 AND theirs.state = 'pending' AND theirs.kind = 'knock' "
    "AND theirs.room_id <> $3 AND theirs.card_id IS NOT NULL AND coalesce(rooms.space, rooms.room_id) = "
    "(SELECT coalesce(here.space, here.room_id) FROM rooms AS here WHERE here.room_id = $3) "
    "AND EXISTS (SELECT 1 FROM prompts WHERE prompts.id = theirs.card_id AND prompts.kind = 'card') "
    "AND NOT EXISTS (SELECT 1 FROM requests AS others WHERE others.card_id = theirs.card_id "
    "AND (others.user_id <> $2 OR others.kind <> 'knock')) ORDER BY theirs.id DESC LIMIT 1"
)
"""It is read from the index `requests_pending`."""


async def at_other_rooms(tx: Tx, request: Request) -> bool:
    """Whether the card of a request shows open requests for other protected rooms of the same management room."""
    row = await tx.fetchrow(
        "SELECT 1 FROM requests JOIN rooms ON rooms.room_id = requests.room_id "
        "AND rooms.management_room = requests.management_room "
        "WHERE card_id = $1 AND requests.room_id <> $2 AND requests.management_room = $3 AND state = 'pending' LIMIT 1",
        request.card_id,
        request.room_id,
        request.management_room,
    )
    return row is not None


async def was_first_on_card(tx: Tx, request: Request) -> bool:
    """Whether the card of a request was made for it: it did not join a card that showed another one."""
    first = await tx.fetchval("SELECT min(id) FROM requests WHERE card_id = $1", request.card_id)
    return first is None or int(first) == request.id


async def hold(tx: Tx, request_ids: Sequence[int]) -> None:
    """Hold these requests until the transaction ends, before any of their cards is held: else two transactions could
    wait for each other."""
    if request_ids:
        which = f"id IN ({listed(request_ids)})"
        await tx.fetch(f"SELECT id FROM requests WHERE {which} ORDER BY id{for_update(tx)}", *request_ids)


async def count_on_card(tx: Tx, card_id: int) -> int:
    """How many requests one card shows."""
    return int(await tx.fetchval("SELECT count(*) FROM requests WHERE card_id = $1", card_id))


async def others_on_card(tx: Tx, request: Request, card_id: int) -> bool:
    """Whether a card shows a request of somebody else as well."""
    row = await tx.fetchrow(
        "SELECT 1 FROM requests WHERE card_id = $1 AND (user_id <> $2 OR kind <> $3) LIMIT 1",
        card_id,
        request.user_id,
        request.kind,
    )
    return row is not None


async def on_card(tx: Tx, card_id: int, *, held: bool = True) -> list[Request]:
    """The requests one card shows, oldest first, each with as much of its reason as a card shows."""
    rows = await tx.fetch(
        f"SELECT {_ON_CARD} FROM requests WHERE card_id = $1 ORDER BY id{for_update(tx, held)}", card_id
    )
    return _REQUEST.all(rows)


async def on_unposted_cards(tx: Tx, room_id: str) -> list[Request]:
    """The pending knocks at a room whose card is yet to be posted."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE room_id = $1 AND state = 'pending' AND kind = 'knock' AND EXISTS "
        "(SELECT 1 FROM prompts WHERE prompts.id = requests.card_id AND prompts.kind = 'card' "
        "AND prompts.event_id IS NULL) ORDER BY id",
        room_id,
    )
    return _REQUEST.all(rows)


async def of_line(tx: Tx, management_room: str, event_id: str) -> list[Request]:
    """The request that a line of the bot is about; none where that message is no such line."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE management_room = $2 AND id IN "
        "(SELECT request_id FROM messages WHERE event_id = $1 AND room_id = $2)",
        event_id,
        management_room,
    )
    return _REQUEST.all(rows)


async def counts(tx: Tx) -> dict[str, int]:
    """How many requests are in each state."""
    rows = await tx.fetch("SELECT state, count(*) AS n FROM requests GROUP BY state")
    found = {row["state"]: row["n"] for row in rows}
    return {state.value: found.get(state.value, 0) for state in State}


# --- changing -------------------------------------------------------------------------------------------------


async def knocked_again(tx: Tx, request: Request, change: MemberChange, now: int) -> None:
    """Another knock of the same applicant replaces the current one."""
    await tx.execute(
        "UPDATE requests SET event_id = $2, reason = $3, display_name = $4, has_avatar = $5, changed_at = $6, "
        "moved_from = NULL, untaken_json = NULL, code_id = coalesce($8, code_id), "
        "knocks = CASE WHEN changed_at >= $7 THEN knocks + 1 ELSE 1 END WHERE id = $1",
        request.id,
        change.event_id,
        change.reason,
        change.display_name,
        change.has_avatar,
        now,
        now - OF_LATE,
        change.code,
    )


OF_LATE = 10 * MINUTE
"""Milliseconds within which the knocks of one applicant are counted together."""


async def invite_replaced(tx: Tx, request_id: int, invite: ThirdPartyInvite, now: int) -> None:
    """Another invite has replaced the one under the same token."""
    await tx.execute(
        "UPDATE requests SET event_id = $2, inviter = $3, invite_json = $4, changed_at = $5, fallen_by = NULL, "
        "issued_by = NULL, inviter_banned = FALSE WHERE id = $1",
        request_id,
        invite.event_id,
        invite.inviter,
        json.dumps(asdict(invite)),
        now,
    )


async def planted(tx: Tx, request: Request, event_id: str) -> None:
    """The room holds an invite that the bot has sent, by this event."""
    assert request.invite is not None
    await tx.execute(
        "UPDATE requests SET event_id = $2, invite_json = $3 WHERE id = $1",
        request.id,
        event_id,
        json.dumps(asdict(replace(request.invite, event_id=event_id))),
    )


async def redeemed(tx: Tx, request_id: int, change: MemberChange) -> None:
    """Somebody redeemed this invite: from now on the request is about them."""
    await tx.execute(
        "UPDATE requests SET user_id = $2, event_id = $3 WHERE id = $1", request_id, change.user_id, change.event_id
    )


async def fell(tx: Tx, request_id: int, cause: str) -> None:
    """The inviter of this request lost the right to invite by this cause, and that was handled."""
    await tx.execute("UPDATE requests SET fallen_by = $2 WHERE id = $1", request_id, cause)


async def inviter_banned(tx: Tx, request_id: int) -> None:
    """The inviter of this invite was banned with it."""
    await tx.execute("UPDATE requests SET inviter_banned = TRUE WHERE id = $1", request_id)


async def rose(tx: Tx, room_id: str, inviter: str) -> None:
    """An inviter may invite again: if they lose that right once more, their invites are checked once more."""
    await tx.execute(
        "UPDATE requests SET fallen_by = NULL WHERE room_id = $1 AND inviter = $2 AND fallen_by IS NOT NULL",
        room_id,
        inviter,
    )


async def answered(tx: Tx, request_id: int, answer: Answer | None) -> None:
    """Set the binding answer, or withdraw it."""
    text = None if answer is None else _written_answer(answer)
    await tx.execute(
        "UPDATE requests SET answer_json = $2, undone_json = NULL, trouble = NULL WHERE id = $1", request_id, text
    )


async def undo(tx: Tx, request_id: int, answer: Answer, undone: Undone) -> None:
    """Set an answer that takes back the outcome of a request; its state changes when the room does."""
    await answered(tx, request_id, answer)
    text = json.dumps(_UNDONE.encode(undone))
    await tx.execute("UPDATE requests SET undone_json = $2 WHERE id = $1", request_id, text)


async def being_undone(tx: Tx, room_id: str) -> list[Request]:
    """The requests at a room whose outcome is to be taken back, which is not done yet."""
    which = f"room_id = $1 AND undone_json IS NOT NULL ORDER BY id{for_update(tx)}"
    found = _REQUEST.all(await tx.fetch(f"{_REQUEST.select} WHERE {which}", room_id))
    return [request for request in found if request.being_undone]


async def not_undone(tx: Tx, request: Request) -> None:
    """The outcome stays, and so does the answer that led to it."""
    await answered(tx, request.id, request.undone.answer if request.undone is not None else request.answer)


async def settled(tx: Tx, request_id: int, state: State, by: str, now: int) -> Request:
    """The room has moved on: set the outcome and who brought it about; returns the request as it is now.

    In the history it counts as that outcome. But a decided rejection counts as one, even if the applicant withdrew the
    knock before it was carried out.
    """
    row = await tx.fetchrow(
        "UPDATE requests SET state = $2, done_by = $3, changed_at = $4, trouble = NULL, counts_as = $2, "
        f"counts_since = $4 WHERE id = $1 RETURNING {_REQUEST.columns}",
        request_id,
        state,
        by,
        now,
    )
    request = _REQUEST.one(row)
    rejected = request.answer is not None and request.answer.verdict is not Verdict.ACCEPT and not request.taken_back
    if state is State.WITHDRAWN and rejected:
        await tx.execute("UPDATE requests SET counts_as = 'rejected' WHERE id = $1", request_id)
    return await _shortened(tx, request)


REASON_SETTLED = 300
NAME_SETTLED = 100
"""Characters of a reason and of a display name that are kept of a settled request."""

INVITE_SETTLED = 2000
"""Characters of a third-party invite: the keys of a longer one are kept only as long as it may be used."""


async def _shortened(tx: Tx, request: Request) -> Request:
    """A settled request without what makes it long: it is kept for ever, and strangers wrote most of it."""
    if (
        request.invite is not None
        or len(request.reason) > REASON_SETTLED
        or len(request.display_name or "") > NAME_SETTLED
    ):
        request = await _without_length(tx, request)
    if request.decision is not None:
        decision = await judgements.shorten(tx, request.id, request.decision)
        request = request if decision is request.decision else replace(request, decision=decision)
    return request


async def _without_length(tx: Tx, request: Request) -> Request:
    standing = State.STANDING
    short = replace(
        request,
        reason=request.reason[:REASON_SETTLED],
        reason_length=len(request.reason) if len(request.reason) > REASON_SETTLED else request.reason_length,
        display_name=request.display_name[:NAME_SETTLED] if request.display_name is not None else None,
        invite=_without_keys(request.invite) if request.invite and request.state is not standing else request.invite,
    )
    if short != request:
        await tx.execute(
            "UPDATE requests SET reason = $2, reason_length = $3, display_name = $4, invite_json = $5 WHERE id = $1",
            short.id,
            short.reason,
            short.reason_length,
            short.display_name,
            json.dumps(asdict(short.invite)) if short.invite is not None else None,
        )
    return short


def _without_keys(invite: ThirdPartyInvite) -> ThirdPartyInvite:
    """A long invite without any of its keys: if only some were removed, it could look like one that a rule trusts."""
    if len(json.dumps(asdict(invite))) <= INVITE_SETTLED:
        return invite
    return replace(invite, keys=(), display_name=invite.display_name[:NAME_SETTLED])


async def put_out(tx: Tx, room_id: str, user_id: str, removal: Removal) -> Request | None:
    """A member of the room was removed: their last knock counts as that, and no accept before it counts.

    Returns the request of that knock.
    """
    which = "room_id = $1 AND user_id = $2 AND kind = 'knock'"
    await tx.execute(
        f"UPDATE requests SET counts_as = NULL WHERE {which} AND counts_as IN ('accepted', 'joined', 'declined')",
        room_id,
        user_id,
    )
    row = await tx.fetchrow(
        "UPDATE requests SET counts_as = $3, counts_since = $4, removal_json = $5 "
        f"WHERE id = (SELECT max(id) FROM requests WHERE {which} AND state <> 'pending') RETURNING {_REQUEST.columns}",
        room_id,
        user_id,
        removal.state,
        removal.at,
        json.dumps(_REMOVAL.encode(removal)),
    )
    return _REQUEST.maybe(row)


async def last_undone(tx: Tx, room_id: str, user_id: str) -> Request | None:
    """The newest request about a user of which somebody undid the outcome, or is undoing it."""
    row = await tx.fetchrow(
        f"{_REQUEST.select} WHERE room_id = $1 AND user_id = $2 AND undone_json IS NOT NULL ORDER BY id DESC LIMIT 1",
        room_id,
        user_id,
    )
    return _REQUEST.maybe(row)


async def undone_by(tx: Tx, management_room: str, event_id: str) -> list[Request]:
    """The requests of a management room whose outcome this event has undone, by a click; oldest first."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE management_room = $1 AND undone_json IS NOT NULL AND answer_json LIKE $2 ORDER BY id",
        management_room,
        f"%{event_id}%",  # this may find too many, so the answer itself is checked
    )
    found = [(one, one.answer) for one in _REQUEST.all(rows)]
    return [one for one, answer in found if answer is not None and answer.by_click and answer.cause == event_id]


async def last_removal(tx: Tx, room_id: str, user_id: str) -> Removal | None:
    """How somebody who had knocked and joined was last removed from the room, if they ever were."""
    text = await tx.fetchval(LAST_REMOVAL, room_id, user_id)
    return _removal(text) if text is not None else None


LAST_REMOVAL = (
    "SELECT removal_json FROM requests WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' "
    "AND removal_json IS NOT NULL ORDER BY id DESC LIMIT 1"
)


async def counts_for_nothing(tx: Tx, request_id: int) -> None:
    """The outcome of this knock says nothing about its applicant."""
    await tx.execute("UPDATE requests SET counts_as = NULL WHERE id = $1", request_id)


async def cools(tx: Tx, request_id: int, *, cools: bool) -> None:
    """Note whether a rejection of this knock begins a cooldown."""
    await tx.execute("UPDATE requests SET cools = $2 WHERE id = $1", request_id, cools)


async def note_vouched(tx: Tx, request_id: int, *, vouched: bool) -> None:
    """Note whether somebody's word counted when this knock was judged."""
    await tx.execute("UPDATE requests SET vouched = $2 WHERE id = $1", request_id, vouched)


async def first_accepted(tx: Tx, room_id: str, since: int) -> int | None:
    """When the first of those was accepted at a room since a moment who knocked and have not joined yet, in
    milliseconds since the epoch."""
    found = await tx.fetchval(
        f"SELECT MIN(changed_at) FROM requests WHERE {_NOT_TAKEN} AND changed_at >= $2", room_id, since
    )
    return int(found) if found is not None else None


async def accepted_before(tx: Tx, room_id: str, until: int, most: int) -> list[Request]:
    """Those who were accepted at a room by a moment, knocked and have not joined yet; the first ones, held."""
    rows = await tx.fetch(
        f"{_REQUEST.select} WHERE {_NOT_TAKEN} AND changed_at <= $2 ORDER BY id LIMIT $3{for_update(tx)}",
        room_id,
        until,
        most,
    )
    return _REQUEST.all(rows)


_NOT_TAKEN = f"room_id = $1 AND {UNSETTLED} AND state = 'accepted' AND kind = 'knock' AND undone_json IS NULL"


async def reopened(tx: Tx, request_id: int, now: int) -> None:
    """A settled request is open again: somebody has to answer it again."""
    await tx.execute(
        "UPDATE requests SET state = 'pending', done_by = NULL, changed_at = $2 WHERE id = $1", request_id, now
    )


async def still_invited(tx: Tx, request_id: int, untaken: Untaken) -> None:
    """The applicant holds an invite by a rule whose accept does not hold any more."""
    text = json.dumps(_UNTAKEN.encode(untaken))
    await tx.execute("UPDATE requests SET untaken_json = $2 WHERE id = $1", request_id, text)


async def in_trouble(tx: Tx, request_id: int, trouble: Notice) -> None:
    """Note why the act for this request was given up."""
    await tx.execute("UPDATE requests SET trouble = $2 WHERE id = $1", request_id, dumps(trouble))


async def put_on_card(tx: Tx, request_id: int, card_id: int) -> None:
    """Show this request on that card."""
    await tx.execute(
        "UPDATE requests SET card_id = $2, first_shown_in = CASE WHEN card_id = $2 THEN first_shown_in END "
        "WHERE id = $1",
        request_id,
        card_id,
    )


async def forget_words(tx: Tx, request_id: int) -> bool:
    """Keep nothing of what the applicant wrote; returns whether there was anything to forget."""
    row = await tx.fetchrow(
        "UPDATE requests SET reason = '', display_name = NULL, has_avatar = FALSE "
        "WHERE id = $1 AND (reason <> '' OR display_name IS NOT NULL OR has_avatar) RETURNING id",
        request_id,
    )
    return row is not None


async def shown(tx: Tx, request_id: int, event_id: str, card_id: int, said_in: str | None) -> None:
    """The card now shows this knock, by this message; nothing happens if the request is on another card by now."""
    await tx.execute(
        "UPDATE requests SET shown_event_id = $2, first_shown_in = coalesce(first_shown_in, $4) "
        "WHERE id = $1 AND card_id = $3",
        request_id,
        event_id,
        card_id,
        said_in,
    )


async def move(tx: Tx, request: Request, management_room: str) -> None:
    """Give a request that is not over a number in another management room; its card stays behind."""
    number = await _next_number(tx, management_room)
    await tx.execute(
        "UPDATE requests SET management_room = $2, number = $3, card_id = NULL, shown_event_id = NULL, "
        "first_shown_in = NULL WHERE id = $1",
        request.id,
        management_room,
        number,
    )
    if request.answer is not None and request.answer.also_from:
        text = _written_answer(replace(request.answer, also_from=""))  # there, people may not know the other room
        await tx.execute("UPDATE requests SET answer_json = $2 WHERE id = $1", request.id, text)


async def move_over(tx: Tx, request: Request, room_id: str) -> None:
    """Let an open request be about the room that replaces its own, in which its applicant has not knocked yet."""
    await tx.execute(
        "UPDATE requests SET room_id = $2, moved_from = $3 WHERE id = $1", request.id, room_id, request.room_id
    )
