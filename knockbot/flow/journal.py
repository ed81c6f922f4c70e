"""The journal: what was decided, done and refused, as lines of the log; text for people, fields for machines.

A line names a request by its number and its applicant, as its card does. Names that anybody can choose are in quotes.
So is an ID that looks like more than an ID. So nobody can write a part of a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from knockbot.documents.text import NAME_LIMIT, shown, shown_id
from knockbot.domain.jobs import Job
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, brief
from knockbot.domain.reasons import in_words
from knockbot.domain.records import Detail, Recorded
from knockbot.errors import Refused
from knockbot.flow.context import log

_PLAIN_ID = re.compile(r"[@!#$][\w.=/+-]*(:[\w.:\[\]-]+)?", re.ASCII)


def named(name: str, limit: int = NAME_LIMIT) -> str:
    """A name that somebody chose, in quotes that it cannot end."""
    return json.dumps(shown(name, limit), ensure_ascii=False)


def identified(matrix_id: str) -> str:
    """An ID as it is, if servers make such IDs today; else in quotes, with invisible characters spelled out."""
    return matrix_id if _PLAIN_ID.fullmatch(matrix_id) else json.dumps(shown_id(matrix_id), ensure_ascii=False)


def about(request: Request, label: str) -> str:
    """A request as its card names it."""
    return f"request #{request.number} of {identified(request.subject)} at {place(request.room_id, label)}"


def place(room_id: str, label: str) -> str:
    """A room by what people call it, and by its ID."""
    return identified(room_id) if label == room_id else f"{named(label)} ({identified(room_id)})"


def decided(request: Request, label: str, kind: Recorded, by: str, detail: Detail) -> None:
    """Log what was put on record about a request."""
    rule = detail.get("rule")
    where = identified(detail["invited_to"]) if "invited_to" in detail else None
    said = " ".join(str(part) for part in (_said(kind), detail.get("verdict"), where) if part)
    by_rule = f" by rule {named(rule)}," if rule else ""
    fields: dict[str, Any] = {
        "number": request.number,
        "user_id": request.subject,
        "management_room": request.management_room,
    }
    _write(
        f"{about(request, label)}: {said},{by_rule} by {identified(by)}",
        kind,
        request.room_id,
        by,
        {**fields, **detail},
    )


def changed(room_id: str, label: str, kind: Recorded, by: str, detail: Detail) -> None:
    """Log what was put on record about a protected room: it is protected or not, or has another policy."""
    said = "".join(f", {name.replace('_', ' ')} {_value(value)}" for name, value in detail.items() if value is not None)
    _write(f"{place(room_id, label)}: {_said(kind)}{said}, by {identified(by)}", kind, room_id, by, detail)


def _said(kind: Recorded) -> str:
    """The kind of a record as the log names it; the log is in one language."""
    return kind.replace("_", " ")


def _value(value: Any) -> str:
    return identified(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def refusing(by: str, what: str, room_id: str) -> Iterator[None]:
    """Log what somebody may not do, and why, where the block raises `Refused`."""
    try:
        yield
    except Refused as refused:
        said = brief(refused.said)
        text = f"refused: {identified(by)} may not {what} at {identified(room_id)}: {named(said, LONGEST)}"
        _write(text, "refused", room_id, by, {"asked": what, "why": said})
        raise


LONGEST = 500
"""The most characters that a refusal takes in a line."""


def given_up(job: Job[Any], request: Request | None, why: Notice) -> None:
    """Log that an act will not be done, or waits for a power."""
    number = f" (request #{request.number})" if request is not None else ""
    text = f"cannot {_act(job)}{number}: {named(in_words(why), LONGEST)}"
    numbered = {"number": request.number} if request is not None else {}
    log.warning("%s", text, extra={"fields": _fields(job, why) | numbered})


def postponed(job: Job[Any], pause: float, why: Notice) -> None:
    """Log that an act is tried again later."""
    text = f"{_act(job)} is tried again in {pause:.0f} s: {named(in_words(why), LONGEST)}"
    log.info("%s", text, extra={"fields": _fields(job, why)})


def _act(job: Job[Any]) -> str:
    """An act for people: its key is for machines, and holds numbers of the database."""
    whom = f" {identified(job.user_id)}" if job.user_id else ""
    return f"{job.act.value.replace('_', ' ')}{whom} at {identified(job.room_id)}"


def _fields(job: Job[Any], why: Notice) -> dict[str, Any]:
    told = {
        "act": job.act.value,
        "room_id": job.room_id,
        "job": job.key,
        "why": in_words(why),
        "code": why.code,
    }
    return told | ({"user_id": job.user_id} if job.user_id else {})


def _write(text: str, what: str, room_id: str, by: str, fields: Mapping[str, Any]) -> None:
    told = {"what": what, "room_id": room_id, **fields, "by": by}
    log.info("%s", text, extra={"fields": {name: value for name, value in told.items() if value is not None}})
