"""What a journey's file imports of Locust's world, as `from statefall.load import ...`."""

from __future__ import annotations

from locust import task

from statefall.load import by_hand as by_hand
from statefall.load.journey.bare import BareShopper, Journey
from statefall.load.journey.declared import (
    JourneyMistake,
    counter,
    element_set,
    identity,
    log,
    register,
    registers,
)
from statefall.load.journey.replies import NoReply, Reply
from statefall.load.journey.shopper import Shopper
from statefall.load.journey.with_promises import WithPromises

__all__ = [
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
]
