"""The list of those who wait, in pages that fit into a message: `list`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from knockbot.chat.calls import Call
from knockbot.chat.command import Command
from knockbot.chat.messages import fits
from knockbot.chat.replies import dotted
from knockbot.chat.selecting import PAGED, Selection
from knockbot.documents.text import shown
from knockbot.domain import card
from knockbot.domain.languages import Language
from knockbot.domain.may import Deed
from knockbot.domain.model import Request
from knockbot.domain.notices import Ago, Code, Many, Notice, Number, Numbered, Room, below, notice
from knockbot.errors import Refused
from knockbot.views import requests
from knockbot.views.requests import Waiting

PAGE = 20
"""Requests on one page."""

SHORT = 60
"""Characters of each reason, where a page with more of them does not fit into a message."""

FEWEST = 5
"""The same, where user IDs are as long as they may be: a page names all its requests in any case."""


async def list_pending(call: Call, wanted: Selection) -> Notice:
    """Who is waiting, in all rooms or in one, those who fit the filters; the longest wait first."""
    room_id = wanted.room.room_id if wanted.room is not None else None
    now = call.context.now()
    waiting = await requests.waiting(call.context, call.room, room_id)
    found = [one for one in waiting if wanted.filters.fit(one.request, now)]
    off = _put_off([one.off for one in found if one.off is not None])
    fitting = sorted((one for one in found if one.off is None), key=_by_wait)
    if not fitting:
        written = Code(wanted.filters.written)
        nobody = notice("list.none_fit", filters=written) if wanted.filters.written else notice("list.nobody")
        return below(nobody, off) if off is not None else nobody
    pages = -(-len(fitting) // PAGE)
    if not 1 <= wanted.page <= pages:
        raise Refused(notice("list.no_page", page=Number(wanted.page), count=Number(pages)))
    return _page(fitting, wanted, pages, now, off)


def _by_wait(one: Waiting) -> tuple[int, int]:
    return one.request.opened_at, one.request.number


def _put_off(off: Sequence[Notice]) -> Notice | None:
    """The requests that are off the list for now."""
    if not off:
        return None
    more = [notice("list.more", count=Number(len(off) - MOST_OFF))] if len(off) > MOST_OFF else []
    return notice("list.deferred", count=Number(len(off)), requests=Many((*off[:MOST_OFF], *more)))


MOST_OFF = 20
"""Requests off the list that a reply names."""


def _page(fitting: Sequence[Waiting], wanted: Selection, pages: int, now: int, off: Notice | None) -> Notice:
    some = fitting[(wanted.page - 1) * PAGE : wanted.page * PAGE]
    count, page, number = Number(sum(one.waits for one in fitting)), Number(wanted.page), Number(pages)
    head = notice("list.page", count=count, page=page, pages=number) if pages > 1 else None
    command = Code(" ".join(filter(None, ("!kb list", wanted.written, str(wanted.page + 1)))))
    more = notice("list.next", command=command) if wanted.page < pages else None
    return next(
        said
        for form in FORMS
        if _fits(said := below(head, *(_row(form(one), now) for one in some), more, off)) or form is FORMS[-1]
    )


def _short(one: Waiting) -> Waiting:
    brief = replace(one.request, reason=shown(one.request.reason, SHORT))
    return replace(one, request=brief, remarks=one.remarks[:1])


def _without_names(one: Waiting, characters: int) -> Waiting:
    brief = replace(one.request, reason=shown(one.request.reason, characters), display_name=None)
    return replace(one, request=brief, remarks=())


FORMS: Sequence[Callable[[Waiting], Waiting]] = (
    lambda one: one,
    _short,
    partial(_without_names, characters=SHORT // 2),
    partial(_without_names, characters=FEWEST),
)
"""What is said of each, the most first: the first form in which a page fits is taken."""


def _fits(said: Notice) -> bool:
    return all(fits(said, language) for language in Language)


def _row(one: Waiting, now: int) -> Notice:
    room = Room(one.request.room_id, one.label)
    parts = [
        _who(one.request, room, now),
        card.standing(one.request),
        card.reason_of(one.request, hidden=one.hides_reason),
        *one.remarks,
    ]
    return dotted(parts)


def _who(request: Request, room: Room, now: int) -> Notice:
    who, when = card.applicant(request), Ago(now - request.opened_at)
    return notice("list.row", request=Numbered(request.number), who=who, room=room, when=when)


COMMANDS = (Command("list", (PAGED,), list_pending, Deed.LOOK),)
