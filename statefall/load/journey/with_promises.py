"""Promises on a Locust user that exists already: a mixin for `HttpUser` and `FastHttpUser`.

The user's own client asks, so what it does by itself stays: it is said once when the load starts.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import gevent
from locust import FastHttpUser, HttpUser, User

from statefall.load.journey.acting import Acting
from statefall.load.journey.exchanges import Exchanges
from statefall.load.journey.locust_client import LocustTab
from statefall.load.journey.tabs import AnyTab

if TYPE_CHECKING:
    from statefall.load.journey.context import JourneyContext

UNSEEN: Final = (
    "whether a request was sent is unknown, so that a write without an answer may always have been applied; "
    "connections are pooled"
)
RESENT: Final = "GET, PUT and DELETE are sent again in silence, up to {times} times, and counted once; "

log = logging.getLogger("statefall")


class WithPromises(Acting):
    """`class Buyer(WithPromises, HttpUser)`: requests of `self.client` take `writes`, answers are compared.

    `log_in` begins a session, again after a loss; without it `on_start` does.
    """

    abstract = True
    client: Any

    @classmethod
    def prepare(cls, context: JourneyContext) -> None:
        """Reach the service as the load does; say what the client keeps from the ledger."""
        kind: Any = cls
        site, timeout_s = context.site, context.load.config.timeout_s
        kind.host = site.connects_to + site.base_path
        resent = ""
        if issubclass(cls, FastHttpUser):
            if kind.network_timeout == FastHttpUser.network_timeout:
                kind.network_timeout = kind.connection_timeout = timeout_s
            if site.tls is not None and context.load.config.reached.ca_file:
                kind.ssl_context_factory, kind.insecure = staticmethod(lambda: site.tls), False
            resent = RESENT.format(times=kind.concurrency + 2)
        client = "FastHttpUser" if resent else "HttpUser"
        log.warning("%s asks with %s's client: %s%s", cls.__name__, client, resent, UNSEEN)

    def wait(self) -> None:
        """As Locust's, within a task."""
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Seconds until the next task: as the class says, else the load's think time."""
        others = [base for base in type(self).__mro__ if base is not WithPromises]
        own = next(vars(base)["wait_time"] for base in others if "wait_time" in vars(base))
        return self._walk.think_s() if own is vars(User)["wait_time"] else float(own(self))

    def first_tab(self, exchanges: Exchanges) -> AnyTab:
        """The client that Locust made."""
        ca_file = exchanges.context.load.config.reached.ca_file
        if ca_file and isinstance(self, HttpUser):
            self.client.verify = ca_file
        return LocustTab(exchanges, self.client)

    @property
    def on_start_logs_in(self) -> bool:
        """Where there is no other login."""
        return type(self).log_in is WithPromises.log_in

    def log_in(self) -> None:
        """Begin a session; its last answer says whether it worked."""
        self.on_start()
