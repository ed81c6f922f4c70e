"""The registration: what the homeserver is told about knockbot, made from the settings."""

from __future__ import annotations

import hashlib
import re

from knockbot.config.settings import Settings
from knockbot.documents.reading import found
from knockbot.documents.yaml import read_document
from knockbot.errors import Fault

REGISTRATION = """\
# Tells the homeserver about knockbot. It belongs to config.yaml: "knockbot registration" writes it again.
id: {id}
url: {url}
as_token: {as_token}
hs_token: {hs_token}
sender_localpart: {sender_localpart}
rate_limited: false
receive_ephemeral: {ephemeral}
{lines}namespaces:
  users:
    - exclusive: true
      regex: {users}
  aliases: []
  rooms: []
"""


TRANSACTION_LINES = """\
org.matrix.msc3202: true
io.element.msc4190: true
"""
"""With these keys and two flags of its own, Synapse sends in transactions what is for the bot's device."""


MEMBERSHIP_LINES = """\
io.element.msc4502.scopes:
  - urn:matrix:client:io.element.msc4502:rooms:is_joined
"""
"""With this and a flag of its own, Synapse tells who is in rooms that the bot is not in."""


def registration(settings: Settings) -> str:
    """The registration that fits the settings, as YAML; the same settings give the same text."""
    service = settings.appservice
    values = {
        "id": service.id,
        "url": service.address,
        "as_token": service.as_token,
        "hs_token": service.hs_token,
        "sender_localpart": sender_localpart(service.as_token),
        "users": f"^{re.escape(settings.bot_user_id)}$",
    }
    by_transactions = settings.encryption.allow and settings.encryption.appservice
    lines = TRANSACTION_LINES if by_transactions else ""
    lines += MEMBERSHIP_LINES if service.membership_queries else ""
    plain = {"ephemeral": "true" if by_transactions else "false", "lines": lines}
    return REGISTRATION.format_map({key: quoted(value) for key, value in values.items()} | plain)


def registration_differences(settings: Settings, written: str) -> list[str]:
    """How a registration differs from the one that fits the settings; the values of tokens are not shown.

    Keys that are not ours are left alone. Raises `Fault` for what is no registration.
    """
    theirs, ours = (read_document(text).value for text in (written, registration(settings)))
    if not isinstance(theirs, dict):
        raise Fault("it is no registration")
    found_at = {key: theirs.get(key, False if value in (True, False) else None) for key, value in ours.items()}
    differing = [key for key, value in ours.items() if key != "namespaces" and found_at[key] != value]
    # A key that makes the homeserver send more than we read costs it work, but is no fault.
    plain = [key for key in differing if not (ours[key] is False and key == "receive_ephemeral")]
    differences = [_difference(key, found_at[key], ours[key]) for key in plain]
    return differences + ([] if _covers(theirs.get("namespaces"), settings.bot_user_id) else [NOT_COVERED])


NOT_COVERED = "no exclusive namespace under namespaces.users covers the bot"


def _difference(key: str, theirs: object, ours: object) -> str:
    if key.endswith("_token") or key == "sender_localpart":
        return f"{key} is another one"
    return f"{key} is {found(theirs)} there, and has to be {found(ours)}"


def _covers(namespaces: object, user_id: str) -> bool:
    users = namespaces.get("users") if isinstance(namespaces, dict) else None
    for one in users if isinstance(users, list) else []:
        if isinstance(one, dict) and one.get("exclusive") is True and isinstance(one.get("regex"), str):
            try:
                if re.match(one["regex"], user_id):
                    return True
            except re.error:
                continue
    return False


def sender_localpart(as_token: str) -> str:
    """The localpart of the second user in the registration, who is never used.

    It is as random as the token it is made from, so nobody can have taken the name. Because it is made from the token,
    it stays the same whenever the registration is written again.
    """
    return "_knockbot_" + hashlib.sha256(b"knockbot sender_localpart " + as_token.encode()).hexdigest()[:24]


def quoted(text: str) -> str:
    """Printable text as a YAML scalar that is text to readers of YAML 1.1 too, such as Synapse's."""
    return "'" + text.replace("'", "''") + "'"
