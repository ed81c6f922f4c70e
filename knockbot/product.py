"""The product: every feature, and the places where it takes part.

This table shows what knockbot can do in addition to the usual path of a request. It is a module of its own, and not
`features/__init__.py`: there, importing one feature would import all of them, and no import contract could distinguish
the table from its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.chat import commands
from knockbot.domain.dossier import Line
from knockbot.domain.model import (
    Echo,
    Fact,
    Kind,
    ListChange,
    MemberChange,
    Message,
    Reaction,
    Redaction,
    Rejudge,
    RoomChange,
    Step,
    ThirdPartyChange,
)
from knockbot.engine.prompts import PromptKind
from knockbot.engine.timers import TimerKind
from knockbot.engine.turn import Handler
from knockbot.features.bulk import counting, preview, proposing, running
from knockbot.features.calls import callers, here, quiet
from knockbot.features.claims import claiming
from knockbot.features.codes import bringing, making
from knockbot.features.codes import counting as code_counting
from knockbot.features.cooldown import rejections
from knockbot.features.deferring import deferring
from knockbot.features.digests import daily as collecting
from knockbot.features.dossier import membership, records
from knockbot.features.encryption import sealed
from knockbot.features.expiry import untaken
from knockbot.features.history import acquaintance, counts, outcomes
from knockbot.features.history import membership as nearby
from knockbot.features.interviews import holding, joining, room
from knockbot.features.letters import appealing
from knockbot.features.letters import writing as writing_letters
from knockbot.features.lists import again, hits, naming, visiting
from knockbot.features.lists import facts as list_facts
from knockbot.features.lists import following as list_following
from knockbot.features.lists import telling as list_telling
from knockbot.features.lookalikes import facts as lookalikes
from knockbot.features.notes import telling as notes
from knockbot.features.notes import writing
from knockbot.features.preapproval import facts as approvals
from knockbot.features.preapproval import giving, powers
from knockbot.features.presets import choosing
from knockbot.features.questions import answers
from knockbot.features.questions import asking as asking_applicants
from knockbot.features.questions import facts as question_facts
from knockbot.features.questions import shown as questions_shown
from knockbot.features.reminders import daily, expiring, reminding
from knockbot.features.reminders import rooms as waits
from knockbot.features.remote import notify
from knockbot.features.replay import applying
from knockbot.features.spaces import following, inviting, question, recalling, walking
from knockbot.features.templates import offering
from knockbot.features.thirdparty import acts, facts, invites, issuing, looking, members, redeeming
from knockbot.features.undo import asking, many, taking
from knockbot.features.upgrades import successors, upgrading
from knockbot.features.votes import keeping as keeping_votes
from knockbot.features.votes import recount, voting
from knockbot.features.votes import shown as votes_shown
from knockbot.features.vouches import facts as word_facts
from knockbot.features.vouches import falls
from knockbot.features.vouches import shown as words_shown
from knockbot.features.waves import course, over
from knockbot.features.waves import shown as waves_shown
from knockbot.flow import answering, conversations, entering, handling, redacting, rejudging, working
from knockbot.flow.cards import CARD
from knockbot.flow.context import Context
from knockbot.flow.forgetting import FORGETTING, hourly
from knockbot.flow.showing import CARDS
from knockbot.flow.tables import Feature

FEATURES: tuple[Feature, ...] = (
    Feature("encryption", hears={RoomChange: sealed.room_changed}),
    Feature(
        "upgrades",
        hears={
            MemberChange: upgrading.entered,
            RoomChange: successors.room_changed,
        },
        looks_first=successors.look,
    ),
    Feature(
        "thirdparty",
        acts=acts.ACTS,
        hears={MemberChange: members.member_changed, Redaction: invites.redacted},
        gathers={Fact.INVITER: facts.inviter, Fact.INVITES: facts.invites},
        judges={Kind.THIRD_PARTY_INVITE: invites.judged_again, Kind.REDEEMED_INVITE: redeeming.judged_again},
        moved=redeeming.tell_on,
        undoes={Step.REVOKE: invites.undo_accept, Step.LIFT_INVITER: invites.undo_ban},
        answered=invites.answered,
        looks=looking.look,
    ),
    Feature(
        "lookalikes",
        gathers={Fact.LOOKALIKE: lookalikes.lookalike},
        tells={Line.LOOKALIKE: lookalikes.told},
    ),
    Feature(
        "history",
        gathers={
            Fact.HISTORY: outcomes.history,
            Fact.IN_MANAGED: nearby.managed,
            Fact.FIRST_SEEN: acquaintance.first_seen,
            **counts.GATHERS,
        },
        sees=acquaintance.joined,
        knocked=counts.knocked,
        outdates=counts.outdates,
    ),
    Feature(
        "lists",
        acts=list_following.ACTS,
        hears={
            ListChange: list_following.changed,
            Redaction: list_following.redacted,
            MemberChange: list_following.member_changed,
            RoomChange: list_following.room_changed,
        },
        gathers={Fact.LISTED: list_facts.listed},
        tells={Line.ON_LIST: list_facts.told},
        outdates=list_facts.outdates,
        bars=list_facts.bars,
        keeps_out=list_facts.keeps_out,
        overrides=list_facts.overrides,
        at_once=list_facts.at_once,
        expects=list_following.expects,
        examines=naming.examine,
        enforced=naming.enforced,
        revised=list_following.revised,
        looks_first=list_following.look,
    ),
    Feature(
        "spaces",
        acts={**walking.ACTS, **inviting.ACTS},
        moved=inviting.moved,
        settled=inviting.settled,
        sees=recalling.seen,
        reconsiders=recalling.reconsider,
        undone=recalling.undone,
        hears={
            MemberChange: following.member_changed,
            Redaction: following.redacted,
            RoomChange: following.room_changed,
        },
        granted=following.granted,
        will_belong=following.will_belong,
        let_go=following.let_go,
        took_place=following.took_place,
        expects=following.expects,
        looks=following.look,
    ),
    Feature(
        "presets",
        granted=choosing.granted,
        revised=choosing.revised,
        let_go=choosing.CHOICE.let_go,
        looks=choosing.CHOICE.look,
    ),
    Feature(
        "replay",
        answered=applying.changed,
        left_open=applying.came_back,
        settled=applying.changed,
        revised=applying.offer,
        applied=applying.applied,
        let_go=applying.APPLY.let_go,
        looks=applying.APPLY.look,
    ),
    Feature(
        "preapproval",
        hears={RoomChange: powers.changed},
        sees=powers.moved,
        gathers={Fact.PRE_APPROVED: approvals.pre_approved},
        bars=approvals.bars,
        at_once=approvals.at_once,
        let_go=giving.let_go,
        took_place=giving.took_place,
    ),
    Feature(
        "codes",
        reads=bringing.reads,
        knocked=bringing.knocked,
        gathers={Fact.CODE: code_counting.brought},
        outdates=code_counting.outdates,
        decided=code_counting.decided,
        at_once=code_counting.at_once,
        bars=code_counting.bars,
        settled=code_counting.settled,
        remarks=code_counting.remarks,
        let_go=making.let_go,
        took_place=making.took_place,
    ),
    Feature(
        "vouches",
        hears={RoomChange: falls.powers_changed},
        sees=falls.moved,
        gathers={Fact.VOUCHED: word_facts.vouched},
        outdates=word_facts.outdates,
        decided=word_facts.decided,
        at_once=word_facts.at_once,
        bars=word_facts.bars,
        overrides=word_facts.overrides,
        settled=word_facts.settled,
        remarks=words_shown.remarks,
        looks=falls.look,
        let_go=falls.let_go,
        took_place=falls.took_place,
    ),
    Feature(
        "cooldown",
        gathers={Fact.LAST_REJECTION: rejections.last},
        settled=rejections.settled,
        unsaid=rejections.unsaid,
    ),
    Feature(
        "expiry",
        settled=untaken.settled,
        revised=untaken.revised,
        let_go=untaken.let_go,
        looks=untaken.look,
    ),
    Feature(
        "bulk",
        reopened=counting.changed,
        voted=counting.changed,
        settled=counting.settled,
        looks=running.look,
    ),
    Feature(
        "waves",  # after "history", which writes down the knocks that it counts
        knocked=course.knocked,
        holds=course.hold,
        bars=course.bar,
        folds=waves_shown.fold,
        hushes=waves_shown.hush,
        answered=over.changed,
        settled=over.changed,
        listed=over.changed,
        revised=course.revised,
        applied=over.applied,
        let_go=course.let_go,
        took_place=course.took_place,
        looks=waves_shown.look,
    ),
    Feature(
        "digests",  # after "waves": in a wave, its digest stands for all who knock
        folds=collecting.fold,
        revised=collecting.revised,
        let_go=collecting.let_go,
        took_place=collecting.took_place,
        looks=collecting.look,
    ),
    Feature("templates", shortcuts=offering.shortcuts, revised=offering.revised),
    Feature(
        "notes",
        hears={Redaction: writing.redacted},
        tells={Line.NOTED: notes.before},
        remarks=notes.remarks,
    ),
    Feature(
        "calls",
        sees=callers.left,
        calls=callers.calls,
        is_quiet=quiet.is_quiet,
        silenced=quiet.silenced,
        revised=quiet.revised,
        let_go=here.let_go,
        took_place=here.took_place,
        looks=here.look,
    ),
    Feature("claims", remarks=claiming.shown, answered=claiming.answered, settled=claiming.settled),
    Feature(
        "votes",
        hears={RoomChange: recount.room_changed},
        sees=recount.moved,
        looks=recount.look,
        asks_again=keeping_votes.asks_again,
        weighs=voting.weigh,
        awaits=voting.weighed,
        clicked_for=voting.clicked_for,
        clicks=voting.clicks,
        unclicked=voting.unclicked,
        unsupported=voting.unsupported,
        takes_back=voting.taken_back,
        reopened=voting.reopened,
        revised=recount.revised,
        remarks=votes_shown.remarks,
    ),
    Feature("undo", moved=asking.moved, settled=asking.settled, let_go=taking.let_go, looks=asking.look_at_open),
    Feature(
        "deferring",
        remarks=deferring.shown,
        puts_off=deferring.off_the_list,
        left_open=deferring.left_open,
        answered=deferring.answered,
        settled=deferring.answered,
    ),
    Feature(
        "reminders",
        left_open=waits.left_open,
        settled=waits.settled,
        revised=waits.revised,
        let_go=waits.let_go,
        took_place=waits.took_place,
        looks=waits.look,
    ),
    Feature(
        "letters",
        left_open=writing_letters.left_open,
        settled=writing_letters.settled,
        remarks=appealing.remarks,
    ),
    Feature(
        "questions",
        hears={Reaction: answers.reacted, Redaction: answers.redacted},
        gathers={Fact.ANSWERS: question_facts.answers},
        outdates=question_facts.outdates,
        asks=asking_applicants.ask,
        unreached=asking_applicants.unreached,
        sent=answers.sent,
        restored=asking_applicants.restored,
        left_open=asking_applicants.left_open,
        settled=asking_applicants.settled,
        let_go=asking_applicants.let_go,
        remarks=questions_shown.remarks,
    ),
    Feature(
        "interviews",
        acts=room.ACTS,
        settled=holding.settled,
        let_go=holding.let_go,
        looks=joining.look,
    ),
    Feature("remote", settled=notify.settled),
    Feature(
        "dossier",
        tells={
            Line.DECIDED: records.decided,
            Line.ROOMS: membership.member_of,
            Line.SERVER: records.server,
        },
    ),
)
"""Each folder of `features/`."""

HANDLERS: dict[type[Any], Handler[Context, Any]] = {
    MemberChange: handling.member_changed,
    ThirdPartyChange: invites.invite_changed,
    Redaction: redacting.redacted,
    Message: commands.hear,
    Reaction: answering.reacted,
    RoomChange: handling.room_changed,
    Echo: handling.echoed,
    Rejudge: rejudging.rejudge,
    ListChange: handling.list_changed,
}
"""The handlers of events."""

GAVE_UP: Mapping[type[Any], Handler[Context, Any]] = {Message: commands.failed}
"""What is written about an event that no handler could handle, however often it was tried."""

PROMPTS: Mapping[str, PromptKind[Context]] = {
    CARD: CARDS,
    applying.APPLY.name: applying.APPLY.kind,
    choosing.CHOICE.name: choosing.CHOICE.kind,
    preview.NAME: preview.PROMPT,
    upgrading.ROOM_UPGRADE: upgrading.QUESTION,
    successors.NAMED_ROOM_UPGRADE: successors.QUESTION,
    question.SPACE_ROOMS: question.QUESTION,
    asking.UNDO: asking.QUESTION,
    waves_shown.DIGEST.name: waves_shown.DIGEST.kind,
    collecting.SENT.name: collecting.SENT.kind,
    over.OVER.name: over.OVER.kind,
    holding.INTERVIEW: joining.QUESTION,
}
"""The messages that moderators can answer."""

TIMERS: Mapping[str, TimerKind[Context]] = {
    **FORGETTING,
    "forget_knocks": hourly(counts.forget),
    "forget_strangers": hourly(acquaintance.forget),
    "forget_addresses": hourly(issuing.forget),
    "forget_approvals": hourly(giving.forget_ended),
    "forget_wrong_codes": hourly(bringing.forget),
    "forget_vouches": hourly(falls.forget),
    "look_again_at_jobs": working.LOOK_AGAIN,
    claiming.KIND: claiming.END,
    quiet.KIND: quiet.END,
    reminding.KIND: reminding.REMIND,
    daily.KIND: daily.DAILY,
    expiring.KIND: expiring.EXPIRE,
    collecting.KIND: collecting.SEND,
    untaken.KIND: untaken.EXPIRE,
    deferring.KIND: deferring.END,
    recount.KIND: recount.COUNT,
    list_following.MOVED: again.CHANGED,
    list_telling.REPLY: hits.HITS,
    asking.UNCONFIRMED: asking.TIMER,
    many.BATCH: many.TIMER,
    "leave_unused_lists": list_following.UNUSED,
    visiting.KIND: visiting.END,
    proposing.LAPSES: TimerKind(proposing.lapse),
    preview.RUN: TimerKind(running.run),
    **course.TIMERS,
    **writing_letters.TIMERS,
    **asking_applicants.TIMERS,
    holding.ENDS: holding.END,
    "leave_unused_rooms": hourly(entering.leave_unused),
    "leave_idle_conversations": hourly(conversations.leave_idle),
    "forget_conversations": hourly(conversations.forget),
}
"""What happens at a given time."""
