"""`knockbot check`: looks at every link of the chain in order, and says how to fix what is missing.

It really does what `knockbot run` will do, and undoes it. Only the bot's account stays, with its name, on the
homeserver and on identity servers. It upgrades no schema and accepts no transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from knockbot.app import new_homeserver, new_session
from knockbot.check.bench import Bench, Miss
from knockbot.check.identity import identity_servers
from knockbot.check.rooms import look_at_rooms
from knockbot.check.steps import STEPS
from knockbot.config.settings import Settings
from knockbot.matrix.account import Account


async def check(settings: Settings, say: Callable[[str], None]) -> bool:
    """Look at one thing after the other and say what was found; true if nothing is missing.

    A step that builds on something missing is skipped.
    """
    logging.getLogger("knockbot").setLevel(logging.CRITICAL)  # what is wrong is said here, once
    say(f"✅ config: it is valid; the bot is {settings.bot_user_id}")
    async with new_session() as session:
        bot = new_homeserver(session, settings)
        account = Account(bot, session, settings)
        bench = Bench(settings, session, bot, new_homeserver(session, settings, None), account)
        sound = True
        for name, step in STEPS.items():
            try:
                if found := await step(bench):
                    say(f"✅ {name}: {found}")
            except Miss as miss:
                say(f"{miss.mark} {name}: {miss.what}\n   → {miss.mend}")
                if miss.stops:
                    return False
                sound = sound and not miss.fails
        sound = await identity_servers(bench, say) and sound
        return await look_at_rooms(bench, say) and sound
