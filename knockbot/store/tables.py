"""The tables of the database, each with what it holds about people and how long it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table; back-ups hold the tables in this order, those that others refer to before these."""

    name: str
    kept: str
    """Until when its rows are kept."""
    personal: tuple[str, ...] = ()
    """The columns that may say something about a person: who they are, what they wrote, what was done about them."""
    in_sql: tuple[str, ...] = ()
    """The columns that only the queries of `store/` look at; every other one is a field of a value."""
    counts: str | None = None
    """The column that counts by itself."""
    in_back_ups: bool = True
    """False for the tables of the bot's device, and for mautrix's: keys that were used since must not be used again, so
    a restored bot gets a new device (`matrix/crypto/keyring.py`). Policy lists are read anew: an old one may name
    fewer people."""


FOR_EVER = "for ever"

TABLES: Mapping[str, Table] = {
    row.name: row
    for row in (
        Table(
            "inbox",
            "its text until it is handled, the rest for seven days",
            ("raw", "sender", "held_for", "fault"),
            in_sql=("handled_at", "fault", "due_at", "sender", "held_for"),
            counts="seq",
        ),
        Table(
            "bot_memberships",
            "until the bot leaves the room",
            ("inviter",),
            ("room_id", "membership", "since", "inviter", "used"),
        ),
        Table("management_rooms", FOR_EVER, (), ("room_id", "next_number", "concerns")),
        Table("rooms", "as long as the room is protected", ("protected_by",)),
        Table("left_rooms", "until the room is protected from there again", (), ("management_room", "room_id", "name")),
        Table("space_children", "as long as the space names the room", (), ("space",)),
        Table("policies", FOR_EVER, ("author", "text", "settings_json"), ("cause",)),
        Table("pins", "as long as the place names the room"),
        Table("config_troubles", "until the entry is protected", (), ("entry", "trouble")),
        Table("pending_protects", "until the bot is let in", ("requester",)),
        Table("attempts", "one hour", ("requester",), ("cause", "requester", "at")),
        Table("prompts", FOR_EVER, ("taken_by", "taken_as"), ("called_at",), counts="id"),
        Table(
            "requests",
            "for ever; long texts are cut once the request is settled",
            (
                "user_id",
                "reason",
                "display_name",
                "has_avatar",
                "answer_json",
                "undone_json",
                "removal_json",
                "done_by",
                "trouble",
                "inviter",
                "invite_json",
                "issued_by",
            ),
            in_sql=("token", "inviter", "fallen_by", "knocks"),
            counts="id",
        ),
        Table(
            "judgements",
            "for ever; of each request the newest few",
            ("facts_json", "decision_json"),
            in_sql=("request_id", "number", "at"),
        ),
        Table("approvals", "until it ends or is taken back", ("who", "given_by", "note")),
        Table("codes", FOR_EVER, ("given_by",), counts="id"),
        Table(
            "code_uses",
            "as long as the request may still come to something, or has",
            (),
            ("code_id", "request_id", "used_at"),
        ),
        Table("code_guesses", "one hour", ("user_id",), ("event_id", "room_id", "user_id", "wrong", "at")),
        Table("code_guessers", "one day", ("user_id",), ("room_id", "user_id", "until")),
        Table(
            "vouches",
            "30 days, or as long as whoever came in by it is in the room",
            ("user_id", "given_by", "why"),
            in_sql=("givings",),
        ),
        Table(
            "notes",
            "for ever, unless its author removes it",
            ("user_id", "author", "text"),
            in_sql=("id",),
            counts="id",
        ),
        Table("claims", "two hours, at most until the request is settled", ("claimed_by",)),
        Table(
            "votes",
            "for ever, unless their voter takes them back",
            ("voter", "subject", "reason"),
        ),
        Table("deferrals", "until its time has come, at most until the request is answered", ("deferred_by",)),
        Table("callers", "as long as they are in the management room and want it", ("user_id",)),
        Table("mornings", "until the quiet hours are over"),
        Table("reminders", "until the request is settled", (), ("request_id", "at")),
        Table(
            "seen",
            "one year after they were last seen",
            ("user_id", "first_at", "last_at"),
            in_sql=("management_room", "user_id", "first_at", "last_at"),
        ),
        Table("knocks", "30 days", ("user_id", "server"), in_sql=("room_id", "user_id", "event_id", "server", "at")),
        Table("reasons", "30 days", ("gist", "user_id"), in_sql=("room_id", "gist", "user_id", "at")),
        Table("addresses", "`issuing.keep_addresses` after the invite", ("address", "name", "issued_by")),
        Table("issued", "one day; the address until the end is known", ("moderator", "address", "name")),
        Table("servers", FOR_EVER, (), ("server", "answered_at")),
        Table(
            "messages",
            "for ever where they are of a prompt or about a request, else for 30 days",
            in_sql=("room_id", "prompt_id", "request_id"),
        ),
        Table("offers", FOR_EVER, ("meaning",), ("prompt_id",)),
        Table(
            "aims",
            "seven days",
            ("user_id",),
            ("id", "room_id", "user_id", "act", "event_id", "scope", "planned_at"),
            counts="id",
        ),
        Table("conversations", "30 days after it is over", ("user_id", "why"), counts="id"),
        Table("conversation_days", "30 days", (), ("day",)),
        Table("letters", "30 days; its text until it is said", ("key", "user_id", "line_json")),
        Table("appeals", FOR_EVER, ("user_id", "text")),
        Table("askings", FOR_EVER, ("user_id",)),
        Table("questions", FOR_EVER, ("user_id", "ask", "asked_by", "answer")),
        Table("interviews", FOR_EVER, ("user_id",)),
        Table("interviewers", FOR_EVER, ("user_id",), ("prompt_id", "user_id", "at")),
        Table("applicants", "one year", ("user_id", "language"), ("user_id", "language", "chosen_at")),
        Table("timers", "until it has happened", ("key", "about")),
        Table("occasions", "30 days", ("key",), ("key", "at")),
        Table(
            "jobs",
            "seven days after their end",
            ("user_id", "payload_json", "why", "put_off"),
            in_sql=(
                "put_off",
                "lane",
                "request_id",
                "prompt_id",
                "server",
                "claimed_by",
                "ended_at",
                "place",
                "yields_to",
                "behind",
                "followed",
            ),
            counts="id",
        ),
        Table("room_upgrades", FOR_EVER),
        Table(
            "list_rooms", "as long as the list is followed", (), ("followed", "reading", "is_read"), in_back_ups=False
        ),
        Table(
            "list_entries",
            "as long as the list is followed and has them",
            ("subject", "entity", "sha256", "reason", "sender"),
            in_sql=("room_id", "gone_at", "why"),
            counts="id",
            in_back_ups=False,
        ),
        Table("batches", FOR_EVER, ("reason", "given_by", "selection", "ended_by"), counts="id"),
        Table("batch_requests", FOR_EVER, ("why",), ("batch_id", "place", "asked")),
        Table("also_invites", "until the last of them was tried", ("why",), ("request_id", "ended")),
        Table("also_invited", "until the invite is taken or gone", ("user_id", "on_behalf_of")),
        Table("undo_runs", FOR_EVER, ("asked_by",)),
        Table("undo_items", FOR_EVER, ("why",), in_sql=("batch_id", "place")),
        Table("undo_questions", FOR_EVER, ("asked_by",)),
        Table("space_rooms", "as long as the room is in the space", ("asked_by", "why")),
        Table("waves", FOR_EVER, ("begun_by",), counts="id"),
        Table("encrypted_rooms", FOR_EVER, (), ("room_id", "shared_with", "told_at")),
        Table("audit", FOR_EVER, ("actor", "detail_json"), ("id",), counts="id"),
        Table("processes", "until the process ends", (), ("id", "seen_at", "heard")),
        Table("leases", "until the process ends", (), ("name", "process")),
        Table("restores", FOR_EVER, (), ("restored_at", "exported_at", "recalled")),
        Table(
            "mail",
            "its text until it is taken in, the rest for seven days",
            ("raw", "sender", "fault"),
            in_sql=("digest", "sender", "fault", "received_at"),
            counts="seq",
            in_back_ups=False,
        ),
        Table("bot_device", FOR_EVER, (), ("user_id",), in_back_ups=False),
    )
}

BACKED_UP: Mapping[str, Table] = {name: row for name, row in TABLES.items() if row.in_back_ups}
"""What a back-up holds."""
