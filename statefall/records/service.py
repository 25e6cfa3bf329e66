"""The service under test: how its replicas run or are found, where they are reached, who answered.

What a service file says, after it was read and checked (`statefall.service.file`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from statefall.records.terms import StateDesign

PLACEHOLDERS: Final = (
    "address",
    "host",
    "port",
    "pod",
    "service",
    "state",
    "seed",
    "graceful_s",
    "store",
    "database",
    "secret",
    "python",
    "content",
    "built",
)
"""What a command or a variable may hold in braces; `{{` and `}}` are braces themselves."""
_WORD: Final = re.compile(r"\{\{|\}\}|\{([a-z_]*)\}")


def placeholders_in(text: str) -> Iterator[str]:
    """The words in braces."""
    return (found[1] for found in _WORD.finditer(text) if found[1] is not None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its words in braces filled in. A word that is not there: KeyError."""
    return _WORD.sub(lambda found: found[0][0] if found[1] is None else values[found[1]], text)


class Workload(StrEnum):
    """What kind of object holds the replicas of a service that stands already."""

    DEPLOYMENT = "deployment"
    STATEFUL_SET = "statefulset"
    SELECTOR = "selector"
    """Found by their labels; exactly one Deployment or StatefulSet may own them."""


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """How an answer says which replica it came from. Header names are in lower case; empty: it does not."""

    header: str = ""
    """A response header that holds the pod's name."""
    boot: str = ""
    """A response header that holds what changes with each start of the pod's process."""
    cookie: str = ""
    """A cookie that holds the pod's name."""
    access_log: str = ""
    """`traefik`: the balancer's log says which address answered which operation."""

    @property
    def anything(self) -> bool:
        """Whether anybody says who answered."""
        return bool(self.header or self.cookie or self.access_log)


@dataclass(frozen=True, slots=True)
class LocalReplicas:
    """Replicas as processes of this machine.

    Words and values may hold `{address}`, `{host}`, `{port}`, `{pod}` and more (`statefall.service.file`).
    """

    command: tuple[str, ...]
    directory: str = "."
    """The working directory of all its commands, absolute."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/"
    """The path that answers below 400 when a replica can take requests."""
    needs: tuple[str, ...] = ()
    """Programs without which it cannot run; `python:MODULE` for a module of this Python."""
    build: tuple[str, ...] = ()
    """A command that runs once, before anything of the run is started; it fills the folder `{built}`."""
    built_from: tuple[str, ...] = ()
    """Files or folders on which alone depends what `build` makes: it is kept for later runs."""
    prepare: tuple[str, ...] = ()
    """A command that runs before the first replica of each cell, for example to make the tables."""
    prepared_from: tuple[str, ...] = ()
    """Files or folders on which alone `prepare` depends: what it makes is kept for later runs."""
    store: bool = False
    """Whether a Valkey is started for it: `{store}` is its URL."""
    database: bool = False
    """Whether a PostgreSQL is started for it: `{database}` is its URL."""
    stop: str = "TERM"
    """The signal that asks a replica to end, without SIG."""


@dataclass(frozen=True, slots=True)
class AttachedWorkload:
    """Replicas that run on Kubernetes already. Neither made nor removed, but from `manifests`."""

    workload: Workload
    name: str
    """Of the object; for a selector, `app=shop,tier=web`."""
    namespace: str = "default"
    url: str = ""
    """The balancer, as the users reach it."""
    container: str = ""
    """The container that a kill hits; empty: the only one, or the first."""
    most_down: int = 1
    """How many replicas may be down at once through faults."""
    manifests: tuple[str, ...] = ()
    """Files and folders, absolute: made in the namespace before a run and removed after it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How users reach it, besides the URL."""

    host: str = ""
    """A Host header other than the URL's."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    ca_file: str = ""
    """Certificates to trust for https, absolute; empty: the system's."""
    base_path: str = ""
    """In front of every path of the journey."""
    users: str = ""
    """A file with a user a line, `name` or `name,password`, absolute; empty: made-up names."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service under test."""

    name: str
    journey: str
    """A Locust user: the absolute path of its file, a colon, the name of its class."""
    state: StateDesign = StateDesign.UNKNOWN
    local: LocalReplicas | None = None
    attached: AttachedWorkload | None = None
    answered_by: AnsweredBy = field(default_factory=AnsweredBy)
    reached: Reached = field(default_factory=Reached)
    metrics: str = ""
    """The path of each replica's own metrics in the Prometheus text format; empty: it has none."""
    session_share: Mapping[str, float] = field(default_factory=dict)
    """Of the journey's steps, those that use the session, by the mix; of a mix that is not there, all do."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A service of an experiment that did not run, since something that it needs is not there."""

    service: str
    reason: str
