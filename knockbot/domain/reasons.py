"""The sentence of each reason that is stored: why something is not done, was not done, or is as it is.

To add a reason: make a `because("code", …)` where it arises, and give the code its sentence here, whole, with the
arguments by name. A sentence inside another one loses its full stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime

from knockbot.documents.reading import in_clear
from knockbot.documents.text import REASON_LIMIT, shown, shown_id
from knockbot.domain import mistakes
from knockbot.domain.model import Answer, Decision
from knockbot.domain.notices import (
    Arg,
    Choice,
    Duration,
    Foreign,
    Id,
    Letters,
    Many,
    Moment,
    Notice,
    Number,
    Room,
    Span,
    Stranger,
    User,
    because,
)
from knockbot.times import DAY, HOUR, MINUTE, SECOND

NAMED = 3
"""How many values, or reasons, an explanation names before it counts the rest."""

LATEST = 253402300799000
"""The last moment that has a date: the end of 9999, in milliseconds."""

PEOPLE_NAMED = 5
"""How many people a sentence names before it counts the rest."""

QUOTED = 60
"""Characters of a value that an explanation shows."""


def foreign(words: str) -> Notice:
    """The text of another program."""
    return because("foreign", words=Foreign(words))


def quoted(value: str) -> Notice:
    """A value in quotes; something that looks like a secret is not shown."""
    told = in_clear(value)
    return because("secret") if told is None else because("quoted", value=Letters(told[: 2 * QUOTED], QUOTED))


def either(values: Sequence[str]) -> Notice:
    """Values in quotes: ``"a", "b" or "c"``, and when they are many ``"a", "b", "c" or 4 more``."""
    if len(values) == 1:
        return quoted(values[0])
    if len(values) > NAMED:
        more = Number(len(values) - NAMED)
        return because("values.or_more", values=Many(tuple(map(quoted, values[:NAMED]))), more=more)
    return because("values.or", values=Many(tuple(map(quoted, values[:-1]))), last=quoted(values[-1]))


def together(reasons: Sequence[Notice]) -> Notice:
    """Several reasons as one; when they are many, the first ones, and how many more there are."""
    if len(reasons) == 1:
        return reasons[0]
    if len(reasons) <= NAMED:
        return because("finding.joined", reasons=Many(tuple(reasons)))
    return because("finding.joined_more", reasons=Many(tuple(reasons[:NAMED])), more=Number(len(reasons) - NAMED))


def people(whom: Sequence[str], count: int | None = None, *, most: int = PEOPLE_NAMED) -> Notice:
    """Users and whole servers (`*:host`) by name: the first of them, and how many more there are."""
    count = len(whom) if count is None else count
    named = Many(tuple(map(_one, whom[:most])))
    more = count - len(named.items)
    return because("people.more", named=named, more=Number(more)) if more > 0 else because("people", named=named)


def _one(who: str) -> Arg:
    return User(who) if who.startswith("@") else because("people.of_server", server=Letters(who.removeprefix("*:")))


SENTENCES: Mapping[str, str | tuple[str, str]] = {
    **mistakes.SENTENCES,
    "unknown": "I do not know why ({code}).",
    "foreign": "{words}",
    "failed": "{error}",
    "lines": "{lines}",
    "none": "none",
    "huge": "a huge number",
    "secret": "what looks like a secret",
    "quoted": '"{value}"',
    "values.or": "{values} or {last}",
    "values.or_more": "{values} or {more} more",
    "people": "{named}",
    "people.more": "{named} and {more} more",
    "people.of_server": "everybody from {server}",
    # --- findings: true by themselves, so that they explain a criterion and its `not`
    "finding.joined": "{reasons}",
    "finding.joined_more": "{reasons}; and {more} more",
    "finding.not_kept": "the reason was too long to be stored",
    "finding.user_is": "user is {value}",
    "finding.user_matches": "user matches {value}",
    "finding.user_is_not": "user is not {values}",
    "finding.server_is": "server is {value}",
    "finding.server_matches": "server matches {value}",
    "finding.server_is_not": "server is not {values}",
    "finding.inviter_is": "inviter is {value}",
    "finding.inviter_matches": "inviter matches {value}",
    "finding.inviter_is_not": "inviter is not {values}",
    "finding.local": "user is from {server}",
    "finding.not_local": "user is not from {server}",
    "finding.member": "user is in {room}",
    "finding.no_member": "user is not in {room}",
    "finding.member_hidden": "whether the user is in {room}, which I show only to its members",
    "finding.member_unknown": "whether the user is in {room}",
    "finding.member_unknown_why": "whether the user is in {room} ({why})",
    "finding.listed": "on list {name}",
    "finding.listed_by": "on list {name}, by its entry {entity}",
    "finding.listed_because": "on list {name}, by its entry {entity} ({reason})",
    "finding.not_listed": "not on list {name}",
    "finding.list_unknown": "whether they are on list {name}",
    "finding.list_unknown_why": "whether they are on list {name} ({why})",
    "finding.member_managed": "user is in another room managed from here",
    "finding.no_member_managed": "user is in no other room managed from here",
    "finding.member_managed_unknown": "whether the user is in another room managed from here",
    "finding.member_managed_unknown_why": "whether the user is in another room managed from here ({why})",
    "finding.reason_matches": "reason matches {value}",
    "finding.reason_does_not_match": "reason does not match {values}",
    "finding.reason_too_costly": "whether the reason matches (it is too long for so many patterns)",
    "finding.display_name_matches": "display name matches {value}",
    "finding.display_name_does_not_match": "display name does not match {values}",
    "finding.display_name_too_costly": "whether the display name matches (it is too long for so many patterns)",
    "finding.reason_long_enough": (
        "reason has {count} character, not fewer than {least}",
        "reason has {count} characters, not fewer than {least}",
    ),
    "finding.reason_too_short": (
        "reason has {count} character, fewer than {least}",
        "reason has {count} characters, fewer than {least}",
    ),
    "finding.avatar": "user has an avatar",
    "finding.no_avatar": "user has no avatar",
    "finding.lookalike": "the name looks like the name of somebody with power in the room",
    "finding.lookalike_of": "the name looks like {name}, the name of {user}",
    "finding.lookalike_of_id": "the name looks like the user ID {user}",
    "finding.no_lookalike": "the name does not look like the name of anybody with power in the room",
    "finding.lookalike_unknown": "whether the name looks like the name of somebody with power in the room",
    "finding.lookalike_unknown_why": "whether the name looks like the name of somebody with power in the room ({why})",
    "finding.rejected": ("user was rejected {count} time before", "user was rejected {count} times before"),
    "finding.rejected_within": (
        "user was rejected {count} time before in that time",
        "user was rejected {count} times before in that time",
    ),
    "finding.rejected_managed": (
        "user was rejected {count} time before in the rooms managed from here",
        "user was rejected {count} times before in the rooms managed from here",
    ),
    "finding.rejected_managed_within": (
        "user was rejected {count} time before in that time in the rooms managed from here",
        "user was rejected {count} times before in that time in the rooms managed from here",
    ),
    "finding.rejected_never": "user was never rejected before",
    "finding.rejected_within_never": "user was never rejected before in that time",
    "finding.rejected_managed_never": "user was never rejected before in the rooms managed from here",
    "finding.rejected_managed_within_never": (
        "user was never rejected before in that time in the rooms managed from here"
    ),
    "finding.rejected_unknown": "whether the user was rejected before (not checked)",
    "finding.banned": ("user was banned {count} time before", "user was banned {count} times before"),
    "finding.banned_within": (
        "user was banned {count} time before in that time",
        "user was banned {count} times before in that time",
    ),
    "finding.banned_managed": (
        "user was banned {count} time before in the rooms managed from here",
        "user was banned {count} times before in the rooms managed from here",
    ),
    "finding.banned_managed_within": (
        "user was banned {count} time before in that time in the rooms managed from here",
        "user was banned {count} times before in that time in the rooms managed from here",
    ),
    "finding.banned_never": "user was never banned before",
    "finding.banned_within_never": "user was never banned before in that time",
    "finding.banned_managed_never": "user was never banned before in the rooms managed from here",
    "finding.banned_managed_within_never": "user was never banned before in that time in the rooms managed from here",
    "finding.banned_unknown": "whether the user was banned before (not checked)",
    "finding.accepted": ("user was accepted {count} time before", "user was accepted {count} times before"),
    "finding.accepted_within": (
        "user was accepted {count} time before in that time",
        "user was accepted {count} times before in that time",
    ),
    "finding.accepted_managed": (
        "user was accepted {count} time before in the rooms managed from here",
        "user was accepted {count} times before in the rooms managed from here",
    ),
    "finding.accepted_managed_within": (
        "user was accepted {count} time before in that time in the rooms managed from here",
        "user was accepted {count} times before in that time in the rooms managed from here",
    ),
    "finding.accepted_never": "user was never accepted before",
    "finding.accepted_within_never": "user was never accepted before in that time",
    "finding.accepted_managed_never": "user was never accepted before in the rooms managed from here",
    "finding.accepted_managed_within_never": (
        "user was never accepted before in that time in the rooms managed from here"
    ),
    "finding.accepted_unknown": "whether the user was accepted before (not checked)",
    "finding.knocks_more": (
        "user knocked more than {count} time within {time}",
        "user knocked more than {count} times within {time}",
    ),
    "finding.knocks_not_more": (
        "user knocked {count} time within {time}, not more than {most}",
        "user knocked {count} times within {time}, not more than {most}",
    ),
    "finding.knocks_more_managed": (
        "user knocked more than {count} time at the rooms managed from here within {time}",
        "user knocked more than {count} times at the rooms managed from here within {time}",
    ),
    "finding.knocks_not_more_managed": (
        "user knocked {count} time at the rooms managed from here within {time}, not more than {most}",
        "user knocked {count} times at the rooms managed from here within {time}, not more than {most}",
    ),
    "finding.knocks_unknown": "how often the user knocked (not checked)",
    "finding.server_knocks_more": (
        "more than {count} knock from the user's server within {time}",
        "more than {count} knocks from the user's server within {time}",
    ),
    "finding.server_knocks_not_more": (
        "{count} knock from the user's server within {time}, not more than {most}",
        "{count} knocks from the user's server within {time}, not more than {most}",
    ),
    "finding.server_knocks_more_managed": (
        "more than {count} knock from the user's server at the rooms managed from here within {time}",
        "more than {count} knocks from the user's server at the rooms managed from here within {time}",
    ),
    "finding.server_knocks_not_more_managed": (
        "{count} knock from the user's server at the rooms managed from here within {time}, not more than {most}",
        "{count} knocks from the user's server at the rooms managed from here within {time}, not more than {most}",
    ),
    "finding.server_knocks_unknown": "how many knocks came from the user's server (not checked)",
    "finding.same_reason_more": (
        "more than {count} user gave the same reason within {time}",
        "more than {count} users gave the same reason within {time}",
    ),
    "finding.same_reason_not_more": (
        "{count} user gave the same reason within {time}, not more than {most}",
        "{count} users gave the same reason within {time}, not more than {most}",
    ),
    "finding.same_reason_more_managed": (
        "more than {count} user gave the same reason at the rooms managed from here within {time}",
        "more than {count} users gave the same reason at the rooms managed from here within {time}",
    ),
    "finding.same_reason_not_more_managed": (
        "{count} user gave the same reason at the rooms managed from here within {time}, not more than {most}",
        "{count} users gave the same reason at the rooms managed from here within {time}, not more than {most}",
    ),
    "finding.same_reason_none": "user gave no reason",
    "finding.same_reason_unknown": "how many users gave the same reason (not checked)",
    "finding.first_seen_enough": "user was first seen {time} ago, not less than {least}",
    "finding.first_seen_too_late": "user was first seen {time} ago, less than {least}",
    "finding.first_seen_never": "user was never seen before",
    "finding.first_seen_unknown": "since when the user is known (not checked)",
    "finding.time_within": "it was {day}, {time} in {zone}, which is within the times of the rule",
    "finding.time_outside": "it was {day}, {time} in {zone}, which is outside the times of the rule",
    "finding.time_unknown": "at what time this was (not stored)",
    "day/mon": "Monday",
    "day/tue": "Tuesday",
    "day/wed": "Wednesday",
    "day/thu": "Thursday",
    "day/fri": "Friday",
    "day/sat": "Saturday",
    "day/sun": "Sunday",
    "finding.user_pre_approved": "user is pre-approved by {by}",
    "finding.user_pre_approved_until": "user is pre-approved by {by} until {until}",
    "finding.server_pre_approved": "everybody from {server} is pre-approved by {by}",
    "finding.server_pre_approved_until": "everybody from {server} is pre-approved by {by} until {until}",
    "finding.not_pre_approved": "user is not pre-approved",
    "finding.pre_approval_void": "{by} pre-approved the user, but this has no effect now",
    "finding.pre_approval_void_why": "{by} pre-approved the user, but this has no effect now ({why})",
    "finding.pre_approved_unknown": "whether the user is pre-approved (not checked)",
    "finding.pre_approved_unknown_why": "whether the user is pre-approved ({why})",
    "finding.code": "user brings the code {name}",
    "finding.code_void": "user brings the code {name}, which has no effect now",
    "finding.code_void_why": "user brings the code {name}, which has no effect now ({why})",
    "finding.no_code": "user brings no code",
    "finding.no_code_why": "user brings no code ({why})",
    "finding.code_unknown": "whether the user brings a code (not checked)",
    "finding.code_unknown_why": "whether the user brings a code ({why})",
    "code.guessing": "they brought too many wrong codes, so none counts until {until}",
    "code.elsewhere": "it is for another room",
    "code.ended": "it was ended",
    "code.late": "its time was over at {until}",
    "code.used_up": "it was used by others",
    "code.counts_no_more": "the code has no effect any more",
    "finding.vouched": "user is vouched for by {named}",
    "finding.not_vouched": "nobody vouches for the user",
    "finding.word_void": "the word of {by} does not count ({why})",
    "finding.vouched_unknown": "who vouches for the user (not checked)",
    "finding.vouched_unknown_why": "who vouches for the user ({why})",
    "vouch.no_member": "is no member of the room",
    "vouch.circle": "came in by a word that leads back to the user",
    "vouch.powerless": "has power level {level}, less than {least}",
    "vouch.fell/taken_back": "has taken it back",
    "vouch.fell/left": "has left the room",
    "vouch.fell/kicked": "was removed from the room",
    "vouch.fell/banned": "was banned from the room",
    "vouch.fell/rejected": "a moderator has rejected the user since",
    "vouch.counts_no_more": "somebody's word for the user has no effect any more",
    "finding.cooldown_unknown": "when the user was last rejected (not stored)",
    "finding.everybody": "the rule is for everybody",
    "finding.answer_is": "answer to question {question} matches {value}",
    "finding.answer_is_not": "answer to question {question} does not match {values}",
    "finding.answer_too_costly": "whether the answer to question {question} matches (its patterns take too long)",
    "finding.answered": "all questions are answered",
    "finding.not_answered": "not all questions are answered",
    "finding.inviter_unknown": "who invited them (the third-party invite is not known)",
    "finding.inviter_power_unknown": "what power level the inviter has",
    "finding.inviter_power_enough": "inviter has power level {power}, not less than {least}",
    "finding.inviter_power_too_low": "inviter has power level {power}, less than {least}",
    "finding.inviter_unlimited": "inviter has an unlimited power level, not less than {least}",
    "finding.inviter_member": "inviter is in the room",
    "finding.inviter_no_member": "inviter is not in the room",
    "finding.inviter_member_unknown": "whether the inviter is in the room",
    "finding.inviter_member_unknown_why": "whether the inviter is in the room ({why})",
    "finding.invites_unknown": "how many third-party invites the inviter made (not checked)",
    "finding.invites_more": (
        "inviter made {count} third-party invite, more than {most}",
        "inviter made {count} third-party invites, more than {most}",
    ),
    "finding.invites_not_more": (
        "inviter made {count} third-party invite, not more than {most}",
        "inviter made {count} third-party invites, not more than {most}",
    ),
    "finding.invites_more_within": (
        "inviter made {count} third-party invite in that time, more than {most}",
        "inviter made {count} third-party invites in that time, more than {most}",
    ),
    "finding.invites_not_more_within": (
        "inviter made {count} third-party invite in that time, not more than {most}",
        "inviter made {count} third-party invites in that time, not more than {most}",
    ),
    "finding.identity_server_unknown": "which identity server it belongs to (the third-party invite is not known)",
    "finding.identity_server_is": "identity server is {host}",
    "finding.identity_server_is_not": "identity server is {host}, not {values}",
    "finding.no_keys": "the invite has no keys",
    "finding.too_many_keys": "the invite has more than {most} keys",
    "finding.key_for_ever": "a key of the invite names no identity server, so it never expires",
    "finding.key_no_https": "a key of the invite has no plain https URL, but {url}",
    # --- why a fact is not known
    "unknown.nobody_looked": "not checked",
    "unknown.not_kept": "this is no longer stored",
    "unknown.unanswered": "question {question} is not answered yet",
    "unknown.unseen": "I see the display name and avatar of users only when they knock",
    "unknown.nobody_asked": "the identity server was not asked",
    "unknown.no_invite": "the third-party invite is not known",
    "unknown.which_room": "I do not know yet which room {room} is",
    "unknown.not_joined": "you are not in {room}, so I do not show you who is",
    "unknown.not_there": "I am not in {room}",
    "unknown.room": "{room}: {why}",
    "unknown.list_changes": "the list changes all the time",
    "unknown.room_replaced": "{room} was replaced by another room",
    # --- why an accept is left to the moderators
    "doubt.keys_void": "its keys are not valid",
    "doubt.keys_void_why": "its keys are not valid ({why})",
    "doubt.keys_unknown": "I could not check its keys",
    "doubt.keys_unknown_why": "I could not check its keys ({why})",
    "doubt.dry_run": "the policy is in dry run",
    "doubt.all_answered": "all questions are answered already",
    "doubt.no_questions": "there are no questions to ask",
    "doubt.unanswered": "they did not answer all questions in time",
    "doubt.unreachable": "they cannot be reached for questions",
    "doubt.room_replaced": "the room was replaced by another room",
    "doubt.wave": "this was judged during a wave of knocks, in which rules accept nobody",
    "doubt.was_inside": "they were already in the room",
    "doubt.not_seen": "I did not see this invite before it was used",
    "doubt.used_before": "this invite was used before",
    "doubt.not_answered": "nobody had approved this invite yet",
    # --- whether the keys of a third-party invite are valid
    "keys.many": "there are more than {most}, and identity servers write two or three",
    "keys.many_named": "it names {count} keys of identity servers, and they write only two",
    "keys.asked_too_often": (
        "the identity servers were already asked {most} times within an hour about invites of this inviter"
    ),
    "keys.took_long": "the identity servers took more than {time}",
    "keys.other_port": "a key names another port of {host} than the config",
    "keys.other_address": "a key names an unknown address of {host}",
    "keys.asked_now": "the identity servers are being asked about this invite.",
    "keys.void": "the identity server {server} says that a key is not valid",
    # --- who may do what
    "verdict.named/accept": "accept",
    "verdict.named/forward": "forward",
    "verdict.named/reject": "reject",
    "verdict.named/ban": "ban",
    "verdict.named/ask": "ask",
    "verdict.named/revoke": "revoke",
    "power.named/invite": "invite",
    "power.named/kick": "kick",
    "power.named/ban": "ban",
    "power.closed_room": "the room is closed to users of other servers (m.federate is false).",
    "power.creator": "a creator of the room cannot be kicked or banned.",
    "power.too_low": "power level {level} is too low to {act}; level {needed} is needed.",
    "power.everybody": "power level {level} is too low to {act}; everyone there has level {target} (users_default).",
    "power.target": "power level {level} is too low; the other user has level {target}.",
    "authority.not_joined": "I would do this for {user}, who is not in the room now.",
    "authority.powerless": "I would do this for {user}, who may not do it now: {why}",
    "authority.may_not_invite/removed": "{user} asked me to send this invite, but was banned or kicked.",
    "authority.may_not_invite/demoted": "{user} asked me to send this invite, but may no longer invite.",
    "authority.may_not_invite/left": "{user} asked me to send this invite, but left the room.",
    # --- what is missing in a room
    "room.not_there": "I am not in this room; invite me.",
    "room.my_power": "my power level is {level}, too low to {acts}.",
    "room.my_power_for": "{act} ({level})",
    # --- what makes a room unfit for its part, and what would change that
    "concern/public": ("⚠️ Everyone can join without asking: the join rule is “public”. Set it to “ask to join”."),
    "concern/shut": "⚠️ Nobody can ask to join: set the join rule to “ask to join” (knock).",
    "concern/version": "⚠️ The room version does not support the room's join rule. Upgrade the room.",
    "concern/members_invite": (
        "⚠️ Every member can invite, so everyone you accept can invite others. Raise the power level for invites."
    ),
    "concern/open": "⚠️ Everyone can join this management room: set its join rule to “invite”.",
    "concern/members_join": (
        "⚠️ Members of other rooms can join this management room without an invite. Make sure that all of "
        "them are moderators, or set its join rule to “invite”."
    ),
    "concern/readable": (
        "⚠️ People outside this management room can read it: set its history visibility to “members only”."
    ),
    "concern/replaced": "⚠️ This management room was upgraded. I still use the old room.",
    "concern/absent": "⚠️ I am not in the management room. Nobody sees what I say. Invite me.",
    # --- what is missing for a room of the config file
    "config.not_found": "I cannot find {room}: {why}",
    "config.manages_itself": "it is its own management room; name another one.",
    "config.same_room": (
        "it is the same room as {other}, which is listed first. I use the first entry. Remove one of them."
    ),
    "config.which_room": "I do not know yet which room that is.",
    "config.not_there": "I am not in {room}: invite {bot} there.",
    # --- why an act was no longer needed
    "overtaken.membership": "their membership is {membership} now",
    "overtaken.no_knock": "there is no knock",
    "overtaken.applicant_knocked_again": "the applicant knocked again",
    "overtaken.instead": "{user} chose {verdict} instead",
    "overtaken.unclicked": "{user} removed the reaction that gave the answer",
    "overtaken.undone": "{user} undid the answer",
    "overtaken.moved": "their membership changed in the meantime",
    "overtaken.knocked_again": "they knocked again in the meantime",
    "overtaken.answered": "it got another answer in the meantime",
    "overtaken.facts_changed": "a fact that it was judged by has changed",
    "facts.changed": "a fact changed while this was decided",
    "told.invite_withdrawn": "Your invite was withdrawn. You can ask again.",
    "record.overridden": "open again: a fact that it was judged by has changed",
    "unknown.list_unread": "the list was not read yet",
    "unknown.list_closed": "you cannot read that list",
    "unknown.list_behind": "I am still reading the list",
    "policy_list.names_them": "a policy list may name them now",
    "pre_approval.removed_since": "{by} has removed them from the room since then",
    "pre_approval.counts_no_more": "the pre-approval does not count any more",
    "policy_list.put_out": "I was removed from its room. Somebody there must invite me again.",
    "policy_list.not_let_in": "I cannot join its room: {why}",
    "policy_list.too_slow": "its room was not read within {time}",
    "overtaken.list_not_named": "no policy names this list any more",
    "overtaken.state": "the request is {state} now",
    "overtaken.denied": "the server ACL denies their server",
    "overtaken.too_old_to_tell": "it is too old to be sent",
    "conversation.declined": "they declined the invite, or left the conversation",
    "conversation.not_made": "the homeserver made no room for the conversation",
    "conversation.gave_up": "their server did not answer for a day",
    "overtaken.too_old_to_say": "the message is too old to be sent",
    "overtaken.other_invite": "its token now has an invite from somebody else",
    "overtaken.another_invite": "its token now has another invite",
    "overtaken.taken_back": "it was revoked before it was in the room",
    "overtaken.taken_back_at_once": "it was revoked at once",
    "overtaken.used": "it was used",
    "overtaken.inviter_gone": "its inviter may no longer invite",
    "overtaken.management_moved": "its requests have moved to another management room",
    "overtaken.settled": "it was closed before its card was posted",
    "overtaken.not_asked": "nobody has to answer it any more",
    "overtaken.no_card": "there is no card yet; it will show the current state",
    "overtaken.no_clicks": "the card no longer takes clicks",
    "overtaken.room_replaced": "the room was replaced",
    "overtaken.unprotected": "the room is no longer protected",
    "overtaken.was_unprotected": "the room was no longer protected",
    "overtaken.invited_again": "there is another invite now",
    "overtaken.bot_membership": "my membership is {membership} now",
    # --- why an act is not possible, or not yet
    "act.invites_stay": "the policy is in dry run, so I did not revoke this invite.",
    "act.dry_run": "the policy is in dry run now, so I did not carry out the answer that it gave before.",
    "act.denied": "the room's server ACL denies their server.",
    "act.not_joined": "I am not in this room.",
    "act.under_way": "the earlier action that this replaces is still running.",
    "act.redact": "power level {level} is too low to redact; level {needed} is needed.",
    "act.may_not_speak": "I cannot send messages in this room: {why}",
    "act.encrypted": "this room is encrypted, and encryption.allow is not set in the config.",
    "act.no_answer": "no answer in time",
    "act.put_off": "an attempt failed, and I try again by myself: {why}",
    "act.no_database": "the database cannot be used now.",
    "act.crossed": "another change came at the same moment.",
    "act.internal": "internal error: {error}",
    "act.unreadable": "it was stored by another version of knockbot.",
    "act.not_recorded": "the result could not be stored: {error}",
    "act.locked": "it was stored encrypted, and encryption is not allowed now (encryption.allow).",
    "act.other_key": "it was stored with another encryption.pickle_key.",
    "act.unknown_encryption": "I do not know the encryption of this room.",
    "act.no_keys_yet": "the keys of the bot's device are not here yet.",
    "busy.share": "this room has used its share of computing time for long decisions",
    "busy.others": "other rooms are waiting for their decisions",
    "server.many_wait": "too many requests to {server} are waiting.",
    "server.silent": "{server} did not answer a moment ago.",
    # --- what the homeserver answers
    "homeserver.path": "that name cannot be part of an address.",
    "homeserver.compressed": "the homeserver's answer is compressed, which I did not ask for.",
    "homeserver.nonsense": "the homeserver's answer makes no sense.",
    "homeserver.nonsense_why": "the homeserver's answer makes no sense ({why}).",
    "homeserver.unreachable": "the homeserver cannot be reached ({why}).",
    "homeserver.silent": "the homeserver gave no answer within {time}.",
    "homeserver.too_large": "the homeserver answers with more than {size} MiB.",
    "homeserver.redirects": (
        "the homeserver's address redirects to {where}; put the homeserver's own address into homeserver.address."
    ),
    "homeserver.slow_down": "the homeserver asks me to slow down.",
    "homeserver.says": "the homeserver says: {words}",
    "homeserver.proxy_says": "a proxy in front of the homeserver says: {words}",
    "homeserver.not_covered": "the homeserver says: {words}",
    "homeserver.password_wanted": "the homeserver wants a password for that, and I have none.",
    "homeserver.no_alias": "no room has that alias.",
    "homeserver.alias_leads_nowhere": "that alias leads to no room.",
    "homeserver.no_device": "the homeserver has not accepted the keys of the bot's new device.",
    "homeserver.invite_blocked": "they have set their account to refuse invites.",
    "homeserver.banned": "they are banned from the room.",
    "homeserver.room_version": "their server does not support this room version.",
    "homeserver.text_too_long": "the text is too long for an event.",
    "homeserver.not_found": "the homeserver did not find this.",
    "homeserver.exclusive": "that user ID is reserved for another application service.",
    "homeserver.no_token": "the homeserver does not accept my token.",
    "homeserver.unknown_token": (
        "the homeserver does not know my token; is registration.yaml in its config, and current?"
    ),
    "homeserver.missing_token": "the homeserver got no token from me.",
    "homeserver.suspended": "my account is suspended on the homeserver.",
    "homeserver.deactivated": "my account is deactivated on the homeserver.",
    "homeserver.locked": "my account is locked on the homeserver.",
    "homeserver.others_log_in": ("others may log in to my account {bot} ({ways}), and could act with my power."),
    "homeserver.other_token": "its hs_token is not the one of my config, or something else answers at {address}.",
    "homeserver.something_else": "the homeserver reaches something other than knockbot at {address}.",
    # --- why a file cannot be read
    "file.too_large": "it is too large.",
    "file.not_opened": "it does not fit its key.",
    "file.edited": "it was edited after it was sent. Send it again as a new message.",
    "file.no_encryption": "it is encrypted, and this bot was installed without encryption (knockbot[e2ee]).",
    # --- why a server cannot be reached
    "reach.not_yet": "its certificate is not valid yet; compare the clocks of both machines",
    "reach.expired": "its certificate has expired; renew it",
    "reach.self_signed": "its certificate is signed by itself; add it to those that this machine trusts",
    "reach.unknown_authority": (
        "its certificate is from an authority that this machine does not know; add that authority to those it trusts"
    ),
    "reach.no_chain": "its certificate comes without those of its authority; let it send the whole chain",
    "reach.other_name": "its certificate is for another host name; use a name that it is for",
    "reach.no_address": "its certificate is for no IP address; use the name that it is for",
    "reach.not_valid": "its certificate is not valid",
    "reach.not_valid_why": "its certificate is not valid: {words}",
    "reach.no_tls": "it does not speak TLS at that port; the address must begin with http://, or the port is wrong",
    "reach.only_tls": "it speaks TLS at that port; the address must begin with https://, or the port is wrong",
    "reach.no_name": "no DNS server knows that host name; is it spelt right?",
    "reach.broke_off": "the connection broke",
    "reach.no_http": "what answers there does not speak HTTP; does it want https://?",
    "reach.old_tls": "it speaks only versions of TLS that are too old",
    "reach.no_common_tls": "the two know no version of TLS in common",
    "reach.no_certificate": "it has no certificate for that host name",
    "reach.refuses_tls": "it refuses the TLS handshake",
    "reach.wants_certificate": "it wants a certificate from its clients",
    "reach.tls_failed": "TLS failed: {words}",
    "reach.tls_failed_unsaid": "TLS failed: no reason is given",
    "reach.refused": "Connection refused: nothing listens there",
    "reach.no_route": "No route to host: is it another network, or a firewall?",
    "reach.no_network": "Network is unreachable: does this machine have such a network?",
    "reach.timed_out": "Connection timed out: is there a firewall?",
    "reach.failed": "{error}",
    "reach.system": "{words}",
    # --- what an identity server answers
    "identity.unknown": "I know no identity server {server}; known: {known}.",
    "identity.unreachable": "the identity server {server} cannot be reached ({why}).",
    "identity.silent": "the identity server {server} gave no answer within {time}.",
    "identity.was_silent": "the identity server {server} gave no answer a moment ago",
    "identity.too_large": "the identity server {server} answers with more than {size} KiB.",
    "identity.redirects": "the identity server {server} sends me to {where}; is its url in the config right?",
    "identity.slow_down": "the identity server {server} asks me to slow down.",
    "identity.says": "the identity server {server} says: {words}",
    "identity.nonsense": "the answer of the identity server {server} makes no sense.",
    "identity.in_use": "that address now belongs to a Matrix account; please invite it again.",
    "identity.no_email": "the identity server {server} says that this is no e-mail address.",
    "identity.no_account": "the identity server {server} does not accept the account that it gave me.",
    "identity.not_found": "the identity server {server} does not know what I ask; is its url in the config right?",
    "identity.no_phones": "the identity server {server} sends no invites to phone numbers.",
    "identity.no_secrecy": (
        "the identity server {server} does not support hashed look-ups, which keep addresses secret."
    ),
    "identity.terms": (
        "the identity server wants its terms accepted first: {terms}. The server admin can allow that: "
        "`accept_terms` under `identity_servers` in the config."
    ),
    "identity.in_vain": (
        "the identity server {server} took the invite, but its answer makes no sense: the message that it sent does "
        "not work."
    ),
    "identity.in_vain_no_https": (
        "the identity server {server} gives no https address for its keys: the message that it sent does not work."
    ),
    # --- why an event is set aside, or cannot be read
    "entry.too_many": "the list has more than {most} entries",
    "entry.no_recommendation": "it recommends nothing",
    "entry.unknown_recommendation": "I do not know the recommendation {recommendation}",
    "entry.no_entity": "it names nobody: it has no entity, and no SHA-256 hash of one",
    "entry.too_long": "the entity has more than {most} bytes",
    "entry.no_user": "the entity is no user ID, and no glob",
    "entry.no_server": "the entity is no server name, and no glob",
    "entry.no_room": "the entity is no room ID or alias, and no glob",
    "event.not_readable": "not readable",
    "event.no_event": "not an event",
    "event.no_message": "encrypted, but no message",
    "unreadable.no_device": "it names no key of a device",
    "unreadable.not_asked": "it forwards a key that I did not ask them for",
    "unreadable.not_their_key": "it forwards a key that does not belong to one of their devices",
    "unreadable.not_their_device": "it is from a device that does not belong to its sender",
    "unreadable.other_device": "it names another device than the one that sent it",
    "unreadable.unknown_key": "it is a key for something that I do not know",
    "unreadable.other_session": "it is the key of another session than it says",
    "unreadable.mail": "a message of {user} to my device: {why}",
    "unreadable.unknown_algorithm": "I do not know its encryption",
    "unreadable.copy": "it is a copy of another message",
    "unreadable.does_not_open": "it cannot be decrypted with its key",
    "unreadable.nonsense": "its content makes no sense",
    "unreadable.other_room": "it was sent in another room",
    "unreadable.no_field": "it has no usable {field}",
    "event.no_membership": "m.room.member without a membership",
    "event.token_too_long": "the token is too long for a state key",
    "event.state_key_too_long": "the state key is too long",
    "event.no_field": "no usable {field}",
    "event.no_room_id": "room_id is no room id",
    "event.no_event_id": "event_id is no event id",
    "event.no_user_id": "{field} is no user id",
    "unreadable.no_key": "I did not get its key, though I asked for it",
    "unreadable.not_allowed": "encryption is not allowed in the config",
    "unreadable.too_many": "too many messages from one sender",
    # --- what the bot itself tells applicants
    "told.invite_expired": "Your invite has expired. You can ask again.",
    "told.cooldown": "You were rejected before. You can ask again from {when}.",
    "told.unanswered": "Please answer my questions and knock again.",
    "told.unreachable": "I could not ask you my questions. Please allow my invites and knock again.",
    "told.withdrawn": "Withdrawn by the applicant.",
    "told.undone": "taken back by the moderators",
    "told.taken_back": "This invite was revoked.",
    # --- the record
    "record.accept": "accept",
    "record.reject": "reject",
    "record.ban": "ban",
    "record.accepted": "accepted",
    "record.joined": "joined",
    "record.declined": "declined",
    "record.rejected": "rejected",
    "record.banned": "banned",
    "record.withdrawn": "withdrawn",
    "record.expired": "expired",
    "record.invite_withdrawn": "invite withdrawn",
    "record.kicked_later": "kicked after joining",
    "record.banned_later": "banned after joining",
    "record.removed": "removed again",
    "record.ban_lifted": "ban lifted",
    "record.standing": "invite approved",
    "record.redeemed": "invite used",
    "record.revoked": "revoked",
    "record.judged": "policy says {verdict}",
    "record.held": "policy says {verdict}, and leaves it to the moderators",
    "record.judged_unanswered": "policy says {verdict}, because the answers did not come in time",
    "record.judged_unreachable": "policy says {verdict}, because they cannot be reached for questions",
    "record.answer_removed": "removed an answer",
    "record.would": "policy would {verdict} (dry run)",
    "record.denied": "the server ACL denies their server",
    "record.answer_fell": "open again: the permission for the answer is missing",
    "record.answer_taken_back": "open again: the reaction with the answer ({verdict}) was removed",
    "record.voted": "vote for {verdict}",
    "record.voted_for": "enough votes for {verdict}: {whom}",
    "record.vote_taken_back": "vote for {verdict} taken back: {whom}",
    "record.votes_kept": "votes for {verdict} kept from {earlier}: {whom}",
    "record.undone": "undo of {verdict}",
    "record.not_undone": "not undone: the answer holds",
    "record.reopened/removed": "open again: the inviter was banned or kicked",
    "record.reopened/demoted": "open again: the inviter may no longer invite",
    "record.reopened/left": "open again: the inviter left",
    "record.not_let_in": "not accepted: the room was replaced",
    "record.moved_over": "moved to the room that replaces this one",
    "record.recalled": "found again after a restore",
    "record.wrote": "told the applicant",
    "record.not_told/refused": "not told: the applicant cannot be invited to a conversation",
    "record.not_told/declined": "not told: the applicant declined or left the conversation",
    "record.not_told/silent": "not told: the applicant's server does not answer",
    "record.not_told/not_made": "not told: my homeserver makes no room for the conversation",
    "record.not_told/ended": "not told: the conversation ended before that",
    "record.not_told/too_many": "not told: too many messages to applicants today",
    "record.came_by_code": "brought the code “{code}”",
    "record.code_made": "code “{code}” made",
    "record.code_ended": "code “{code}” ended",
    "record.vouched": "vouched for {whom}",
    "record.unvouched": "took back the word for {whom}",
    "record.word_fell": "left, or was removed: the word for {whom} counts no more",
    "record.appealed": "objected to the rejection",
    "record.answered": "answered a question",
    "record.asked": "asked the applicant something",
    "record.interviewed": "began an interview with the applicant",
    "record.also_invited_to": "also invited to {room}",
    "record.also_withdrawn": "invite to {room} withdrawn",
    "record.issued": "invite sent",
    "record.replaced": "invite replaced",
    "record.taken_back": "revoke",
    "record.taken_back/removed": "revoke: the inviter was banned or kicked",
    "record.taken_back/demoted": "revoke: the inviter may no longer invite",
    "record.taken_back/left": "revoke: the inviter left",
    "record.taken_back_with_ban": "revoke: the inviter is being banned",
    "record.inviter_banned": "inviter banned",
    "record.protect": "protect",
    "record.unprotect": "unprotect",
    "record.policy_set": "policy set, revision {revision}",
    "record.policy_reverted": "policy of revision {reverts} set again, as revision {revision}",
    "record.policy_applied": "policy applied to pending requests",
    "record.allowed": "pre-approved: {whom}",
    "record.disallowed": "no longer pre-approved: {whom}",
    "record.room_replaced": "moved to the room that replaces it",
}
"""By code, `code/choice` if an argument chooses. If there are two, the first is the singular (`count`)."""


def in_words(said: Notice) -> str:
    """The sentence of a reason."""
    choice = next((f"/{arg.value}" for arg in said.args.values() if isinstance(arg, Choice)), "")
    sentence = SENTENCES.get(f"{said.code}{choice}", said.code)
    if isinstance(sentence, tuple):
        sentence = sentence[said.args.get("count") != Number(1)]
    if said.code == "lines":
        return " ".join(in_words(line) for line in _items(said.args.get("lines")) if isinstance(line, Notice))
    parts = {name: _part(arg) for name, arg in said.args.items()}
    for name, arg in said.args.items():
        if isinstance(arg, Notice) and sentence.endswith(f"{{{name}}}"):
            parts[name] = in_words(arg)
    return sentence.format_map(_Parts(parts))


def clause(said: Notice) -> str:
    """The same inside a sentence: without its full stop."""
    return in_words(said).removesuffix(".")


def told_with(answer: Answer | Decision) -> Stranger | Notice | None:
    """What an applicant is told with an answer: the text that people wrote, else the bot's own text."""
    return Stranger(answer.reason, REASON_LIMIT) if answer.reason else answer.told


class _Parts(dict[str, str]):
    """The parts of a sentence; a part may be missing if another version stored it."""

    def __missing__(self, name: str) -> str:
        return "?"


def _items(arg: Arg | None) -> tuple[Arg, ...]:
    return arg.items if isinstance(arg, Many) else ()


def _part(arg: Arg) -> str:
    if isinstance(arg, Many):
        return ("; " if any(map(is_finding, arg.items)) else ", ").join(map(_part, arg.items))
    if isinstance(arg, Notice):
        return clause(arg)
    if isinstance(arg, Room):
        return arg.label
    told = astuple(arg)[0]
    if isinstance(arg, User | Id):
        return shown_id(told)
    if isinstance(arg, Stranger | Letters):
        return shown(told, arg.limit)
    return _number(arg, told) if isinstance(arg, Moment | Duration) else str(told)


def _number(arg: Moment | Duration, milliseconds: int) -> str:
    if isinstance(arg, Duration):
        return _span(milliseconds) if isinstance(arg, Span) else _length(milliseconds)
    return f"{datetime.fromtimestamp(min(max(milliseconds, 0), LATEST) // 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _span(milliseconds: int) -> str:
    units = (("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", SECOND))
    unit, length = next((one for one in units if milliseconds % one[1] == 0), units[-1])
    return f"{milliseconds // length} {unit}{'s' if milliseconds // length != 1 else ''}"


def _length(milliseconds: int) -> str:
    for unit, length in (("day", DAY), ("hour", HOUR)):
        if milliseconds >= length:
            return f"{milliseconds // length} {unit}{'s' if milliseconds >= 2 * length else ''}"
    return f"{milliseconds / 1000:g} second{'s' if milliseconds != SECOND else ''}"


def is_finding(arg: Arg) -> bool:
    """Whether this says what a criterion found."""
    return isinstance(arg, Notice) and arg.code.startswith("finding.")
