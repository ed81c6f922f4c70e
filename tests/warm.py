"""Servers that start warm: forked from one process that has imported them, which is most of what a start costs.

Only the tests' own Synapses and knockbots start so; the demo and its tests use the command line of each.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType


class Warm:
    """A process that was forked so, with what the lab asks of a `subprocess.Popen`."""

    def __init__(
        self, main: Callable[[], object], arguments: Sequence[str], directory: Path, log: Path, **environ: str
    ) -> None:
        log.touch()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["synapse.app.homeserver", "knockbot.cli", "knockbot.app"])  # once for all
        how = (main, list(arguments), str(directory), str(log), environ)
        self._process: ForkServerProcess = context.Process(target=run, args=how, daemon=True)
        with _anonymous():
            self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit status, once it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, as soon as it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("synapse", timeout or 0)
        return self._process.exitcode

    def send_signal(self, sign: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@contextmanager
def _anonymous() -> Iterator[None]:
    """Hide what Python runs as its main program, pytest: whatever is forked now would import it, too."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def run(main: Callable[[], object], arguments: list[str], directory: str, log: str, environ: dict[str, str]) -> None:
    """Be one of them, in the forked process."""
    os.setsid()
    if platform.system() == "Linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    os.chdir(directory)
    os.environ.update(environ)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    gc.freeze()  # what was imported stays, and need not be looked through for garbage
    sys.argv = [main.__name__, *arguments]
    sys.exit(main())  # type: ignore[arg-type]  # a status or nothing, as for any program


def synapse() -> None:
    """Be a Synapse."""
    from synapse.app.homeserver import main  # noqa: PLC0415 - not in the process that asks for it
    from twisted.internet import reactor  # noqa: PLC0415 - the same

    # It was made before the fork, and what it polls would be shared by all.
    reactor.__init__()  # type: ignore[misc]  # the same class once more
    main()


def knockbot() -> int:
    """Be a knockbot."""
    from knockbot.cli import main  # noqa: PLC0415 - not in the process that asks for it

    return main(sys.argv[1:])
