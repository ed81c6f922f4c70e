"""Synapses that start warm: forked from a process that has imported Synapse once, which is nine tenths of a start.

Only the lab starts them so; the demo starts Synapse by its command line, and so do its tests.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType


class Warm:
    """A process that was forked so, with what the lab asks of a `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], directory: Path, log: Path, environ: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["synapse.app.homeserver"])  # before the first fork, once for all
        how = (list(arguments), str(directory), str(log), dict(environ))
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


def run(arguments: list[str], directory: str, log: str, environ: dict[str, str]) -> None:
    """Be a Synapse, in the forked process."""
    os.setsid()
    if platform.system() == "Linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    os.chdir(directory)
    os.environ.update(environ)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["synapse.app.homeserver", *arguments]

    from synapse.app.homeserver import main  # noqa: PLC0415 - not in the process that asks for it
    from twisted.internet import reactor  # noqa: PLC0415 - as above

    # It was made before the fork, and what it polls would be shared by all.
    reactor.__init__()  # type: ignore[misc]  # the same class once more
    gc.freeze()  # what was imported stays, and need not be looked through for garbage
    main()
