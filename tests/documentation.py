"""The repository's prose as tests see it: its files, the blocks in them, and everything the program can complain of."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knockbot.chat.sentences import SENTENCES
from knockbot.chat.sentences.rows import Sentence, says

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "knockbot"
DOCS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `kind` is what stands behind the fence (``yaml policy``), `line` that of the fence."""

    file: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def blocks(*kinds: str) -> list[Block]:
    """The blocks of these kinds in all the prose, in order; all blocks where no kind is given."""
    return [block for file in DOCS for block in blocks_of(file) if not kinds or block.kind in kinds]


def blocks_of(file: Path) -> Iterator[Block]:
    """The blocks of one file."""
    prose = file.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(prose):
        indent, kind, text = fence.groups()
        unindented = "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        yield Block(file, prose.count("\n", 0, fence.start()) + 1, kind.strip(), unindented)


def code_spans(file: Path) -> list[str]:
    """What stands in backquotes in one file, outside its blocks."""
    return _CODE_SPAN.findall(_FENCE.sub("", file.read_text(encoding="utf-8")))


def headings(file: Path) -> list[str]:
    """The headings of one file, without their ``#``."""
    return re.findall(r"^#+ +(.+)$", _FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)


def parsed(file: Path) -> ast.Module:
    """The code of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def tracked_files() -> list[Path]:
    """What git keeps of this repository, and what is about to be added; nothing in a place that is no checkout."""
    if not (ROOT / ".git").exists():
        return []
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# --- what the program can complain of -------------------------------------------------------------------------

RAISED = frozenset(
    {
        "Fault",
        "InUse",
        "KnockbotError",
        "Later",
        "Malformed",
        "Miss",
        "Misuse",
        "Never",
        "Unavailable",
        "UsageError",
        "_error",
        "Aside",
        "Hint",
        "damaged",
        "unfit",
        "_fault",
    }
)
"""What is called with a complaint."""

LOGGED = frozenset({"critical", "error", "exception", "warning"})
"""The log's methods that complain."""

NO_COMPLAINT_CODES = frozenset(
    {
        "bulk.all",
        "ask.code_name",
        "codes.ended",
        "vouches.again",
        "vouches.given",
        "vouches.judged_again",
        "vouches.remark",
        "vouches.remark_row",
        "vouches.remark_why",
        "vouches.taken_back",
        "codes.head",
        "codes.made",
        "codes.none",
        "codes.redact",
        "codes.remark",
        "codes.remark_row",
        "codes.remark_unused",
        "codes.row",
        "codes.row_until",
        "codes.terms",
        "codes.terms_until",
        "own.code",
        "bulk.asks",
        "bulk.asks_votes",
        "bulk.confirm",
        "bulk.declined",
        "bulk.done",
        "bulk.given",
        "bulk.how_to_stop",
        "bulk.left",
        "bulk.left_unnamed",
        "bulk.others",
        "bulk.running",
        "bulk.runs_already",
        "bulk.selected",
        "bulk.stopped",
        "bulk.told",
        "bulk.told_at",
        "bulk.undone",
        "bulk.untouched",
        "bulk.votes",
        "bulk.votes_reached",
        "templates.none",
        "templates.of",
        "templates.row",
        "templates.use",
        "policy_list.people_more",
        "policy_list.none",
        "policy_list.unread",
        "policy_list.row",
        "policy_list.row_unchanged",
        "policy_list.used",
        "policy_list.unusable",
        "policy_list.everybody",
        "act.unblocked",
        "allow.done",
        "allow.more_wrong_lines",
        "allow.note",
        "allow.no_end",
        "allow.one_waits",
        "allow.renewed",
        "allow.renewed_one",
        "allow.renewed_same",
        "allow.repeated",
        "allow.until",
        "allow.waiting",
        "allowed.head",
        "allowed.newest",
        "allowed.row",
        "allowed.space",
        "disallow.done",
        "check.knocks",
        "check.may",
        "check.members_join",
        "call.how",
        "call.nobody",
        "call.quiet",
        "call.row",
        "claim.line",
        "quiet.came",
        "remind.daily",
        "remind.many",
        "remind.one",
        "quiet.over",
        "command",
        "help.begin",
        "help.end",
        "meet.topic",
        "help.one",
        "help.row",
        "named.means",
        "note.count",
        "note.earlier",
        "note.line",
        "named.means_now",
        "policy.changed",
        "policy.otherwise",
        "policy.taken",
        "policy.undo",
        "inviter.fell",
        "invite.revoked_together",
        "invite.inviter_banned",
        "config.protected",
        "daily.heading",
        "defer.line",
        "defer.off",
        "list.more",
        "protect.already",
        "protect.done",
        "protect.ended",
        "preset.another",
        "preset.choose",
        "preset.kept",
        "preset.list",
        "preset.more",
        "preset.row",
        "preset.use",
        "preset.what",
        "prompt.closed",
        "protect.next",
        "room.greeting",
        "also.more",
        "also.row",
        "space.begun",
        "space.counts",
        "space.ended",
        "space.more",
        "space.of",
        "space.protected",
        "space.row",
        "space.row_elsewhere",
        "space.stay",
        "time.just_now",
        "undo.also_taken",
        "undo.also_withdrawn",
        "undo.ask",
        "undo.batch",
        "undo.batch_again",
        "undo.batch_done",
        "undo.batch_left",
        "undo.batch_more",
        "undo.batch_only_votes",
        "undo.batch_same",
        "undo.batch_try_again",
        "undo.batch_unvoted",
        "undo.batch_votes",
        "undo.before",
        "undo.is_undone",
        "undo.done",
        "undo.open_again",
        "upgrade.moved",
    }
)
"""The codes of chat/sentences/ that tell no complaint; every other one does."""


NO_COMPLAINT_AREAS = (
    *("answer.hits", "before.", "by.", "dossier.", "explain.", "invites.", "list.", "log.", "message.", "offer."),
    *("outcome.", "policy.", "queue.", "try.", "rooms.", "sent.", "show.", "test.", "time.", "who."),
    *("digest.", "wave.shown", "wave.shown_at", "wave.by_", "wave.means", "wave.ends", "wave.was", "wave.over"),
    *(
        "wave.begun",
        "wave.lasts",
        "vote.from",
        "vote.given",
        "vote.in_short",
        "vote.taken_back",
        "vote.takes",
        "vote.text",
        "letter.",
        "own.",
        "appeal.",
        "question.",
        "interview.ask",
        "interview.closed",
        "interview.room_name",
    ),
)
"""How the codes begin of what is only looked up, or a part of a card."""

CARDS_THAT_COMPLAIN = frozenset(
    {"card.answer_yourself", "card.chose", "card.may_have_withdrawn", "card.moved_away", "card.unprotected"}
)


def _is_no_complaint(code: str) -> bool:
    is_of_a_card = code.startswith("card.") and code not in CARDS_THAT_COMPLAIN
    return is_of_a_card or code in NO_COMPLAINT_CODES or code.startswith(NO_COMPLAINT_AREAS)


def complaints() -> dict[str, str]:
    """Every complaint in the code, as `plainly` has it, with the place it stands in."""
    found = {plainly(sentence.text): f"chat/sentences/: {key}" for key, sentence in _complaining()}
    for file in sorted(PACKAGE.rglob("*.py")):
        if "demo" not in file.parts:
            tree = parsed(file)
            told = {"reasons.py": _reasons}.get(file.name, lambda _: ())
            for line, text in (*_raised(tree), *told(tree)):
                if len(re.findall(r"[a-z]{2,}", plainly(text))) > 1:  # a word alone is a value, not a complaint
                    found.setdefault(plainly(text), f"{file.relative_to(ROOT)}:{line}")
    return found


def _complaining() -> Iterator[tuple[str, Sentence]]:
    """The sentences that have to be told with what to do about them."""
    for key, sentence in SENTENCES.items():
        if sentence.has_words and not _is_no_complaint(key.split("/")[0]):
            yield key, sentence
            if sentence.plural:
                yield key, says(sentence.plural)


def plainly(text: str) -> str:
    """A sentence without backquotes and line breaks, with ``…`` for whatever is put into it."""
    text = re.sub(r"\{[a-z_]*\}|%(?:\.\d)?[a-z]", "…", text.replace("\\|", "|").replace("`", ""))
    return re.sub(r"\s*…[…\s]*", "…", " ".join(text.split())).strip(" …:⚠\ufe0f")


def _raised(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (_called(node) in RAISED or _logs(node)):
            for argument in node.args:
                if text := _template(argument):
                    yield node.lineno, text


REASONS = ("act.", "busy.", "concern/", "event.", "homeserver.", "identity.", "server.")
"""The reasons that are complaints; others are told with what they explain."""


def _reasons(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The sentences of reasons."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and str(key.value).startswith(REASONS) and (text := _template(value)):
                    yield value.lineno, text


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _logs(node: ast.Call) -> bool:
    match node.func:
        case ast.Attribute(value=ast.Name(id="log"), attr=method):
            return method in LOGGED
    return False


def _template(node: ast.AST) -> str | None:
    """The fixed words of a text in the code; none for what is no text, or has no words of its own."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            texts = [_template(left), _template(right)]
            return "".join(text or "…" for text in texts) if any(texts) else None
    return None
