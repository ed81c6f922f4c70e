"""The log: one line for each thing said, of which no stranger writes the beginning."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockbot import logs
from knockbot.config.settings import Logging
from knockbot.config.values import Format, Level
from knockbot.documents.schema import form
from tests.chat.safety import HOSTILE, assert_nothing_hidden

FORGED = "x\n2026-11-21 12:00:00,000 INFO    knockbot: all is well"
BEGINNING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) +[\w.]+: ")


class Log:
    """Standard error, for as long as a test lasts."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def configure(self, **how: object) -> None:
        """Log as these settings say."""
        logs.configure(form(Logging)(how, ()))

    def lines(self) -> list[str]:
        """What was written since the last look."""
        return self._captured.readouterr().err.removesuffix("\n").split("\n")


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    """The log; afterwards logging is as it was before."""
    levels = {name: logging.getLogger(name).level for name in ("", "knockbot")}
    yield Log(capsys)
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one.formatter, logs._Text | logs._Json)]:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def fail_with(text: str) -> None:
    try:
        raise ValueError(text) from KeyError(text)
    except ValueError:
        logging.getLogger("knockbot.test").exception("it failed: %s", text)


def test_a_line_says_when_how_bad_who_and_what(log: Log) -> None:
    log.configure()
    logging.getLogger("knockbot.test").warning("the door of %s is stuck", "#garden:tulip.example")

    [line] = log.lines()
    assert BEGINNING.match(line)
    assert "WARNING" in line
    assert line.endswith("knockbot.test: the door of #garden:tulip.example is stuck")


@pytest.mark.parametrize("text", [*HOSTILE, FORGED])
def test_no_stranger_begins_a_line_or_colours_the_terminal(log: Log, text: str) -> None:
    log.configure()
    logging.getLogger("knockbot.test").warning("somebody says %s", text)

    [line] = log.lines()
    assert BEGINNING.match(line)
    assert_nothing_hidden(line)


@pytest.mark.parametrize("text", [*HOSTILE, FORGED])
def test_nor_does_the_text_of_an_exception(log: Log, text: str) -> None:
    log.configure()
    fail_with(text)

    first, *trace = log.lines()
    assert BEGINNING.match(first)
    assert any("ValueError" in line for line in trace)
    for line in trace:
        assert line.startswith(" ")
        assert_nothing_hidden(line)


def test_a_trace_keeps_its_shape(log: Log) -> None:
    log.configure()
    fail_with("why")

    trace = log.lines()[1:]
    at = next(number for number, line in enumerate(trace) if "test_logs.py" in line)
    indent = [len(line) - len(line.lstrip()) for line in trace[at : at + 2]]
    assert indent[1] > indent[0] > 0


def test_a_long_message_is_cut(log: Log) -> None:
    log.configure()
    logging.getLogger("knockbot.test").warning("x" * 100_000)

    [line] = log.lines()
    assert len(line) < 2_200


@pytest.mark.parametrize("text", [*HOSTILE, FORGED])
def test_as_json_each_line_is_one_object(log: Log, text: str) -> None:
    log.configure(format="json")
    logging.getLogger("knockbot.test").warning("somebody says %s", text)
    fail_with(text)

    said, failed = map(json.loads, log.lines())
    assert set(said) == {"at", "level", "logger", "message"}
    assert (said["level"], said["logger"]) == ("warning", "knockbot.test")
    assert_nothing_hidden(said["message"])
    assert set(failed) == {"at", "level", "logger", "message", "exception"}
    assert "ValueError" in failed["exception"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_can_be_logged_in_either_form(log: Log, text: str) -> None:
    for written in Format:
        log.configure(format=written.value)
        logging.getLogger("knockbot.test").error("%s", text)
        [line] = log.lines()
        assert written is Format.TEXT or json.loads(line)["level"] == "error"


@pytest.mark.parametrize("level", Level)
def test_the_level_is_that_of_the_config_for_knockbot_and_no_other(log: Log, level: Level) -> None:
    log.configure(level=level.value)
    for name in ("knockbot.test", "aiohttp.access"):
        for at in Level:
            logging.getLogger(name).log(logging.getLevelName(at.value.upper()), "%s says %s", name, at.value)

    written = log.lines()
    order = list(Level)
    wanted = [f"knockbot.test says {at.value}" for at in order[order.index(level) :]]
    assert [line.partition(": ")[2] for line in written if "knockbot.test" in line] == wanted
    assert [line.partition(": ")[2] for line in written if "aiohttp" in line] == [
        "aiohttp.access says warning",
        "aiohttp.access says error",
    ]
