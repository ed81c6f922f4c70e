"""The sentences about answers that are undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.chat.sentences.rows import By, Sentence, says
from knockbot.domain.notices import Ago, Choice, Code, Duration, Many, Moment, Notice, Number, Numbered, Room, User

_NO: Mapping[str, Any] = {"request": Numbered, "user": User}
_DONE: Mapping[str, Any] = {"step": Choice, "request": Numbered, "user": User, "room": Room, "by": By}
_CARD: Mapping[str, Any] = {"step": Choice, "by": By, "was": By}

SENTENCES: Mapping[str, Sentence] = {
    "command/undo": says("take back your last answer, or the answer to a request", name=Choice),
    # What is done.
    "undo.done/invite": says("I invite {user} to {room} ({request}, rejected by {by}).", **_DONE),
    "undo.done/lift": says(
        "I lift the ban of {user} in {room} ({request}, banned by {by}). They can ask again then.", **_DONE
    ),
    "undo.done/lift_inviter": says(
        "I lift the ban of {user} in {room} ({request}, banned by {by}). The invite itself stays revoked.", **_DONE
    ),
    "undo.done/remove": says("I remove {user} from {room} ({request}, accepted by {by}).", **_DONE),
    "undo.done/revoke": says("I revoke the invite of {user} to {room} ({request}, accepted by {by}).", **_DONE),
    "undo.done/withdraw": says("I withdraw the invite of {user} to {room} ({request}, accepted by {by}).", **_DONE),
    "undo.open_again": says(
        "{request} is open again. The answer of {by} about {user} in {room} was not carried out yet.",
        request=Numbered,
        user=User,
        room=Room,
        by=By,
    ),
    "undo.takes_votes": says(
        "{request}: an accept takes {count} moderators here, so you cannot undo this rejection alone. {user} can ask "
        "again. Or type this in your client: {command}",
        request=Numbered,
        count=Number,
        user=User,
        command=Code,
    ),
    "undo.fell": says(
        "⚠️ {request} was not undone: {user} in {room}. {by} wanted that. {why}",
        request=Numbered,
        user=User,
        room=Room,
        by=User,
        why=Notice,
    ),
    "undo.still_banned": says(
        "⚠️ I could not lift the ban of {user} in {room}: {why}", user=User, room=Room, why=Notice
    ),
    "undo.also_withdrawn": says(
        "I also withdraw the invites of {user} to other rooms: {rooms}.", user=User, rooms=Many
    ),
    "undo.also_taken": says(
        "{user} was also invited to other rooms, and may have joined there. I remove nobody from these: {rooms}.",
        user=User,
        rooms=Many,
    ),
    "undo.batch": says(
        "I undo the {count} answer that batch {batch} gave. I tell you when it is done.",
        "I undo the {count} answers that batch {batch} gave. I tell you when it is done.",
        batch=Number,
        count=Number,
    ),
    "undo.batch_again": says(
        "I try again to undo the {count} answer of batch {batch} that is left. I tell you when it is done.",
        "I try again to undo the {count} answers of batch {batch} that are left. I tell you when it is done.",
        batch=Number,
        count=Number,
    ),
    "undo.batch_only_votes": says(
        "I take back the {count} vote that batch {batch} gave. I tell you when it is done.",
        "I take back the {count} votes that batch {batch} gave. I tell you when it is done.",
        batch=Number,
        count=Number,
    ),
    "undo.batch_votes": says(
        "I take back the {count} answer or vote that batch {batch} gave. I tell you when it is done.",
        "I take back the {count} answers and votes that batch {batch} gave. I tell you when it is done.",
        batch=Number,
        count=Number,
    ),
    "undo.batch_unvoted": says(
        "Undo of batch {batch}: {count} vote was taken back.",
        "Undo of batch {batch}: {count} votes were taken back.",
        batch=Number,
        count=Number,
    ),
    "undo.batch_done": says(
        "Undo of batch {batch}: {count} answer was undone.",
        "Undo of batch {batch}: {count} answers were undone.",
        batch=Number,
        count=Number,
    ),
    "undo.batch_left": says("{requests}: {why}", requests=Many, why=Notice),
    "undo.batch_same": says("The same holds for {requests}.", requests=Many),
    "undo.batch_more": says("{count} more was not undone.", "{count} more were not undone.", count=Number),
    "undo.batch_try_again": says("To try again with what is left: {command}", command=Code),
    "undo.batch_joined": says("{request}: {user} has joined. To remove them: {command}", command=Code, **_NO),
    "undo.batch_running": says(
        "Batch {batch} is still running. Please stop it first: click ❌ on its message.", batch=Number
    ),
    "undo.batch_under_way": says("Batch {batch} is being undone. I tell you when it is done.", batch=Number),
    "undo.batch_already": says("Batch {batch} was already undone. For one of its requests: !kb undo N", batch=Number),
    "queue.undo": says(
        "Undo of batch {number}, for {user}: {done} of {count}", number=Number, user=User, done=Number, count=Number
    ),
    # On the card.
    "outcome.undone/invite": says("Undone by {by}: invited, after {was} had rejected. Not joined yet.", **_CARD),
    "outcome.undone/lift": says("Undone by {by}: the ban by {was} was lifted.", **_CARD),
    "outcome.undone/remove": says("Undone by {by}: removed from the room, after {was} had accepted.", **_CARD),
    "outcome.undone/revoke": says("Undone by {by}: the invite was revoked, after {was} had accepted it.", **_CARD),
    "outcome.undone/withdraw": says("Undone by {by}: the invite was withdrawn, after {was} had accepted.", **_CARD),
    "outcome.invite_expired": says("Accepted by {was}. Nobody took the invite in time, so I withdrew it.", was=By),
    "outcome.invite_expires": says("Accepted by {was}. Nobody took the invite in time: I withdraw it.", was=By),
    "outcome.expiry_blocked": says(
        "Accepted by {was}. Nobody took the invite in time. I cannot withdraw it yet: {why}", was=By, why=Notice
    ),
    "invite.not_expired": says(
        "⚠️ {request}: the invite of {user} to {room} has expired, and I cannot withdraw it: {why}",
        request=Numbered,
        user=User,
        room=Room,
        why=Notice,
    ),
    "invites.expire": says(
        "⌛ {count} person has not taken their invite to {room} within {time}. I withdraw it: {requests}.",
        "⌛ {count} people have not taken their invites to {room} within {time}. I withdraw them: {requests}.",
        count=Number,
        room=Room,
        time=Duration,
        requests=Many,
    ),
    "outcome.undoing": says("{by} is undoing the answer of {was}.", by=By, was=By),
    "outcome.undo_blocked": says(
        "{by} is undoing the answer of {was}. I cannot do that yet: {why}", by=By, was=By, why=Notice
    ),
    # The question about a member.
    "undo.ask": says(
        "{whose}: {user} has joined {room} ({request}, accepted by {by}, {time}). Remove them from the room? "
        "✅ yes, ❌ no",
        whose=User,
        user=User,
        room=Room,
        request=Numbered,
        by=By,
        time=Moment,
    ),
    "undo.too_late": says(
        "{request}: the ✅ was taken back too late, {user} is already removed. To invite them again, type this in your "
        "client: {command}",
        request=Numbered,
        user=User,
        command=Code,
    ),
    "undo.unconfirmed": says("Nobody said yes in time: {user} stays in {room}.", user=User, room=Room),
    "undo.not_for_you": says("Only {user} can answer this question, because they want the undo.", user=User),
    # What cannot be undone.
    "undo.none": says("You have answered nothing here that I could undo."),
    "undo.nothing": says("{request} has no answer that I could undo.", request=Numbered),
    "undo.no_vote": says("{request} has no answer, and no vote of yours that I could take back.", request=Numbered),
    "undo.over/declined": says("{request}: nothing to undo. {user} declined the invite.", state=Choice, **_NO),
    "undo.invite_expired": says(
        "{request}: nothing to undo. {user} did not take the invite in time. They can ask again, or you invite them in "
        "your client.",
        **_NO,
    ),
    "undo.over/expired": says("{request}: nothing to undo. Nobody answered {user} in time.", state=Choice, **_NO),
    "undo.over/withdrawn": says("{request}: nothing to undo. {user} withdrew the join request.", state=Choice, **_NO),
    "undo.too_old": says(
        "{request} was answered {when}. I undo only answers of the last {time}.",
        request=Numbered,
        when=Ago,
        time=Duration,
    ),
    "undo.already": says(
        "{request} was already undone by {by} {when}. To change it again, type this in your client: {command}",
        request=Numbered,
        by=User,
        when=Ago,
        command=Code,
    ),
    "undo.is_undone": says("{request} was already undone by {by} {when}.", request=Numbered, by=User, when=Ago),
    "undo.before": says(
        "Your answer before that was about {user} ({request}). To undo it: {command}", command=Code, **_NO
    ),
    "undo.not_yours": says(
        "{request} has another answer now, by {by}. To undo that one: {command}",
        request=Numbered,
        by=By,
        command=Code,
    ),
    "undo.under_way": says(
        "The answer to {request} is being carried out at this moment. Please try again in a moment.", request=Numbered
    ),
    "undo.changed": says("{request} has changed at this moment. Please look at it and try again.", request=Numbered),
    "undo.half": says(
        "{request}: {user} was banned, and the invite is being revoked. I cannot undo half of it. "
        "Please try again when it is done.",
        **_NO,
    ),
    "undo.lacks_power": says("{request}: you cannot undo this. {why}", request=Numbered, why=Notice),
    "undo.revoked": says(
        "{request}: a revoked invite cannot be restored, because its keys are gone. "
        "To invite the person again: {command}",
        request=Numbered,
        command=Code,
    ),
    "undo.asked_again": says(
        "{request}: {user} has asked again since, with {newer}. Please see {command}",
        newer=Numbered,
        command=Code,
        **_NO,
    ),
    "undo.knocked": says("{request}: {user} is asking again now. Please answer the new request instead.", **_NO),
    "undo.lifted": says("{request}: the ban of {user} is already lifted.", **_NO),
    "undo.moved/join": says("{request}: {user} has joined by now.", membership=Choice, **_NO),
    "undo.moved/leave": says("{request}: {user} has left by themselves since.", membership=Choice, **_NO),
    "undo.moved_by/ban": says("{request}: {by} has banned {user} since.", membership=Choice, by=User, **_NO),
    "undo.moved_by/invite": says("{request}: {by} has invited {user} since.", membership=Choice, by=User, **_NO),
    "undo.moved_by/leave": says("{request}: {by} has removed {user} since.", membership=Choice, by=User, **_NO),
    "undo.still_listed": says("They may be banned again when they ask: {why}", why=Notice),
    "undo.kept_out": says(
        "{request}: I do not invite {user}: {why} To invite them anyway, type this in your client: {command}",
        why=Notice,
        command=Code,
        **_NO,
    ),
}
