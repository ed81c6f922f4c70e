"""What is said about policy lists: on cards and lines, in explanations, by `lists`, and when something is amiss."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import (
    Ago,
    Choice,
    Code,
    Id,
    Letters,
    Many,
    Notice,
    Number,
    Room,
    Rule,
    Stranger,
    User,
)

SENTENCES: Mapping[str, Sentence] = {
    "card.found": says("They are {why}.", why=Notice),
    "card.found_inviter": says("The inviter is {why}.", why=Notice),
    "card.no_longer": says("Rule {rule} does not match any more: {why}.", rule=Rule, why=Notice),
    "card.listed": says("⚠️ The policy asks you, because they are {why}.", why=Notice),
    "card.listed_though": says("⚠️ They are {why}. The moderators decide, because {doubt}.", why=Notice, doubt=Notice),
    "card.listed_inviter": says("⚠️ The policy asks you, because the inviter is {why}.", why=Notice),
    "card.listed_inviter_though": says(
        "⚠️ The inviter is {why}. The moderators decide, because {doubt}.", why=Notice, doubt=Notice
    ),
    "card.list_unknown": says(
        "The moderators decide, because a policy list cannot be checked now. Unknown: {why}", why=Notice
    ),
    "explain.listed": says("Policy: {verdict}, because they are {why}", verdict=Notice, why=Notice),
    "explain.listed_though": says(
        "Policy: {verdict}, though they are {why}, because {doubt}", verdict=Notice, why=Notice, doubt=Notice
    ),
    "explain.listed_inviter": says("Policy: {verdict}, because the inviter is {why}", verdict=Notice, why=Notice),
    "explain.listed_inviter_though": says(
        "Policy: {verdict}, though the inviter is {why}, because {doubt}", verdict=Notice, why=Notice, doubt=Notice
    ),
    "explain.list_unknown": says(
        "Policy: {verdict}, because a policy list cannot be checked. Unknown: {why}", verdict=Notice, why=Notice
    ),
    "policy.names_closed_list": says(
        "{place} names {room}. A list must be public, or you must have joined its room. And {bot} must be able to join it: "
        "invite {bot} there, and if it is banned there, lift the ban first. Then set the policy again.",
        place=Notice,
        room=Letters,
        bot=User,
    ),
    "policy.names_unjoined_list": says(
        "{place} names {room}. You are invited to that room, and have not joined it. Join it, and set the policy again.",
        place=Notice,
        room=Letters,
    ),
    "policy.names_own_room_as_list": says(
        "{place} names {room}, which is the room of this policy itself. A list has a room of its own.",
        place=Notice,
        room=Letters,
    ),
    "policy.names_management_room_as_list": says(
        "{place} names {room}, which is the management room. A list has a room of its own.",
        place=Notice,
        room=Letters,
    ),
    "policy.names_list_twice": says(
        "{place} names {room}, which is the same room as that of the list {name}. Name each list once.",
        place=Notice,
        room=Letters,
        name=Stranger,
    ),
    "policy.names_unknown_room": says("I cannot find {room}: {why}", room=Letters, why=Notice),
    "policy_list.cannot_enter": says(
        "I cannot join the list {name} now: {why} Try again later.", name=Stranger, why=Notice
    ),
    "policy_list.keeps_out": says("a policy list of that room names them."),
    "policy_list.not_known": says("a policy list of that room cannot be checked now."),
    "policy_list.lost": says(
        "⚠️ I cannot follow the policy list {name} ({id}) any more: {why}. What it said last stays in force. As soon as "
        "{bot} is in its room again, I read it anew.",
        name=Stranger,
        id=Id,
        why=Notice,
        bot=User,
    ),
    "policy_list.never_read": says(
        "⚠️ I cannot read the policy list {name} ({id}): {why}. Until then the moderators decide about everybody. Invite "
        "{bot} to the room of the list.",
        name=Stranger,
        id=Id,
        why=Notice,
        bot=User,
    ),
    "policy_list.other_writers": says(
        "Other people can write to the policy list {name} now. New: {came}. No longer: {went}.",
        name=Stranger,
        came=Notice,
        went=Notice,
    ),
    "policy_list.opened": says(
        "⚠️ Everybody in the room of the policy list {name} ({id}) can write to it now.", name=Stranger, id=Id
    ),
    "policy_list.closed": says(
        "Not everybody in its room can write to the policy list {name} any more. These people can: {users}.",
        name=Stranger,
        users=Notice,
    ),
    "policy_list.open_to_write": says("⚠️ Everybody in the room of this list can write to it."),
    "policy_list.row_behind": says("· I am still reading it; until then the moderators decide about everybody"),
    "policy_list.row_open": says("· ⚠️ everybody in its room can write to it"),
    "policy_list.nobody": says("nobody"),
    "policy_list.people": says("{users}", users=Many),
    "policy_list.people_more": says("{users} and {more} more", users=Many, more=Number),
    "policy_list.shrunk": says(
        "The policy list {name} lost {lost} of its {before} entries. Who was banned stays banned, and who waits is judged "
        "again.",
        name=Stranger,
        lost=Number,
        before=Number,
    ),
    "named.list_replaced": says(
        "🚚 The policy of {room} uses the list {name}, and its room was replaced by {new} {id}. What the list said last "
        "stays in force. Click ✅ to use the new list in the policy, or type {command}.",
        room=Room,
        name=Id,
        new=Room,
        id=Id,
        command=Code,
    ),
    "named.cannot_enter": says(
        "Policy not changed: I cannot join {new}: {why} Invite {bot} there, remove your ✅, and click it again.",
        new=Id,
        why=Notice,
        bot=User,
    ),
    "named.not_used": says("Policy not changed: I do not use {new}: {why}", new=Id, why=Notice),
    "named.list_replaced_unseen": says(
        "🚚 The policy of {room} uses the list {name}, and its room was replaced by {id}. What the list said last "
        "stays in force. Click ✅ to use the new list in the policy, or type {command}.",
        room=Room,
        name=Id,
        id=Id,
        command=Code,
    ),
    "named.list_lost": says(
        "⚠️ The policy of {room} uses the list {name}, and its room was replaced by {new}. What the list said last stays in "
        "force. I do not use the new list: {why}",
        room=Room,
        name=Id,
        new=Letters,
        why=Notice,
    ),
    "policy_list.names_everybody": says(
        "The policy list {name} has entries that name everybody: {entities}. They do nothing, unless the policy has "
        "allow_everything: true for this list.",
        name=Stranger,
        entities=Many,
    ),
    "dossier.on_list": says("⚠️ They are {why}.", why=Notice),
    "policy_list.hits/waiting": says(
        "The list {name} names {count} person whose request for {room} waits: {users}. I judge this request again now.",
        "The list {name} names {count} people whose requests for {room} wait: {users}. I judge these requests again now.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/told": says(
        "The list {name} names {count} person whose request for {room} waits: {users}. The card of this request says so already.",
        "The list {name} names {count} people whose requests for {room} wait: {users}. The cards of these requests say so already.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/waiting_only": says(
        "The list {name} names {count} person whose request for {room} waits: {users}. This request goes on waiting, because only rules ask this list.",
        "The list {name} names {count} people whose requests for {room} wait: {users}. These requests go on waiting, because only rules ask this list.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/joined": says(
        "The list {name} names {count} person who has joined {room}: {users}. They stay in the room.",
        "The list {name} names {count} people who have joined {room}: {users}. They stay in the room.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/after": says(
        "The list {name} names {count} person whose request for {room} waits: {users}. Another list that comes first in the policy decides about them.",
        "The list {name} names {count} people whose requests for {room} wait: {users}. Another list that comes first in the policy decides about them.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/decided": says(
        "The list {name} names {count} person who waited at {room} or was invited there: {users}. It has decided about them.",
        "The list {name} names {count} people who waited at {room} or were invited there: {users}. It has decided about them.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/invited": says(
        "The list {name} names {count} person who is invited to {room} and has not joined: {users}. I withdraw the invite, unless a moderator accepted them.",
        "The list {name} names {count} people who are invited to {room} and have not joined: {users}. I withdraw the invites, except of those whom a moderator accepted.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/invited_powerless": says(
        "The list {name} names {count} person who is invited to {room} and has not joined: {users}. I have no power to withdraw the invite now. I do it once I have the power, unless a moderator accepted them.",
        "The list {name} names {count} people who are invited to {room} and have not joined: {users}. I have no power to withdraw the invites now. I do it once I have the power, except for those whom a moderator accepted.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/invited_only": says(
        "The list {name} names {count} person who is invited to {room} and has not joined: {users}. The list does not decide: the invite stays, unless a rule withdraws it.",
        "The list {name} names {count} people who are invited to {room} and have not joined: {users}. The list does not decide: the invites stay, unless a rule withdraws them.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits/invited_dry": says(
        "The list {name} names {count} person who is invited to {room} and has not joined: {users}. The invite stays.",
        "The list {name} names {count} people who are invited to {room} and have not joined: {users}. The invites stay.",
        who=Choice,
        name=Stranger,
        count=Number,
        room=Room,
        users=Notice,
    ),
    "policy_list.hits_more": says(
        "The list {name} also names people at {count} more room.",
        "The list {name} also names people at {count} more rooms.",
        name=Stranger,
        count=Number,
    ),
    "policy_list.hits_nobody_there": says(
        "The list {name} names nobody who is in {room} or in the other {count} room where its policy decides, or waits there.",
        "The list {name} names nobody who is in {room} or in the other {count} rooms where its policy decides, or waits there.",
        name=Stranger,
        room=Room,
        count=Number,
    ),
    "policy_list.hits_nobody": says(
        "The list {name} names nobody who is in {room} or waits there.", name=Stranger, room=Room
    ),
    "policy_list.hits_of_some": says(
        "I compared only {compared} of {people} people with it.", compared=Number, people=Number
    ),
    "policy_list.hits_unread": says(
        "The list {name} could not be read within an hour, so I do not know whom it names in {room}.",
        name=Stranger,
        room=Room,
    ),
    "policy_list.hits_unknown": says(
        "I cannot see whom the list {name} names in {room}: {why}", name=Stranger, room=Room, why=Notice
    ),
    "command/lists": says("the policy lists that are used, and what is on them", name=Choice),
    "policy_list.none": says("No policy here uses a policy list. A policy names its lists under {key}.", key=Code),
    "policy_list.unread": says("{name} {id}: not read yet", name=Stranger, id=Id),
    "policy_list.row": says(
        "{name} {id}: users {users}, servers {servers}, rooms {rooms}. Read {read}, changed {changed}.",
        name=Stranger,
        id=Id,
        users=Number,
        servers=Number,
        rooms=Number,
        read=Ago,
        changed=Ago,
    ),
    "policy_list.row_unchanged": says(
        "{name} {id}: users {users}, servers {servers}, rooms {rooms}. Read {read}.",
        name=Stranger,
        id=Id,
        users=Number,
        servers=Number,
        rooms=Number,
        read=Ago,
    ),
    "policy_list.used": says("· in {room}: {then}", room=Room, then=Code),
    "policy_list.used_twice": says(
        "· ⚠️ in {room}: the policy names this list again, as {name}. Only what it says of {first} counts.",
        room=Room,
        name=Stranger,
        first=Stranger,
    ),
    "policy_list.not_followed": says(
        "⚠️ I cannot follow the policy list {name} ({id}) now: {why}. What it said last stays in force.",
        name=Stranger,
        id=Id,
        why=Notice,
    ),
    "policy_list.twice": says(
        "⚠️ The policy names the list {first} ({id}) again, as {name}. Only what it says of {first} counts.",
        name=Stranger,
        first=Stranger,
        id=Id,
    ),
    "policy_list.moved_waiting": says("· ⚠️ moved to {new}: I cannot enter that room yet", new=Letters),
    "policy_list.moved_offered": says(
        "· ⚠️ moved to {new}: not followed yet, I wait for a click on my question", new=Letters
    ),
    "policy_list.moved_refused": says("· ⚠️ moved to {new}: I do not use that room", new=Letters),
    "policy_list.unusable": says(
        "· {count} entry does nothing, because {why}",
        "· {count} entries do nothing, each because {why}",
        count=Number,
        why=Notice,
    ),
    "policy_list.unusable_too": says(
        "· {count} more entry does nothing, for another reason",
        "· {count} more entries do nothing, for other reasons",
        count=Number,
    ),
    "policy_list.everybody": says("· names everybody: {entities}", entities=Many),
    "policy_list.trouble": says("· ⚠️ I cannot follow it now: {why}", why=Notice),
}
