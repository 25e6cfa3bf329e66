"""How a replica ends: in order when it is asked to, and never leaving an orphan when it is killed.

SIGTERM: readiness turns to 503, and for as long as it is a lame duck the replica answers everybody as
before, so that a balancer that hears of its readiness sends nobody any more before the door closes. Then
connections that wait to be accepted are taken, and the listening socket closes, so that new ones are
refused at once (gunicorn by itself leaves them waiting until it exits and resets them then). Requests
under way are finished, idle kept-alive connections are closed after 2 s at most, and then the replica's
parts are closed.

WebSockets hold nothing up: their connections are no longer the worker's (see `upgrade`).

SIGKILL of the master: the kernel kills the worker with it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from services.upgrade import Upgraded

CLOSING_S: Final = 2
"""How much of the graceful timeout is kept for closing the parts, a hand-over of sessions included."""
REQUESTS_S: Final = 1
"""How much of it is kept at least for requests under way when the door closes."""
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class DrainingWorker(ThreadWorker):  # type: ignore[misc]
    """A gthread worker that leaves nobody waiting at a closed door. Its application has a `replica`."""

    lame_duck = False
    """It was asked to end, and serves on until its time is over."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._requests_s = max(REQUESTS_S, self.cfg.graceful_timeout - CLOSING_S)

    def handle_exit(self, sig: int, frame: object) -> None:
        """SIGTERM. As a signal handler it takes no lock and starts no thread."""
        if self.lame_duck:
            return  # told by its master too
        replica = self.app.replica
        if replica is None:  # it is still starting
            super().handle_exit(sig, frame)
            return
        replica.drain()
        if self._lame_duck_s <= 0:
            super().handle_exit(sig, frame)
            return
        self.lame_duck = True
        if replica.settings.lame_duck_closes:
            self.max_keepalived = 0
        signal.signal(signal.SIGALRM, super().handle_exit)
        signal.setitimer(signal.ITIMER_REAL, self._lame_duck_s)

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request; one that became a WebSocket takes its connection with it."""
        try:
            return bool(super().handle_request(req, conn))
        except Upgraded:
            conn.upgraded = True
            return False

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keep or close the connection of a request, unless it is not ours any more."""
        if getattr(conn, "upgraded", False):
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting; for good once the worker is to end."""
        super().set_accept_enabled(enabled)
        if self.alive or enabled:
            return
        for listener in self.sockets:
            while select.select([listener], [], [], 0)[0]:
                self.accept(listener)
            listener.close()

    @property
    def _lame_duck_s(self) -> float:
        return float(min(self.app.replica.settings.lame_duck_s, self._requests_s - REQUESTS_S))

    def run(self) -> None:
        """Serve until told to end and the last request is answered."""
        # The master kills the worker when the whole timeout is over: requests must not use it up.
        self.cfg.set("graceful_timeout", max(1, round(self._requests_s - self._lame_duck_s)))
        try:
            super().run()
        finally:
            self.app.replica.close()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies. Linux only; elsewhere gunicorn polls."""
    if sys.platform != "linux":
        return
    libc: Any = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)
