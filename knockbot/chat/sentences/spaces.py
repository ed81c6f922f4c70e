"""The sentences about spaces that are protected with their rooms."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import By, Sentence, says
from knockbot.domain.notices import Choice, Code, Id, Letters, Many, Notice, Number, Numbered, Room, User

SENTENCES: Mapping[str, Sentence] = {
    "space.begun": says(
        "I look at the rooms of {space} now, one after the other. When I am done, I reply here.", space=Room
    ),
    "space.no_space": says(
        "{room} is not a space, so it has no rooms. To protect it, type {command}.", room=Room, command=Code
    ),
    "space.protected": says(
        "🚪 {space} is protected with its rooms: {count} room is protected now.",
        "🚪 {space} is protected with its rooms: {count} rooms are protected now.",
        space=Room,
        count=Number,
    ),
    "space.not_protected": says(
        "I cannot protect {count} room yet. To try again, type {command}.",
        "I cannot protect {count} rooms yet. To try again, type {command}.",
        count=Number,
        command=Code,
    ),
    "space.still_asked": says(
        "I cannot protect {count} room for {user}. The question stays open for it: somebody else can click ✅.",
        "I cannot protect {count} rooms for {user}. The question stays open for them: somebody else can click ✅.",
        count=Number,
        user=User,
    ),
    "space.apart": says(
        "{count} room was protected before, and the policy of {space} does not count there:",
        "{count} rooms were protected before, and the policy of {space} does not count there:",
        count=Number,
        space=Room,
    ),
    "space.missing": says("❌ {why}", why=Notice),
    "space.more": says(
        "… and {count} more. {command} shows all rooms of {space}.", space=Room, count=Number, command=Code
    ),
    "space.unseen": says(
        "{room}: you and I must both be members of it, you need the power level for it, and no other management room may have it. Invite {bot} there; then I try again. By itself, {command} protects it.",
        room=Id,
        bot=User,
        command=Code,
    ),
    "space.powerless": says(
        "{room}: {why}. Raise the power level of {bot} there; then I protect it.", room=Room, why=Notice, bot=User
    ),
    "space.failed": says("{room}: {why}", room=Id, why=Notice),
    "space.removed": says(
        "{count} room is no longer in the space {space}. It stays protected.",
        "{count} rooms are no longer in the space {space}. They stay protected.",
        space=Room,
        count=Number,
    ),
    "space.there_already": says(
        "🧩 {space} has {count} new room. It was protected before, so nothing changes there. If the policy of {space} is to count there too, type {command}.",
        "🧩 {space} has {count} new rooms. They were protected before, so nothing changes there. If the policy of {space} is to count there too, type {command}.",
        space=Room,
        count=Number,
        command=Code,
    ),
    "space.offered": says(
        "🧩 {space} has {count} new room: {rooms}. Shall I protect it too? ✅ protects it, if you may do that there. The policy of {space} decides there then, unless the room has its own policy. ❌ leaves it as it is.",
        "🧩 {space} has {count} new rooms: {rooms}. Shall I protect them too? ✅ protects those where you may do that. The policy of {space} decides there then, unless a room has its own policy. ❌ leaves them as they are.",
        space=Room,
        count=Number,
        rooms=Many,
    ),
    "space.stay": says(
        "Its {count} room stays protected. If it shall not be protected any more either, type {command}.",
        "Its {count} rooms stay protected. If they shall not be protected any more either, type {command}.",
        count=Number,
        command=Code,
    ),
    "space.ended": says(
        "{count} room of {space} is no longer protected either.",
        "{count} rooms of {space} are no longer protected either.",
        count=Number,
        space=Room,
    ),
    "space.ended_later": says(
        "{count} room is no longer protected. Please answer its pending join requests yourself, in your client.",
        "{count} rooms are no longer protected. Please answer their pending join requests yourself, in your client.",
        count=Number,
    ),
    "space.kept": says("{count} room stays protected:", "{count} rooms stay protected:", count=Number),
    # --- also_invite
    "policy.invites_itself": says(
        "{place} names {room}, which is the room of this policy itself. Name other rooms.", place=Notice, room=Letters
    ),
    "policy.invites_elsewhere": says(
        "{place} names {room}, which is not managed from here. Protect it from here first.",
        place=Notice,
        room=Letters,
    ),
    "also.missed": says(
        "{user} joined {room}, but I could not invite them to {count} other room:",
        "{user} joined {room}, but I could not invite them to {count} other rooms:",
        user=User,
        room=Room,
        count=Number,
    ),
    "also.called_back": says(
        "{user} was invited to {room} as well and has not joined. I withdraw the invite, because they are {why}.",
        user=User,
        room=Room,
        why=Notice,
    ),
    "also.not_called_back": says(
        "⚠️ {user} was invited to {room} as well and has not joined. They are {named}. I could not withdraw the invite: "
        "{why} To withdraw it, remove them from the room in your client.",
        user=User,
        room=Room,
        named=Notice,
        why=Notice,
    ),
    "also.called_back_later": says(
        "⚠️ {user} was invited to {room} as well and has not joined. They are {named}. I cannot withdraw the invite yet: "
        "{why} I withdraw it once I can.",
        user=User,
        room=Room,
        named=Notice,
        why=Notice,
    ),
    "also.still_invited": says(
        "⚠️ {user} was invited to {room} as well and has not joined. I could not withdraw the invite: {why} To withdraw it, "
        "remove them from the room in your client.",
        user=User,
        room=Room,
        why=Notice,
    ),
    "also.row": says("❌ {room}: {why}", room=Room | Id, why=Notice),
    "also.removed": says("{user} removed them there. To invite them all the same, type /invite there.", user=User),
    "also.may_not/moderator": says("{user} accepted them: {why}", who=Choice, user=User, why=Notice),
    "also.may_not/author": says("{user} set the policy: {why}", who=Choice, user=User, why=Notice),
    "also.not_in_it/moderator": says("{user}, who accepted them, is not in this room.", who=Choice, user=User),
    "also.not_in_it/author": says("{user}, who set the policy, is not in this room.", who=Choice, user=User),
    "also.one_vote": says(
        "the accept of {user} is one vote for their request {request} there.", user=User, request=Numbered
    ),
    "also.vote_from_outside": says(
        "the accept of {user} would be a vote for their request {request} there, but does not count, because {user} is "
        "not in this room.",
        user=User,
        request=Numbered,
    ),
    "also.would": says(
        "its policy is in dry run. I would have invited them.",
    ),
    "also.would_accept": says(
        "its policy is in dry run. I would have accepted their request {request} there.", request=Numbered
    ),
    "also.answered/reject": says(
        "{by} chose to reject their request {request} there.", by=By, request=Numbered, verdict=Choice
    ),
    "also.answered/ban": says(
        "{by} chose to ban them for their request {request} there.", by=By, request=Numbered, verdict=Choice
    ),
    "also.banned": says("they are banned there."),
    "also.replaced": says("it was replaced by another room."),
    "also.not_managed": says("it is no longer managed from here."),
    "also.more": says("… and {count} more.", count=Number),
    # --- check, rooms
    "space.of": says("🧩 in the space {space}", space=Room),
    "space.also_in": says(
        "🧩 It belongs to the space {space}, which had it first. It is in {others} too; their policies do not count for it.",
        space=Room,
        others=Many,
    ),
    "space.counts": says(
        "🧩 with its rooms: {count} protected, {missing} not yet, {due} still to be looked at",
        count=Number,
        missing=Number,
        due=Number,
    ),
    "space.row/due": says("⏳ {room}: I still have to look at it", stage=Choice, room=Room | Id),
    "space.row/left": says("➖ {room}: not protected", stage=Choice, room=Room | Id),
    "space.row/offered": says("❓ {room}: you are asked about it", stage=Choice, room=Room | Id),
    "space.row/protected": says("✅ {room}", stage=Choice, room=Room | Id),
    "space.row_apart": says("✅ {room}: protected, but the policy of the space does not count there", room=Room),
    "space.row_elsewhere": says("✅ {room}, as a room of {space}", room=Room, space=Room),
}
