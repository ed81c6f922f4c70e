"""Who asks and who answered, as a card names them."""

from __future__ import annotations

from knockbot.documents.text import NAME_LIMIT, shown, shown_id
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.cooldown import COOLDOWN
from knockbot.domain.expiry import INVITE_EXPIRES
from knockbot.domain.kinds import OTHERWISE, OTHERWISE_INVITES, kind_of
from knockbot.domain.listed import name_of_list
from knockbot.domain.model import Decision, Miss, Request, State, ThirdPartyInvite, Verdict
from knockbot.domain.notices import Code, Letters, Name, Notice, Profile, Room, Rule, User, notice

By = Notice | User
Who = Notice | Profile | Letters


def who_knocks(request: Request) -> Who:
    """The name they gave themselves, and the id that they cannot choose again."""
    name, user = shown(request.display_name or "", NAME_LIMIT), Profile(request.user_id)
    if not name or name.casefold() == shown_id(request.user_id).casefold():
        return user
    if name[0].isalpha() and "@" not in name:
        return notice("who.named", name=Name(name), user=user)
    # A name may hold emoji, numbers, or an ID of somebody else: nobody should take them for text of the bot.
    return notice("who.named_oddly", name=Name(name), user=user)


def who_is_invited(request: Request) -> Who:
    return notice("who.invited", whom=addressed(invite_of(request)), inviter=inviter(request))


def who_came_in(request: Request) -> Who:
    return notice("who.invited", whom=Profile(request.user_id), inviter=inviter(request))


def invite_of(request: Request) -> ThirdPartyInvite:
    assert request.invite is not None
    return request.invite


def inviter(request: Request) -> By:
    """The inviter; if the bot sent the invite, the moderator who requested it."""
    inviter = User(request.sponsor)
    return notice("who.through_me", user=inviter) if request.issued_by is not None else inviter


def addressed(invite: ThirdPartyInvite) -> Notice | Letters:
    """Who is invited, in the inviter's words."""
    name = shown(invite.display_name, NAME_LIMIT)
    return Letters(name, NAME_LIMIT) if name else notice("who.nameless")


def decided_by(rule_name: str | None, by: str | None, origin: str = "") -> By:
    """By whom: a rule by its name, a moderator by user ID, or the policy's `otherwise` if no rule matched.

    `origin` is what people call the room whose policy that is, if it is another room.
    """
    if rule_name is None:
        return User(by or "")
    if not rule_name:
        return notice("by.policy")
    if rule_name in (OTHERWISE, OTHERWISE_INVITES, COOLDOWN, INVITE_EXPIRES):
        return _by_key(rule_name, origin)
    if rule_name == SERVER_ACL:
        return notice("by.server_acl")
    listed = name_of_list(rule_name)
    if listed:
        return notice("by.list", list=Rule(listed, origin))
    return notice("by.rule", rule=Rule(rule_name, origin))


def _by_key(key: str, origin: str) -> Notice:
    if key == INVITE_EXPIRES:
        return notice("by.invite_expires")
    if key == COOLDOWN:
        return notice("by.cooldown") if not origin else notice("by.cooldown_of", room=Room("", origin))
    if not origin:
        return notice("by.policy_key", key=Code(key))
    return notice("by.policy_key_of", key=Code(key), room=Room("", origin))


def rule_of(decided: Decision | Miss) -> Rule:
    """The rule that decided, or that did not match."""
    return Rule(decided.rule, origin_of(decided))


def origin_of(decided: Decision | Miss | None) -> str:
    """What people call the room whose policy that is, if it is another room."""
    return decided.origin.name if decided is not None and decided.origin is not None else ""


def policy_key(request: Request, rule_name: str | None, verdict: Verdict | None) -> str | None:
    """A rule by its name; if none matched, the key of the policy for requests of this kind, if there is one."""
    if rule_name != OTHERWISE:
        return rule_name
    # A user who redeems an invite is accepted because the invite was; for other cases the policy has no key.
    return kind_of(request).otherwise or (OTHERWISE_INVITES if verdict is Verdict.ACCEPT else "")


def answered_by(request: Request) -> By:
    """Who gave the answer that counts: a rule, or a moderator."""
    answer = request.answer
    if answer is None:
        return User("")
    by = decided_by(policy_key(request, answer.rule, answer.verdict), answer.by, origin_of(ruling(request)))
    return also_invited(by, answer.also_from, origin_of(ruling(request)))


def also_invited(by: By, also_from: str, named: str = "") -> By:
    """The same, and from which other room that came, if it did; `named` is the room that is said already."""
    if also_from and also_from == named:
        return notice("by.also_there", by=by)
    return notice("by.also", by=by, room=Room("", also_from)) if also_from else by


def ruling(request: Request) -> Decision | None:
    """The decision that the answer of a rule carries out; none if a moderator gave it."""
    decision, answer = request.decision, request.answer
    return decision if decision is not None and answer is not None and answer.rule == decision.rule else None


def is_withdrawn_accept(request: Request) -> bool:
    """Whether the policy asks the moderators now about somebody whom a rule had accepted: the invite is taken back, and
    nothing in the policy has rejected them."""
    decision = ruling(request)
    taken_back = request.answer is not None and request.answer.verdict is not Verdict.FORWARD
    return taken_back and decision is not None and decision.verdict is Verdict.FORWARD


def is_invite_withdrawn(request: Request) -> bool:
    """Whether its outcome is only that: the invite of a rule was taken back, and nobody has rejected the applicant."""
    by_answer = request.answer is not None and request.answer.by == request.by
    return request.state is State.REJECTED and by_answer and is_withdrawn_accept(request)


def credit(request: Request) -> By:
    """Who caused the outcome: the rule if a rule gave the answer, else the person."""
    answer = request.answer
    return answered_by(request) if answer and answer.by == request.by else User(request.by or "")
