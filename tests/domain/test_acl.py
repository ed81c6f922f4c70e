"""Server ACLs are read as homeservers read them, whatever stands in the event."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.domain.acl import server_acl

ALL: dict[str, Any] = {"allow": ["*"]}


@pytest.mark.parametrize(
    ("content", "server", "denied"),
    [
        (None, "tulip.example", False),
        ({}, "tulip.example", True),
        ({"deny": []}, "tulip.example", True),
        ({"allow": []}, "tulip.example", True),
        ({"allow": "*"}, "tulip.example", True),
        (ALL, "tulip.example", False),
        (ALL | {"deny": ["tulip.example"]}, "tulip.example", True),
        (ALL | {"deny": ["tulip.example"]}, "tulip.example:8448", True),
        (ALL | {"deny": ["tulip.example:8448"]}, "tulip.example:8448", False),
        (ALL | {"deny": ["tulip.example"]}, "TULIP.example", True),
        (ALL | {"deny": ["TULIP.*"]}, "tulip.example", True),
        (ALL | {"deny": ["tulip.example"]}, "a.tulip.example", False),
        (ALL | {"deny": ["*.tulip.example"]}, "a.tulip.example", True),
        (ALL | {"deny": ["*.tulip.example"]}, "tulip.example", False),
        (ALL | {"deny": ["tulip?example"]}, "tulip.example", True),
        (ALL | {"deny": ["tulip.exampl"]}, "tulip.example", False),
        (ALL | {"deny": ["[a-z]ulip.example"]}, "tulip.example", False),
        (ALL | {"deny": ["tulip.example"], "allow": ["tulip.example"]}, "tulip.example", True),
        ({"allow": ["rose.example"]}, "tulip.example", True),
        ({"allow": ["rose.example"]}, "rose.example", False),
        (ALL | {"deny": "tulip.example"}, "tulip.example", False),
        (ALL | {"deny": [5, None, {"tulip.example": 1}, "tulip.example"]}, "tulip.example", True),
        (ALL | {"deny": ["x" * 5000]}, "tulip.example", False),
        (ALL | {"deny": ["*" * 5000]}, "tulip.example", True),
        (ALL, "1.2.3.4", False),
        (ALL | {"allow_ip_literals": True}, "1.2.3.4:8448", False),
        (ALL | {"allow_ip_literals": False}, "1.2.3.4:8448", True),
        (ALL | {"allow_ip_literals": False}, "1.2.3.4", True),
        (ALL | {"allow_ip_literals": False}, "[::1]:8448", True),
        (ALL | {"allow_ip_literals": False}, "1.2.3.example", False),
        (ALL | {"allow_ip_literals": "false"}, "1.2.3.4", False),
        (ALL | {"deny": ["[[]::1]", "[::1]"]}, "[::1]:8448", True),
    ],
)
def test_who_is_denied(content: dict[str, Any] | None, server: str, denied: bool) -> None:
    assert server_acl(content).denies(server) is denied


@pytest.mark.parametrize(
    ("user_id", "denied"), [("@ana:rose.example", True), ("@ana:tulip.example", False), ("", False)]
)
def test_a_user_of_our_own_server_is_never_denied_and_neither_is_who_is_not_known_yet(
    user_id: str, denied: bool
) -> None:
    assert server_acl({"allow": []}).denies_user(user_id, home="tulip.example") is denied


def test_an_acl_as_long_as_an_event_can_be_is_read() -> None:
    acl = server_acl({"allow": ["*"], "deny": [f"*.spam{number}.example" for number in range(2500)]})

    assert acl.denies("a.spam2499.example")
    assert not acl.denies("a.ham.example")
