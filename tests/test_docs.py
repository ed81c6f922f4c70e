"""The examples in the prose work: each is run through the program's own parsers, and every link leads somewhere."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from knockbot import cli
from knockbot.chat import replies
from knockbot.chat.catalogue import render
from knockbot.chat.command import Command
from knockbot.chat.commands import COMMANDS, find_command
from knockbot.chat.typed import PREFIXES
from knockbot.config.policies import read_policy
from knockbot.config.settings import Settings
from knockbot.config.sources import known_keys, load
from knockbot.documents.schema import Faults
from knockbot.documents.text import without_marks
from knockbot.domain.may import MAY, Deed, Takes
from knockbot.domain.model import Facts, Kind, Knock, Request, State, Verdict
from knockbot.domain.policy import POLICY_KEYS, decide
from knockbot.domain.power import ABOVE_THE_TARGET
from knockbot.domain.records import Recorded
from knockbot.errors import Fault
from knockbot.features.presets.table import PRESETS, Preset
from knockbot.store.records import Entry
from knockbot.views.requests import Story
from tests.cases import case
from tests.documentation import DOCS, ROOT, Block, blocks, blocks_of, code_spans, headings

KINDS = {
    "": "a drawing",
    "text": "what a program says",
    "text fault": "what the mistake in the block before is answered with",
    "yaml": "YAML for another program than knockbot",
    "yaml policy": "a whole policy",
    "yaml when": "what stands under `when` in a rule",
    "yaml mistake": "a policy that is not taken",
    "yaml config": "a part of config.yaml",
    "yaml config-mistake": "a part of config.yaml that is not taken",
    "chat": "what is typed in a management room",
    "sh": "what is typed at a shell",
    "json": "JSON",
    "python": "Python",
}
"""What may stand behind the fence of a block, and what it says about the block."""

NEEDED = {
    "KNOCKBOT_HOMESERVER__ADDRESS": "http://localhost:8008",
    "KNOCKBOT_HOMESERVER__DOMAIN": "example.org",
    "KNOCKBOT_APPSERVICE__ADDRESS": "http://localhost:29331",
    "KNOCKBOT_APPSERVICE__AS_TOKEN": "as",
    "KNOCKBOT_APPSERVICE__HS_TOKEN": "hs",
}


def parametrize(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks(*kinds), ids=str)


def complaint_after(block: Block) -> str:
    """What the prose says a mistake is answered with."""
    following = next(later for later in blocks_of(block.file) if later.line > block.line)
    assert following.kind == "text fault", f"{block}: no `text fault` block follows"
    return following.text.rstrip()


def test_every_block_says_what_it_is() -> None:
    strange = [f"{block}: {block.kind!r}" for block in blocks() if block.kind not in KINDS]

    assert strange == [], f"known are {', '.join(KINDS)}"


# --- policies and config ------------------------------------------------------------------------------------------


@parametrize("yaml policy")
def test_a_policy_is_taken(block: Block) -> None:
    read_policy(block.text)


@parametrize("yaml when")
def test_a_condition_is_taken(block: Block) -> None:
    condition = "".join(f"    {line}" for line in block.text.splitlines(keepends=True))
    asks_of_inviters = re.search(r"\b(inviter\w*|invites_by_inviter|identity_server):", block.text)
    kind = Kind.THIRD_PARTY_INVITE if asks_of_inviters else Kind.KNOCK

    lists = 'lists: [{room: "#watch:community.example", then: none}]\n'  # for the criterion that asks about one
    lists += "questions: [ask: Why?]\n"  # for those that ask about answers
    read_policy(f"{lists}rules:\n- for: {kind}\n  when:\n{condition}  then: forward\n")


@parametrize("yaml mistake")
def test_a_mistaken_policy_is_answered_as_told(block: Block) -> None:
    with pytest.raises(Fault) as fault:
        read_policy(block.text)

    assert str(fault.value) == complaint_after(block)


def loaded(block: Block, directory: Path) -> Settings:
    file = directory / "config.yaml"
    file.write_text(block.text)
    return load(Path(os.path.relpath(file)), NEEDED)


@parametrize("yaml config")
def test_a_part_of_the_config_is_taken(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    loaded(block, tmp_path)


@parametrize("yaml config-mistake")
def test_a_mistaken_config_is_answered_as_told(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Fault) as fault:
        loaded(block, tmp_path)

    assert isinstance(fault.value, Faults) or "\n" not in str(fault.value)
    assert str(fault.value) == complaint_after(block)


@parametrize("yaml")
def test_other_yaml_is_for_other_programs(block: Block) -> None:
    keys = set(YAML(typ="safe").load(block.text))

    assert not keys & {*POLICY_KEYS, *known_keys()}, "say `yaml policy` or `yaml config`"


@parametrize("json")
def test_json_is_json(block: Block) -> None:
    json.load(io.StringIO(block.text))


# --- commands -----------------------------------------------------------------------------------------------------

CHAT = [
    *((str(block), line) for block in blocks("chat") for line in block.text.splitlines() if line.startswith("!")),
    *((file.name, span) for file in DOCS for span in code_spans(file) if span.startswith(("!kb ", "!knockbot "))),
]


def test_a_line_in_chat_is_a_command() -> None:
    for place, line in CHAT:
        prefix, _, said = line.partition(" ")
        with case(f"{place}: {line}"):
            assert prefix in PREFIXES
            assert find_command(said.replace("ROOM", "#room:example.org"))[1] is not None


@parametrize("chat")
def test_a_policy_set_in_chat_is_taken(block: Block) -> None:
    first, _, below = block.text.partition("\n")
    if find_command(first.partition(" ")[2])[0] in ("policy set", "policy try"):
        read_policy(below)
    else:
        assert all(line.startswith("!") for line in block.text.splitlines()), f"{block}: not a command in every line"


def shell_commands(block: Block) -> list[list[str]]:
    """The arguments of each call of `knockbot` in a block, wherever the program stands and whoever calls it."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        for command in re.split(r"[|;]|&&|>", re.sub(r"(^| )#.*", "", line)):
            words = shlex.split(command)
            calls = [
                place
                for place, word in enumerate(words[:-1])
                if Path(word).name == "knockbot" and words[place + 1] in {*cli.commands.commands, "--help", "--version"}
            ]
            found += [words[place + 1 :] for place in calls[-1:]]
    return found


SHELL = [(str(block), arguments) for block in blocks("sh") for arguments in shell_commands(block)]


@pytest.mark.parametrize(("place", "arguments"), SHELL)
def test_a_command_at_the_shell_is_accepted(place: str, arguments: list[str]) -> None:
    name, *rest = arguments
    manner = cli.Manner(debug=False)
    with click.Context(cli.commands, obj=manner) as context:
        cli.commands.commands[name].make_context(name, rest, parent=context)  # parses and runs nothing


def test_commands_in_the_text_exist() -> None:
    first_words = {
        (span.split()[1], file.name)
        for file in DOCS
        for span in code_spans(file)
        if re.fullmatch("knockbot [a-z]+( -.*)?", span)
    }

    assert {word for word, _ in first_words} <= set(cli.commands.commands), first_words


def test_environment_variables_stand_for_keys_that_exist() -> None:
    for file in DOCS:
        for name in re.findall(r"KNOCKBOT_([A-Z][A-Z_]+[A-Z])", file.read_text(encoding="utf-8")):
            *part, key = name.lower().split("__")

            assert key in known_keys(tuple(part)), f"{file.name}: KNOCKBOT_{name}"


SHOWN = """\
rules:
- {name: spam, when: {server: "*.spam.example"}, then: ban}
- {name: empty reason, when: {not: {reason_length_at_least: 3}}, then: reject}
"""


def test_the_example_of_a_request_is_what_the_bot_says() -> None:
    at, bot = 1_795_291_680_000, "@knockbot:example.org"
    knock = Knock("!garden:example.org", "@ana:tulip.example", "$knock", "I bring seeds", "Ana")
    request = Request(
        id=1,
        management_room="!mods:example.org",
        number=12,
        room_id=knock.room_id,
        kind=Kind.KNOCK,
        user_id=knock.user_id,
        event_id=knock.event_id,
        reason=knock.reason,
        display_name=knock.display_name,
        has_avatar=knock.has_avatar,
        state=State.PENDING,
        opened_at=at,
        changed_at=at,
        decision=decide(knock, Facts("example.org"), read_policy(SHOWN)),
    )
    line = Entry(at, knock.room_id, 1, bot, Recorded.JUDGED, {"verdict": Verdict.FORWARD, "rule": "otherwise"})
    said = render(replies.shown_request(Story(request, "Garden", (line,)))).plain

    assert f"{without_marks(said)}\n" in [block.text for block in blocks("text")]


# --- presets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_is_shown_as_it_is(preset: Preset) -> None:
    text = preset.written("#space:example.org" if preset.needs_room else None)

    assert text in [block.text for block in blocks_of(ROOT / "docs/policy.md")]
    assert f"`{preset.name}`" in (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")


# --- who may ------------------------------------------------------------------------------------------------------

WANTS = {
    Deed.LOOK: "to look: `help`, `rooms`, `check`, `list`, `show`, `invites`, `call`, `allowed`, `codes`, "
    "`policy show`, `policy presets`, `policy log`, `test`, `lists`, `templates`, `log`, `queue`",
    Deed.NOTE: "`note`, `release`",
    Deed.CALL: "`call me`, `call off`",
    Deed.ASK: "`ask`, `interview`, ✋ on an interview",
    Deed.CLAIM: "`claim`",
    Deed.ACCEPT: "`accept`, `accept all`, ✅: a knock, or a user of a third-party invite; `undo` of their rejection",
    Deed.REJECT: "`reject`, `reject all`, ❌: the same; `undo` of their accept",
    Deed.DEFER: "`defer`",
    Deed.BAN: "`ban`, `ban all`, ⛔: the same",
    Deed.LET_STAND: "`accept`, ✅: a third-party invite that nobody has used",
    Deed.REVOKE: "`reject`, ❌, `revoke`: the same; `undo` of its accept",
    Deed.BAN_INVITER: "`ban`, ⛔: its inviter",
    Deed.INVITE: "`invite`",
    Deed.LIFT_BAN: "`undo` of a ban",
    Deed.TAKE_BACK: "`undo` of your own answer that is not carried out yet",
    Deed.ALLOW: "`allow`, `disallow`",
    Deed.CODE: "`code new`, `code end`",
    Deed.VOUCH: "`vouch`, `unvouch`, also by the same words in a conversation",
    Deed.WAVE: "`wave on`, `wave off`",
    Deed.SET_POLICY: "`policy set`, `policy revert`, `policy apply`, `policy use`, `policy try`; "
    "1️⃣ 2️⃣ 3️⃣ … on the offer of presets; "
    "✅ where pending requests can be judged by a new policy, or after a wave; "
    "✅ where a room that the policy names was replaced",
    Deed.PROTECT: "`protect`; ✅ where rooms were added to a space, for each of them; ❌ there, for the space",
    Deed.UNPROTECT: "`unprotect`",
    Deed.TAKE_OVER: "✅ where a protected room was upgraded: `unprotect` for the old room, and in the new one",
}
"""How docs/commands.md calls each deed."""


def row_of(deed: Deed, takes: Takes) -> tuple[str, ...]:
    """A row of the table of who may, as it must stand in the docs."""
    levels = " and the ".join(f"`{power}`" for power in takes.powers)
    above = ", and a higher level than the other user" if ABOVE_THE_TARGET & {*takes.powers} else ""
    protected = {
        "joined": takes.joined,
        f"the {levels} level{above}": bool(takes.powers),
        "the level of one of the answers that the request can get": takes.answers,
        "the level to change the join rule, and that of every verdict of the policy": takes.keeps_door,
    }
    management = {
        "joined": takes.joined_to_management,
        "the level to change its settings (`state_default`)": takes.changes_settings,
    }
    config = {
        "an entry in `permissions`": takes.permitted,
        "no entry for the room in `rooms`": takes.unlocked,
        "an `admin` needs nothing else": takes.or_admin,
    }
    bot = {"the same level": takes.of_the_bot}
    cells = ("; ".join(said for said, so in cell.items() if so) for cell in (protected, management, config, bot))
    return (WANTS[deed], *cells)


def test_the_docs_say_of_every_deed_what_it_takes_and_of_nothing_else() -> None:
    section = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").partition("\n## Who may\n")[2]
    table = section.partition("\n|---")[2].partition("\n\n")[0].splitlines()[1:]
    rows = [tuple(cell.strip() for cell in row.strip().removeprefix("|").removesuffix("|").split("|")) for row in table]

    assert rows == [row_of(deed, takes) for deed, takes in MAY.items()]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_every_command_is_told_of_where_its_deed_is(command: Command) -> None:
    assert f"`{command.name}`" in WANTS[command.deed]


# --- links --------------------------------------------------------------------------------------------------------


def anchor(heading: str) -> str:
    """A heading as the end of a link, by GitHub's rule: lower case, no punctuation, hyphens for blanks."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


LINKS = [
    (file, link)
    for file in (*DOCS, *sorted((ROOT / "contrib").rglob("*.md")))
    for link in re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8"))
    if not link.startswith("https://")
]


def test_a_link_leads_somewhere() -> None:
    for file, link in LINKS:
        path, _, fragment = link.partition("#")
        target = file.parent / path if path else file
        with case(f"{file.name}: {link}"):
            assert target.exists()
            assert not fragment or fragment in map(anchor, headings(target))


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, rest = set(), {ROOT / "README.md"}
    while rest:
        page = rest.pop()
        reached.add(page)
        links = {(file.parent / link.partition("#")[0]).resolve() for file, link in LINKS if file == page}
        rest |= {target for target in links if target.suffix == ".md"} - reached

    assert set(DOCS) <= reached
