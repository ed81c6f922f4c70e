"""What is said about policies of spaces: where a policy is from, and which rooms take it."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Code, Many, Notice, Number, Room

SENTENCES: Mapping[str, Sentence] = {
    "policy.of_space": says("the policy of {space}, {source}", space=Room, source=Notice),
    "policy.goes_by": says("In force: {origin}.", origin=Notice),
    "policy.goes_on_with": says("After its own policy: {origin}.", origin=Notice),
    "policy.follows": says("Then follows {origin}:", origin=Notice),
    "policy.follows_nothing": says("Then follows {origin}. It adds nothing here.", origin=Notice),
    "policy.rest": says("A setting that none of them sets has its built-in default."),
    "policy.rooms": says("Rooms: {rooms}", rooms=Many),
    "policy.taken_by": says(
        "The policy of {space} decides in {count} room as well.",
        "The policy of {space} decides in {count} rooms as well.",
        count=Number,
        space=Room,
    ),
    "policy.may_be_applied_in": says(
        "{count} pending request in {space} and its rooms was judged by the policy before (rooms with requests: {rooms}). To judge it by the policy in force, click ✅ or type {command}.",
        "{count} pending requests in {space} and its rooms were judged by the policy before (rooms with requests: {rooms}). To judge them by the policy in force, click ✅ or type {command}.",
        count=Number,
        space=Room,
        rooms=Number,
        command=Code,
    ),
    "policy.applying_in": says(
        "I judge {count} pending request again by the policy in force (rooms: {rooms}). I will reply here with the result.",
        "I judge {count} pending requests again by the policy in force (rooms: {rooms}). I will reply here with the result.",
        count=Number,
        rooms=Number,
    ),
    "policy.applied_in": says(
        "I judged {count} pending request again (rooms: {rooms}). Accept: {accept}. Reject: {reject}. Ban: {ban}. Left to the moderators: {forward}.",
        "I judged {count} pending requests again (rooms: {rooms}). Accept: {accept}. Reject: {reject}. Ban: {ban}. Left to the moderators: {forward}.",
        count=Number,
        rooms=Number,
        accept=Number,
        reject=Number,
        ban=Number,
        forward=Number,
    ),
    "policy.taken_no_longer": says(
        "The policy of {space} no longer decides in {count} room.",
        "The policy of {space} no longer decides in {count} rooms.",
        count=Number,
        space=Room,
    ),
    "policy.decides_in": says("In force now in {rooms}: {ways}.", rooms=Many, ways=Many),
    "policy.first_own": says("the room's own policy"),
    "policy.first_space": says("the policy of {space}", space=Room),
    "policy.first_default": says("the default policy"),
    "policy.then_space": says("then the policy of {space}", space=Room),
    "policy.then_default": says("then the default policy"),
    "policy.not_applied": says("Not in {room}: {why}", room=Room, why=Notice),
    "policy.never_changed_here": says("{room} has no policy of its own.", room=Room),
}
