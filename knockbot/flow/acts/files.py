"""Files for a room: uploaded, then sent once, in an encrypted room encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.domain.coding import Malformed
from knockbot.domain.jobs import DOCUMENT, Act, Document, Job, SendFile
from knockbot.domain.notices import Code, because, notice
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome
from knockbot.errors import Never
from knockbot.flow import saying
from knockbot.flow.acts.sending import insist_on_secrecy, note, send, sent_before
from knockbot.flow.context import Context
from knockbot.flow.ports import EFFECT_KEY
from knockbot.flow.saying import Audience, Marks
from knockbot.flow.tables import Doing
from knockbot.store.jobs import Claimed


async def send_file(context: Context, claimed: Claimed[SendFile]) -> Outcome:
    """Send a file to a management room, once. An upload whose message was not sent is left behind unused."""
    sent = await sent_before(context, claimed)
    if sent is not None:
        return Done(sent)
    document, room_id = _document(context, claimed.job), claimed.job.room_id
    content = document.text.encode()
    await insist_on_secrecy(context, room_id)
    where = await context.acts.upload(room_id, document.name, document.media_type, content)
    return Done(await send(context, claimed, {**_message(document, len(content), claimed.job.key), **where}))


def _document(context: Context, job: Job[SendFile]) -> Document:
    try:
        return DOCUMENT.decode(context.cipher.unlock(job.payload.document))
    except Malformed as error:
        raise Never(because("act.unreadable")) from error


def _message(document: Document, size: int, key: str) -> dict[str, Any]:
    """The message around a file (client-server API, m.file), without its address."""
    content: dict[str, Any] = {
        "msgtype": "m.file",
        "body": document.name,
        "filename": document.name,
        "info": {"mimetype": document.media_type, "size": size},
        "m.mentions": {},
        EFFECT_KEY: key,
    }
    if document.reply_to is not None:
        in_thread = {"rel_type": "m.thread", "event_id": document.thread, "is_falling_back": True}
        relation = in_thread if document.thread else {}
        content["m.relates_to"] = {**relation, "m.in_reply_to": {"event_id": document.reply_to}}
    return content


async def _sent(_: Context, turn: Turn, job: Job[SendFile], came: Outcome) -> None:
    if isinstance(came, Done):
        await note(turn, job, came.event_id)


async def _refused(context: Context, turn: Turn, job: Job[SendFile], error: Never) -> None:
    """The media repository does not take the file: whoever asked for it is told why."""
    document = _document(context, job)
    said = notice("file.not_sent", name=Code(document.name), why=error.why)
    to, marks = Audience(job.room_id, place=job.payload.about), Marks(thread=document.thread)
    await saying.say(context, turn, to, f"refused:{job.key}", said, reply_to=document.reply_to, marks=marks)


ACTS: Mapping[Act, Doing] = {Act.SEND_FILE: Doing(send_file, ended=_sent, refused=_refused)}
