"""What a service file may say: the section `service` of an experiment, or a file of its own.

The models are the reference: each field states its unit and meaning. `spec` turns them into what the
rest of the tool knows, with every path absolute.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from statefall.content import file_of, is_content
from statefall.records.errors import InputError
from statefall.records.load import Mix
from statefall.records.service import (
    PLACEHOLDERS,
    AnsweredBy,
    AttachedWorkload,
    LocalReplicas,
    Reached,
    ServiceSpec,
    Workload,
    placeholders_in,
)
from statefall.records.terms import StateDesign

OWN_STATES: Final = (StateDesign.REPLICA, StateDesign.STORE, StateDesign.CLIENT, StateDesign.UNKNOWN)
KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What kubectl takes for the file of a folder that it renders."""
UNION_TAGS: Final = ("<mapping>", "<path>")
"""Parts of a location that pydantic puts in for the member of a union; users never see them."""


class Section(BaseModel):
    """A part of a file: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _arguments(value: object) -> object:
    """A command may be a list of words or one line, split as a shell would; nothing else of a shell."""
    if not isinstance(value, str):
        return (
            [str(word) if isinstance(word, int | float) else word for word in value]
            if isinstance(value, list)
            else value
        )
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"is no command: {error}") from None


def _texts(value: object) -> object:
    """Numbers are taken as they are written."""
    if not isinstance(value, dict):
        return value
    plain = (int, float)
    return {k: str(v) if isinstance(v, plain) and not isinstance(v, bool) else v for k, v in value.items()}


_Plain = str | int | float
Command = Annotated[
    tuple[str, ...], BeforeValidator(_arguments, json_schema_input_type=tuple[_Plain, ...] | str)
]
Texts = Annotated[dict[str, str], BeforeValidator(_texts, json_schema_input_type=dict[str, _Plain])]


class LocalSection(Section):
    """Replicas as processes of this machine: any command, in any language."""

    command: Command = Field(min_length=1)
    """Started once a replica, with PORT, HOST and POD_NAME set; see PLACEHOLDERS for the words in braces."""
    directory: str = "."
    """Working directory, from the file's folder."""
    environment: Texts = Field(default_factory=dict)
    ready: str = Field(default="/", pattern=r"^/")
    """Answers below 400 when a replica can take requests."""
    needs: tuple[str, ...] = ()
    """Programs on the PATH without which it cannot run; `python:MODULE` for a module of this Python. Where
    one is missing the service is left out, with the reason."""
    build: Command = ()
    """Runs once, before anything is started, and fills the folder `{built}`, which lies in the cache."""
    built_from: tuple[str, ...] = ()
    """Files or folders on which alone depends what `build` makes: it is kept for later runs."""
    prepare: Command = ()
    """Runs before the first replica of each cell, on an empty database and store."""
    prepared_from: tuple[str, ...] = ()
    """Files or folders on which alone depends what `prepare` makes: the database is kept for later runs."""
    store: bool = False
    """Start a Valkey for it; `{store}` is its URL."""
    database: bool = False
    """Start a PostgreSQL for it; `{database}` is its URL."""
    stop: Literal["TERM", "INT", "QUIT"] = "TERM"
    """The signal that asks a replica to end."""

    @field_validator("command", "build", "prepare")
    @classmethod
    def _known_arguments(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        for argument in arguments:
            _refuse_unknown(argument)
        return arguments

    @field_validator("environment")
    @classmethod
    def _known_values(cls, values: dict[str, str]) -> dict[str, str]:
        for value in values.values():
            _refuse_unknown(value)
        return values

    @model_validator(mode="after")
    def _started_where_used(self) -> Self:
        if "built" in placeholders_in(" ".join(self.command)) and not self.build:
            raise ValueError("{built} is used: say with `build` what fills it")
        used = " ".join((*self.command, *self.prepare, *self.environment.values()))
        for word in ("store", "database"):
            if f"{{{word}}}" in used and not getattr(self, word):
                raise ValueError(f"{{{word}}} is used: say `{word}: true` to have one started")
        return self


def _refuse_unknown(text: str) -> None:
    for word in placeholders_in(text):
        if word not in PLACEHOLDERS:
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise ValueError(f"{{{word}}} is not known (there are {known}; braces themselves are doubled)")


_DNS_NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


class KubernetesSection(Section):
    """Replicas that run on Kubernetes already, or that a run makes there from the user's own manifests."""

    deployment: str | None = None
    statefulset: str | None = None
    selector: str | None = Field(default=None, min_length=1)
    """Labels, as `kubectl --selector` takes them; exactly one Deployment or StatefulSet may match."""
    namespace: str = Field(default="default", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    url: str
    """Whatever balancer stands there, as users reach it."""
    container: str = ""
    """The container that a kill hits; else the first."""
    most_down: int = Field(default=1, ge=1)
    """How many replicas may be down at once through faults."""
    manifests: tuple[str, ...] = ()
    """Files, and folders with a kustomization.yaml: made there before a run and removed after it."""

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        try:
            there = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # of the port
            there = False
        if not there or parts.query or parts.fragment:
            raise ValueError("must be a URL such as https://shop.example.com, without a query")
        return url

    @field_validator("deployment", "statefulset")
    @classmethod
    def _object_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(_DNS_NAME, name):
            raise ValueError("is no name of a Kubernetes object (lower case, digits, `-` and `.`)")
        return name

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(each is not None for each in (self.deployment, self.statefulset, self.selector)) != 1:
            raise ValueError("give exactly one of deployment, statefulset and selector")
        return self


class AnsweredBySection(Section):
    """How an answer says which replica it came from; give at most one of header, cookie, access_log."""

    header: str = ""
    boot: str = ""
    """A second header, that changes with each start of the process."""
    cookie: str = ""
    access_log: Literal["", "traefik"] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.header, self.cookie, self.access_log))) > 1:
            raise ValueError("give one of header, cookie and access_log")
        if self.boot and not self.header:
            raise ValueError("boot needs header")
        return self


class ServiceSection(Section):
    """A service under test."""

    name: str = Field(default="", pattern=r"^([a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?)?$")
    """Of its cells; the file's name when absent."""
    summary: str = ""
    journey: str = ""
    """The Locust user who drives it: `FILE.py:CLASS`."""
    state: StateDesign = StateDesign.UNKNOWN
    """Where a session lives: replica, store, client or unknown. What a prediction rests on."""
    local: LocalSection | None = None
    kubernetes: KubernetesSection | None = None
    answered_by: AnsweredBySection = AnsweredBySection()
    host: str = ""
    """A Host header other than the URL's."""
    headers: Texts = Field(default_factory=dict)
    """Sent with every request."""
    ca: str = ""
    """A file of certificates to trust for https; else the system's."""
    base_path: str = Field(default="", pattern=r"^(/[^?#]*)?$")
    users: str = ""
    """A file with a user a line, `name` or `name,password`."""
    metrics: str = Field(default="", pattern=r"^(/.*)?$")
    """The path of each replica's own metrics."""
    session_share: dict[Mix, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    """Of the journey's steps, those that use the session, by `load.mix`; else all of them do."""

    @field_validator("journey")
    @classmethod
    def _file_and_class(cls, journey: str) -> str:
        if journey and not re.fullmatch(r"[^:]+\.py:[A-Za-z_]\w*", journey):
            raise ValueError("must be FILE.py:CLASS, for example buyer.py:Buyer")
        return journey

    @field_validator("state")
    @classmethod
    def _own_state(cls, state: StateDesign) -> StateDesign:
        if state not in OWN_STATES:
            raise ValueError(f"must be one of {', '.join(OWN_STATES)}")
        return state

    @model_validator(mode="after")
    def _runs_somewhere(self) -> Self:
        if self.local is None and self.kubernetes is None:
            raise ValueError(
                "say how it runs: `local` with a command, or `kubernetes` with what stands there"
            )
        return self

    def spec(self, folder: Path, name: str) -> ServiceSpec:
        """For the rest of the tool; paths start at `folder`. Raises InputError for a missing file."""
        file, _, kind = self.journey.rpartition(":")
        return ServiceSpec(
            name=self.name or name,
            journey=f"{_there(folder, file, 'journey')}:{kind}" if self.journey else "",
            state=self.state,
            local=self._local(folder),
            attached=self._attached(folder),
            answered_by=AnsweredBy(
                header=self.answered_by.header.lower(),
                boot=self.answered_by.boot.lower(),
                cookie=self.answered_by.cookie,
                access_log=self.answered_by.access_log,
            ),
            reached=Reached(
                host=self.host,
                headers=self.headers,
                ca_file=_there(folder, self.ca, "ca") if self.ca else "",
                base_path=self.base_path.rstrip("/"),
                users=_there(folder, self.users, "users") if self.users else "",
            ),
            metrics=self.metrics,
            session_share={mix.value: share for mix, share in self.session_share.items()},
        )

    def _local(self, folder: Path) -> LocalReplicas | None:
        if self.local is None:
            return None
        said = self.local.model_dump()
        directory = folder / self.local.directory
        if not directory.is_dir():
            raise InputError(f"there is no folder {directory}", where="service.local.directory")
        files = {
            key: tuple(str((folder / source).resolve()) for source in said[key])
            for key in ("prepared_from", "built_from")
        }
        return LocalReplicas(**{**said, **files, "directory": str(directory.resolve())})

    def _attached(self, folder: Path) -> AttachedWorkload | None:
        found = self.kubernetes
        if found is None:
            return None
        workload, name = next(
            (workload, value)
            for workload, value in (
                (Workload.DEPLOYMENT, found.deployment),
                (Workload.STATEFUL_SET, found.statefulset),
                (Workload.SELECTOR, found.selector),
            )
            if value is not None
        )
        return AttachedWorkload(
            workload=workload,
            name=name,
            namespace=found.namespace,
            url=found.url.rstrip("/"),
            container=found.container,
            most_down=found.most_down,
            manifests=tuple(_manifest(folder, path) for path in found.manifests),
        )


def _manifest(folder: Path, name: str) -> str:
    path, where = (folder / name).resolve(), "service.kubernetes.manifests"
    if not path.exists():
        raise InputError(f"there is no file or folder {path}", where=where)
    if path.is_dir() and not any((path / known).is_file() for known in KUSTOMIZATIONS):
        raise InputError(
            f"the folder {path} has no kustomization.yaml", where=where, hint="name its files one by one"
        )
    return str(path)


def _there(folder: Path, file: str, key: str) -> str:
    path = folder / file_of(file)
    if not path.is_file():
        raise InputError(f"there is no file {path}", where=f"service.{key}")
    return file if is_content(file) else str(path.resolve())
