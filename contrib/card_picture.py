#!/usr/bin/env python3
"""Makes the pictures of docs/: plays a story, and lets Chromium draw its cards as a chat client would.

    .venv/bin/python contrib/card_picture.py docs/card.png
    .venv/bin/python contrib/card_picture.py docs/card-de.png --german
    .venv/bin/python contrib/card_picture.py docs/card-space.png --space
    .venv/bin/python contrib/card_picture.py strangers.png --strangers

The first plays the story of the demo. `--german` plays a short one in a room with `language: de`, `--space` one at a
space with its rooms. `--strangers` draws
the cards of people whose names and reasons try to do harm, to be looked at: nothing of them may move, be a link, or
take the place of what the bot says.

It needs Chromium (Debian: `apt install chromium fonts-inter fonts-noto-color-emoji`; another one by CHROMIUM=path),
and what the demo needs; Pillow comes with Synapse. The words in the picture are what knockbot sent: run it again when
cards change. It is no part of the tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import click
from PIL import Image, ImageChops

from knockbot.demo.people import Json
from knockbot.demo.stage import BOT, DOMAIN, set_up
from knockbot.demo.story import hire, tell
from knockbot.demo.tale import GARDEN, Tale, block, newest
from knockbot.demo.teller import Teller

STRANGERS = {
    "Ilai": ("שלום", "I come from right to left: עברית, and back."),
    "Judy": ("evil.example", "See https://evil.example or @alice:village.test or #garden:village.test @room"),
    "Karl": ("x" * 200, "y" * 400),
    "Liam": ("🌻🌻", "Emoji alone"),
    "Mona": (f"@alice:{DOMAIN}", "I have the name of somebody's ID."),
    "Nora": ("\u202eadmin\u2069 مرحبا @", "With an override: \u202emoc.live"),
}
"""Names and reasons that try to do harm."""

GERMAN_POLICY = """\
language: de
rules:
  - name: Werbung
    when: { reason_matches: "(?i)casino|krypto|follower" }
    then: ban
    reason: Keine Werbung im Garten.
  - name: Parzellen
    when: { reason_matches: "(?i)parzelle [0-9]+" }
    then: accept
otherwise: forward"""

WIDTH, HEIGHT, SCALE = 780, 1600, 2
"""CSS pixels of the page, more than enough in height; what stays empty is cut off."""

COLOURS = 128
"""In the picture's palette: enough for text, and a third of the size."""

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Cards</title>
<style>
  body { margin: 0; padding: 20px; background: #fff; color: #1d2330; font: 15px/1.5 Inter, "DejaVu Sans", sans-serif; }
  main { border: 1px solid #dfe3ea; border-radius: 12px; overflow: hidden; background: #fbfcfd; }
  header { padding: 12px 20px; border-bottom: 1px solid #e6e9ef; background: #ffffff; font-weight: 600; }
  header small { font-weight: 400; color: #6a7385; margin-left: 8px; }
  article { display: grid; grid-template-columns: 36px 1fr auto; column-gap: 12px; padding: 12px 20px 10px; }
  article + article { border-top: 1px solid #f0f2f5; }
  .avatar { width: 34px; height: 34px; border-radius: 50%; background: #3b6ea8; color: #fff; font-weight: 600;
            display: grid; place-items: center; margin-top: 2px; }
  .who { font-weight: 600; color: #3b6ea8; }
  time { color: #8a93a3; font-size: 12px; padding-top: 3px; }
  .body { overflow-wrap: anywhere; }
  .notice .body { color: #5b6474; }
  .edited { color: #8a93a3; font-size: 12px; margin-left: 4px; }
  a { color: inherit; }
  code { font: 13px/1.4 "DejaVu Sans Mono", monospace; background: #edf0f4; color: #333b4a; border-radius: 4px;
         padding: 1px 5px; }
  [data-mx-spoiler] { background: #d9dee6; border-radius: 4px; padding: 0 6px; color: #4c5566; filter: blur(3.2px); }
  .pills { margin-top: 7px; }
  .pill { display: inline-block; border: 1px solid #d5dae2; border-radius: 13px; background: #f2f4f7; padding: 0 9px;
          margin-right: 6px; font-size: 13px; line-height: 24px; color: #4c5566; }
  .pill.own { border-color: #3b6ea8; background: #e6eff9; color: #2b5482; }
</style>
<main>
"""


async def demo(tale: Tale) -> None:
    """The story of the demo, and one more knock that waits."""
    await tell(tale)
    await _waits(tale, "Heidi", "Heidi from the bakery. May I have a plot for the herbs?")


async def strangers(tale: Tale) -> None:
    """The same, and people who try to do harm."""
    await tell(tale)
    for name, (display_name, reason) in STRANGERS.items():
        await (await tale.person(name)).set_display_name(display_name)
        await _waits(tale, name, reason)


async def german(tale: Tale) -> None:
    """Four people knock at a room whose policy is German."""
    await hire(tale)
    await tale.alice.put_state(tale.garden, "m.room.name", {"name": "Garten"})
    await tale.agreed("Alice", f"!kb policy set {GARDEN}\n{GERMAN_POLICY}")
    lena = await tale.knock("Lena", "Hier ist Lena, von Parzelle 12 am Teich.")
    await tale.hear_of(lena, "accepted", rule="Parzellen", by=BOT)
    timo = await tale.knock("Timo", "Gewinne in meinem Casino!!! 10.000 FOLLOWER gratis")
    await tale.hear_of(timo, "banned", rule="Werbung", by=BOT)
    paul = await tale.knock("Paul", "Ich bin gegenüber eingezogen und helfe gern bei den Apfelbäumen.")
    card = await tale.hear_of(paul, "pending")
    await tale.offered(card)
    await tale.bob.react(tale.moderators, card["event_id"], "✅")
    await tale.hear_of_change(paul, "accepted", by=tale.bob.user_id)
    await paul.join(GARDEN)
    await tale.hear_of_change(paul, "joined", by=tale.bob.user_id)
    await _waits(tale, "Jana", "Jana aus der Bäckerei. Bekomme ich ein Beet für die Kräuter?")


async def space(tale: Tale) -> None:
    """A space with its rooms: somebody who is in one of them knocks at another, and somebody else at three doors."""
    await hire(tale)
    rooms = {"Garden": tale.garden}
    for name in ("Neighbours", "Pond", "Orchard"):
        kind = {"creation_content": {"type": "m.space"}} if name == "Neighbours" else {}
        levels = {"invite": 50, "users": {BOT: 50, tale.bob.user_id: 50}}
        rooms[name] = await tale.alice.create_room(
            name, alias=name.lower(), join_rule="knock", power_levels=levels, **kind
        )
        await tale.bring_bot(rooms[name])
        await tale.alice.invite(rooms[name], tale.bob.user_id)
        await tale.bob.join(rooms[name])
    for name in ("Garden", "Pond", "Orchard"):
        await tale.alice.put_state(rooms["Neighbours"], "m.space.child", {"via": [DOMAIN]}, rooms[name])
    command = await tale.alice.say(tale.moderators, f"!kb protect #neighbours:{DOMAIN} with rooms")
    await tale.hear(lambda event: "with its rooms" in event["content"]["body"], f"the answer to {command}")
    ida = await tale.person("Ida")
    await tale.alice.invite(rooms["Orchard"], ida.user_id)
    await ida.join(rooms["Orchard"])
    await _waits(tale, "Ida", "Ida, who prunes the apple trees. May I help here as well?")
    await _at_three_doors(tale, rooms)


async def _at_three_doors(tale: Tale, rooms: dict[str, str]) -> None:
    """Jonas was turned away at the pond once; now he knocks at the space and at two of its rooms."""
    jonas = await tale.person("Jonas")
    await jonas.knock(rooms["Pond"], "hi")
    await tale.hear_of(jonas, "pending")
    await tale.bob.say(tale.moderators, "!kb reject 2 Please say who you are.")
    await tale.hear_of_change(jonas, "rejected", by=tale.bob.user_id)
    for name in ("Neighbours", "Garden", "Orchard"):
        await jonas.knock(rooms[name], "Jonas, the new neighbour from number 7.")
    card = await tale.hear(
        lambda event: len(newest(event)[0].get("org.knockbot.requests", ())) == len(rooms) - 1, "a card of three doors"
    )
    shown = {**card, "event_id": card["content"].get("m.relates_to", {}).get("event_id", card["event_id"])}
    await tale.offered(shown)
    number = block(card)["number"]
    await tale.bob.say(tale.moderators, f"!kb accept {number - 1}")
    await tale.hear(lambda event: "2 waiting" in newest(event)[0]["body"], "an edit of the card")


async def _waits(tale: Tale, name: str, reason: str) -> None:
    """Somebody knocks, and the card waits for an answer."""
    await tale.offered(await tale.hear_of(await tale.knock(name, reason), "pending"))


@dataclass(frozen=True)
class Picture:
    """What is played, whose cards are drawn, and what the client around them says."""

    play: Callable[[Tale], Awaitable[None]]
    names: tuple[str, ...]
    title: str = "Garden moderators"
    whose: str = "as Bob sees it"
    edited: str = "(edited)"


PICTURES = {
    "--demo": Picture(demo, ("Carol", "Dave", "Frank", "Heidi")),
    "--german": Picture(
        german, ("Lena", "Timo", "Paul", "Jana"), "Moderation des Gartens", "wie Bob sie sieht", "(bearbeitet)"
    ),
    "--space": Picture(space, ("Ida", "Jonas"), "Moderators of the neighbours", "as Bob sees it"),
    "--strangers": Picture(strangers, tuple(STRANGERS)),
}
"""In the first two: two requests that a rule answered, one that a moderator answered, one that waits."""


async def events_of(picture: Picture) -> list[Json]:
    """Play the story of a picture, and return what was said in the moderators' room."""
    with tempfile.TemporaryDirectory() as directory:
        async with set_up(Path(directory), Teller(), mailed=False) as stage:
            tale = Tale(stage.homeserver, Teller(), encrypted=False)
            await stage.play(picture.play(tale))
            return await tale.bob.messages(tale.moderators, limit=200)


def page(events: list[Json], picture: Picture) -> str:
    """The messages to show, each in its newest version, in a page."""
    edits = {
        event["content"]["m.relates_to"]["event_id"]: newest(event)[0]
        for event in events
        if event["content"].get("m.relates_to", {}).get("rel_type") == "m.replace"
    }
    wanted = {f"@{name.lower()}:" for name in picture.names}
    shown = [
        event
        for event in events
        if event["sender"] == BOT
        and event["type"] == "m.room.message"
        and "m.new_content" not in event["content"]
        and (block(event).get("user_id") or "").partition(":")[0] + ":" in wanted
    ]
    header = f"<header>{picture.title}<small>{picture.whose}</small></header>\n"
    cards = (_message(event, edits.get(event["event_id"]), events, picture.edited) for event in shown)
    return PAGE + header + "\n".join(cards) + "</main>"


def _message(event: Json, edit: Json | None, events: list[Json], word: str) -> str:
    content = edit or event["content"]
    kind = "notice" if content["msgtype"] == "m.notice" else "text"
    at = datetime.fromtimestamp(event["origin_server_ts"] / 1000, UTC).strftime("%H:%M")
    edited = f'<span class="edited">{word}</span>' if edit else ""
    return (
        f'<article class="{kind}"><div class="avatar">K</div><div><div class="who">Knockbot</div>'
        f'<div class="body" dir="auto">{content["formatted_body"]}{edited}</div>{_pills(event, events)}</div>'
        f"<time>{at}</time></article>"
    )


def _pills(event: Json, events: list[Json]) -> str:
    """The reactions below a message; Bob's own stand out."""
    relations = [(other["sender"], other["content"].get("m.relates_to", {})) for other in events]
    put = [(sender, r["key"]) for sender, r in relations if r.get("event_id") == event["event_id"] and "key" in r]
    own = {key for sender, key in put if sender.startswith("@bob:")}
    pills = (
        f'<span class="pill{" own" if key in own else ""}">{escape(key)} {count}</span>'
        for key, count in Counter(key for _, key in put).items()
    )
    return f'<div class="pills">{"".join(pills)}</div>' if put else ""


def draw(html: str, where: Path) -> None:
    """Let Chromium draw a page; cut off what is empty, and keep few colours."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise click.ClickException("there is no chromium here; name one by CHROMIUM=/path/to/it")
    with tempfile.TemporaryDirectory() as directory:
        file, raw = Path(directory) / "card.html", Path(directory) / "card.png"
        file.write_text(html, encoding="utf-8")
        options = [
            f"--user-data-dir={directory}/profile",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--force-device-scale-factor={SCALE}",
            f"--screenshot={raw}",
        ]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium refuses to run as root with its sandbox
        subprocess.run([chromium, *FLAGS, *options, file.as_uri()], check=True, capture_output=True)  # noqa: S603
        image = Image.open(raw).convert("RGB")
    empty = Image.new("RGB", image.size, image.getpixel((0, 0)))
    *_, right, bottom = ImageChops.difference(image, empty).getbbox() or (0, 0, *image.size)
    margin = 20 * SCALE
    image = image.crop((0, 0, min(right + margin, image.width), min(bottom + margin, image.height)))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(where, optimize=True)


def main() -> None:
    """From the story to the picture."""
    picture = PICTURES[next((word for word in sys.argv[1:] if word.startswith("-")), "--demo")]
    where = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "docs/card.png"))
    draw(page(asyncio.run(events_of(picture)), picture), where)
    click.echo(f"\n{where}: {where.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
