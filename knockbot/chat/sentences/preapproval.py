"""The sentences about people who are approved before they knock."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Letters, Notice, Number, Room, Stranger, User


def _no_table(text: str) -> Sentence:
    return says(text, how=Choice)


SENTENCES: Mapping[str, Sentence] = {
    "ask.allow": says(
        "Whom? Write the user before the room. Give a full user ID, or *:server for everybody from a server. For several people, write one on each line below, or send a CSV file with this command as its caption."
    ),
    "command/allow": says("pre-approve people: they need not wait when they knock", name=Choice),
    "command/disallow": says("no longer pre-approve them", name=Choice),
    "command/allowed": says("who is pre-approved, and by whom", name=Choice),
    # --- what is done
    "allow.done": says("✅ Pre-approved for {room}: {who}.", room=Room, who=Notice),
    "allow.until": says("until {date} ({zone})", date=Code, zone=Letters),
    "allow.note": says("note: {note}", note=Stranger),
    "allow.renewed": says("You had pre-approved them before: {who}. The new dates and notes count.", who=Notice),
    "allow.renewed_one": says(
        "You had pre-approved {who} before, {before}. Now it counts {now}.", who=Notice, before=Notice, now=Notice
    ),
    "allow.renewed_same": says("You had pre-approved {who} before.", who=Notice),
    "allow.no_end": says("without an end"),
    "allow.repeated": says(
        "{count} line names somebody whom a later line names again. The later line counts.",
        "{count} lines name somebody whom a later line names again. The later line counts.",
        count=Number,
    ),
    "allow.one_waits": says("{who} is waiting for an answer. I judge this request again.", who=Notice),
    "allow.waiting": says(
        "{count} of them is waiting for an answer. I judge this request again.",
        "{count} of them are waiting for an answer. I judge these requests again.",
        count=Number,
    ),
    "allow.no_rule": says(
        "⚠️ No rule in the policy of {room} asks for {key}, so pre-approval has no effect there yet. Add this rule with {command}:",
        room=Room,
        key=Code,
        command=Code,
    ),
    "allow.no_rule_locked": says(
        "⚠️ No rule in the policy of {room} asks for {key}, so pre-approval has no effect there yet. The room is set in my config file. Only my server's admin can add this rule there:",
        room=Room,
        key=Code,
    ),
    "allow.not_a_member": says("Only members of {room} can pre-approve people there.", room=Room),
    "allow.joined": says("{user} is in {room} already.", user=User, room=Room),
    "allow.banned": says(
        "⚠️ {user} is banned from {room}, and so cannot knock. Lift the ban first.", user=User, room=Room
    ),
    "allow.capitals": says(
        "⚠️ User IDs have no capital letters, except those of very old accounts. {user} and {lower} are two accounts.",
        user=User,
        lower=User,
    ),
    "disallow.done": says("✅ No longer pre-approved for {room}: {who}.", room=Room, who=Notice),
    "disallow.missing": says("Not pre-approved for {room}, so nothing to take back: {who}.", room=Room, who=Notice),
    "disallow.server": says(
        "⚠️ Everybody from {server} is still pre-approved. To change that, type {command}.", server=Letters, command=Code
    ),
    "disallow.space": says(
        "⚠️ What is pre-approved for {space} counts in {room} too, and some of them are. Take that back there.",
        space=Room,
        room=Room,
    ),
    "disallow.invited": says(
        "⚠️ Already accepted, and still invited: {who}. To withdraw an invite, kick the user in your client.", who=Notice
    ),
    "card.void_approval": says("⚠️ {by} pre-approved them, but this has no effect now: {why}", by=User, why=Notice),
    # --- what is looked up
    "allowed.none": says("Nobody is pre-approved for {room}.", room=Room),
    "allowed.head": says(
        "{count} entry is pre-approved for {room}:",
        "{count} entries are pre-approved for {room}:",
        count=Number,
        room=Room,
    ),
    "allowed.newest": says(
        "{count} entries are pre-approved for {room}. These are the newest {shown}:",
        count=Number,
        room=Room,
        shown=Number,
    ),
    "allowed.row": says("{who}, by {by}", who=Notice, by=User),
    "allowed.space": says("What is pre-approved for {space} counts in {room} too.", space=Room, room=Room),
    "allowed.void": says("⚠️ What {by} pre-approved has no effect now: {why}", by=User, why=Notice),
    # --- what is wrong with a list
    "allow.no_one": says(
        "This is not a user ID and not a server: “{text}”. Write the full user ID ({user}), or {server} for everybody from a server.",
        text=Letters,
        user=Code,
        server=Code,
    ),
    "allow.no_heading": says(
        "This is not a user ID and not a server: “{text}”. If it is the heading of a column, write {heading} instead.",
        text=Letters,
        heading=Code,
    ),
    "allow.long_id": says(
        "A user ID has at most {most} bytes, and this one is longer: “{text}”.", most=Number, text=Letters
    ),
    "allow.myself": says("{bot} is myself. Nobody has to pre-approve me.", bot=User),
    "allow.long_cell": says(
        "Nothing is changed, because a cell in line {line} of the file has more than {most} characters. Perhaps a quote is never closed.",
        line=Number,
        most=Number,
    ),
    "allow.pattern": says(
        "This is a pattern: “{text}”. You can pre-approve a user, or everybody from a server. For other patterns, write a rule with {key} into the policy.",
        text=Letters,
        key=Code,
    ),
    "allow.port": says(
        "This stands for everybody from a server, whatever its port. Write it without the port: {server}.", server=Code
    ),
    "allow.looks_like_csv": says(
        "This looks like CSV. Send it as a file, or write it like this: {example}.", example=Code
    ),
    "allow.room_in_note": says(
        "Is “{text}” the room, or part of the note? Write the room right behind the user, in the first line. Put a note that has a room in it into quotes.",
        text=Letters,
    ),
    "allow.name_in_note": says(
        "Is “{text}” the room {room}, or a note? Write the name of the room as it is, or put the note into quotes.",
        text=Letters,
        room=Room,
    ),
    "allow.date_in_note": says(
        "Is “{text}” the end of the pre-approval, or part of the note? Write an end like this: {example}. Put a note that has a date in it into quotes.",
        text=Letters,
        example=Code,
    ),
    "allow.no_date": says("This is not a date: “{text}”. Write it like this: {example}.", text=Letters, example=Code),
    "allow.no_until": says(
        "The date after {until} is missing. Write it like this: {example}.", until=Code, example=Code
    ),
    "allow.past": says("{date} is in the past.", date=Code),
    "allow.far": says(
        "{date} is too late: the last possible day is {last}. Without a date it counts until somebody takes it back.",
        date=Code,
        last=Code,
    ),
    "allow.long_note": says("The note has more than {most} characters.", most=Number),
    "allow.one_a_line": says("One message can pre-approve many people, but each of them needs a line of their own."),
    "allow.wrong_lines": says(
        "Nothing is changed, because {count} line is wrong:",
        "Nothing is changed, because {count} lines are wrong:",
        count=Number,
    ),
    "allow.wrong_line": says("line {line}: {why}", line=Number, why=Notice),
    "allow.more_wrong_lines": says("… and {count} more line", "… and {count} more lines", count=Number),
    "allow.many_cells": says(
        "There are more than {count} columns. Put a text with a comma or a semicolon in it into quotes.", count=Number
    ),
    "allow.long_list": says("Nothing is changed, because the list has more than {most} entries.", most=Number),
    "allow.empty": says("The list names nobody."),
    "allow.too_many": says(
        "Nothing is changed, because {room} would have more than {most} pre-approvals. {command} shows them. To pre-approve a whole server, write *:server.",
        room=Room,
        most=Number,
        command=Code,
    ),
    "allow.no_table/spreadsheet": _no_table(
        "This file is a spreadsheet. Save it as CSV in UTF-8 (“CSV UTF-8” in Excel), and send that file."
    ),
    "allow.no_table/not_utf8": _no_table(
        "This file is no CSV in UTF-8. Save it again as CSV in UTF-8 (“CSV UTF-8” in Excel), and send that file."
    ),
    "allow.same_columns": says(
        "Nothing is changed, because two columns of the file mean the same: “{first}” and “{other}”. Remove one of them, or "
        "give it another heading.",
        first=Letters,
        other=Letters,
    ),
    "allow.broken_table": says(
        "Nothing is changed, because the quotes in line {line} of the file are wrong.", line=Number
    ),
    "allow.large_file": says("The file is larger than {most} MiB. Send the list in parts.", most=Number),
}
