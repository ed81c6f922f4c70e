"""The sentences that are no single feature's."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Address, By, Length, Sentence, Who, says
from knockbot.domain.notices import (
    Ago,
    Choice,
    Code,
    Document,
    Dotted,
    Duration,
    Hidden,
    Id,
    Letters,
    Level,
    Lines,
    Many,
    Moment,
    Name,
    Notice,
    Number,
    Numbered,
    Profile,
    Room,
    Rule,
    Sentences,
    Sign,
    Stranger,
    User,
)


def _fell(text: str, plural: str) -> Sentence:
    return says(text, plural, how=Choice, fate=Choice, inviter=User, room=Room, count=Number, numbers=Many)


def _cannot_yet(text: str) -> Sentence:
    return says(text, answer=Choice, why=Notice, bot=User, room=Room)


def _alias_moved(text: str) -> Sentence:
    return says(text, where=Choice, room=Room, alias=Id, pinned=Id, other=Id)


def _chose(text: str) -> Sentence:
    return says(text, by=By, verdict=Choice)


def _blocked(text: str) -> Sentence:
    return says(text, by=By, verdict=Choice, why=Notice)


def _would(text: str) -> Sentence:
    return says(text, verdict=Choice, by=By)


def _before(text: str) -> Sentence:
    return says(text, state=Choice, by=By, when=Notice)


def _taken_back(text: str) -> Sentence:
    return says(text, step=Choice, by=By, when=Notice)


def _already(text: str) -> Sentence:
    return says(text, request=Numbered, by=By, verdict=Choice, when=Ago)


def _belongs(text: str) -> Sentence:
    return says(text, stands=Choice, user=User, room=Room)


def _wrong_hit(text: str) -> Sentence:
    return says(text, act=Choice, user=User, room=Room)


SENTENCES: Mapping[str, Sentence] = {
    # --- notices themselves
    "unknown": says("This message cannot be shown ({code}).", code=Code),
    "lines": says("{lines}", lines=Lines),
    "list.more": says("{count} more", "{count} more", count=Number),
    "time.just_now": says("just now"),
    # --- who, and by whom: parts of other sentences
    "sentences": says("{sentences}", sentences=Sentences),
    "dotted": says("{parts}", parts=Dotted),
    "list.others": says("others"),
    "time.a_moment": says("a moment"),
    "time.earlier": says("{time} earlier", time=Length),
    "time.earlier_request": says("{time} earlier ({request})", time=Length, request=Numbered),
    "who.named": says("{name} {user}", name=Name, user=Profile),
    "who.named_oddly": says("{user} (named “{name}”)", user=Profile, name=Name),
    "who.nameless": says("somebody without a name"),
    "who.invited": says("{whom}, invited by {inviter}", whom=Who, inviter=By),
    "who.through_me": says("{user} (through me)", user=User),
    "who.numbered": says("{request} {who}", request=Numbered, who=Who),
    "who.numbered_at": says("{request} {who} at {room}", request=Numbered, who=Who, room=Room),
    "who.more": says("… and {count} more", "… and {count} more", count=Number),
    "by.policy": says("the policy"),
    "by.policy_key": says("the policy ({key})", key=Code),
    "by.policy_key_of": says("the policy of {room} ({key})", key=Code, room=Room),
    "rule.of": says("{rule} of {room}", rule=Rule, room=Room),
    "by.server_acl": says("the room's server ACL"),
    "by.cooldown": says("the cooldown"),
    "by.cooldown_of": says("the cooldown of {room}", room=Room),
    "by.invite_expires": says("the time limit for invites"),
    "by.config_file": says("the config file"),
    "by.rule": says("rule {rule}", rule=Rule),
    "by.also": says("{by} (also invited from {room})", by=By, room=Room),
    "by.also_there": says("{by} (also invited)", by=By),
    "by.list": says("policy list {list}", list=Rule),
    # --- the state of a request
    "outcome.accepted": says("Accepted by {by}. Not joined yet.", by=By),
    "outcome.accepted_for_good": says("Accepted by {by}.", by=By),
    "outcome.joined": says("Joined. Accepted by {by}.", by=By),
    "outcome.joined_invited": says("Joined by the invite before the moderators decided about it."),
    "outcome.joined_unasked": says("Joined without an answer: the room allows that."),
    "outcome.joined_before": says("Joined before the answer took effect."),
    "outcome.declined": says("Accepted, but they declined the invite."),
    "outcome.rejected": says("Rejected by {by}.", by=By),
    "outcome.banned": says("Banned by {by}.", by=By),
    "outcome.withdrawing": says("The applicant withdraws the request."),
    "outcome.not_withdrawn_yet": says("The applicant withdraws the request. I cannot do that yet: {why}", why=Notice),
    "outcome.withdrawn": says("Withdrawn by the applicant."),
    "outcome.left_again": says("They left again."),
    "outcome.expired": says("Nobody answered in time."),
    "outcome.approved": says("Approved by {by}. Not used yet.", by=By),
    "outcome.approved_for_good": says("Approved by {by}.", by=By),
    "outcome.issued": says("Sent for {by}. Not used yet.", by=By),
    "outcome.sent": says("Sent for {by}. Not yet added to the room.", by=By),
    "outcome.used": says("Used by {user}. Accepted by {by}.", user=User, by=By),
    "outcome.invite_withdrawn": says(
        "The invite was withdrawn by {by}. If they ask again, the moderators decide.", by=By
    ),
    "outcome.revoked": says("Revoked by {by}.", by=By),
    "outcome.revoked_to_ban": says("Revoked by {by}. The same answer bans the inviter {inviter}.", by=By, inviter=User),
    "outcome.revoked_banned": says("Revoked by {by}. The inviter {inviter} was banned as well.", by=By, inviter=User),
    "outcome.under_way/accept": _chose("{by} chose accept. The invite is on its way."),
    "outcome.under_way/reject": _chose("{by} chose reject. The rejection is on its way."),
    "outcome.under_way/ban": _chose("{by} chose ban. The ban is on its way."),
    "outcome.blocked/accept": _blocked("{by} chose accept. I cannot send the invite yet: {why}"),
    "outcome.blocked/reject": _blocked("{by} chose reject. I cannot do that yet: {why}"),
    "outcome.blocked/ban": _blocked("{by} chose ban. I cannot do that yet: {why}"),
    "outcome.invite_blocked/accept": _blocked("{by} chose accept. I cannot add the invite to the room yet: {why}"),
    "outcome.invite_blocked/reject": _blocked("{by} chose reject. I cannot revoke the invite yet: {why}"),
    "outcome.invite_blocked/ban": _blocked("{by} chose ban. I cannot do all of that yet: {why}"),
    "outcome.invite_under_way/accept": _chose("{by} chose accept."),
    "outcome.invite_under_way/reject": _chose("{by} chose reject. The invite is being revoked."),
    "outcome.inviter_under_way": says(
        "{by} chose ban. All invites of {inviter} are being revoked, and {inviter} is being banned.",
        by=By,
        inviter=User,
    ),
    "policy.would_withdraw": says(
        "{request} {user} is invited to {room} and has not joined yet. Dry run: I would withdraw the invite, by {by}.",
        request=Numbered,
        user=User,
        room=Room,
        by=By,
    ),
    "before.by/accepted": _before("Before: accepted by {by}, {when}."),
    "before.by/joined": _before("Before: joined, accepted by {by}, {when}."),
    "before.by/rejected": _before("Before: rejected by {by}, {when}."),
    "before.by/banned": _before("Before: banned by {by}, {when}."),
    "before.invite_withdrawn": says(
        "Before: accepted, then the invite was withdrawn by {by}, {when}.", by=By, when=Notice
    ),
    "before.invite_expired": says("Before: accepted, but the invite expired, {when}.", when=Notice),
    "before.undone/lift": _taken_back("Before: banned, then the ban was lifted by {by}, {when}."),
    "before.undone/remove": _taken_back("Before: accepted, then removed again by {by}, {when}."),
    "before.undone/withdraw": _taken_back("Before: accepted, then the invite was withdrawn by {by}, {when}."),
    "before.removed/rejected": says("Then kicked by {by}, {when}.", state=Choice, by=User, when=Notice),
    "before.removed/banned": says("Then banned by {by}, {when}.", state=Choice, by=User, when=Notice),
    "before.alone/declined": says("Before: accepted, but they declined the invite, {when}.", state=Choice, when=Notice),
    "before.alone/withdrawn": says("Before: withdrawn by the applicant, {when}.", state=Choice, when=Notice),
    "before.alone/expired": says("Before: nobody answered in time, {when}.", state=Choice, when=Notice),
    # --- cards
    "card.asks": says("{sign} {request} {who} asks to join {room}", sign=Sign, request=Numbered, who=Who, room=Room),
    "card.still_invited": says(
        "{sign} {request} {who} is invited to {room} and has not joined yet",
        sign=Sign,
        request=Numbered,
        who=Who,
        room=Room,
    ),
    "card.on_list_now": says("⚠️ They are now {why}.", why=Notice),
    "card.invited_by": says("They were invited by {by}.", by=By),
    "card.not_withdrawn": says("Nobody has withdrawn the invite."),
    "card.not_withdrawn_why": says("I could not withdraw the invite: {why}", why=Notice),
    "card.did_ask": says(
        "{sign} {request} {who} asked to join {room}", sign=Sign, request=Numbered, who=Who, room=Room
    ),
    "card.invited": says(
        "{sign} {request} {inviter} invited {whom} to {room} (third-party invite)",
        sign=Sign,
        request=Numbered,
        inviter=By,
        whom=Who,
        room=Room,
    ),
    "card.came_in": says(
        "{sign} {request} {user} used a third-party invite to {room}, sent by {inviter}",
        sign=Sign,
        request=Numbered,
        user=Profile,
        room=Room,
        inviter=By,
    ),
    "card.reason": says("Reason: {reason}", reason=Stranger),
    "card.reason_cut": says("Reason: {reason} {command}", reason=Stranger, command=Code),
    "card.reason_and_more": says(
        "Reason: {reason} … and {count} more character",
        "Reason: {reason} … and {count} more characters",
        reason=Stranger,
        count=Number,
    ),
    "card.reason_hidden": says("Reason: {reason}", reason=Hidden),
    "card.hidden": says("(hidden; {command} shows it)", command=Code),
    "card.no_reason": says("No reason given."),
    "card.was_for": says("The invite was for {whom}.", whom=Who),
    "card.keys": says("Its keys belong to {hosts}.", hosts=Many),
    "card.key_of_nobody": says(
        "⚠️ At least one key does not belong to an identity server. Whoever has that key can let anyone in."
    ),
    "card.no_key": says("It has no key, so nobody can use it."),
    "card.asked": says("The moderators decide, because {why}.", why=Notice),
    "card.without_answers": says("The policy asks questions, but {why}.", why=Notice),
    "card.dry_run/accept": _would("Dry run: would accept, by {by}."),
    "card.dry_run/reject": _would("Dry run: would reject, by {by}."),
    "card.dry_run/ban": _would("Dry run: would ban, by {by}."),
    "card.dry_run/ask": _would("Dry run: would ask them, by {by}."),
    "card.asked_though": says("Rule {rule} matches. The moderators decide, because {why}.", rule=Rule, why=Notice),
    "card.not_judged": says(
        "The moderators decide, because rule {rule} cannot be checked now. Unknown: {why}", rule=Rule, why=Notice
    ),
    "card.trouble": says("⚠️ {why}", why=Notice),
    "card.may_have_withdrawn": says(
        "The join request was more than a day old and came from another server. Other servers do not report when somebody withdraws a request, so the applicant may not expect this invite any more."
    ),
    "card.told": says("They were told: {reason}", reason=Stranger | Notice),
    "card.answer": says("{offers} · or {command}", offers=Many, command=Code),
    "offer.knock/accept": says("✅ accept", verdict=Choice),
    "offer.knock/reject": says("❌ reject", verdict=Choice),
    "offer.knock/ban": says("⛔ ban", verdict=Choice),
    "offer.still_invited/accept": says("✅ accept: the invite stays", verdict=Choice),
    "offer.still_invited/reject": says("❌ reject: the invite is withdrawn", verdict=Choice),
    "offer.still_invited/ban": says("⛔ ban", verdict=Choice),
    "offer.invite/accept": says("✅ accept: the invite stays", verdict=Choice),
    "offer.invite/reject": says("❌ reject: the invite is revoked", verdict=Choice),
    "offer.invite_ban": says(
        "⛔ ban: all invites of {inviter} to this room are revoked, and {inviter} is banned", inviter=User
    ),
    "offer.redeemed/reject": says("❌ reject: {user} is kicked", verdict=Choice, user=User),
    "offer.redeemed/ban": says("⛔ ban: {user} is banned, if they have joined", verdict=Choice, user=User),
    "card.requests": says(
        "🚪 {count} request to join {room}, {waiting} waiting",
        "🚪 {count} requests to join {room}, {waiting} waiting",
        count=Number,
        room=Room,
        waiting=Number,
    ),
    "card.invites": says(
        "✉️ {count} third-party invite to {room}, {waiting} waiting",
        "✉️ {count} third-party invites to {room}, {waiting} waiting",
        count=Number,
        room=Room,
        waiting=Number,
    ),
    "card.earlier_ones": says(
        "… and {count} earlier one: {command}", "… and {count} earlier ones: {command}", count=Number, command=Code
    ),
    "card.row": says("{sign} {request} {who} · {what}", sign=Sign, request=Numbered, who=Who, what=Notice),
    "card.doors": says(
        "🚪 {who} asks to join {count} room, {waiting} waiting",
        "🚪 {who} asks to join {count} rooms, {waiting} waiting",
        who=Who,
        count=Number,
        waiting=Number,
    ),
    "card.doors_answered": says(
        "🚪 {who} asks to join {count} room: answered, but not done yet",
        "🚪 {who} asks to join {count} rooms: all answered, but not all is done yet",
        who=Who,
        count=Number,
    ),
    "card.doors_settled": says(
        "{sign} {who} asked to join {count} room",
        "{sign} {who} asked to join {count} rooms",
        sign=Sign,
        who=Who,
        count=Number,
    ),
    "card.requests_answered": says(
        "🚪 {count} request to join {room}: answered, but not done yet",
        "🚪 {count} requests to join {room}: all answered, but not all is done yet",
        count=Number,
        room=Room,
    ),
    "card.invites_answered": says(
        "✉️ {count} third-party invite to {room}: answered, but not done yet",
        "✉️ {count} third-party invites to {room}: all answered, but not all is done yet",
        count=Number,
        room=Room,
    ),
    "card.requests_settled": says(
        "{sign} {count} request to join {room}, settled",
        "{sign} {count} requests to join {room}, all settled",
        sign=Sign,
        count=Number,
        room=Room,
    ),
    "card.invites_settled": says(
        "{sign} {count} third-party invite to {room}, settled",
        "{sign} {count} third-party invites to {room}, all settled",
        sign=Sign,
        count=Number,
        room=Room,
    ),
    "card.door": says("{sign} {request} {room} · {what}", sign=Sign, request=Numbered, room=Room, what=Notice),
    "card.door_closed": says("This room is no longer protected. {what}", what=Notice),
    "card.answer_doors": says(
        "{offers} · A click answers for all these rooms. For one room: {command}", offers=Many, command=Code
    ),
    "card.answer_invited": says("Where they are invited already, ✅ lets the invite stay, and ❌ withdraws it."),
    "card.answer_each": says("Answer each by its number: {command}", command=Code),
    "card.ban_of_invites": says(
        "{command} bans the inviter and revokes all their other invites to this room.", command=Code
    ),
    "card.head": says("{sign} {request} {who} at {room}", sign=Sign, request=Numbered, who=Who, room=Room),
    "card.line": says("{head}: {what}", head=Notice, what=Notice),
    "card.moved_away": says("This room is now managed from another room. The request was moved there."),
    "card.unprotected": says(
        "{sign} {who}: This room is no longer protected. {what}", sign=Sign, who=Notice, what=Notice
    ),
    "card.several": says("{count} request", "{count} requests", count=Number),
    "card.answer_yourself": says("Please answer it yourself, in your client."),
    "card.chose/accept": _chose(
        "{by} chose accept. If I did not do this in time, please do it yourself, in your client."
    ),
    "card.chose/reject": _chose(
        "{by} chose reject. If I did not do this in time, please do it yourself, in your client."
    ),
    "card.chose/ban": _chose("{by} chose ban. If I did not do this in time, please do it yourself, in your client."),
    # --- replies about requests
    "answer.already/accept": _already("{request} was already answered ({when}): {by} chose accept."),
    "answer.already/reject": _already("{request} was already answered ({when}): {by} chose reject."),
    "answer.already/ban": _already("{request} was already answered ({when}): {by} chose ban."),
    "answer.withdrawn": says("{user} has withdrawn {request} already ({when}).", request=Numbered, user=User, when=Ago),
    "answer.closed": says("{request} is already closed ({when}): {what}", request=Numbered, when=Ago, what=Notice),
    "answer.hits": says("✅ You chose {answer} for:", answer=Notice),
    "answer.accepted": says("{request} {user} is accepted.", request=Numbered, user=User),
    "meant.several": says("Several requests fit. Please give the number:"),
    "meant.room_or_text": says(
        "I did nothing, because I do not know whether “{text}” means one room or all. Please give the numbers, and behind them the text if there is one:",
        text=Stranger,
    ),
    # --- what is looked up
    "show.more": says(
        "… and {count} earlier one. {command}, with its number, shows it.",
        "… and {count} earlier ones. {command}, with a number, shows one.",
        count=Number,
        command=Code,
    ),
    "show.sent_to": says("It was sent to {address}.", address=Address),
    "show.reason_was_cut": says(
        "The reason had {count} character. I keep only the first {kept} of a closed request.",
        "The reason had {count} characters. I keep only the first {kept} of a closed request.",
        count=Number,
        kept=Number,
    ),
    "show.waiting": says("Waiting for an answer."),
    "show.still_invited": says("Invited, not joined yet, and waiting for your decision."),
    "sent.named": says("{address} ({name})", address=Code, name=Stranger),
    "explain.unknown": says(
        "Policy: {verdict}, because rule {rule} cannot be checked. Unknown: {why}",
        verdict=Notice,
        rule=Rule,
        why=Notice,
    ),
    "explain.dry_run/accept": _would("Policy: would accept, by {by}. It is in dry run, so the moderators decide."),
    "explain.dry_run/reject": _would("Policy: would reject, by {by}. It is in dry run, so the moderators decide."),
    "explain.dry_run/ban": _would("Policy: would ban, by {by}. It is in dry run, so the moderators decide."),
    "explain.dry_run/ask": _would("Policy: would ask them, by {by}. It is in dry run, so the moderators decide."),
    "explain.doubt": says("Policy: {verdict}, because {why}", verdict=Notice, why=Notice),
    "explain.doubt_though": says(
        "Policy: {verdict}, though rule {rule} matches, because {why}", verdict=Notice, rule=Rule, why=Notice
    ),
    "explain.without_answers": says(
        "Policy: {verdict}, by {by}: it asks questions, but {why}", verdict=Notice, by=By, why=Notice
    ),
    "explain.server_acl": says("Policy: not used, because the room's server ACL denies their server"),
    "explain.cooldown": says("Policy: {verdict}, by {by}: they were rejected before", verdict=Notice, by=By),
    "explain.rule": says("Policy: {verdict}, by rule {rule}", verdict=Notice, rule=Rule),
    "explain.as_invite": says(
        "Policy: {verdict}, because no rule matches and the invite had this answer", verdict=Notice
    ),
    "explain.otherwise": says("Policy: {verdict}, because no rule matches ({key})", verdict=Notice, key=Code),
    "explain.otherwise_of": says(
        "Policy: {verdict}, because no rule matches ({key} of {room})", verdict=Notice, key=Code, room=Room
    ),
    "explain.missed": says("· rule {rule} does not match: {why}", rule=Rule, why=Notice),
    "explain.missed_hidden": says("· rule {rule} asks what I do not tell you: {why}", rule=Rule, why=Notice),
    "explain.missed_more": says(
        "· {count} more rule does not match", "· {count} more rules do not match", count=Number
    ),
    "log.none": says("The log has no entries for this."),
    "log.line": says("{moment} · {what} · by {by}", moment=Moment, what=Notice, by=By),
    "log.line_alone": says("{moment} · {what}", moment=Moment, what=Notice),
    "log.line_of_room": says("{moment} · {room} · {what} · by {by}", moment=Moment, room=Room, what=Notice, by=By),
    "log.line_of_request": says(
        "{moment} · {whose} · {what} · by {by}", moment=Moment, whose=Notice, what=Notice, by=By
    ),
    "log.line_of_themselves": says("{moment} · {whose} · {what}", moment=Moment, whose=Notice, what=Notice),
    "log.of_request": says("{request} {user}", request=Numbered, user=User),
    "log.of_request_at": says("{request} {user} at {room}", request=Numbered, user=User, room=Room),
    "log.of_user": says("{user}", user=User),
    "log.of_user_at": says("{user} at {room}", user=User, room=Room),
    "rooms.none": says("No room is protected from here yet. To protect one, type {command}.", command=Code),
    "rooms.row": says("{room} {id} · {count} waiting", "{room} {id} · {count} waiting", room=Room, id=Id, count=Number),
    "rooms.elsewhere": says("managed from {room}", room=Id),
    "queue.waiting": says(
        "{count} request waits for an answer ({command}).",
        "{count} requests wait for an answer ({command}).",
        count=Number,
        command=Code,
    ),
    "queue.nobody": says("Nobody is waiting for an answer."),
    "queue.actions": says("Pending actions: {count}", count=Number),
    "queue.no_actions": says("No actions are pending."),
    "queue.row": says("· {what} here: {when}", what=Notice, when=Notice),
    "queue.row_at": says("· {what} at {room}: {when}", what=Notice, room=Room, when=Notice),
    "queue.act/invite": says("invite", act=Choice),
    "queue.act/kick": says("kick", act=Choice),
    "queue.act/ban": says("ban", act=Choice),
    "queue.act/revoke": says("revoke an invite", act=Choice),
    "queue.act/post_prompt": says("post a card", act=Choice),
    "queue.act/edit_prompt": says("edit a card", act=Choice),
    "queue.act/react": says("react", act=Choice),
    "queue.act/unreact": says("remove a reaction", act=Choice),
    "queue.act/redact": says("redact a card", act=Choice),
    "queue.act/say": says("send a message", act=Choice),
    "queue.act/send_file": says("send a file", act=Choice),
    "queue.act/join": says("join", act=Choice),
    "queue.act/leave": says("leave", act=Choice),
    "queue.act/meet": says("create a room", act=Choice),
    "queue.act/issue": says("invite an address", act=Choice),
    "queue.act/plant": says("add an invite to the room", act=Choice),
    "queue.act/converse": says("write to", act=Choice),
    "queue.act/hold_interview": says("make a room for an interview with", act=Choice),
    "queue.act/protect": says("protect", act=Choice),
    "queue.act/also_invite": says("invite as well", act=Choice),
    "queue.act/follow_list": says("join a policy list", act=Choice),
    "queue.act/read_list": says("read a policy list", act=Choice),
    "queue.act_on": says("{act} {user}", act=Notice, user=User),
    "queue.running": says("running"),
    "queue.blocked": says("waits for permission"),
    "queue.due": says("due"),
    "queue.next_try": says("next try in {time}", time=Duration),
    "queue.tried": says("tried {count} time", "tried {count} times", count=Number),
    "invites.none": says("{room} has no unused third-party invite.", room=Room),
    "invites.head": says("Third-party invites to {room}:", room=Room),
    "invites.oldest": says(
        "{room} has {count} unused third-party invites. These are the oldest {shown}:",
        room=Room,
        count=Number,
        shown=Number,
    ),
    "invites.row": says(
        "{sign} {request} {who}, {when} · {what}", sign=Sign, request=Numbered, who=Who, when=Ago, what=Notice
    ),
    "invites.row_sent": says(
        "{sign} {request} {who}, sent to {address}, {when} · {what}",
        sign=Sign,
        request=Numbered,
        who=Who,
        address=Address,
        when=Ago,
        what=Notice,
    ),
    "policy.default": says("the default"),
    "policy.written_by": says("revision {revision} by {by}", revision=Number, by=By),
    "policy.shown": says("Policy of {room} ({source}):", room=Room, source=Notice),
    "policy.text": says("{text}", text=Document),
    "policy.more": says("… and {count} more character", "… and {count} more characters", count=Number),
    "policy.as_file": says(
        "The whole policy follows as a file. To set it again after changes, send the file back with the caption {command}.",
        command=Code,
    ),
    "policy.never_changed": says("The policy of {room} is the default; nobody has changed it.", room=Room),
    "policy.revisions": says("Policy of {room}:", room=Room),
    "policy.revision": says("· revision {revision} · {moment} · {by}", revision=Number, moment=Moment, by=By),
    "test.head": says(
        "If {user} knocked at {room} now, this would happen (this is a test; nothing is done):", user=User, room=Room
    ),
    "test.told": says("They would be told: {reason}", reason=Stranger | Notice),
    # --- messages that are too long
    "message.more_lines": says("… and {count} more line", "… and {count} more lines", count=Number),
    "message.more_characters": says("… and {count} more character", "… and {count} more characters", count=Number),
    # --- what is done in a protected room
    "act.blocked": says(
        "⚠️ I do not have permission to act in {room}: {why} Please raise the power level of {bot}. Pending actions then run by themselves.",
        room=Room,
        why=Notice,
        bot=User,
    ),
    "act.unblocked": says("✅ I can act in {room} again. Pending actions run now.", room=Room),
    "act.failed": says("That did not work: {why}", why=Notice),
    "act.wrong_hit/invite": _wrong_hit(
        "⚠️ I invited {user} to {room}, but they changed or withdrew their join request at that moment. To undo this: /kick {user}"
    ),
    "act.wrong_hit/kick": _wrong_hit(
        "⚠️ I tried to reject the join request of {user} for {room}, but their membership changed at that moment, so they were removed. To undo this: /invite {user}"
    ),
    "act.wrong_hit/ban": _wrong_hit(
        "⚠️ I banned {user} from {room} for a join request, but they withdrew it at that moment. To undo this: /unban {user}"
    ),
    "answer.fell": says("⚠️ {request} in {room} is open again: {why}", request=Numbered, room=Room, why=Notice),
    "answer.taken_back": says(
        "{request} is open again: {by} removed the reaction by which {user} answered it.",
        request=Numbered,
        by=User,
        user=User,
    ),
    "answer.unsupported": says(
        "{request} is open again: {by} removed a vote for the answer that {user} completed.",
        request=Numbered,
        by=User,
        user=User,
    ),
    "answer.other_knock": says(
        "{user} knocked again a moment ago, perhaps with another reason. Please look at {request} again, then answer.",
        user=User,
        request=Numbered,
    ),
    "answer.not_shown_yet": says(
        "{request} was not on the card yet when you answered. To answer it as well: {command}",
        request=Numbered,
        command=Code,
    ),
    "answer.refused_one": says("{request} {room}: {why}", request=Numbered, room=Room, why=Notice),
    "answer.other_invite": says(
        "The invite of {request} has changed since a moment ago. Please look at it again, then answer.",
        request=Numbered,
    ),
    # --- who may
    "may.cannot_look": says(
        "I am not in {room} now, so I cannot check who may do this there. Invite {bot} first.", room=Room, bot=User
    ),
    "may.not_a_member": says("Only members of {room} can answer its join requests.", room=Room),
    "may.members_only": says("Only members of {room} can do this.", room=Room),
    "may.not_a_member_yet": says(
        "You are not a member of {room}. Only members with the power level to change its join rule can do this.",
        room=Room,
    ),
    "may.not_here": says("Only members of this room can use this command."),
    "may.lacks_power": says(
        "{user} does not have permission for this in {room}: {why}", user=User, room=Room, why=Notice
    ),
    "may.bot_lacks_power": says(
        "I do not have permission for this in {room}: {why} Please raise the power level of {bot} there, then answer again.",
        room=Room,
        why=Notice,
        bot=User,
    ),
    "may.lacks_power_to_protect": says(
        "You need power level {needed} in {room}: enough to change its join rule and to do everything that its policy can do. You have {level}.",
        needed=Level,
        room=Room,
        level=Level,
    ),
    "late": says("This command arrived more than an hour late, so I did not run it. Please repeat it."),
    "may.cannot_unprotect": says(
        "I am not in {room} now, so I cannot check who may do this there. Invite {bot} first. If the room was deleted, an admin of my server can use this command: {command}",
        room=Room,
        bot=User,
        command=Code,
    ),
    "may.lacks_power_to_manage": says(
        "You need power level {needed} in this management room too: enough to change its settings. You have {level}.",
        needed=Level,
        level=Level,
    ),
    "may.locked": says("{room} is set in my config file. Only my server's admin can change this.", room=Room),
    "device.not_verified": says(
        "🔒 In encrypted rooms I accept commands only from verified devices. This command came from another device, or unencrypted. Verify your device in your client's settings, with another device of yours or your recovery key. Then type the command again."
    ),
    "edit.not_run": says("I do not run edited messages. Please type the command again as a new message."),
    # --- what a command means
    "meant.unknown_room": says(
        "{room} is not managed from this room. {command} shows which rooms are.", room=Letters, command=Code
    ),
    "meant.no_command": says("There is no command {word}. {help} shows all commands.", word=Letters, help=Code),
    "meant.nearly_a_command": says(
        "There is no command {word}. Did you mean {commands}? {help} shows all commands.",
        word=Letters,
        commands=Many,
        help=Code,
    ),
    "ask.below_fence": says("Write nothing below the closing ```."),
    "meant.half_a_command": says(
        "The command {word} is not complete. Use one of these: {commands}.", word=Code, commands=Many
    ),
    "meant.several_rooms": says("Several rooms have this name. Please give the room ID:"),
    "meant.room": says("{room} {id}", room=Room, id=Id),
    "meant.no_room": says(
        "{room} is not a room ID, an alias or a link. A name is not enough here: give the room ID, an alias ({example}) or a matrix.to link.",
        room=Letters,
        example=Code,
    ),
    "meant.card_shows_several": says(
        "This card shows several requests. Please say which one, by its number: {command}.",
        command=Code,
    ),
    "meant.not_on_card": says(
        "The message that you replied to is not about {what}, so I did nothing. For another request, type the command as a new message, not as a reply. If it was meant as a text, begin it with a word.",
        what=Many,
    ),
    "meant.too_many_questions": says(
        "I asked other servers for you {count} times within a minute. That is the limit. Please try again in {time}.",
        count=Number,
        time=Duration,
    ),
    "not_now": says("I cannot do this now: {why}. Please try again in {time}.", why=Notice, time=Duration),
    "command_failed": says(
        "⚠️ I could not do this, because of a fault of my own. Nothing was changed. My server's admin finds the details in my log."
    ),
    "meant.no_request": says(
        "There is no request {request} here. {list} shows the pending requests, {invites} the third-party invites of a room.",
        request=Numbered,
        list=Code,
        invites=Code,
    ),
    "meant.no_applicant": says(
        "I found no applicant for {text}. Give the number of a request, or the user ID or name of somebody who is waiting. {list} shows who is waiting.",
        text=Letters,
        list=Code,
    ),
    "meant.no_request_of": says(
        "I know no request of {user} here. {list} shows who is waiting. For another request, give its number.",
        user=User,
        list=Code,
    ),
    "meant.number_last": says(
        "I found no applicant for {text}. If you mean {request}, write its number first, right behind the command.",
        text=Letters,
        request=Numbered,
    ),
    "meant.no_invite": says(
        "I found no unused third-party invite for {text}. Give the number of the invite: {invites} shows it. I know the addresses only of invites that I sent.",
        text=Letters,
        invites=Code,
    ),
    "meant.not_revocable": says(
        "{request} cannot be revoked: it is not an unused third-party invite.", request=Numbered
    ),
    "meant.no_revision": says(
        "The policy of {room} has no revision {revision}. {command} shows which there are.",
        room=Room,
        revision=Number,
        command=Code,
    ),
    "hint.question": says("That does not answer this question. The possible clicks are: {answers}.", answers=Many),
    "hint.clicks": says(
        "That does not answer this card. React with ✅ to accept, ❌ to reject or ⛔ to ban, or type {command}.",
        command=Code,
    ),
    "hint.clicks_and_texts": says(
        "That does not answer this card. React with ✅ to accept, ❌ to reject, ⛔ to ban or a number ({texts}) to reject with its text, or type {command}.",
        texts=Many,
        command=Code,
    ),
    "hint.emoji_alone": says(
        "I did nothing: one emoji is a click only if nothing stands beside it. React with {emoji}, or type {command} and your text.",
        emoji=Sign,
        command=Code,
    ),
    "hint.numbers": says(
        "That does not answer this card, because it shows several requests. Type {command}, for example.", command=Code
    ),
    # --- why an answer is not possible
    "answer.room_replaced": says(
        "{room} was replaced by another room, so I no longer accept anyone there. To protect the new room, click ✅ on my message about it, or type {command}.",
        room=Room,
        command=Code,
    ),
    "answer.server_denied": says(
        "The server ACL of {room} denies {server}, so nobody from there can join. Change the server ACL first. Then ask the applicant to knock again.",
        room=Room,
        server=Letters,
    ),
    "answer.cannot/accept": says("⚠️ I cannot accept this: {why}", answer=Choice, why=Notice),
    "answer.cannot/answer": says("⚠️ I cannot answer this: {why}", answer=Choice, why=Notice),
    "answer.cannot_yet/accept": _cannot_yet(
        "⚠️ I cannot accept this: {why} Please raise the power level of {bot} in {room}."
    ),
    "answer.cannot_yet/answer": _cannot_yet(
        "⚠️ I cannot answer this: {why} Please raise the power level of {bot} in {room}."
    ),
    "answer.not_in_it": says(
        "⚠️ I cannot answer this: I am not in {room} now. Invite {bot} there.", room=Room, bot=User
    ),
    # --- whether rooms are fit for their part
    "room.called": says("{room}:", room=Room),
    "fitness.again": says(
        "✅ The settings of {room} are right again: people can ask to join, and only moderators can accept them.",
        room=Room,
    ),
    "fitness.to_move": says(
        "To move to the new room: invite me to {new}, then type there: {commands}.",
        new=Id,
        commands=Many,
    ),
    # --- what the bot has and needs in a room
    "check.missing": says("❌ {why}", why=Notice),
    "check.may": says(
        "✅ I can {act} (level {needed} is needed, I have {level})", act=Notice, needed=Level, level=Level
    ),
    "check.may_not": says(
        "❌ I cannot {act}: {bot} needs level {needed} there and has {level}",
        act=Notice,
        needed=Level,
        level=Level,
        bot=User,
    ),
    "check.knocks": says("✅ people can ask to join (join rule “{rule}”)", rule=Stranger),
    "check.no_knocks": says(
        "❌ the join rule is “{rule}”, so nobody can ask to join: set it to “ask to join” (knock)", rule=Stranger
    ),
    "check.server_denied": says(
        "❌ its server ACL denies {server}, so other servers ignore what I do there", server=Letters
    ),
    "check.replaced": says(
        "❌ this room was replaced by {new}, so I accept nobody here: protect the new room", new=Letters
    ),
    "check.members_join": says("✅ members of {room} can join without knocking", room=Id),
    "check.members_join_once": says(
        "❌ members of {room} can join without knocking only when I have the power level to invite", room=Id
    ),
    "check.powerless": says("❌ the policy that {user} set cannot do all that it says: {why}", user=User, why=Notice),
    "check.unseen": says(
        "❌ the policy asks who is in {room}, and I am not in that room: requests that depend on it wait for you. Invite {bot} there",
        room=Letters,
        bot=User,
    ),
    "check.members_join_perhaps": says(
        "❌ members of {room} can join without knocking only if {server} is in that room too. I cannot check that: invite me there",
        room=Id,
        server=Letters,
    ),
    # --- messages that cannot be read
    "message.unreadable": says(
        "🔒 I cannot read this message from {user}: {why}. If it was for me, please type it again. If that does not help, log out of your client and log in again, or use another device.",
        user=User,
        why=Notice,
    ),
    "named.policy_changed": says(
        "The policy of {room} was changed at the same moment, so I did nothing. Please click again.", room=Room
    ),
    "prompt.closed": says("This question is closed, because it needs no answer any more."),
    "prompt.taken": says("This question is closed. {user} chose {what}.", user=User, what=Notice),
    "prompt.answer": says("{sign}", sign=Sign),
    # --- policies
    "policy.taken": says(
        "✅ Revision {revision} of the policy of {room} is in force: {count} rule now, {before} before.",
        "✅ Revision {revision} of the policy of {room} is in force: {count} rules now, {before} before.",
        revision=Number,
        room=Room,
        count=Number,
        before=Number,
    ),
    "policy.changed": says(
        "{key}: {now} (before: {before})", key=Code, now=Stranger | Notice, before=Stranger | Notice
    ),
    "setting.not_set": says("not set"),
    "setting.none": says("none"),
    "setting.nobody": says("nobody"),
    "policy.otherwise": says("Otherwise: {verdict}.", verdict=Notice),
    "policy.in_dry_run": says(
        "This policy is in dry run: I do nothing by myself. Each card says what I would do, and you decide."
    ),
    "policy.may_be_applied": says(
        "{count} pending request of {room} was judged by the policy before. To judge it by the policy in force, click ✅ or type {command}.",
        "{count} pending requests of {room} were judged by the policy before. To judge them by the policy in force, click ✅ or type {command}.",
        count=Number,
        room=Room,
        command=Code,
    ),
    "policy.applying": says(
        "I judge {count} pending request of {room} again by the policy in force. I will reply here with the result.",
        "I judge {count} pending requests of {room} again by the policy in force. I will reply here with the result.",
        count=Number,
        room=Room,
    ),
    "policy.being_applied": says("I am still judging the pending requests of {room} again. Please wait.", room=Room),
    "policy.nobody_waits": says("No request of {room} is waiting for an answer.", room=Room),
    "policy.applied_held": says(
        "{count} of those left to the moderators would be accepted by a rule, but something holds that back. Its card says what, or !kb show with its number.",
        "{count} of those left to the moderators would be accepted by a rule, but something holds that back. Their cards say what, or !kb show with a number.",
        count=Number,
    ),
    "policy.applied": says(
        "I judged {count} pending request of {room} again. "
        "Accept: {accept}. Reject: {reject}. Ban: {ban}. Left to the moderators: {forward}.",
        "I judged {count} pending requests of {room} again. "
        "Accept: {accept}. Reject: {reject}. Ban: {ban}. Left to the moderators: {forward}.",
        count=Number,
        room=Room,
        accept=Number,
        reject=Number,
        ban=Number,
        forward=Number,
    ),
    "policy.undo": says("To undo this: {command}", command=Code),
    "policy.not_changed": says("Policy not changed: {why}", why=Notice),
    "policy.refused": says("Policy not changed: {fault}", fault=Notice),
    "policy.names_another_room": says(
        "{place} names {room}. Only rooms that you and {bot} have both joined can be named there.",
        place=Notice,
        room=Letters,
        bot=User,
    ),
    "policy.names_replaced_room": says(
        "{place} names {room}, and that room was replaced by {new}. Name the new room.",
        place=Notice,
        room=Letters,
        new=Letters,
    ),
    "policy.lacks_power": says(
        "{place}: {verdict} needs level {needed} in {room}, and yours is {level}.",
        place=Notice,
        verdict=Notice,
        needed=Level,
        room=Room,
        level=Level,
    ),
    # --- help, and how commands are written: in English everywhere, as the docs
    "help.begin": says(
        "I answer join requests (knocks): I accept, reject or ban by the policy of the room, or ask you on a card here."
    ),
    "help.row": says("{usage} – {summary}", usage=Code, summary=Notice),
    "help.end": says(
        "On a card: ✅ accept, ❌ reject, ⛔ ban. N is the number on a card; in a reply to the card you can leave it out. You can leave out ROOM where only one room is managed from here, but not after protect and unprotect."
    ),
    "help.one": says(
        "{command} – {summary}. Usage: {usage}. For example: {example}",
        command=Code,
        summary=Notice,
        usage=Code,
        example=Code,
    ),
    "usage": says("{complaint} Usage: {usage}. For example: {example}", complaint=Notice, usage=Code, example=Code),
    # --- files
    "policy.large_file": says("The file is larger than {most} KiB. I did not read it.", most=Number),
    "file.not_read": says("I could not read the file: {why}", why=Notice),
    "file.not_text": says("This file is no text in UTF-8. Save it again as text in UTF-8, and send that file."),
    "file.not_sent": says("I could not send the file {name}: {why}", name=Code, why=Notice),
    "ask.room": says("Which room?"),
    "ask.request": says("Which request? Give its number, or reply to its card."),
    "ask.user": says("Which user? Give the full user ID."),
    "ask.address": says("Whom? Give an e-mail address, or a phone number with its country code (+49 …)."),
    "ask.preset": says("Which policy? Give its name."),
    "ask.policy": says(
        "Which policy? Write it on the lines below, or send it as a file with this command as its caption."
    ),
    "ask.revision": says("Which revision? Give its number."),
    "ask.one_address": says("One address at a time, please."),
    "ask.one_number": says("One number at a time, please."),
    "ask.not_understood": says("I do not understand “{text}” here.", text=Stranger),
    "ask.room_first": says("Write the room before “{text}”.", text=Stranger),
    "ask.not_numbers": says(
        "I do not understand “{text}” here. Several numbers need commas: {numbers}.", text=Stranger, numbers=Code
    ),
    "ask.one_command": says("I do not understand the line “{text}”. One message holds one command.", text=Stranger),
    "ask.backwards": says("{range} runs backwards; write {other}.", range=Code, other=Code),
    "ask.too_many": says("At most {most} requests at once.", most=Number),
    "command/help": says("this list, or help for one command", name=Choice),
    "command/protect": says("protect a room: its join requests are answered from here", name=Choice),
    "command/unprotect": says("no longer protect a room", name=Choice),
    "command/rooms": says("the rooms that are managed from here", name=Choice),
    "command/check": says("what I need in a room, and how to get what is missing", name=Choice),
    "command/show": says("all about a request, and what each rule said", name=Choice),
    "command/accept": says("accept requests: the applicants are invited", name=Choice),
    "command/reject": says("reject requests; the applicants may knock again", name=Choice),
    "command/ban": says("ban the applicants", name=Choice),
    "command/invite": says("invite an e-mail address or a phone number", name=Choice),
    "command/invites": says("the third-party invites of a room", name=Choice),
    "command/revoke": says("revoke third-party invites", name=Choice),
    "command/policy show": says("the policy in force, or an old one", name=Choice),
    "command/policy set": says("set another policy, as YAML on the lines below", name=Choice),
    "command/policy revert": says("use an old policy again", name=Choice),
    "command/policy apply": says("judge pending requests again by the policy in force", name=Choice),
    "command/policy try": says("what another policy would have decided; nothing is changed", name=Choice),
    "command/policy presets": says("policies to begin with", name=Choice),
    "command/policy use": says("use one of these policies", name=Choice),
    "command/policy log": says("who changed the policy, and when", name=Choice),
    "command/test": says("what the policy would decide; nothing is done", name=Choice),
    "command/log": says("who decided what, when, by which rule", name=Choice),
    "command/queue": says("what is pending, due and failing", name=Choice),
    # --- protecting rooms
    "protect.not_permitted": says(
        "You do not have permission to protect rooms with me. Ask the admin of my server to add you under {key} in my config.",
        key=Code,
    ),
    "protect.too_many_attempts": says(
        "{attempts} attempts failed within an hour. Please try again at {moment}.", attempts=Number, moment=Moment
    ),
    "protect.not_found": says("I cannot find {room}: {why}", room=Letters, why=Notice),
    "protect.unfit_to_manage": says("This room cannot be a management room: {why}", why=Notice),
    "protect.manages_itself": says("a room cannot manage itself. Type the command in another, private room."),
    "protect.public_room": says("anyone can join this room or read it. Type the command in a private room."),
    "protect.not_yet": says(
        "I cannot protect {room} yet. You and I must both be members of it, and you need the power level for it. If the room allows it, I ask to join, and I reply here when I am in. Otherwise, invite {bot} and type {command} again.",
        room=Letters,
        bot=User,
        command=Code,
    ),
    "protect.cannot_enter": says(
        "I cannot join {room}: {why}. Invite {bot} there, then type {command} again.",
        room=Letters,
        why=Notice,
        bot=User,
        command=Code,
    ),
    "protect.turned_away": says(
        "{user} rejected my join request for {room}, so I cannot protect it.", user=User, room=Id
    ),
    "protect.turned_away_because": says(
        "{user} rejected my join request for {room} ({reason}), so I cannot protect it.",
        user=User,
        room=Id,
        reason=Stranger,
    ),
    "protect.done": says("🚪 {room} is now protected. Join requests will appear here.", room=Room),
    "protect.already": says("🚪 {room} is already protected from here.", room=Room),
    "protect.next": says("Next: {show} and {set}", show=Code, set=Code),
    "protect.ended": says(
        "{room} is no longer protected. Please answer its pending join requests yourself, in your client.", room=Room
    ),
    "room.greeting": says(
        "Hello! I answer join requests (knocks) of rooms. To protect a room, type {protect} in a private room with me. {help} shows all commands.",
        protect=Code,
        help=Code,
    ),
    "room.replaces_management": says(
        "⚠️ This room replaces a management room, but its cards still go to the old room. To get them here, type: {commands}.",
        commands=Many,
    ),
    "room.managed_elsewhere": says(
        "{user} moved {room} to another management room. Its cards here are closed.", room=Room, user=User
    ),
    "room.deleted": says(
        "⚠️ I am no longer in {room}: the homeserver removed me. Maybe a server admin deleted the room. If it still exists, invite me again.",
        room=Room,
    ),
    "room.removed": says(
        "⚠️ {user} removed me from {room}. Pending requests are kept. Invite me again, then I continue.",
        user=User,
        room=Room,
    ),
    "room.removed_because": says(
        "⚠️ {user} removed me from {room} ({reason}). Pending requests are kept. Invite me again, then I continue.",
        user=User,
        room=Room,
        reason=Stranger,
    ),
    "acl.closed_together": says(
        "The server ACL of {room} denies the servers of these applicants, so I close their requests: {numbers}.",
        room=Room,
        numbers=Many,
    ),
    "config.unlocked": says(
        "{room} is no longer in my config file. It stays protected from here, and {set} and {unprotect} work for it again.",
        room=Room,
        set=Code,
        unprotect=Code,
    ),
    "config.not_protected_yet": says(
        "⚠️ My config file says that {room} is protected from here. I cannot do that yet: {why}", room=Id, why=Notice
    ),
    "config.protected": says("🚪 {room} is now protected from here, as my config file says.", room=Id),
    "restore.read": says(
        "⚠️ My records were restored from a back-up of {moment}. I have read the messages that I sent here since then. Nobody is answered twice. My protected rooms, their policies and pre-approvals are as they were then. Please check {rooms} and {policy}.",
        moment=Moment,
        rooms=Code,
        policy=Code,
    ),
    "restore.unread": says(
        "⚠️ My records were restored from a back-up of {moment}. I cannot read the messages that I sent here since then. Applicants who still wait may get a second card, with a new number. Nobody is answered twice. My protected rooms, their policies and pre-approvals are as they were then. Please check {rooms} and {policy}.",
        moment=Moment,
        rooms=Code,
        policy=Code,
    ),
    "encryption.off": says(
        "⚠️ This room is encrypted, but encryption is not enabled in my config. I cannot read commands here, and I do not post cards or answers here without encryption. They are kept until this is fixed. My server's admin can set {key} in my config file and restart me. Or invite {bot} to an unencrypted room and type there: {commands}.",
        key=Code,
        bot=User,
        commands=Many,
    ),
    # --- rooms that the bot makes
    "meet.cannot_read": says(
        "You invited me to an encrypted room. I cannot read messages there yet, so I created this room. Here I can read them."
    ),
    "meet.use_it": says(
        "Use it as your management room: type {command} here, and invite the other moderators. The room is yours. If nobody needs it, {bot} will leave.",
        command=Code,
        bot=User,
    ),
    "meet.topic": says("For moderators, and for the bot that protects their rooms"),
    # --- third-party invites
    "invite.used": says(
        "✉️ {request} {user} used a third-party invite to {room}, sent by {sponsor}. Please answer.",
        request=Numbered,
        user=User,
        room=Room,
        sponsor=User,
    ),
    "invite.revoked_together": says(
        "With {request} I also revoke all other invites of {inviter} to {room}: {count} third-party invite.",
        "With {request} I also revoke all other invites of {inviter} to {room}: {count} third-party invites.",
        request=Numbered,
        inviter=User,
        room=Room,
        count=Number,
    ),
    "invite.inviter_banned": says(
        "{request} The inviter {inviter} was banned from {room}.", request=Numbered, inviter=User, room=Room
    ),
    "invite.inviter_not_banned": says(
        "⚠️ {request} I could not ban {inviter} from {room}: {why}",
        request=Numbered,
        inviter=User,
        room=Room,
        why=Notice,
    ),
    "inviter.fell/revoke/removed": _fell(
        "{inviter} was removed from {room}, so I revoke their {count} third-party invite there: {numbers}.",
        "{inviter} was removed from {room}, so I revoke their {count} third-party invites there: {numbers}.",
    ),
    "inviter.fell/forward/removed": _fell(
        "{inviter} was removed from {room}. Their {count} third-party invite there waits for your answer: {numbers}.",
        "{inviter} was removed from {room}. Their {count} third-party invites there wait for your answer: {numbers}.",
    ),
    "inviter.fell/keep/removed": _fell(
        "{inviter} was removed from {room}. Their {count} third-party invite there stays, as the policy says: {numbers}.",
        "{inviter} was removed from {room}. Their {count} third-party invites there stay, as the policy says: {numbers}.",
    ),
    "inviter.fell/revoke/demoted": _fell(
        "{inviter} can no longer invite to {room}, so I revoke their {count} third-party invite there: {numbers}.",
        "{inviter} can no longer invite to {room}, so I revoke their {count} third-party invites there: {numbers}.",
    ),
    "inviter.fell/forward/demoted": _fell(
        "{inviter} can no longer invite to {room}. Their {count} third-party invite there waits for your answer: {numbers}.",
        "{inviter} can no longer invite to {room}. Their {count} third-party invites there wait for your answer: {numbers}.",
    ),
    "inviter.fell/keep/demoted": _fell(
        "{inviter} can no longer invite to {room}. Their {count} third-party invite there stays, as the policy says: {numbers}.",
        "{inviter} can no longer invite to {room}. Their {count} third-party invites there stay, as the policy says: {numbers}.",
    ),
    "inviter.fell/revoke/left": _fell(
        "{inviter} left {room}, so I revoke their {count} third-party invite there: {numbers}.",
        "{inviter} left {room}, so I revoke their {count} third-party invites there: {numbers}.",
    ),
    "inviter.fell/forward/left": _fell(
        "{inviter} left {room}. Their {count} third-party invite there waits for your answer: {numbers}.",
        "{inviter} left {room}. Their {count} third-party invites there wait for your answer: {numbers}.",
    ),
    "inviter.fell/keep/left": _fell(
        "{inviter} left {room}. Their {count} third-party invite there stays, as the policy says: {numbers}.",
        "{inviter} left {room}. Their {count} third-party invites there stay, as the policy says: {numbers}.",
    ),
    # --- invites that the bot sends for moderators
    "issue.no_identity_server": says(
        "My config names no identity server, so I cannot invite addresses. My server's admin can add one under {key}.",
        key=Code,
    ),
    "issue.off": says("My config does not allow invites to addresses ({key}).", key=Code),
    "issue.you_had_too_many": says(
        "You have sent {count} invite to an address within 24 hours. That is the limit. You can send the next one from {moment} on.",
        "You have sent {count} invites to addresses within 24 hours. That is the limit. You can send the next one from {moment} on.",
        count=Number,
        moment=Moment,
    ),
    "issue.room_had_too_many": says(
        "{count} invite to an address was sent for {room} within 24 hours. That is the limit. The next one can be sent from {moment} on.",
        "{count} invites to addresses were sent for {room} within 24 hours. That is the limit. The next one can be sent from {moment} on.",
        room=Room,
        count=Number,
        moment=Moment,
    ),
    "issue.invited_already": says(
        "That address is invited already: {request}. To send it again, type {command} first.",
        request=Numbered,
        command=Code,
    ),
    "issue.being_invited": says("That address is being invited at this moment. I will post the result here."),
    "issue.nothing_sent": says("⚠️ The invite failed: {why} Nothing was sent.", why=Notice),
    "issue.failed": says("⚠️ The invite failed: {why}", why=Notice),
    "issue.unclear": says(
        "⚠️ It is unclear whether a message was sent: {why} If one was sent, it does not work, because the invite is not in the room. Please look at {command}. If the address is not there, repeat your command.",
        why=Notice,
        command=Code,
    ),
    "issue.interrupted": says("I was interrupted while I asked the identity server."),
    "issue.not_managed": says("the room is no longer managed from here."),
    "issue.not_added": says(
        "⚠️ {request} A message was sent, but it does not work, because I could not add the invite to {room}: {why}",
        request=Numbered,
        room=Room,
        why=Notice,
    ),
    "issue.not_invited": says("⚠️ I could not invite {user} to {room}: {why}", user=User, room=Room, why=Notice),
    "issue.belongs_to/none": _belongs(
        "That address belongs to {user}. I invite them to {room} directly. No message is sent."
    ),
    "issue.belongs_to/leave": _belongs(
        "That address belongs to {user}. I invite them to {room} directly. No message is sent."
    ),
    "issue.belongs_to/knock": _belongs(
        "That address belongs to {user}, who has already asked to join {room}. I accept that request. No message is sent."
    ),
    "issue.one_vote": says(
        "That address belongs to {user}, who has already asked to join {room}. {votes} No message is sent.",
        user=User,
        room=Room,
        votes=Notice,
    ),
    "issue.asks_already": says(
        "That address belongs to {user}, who has already asked to join {room}. Please answer that request. No message "
        "is sent.",
        user=User,
        room=Room,
    ),
    "issue.belongs_to/invite": _belongs("That address belongs to {user}, who is already invited to {room}."),
    "issue.belongs_to/join": _belongs("That address belongs to {user}, who is already in {room}."),
    "issue.belongs_to/ban": _belongs(
        "That address belongs to {user}, who is banned from {room}. Lift the ban first, then invite them."
    ),
    # --- rooms that were upgraded
    "upgrade.refused": says(
        "⚠️ {room} was upgraded, so I no longer accept anyone there. I did not switch to {new}: {why} To protect the right room, type {command}.",
        room=Room,
        new=Letters,
        why=Notice,
        command=Code,
    ),
    "upgrade.names_no_room": says("the upgrade names no room."),
    "upgrade.names_itself": says("the upgrade names the same room."),
    "upgrade.names_management_room": says("the upgrade names the management room."),
    "upgrade.managed_elsewhere": says("the new room is managed from another room."),
    "upgrade.in_a_circle": says("the new room leads back to the old one."),
    "upgrade.no_predecessor": says(
        "the new room does not say that it replaces the old one, so anyone may have created it."
    ),
    "upgrade.not_in_it": says(
        "⚠️ {room} was replaced by {new}, so I no longer accept anyone there. I am not in the new room yet: accept my join request, or invite {bot}. Then I continue by myself.",
        room=Room,
        new=Id,
        bot=User,
    ),
    "upgrade.locked": says(
        "⚠️ {room} was replaced by {new}, so I no longer accept anyone there. The room is set in my config file: only my server's admin can write the ID of the new room there.",
        room=Room,
        new=Id,
    ),
    "upgrade.offered": says(
        "🚚 {room} was replaced by {new} {id}, so I no longer accept anyone in the old room. Click ✅ to protect the new room from here, with the same policy and all pending requests: {waiting}.",
        room=Room,
        new=Room,
        id=Id,
        waiting=Number,
    ),
    "upgrade.offered_alike": says(
        "🚚 {room} was replaced by another room with the same name, {id}, so I no longer accept anyone in the old room. Click ✅ to protect the new room from here, with the same policy and all pending requests: {waiting}.",
        room=Room,
        id=Id,
        waiting=Number,
    ),
    "upgrade.moved": says(
        "🚚 {new} ({id}) is now protected, with the policy of the old room. Pending requests moved: {moved}. These applicants have not knocked at the new room: if you accept one, I invite them there.",
        new=Room,
        id=Id,
        moved=Number,
    ),
    # --- rooms that a policy names
    "named.means": says("{name} means the room {room} here.", name=Id, room=Id),
    "named.means_now": says(
        "{name} means the room {room} here (until now it meant {before}).", name=Id, room=Id, before=Id
    ),
    "named.leads_nowhere": says(
        "{name} means the room {room} here. The alias no longer leads to a room.", name=Id, room=Id
    ),
    "named.leads_elsewhere": says(
        "⚠️ {name} means the room {room} here. The alias now leads to another room: {other}",
        name=Id,
        room=Id,
        other=Id,
    ),
    "named.not_known_yet": says("⚠️ I do not know yet which room {name} is.", name=Id),
    "named.alias_moved/config": _alias_moved(
        "My config file names {alias}, for {room}. That alias now leads to another room: {other}. I still use {pinned}."
    ),
    "named.alias_moved/policy": _alias_moved(
        "The policy of {room} names {alias}. That alias now leads to another room: {other}. I still use {pinned}."
    ),
    "config.means": says("The policy of {room} in my config file: {means}", room=Room, means=Notice),
    "named.lost": says(
        "⚠️ The policy of {room} names {name}, and that room was replaced by {new}. I no longer count its members, and the moderators decide where the policy depends on them. I do not use the new room: {why}",
        room=Room,
        name=Id,
        new=Letters,
        why=Notice,
    ),
    "named.not_in_it": says(
        "The policy of {room} names {name}, and you would be the author of the new policy. You and {bot} must both be members of that room first. Then click ✅ again.",
        room=Room,
        name=Id,
        bot=User,
    ),
    "named.let_me_in": says(
        "I am not in that room yet. Accept my join request, or invite {bot}. Then I ask whether to use it.", bot=User
    ),
    "named.by_config": says("my config file names the old room. Only my server's admin can write the new one there."),
    "named.replaced": says(
        "🚚 The policy of {room} names {name}, and that room was replaced by {new} {id}. I no longer count its members, and the moderators decide where the policy depends on them. Click ✅ to use the new room in the policy, or type {command}.",
        room=Room,
        name=Id,
        new=Room,
        id=Id,
        command=Code,
    ),
}
