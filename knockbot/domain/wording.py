"""Every sentence a person reads, in plain text and in HTML that cannot be broken out of.

A sentence is written once, as a template, and its parts are put in: `words("{} knocks at {}", code(user), …)`.
Whatever is not made here with `bold`, `code` … is a stranger's text and is escaped (MarkupSafe), cut and stripped
of control and bidi characters (`text.shown`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from markupsafe import Markup, escape

from knockbot.domain.model import Act, Decision, Knock, Request, State, Verdict
from knockbot.domain.plan import REACTIONS
from knockbot.domain.power import Level, Shortfall
from knockbot.domain.text import shown, shown_id

NAME_LIMIT = 60
POLICY_LIMIT = 10_000
REASON_LIMIT = 500
ID_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Words:
    """The same text twice: plain, and as HTML."""

    plain: str
    html: Markup

    def __bool__(self) -> bool:
        return bool(self.plain)


def words(template: str, *parts: Words | str | int, **named: Words | str | int) -> Words:
    """Fill a template (a sentence of ours) with parts; whatever is not `Words` is escaped."""
    return Words(
        template.format(*map(_plain, parts), **{name: _plain(part) for name, part in named.items()}),
        escape(template).format(*map(_html, parts), **{name: _html(part) for name, part in named.items()}),
    )


def _plain(part: Words | str | int) -> str:
    return part.plain if isinstance(part, Words) else str(part)


def _html(part: Words | str | int) -> Markup:
    return part.html if isinstance(part, Words) else escape(str(part))


def bold(text: str | int) -> Words:
    """Text that catches the eye."""
    return Words(str(text), Markup("<strong>{}</strong>").format(text))


def code(text: str | int) -> Words:
    """Text to be read letter by letter, and copied: user ids, commands."""
    return Words(str(text), Markup("<code>{}</code>").format(text))


def spoiler(text: str, plain: str) -> Words:
    """Text that shows only on a click; `plain` stands in for it where there are no clicks."""
    return Words(plain, Markup('<span data-mx-spoiler="reason">{}</span>').format(text))


def block(text: str) -> Words:
    """A document, as it was written."""
    return Words(text, Markup("<pre><code>{}</code></pre>").format(text))


def lines(parts: Iterable[Words]) -> Words:
    """Words below each other; empty ones are left out."""
    kept = [part for part in parts if part]
    return Words("\n".join(part.plain for part in kept), Markup("<br>").join(part.html for part in kept))


def listed(parts: Sequence[Words]) -> Words:
    """Words as one enumeration."""
    return Words(", ".join(part.plain for part in parts), Markup(", ").join(part.html for part in parts))


NOTHING = Words("", Markup(""))


def user(user_id: str) -> Words:
    """A user, always by the full id: names can be anything."""
    return code(shown_id(user_id))


def room(label: str) -> Words:
    """A room, by what people call it."""
    return bold(shown(label, NAME_LIMIT))


def ago(then: int, now: int) -> str:
    """How long ago a moment was, in the largest unit that fits (both in milliseconds)."""
    seconds = max(0, now - then) // 1000
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def moment(at: int) -> str:
    """A moment in UTC, to the minute."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


# --- requests and cards ---------------------------------------------------------------------------------------

SIGNS: dict[State, str] = {
    State.PENDING: "🚪",
    State.ACCEPTED: "✅",
    State.JOINED: "✅",
    State.DECLINED: "↩️",
    State.REJECTED: "❌",
    State.BANNED: "⛔",
    State.WITHDRAWN: "↩️",
    State.EXPIRED: "⌛",
}

OUTCOME_SENTENCES: dict[State, str] = {
    State.ACCEPTED: "Accepted by {by}; they have yet to join.",
    State.JOINED: "Joined; let in by {by}.",
    State.DECLINED: "Accepted, but they declined the invite.",
    State.REJECTED: "Rejected by {by}.",
    State.BANNED: "Banned by {by}.",
    State.WITHDRAWN: "They took it back.",
    State.EXPIRED: "Nobody answered in time.",
}

UNDER_WAY: dict[Verdict, str] = {
    Verdict.ACCEPT: "{by} said accept; the invite is on its way.",
    Verdict.REJECT: "{by} said reject; it is on its way.",
    Verdict.BAN: "{by} said ban; it is on its way.",
}

EMOJI: dict[Verdict, str] = {verdict: emoji for emoji, verdict in REACTIONS.items()}


def applicant(request: Request) -> Words:
    """Who asks: the name they gave themselves, and the id that they cannot choose again."""
    name = shown(request.display_name or "", NAME_LIMIT)
    return words("{} {}", bold(name), user(request.user_id)) if name else user(request.user_id)


def decided_by(rule: str | None, by: str | None) -> Words:
    """By whom: a rule by its name, a moderator by id."""
    if rule is not None:
        return words("rule {}", bold(rule)) if rule != "otherwise" else words("the policy ({})", bold(rule))
    return user(by or "")


def _credit(request: Request) -> Words:
    """Who brought the outcome about: the rule where a rule gave the word, else the person."""
    answer = request.answer
    return decided_by(answer.rule if answer and answer.by == request.by else None, request.by)


def standing(request: Request) -> Words:
    """Where a request stands, in one sentence."""
    if request.state is State.JOINED and request.answer is None and request.by == request.user_id:
        return words("Joined without an answer: the room let them in.")
    if not request.open:
        return words(OUTCOME_SENTENCES[request.state], by=_credit(request))
    if request.answer is not None:
        return words(UNDER_WAY[request.answer.verdict], by=decided_by(request.answer.rule, request.answer.by))
    return NOTHING


def reason_of(request: Request, *, pushed: bool = False) -> Words:
    """The reason, behind a spoiler: it is a stranger's text in front of people who did not ask for it.

    The plain text of a card is `pushed` to lock screens, and has none of it.
    """
    reason = shown(request.reason, REASON_LIMIT)
    if not reason:
        return words("No reason given.")
    plain = f"(hidden; !kb show {request.number} tells it)" if pushed else reason
    return words("Reason: {}", spoiler(reason, plain))


def answered_with(request: Request) -> Words:
    """What the applicant was told with the answer."""
    reason = request.answer.reason if request.answer else None
    return words("They were told: {}", shown(reason, REASON_LIMIT)) if reason and not request.open else NOTHING


def doubt(request: Request) -> Words:
    """Why the policy left it to people, where it could not tell."""
    decision = request.decision
    if not request.awaits_moderators or decision is None or decision.unknown is None:
        return NOTHING
    return words("Not judged: rule {} needs to know what cannot be known now: {}", decision.rule, decision.unknown)


def trouble_of(request: Request) -> Words:
    """What went wrong with the last answer."""
    return words("⚠️ {}", request.trouble) if request.trouble and request.open else NOTHING


def how_to_answer(request: Request, possible: Iterable[Verdict]) -> Words:
    """One click, or one command."""
    if not request.awaits_moderators:
        return NOTHING
    offers = [words("{} {}", EMOJI[verdict], verdict.value) for verdict in Verdict if verdict in set(possible)]
    command = code(f"!kb accept {request.number}")
    return words("{} · or {}", listed(offers), command) if offers else words("Answer with {}", command)


def card(request: Request, label: str, possible: Iterable[Verdict]) -> Words:
    """One request as a card."""
    return lines(
        [
            words(
                "{} {} {} asks to join {}",
                SIGNS[request.state],
                bold(f"#{request.number}"),
                applicant(request),
                room(label),
            ),
            reason_of(request, pushed=True),
            doubt(request),
            trouble_of(request),
            standing(request),
            answered_with(request),
            how_to_answer(request, possible),
        ]
    )


def shared_card(requests: Sequence[Request], label: str, most: int) -> Words:
    """Several requests on one card, the newest `most` of them in full."""
    waiting = [request for request in requests if request.awaits_moderators]
    head = words("🚪 {} requests to join {}, {} waiting", bold(len(requests)), room(label), len(waiting))
    rows = [
        words(
            "{} {} {} · {}",
            SIGNS[request.state],
            bold(f"#{request.number}"),
            applicant(request),
            standing(request) or reason_of(request, pushed=True),
        )
        for request in requests[-most:]
    ]
    earlier = len(requests) - len(rows)
    more = words("… and {} earlier ones: {}", earlier, code("!kb list")) if earlier else NOTHING
    numbers = " ".join(str(request.number) for request in waiting[:SHARED_CARD_NUMBERS])
    how = words("Answer with {}", code(f"!kb accept {numbers}")) if waiting else NOTHING
    return lines([head, more, *rows, how])


SHARED_CARD_NUMBERS = 40


def decision_line(request: Request, label: str) -> Words:
    """What a rule did, in one line."""
    return words(
        "{} {} {} at {}: {}",
        SIGNS[request.state],
        bold(f"#{request.number}"),
        applicant(request),
        room(label),
        standing(request),
    )


def machine_block(request: Request) -> dict[str, Any]:
    """The same for machines: `org.knockbot.request`."""
    answer = request.answer
    by_answer = answer is not None and answer.by == request.by
    return {
        "number": request.number,
        "kind": request.kind.value,
        "room_id": request.room_id,
        "user_id": request.user_id,
        "event_id": request.event_id,
        "state": request.state.value,
        "rule": answer.rule if answer and by_answer else None,
        "by": request.by,
    }


# --- answers --------------------------------------------------------------------------------------------------


def already_answered(request: Request, now: int) -> Words:
    """The first answer wins, and the second is told so."""
    number = bold(f"#{request.number}")
    if request.open and request.answer is not None:
        return words(
            "{} is answered already: {} said {}, {}.",
            number,
            decided_by(request.answer.rule, request.answer.by),
            request.answer.verdict.value,
            ago(request.answer.at, now),
        )
    return words("{} is settled already, {}: {}", number, ago(request.changed_at, now), standing(request))


def knocked_anew(request: Request) -> Words:
    """The answer was given to a knock that has been replaced since."""
    return words(
        "{} knocked again a moment ago, perhaps with another reason; look at {} once more and answer again.",
        user(request.user_id),
        bold(f"#{request.number}"),
    )


def no_such_request(number: int) -> Words:
    """A number that means nothing here."""
    return words("There is no request {} here. {} shows what is pending.", bold(f"#{number}"), code("!kb list"))


def not_a_member(label: str) -> Words:
    """Only members of the protected room answer for it."""
    return words("Only people who are joined to {} may answer its door.", room(label))


NEEDS: dict[Verdict, str] = {Verdict.ACCEPT: "invite", Verdict.REJECT: "kick", Verdict.BAN: "ban"}


def lacks_power(who: Words, shortfall: Shortfall, label: str) -> Words:
    """Somebody may not do this: the level they need, and the one they have."""
    return words("{} may not do this in {}: {}", who, room(label), shortfall.why)


def bot_lacks_power(bot: str, shortfall: Shortfall, label: str) -> Words:
    """The bot may not do this, and what mends it."""
    return words(
        "I may not do this in {}: {} Give {} a higher power level there; I go on by myself.",
        room(label),
        shortfall.why,
        user(bot),
    )


def refused(request: Request, label: str, why: str) -> Words:
    """An act was given up for good; the request waits for another answer."""
    return words("⚠️ {} {} at {}: it did not work: {}", bold(f"#{request.number}"), applicant(request), room(label), why)


def blocked(label: str, why: str, bot: str) -> Words:
    """A power is missing, and things wait for it."""
    return words(
        "⚠️ I cannot act in {}: {} Check my power level there ({}). What waits is kept, and done as soon as I may.",
        room(label),
        why,
        user(bot),
    )


def mended(label: str) -> Words:
    """What was missing is there again."""
    return words("✅ I can act in {} again, and go on with what waits.", room(label))


WRONG_HIT: dict[Act, str] = {
    Act.INVITE: "I let {user} into {room}, but they had changed or taken back their knock in the same moment. To undo it: /kick {user}",
    Act.KICK: "I meant to reject a knock of {user} at {room}, but they had stopped knocking in the same moment, and it hit them otherwise. To mend it: /invite {user}",
    Act.BAN: "I meant to ban {user} from {room} for a knock, but they had stopped knocking in the same moment. To mend it: /unban {user}",
}


def hit_the_wrong_thing(act: Act, user_id: str, label: str) -> Words:
    """An act hit something other than what it was meant for."""
    return words("⚠️ " + WRONG_HIT[act], user=user(user_id), room=room(label))


def turned_away(room_id: str, by: str, reason: str) -> Words:
    """The bot knocked at a room it was to protect, and was not let in."""
    told = words(" ({})", shown(reason, REASON_LIMIT)) if reason else NOTHING
    return words("{} did not let me into {}{}, so I cannot keep its door.", user(by), code(room_id), told)


def removed(label: str, by: str, reason: str) -> Words:
    """The bot was put out of a protected room."""
    return words(
        "⚠️ {} removed me from {}{}. I keep what waits; invite me back and I go on.",
        user(by),
        room(label),
        words(" ({})", shown(reason, REASON_LIMIT)) if reason else NOTHING,
    )


LATE = words("That command reached me more than an hour late. Please repeat it.")


MOVED_AWAY = words("Another room looks after this door now, and this request with it.")


# --- looking --------------------------------------------------------------------------------------------------


def pending_list(requests: Sequence[Request], labels: dict[str, str], now: int) -> Words:
    """The open requests, one line each."""
    if not requests:
        return words("Nobody is waiting.")
    return lines(
        words(
            "{} {} at {}, {}{} · {}",
            bold(f"#{request.number}"),
            applicant(request),
            room(labels.get(request.room_id, request.room_id)),
            ago(request.opened_at, now),
            words(" · {}", standing(request)) if request.answer else NOTHING,
            reason_of(request),
        )
        for request in requests
    )


def shown_request(request: Request, label: str, history: Sequence[Words]) -> Words:
    """All there is to know about one request."""
    return lines(
        [
            words("{} {} {} at {}", SIGNS[request.state], bold(f"#{request.number}"), applicant(request), room(label)),
            reason_of(request),
            words("State: {}. {}", bold(request.state.value), standing(request)),
            answered_with(request),
            trouble_of(request),
            *explained(request.decision),
            *history,
        ]
    )


def explained(decision: Decision | None) -> list[Words]:
    """A decision, with every rule that did not match and why."""
    if decision is None:
        return []
    verdict = bold(decision.verdict.value)
    if decision.unknown is not None:
        last = words("Policy: {}, since rule {} cannot be judged: {}", verdict, bold(decision.rule), decision.unknown)
    elif decision.rule == "otherwise":
        last = words("Policy: {}, as no rule matches ({})", verdict, code("otherwise"))
    else:
        last = words("Policy: {}, by rule {}", verdict, bold(decision.rule))
    return [last, *(words("· rule {} does not match: {}", bold(miss.rule), miss.why) for miss in decision.missed)]


class Recorded(Protocol):
    """A line of the audit record, as `store/audit.py` keeps it."""

    @property
    def at(self) -> int: ...
    @property
    def number(self) -> int | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def actor(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, Any]: ...


def history_line(line: Recorded) -> Words:
    """One line of the record: when, about whom, what, and by whom or which rule."""
    about = words("{} {} · ", bold(f"#{line.number}"), user(line.user_id)) if line.number and line.user_id else NOTHING
    by = decided_by(line.detail.get("rule"), line.actor)
    verdict = line.detail.get("verdict")
    what = words("policy says {}", verdict) if verdict else words("{}", line.what)
    return words("{} · {}{} · {}", moment(line.at), about, what, by)


def log(rows: Sequence[Words]) -> Words:
    """The record, or that there is none."""
    return lines(rows) if rows else words("Nothing is on record.")


def room_list(rows: Sequence[Words]) -> Words:
    """The rooms looked after from here."""
    if rows:
        return lines(rows)
    return words("No room is protected from here yet. Say {}", code("!kb protect #room:server"))


def room_row(label: str, room_id: str, pending: int, trouble: str | None, elsewhere: str | None) -> Words:
    """One protected room; `elsewhere` is its management room, where that is another."""
    return words(
        "{} {} · {} waiting{}{}",
        room(label),
        code(room_id),
        pending,
        words(" · looked after from {}", code(elsewhere)) if elsewhere else NOTHING,
        words(" · ⚠️ {}", trouble) if trouble else NOTHING,
    )


ACTS: dict[Act, str] = {
    Act.INVITE: "invite",
    Act.KICK: "kick",
    Act.BAN: "ban",
    Act.POST_CARD: "post a card",
    Act.EDIT_CARD: "edit a card",
    Act.REACT: "react",
    Act.UNREACT: "take a reaction back",
    Act.SAY: "say something",
    Act.JOIN: "enter",
    Act.LEAVE: "leave",
    Act.MEET: "make a room to meet",
}


class Waiting(Protocol):
    """An effect that has yet to be done, as `store/effects.py` keeps it."""

    @property
    def act(self) -> Act: ...
    @property
    def room_id(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def due_at(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def why(self) -> str | None: ...


def queue_row(act: Waiting, labels: Mapping[str, str], now: int) -> Words:
    """One act that has yet to be done."""
    what = words("{} {}", ACTS[act.act], user(act.user_id)) if act.user_id else words("{}", ACTS[act.act])
    where = words("at {}", room(labels[act.room_id])) if act.room_id in labels else words("here")
    if act.state == "running":
        when = "under way"
    elif act.state == "blocked":
        when = "waits for my power"
    else:
        when = "due" if act.due_at <= now else f"next try in {max(1, (act.due_at - now) // 1000)} s"
    why = words(" · {}", shown(act.why, REASON_LIMIT)) if act.why else NOTHING
    tried = f" · tried {act.attempts} times" if act.attempts > 1 else ""
    return words("· {} {}: {}{}{}", what, where, when, tried, why)


def queue(waiting: int, rows: Sequence[Words], acts: int) -> Words:
    """What waits for moderators, and what waits to be done."""
    people = (
        words("{} waiting for an answer ({}).", waiting, code("!kb list"))
        if waiting
        else words("Nobody is waiting for an answer.")
    )
    doing = words("{} acts have yet to be done:", acts) if acts else words("Nothing has yet to be done.")
    return lines([people, doing, *rows])


# --- getting in -----------------------------------------------------------------------------------------------


def met(bot: str) -> Words:
    """Why somebody is invited to a room they did not ask for."""
    return lines(
        [
            words("You invited me to an encrypted room. I cannot read there yet, so I made this one, where I can."),
            words(
                "Use it as your management room: say {} here, and invite the other moderators. It is yours; "
                "{} will leave if nobody needs it.",
                code("!kb protect #room:server"),
                user(bot),
            ),
        ]
    )


def unknown_room(reference: str) -> Words:
    """A room that is not looked after from here, whether it exists or not."""
    return words(
        "I keep no door called {} from here. {} shows which I do.", code(shown(reference, ID_LIMIT)), code("!kb rooms")
    )


NOT_PERMITTED = words(
    "You may not have rooms protected by me. Ask the admin of my server to name you under {} in my config.",
    code("permissions"),
)

TOO_MANY_ATTEMPTS = words("That was the third attempt within an hour. Please wait a while before the next.")


def unreadable_room(reference: str) -> Words:
    """Not something that names a room."""
    return words(
        "{} names no room. Give its id, its alias ({}) or a matrix.to link.",
        code(shown(reference, ID_LIMIT)),
        code("#room:server"),
    )


def room_not_found(reference: str, why: str) -> Words:
    """An alias that leads nowhere now."""
    return words("I cannot find {}: {}", code(shown(reference, ID_LIMIT)), why)


def unfit_to_manage(why: str) -> Words:
    """This room cannot be a management room."""
    return words("I cannot meet moderators here: {}", why)


MANAGES_ITSELF = "a room cannot look after its own door; say it in another, private room."
PUBLIC_ROOM = "anyone may join this room or read it. Say it in a private room."
NO_STATE_POWER = "you need the power to change settings (level {needed}, yours is {level}) in this room too."


def waiting_to_be_let_in(reference: str, bot: str) -> Words:
    """The bot has knocked at the room it is to protect."""
    return words(
        "I knocked at {} and wait. Accept my knock there, or invite {}; then I go on by myself.",
        code(shown(reference, ID_LIMIT)),
        user(bot),
    )


def cannot_enter(reference: str, why: str, bot: str) -> Words:
    """No way into the room that is to be protected."""
    return words(
        "I cannot get into {} ({}). Invite {} there, then say {} once more.",
        code(shown(reference, ID_LIMIT)),
        why,
        user(bot),
        code("!kb protect"),
    )


def not_a_member_yet(label: str) -> Words:
    """The one who asks is not in the room."""
    return words(
        "You are not joined to {}. Only its members with the power to change its door can do that.", room(label)
    )


def lacks_power_to_protect(label: str, needed: Level, level: Level) -> Words:
    """The one who asks has too little power in the room."""
    return words(
        "You need level {} in {}: as much as it takes to change its join rule and to do all that its policy may do. "
        "Yours is {}.",
        f"{needed:g}",
        room(label),
        f"{level:g}",
    )


def locked_room(label: str) -> Words:
    """The config file rules this room."""
    return words("{} is ruled by my config file; only my server's admin can change that.", room(label))


def now_protected(label: str, moved: bool, checklist: Words) -> Words:
    """The door is kept from now on, and what may be missing."""
    return lines(
        [
            words("🚪 {} its door is looked after from {} now.", room(label), words("here"))
            if moved
            else words("🚪 I keep the door of {} now. Knocks are shown here.", room(label)),
            checklist,
            words("Next: {} and {}", code("!kb policy show"), code("!kb policy set")),
        ]
    )


def tick(holds: bool, good: str, mend: str) -> Words:
    """One line of a checklist: a tick, or the mend."""
    return words("✅ {}", good) if holds else words("❌ {}", mend)


def unprotected(label: str) -> Words:
    """The door is kept no longer."""
    return words("I keep the door of {} no longer. Who is waiting there is up to you.", room(label))


# --- policies -------------------------------------------------------------------------------------------------


def policy_shown(label: str, source: str, text: str) -> Words:
    """The policy in force; no more of it than an event can hold twice, as text and as HTML."""
    kept = (
        text if len(text) <= POLICY_LIMIT else f"{text[:POLICY_LIMIT]}\n# … {len(text) - POLICY_LIMIT} more characters"
    )
    return lines([words("Policy of {} ({}):", room(label), source), block(kept)])


def policy_taken(label: str, revision: int, rules: int, otherwise: Verdict) -> Words:
    """A new policy is in force."""
    return words(
        "✅ Revision {} of the policy of {} is in force: {} rule{}, otherwise {}.",
        revision,
        room(label),
        rules,
        "" if rules == 1 else "s",
        bold(otherwise.value),
    )


def policy_refused(fault: str) -> Words:
    """A mistake in a policy; the one in force stays."""
    return words("Not taken: {}. The policy in force stays as it is.", fault)


def not_in_named_room(reference: str, bot: str) -> Words:
    """`member_of` may name only rooms whose member the author is, and the bot, which must look."""
    return words(
        "Not taken: {} names {}, and only rooms that both you and {} are joined to can stand there. "
        "The policy in force stays as it is.",
        code("member_of"),
        code(shown(reference, ID_LIMIT)),
        user(bot),
    )


def policy_revisions(label: str, rows: Sequence[Words]) -> Words:
    """Every change of a policy, newest first."""
    if not rows:
        return words("The policy of {} is the default; nobody has changed it.", room(label))
    return lines([words("Policy of {}:", room(label)), *rows])


def revision_row(revision: int, author: str, at: int) -> Words:
    """One change of a policy."""
    return words("· revision {} · {} · {}", revision, moment(at), user(author))


def tested(label: str, knock: Knock, decision: Decision) -> Words:
    """What a policy would do; nothing was done."""
    head = words("If {} knocked at {} now, this would happen (nothing was done):", user(knock.user_id), room(label))
    told = words("They would be told: {}", shown(decision.reason, REASON_LIMIT)) if decision.reason else NOTHING
    return lines([head, *explained(decision), told])


# --- commands -------------------------------------------------------------------------------------------------


def usage(line: str, complaint: str = "") -> Words:
    """How a command is written."""
    return words("{}Usage: {}", f"{complaint} " if complaint else "", code(line))


def unknown_command(word: str, nearest: str | None) -> Words:
    """A word that is no command."""
    hint = words(" Did you mean {}?", code(f"!kb {nearest}")) if nearest else NOTHING
    return words(
        "There is no command {}.{} {} shows what there is.", code(shown(word, NAME_LIMIT)), hint, code("!kb help")
    )


def help_screen(rows: Sequence[tuple[str, str]]) -> Words:
    """All commands on one screen."""
    return lines(
        [
            words(
                "I keep the door of rooms: who knocks is let in, shown here, turned away or banned, as the room's policy says."
            ),
            *(words("{} {}", code(usage_line), summary) for usage_line, summary in rows),
            words("On a card: ✅ accept, ❌ reject, ⛔ ban. In a reply to a card its number may be left out."),
        ]
    )


def failed(why: str) -> Words:
    """The homeserver said no to something nobody thought of."""
    return words("That did not work: {}", why)
