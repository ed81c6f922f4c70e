"""Turns a decision into the jobs that carry it out: `plan()`, and every other job that the flow needs.

A job's key names the act and its occasion, so that planning the same thing twice writes one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from knockbot.domain.ids import server_of
from knockbot.domain.jobs import (
    Act,
    AlsoInvite,
    Ban,
    Converse,
    EditPrompt,
    FollowList,
    HoldInterview,
    Invite,
    Issue,
    Job,
    Join,
    Kick,
    Leave,
    Meet,
    Payload,
    Plant,
    PostPrompt,
    Protect,
    React,
    ReadList,
    Redact,
    Revoke,
    Say,
    SendFile,
    Unban,
    Unreact,
)
from knockbot.domain.model import Answer, Kind, MemberChange, Membership, Request, Step, Verdict
from knockbot.domain.notices import because

ACT_OF: dict[Verdict, Act] = {Verdict.ACCEPT: Act.INVITE, Verdict.REJECT: Act.KICK, Verdict.BAN: Act.BAN}
"""What each answer does in the room; `forward` asks the moderators instead."""

REACTIONS: dict[str, Verdict] = {"✅": Verdict.ACCEPT, "❌": Verdict.REJECT, "⛔": Verdict.BAN}
"""The answer that each emoji on a card gives."""

NUMBERS: tuple[str, ...] = tuple(f"{number}\ufe0f\u20e3" for number in range(1, 10))
"""The emoji that choose one of several answers on a prompt: 1️⃣ to 9️⃣."""

REFUSALS: dict[Verdict, type[Kick | Ban]] = {Verdict.REJECT: Kick, Verdict.BAN: Ban}
"""What is done to a rejected or banned user."""


def plan(request: Request, answer: Answer, home: str) -> tuple[Job[Payload], ...]:
    """The jobs that carry out an answer to a request, on a server called `home`.

    An accept is for exactly the knock that it was given for. A reject or a ban is for the applicant's current knock, so
    that nobody escapes it by knocking once more.
    """
    if request.being_undone and request.undone is not None:
        return UNDOING[request.undone.step](request, answer, home)
    return PLANS[request.judged_as](request, answer, home)


def _plan_for_knock(request: Request, answer: Answer, home: str) -> tuple[Job[Payload], ...]:
    if request.moved_from is not None and answer.verdict is Verdict.REJECT:
        return (_clear_up(request, request.moved_from, answer),)
    act = ACT_OF[answer.verdict]
    payload = _let_in(request, answer, home) if act is Act.INVITE else _keep_out(request, answer)
    return (Job(_key(act, request, answer), request.room_id, payload),)


def _key(act: Act, request: Request, answer: Answer) -> str:
    return f"{act}:{request.id}:{answer.cause or answer.event_id}"


def _let_in(request: Request, answer: Answer, home: str) -> Invite:
    moved = request.moved_from is not None
    server = server_of(request.user_id)
    return Invite(
        request.user_id,
        request.id,
        (Membership.LEAVE, Membership.KNOCK) if moved else (Membership.KNOCK,),
        answer.on_behalf_of,
        knock=None if moved else answer.event_id,
        server=server if server != home and not request.invited else None,  # who is invited need not be invited again
        **_told(answer),
    )


def _keep_out(request: Request, answer: Answer) -> Kick | Ban:
    if request.moved_from is not None:
        while_in: tuple[Membership, ...] = (Membership.LEAVE, Membership.KNOCK)
    elif request.invited:
        while_in = TAKING_BACK[answer.verdict]
    else:
        while_in = INSTEAD[answer.verdict] if answer.instead else (Membership.KNOCK,)
    instead = (answer.instead or request.invited) and request.moved_from is None
    return REFUSALS[answer.verdict](
        request.user_id, request.id, while_in, answer.on_behalf_of, instead=instead, **_told(answer)
    )


INSTEAD: dict[Verdict, tuple[Membership, ...]] = {
    Verdict.REJECT: (Membership.KNOCK, Membership.INVITE, Membership.JOIN),
    Verdict.BAN: (Membership.KNOCK, Membership.INVITE, Membership.JOIN, Membership.LEAVE),
}
"""The memberships that an act may find if the act that it overrides succeeded after all."""


TAKING_BACK: dict[Verdict, tuple[Membership, ...]] = {
    verdict: tuple(one for one in while_in if one is not Membership.JOIN) for verdict, while_in in INSTEAD.items()
}
"""The same where an invite is withdrawn: who has joined by it stays."""


def _told(answer: Answer) -> dict[str, Any]:
    """What the applicant is told: the text that people wrote, else the bot's own text."""
    return {"reason": answer.reason} if answer.reason else {"told": answer.told}


def _clear_up(request: Request, room_id: str, answer: Answer) -> Job[Kick]:
    """Also remove the knock of a rejected user from the room that was replaced, if that is still possible."""
    kick = Kick(request.user_id, on_behalf_of=answer.on_behalf_of, **_told(answer))
    return Job(_key(Act.KICK, request, answer), room_id, kick)


def _plan_for_guest(request: Request, answer: Answer, _: str) -> tuple[Job[Payload], ...]:
    """The act on a user of a third-party invite; an accept needs none."""
    if answer.verdict is Verdict.ACCEPT:
        return ()
    return (_remove(request, request.user_id, answer, guest=request.event_id),)


def _plan_for_invite(request: Request, answer: Answer, _: str) -> tuple[Job[Payload], ...]:
    """The acts for a third-party invite: an accepted one is left alone."""
    if answer.verdict is Verdict.ACCEPT:
        return ()
    taken_back = revoke(request, answer.cause or answer.event_id, answer.on_behalf_of)
    if answer.verdict is Verdict.REJECT:
        return (taken_back,)
    return (taken_back, _remove(request, request.subject, answer, guest=None))


PLANS: Mapping[Kind, Callable[[Request, Answer, str], tuple[Job[Payload], ...]]] = {
    Kind.KNOCK: _plan_for_knock,
    Kind.THIRD_PARTY_INVITE: _plan_for_invite,
    Kind.REDEEMED_INVITE: _plan_for_guest,
}
"""The acts that carry out an answer to each kind of request."""


def _undo_accept(while_in: Membership) -> Callable[[Request, Answer, str], tuple[Job[Payload], ...]]:
    """The act that takes an accept back from somebody whose membership is this."""

    def undo(request: Request, answer: Answer, _: str) -> tuple[Job[Payload], ...]:
        kick = Kick(request.user_id, request.id, (while_in,), answer.on_behalf_of, **_told(answer))
        return (Job(_undoing(request, answer), request.room_id, kick),)

    return undo


def _undo_reject(request: Request, answer: Answer, home: str) -> tuple[Job[Payload], ...]:
    """Somebody who was rejected does not ask any more, so it is not for a knock."""
    server = server_of(request.user_id)
    away = server if server != home else None
    invite = Invite(request.user_id, request.id, (Membership.LEAVE,), answer.on_behalf_of, server=away)
    return (Job(_undoing(request, answer), request.room_id, invite),)


def _undo_ban(request: Request, answer: Answer, _: str) -> tuple[Job[Payload], ...]:
    unban = Unban(request.user_id, request.id, (Membership.BAN,), answer.on_behalf_of)
    return (Job(_undoing(request, answer), request.room_id, unban),)


def lift_inviter(request: Request, cause: str, on_behalf_of: str) -> Job[Unban]:
    """Lift the ban of the inviter of a third-party invite; the invite itself stays revoked."""
    unban = Unban(request.sponsor, while_in=(Membership.BAN,), on_behalf_of=on_behalf_of)
    return Job(f"unban:{request.id}:{cause}", request.room_id, unban)


def _undoing(request: Request, answer: Answer) -> str:
    return f"undo:{request.id}:{answer.cause}"


UNDOING: Mapping[Step, Callable[[Request, Answer, str], tuple[Job[Payload], ...]]] = {
    Step.WITHDRAW: _undo_accept(Membership.INVITE),
    Step.EXPIRE: _undo_accept(Membership.INVITE),
    Step.REMOVE: _undo_accept(Membership.JOIN),
    Step.INVITE: _undo_reject,
    Step.LIFT: _undo_ban,
}
"""The acts that take an outcome back."""


def _remove(request: Request, user_id: str, answer: Answer, *, guest: str | None) -> Job[Kick | Ban]:
    """Kick or ban somebody who is, or may be, in the room: not a knocker, but an inviter, or a user of an invite."""
    while_in = TAKING_BACK[answer.verdict] if answer.instead else INSIDE[answer.verdict]
    payload = REFUSALS[answer.verdict](user_id, request.id, while_in, answer.on_behalf_of, guest=guest, **_told(answer))
    return Job(_key(ACT_OF[answer.verdict], request, answer), request.room_id, payload)


INSIDE: dict[Verdict, tuple[Membership, ...]] = {
    Verdict.REJECT: (Membership.INVITE, Membership.JOIN, Membership.KNOCK),
    Verdict.BAN: (Membership.INVITE, Membership.JOIN, Membership.KNOCK, Membership.LEAVE),
}
"""The possible memberships of somebody who is to be removed: a user who left may still be banned."""


def revoke(request: Request, cause: str, on_behalf_of: str | None) -> Job[Revoke]:
    """Revoke a third-party invite, so that nobody can use it; with the bot's own power, not for somebody else."""
    assert request.invite is not None
    payload = Revoke(request.invite.token, request.invite.inviter, request.id, on_behalf_of)
    return Job(f"revoke:{request.id}:{cause}", request.room_id, payload)


def spend(request: Request, cause: str) -> Job[Revoke]:
    """Empty a token that somebody has used, so that nobody else can; the result does not matter for the request."""
    payload = replace(revoke(request, cause, None).payload, request_id=None)
    return Job(f"spend:{request.id}:{cause}", request.room_id, payload)


def issue(room_id: str, cause: str, server: str, management_room: str) -> Job[Issue]:
    """Ask an identity server to invite an address; the row of the command has the address."""
    return Job(f"issue:{cause}", room_id, Issue(cause, server, management_room))


def plant(request: Request, content: Mapping[str, Any]) -> Job[Plant]:
    """Put into the room what an identity server returned for an invite that the bot issued."""
    assert request.invite is not None
    return Job(f"plant:{request.id}", request.room_id, Plant(request.id, request.invite.token, content))


def converse(about: str, user_id: str, conversation_id: int) -> Job[Converse]:
    """Make the room of a conversation and invite the applicant; `about` is the protected room that it began with."""
    return Job(f"converse:{conversation_id}", about, Converse(user_id, conversation_id))


def interview(about: str, user_id: str, interview_id: int, *, guest: str = "") -> Job[HoldInterview]:
    """Make the room of an interview and invite everybody, or invite one more moderator to it."""
    key = f"hold_interview:{interview_id}"
    return Job(f"{key}:{guest}" if guest else key, about, HoldInterview(user_id, interview_id, guest))


def call_in(
    room_id: str, user_id: str, stands: MemberChange | None, *, home: str, cause: str, on_behalf_of: str
) -> Job[Invite]:
    """Invite somebody who has not knocked, without a request, if their membership is still `stands`."""
    server = server_of(user_id)
    payload = Invite(
        user_id,
        while_in=(Membership.LEAVE, Membership.KNOCK),
        on_behalf_of=on_behalf_of,
        knock=stands.event_id if stands is not None else None,
        server=server if server != home else None,
    )
    return Job(f"invite:{cause}", room_id, payload)


def post_prompt(room_id: str, kind: str, prompt_id: int) -> Job[PostPrompt]:
    """Post a prompt, such as a forwarded request that is shown to the moderators."""
    return Job(f"{kind}:{prompt_id}", room_id, PostPrompt(prompt_id))


def edit_prompt(room_id: str, kind: str, prompt_id: int, number: int) -> Job[EditPrompt]:
    """Edit a prompt so that it shows the current state; `number` counts the edits of this prompt."""
    return Job(f"{kind}:{prompt_id}:edit:{number}", room_id, EditPrompt(prompt_id))


def react(room_id: str, kind: str, offer: React, turn: int = 0) -> Job[React]:
    """Offer an answer on a prompt, so that one click gives it; `turn` counts how often the offer was removed before."""
    return Job(f"{kind}:{offer.prompt_id}:react:{offer.emoji}:{turn}", room_id, offer)


def unreact(room_id: str, prompt_id: int, reaction: str, emoji: str) -> Job[Unreact]:
    """Remove a reaction for an answer that is no longer possible."""
    return Job(f"unreact:{reaction}", room_id, Unreact(prompt_id, reaction, emoji))


def redact(room_id: str, prompt_id: int, event_id: str) -> Job[Redact]:
    """Redact a prompt, or an edit of it."""
    return Job(f"redact:{event_id}", room_id, Redact(prompt_id, event_id))


def tick(room_id: str, event_id: str) -> Job[React]:
    """Put a ✅ reaction on a command: it is done, and the result is shown elsewhere."""
    return Job(f"tick:{event_id}", room_id, React(event_id, "✅"))


def say(room_id: str, key: str, what: Say) -> Job[Say]:
    """Send a message to a management room; `key` names the occasion."""
    return Job(f"say:{key}", room_id, what)


def send_file(room_id: str, key: str, what: SendFile) -> Job[SendFile]:
    """Send a file to a management room; `key` names the occasion."""
    return Job(f"file:{key}", room_id, what)


def enter(room_id: str, occasion: str) -> Job[Join]:
    """Accept an invite."""
    return Job(f"join:{room_id}:{occasion}", room_id, Join())


def leave(room_id: str, occasion: str, *, guest: str | None = None) -> Job[Leave]:
    """Leave a room, or decline an invite to it; for good, if it was made for one `guest`."""
    return Job(f"leave:{room_id}:{occasion}", room_id, Leave(guest))


def protect(space: str, room_id: str, occasion: str) -> Job[Protect]:
    """Protect a room of a space."""
    return Job(f"protect:{space}:{room_id}:{occasion}", room_id, Protect(space))


def also_invite(request: Request, on_behalf_of: str, room_id: str, home: str) -> Job[AlsoInvite]:
    """Invite somebody to another room too, once for a request."""
    server = server_of(request.user_id)
    payload = AlsoInvite(request.user_id, request.id, on_behalf_of, server if server != home else None)
    return Job(f"also:{request.id}:{room_id}", room_id, payload)


def call_back(room_id: str, user_id: str, on_behalf_of: str, cause: str) -> Job[Kick]:
    """Withdraw an invite to another room, while it is not taken."""
    told = because("told.invite_withdrawn")
    kick = Kick(user_id, while_in=CALLED_BACK, on_behalf_of=on_behalf_of, told=told)
    return Job(f"kick:also:{room_id}:{user_id}:{cause}", room_id, kick)


CALLED_BACK: tuple[Membership, ...] = (Membership.INVITE,)
"""Where such an invite can still be withdrawn."""


def follow_list(room_id: str, occasion: str, via: tuple[str, ...]) -> Job[FollowList]:
    """Enter the room of a policy list, and then read it."""
    return Job(f"follow_list:{room_id}:{occasion}", room_id, FollowList(via))


def read_list(room_id: str, occasion: str) -> Job[ReadList]:
    """Read the whole room of a policy list."""
    return Job(f"read_list:{room_id}:{occasion}", room_id, ReadList())


def meet(room_id: str, user_id: str) -> Job[Meet]:
    """Create a room where the bot can read, for somebody who invited it to a room where it cannot, and invite them."""
    return Job(f"meet:{user_id}:{room_id}", room_id, Meet(user_id))
