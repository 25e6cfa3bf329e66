"""Who uses the services: journeys, arrivals and the HTTP clients, in Locust's own processes.

Started as `python -m statefall.load.main` (gevent patches a whole process). May import
`statefall.ledger`, `statefall.records`, `statefall.codec` and `statefall.content`. The conductor imports
only `channel`, which must stay free of gevent and Locust.

What a journey's file imports from here (`Shopper`, `task`, the promises; `BareShopper` and what belongs to
it for one with a client and a ledger of its own) is fetched when it is asked for, so that
`statefall.load.channel` stays light. What is of Locust patches the process that imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from statefall.load.answers import NoAnswer as NoAnswer
    from statefall.load.api import BareShopper as BareShopper
    from statefall.load.api import Journey as Journey
    from statefall.load.api import JourneyMistake as JourneyMistake
    from statefall.load.api import NoReply as NoReply
    from statefall.load.api import Reply as Reply
    from statefall.load.api import Shopper as Shopper
    from statefall.load.api import WithPromises as WithPromises
    from statefall.load.api import counter as counter
    from statefall.load.api import element_set as element_set
    from statefall.load.api import identity as identity
    from statefall.load.api import log as log
    from statefall.load.api import register as register
    from statefall.load.api import registers as registers
    from statefall.load.api import task as task
    from statefall.load.connection import HttpConnection as HttpConnection
    from statefall.load.context import LoadContext as LoadContext
    from statefall.load.context import Sample as Sample
    from statefall.load.virtual_user import AUDIT_TRIES as AUDIT_TRIES
    from statefall.load.virtual_user import VirtualUser as VirtualUser
    from statefall.load.wire import Response as Response
    from statefall.load.wire import request_bytes as request_bytes

_OF_LOCUST: Final = frozenset(
    {
        "BareShopper",
        "Journey",
        "JourneyMistake",
        "NoReply",
        "Reply",
        "Shopper",
        "WithPromises",
        "counter",
        "element_set",
        "identity",
        "log",
        "register",
        "registers",
        "task",
    }
)
_HOMES: Final = {
    "AUDIT_TRIES": "virtual_user",
    "HttpConnection": "connection",
    "LoadContext": "context",
    "NoAnswer": "answers",
    "Response": "wire",
    "Sample": "context",
    "VirtualUser": "virtual_user",
    "request_bytes": "wire",
}
"""Where the other public names are, which need no Locust."""


def __getattr__(name: str) -> Any:
    home = "api" if name in _OF_LOCUST else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
