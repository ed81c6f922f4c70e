"""The worker: due effects are claimed, run through the table of actions, and their outcome is recorded.

Steps 6 and 7 of the journey (ARCHITECTURE.md).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from knockbot.domain import plan, wording
from knockbot.domain.model import Act, Effect, MemberChange, Request, State, Verdict
from knockbot.domain.outcomes import credited, outcome
from knockbot.errors import ActionError, Later, Never
from knockbot.flow import invites, issuing, review, settle
from knockbot.flow.door import Door, log
from knockbot.flow.sealed import Keys, NoKeys
from knockbot.store import cards, effects, requests
from knockbot.store.db import Tx
from knockbot.store.effects import Claimed

AT_ONCE = 10
"""Acts in flight in all: an application service has no more membership calls in at once anyway (FACTS)."""

PATIENCE = 120.0
"""Seconds an attempt may take before it counts as unsure."""

RECORDINGS = 5
"""Failures to record an outcome after which the effect is tried afresh instead: its action looks first anyway."""

SILENT_PAUSE = 60.0
"""The longest pause, in seconds, while the homeserver itself is silent: once it is back, nobody should wait an hour."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0
"""Back-off between attempts, in seconds, doubling."""


@dataclass(frozen=True, slots=True)
class Done:
    """The wanted state stands. `event_id` is the message sent; `seen` the member event found to settle it already."""

    event_id: str | None = None
    seen: MemberChange | None = None
    offers: tuple[Verdict, ...] = ()
    """After posting a card, or editing one: the answers to offer on it; its text names them already."""
    shown: Mapping[int, str] | None = None
    """After posting or editing a card: the knock shown for each request id."""
    room_id: str | None = None
    """After making a room: which one."""
    issued: issuing.Came | None = None
    """After inviting an address: what came of that."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The room settled it otherwise before the act; `seen` is the member event that says so."""

    why: str
    seen: MemberChange | None = None


Outcome = Done | Overtaken
Action = Callable[[Claimed], Awaitable[Outcome]]


class Worker:
    """Runs due effects, one of a lane and ten in all, until stopped."""

    def __init__(self, door: Door, actions: Mapping[Act, Action], keys: Keys | None = None) -> None:
        self._door = door
        self._actions = actions
        self._keys: Keys = keys or NoKeys()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; what is in flight then is left for `drain`."""
        while True:
            self._door.bells.effects.clear()
            await self._start_due()
            await self._wait()

    async def drain(self, seconds: float) -> None:
        """Let what is in flight come to its end, for at most so many seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_due(self) -> None:
        room = AT_ONCE - len(self._running)
        if room <= 0:
            return
        for claimed in await effects.claim(self._door.db, self._door.now(), room, keys=self._keys.here):
            task = asyncio.create_task(self._attempt(claimed))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._door.bells.effects.set()

    async def _wait(self) -> None:
        """Until the bell rings, or an effect is due, or a second has passed: another process may have left work."""
        try:
            async with asyncio.timeout(1.0):
                await self._door.bells.effects.wait()
        except TimeoutError:
            pass

    async def _attempt(self, claimed: Claimed) -> None:
        """Run one effect and record what came of it."""
        came: Outcome | Later | Never
        try:
            async with asyncio.timeout(PATIENCE):
                came = await self._actions[claimed.effect.act](claimed)
        except (Never, Later) as error:
            came = error
        except TimeoutError:
            came = Later("no answer in time")
        except Exception as error:
            log.exception("effect %s failed in a way nobody thought of", claimed.effect.key)
            came = Later(f"internal error: {type(error).__name__}")
        await self._record(claimed, came)

    async def _record(self, claimed: Claimed, came: Outcome | Later | Never) -> None:
        """Write the outcome down, and try again while the database is away: it is known nowhere else."""
        failures = 0
        while True:
            try:
                if isinstance(came, Never):
                    await self._give_up(claimed, came)
                elif isinstance(came, Done | Overtaken):
                    await self._complete(claimed, came)
                else:
                    await self._postpone(claimed, came)
                return
            except Exception as error:
                failures += 1
                log.exception("recording the outcome of effect %s failed", claimed.effect.key)
                if failures == RECORDINGS:
                    came = Later(f"its outcome could not be recorded: {type(error).__name__}")
                await asyncio.sleep(min(backoff(failures), 60.0))

    async def _complete(self, claimed: Claimed, came: Done | Overtaken) -> None:
        door, effect = self._door, claimed.effect
        async with door.db.tx() as tx:
            if isinstance(came, Overtaken):
                await effects.finish(tx, claimed.id, "overtaken", door.now(), why=came.why)
            else:
                await effects.finish(tx, claimed.id, "done", door.now(), result=came.event_id)
                await self._follow_card(tx, claimed, came)
            if effect.request_id is not None and effect.act in ON_REQUESTS:
                await self._follow_request(tx, claimed, came)
            if effect.act is Act.ISSUE and isinstance(came, Done) and came.issued is not None:
                await issuing.conclude(door, tx, effect, came.issued)
            if effect.act is Act.PLANT and effect.request_id is not None and isinstance(came, Done) and came.event_id:
                await invites.arrived(door, tx, await requests.get(tx, effect.request_id), came.event_id)
            if isinstance(came, Overtaken) and effect.act is Act.INVITE and effect.request_id is None:
                await issuing.not_called_in(door, tx, effect, f"{came.why}.")
            if effect.act is Act.MEET and isinstance(came, Done) and came.room_id is not None:
                await settle.say(door, tx, came.room_id, f"meet:{came.room_id}", wording.met(door.bot))
        door.bells.effects.set()

    async def _follow_request(self, tx: Tx, claimed: Claimed, came: Outcome) -> None:
        """Bring the request to where the room is: by what the act found there, or by the act itself."""
        request = await requests.get(tx, claimed.effect.request_id or 0)
        if _is_beside(claimed.effect, request):
            return
        if came.seen is not None:
            state = outcome(request, came.seen)
            if state is not None:
                await settle.settle(self._door, tx, request, state, credited(request, came.seen, self._door.bot))
            return
        # Where it is called for no longer, the echo tells what happened.
        if isinstance(came, Done) and request.answer is not None and self._is_called_for(claimed.effect, request):
            await settle.settle(self._door, tx, request, STATE_AFTER[claimed.effect.act], request.answer.by)

    def _is_called_for(self, effect: Effect, request: Request) -> bool:
        """Whether this act carries out the answer that binds the request: they may have knocked again meanwhile."""
        if not request.open or request.answer is None:
            return False
        return effect.key in {planned.key for planned in plan.plan(request, request.answer, self._door.home)}

    async def _follow_card(self, tx: Tx, claimed: Claimed, came: Done) -> None:
        """A card was posted or edited: note what it shows, and offer the answers on it."""
        effect = claimed.effect
        for request_id, event_id in (came.shown or {}).items():
            await requests.shown(tx, request_id, event_id)
        if effect.act is Act.EDIT_CARD and effect.card_id is not None and came.offers:
            await self._offer(tx, effect.card_id, came.offers)
        if effect.act is Act.POST_CARD and effect.card_id is not None and came.event_id is not None:
            await cards.posted(tx, effect.card_id, came.event_id)
            await self._offer(tx, effect.card_id, came.offers)
            await self._catch_up(tx, effect.card_id, came)

    async def _offer(self, tx: Tx, card_id: int, offers: tuple[Verdict, ...]) -> None:
        """Offer answers on a card, unless it has come to be shared in the meantime."""
        takes_clicks = review.takes_clicks(await requests.on_card(tx, card_id))
        await settle.offer(self._door, tx, card_id, offers if takes_clicks else (), named=True)

    async def _catch_up(self, tx: Tx, card_id: int, came: Done) -> None:
        """What changed while the card was on its way found no card to edit; have it edited now."""
        for request in await requests.on_card(tx, card_id):
            if not request.awaits_moderators or (came.shown or {}).get(request.id) != request.event_id:
                await settle.refresh(self._door, tx, card_id)

    async def _postpone(self, claimed: Claimed, error: Later) -> None:
        door = self._door
        pause = error.retry_after if error.retry_after is not None else backoff(claimed.attempts)
        if error.unreachable and error.retry_after is None:
            pause = min(pause, SILENT_PAUSE)
        due_at = door.now() + round(pause * 1000)
        log.info("effect %s waits %.0f s: %s", claimed.effect.key, pause, error.why)
        async with door.db.tx() as tx:
            if not await effects.is_ours(tx, claimed):
                return
            await effects.postpone(tx, claimed.id, due_at, error.why)
            if claimed.effect.server is not None:
                await effects.postpone_server(tx, claimed.effect.server, due_at)

    async def _give_up(self, claimed: Claimed, error: Never) -> None:
        """Nothing more can be done; or, where only a power is missing, nothing until it is back."""
        door, effect = self._door, claimed.effect
        log.warning("effect %s: %s", effect.key, error.why)
        async with door.db.tx() as tx:
            if not await effects.is_ours(tx, claimed):
                return
            if error.code in MENDABLE:
                await effects.block(tx, claimed.id, error.why)
                door.look_at(effect.room_id)  # which tells the moderators once, and goes on when it is mended
                return
            await effects.finish(tx, claimed.id, "given_up", door.now(), why=error.why)
            if effect.act is Act.PLANT and effect.request_id is not None:
                await issuing.not_planted(door, tx, await requests.get(tx, effect.request_id), error.why)
            if effect.act is Act.INVITE and effect.request_id is None:
                await issuing.not_called_in(door, tx, effect, error.why)
            if effect.request_id is not None and effect.act in ON_REQUESTS:
                request = await requests.get(tx, effect.request_id)
                if _is_beside(effect, request):
                    await self._tell_of_inviter(tx, effect, request, error)
                elif self._is_called_for(effect, request):
                    await self._ask_again(tx, request, error)

    async def _tell_of_inviter(self, tx: Tx, effect: Effect, request: Request, error: ActionError) -> None:
        """The inviter of an invite stays, which is nothing that the invite itself waits for."""
        text = wording.not_banned(request, await settle.label_of(tx, request.room_id), error.why)
        await settle.alarm(self._door, tx, request.room_id, f"refused:{effect.key}", text)

    async def _ask_again(self, tx: Tx, request: Request, error: ActionError) -> None:
        """The answer could not be carried out: the request is the moderators' again, and the card says why."""
        await requests.answered(tx, request.id, None)
        await requests.in_trouble(tx, request.id, error.why)
        await settle.show(self._door, tx, request.id)


MENDABLE = frozenset({"KNOCKBOT_NO_POWER", "KNOCKBOT_NOT_JOINED"})
"""Errors that a moderator can mend: the effect waits for it."""

STATE_AFTER: dict[Act, State] = {
    Act.INVITE: State.ACCEPTED,
    Act.KICK: State.REJECTED,
    Act.BAN: State.BANNED,
    Act.REVOKE: State.REVOKED,
}

ON_REQUESTS = frozenset(STATE_AFTER)
"""The acts that a request moves on by; the others only tell of it."""


def _is_beside(effect: Effect, request: Request) -> bool:
    """Whether an act was on an invite's inviter; what became of the invite itself, revoking it tells."""
    return request.invite is not None and effect.act is not Act.REVOKE and effect.user_id != request.user_id


def backoff(attempts: int) -> float:
    """Seconds to wait after so many attempts: doubling, with jitter so that many do not come back at once."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts - 1, 12)) * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
