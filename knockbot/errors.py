"""Every error knockbot raises on purpose, and what each says about the future.

    KnockbotError
    ├── Fault           something a person wrote is wrong: config, policy, command line (exit 2)
    ├── Unavailable     a part we cannot run without is missing or in use (exit 1)
    ├── SetAside        an event that cannot be handled: it is set aside
    ├── Refused         "no" to a person who wants something, in the words that they are told
    └── ActionError     an act on the homeserver did not succeed
        ├── Later       try again after `retry_after` seconds
        │   └── Busy    knockbot itself has enough to do for now
        └── Never       trying again cannot help; the moderators see why
"""

from __future__ import annotations

from typing import Any

from knockbot.domain.notices import Code, Notice, because, dumps


class KnockbotError(Exception):
    """The root: whatever knockbot raises on purpose is one of these, and its text is for people."""


class Fault(KnockbotError):
    """Something a person wrote is wrong, and `where` says in which place.

    `path` leads to the spot inside the document, e.g. ``("rules", 2, "when", "server")``; whoever holds the
    document turns it into a line number with `located`.
    """

    def __init__(
        self, template: str, path: tuple[str | int, ...] = (), where: str = "", *, place: str = "", **args: Any
    ) -> None:
        self.template = template
        """What is wrong, in English; with `args` it has their names as placeholders, so that it can be translated."""
        self.args_of = args
        self.said = template.format(**args) if args else template
        self.message = f"{place}: {self.said}" if place else self.said
        super().__init__(self.message)
        self.path = path
        self.place = place
        """The rule and the key, as text."""
        self.where = where

    def at(self, path: tuple[str | int, ...], *, place: str = "") -> Fault:
        """The same fault at this spot."""
        return Fault(self.template, path, place=place or self.place, **self.args_of)

    def located(self, where: str) -> Fault:
        """The same fault, with words for its place (``config.yaml:12``, ``line 4``)."""
        return Fault(self.template, self.path, where, place=self.place, **self.args_of)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class Unavailable(KnockbotError):
    """A part knockbot cannot run without is missing, refused or in use; the text says how to mend it."""


class SetAside(KnockbotError):
    """An event that cannot be handled, now or later: it is set aside, and `why` is kept."""

    def __init__(self, why: Notice) -> None:
        super().__init__(dumps(why))
        self.why = why


class Refused(KnockbotError):
    """Somebody wants something, and it is not done: `said` is what they are told.

    It is raised before anything is written, and caught where they came in: by a command, or by a click.
    """

    def __init__(self, said: Notice) -> None:
        super().__init__(dumps(said))
        self.said = said


class ActionError(KnockbotError):
    """An act on the homeserver did not succeed; `why` is the reason, and `code` the errcode, if there was one."""

    def __init__(self, why: Notice, code: str | None = None) -> None:
        super().__init__(dumps(why))
        self.why = why
        self.code = code


def reason(error: Exception) -> Notice:
    """The reason that an error gives; for an unexpected one only its kind, because its text may quote anything."""
    if isinstance(error, ActionError | SetAside):
        return error.why
    return because("failed", error=Code(type(error).__name__))


class Later(ActionError):
    """The act may succeed if it is tried again.

    `retry_after` is in seconds and is the homeserver's own wish where it gave one; without it the caller backs
    off. Whether the act took place all the same is not known: an answer can get lost on its way. `unreachable`
    says that the homeserver itself was silent, which is no fault of the act.
    """

    def __init__(
        self, why: Notice, *, retry_after: float | None = None, code: str | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(why, code)
        self.retry_after = retry_after
        self.unreachable = unreachable

    @property
    def is_failure(self) -> bool:
        """Whether it counts as a failed attempt; the number of attempts is limited."""
        return not self.unreachable


class Busy(Later):
    """This room has used up its share of what takes long to work out, or others wait before it; nothing has failed."""

    @property
    def is_failure(self) -> bool:
        return False


class Never(ActionError):
    """The act cannot succeed as things stand; `code` is the homeserver's errcode where there was one."""
