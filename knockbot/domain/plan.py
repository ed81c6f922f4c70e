"""From a decision to the acts that carry it out: `plan()` and the jobs it is made of.

A job's key names what is to be done and for what, so that planning the same thing twice writes one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from knockbot.domain.ids import server_of
from knockbot.domain.model import Act, Answer, Job, Kind, MemberChange, Membership, Request, Verdict
from knockbot.domain.notices import decoded, encoded
from knockbot.domain.reasons import in_words

ACT_OF: dict[Verdict, Act] = {Verdict.ACCEPT: Act.INVITE, Verdict.REJECT: Act.KICK, Verdict.BAN: Act.BAN}
"""What each binding word has done in the room; `forward` asks the moderators instead."""

WANTED: dict[Act, frozenset[Membership]] = {
    Act.INVITE: frozenset({Membership.INVITE, Membership.JOIN}),
    Act.KICK: frozenset({Membership.LEAVE, Membership.BAN}),
    Act.BAN: frozenset({Membership.BAN}),
}
"""The memberships in which an act has nothing left to do."""

REACTIONS: dict[str, Verdict] = {"✅": Verdict.ACCEPT, "❌": Verdict.REJECT, "⛔": Verdict.BAN}
"""What each emoji on a card says."""


def plan(request: Request, answer: Answer, home: str) -> tuple[Job, ...]:
    """The acts that carry out a binding word on a request, given on a server called `home`.

    An accept is for the very knock it was given for. A reject or a ban is for whatever knock of the applicant
    stands, so that nobody escapes it by knocking once more.
    """
    if request.kind is Kind.THIRD_PARTY_INVITE:
        return _plan_for_invite(request, answer)
    if request.moved_from is not None and answer.verdict is Verdict.REJECT:
        return (_clear_up(request, request.moved_from, answer),)
    act = ACT_OF[answer.verdict]
    server = server_of(request.user_id)
    away = act is Act.INVITE and server != home
    return (
        Job(
            key=f"{act}:{request.id}:{answer.cause or answer.event_id}",
            act=act,
            room_id=request.room_id,
            # Only an invite waits for the applicant's server, and the homeserver holds the room's membership lock
            # meanwhile: one such attempt at a time, in a lane of its own, beside which local applicants pass.
            lane=f"{request.room_id} {'away' if away else 'home'}",
            request_id=request.id,
            user_id=request.user_id,
            server=server if away else None,
            event_id=answer.event_id if act is Act.INVITE and request.moved_from is None else None,
            content=_said(answer) | _scope(request, answer),
        ),
    )


def _said(answer: Answer) -> dict[str, Any]:
    """What the applicant is told, and with whose power it is done: looked at again right before the act."""
    return {"for": answer.on_behalf_of} | _reason(answer)


def _reason(answer: Answer) -> dict[str, Any]:
    if answer.reason:
        return {"reason": answer.reason}
    return {"told": encoded(answer.told)} if answer.told is not None else {}


def reason_of(job: Job) -> str | None:
    """What the applicant is told by an act."""
    told = job.content.get("told")
    return job.content.get("reason") or (in_words(decoded(told)) if told is not None else None)


def _scope(request: Request, answer: Answer) -> dict[str, Any]:
    """In which memberships the applicant is hit, where that is not just while they knock."""
    if request.moved_from is not None:
        return {"while": [Membership.LEAVE, Membership.KNOCK]}
    if answer.instead:
        return {"while": [*INSTEAD[ACT_OF[answer.verdict]]], "instead": True}
    return {}


INSTEAD: dict[Act, tuple[Membership, ...]] = {
    Act.KICK: (Membership.KNOCK, Membership.INVITE, Membership.JOIN),
    Act.BAN: (Membership.KNOCK, Membership.INVITE, Membership.JOIN, Membership.LEAVE),
}
"""The memberships in which an act finds somebody where the one that it overrides got through after all."""


def _clear_up(request: Request, room_id: str, answer: Answer) -> Job:
    """Take the knock of somebody who is rejected out of the room that was replaced, where that still can be done."""
    return Job(
        key=f"kick:{request.id}:{answer.cause or answer.event_id}",
        act=Act.KICK,
        room_id=room_id,
        lane=f"{room_id} home",
        user_id=request.user_id,
        content=_said(answer),
    )


def _plan_for_invite(request: Request, answer: Answer) -> tuple[Job, ...]:
    """The acts for a third-party invite: an accepted one is left alone, before it is redeemed and after."""
    cause = answer.cause or answer.event_id
    if answer.verdict is Verdict.ACCEPT:
        return ()
    if request.redeemed:
        return (_remove(request, ACT_OF[answer.verdict], request.user_id, answer, {"guest": request.event_id}),)
    taken_back = revoke(request, cause, answer.on_behalf_of)
    if answer.verdict is Verdict.REJECT or request.invite is None:
        return (taken_back,)
    return (taken_back, _remove(request, Act.BAN, request.subject, answer, {}))


def _remove(request: Request, act: Act, user_id: str, answer: Answer, more: dict[str, Any]) -> Job:
    """Kick or ban somebody who is, or may be, in the room: not a knocker, but an inviter or who came in by them.

    `guest` is the event by which somebody came in who may know of nothing: until they join, the act only takes their
    invite back.
    """
    cause = answer.cause or answer.event_id
    return Job(
        key=f"{act}:{request.id}:{cause}",
        act=act,
        room_id=request.room_id,
        lane=f"{request.room_id} home",
        request_id=request.id,
        user_id=user_id,
        content={"while": [*INSIDE[act]]} | _said(answer) | more,
    )


INSIDE: dict[Act, tuple[Membership, ...]] = {
    Act.KICK: (Membership.INVITE, Membership.JOIN, Membership.KNOCK),
    Act.BAN: (Membership.INVITE, Membership.JOIN, Membership.KNOCK, Membership.LEAVE),
}
"""The memberships in which somebody who is to be removed can be: who left may still be banned."""


def _spoken(management_room: str) -> str:
    """The lane of everything said in one room, so that it is said in order."""
    return f"{management_room} said"


def revoke(request: Request, cause: str, on_behalf_of: str | None) -> Job:
    """Take a third-party invite back, so that nobody can come in by it; with the bot's own power for nobody else."""
    whose = {"for": on_behalf_of} if on_behalf_of is not None else {}
    return Job(
        key=f"revoke:{request.id}:{cause}",
        act=Act.REVOKE,
        room_id=request.room_id,
        lane=f"{request.room_id} home",
        request_id=request.id,
        event_id=request.event_id,
        content=whose | ({"token": request.invite.token, "inviter": request.invite.inviter} if request.invite else {}),
    )


def spend(request: Request, cause: str) -> Job:
    """Empty a token that somebody came in by, so that nobody else does; the request goes on whatever comes of it."""
    return replace(revoke(request, cause, None), key=f"spend:{request.id}:{cause}", request_id=None)


def issue(room_id: str, cause: str, server: str, management_room: str) -> Job:
    """Have an identity server invite an address; which one, the row of the command says."""
    # One that is slow holds up no more than its own invites.
    content = {"server": server, "management_room": management_room}
    return Job(f"issue:{cause}", Act.ISSUE, room_id, f"{server} issue", event_id=cause, content=content)


def plant(request: Request, content: Mapping[str, Any]) -> Job:
    """Put into the room what an identity server made of an invite that the bot issued."""
    assert request.invite is not None
    return Job(
        key=f"plant:{request.id}",
        act=Act.PLANT,
        room_id=request.room_id,
        lane=f"{request.room_id} home",
        request_id=request.id,
        content={"token": request.invite.token, "content": content},
    )


def write(request: Request, answer: Answer, day: int) -> Job:
    """Tell an applicant of another server by message that they were rejected; once a day, whatever for."""
    return Job(
        key=f"write:{request.user_id}:{day}",
        act=Act.WRITE,
        room_id=request.room_id,
        lane=f"{server_of(request.user_id)} write",
        request_id=request.id,
        user_id=request.user_id,
        server=server_of(request.user_id),
        content=_reason(answer),
    )


def call_in(
    room_id: str, user_id: str, stands: MemberChange | None, *, home: str, cause: str, on_behalf_of: str
) -> Job:
    """Invite somebody who has not knocked, where they stand as `stands` says, and on no request."""
    server = server_of(user_id)
    away = server != home
    return Job(
        key=f"invite:{cause}",
        act=Act.INVITE,
        room_id=room_id,
        lane=f"{room_id} {'away' if away else 'home'}",
        user_id=user_id,
        server=server if away else None,
        event_id=stands.event_id if stands is not None else None,
        content={"while": [None, Membership.LEAVE, Membership.KNOCK], "for": on_behalf_of},
    )


def post_card(management_room: str, card_id: int) -> Job:
    """Show a forwarded request to the moderators."""
    return Job(f"card:{card_id}", Act.POST_CARD, management_room, _spoken(management_room), card_id=card_id)


def edit_card(management_room: str, card_id: int, number: int) -> Job:
    """Make a card show what is true now; `number` counts the edits of this card."""
    return Job(
        f"card:{card_id}:edit:{number}", Act.EDIT_CARD, management_room, _spoken(management_room), card_id=card_id
    )


def react(management_room: str, card_id: int, event_id: str, emoji: str, turn: int = 0) -> Job:
    """Offer an answer on a card, so that one click gives it; `turn` counts how often it was taken away before."""
    return Job(
        f"card:{card_id}:react:{emoji}:{turn}",
        Act.REACT,
        management_room,
        _spoken(management_room),
        card_id=card_id,
        event_id=event_id,
        content={"emoji": emoji},
    )


def unreact(management_room: str, card_id: int, reaction: str, emoji: str) -> Job:
    """Take an offer away that cannot be kept any more."""
    return Job(
        f"unreact:{reaction}",
        Act.UNREACT,
        management_room,
        _spoken(management_room),
        card_id=card_id,
        event_id=reaction,
        content={"emoji": emoji},
    )


def redact(management_room: str, card_id: int, event_id: str) -> Job:
    """Take away what a card said, or an edit of it."""
    return Job(
        f"redact:{event_id}",
        Act.REDACT,
        management_room,
        _spoken(management_room),
        card_id=card_id,
        event_id=event_id,
    )


def tick(room_id: str, event_id: str) -> Job:
    """A tick on a command: done, and seen elsewhere."""
    return Job(f"tick:{event_id}", Act.REACT, room_id, _spoken(room_id), event_id=event_id, content={"emoji": "✅"})


def say(room_id: str, key: str, content: Mapping[str, Any], request_id: int | None = None) -> Job:
    """Say something in a management room; `key` names the occasion."""
    return Job(f"say:{key}", Act.SAY, room_id, _spoken(room_id), request_id=request_id, content=content)


def enter(room_id: str, occasion: str) -> Job:
    """Take an invite."""
    return Job(f"join:{room_id}:{occasion}", Act.JOIN, room_id, f"{room_id} go")


def leave(room_id: str, occasion: str) -> Job:
    """Leave a room, or decline an invite to it."""
    return Job(f"leave:{room_id}:{occasion}", Act.LEAVE, room_id, f"{room_id} go")


def meet(room_id: str, user_id: str) -> Job:
    """Make a room in which the bot can read, and invite somebody there who invited it where it cannot."""
    return Job(f"meet:{user_id}:{room_id}", Act.MEET, room_id, f"{room_id} go", user_id=user_id)
