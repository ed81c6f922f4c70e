"""Whether each identity server of the config could send invites."""

from __future__ import annotations

from collections.abc import Callable

from knockbot.check.bench import Bench, Miss
from knockbot.errors import ActionError, Later, Never
from knockbot.identity.client import IdentityServers


async def identity_servers(bench: Bench, say: Callable[[str], None]) -> bool:
    """Whether each identity server of the config could send invites; one that cannot does not stop the others."""
    configured = bench.settings.identity_servers
    servers = IdentityServers(bench.session, bench.bot, lambda: configured)
    sound = True
    for name in configured:
        try:
            say(f"✅ identity server {name}: {await _identity_server(bench, servers, name)}")
        except Miss as miss:
            say(f"❌ identity server {name}: {miss.what}\n   → {miss.mend}")
            sound = False
    return sound


async def _identity_server(bench: Bench, servers: IdentityServers, name: str) -> str:
    try:
        await bench.bot.whoami()
    except ActionError:
        return "not asked yet, as the bot has no account to show; check again after `knockbot run`"
    try:
        return await servers.look(name)
    except Later as error:
        raise Miss(
            error.why,
            f"see identity_servers.{name} in config.yaml: is its url right, can this machine reach it, and does "
            "ca_file hold the authority of its certificate?",
        ) from error
    except Never as error:
        if error.code == "M_TERMS_NOT_SIGNED":
            raise Miss(
                error.why,
                f"read its terms, and name them under identity_servers.{name}.accept_terms in config.yaml",
            ) from error
        raise Miss(
            error.why,
            "look at its own log: it must be able to ask this homeserver, over federation, who the bot is",
        ) from error
