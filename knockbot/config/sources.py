"""Where the settings come from: config.yaml, the environment over it, and files with secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from knockbot.config.settings import SETTINGS, Settings, contradictions, read_settings
from knockbot.documents.reading import Path as Keys
from knockbot.documents.reading import found, looks_secret, text, unknown_word
from knockbot.documents.schema import Faults, Form, Named, Reader, Table, each, known_names
from knockbot.documents.yaml import DEEPEST, Document, read_document
from knockbot.errors import Fault

LONGEST_FILE = 1024 * 1024
"""Characters in config.yaml; with many rooms it is longer than a policy typed in chat may be."""

POLICY_DEPTH = 3
"""How deep in config.yaml a room's policy is: ``rooms``, the room, ``policy``."""

ENVIRONMENT = "KNOCKBOT_"
"""What the environment variables that set keys begin with."""

_SERVICE = "KNOCKBOT_((?!.*__)[0-9A-Z_]+_)?"
_OF_A_SERVICE = re.compile(
    f"{_SERVICE}(SERVICE_HOST|SERVICE_PORT(_[0-9A-Z_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR))"
)
_ADDRESS_OF_A_SERVICE = re.compile(f"{_SERVICE}PORT(_[0-9]+_(TCP|UDP|SCTP))?")


def _is_of_a_service(name: str, value: str) -> bool:
    """Whether Kubernetes, or Docker, put a variable there for a service called knockbot, or knockbot-something.

    Those that end like a key of ours hold an address (``tcp://…``), which no key does.
    """
    if _OF_A_SERVICE.fullmatch(name):
        return True
    return bool(_ADDRESS_OF_A_SERVICE.fullmatch(name) and re.match("(tcp|udp|sctp)://", value))


def known_keys(path: Keys = ()) -> tuple[str, ...]:
    """The keys that may be in a part of config.yaml; none where keys are free or absent."""
    return known_names(_table_at(path))


def _table_at(path: Keys) -> Table:
    reader = _reader_at(path)
    return reader.keys if isinstance(reader, Form) else {}


def _reader_at(path: Keys) -> Reader[Any] | None:
    """What reads the value at a path of config.yaml, as far as the tables of keys lead."""
    reader: Reader[Any] | None = SETTINGS
    for step in path:
        reader = reader.inside(step) if isinstance(reader, (Form, Named)) else None
    return reader


def _secrets(keys: Table, path: Keys = ()) -> Iterator[Keys]:
    for name, row in keys.items():
        if row.secret:
            yield (*path, name)
        elif isinstance(row.read, Form):
            yield from _secrets(row.read.keys, (*path, name))


SECRETS: tuple[Keys, ...] = tuple(_secrets(SETTINGS.keys))
"""The keys whose value may also be in a file, named by the key with ``_file`` behind it."""

LONGEST_SECRET = 10_000

EXAMPLE_TOKENS = frozenset({"replace-this-as-token", "replace-this-hs-token"})
"""The tokens of config.example.yaml, which everybody knows."""


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read config.yaml, and what the environment says over it.

    Relative paths inside it start at its own directory. Raises `Fault`; where there is more than one, `Faults`.
    """
    sources = _Sources(_read(path), path.absolute().parent)
    sources.overlay(environ)
    sources.read_secrets()
    return replace(sources.settings(), file=path.absolute())


def _read(path: Path) -> Document:
    try:
        written = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Fault("cannot be read: it is not UTF-8 text", where=str(path)) from None
    except FileNotFoundError:
        raise Fault('there is no such file; "knockbot init" writes one', where=str(path)) from None
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", where=str(path)) from None
    document = read_document(written, str(path), deepest=DEEPEST + POLICY_DEPTH, longest=LONGEST_FILE)
    if not isinstance(document.value, dict):
        mend = '; remove the "-" before them' if isinstance(document.value, list) else ""
        raise Fault(f"expected keys and values, found {found(document.value)}{mend}", where=document.where())
    return document


class _Sources:
    """The values gathered from file and environment, where each comes from, and the faults found on the way."""

    def __init__(self, document: Document, directory: Path) -> None:
        self.document = document
        self.directory = directory
        self.values: dict[str, Any] = {**document.value}
        for name, row in SETTINGS.keys.items():
            if isinstance(row.read, (Form, Named)) and self.values.get(name) is None:
                self.values[name] = {}
        self.origins: dict[Keys, str] = {}
        """For a value that does not come from its own key in the file: a description of where it comes from."""
        self.faults: dict[Keys, Fault] = {}

    def overlay(self, environ: Mapping[str, str]) -> None:
        """Let values from the environment replace those from the file."""
        overrides: dict[Keys, Any] = {}
        for name in sorted(environ):
            if not name.startswith(ENVIRONMENT) or _is_of_a_service(name, environ[name]):
                continue
            path: Keys = tuple(name.removeprefix(ENVIRONMENT).lower().split("__"))
            self.origins[path] = name
            try:
                overrides[path] = _from_environment(path, environ[name])
            except Fault as fault:
                self._add(path, fault)
        for path in overrides:
            if twin := _TWINS.get(path):
                self._take(twin)
        for path, value in overrides.items():
            self._part_of(path)[str(path[-1])] = value

    def read_secrets(self) -> None:
        """Replace the names of secret files by what is in the files."""
        for secret in SECRETS:
            in_file = _TWINS[secret]
            beside = str(secret[-1]) in self._part_of(secret)
            if str(in_file[-1]) not in self._part_of(in_file):
                continue
            file = self._take(in_file)
            self.origins[secret] = self._place(in_file)
            try:
                if beside:
                    raise Fault(f"{secret[-1]} is given too; only one of the two is accepted")
                self._part_of(secret)[str(secret[-1])] = self._secret(file)
            except Fault as fault:
                self._add(secret, fault)

    def settings(self) -> Settings:
        """The settings, or all faults at once."""
        try:
            settings = read_settings(self.values, self.directory)
        except Fault as fault:
            for one in each(fault):
                self._add(one.path, one)
        else:
            for path, message in contradictions(settings):
                self._add(path, Fault(message))
        if self.faults:
            raise self._all_faults()
        return settings

    def _part_of(self, path: Keys) -> dict[str, Any]:
        """The mapping that has a path's last key; where something else was written, a new one that is thrown away."""
        part = self.values.get(str(path[0])) if len(path) > 1 else self.values
        return part if isinstance(part, dict) else {}

    def _take(self, path: Keys) -> Any:
        return self._part_of(path).pop(str(path[-1]), None)

    def _secret(self, file: object) -> str:
        name = text(file, (), 4000)
        if "://" in name or looks_secret(name):
            raise Fault("expected the name of a file; is this the secret itself?")
        path = self.directory / name
        try:
            with path.open(encoding="utf-8") as opened:
                return opened.read(LONGEST_SECRET).strip()
        except UnicodeDecodeError:
            raise Fault(f"cannot read {path}: it is not UTF-8 text") from None
        except OSError as error:
            raise Fault(f"cannot read {path}: {error.strerror}") from None

    def _add(self, path: Keys, fault: Fault) -> None:
        """Note a fault, unless this key already has one."""
        self.faults.setdefault(path, Fault(fault.message, path, self._place(path)))

    def _place(self, path: Keys) -> str:
        """Where a value was written, and its key. A fault inside a policy names its place by itself."""
        key = _known_part(path)
        for length in range(len(path), 0, -1):
            if origin := self.origins.get(path[:length]):
                return ": ".join(filter(None, (origin, _spelled(key[length:]))))
        known = path[:1] in self.document.lines
        where = self.document.where(path) if known else self.document.name
        return f"{where}: {_spelled(key)}"

    def _all_faults(self) -> Fault:
        faults = sorted(self.faults.values(), key=lambda fault: self._line(fault.path))
        return faults[0] if len(faults) == 1 else Faults(tuple(faults))

    def _line(self, path: Keys) -> int:
        """Where in the file a fault belongs; that of a secret where its file is named."""
        path = path if path in self.document.lines else _TWINS.get(path, path)
        while path and path not in self.document.lines:
            path = path[:-1]
        return self.document.lines[path] if path else 0


def _in_file(secret: Keys) -> Keys:
    return (*secret[:-1], f"{secret[-1]}_file")


_TWINS = {secret: _in_file(secret) for secret in SECRETS} | {_in_file(secret): secret for secret in SECRETS}
"""From each of the two ways to give a secret to the other one."""


def _from_environment(path: Keys, written: str) -> Any:
    """The value of an environment variable: text is given letter by letter, all else as YAML."""
    if path[0] not in known_keys():
        raise _unknown(path[:1])
    keys = _table_at(path[:-1])
    if not keys or len(path) > 2:
        raise Fault(f"cannot be set by itself; give {ENVIRONMENT}{str(path[0]).upper()} the whole, as YAML")
    if path[-1] not in known_names(keys):
        raise _unknown(path)
    row = keys.get(str(path[-1]))
    if row is None or row.is_text:  # none is the file of a secret
        return written
    return read_document(written, deepest=DEEPEST + POLICY_DEPTH, longest=LONGEST_FILE).value


def _unknown(path: Keys) -> Fault:
    return unknown_word(str(path[-1]), known_keys(path[:-1]), (), path, what="key")


def _known_part(path: Keys) -> Keys:
    """The part of a path that leads from key to key of config.yaml: what is inside the value of a key is left out."""
    for length in range(1, len(path)):
        if not isinstance(_reader_at(path[:length]), (Form, Named)):
            return path[:length]
    return path


_SIMPLE = re.compile(r"[0-9A-Za-z_]+")


def _spelled(path: Keys) -> str:
    """A path as people read it: ``rooms."#garden:example.org".policy``."""
    return ".".join(
        str(step) if _SIMPLE.fullmatch(str(step)) and not looks_secret(str(step)) else found(step) for step in path
    )
