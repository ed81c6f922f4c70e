"""The repository checks itself: imports point down, prose and code say the same, and nothing private is left lying."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from knockbot import cli
from knockbot.chat.catalogue import render
from knockbot.chat.commands import COMMANDS, SYNONYMS
from knockbot.check.steps import STEPS
from knockbot.config.sources import known_keys
from knockbot.documents import yaml
from knockbot.documents.schema import NEEDED
from knockbot.documents.yaml import read_document
from knockbot.domain.card import OUTCOMES
from knockbot.domain.criteria import COMBINATIONS, CRITERIA
from knockbot.domain.model import State, Verdict
from knockbot.domain.policy import POLICY_KEYS, RULE_KEYS, Announce
from knockbot.flow.tables import Feature
from knockbot.product import FEATURES
from tests.cases import case
from tests.documentation import (
    DOCS,
    PACKAGE,
    ROOT,
    blocks_of,
    code_spans,
    complaints,
    headings,
    parsed,
    plainly,
    tracked_files,
)

MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def prose(*names: str) -> str:
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


# --- imports ------------------------------------------------------------------------------------------------------


def test_imports_point_down_and_the_edges_never_meet() -> None:
    # In a process of its own: what other tests have imported confuses it, and it switches their loggers off.
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


def test_every_place_for_a_feature_has_one() -> None:
    unused = {field.name for field in fields(Feature) if not any(getattr(row, field.name) for row in FEATURES)}

    assert unused == set()


THINGS_THAT_DO = frozenset(
    {"aiohttp", "aiosqlite", "asyncio", "asyncpg", "http", "io", "logging", "mautrix", "os", "pathlib", "random"}
    | {
        "ruamel",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
    }
    | {"time", "uuid"}
)
"""What reads, writes, waits, knows the time or throws dice; the import contract has the most likely of these."""


def test_the_domain_does_nothing_but_think() -> None:
    for file in sorted((PACKAGE / "domain").glob("*.py")):
        for node in ast.walk(parsed(file)):
            with case(name_of(file)):
                if isinstance(node, ast.Import):
                    assert not {alias.name.partition(".")[0] for alias in node.names} & THINGS_THAT_DO
                elif isinstance(node, ast.ImportFrom):
                    assert (node.module or "").partition(".")[0] not in THINGS_THAT_DO
                elif isinstance(node, ast.Call):
                    assert not re.search(r"\b(open|print|input|exec|eval|now|today|utcnow)$", ast.unparse(node.func))


# --- the prose tells all there is ---------------------------------------------------------------------------------


def code_headings(file: str) -> list[str]:
    """What the headings of a file that are all code name."""
    return [heading[1:-1] for heading in headings(ROOT / file) if re.fullmatch("`[^`]+`", heading)]


def test_every_command_has_its_section_and_no_other_does() -> None:
    assert sorted(code_headings("docs/commands.md")) == sorted(COMMANDS)


def test_the_table_in_the_prose_is_that_of_the_commands() -> None:
    rows = [f"| `{command.full_usage}` | {render(command.summary).plain} |" for command in COMMANDS.values()]

    assert "\n".join(rows) in prose("docs/commands.md")


def test_every_other_word_for_a_command_is_told() -> None:
    assert {*SYNONYMS} - {*code_spans(ROOT / "docs/commands.md")} == set()


def test_every_criterion_has_its_section_and_no_other_does() -> None:
    assert sorted(code_headings("docs/policy.md")) == sorted(CRITERIA)


def test_every_criterion_has_an_example() -> None:
    examples = "\n".join(block.text for block in blocks_of(ROOT / "docs/policy.md") if block.kind == "yaml when")

    assert [criterion for criterion in CRITERIA if not re.search(rf"\b{criterion}:", examples)] == []


def test_every_word_of_a_policy_is_told() -> None:
    words = {*POLICY_KEYS, *RULE_KEYS, *COMBINATIONS, *Verdict, *Announce}

    assert words - {*code_spans(ROOT / "docs/policy.md")} == set()


def test_every_key_of_a_policy_has_a_row_with_its_default() -> None:
    page = prose("docs/policy.md")
    for name, row in POLICY_KEYS.items():
        with case(name):
            [default] = re.findall(rf"^\| `{row.name}` \| ([^|]*) \|", page, re.MULTILINE)

            written = str(row.written).lower() if isinstance(row.written, bool) else row.written
            if isinstance(written, dict):
                written = f"{{{', '.join(f'{key}: {value}' for key, value in written.items())}}}"
            assert default == NOTHING.get(row.name, f"`{written}`")


NOTHING = {
    "rules": "none",
    "lists": "none",
    "also_invite": "none",
    "templates": "none",
    "letters": "none",
    "questions": "none",
    "call": "nobody",
    "language": "that of `defaults` in `config.yaml`",
}
"""How the prose says that there is nothing."""


def test_every_key_of_a_rule_has_a_row_that_says_whether_it_is_needed() -> None:
    page = prose("docs/policy.md")
    for name, row in RULE_KEYS.items():
        with case(name):
            [needed] = re.findall(rf"^\| `{row.name}` \| (needed|optional) \|", page, re.MULTILINE)

            assert (needed == "needed") is (row.default is NEEDED)


def test_every_state_of_a_request_is_told() -> None:
    states = {State.PENDING, *OUTCOMES}

    assert states - {*code_spans(ROOT / "docs/commands.md")} == set()
    assert states - {*code_spans(ARCHITECTURE)} == set()


def config_keys(path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key in known_keys(path):
        yield (*path, key)
        yield from config_keys((*path, key))


def test_every_key_of_the_config_stands_in_its_manual() -> None:
    manual = prose("config.example.yaml")
    document = read_document(manual, deepest=12).value
    for path in config_keys():
        with case(".".join(path)):
            values = document
            for key in path[:-1]:
                values = values[key]

            assert path[-1] in values or re.search(rf"^ *# {path[-1]}: ", manual, re.MULTILINE)


def test_every_command_of_the_program_is_told() -> None:
    told = prose("README.md", "docs/install.md")

    assert [name for name in cli.commands.commands if not re.search(rf"\b(knockbot|make) {name}\b", told)] == []


def test_every_option_of_init_is_told() -> None:
    options = {option for parameter in cli.init_command.params for option in parameter.opts} - {"--debug"}

    assert options - {*code_spans(ROOT / "docs/install.md")} == set()


MENDS = sorted({*yaml._REFUSED.values(), *(words for _, words in yaml.MENDS)})
"""Complaints that stand in tables."""


def told() -> str:
    return plainly(prose("docs/troubleshooting.md"))


def test_every_complaint_in_a_table_is_told_with_its_mend() -> None:
    page = told()

    assert [complaint for complaint in MENDS if plainly(complaint) not in page] == []


def test_every_complaint_is_told_with_its_mend() -> None:
    page = told()
    untold = {place: complaint for complaint, place in complaints().items() if complaint not in page}

    assert untold == {}, "docs/troubleshooting.md does not tell it"


def test_no_chapter_tells_the_mend_of_a_complaint_twice() -> None:
    for chapter in re.split(r"^## ", prose("docs/troubleshooting.md"), flags=re.MULTILINE):
        complaints = [line.partition(" | ")[0] for line in chapter.splitlines() if line.startswith("| ")]

        assert [one for one in complaints if complaints.count(one) > 1] == []


def test_every_step_of_check_is_told() -> None:
    sound = next(block.text for block in blocks_of(ROOT / "docs/install.md") if "✅ config" in block.text)

    assert re.findall(r"^✅ ([\w ]+):", sound, re.MULTILINE) == ["config", *STEPS]


# --- the architecture ---------------------------------------------------------------------------------------------


JOURNEYS = {"the journey": "The journey of one knock", "an invite's journey": "The journey of a third-party invite"}
"""What modules call them, and the chapters that tell them."""


def steps_claimed() -> Iterator[tuple[str, int, str]]:
    """The steps of the journeys that modules say they take."""
    for file in MODULES:
        opening = ast.get_docstring(parsed(file)) or ""
        for steps, journey in re.findall(r"Steps? (\d(?: and \d)?) of ([\w' ]+) \(ARCHITECTURE\.md\)", opening):
            yield from ((journey, int(step), str(file.relative_to(PACKAGE))) for step in steps.split(" and "))


def steps_of(journey: str) -> dict[int, str]:
    """The numbered steps in a chapter of the architecture."""
    chapter = prose("ARCHITECTURE.md").partition(f"## {JOURNEYS[journey]}\n")[2].partition("\n## ")[0]
    steps = re.split(r"^(\d)\. ", chapter, flags=re.MULTILINE)
    return {int(number): text for number, text in zip(steps[1::2], steps[2::2], strict=True)}


@pytest.mark.parametrize(("journey", "many"), [("the journey", 7), ("an invite's journey", 6)])
def test_each_journey_has_its_steps(journey: str, many: int) -> None:
    assert list(steps_of(journey)) == list(range(1, many + 1))


def test_a_module_takes_the_step_that_the_architecture_gives_it() -> None:
    for journey, step, module in steps_claimed():
        with case(f"step {step} of {journey}"):
            assert f"`{module}`" in steps_of(journey)[step]


def test_every_step_is_taken_by_a_module() -> None:
    claimed = {(journey, step) for journey, step, _ in steps_claimed()}

    assert claimed == {(journey, step) for journey in JOURNEYS for step in steps_of(journey)}


def test_only_the_engine_marks_what_is_handled() -> None:
    """So no handler can forget to, nor do it beside what it writes."""
    modules = {file: file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")}
    assert {file.parent.name for file, text in modules.items() if "inbox.handled(" in text} == {"engine"}
    verbs = {file: text for file, text in modules.items() if file.relative_to(PACKAGE).parts[0] in ("flow", "features")}
    assert [file for file, text in verbs.items() if re.search(r"\bseq\b", text)] == []


ASKS_FOR_POWER = {
    "flow/authority.py": "whether somebody may, by the table of who may",
    "flow/checkup.py": "what the bot lacks in a room, for people to see",
    "flow/answering.py": "which answers the bot could give, so that a card offers no other",
    "flow/acts/members.py": "what the bot lacked, where the homeserver has refused",
    "features/thirdparty/acts.py": "the same",
    "features/bulk/choosing.py": "who is left out of a batch before it is asked about; each answer is looked at again",
    "features/lookalikes/facts.py": "who has power in a room, so that people may believe them",
    "features/thirdparty/facts.py": "the level of an inviter, as a fact for rules",
    "features/vouches/facts.py": "the level of who vouches, as a fact for rules",
}
"""Where power levels are looked at outside of the domain, and what for."""

CATCHES_REFUSALS = {
    "chat/commands.py": "a command",
    "chat/arguments.py": "words that may begin with a room, in the wrong place",
    "chat/applicant.py": "what an applicant writes in their conversation",
    "chat/presets.py": "a room that is not managed from here is the one whose members come in",
    "chat/orders.py": "one of several requests that a command is about",
    "chat/several.py": "the same, where it is no answer",
    "features/undo/many.py": "one of the answers of a batch that is undone",
    "chat/undo.py": "one of several answers that a command undoes",
    "chat/replay.py": "a policy that is only tried, so that no change is refused",
    "flow/answering.py": "a click on a card",
    "features/spaces/inviting.py": "an answer that is carried out in other rooms too",
    "features/spaces/leaving.py": "one of several rooms that a command is about",
    "features/spaces/walking.py": "a command or a click that is carried out later, room by room",
    "features/bulk/choosing.py": "one of the requests of a batch",
    "features/bulk/running.py": "the same",
    "features/bulk/stopping.py": "one of the rooms of a batch",
    "features/questions/answers.py": "an answer that an applicant gives or corrects",
    "features/votes/recount.py": "a vote that is counted anew under another policy",
    "flow/questions.py": "a click on a question",
    "flow/rulebook.py": "one of several rooms in which a policy is to be applied",
    "features/thirdparty/issuing.py": "a command that is carried out later",
    "flow/entering.py": "a command that waits for the bot to be let in",
    "flow/protecting.py": "goes on, once the room is left or the attempt forgiven",
    "flow/journal.py": "goes on, with a line of the log",
    "features/upgrades/successors.py": "goes on, once the room that was entered for it is left",
}
"""Where a no to a person becomes words: where they came in."""


def modules_with(pattern: str) -> set[str]:
    """The modules of what decides and does, whose text has this in it."""
    found = (file for part in ("flow", "features", "chat", "views") for file in (PACKAGE / part).rglob("*.py"))
    return {str(file.relative_to(PACKAGE)) for file in found if re.search(pattern, file.read_text(encoding="utf-8"))}


def test_whether_somebody_may_is_asked_in_one_place() -> None:
    arithmetic = r"\.shortfall\(|powers\.may\(|\.needed_for_state\(|\.needed_to_redact\(|owers\S*\.level\("

    assert modules_with(arithmetic) == ASKS_FOR_POWER.keys()


def test_a_no_to_a_person_is_caught_where_they_came_in() -> None:
    assert modules_with(r"except \(?Refused") == CATCHES_REFUSALS.keys()


def rows_of(chapter: str) -> list[list[str]]:
    """The names in the first column of the table in a chapter of the architecture, row by row."""
    text = prose("ARCHITECTURE.md").partition(f"## {chapter}\n")[2].partition("\n## ")[0]
    return [re.findall(r"`(\w+)`", row.split("|")[1]) for row in text.splitlines() if row.startswith("| `")]


def test_the_table_of_layers_is_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]

    assert contract["type"] == "layers"
    assert [sorted(row) for row in rows_of("Layers")] == [
        sorted(re.split(r" [:|] ", row)) for row in contract["layers"]
    ]


def test_the_list_of_features_is_the_product() -> None:
    told = [name for row in rows_of("Features") for name in row]

    assert told == [feature.name for feature in FEATURES]
    assert sorted(told) == sorted(file.parent.name for file in PACKAGE.glob("features/*/__init__.py"))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_modules_and_tables_named_in_prose_exist(page: Path) -> None:
    # Readers look for a file where the prose says it is; shorthand below the package is fine.
    for span in code_spans(page):
        if re.fullmatch(r"[\w/]+\.py", span):
            assert any((root / span).exists() for root in (ROOT, PACKAGE, ROOT / "tests")), span
        elif named := re.fullmatch(r"([\w/]+\.py):(\w+)", span):
            assert re.search(rf"^{named[2]}\b", (PACKAGE / named[1]).read_text(encoding="utf-8"), re.MULTILINE), span


def test_decisions_are_numbered_and_of_one_shape() -> None:
    assert [int(file.name[:4]) for file in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for file in DECISIONS:
        assert headings(file)[1:] == ["Context", "Decision", "Consequence"], file.name


def test_decisions_that_the_code_names_exist() -> None:
    named = {number for file in MODULES for number in re.findall(r"docs/decisions/(\d{4})", file.read_text("utf-8"))}

    assert named <= {file.name[:4] for file in DECISIONS}


def test_the_changelog_has_a_place_for_what_is_to_come() -> None:
    assert "[Unreleased]" in headings(ROOT / "CHANGELOG.md")


# --- every file ---------------------------------------------------------------------------------------------------


def test_every_module_opens_with_one_sentence_that_says_what_it_is_for() -> None:
    for file in SOURCES:
        sentence = (ast.get_docstring(parsed(file)) or "").partition("\n\n")[0]
        with case(name_of(file)):
            assert re.fullmatch(r"\S.{5,}[.!]", sentence, re.DOTALL), sentence
            assert not re.search(r"[.!?] [A-Z]", sentence), f"more than one sentence: {sentence}"


_WAIVER = re.compile(r"#\s*(?:ruff: )?(?:noqa|type: ignore|pragma)\b(?::\s*[A-Z]+\d+(?:, ?[A-Z]+\d+)*|\[[\w, -]+\])?")


def waivers(file: Path) -> Iterator[tuple[int, str, str]]:
    """The line of each waiver in a file, the comment, and the reason in it."""
    source = file.read_text(encoding="utf-8")
    if _WAIVER.search(source):  # to find the comments takes long
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and (waiver := _WAIVER.match(token.string)):
                reason = _WAIVER.sub("", token.string[waiver.end() :]).strip(" -#()")
                yield token.start[0], token.string, reason


def test_every_waiver_carries_its_reason() -> None:
    bare = [
        f"{name_of(file)}:{line}: {comment}"
        for file in SOURCES
        for line, comment, reason in waivers(file)
        if len(reason.split()) < 2
    ]

    assert bare == []


def test_every_rule_that_is_not_held_to_carries_its_reason() -> None:
    config = prose("pyproject.toml")
    lint = tomllib.loads(config)["tool"]["ruff"]["lint"]
    for rule in {*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)}:
        lines = [line for line in config.splitlines() if f'"{rule}"' in line]

        assert any(re.search(r"# \S+ \S+", line) for line in lines), rule


def test_lock_files_hold_no_address() -> None:
    for file in (ROOT / "requirements").glob("*.lock"):
        assert not re.search(r"://|^\s*-[^-]|^\s*--(index|extra|find|trusted)| @ ", file.read_text(), re.MULTILINE)


PRIVATE = re.compile(
    r"(?<![\w.])/(?:root|work|Users|home/(?!knockbot\b)\w+)/"  # somebody's machine
    r"|pythonhosted\.org|pypi\.org/simple|(?:index|extra-index)-url[ =]+\S*://"  # somebody's registry
)


def test_nothing_tells_of_the_machine_it_was_written_on() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("not a checkout")
    told_of = []
    for file in files:
        if file.suffix != ".png" and file != Path(__file__):
            text = file.read_text(encoding="utf-8", errors="replace")
            told_of += [f"{name_of(file)}: {found[0]}" for found in PRIVATE.finditer(text)]

    assert told_of == []
