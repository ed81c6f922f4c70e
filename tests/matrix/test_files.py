"""Files that people send: what a message holds, what is downloaded of it, and what cannot be opened."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from knockbot.domain.model import File, FileKey
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Later, Never
from knockbot.flow.ports import TOO_LARGE
from knockbot.matrix.events import file_in
from knockbot.matrix.files import Files, encrypted, opened
from knockbot.matrix.homeserver import Homeserver
from tests.matrix.edge import AS_TOKEN, BOT, MODERATOR, MODS, Json
from tests.matrix.fake_homeserver import FakeHomeserver, Reply

CLEAR: Json = {"msgtype": "m.file", "body": "list.csv", "url": "mxc://tulip.example/Abc_-1"}
SEALED: Json = {
    "url": "mxc://tulip.example/Abc_-1",
    "v": "v2",
    "key": {"kty": "oct", "alg": "A256CTR", "k": "KEY", "ext": True, "key_ops": ["encrypt", "decrypt"]},
    "iv": "IV",
    "hashes": {"sha256": "HASH"},
}
FILE = File("tulip.example", "Abc_-1")
DOWNLOAD = "media/download/tulip.example/Abc_-1"


# --- in a message ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "file"),
    [
        ({}, FILE),
        ({"url": "mxc://tulip.example:8448/x"}, File("tulip.example:8448", "x")),
        ({"file": SEALED}, File("tulip.example", "Abc_-1", FileKey("KEY", "IV", "HASH"))),
        ({"file": SEALED, "url": None}, File("tulip.example", "Abc_-1", FileKey("KEY", "IV", "HASH"))),
        ({"file": 5}, FILE),
        ({"msgtype": "m.image"}, FILE),
        ({"msgtype": "m.video"}, FILE),
        ({"msgtype": "m.audio"}, FILE),
        ({"msgtype": "m.location"}, None),
        ({"msgtype": "m.text"}, None),
        ({"url": None}, None),
        ({"url": 5}, None),
        ({"url": "https://tulip.example/x"}, None),
        ({"url": "mxc://tulip.example/../x"}, None),
        ({"url": "mxc://tulip.example/a/b"}, None),
        ({"url": "mxc://tulip.example/.."}, None),
        ({"url": "mxc://tulip.example/x?y"}, None),
        ({"url": "mxc://../x"}, None),
        ({"url": "mxc://a b/x"}, None),
        ({"url": f"mxc://tulip.example/{'x' * 256}"}, None),
        ({"file": {**SEALED, "url": "mxc://"}}, None),
        ({"file": {**SEALED, "key": None}}, None),
        ({"file": {**SEALED, "key": {"k": 5}}}, None),
        ({"file": {**SEALED, "iv": []}}, None),
        ({"file": {**SEALED, "hashes": {}}}, None),
        ({"file": {**SEALED, "iv": "x" * 101}}, None),
    ],
)
def test_a_message_holds_a_file_or_nothing_that_could_be_fetched(changed: Json, file: File | None) -> None:
    assert file_in({**CLEAR, **changed}) == file


async def test_the_file_of_an_earlier_message_is_found(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    event: Json = {"type": "m.room.message", "event_id": "$f", "sender": MODERATOR, "content": CLEAR}
    fake.on(
        "GET",
        "event/$f",
        Reply(body=event),
        Reply(body={**event, "type": "m.sticker"}),
        Reply(body={**event, "content": 5}),
        Reply(404, {"errcode": "M_NOT_FOUND"}),
    )
    found = [await Files(homeserver).attached(MODS, "$f") for _ in range(4)]
    assert found == [FILE, None, None, None]


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_file_that_was_edited_is_not_taken(homeserver: Homeserver, fake: FakeHomeserver, sealed: bool) -> None:
    """Clients show the newer file. The homeserver tells of an edit beside the event, in encrypted rooms too."""
    kind, content = ("m.room.encrypted", {"ciphertext": "x"}) if sealed else ("m.room.message", CLEAR)
    event: Json = {"type": kind, "event_id": "$f", "sender": MODERATOR, "content": content}
    newer = {"event_id": "$g", "origin_server_ts": 1, "sender": MODERATOR}
    fake.on("GET", "event/$f", Reply(body={**event, "unsigned": {"m.relations": {"m.replace": newer}}}))
    with pytest.raises(Never) as raised:
        await Files(homeserver).attached(MODS, "$f")
    assert in_words(raised.value.why) == "it was edited after it was sent. Send it again as a new message."


async def test_a_text_that_was_edited_holds_no_file(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    newer = {"event_id": "$g", "origin_server_ts": 1, "sender": MODERATOR}
    text: Json = {"type": "m.room.message", "event_id": "$f", "sender": MODERATOR}
    text |= {"content": {"msgtype": "m.text", "body": "hello"}, "unsigned": {"m.relations": {"m.replace": newer}}}
    fake.on("GET", "event/$f", Reply(body=text))
    assert await Files(homeserver).attached(MODS, "$f") is None


# --- downloaded -----------------------------------------------------------------------------------------------


async def test_a_file_is_downloaded_with_the_bots_token_and_as_it_is(
    homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    content = b'\xef\xbb\xbf"@a:b.c";\r\n\x00\xff'
    fake.on("GET", DOWNLOAD, Reply(raw=content, headers={"Content-Type": "text/csv"}))

    assert await Files(homeserver).content(FILE, 1000) == content
    [asked] = fake.asked("GET", DOWNLOAD)
    assert asked.path[:4] == ("_matrix", "client", "v1", "media")
    assert asked.headers["Authorization"] == f"Bearer {AS_TOKEN}"
    assert asked.query == {"user_id": BOT, "timeout_ms": "20000"}


@pytest.mark.parametrize(("size", "taken"), [(1000, True), (1001, False)])
async def test_no_more_of_a_file_is_read_than_it_may_have(
    homeserver: Homeserver, fake: FakeHomeserver, size: int, taken: bool
) -> None:
    fake.on("GET", DOWNLOAD, Reply(raw=b"x" * size))
    code, length = None, 0
    try:
        length = len(await Files(homeserver).content(FILE, 1000))
    except Never as error:
        code = error.code
    assert (code, length) == ((None, size) if taken else (TOO_LARGE, 0))


async def test_a_file_without_an_end_is_dropped(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    fake.on("GET", DOWNLOAD, Reply(stream=itertools.repeat(b"x" * 1000)))
    with pytest.raises(Never) as raised:
        await Files(homeserver).content(FILE, 100_000)
    assert raised.value.code == TOO_LARGE


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (Reply(404, {"errcode": "M_NOT_FOUND"}), Never, "the homeserver did not find this."),
        (Reply(502, {"errcode": "M_UNKNOWN", "error": "dead"}), Never, "the homeserver says: dead"),
        (Reply(504, {"errcode": "M_NOT_YET_UPLOADED", "error": "wait"}), Never, "the homeserver says: wait"),
        (Reply(307, headers={"Location": "https://cdn.example/x"}), Later, "redirects to https://cdn.example"),
        (Reply(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 5000}), Later, "asks me to slow down"),
        (Reply(drop=True), Later, "cannot be reached"),
    ],
)
async def test_what_is_not_delivered_is_told_and_only_a_silent_homeserver_is_waited_for(
    homeserver: Homeserver, fake: FakeHomeserver, reply: Reply, error: type[ActionError], says: str
) -> None:
    fake.on("GET", DOWNLOAD, reply)
    with pytest.raises(ActionError) as raised:
        await Files(homeserver).content(FILE, 1000)
    assert type(raised.value) is error
    assert says in in_words(raised.value.why)


# --- encrypted ------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed() -> tuple[bytes, FileKey]:
    """An encrypted file, and what opens it."""
    pytest.importorskip("unpaddedbase64", reason="encryption takes the extra e2ee")
    from mautrix.crypto.attachments import encrypt_attachment  # noqa: PLC0415 - there only with the extra

    ciphertext, info = encrypt_attachment(b"@ana:tulip.example;;\xc3\xbc")
    found: Any = info.serialize()
    return ciphertext, FileKey(found["key"]["k"], found["iv"], found["hashes"]["sha256"])


async def test_an_encrypted_file_is_opened(
    homeserver: Homeserver, fake: FakeHomeserver, sealed: tuple[bytes, FileKey]
) -> None:
    ciphertext, key = sealed
    fake.on("GET", DOWNLOAD, Reply(raw=ciphertext))
    file = File("tulip.example", "Abc_-1", key)
    assert await Files(homeserver).content(file, 1000) == b"@ana:tulip.example;;\xc3\xbc"


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"},
        {"sha256": "?"},
        {"key": "AAAA"},
        {"key": "é"},
        {"iv": ""},
        {"iv": "AAAA"},
        {"iv": "!!!"},
    ],
)
async def test_a_file_that_does_not_fit_its_key_is_told(
    homeserver: Homeserver, fake: FakeHomeserver, sealed: tuple[bytes, FileKey], wrong: dict[str, str]
) -> None:
    ciphertext, key = sealed
    fake.on("GET", DOWNLOAD, Reply(raw=ciphertext))
    broken = FileKey(wrong.get("key", key.key), wrong.get("iv", key.iv), wrong.get("sha256", key.sha256))
    with pytest.raises(Never) as raised:
        await Files(homeserver).content(File("tulip.example", "Abc_-1", broken), 1000)
    assert in_words(raised.value.why) == "it does not fit its key."


def test_what_is_encrypted_for_a_room_is_opened_with_its_key() -> None:
    pytest.importorskip("olm", reason="encryption takes the extra e2ee")
    ciphertext, sealed = encrypted("otherwise: ban  # für alle".encode())
    file = file_in({**CLEAR, "url": None, "file": {**sealed, "url": "mxc://tulip.example/Abc"}})
    assert file is not None
    assert file.key is not None
    assert opened(ciphertext, file.key).decode() == "otherwise: ban  # für alle"
    assert b"otherwise" not in ciphertext
