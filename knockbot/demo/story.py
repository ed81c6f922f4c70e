"""The story behind `make demo`: a bot answers the join requests and invites of a room, each as its policy says.

Seven people knock, one is invited by e-mail, and one is promised a key. Real users play it over the client-server API,
and each step is compared with what the room itself says: if they differ, the demo fails. To add a scene: a function,
and its row in `SCENES`.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path

import aiohttp

from knockbot.config.settings import can_encrypt
from knockbot.demo.identity import sydent_python
from knockbot.demo.letter_box import LetterBox
from knockbot.demo.people import MatrixRefused, NothingHappened
from knockbot.demo.planted import Planted
from knockbot.demo.stage import BOT, DOMAIN, ending_well, logs, set_up
from knockbot.demo.tale import GARDEN, MODERATORS, PATIENCE, NotAsTold, Tale, block, compare, name_of
from knockbot.demo.teller import Teller
from knockbot.documents.text import without_marks
from knockbot.domain.model import Kind
from knockbot.errors import KnockbotError, Unavailable
from knockbot.flow.keys import MEGOLM

POLICY = """\
rules:
  - name: advertising
    when: { reason_matches: "(?i)casino|crypto|followers" }
    then: ban
    reason: No advertising in the garden.
  - name: plot holders
    when: { reason_matches: "(?i)plot [0-9]+" }
    then: accept
  - name: not a word
    when: { not: { reason_length_at_least: 3 } }
    then: reject
    reason: Please knock again and say who you are.
  - name: keys of their own
    for: third_party_invite
    when: { not: { identity_server: localhost } }
    then: reject
  - name: people of the village
    for: redeemed_invite
    when: { local: true }
    then: accept
otherwise: forward"""

BANS = f"#bans:{DOMAIN}"

WITH_A_LIST = f"""\
lists:
  - room: "{BANS}"
    name: valley
{POLICY}"""

WITH_QUESTIONS = f"""\
questions:
  - ask: Which herb do you know best?
  - ask: Will you share your seeds with us?
    choices: {{ yes: Gladly, no: I keep them }}
{POLICY.removesuffix("otherwise: forward")}\
  - name: keeps the seeds
    when: {{ answer: {{ question: 2, is: no }} }}
    then: reject
  - name: herb people
    when: {{ answered: true }}
    then: accept
  - name: ask about herbs
    when: {{ reason_matches: "(?i)herb" }}
    then: ask"""

ENCRYPTED = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}]

ADDRESS = "gina@mail.test"

FAILURES = (NotAsTold, NothingHappened, MatrixRefused, KnockbotError, aiohttp.ClientError, OSError)
"""What is told in a line; anything else is a mistake in the demo itself."""


def main(keep: bool) -> int:
    """Play the story; with `keep`, stay up afterwards until Ctrl-C. Everything is removed in the end, in any case.

    Returns 0 if all happened as told, 1 if not. Raises `Unavailable` where Synapse is not installed.
    """
    try:
        synapse = metadata.version("matrix-synapse")
    except metadata.PackageNotFoundError:
        raise Unavailable("the demo plays on a real Synapse, which is not here: pip install 'knockbot[demo]'") from None
    return asyncio.run(_perform(keep, synapse, Teller()))


async def _perform(keep: bool, synapse: str, teller: Teller) -> int:
    teller.title(f"A throwaway Synapse {synapse}, a real knockbot, and a village. Everything is removed at the end.")
    mailed = _finds_sydent(teller)
    with ending_well(), tempfile.TemporaryDirectory(prefix="knockbot-demo-") as name:
        status = await _attempt(Path(name), keep, mailed, teller)
    teller.line("\nAll servers have ended, and their files are gone.")
    return status


def _finds_sydent(teller: Teller) -> bool:
    """Whether there is an identity server to play on; without one, nobody is invited by e-mail."""
    try:
        sydent_python()
    except Unavailable as missing:
        teller.tell(f"Nobody is invited by e-mail today, because that needs a Sydent, and {missing}.")
        return False
    return True


async def _attempt(directory: Path, keep: bool, mailed: bool, teller: Teller) -> int:
    """The whole story, in a directory for its files; its exit status."""
    over = False
    try:
        async with set_up(directory, teller, mailed=mailed) as stage:
            # Whoever walks in with a new login could read nothing that was said in an encrypted room before.
            tale = Tale(stage.homeserver, teller, stage.identity_server, encrypted=can_encrypt() and not keep)
            await stage.play(tell(tale))
            over = True
            if keep:
                await stage.play(_stay_open(tale, directory))
    except asyncio.CancelledError:
        teller.line("\nStopped.", bold=True)
        return 0 if over else 1
    except Exception as failure:
        teller.failed(str(failure) or type(failure).__name__)
        for log in logs(directory):
            teller.tail(log)
        if not isinstance(failure, FAILURES):
            raise
        return 1
    return 0


# --- the scenes ----------------------------------------------------------------------------------------------


async def hire(tale: Tale) -> None:
    """Two rooms, the bot in both, and one protected from the other."""
    alice, bob = await tale.person("Alice"), await tale.person("Bob")
    garden = tale.garden = await alice.create_room(
        "Garden", alias="garden", join_rule="knock", power_levels={"invite": 50, "users": {bob.user_id: 50, BOT: 50}}
    )
    mods = tale.moderators = await alice.create_room(
        "Garden moderators", alias="garden-mods", initial_state=ENCRYPTED if tale.encrypted else []
    )
    for room in (garden, mods):
        await alice.invite(room, bob.user_id)
        await bob.join(room)
    kind = "private, encrypted" if tale.encrypted else "private"
    tale.teller.tell(f"Alice creates {GARDEN}, where people must knock, and a {kind} room for its moderators.")
    tale.teller.tell("Bob is a moderator: level 50, enough to invite, kick and ban. Alice, the admin, has more.")
    for room in (mods, garden):
        await tale.bring_bot(room)
    tale.teller.tell(f"Alice invites {BOT} to both, with level 50 in the garden. It joins.")
    tale.teller.tell("In the moderators' room:")
    await tale.agreed("Alice", f"!kb protect {GARDEN}")
    if tale.encrypted:
        await tale.finds_unreadable()


async def set_policy(tale: Tale) -> None:
    """The rules of the door, in chat."""
    await tale.agreed("Alice", f"!kb policy set {GARDEN}\n{POLICY}")


async def let_in_by_rule(tale: Tale) -> None:
    """A rule accepts."""
    carol = await tale.knock("Carol", "Carol here, from plot 12 next to the pond.")
    await tale.hear_of(carol, "accepted", rule="plot holders", by=BOT)
    await tale.finds(carol, "invite", by=BOT)
    await carol.join(GARDEN)
    tale.teller.tell("Carol joins.")
    await tale.finds(carol, "join", by=carol.user_id)
    tale.ends(carol, "accepted", "rule plot holders", "join")


async def banned_by_rule(tale: Tale) -> None:
    """A rule bans."""
    dave = await tale.knock("Dave", "Win big at my casino!!! 10,000 FOLLOWERS for free")
    await tale.hear_of(dave, "banned", rule="advertising", by=BOT)
    await tale.finds(dave, "ban", by=BOT, reason="No advertising in the garden.")
    tale.ends(dave, "banned", "rule advertising", "ban")


async def turned_away_by_rule(tale: Tale) -> None:
    """A rule rejects, and says why."""
    erin = await tale.knock("Erin", None)
    await tale.hear_of(erin, "rejected", rule="not a word", by=BOT)
    await tale.finds(erin, "leave", by=BOT, reason="Please knock again and say who you are.")
    tale.ends(erin, "rejected", "rule not a word", "leave")


async def let_in_by_moderator(tale: Tale) -> None:
    """No rule matches: a card, a question, a click."""
    reason = "I moved in across the street and would love to help with the apple trees."
    frank = await tale.knock("Frank", reason)
    card = await tale.hear_of(frank, "pending")
    await tale.offered(card)
    tale.teller.tell("Bob would like to know more.")
    reply = await tale.command("Bob", f"!kb show {block(card)['number']}")
    if reason not in without_marks(reply["content"]["body"]):
        raise NotAsTold(f"the bot should show Frank's reason, but said: {reply['content']['body']}")
    tale.teller.tell("Bob clicks ✅ on the card.")
    await tale.bob.react(tale.moderators, card["event_id"], "✅")
    await tale.hear_of_change(frank, "accepted", by=tale.bob.user_id)
    await tale.finds(frank, "invite", by=BOT)
    await frank.join(GARDEN)
    tale.teller.tell("Frank joins.")
    await tale.hear_of_change(frank, "joined", by=tale.bob.user_id)
    await tale.finds(frank, "join", by=frank.user_id)
    tale.ends(frank, "accepted", "Bob, by ✅", "join")


async def withdrawn(tale: Tale) -> None:
    """The applicant takes it back before anybody answers."""
    grace = await tale.knock("Grace", "Hello! Is this where the chess club meets?")
    card = await tale.hear_of(grace, "pending")
    await tale.offered(card)
    tale.teller.tell("Grace finds the chess club elsewhere, and withdraws her knock.")
    await grace.retract(tale.garden)
    await tale.hear_of_change(grace, "withdrawn", by=grace.user_id)
    await tale.finds(grace, "leave", by=grace.user_id)
    await tale.command("Alice", "!kb list")
    tale.ends(grace, "withdrawn", "Grace herself", "leave")


async def named_while_waiting(tale: Tale) -> None:
    """Somebody waits for the moderators when an entry of a policy list names them."""
    paul = await tale.person("Paul")
    bans = await paul.create_room("Bans of the valley", alias="bans", join_rule="public")
    tale.teller.tell(
        f"Paul keeps {BANS}, the policy list of all villages of the valley. Alice has the garden follow it."
    )
    await tale.agreed("Alice", f"!kb policy set {GARDEN}\n{WITH_A_LIST}")
    await paul.wait_for_membership(bans, BOT, "join", within=PATIENCE)
    vera = await tale.knock("Vera", "Hello, I would like to see the roses.")
    await tale.hear_of(vera, "pending")
    tale.teller.tell("While Vera waits, Paul adds her to the list: she emptied the apple trees of another village.")
    entry = {"entity": vera.user_id, "recommendation": "m.ban", "reason": "took all the apples"}
    await paul.put_state(bans, "m.policy.rule.user", entry, key=f"rule:{vera.user_id}")
    await tale.hear_of_change(vera, "banned", rule="list valley", by=BOT)
    await tale.finds(vera, "ban", by=BOT)
    tale.ends(vera, "banned", "list valley", "ban")


async def asked_by_rule(tale: Tale) -> None:
    """The policy asks the applicant, who answers by a word and a click, and is accepted by the answers."""
    await tale.agreed("Alice", f"!kb policy set {GARDEN}\n{WITH_QUESTIONS}")
    nina = await tale.knock("Nina", "I would like to grow herbs.")
    await tale.hear_of(nina, "pending")
    talk = await tale.conversation(nina)
    tale.teller.tell("Knockbot invites Nina to a private room. She joins it, and reads:")
    await tale.reads(nina, talk, "Which herb do you know best?")
    await tale.answers(nina, talk, "Thyme")
    question = await tale.reads(nina, talk, "Will you share your seeds with us?")
    tale.teller.tell("Nina clicks on 1️⃣.")
    await nina.react(talk, question["event_id"], "1️⃣")
    await tale.hear_of_change(nina, "accepted", rule="herb people", by=BOT)
    await tale.finds(nina, "invite", by=BOT)
    await nina.join(GARDEN)
    tale.teller.tell("Nina joins.")
    await tale.finds(nina, "join", by=nina.user_id)
    tale.ends(nina, "accepted", "rule herb people", "join")


async def invited_by_mail(tale: Tale) -> None:
    """A moderator invites an address. Whoever turns out to own it is judged, and is in."""
    if tale.identity_server is None:
        raise NotAsTold("there is no identity server")
    await tale.agreed("Bob", f"!kb invite {GARDEN} {ADDRESS}")
    mail = await tale.identity_server.mail(ADDRESS)
    tale.teller.tell(f"The identity server sends a mail to {mail.to}, “{mail.subject}”:")
    tale.teller.said("Sydent", mail.text.partition("\n")[0])
    gina = await tale.person("Gina")
    tale.teller.tell("Gina follows its link with her account of the village, and shows that the address is hers.")
    await tale.identity_server.claim(gina, ADDRESS)
    line = await tale.hear_of_change(gina, "redeemed", rule="people of the village", by=BOT)
    await tale.finds(gina, "invite", by=BOT)
    await gina.join(GARDEN)
    tale.teller.tell("Gina joins.")
    await tale.finds(gina, "join", by=gina.user_id)
    story = await tale.command("Bob", f"!kb show {block(line)['number']}")
    if not re.search("invite sent.*invite used.*policy says accept", story["content"]["body"], re.DOTALL):
        raise NotAsTold(f"the bot should show the whole story, but said: {story['content']['body']}")
    tale.ends(gina, "accepted", "rule people of the village", "join", Kind.THIRD_PARTY_INVITE)


async def planted_by_member(tale: Tale) -> None:
    """A member without power plants an invite with a key of her own; it is taken back before anybody comes in by it."""
    alice, mallory, oscar = tale.alice, await tale.person("Mallory"), await tale.person("Oscar")
    levels = await alice.state(tale.garden, "m.room.power_levels") or {}
    await alice.put_state(tale.garden, "m.room.power_levels", levels | {"invite": 0})
    await alice.invite(tale.garden, mallory.user_id)
    await mallory.join(tale.garden)
    tale.teller.tell("Alice lets every member invite their friends (level 0, as in many rooms). Mallory is a member.")
    invite = await Planted(tale.garden, mallory, "my friend Oscar").plant()
    tale.teller.tell("Mallory adds an invite: for no address, from no identity server, but with a key of her own.")
    tale.teller.tell("She can let in anyone with it, even after she has been banned.")
    tale.teller.tell(
        "The rule says: an invite with any key that is not from an identity server on localhost is rejected."
    )
    line = await tale.hear_of_invite(invite.event_id, "revoked", rule="keys of their own", by=BOT)
    await tale.command("Bob", f"!kb show {block(line)['number']}")
    await tale.finds_revoked(invite)
    tale.teller.tell("Mallory signs for Oscar, and Oscar tries to use the invite.")
    try:
        await invite.redeem(oscar)
    except MatrixRefused as refused:
        tale.teller.tell(f"Oscar sees: {refused.message}")
    else:
        raise NotAsTold("Oscar should be refused, but was invited")
    tale.ends(oscar, "kept out", "rule keys of their own", None, Kind.THIRD_PARTY_INVITE)


SCENES: tuple[tuple[str, Callable[[Tale], Awaitable[None]]], ...] = (
    ("The bot protects Alice's garden", hire),
    ("Alice sets the rules", set_policy),
    ("Carol has a plot: the policy accepts her", let_in_by_rule),
    ("Dave advertises: the policy bans him", banned_by_rule),
    ("Erin gives no reason: the policy rejects her, and tells her why", turned_away_by_rule),
    ("No rule matches Frank: the moderators decide, and Bob answers with one click", let_in_by_moderator),
    ("Grace changes her mind: no answer is needed", withdrawn),
    ("Vera waits, and a policy list names her: the policy bans her", named_while_waiting),
    ("Nina likes herbs: the policy asks her two questions, and her answers let her in", asked_by_rule),
    ("Gina has only an e-mail address: Bob invites it, and she is judged when she uses the invite", invited_by_mail),
    ("Mallory has a key of her own: the policy revokes her invite", planted_by_member),
)

NEED_MAIL = frozenset({invited_by_mail})
"""The scenes that are left out where there is no identity server."""


async def tell(tale: Tale) -> None:
    """Play all scenes, and sum up."""
    for title, scene in SCENES:
        if tale.identity_server is not None or scene not in NEED_MAIL:
            tale.teller.chapter(title)
            await scene(tale)
    tale.teller.title("The results, as the room itself shows them")
    rows = []
    for ending in tale.endings:
        found = await tale.alice.member(tale.garden, ending.who.user_id)
        compare(f"{ending.who.user_id} in {GARDEN}", {"membership": ending.membership}, found)
        membership = ending.membership or "none"
        rows.append((name_of(ending.who), ending.answer, ending.by, membership, found.get("reason", "")))
    tale.teller.table(("who", "answer", "by", "membership", "reason they see"), rows)
    knocks = sum(ending.kind is Kind.KNOCK for ending in tale.endings)
    invites = _invites(len(rows) - knocks)
    seconds = time.monotonic() - tale.began
    tale.teller.line(
        f"\n{knocks} knocks, {invites}, {len(rows)} answers, each checked against the room, in {seconds:.1f} s."
    )


def _invites(number: int) -> str:
    return f"{number} third-party invite{'' if number == 1 else 's'}"


async def _stay_open(tale: Tale, directory: Path) -> None:
    """Say how to walk in with any client, and wait for Ctrl-C."""
    heidi = await tale.person("Heidi")
    roles = {
        "Alice": "admin",
        "Bob": "moderator",
        "Gina": "was invited by e-mail",
        "Mallory": "member without power",
        "Oscar": "was promised a key",
        "Heidi": "has not knocked yet",
    }
    teller = tale.teller
    teller.title("Log in with any Matrix client; everything runs until Ctrl-C")
    places = [
        ("homeserver", tale.homeserver.url, "reachable from this machine only"),
        ("room", GARDEN, "the protected room"),
        ("room", MODERATORS, "where its moderators meet the bot; try !kb help"),
        ("files", str(directory), "the config, the database, the logs"),
    ]
    if tale.identity_server is not None:
        places.insert(1, ("identity server", tale.identity_server.url, "the same; its mail is shown below"))
    teller.table(("what", "where", ""), places)
    teller.title("Logins")
    rows = [(name.lower(), tale.password, roles.get(name, "knocked")) for name in tale.people]
    teller.table(("user", "password", ""), rows)
    teller.title("What to click")
    teller.tell(f"1. Sign in as bob: choose “other homeserver” and enter {tale.homeserver.url}.")
    teller.tell(
        f"2. Open “Garden moderators” ({MODERATORS}). It shows the cards of the story. It is not encrypted with"
    )
    teller.tell("   --keep, so that a new login can read it.")
    teller.tell("3. Let Heidi knock. Not every client can do that, so here she does it by hand:")
    body = json.dumps({"reason": "Heidi here. May I have a plot?"})
    url = f"{tale.homeserver.url}/_matrix/client/v3/knock/%23garden:{DOMAIN}"
    teller.tell(f"curl -H 'Authorization: Bearer {heidi.token}' -d '{body}' {url}")
    teller.tell("4. Her card appears. Click ✅ below it: the bot invites her, and the card says so.")
    teller.tell("5. Type !kb help.")
    if tale.identity_server is None:
        await asyncio.Event().wait()
    else:
        await _tell_mail(tale.identity_server.letter_box, teller)


async def _tell_mail(letter_box: LetterBox, teller: Teller) -> None:
    """Show whatever is mailed, for ever: it goes nowhere else."""
    while True:
        for mail in letter_box.take_all():
            teller.title(f"A mail to {mail.to}: “{mail.subject}”")
            for line in mail.text.strip().splitlines():
                teller.tell(line)
        await asyncio.sleep(0.5)
