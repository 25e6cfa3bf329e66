"""What a run changed at a workload that is not Statefall's: noted before each change, and put back.

Only what the run itself set is taken back: where somebody else has scaled or rolled out meanwhile, theirs
stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects.kinds import DEPLOYMENT, POD, STATEFUL_SET, Object, ObjectKind
from statefall.clusters.kubernetes.objects.pods import running, with_first
from statefall.clusters.kubernetes.objects.shell import GO_ON
from statefall.clusters.kubernetes.ownership.removal import every
from statefall.clusters.protocol import ClusterError
from statefall.codec import Codec

ROLLED: Final = "statefall/rolled-at"
"""Annotation of the pods' template: what makes it another revision."""
_KINDS: Final = {kind.name: kind for kind in (DEPLOYMENT, STATEFUL_SET)}


@dataclass(frozen=True, slots=True)
class PausedPod:
    """A pod whose processes stand still."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """What was, or is about to be, changed at one workload."""

    kind: str
    name: str
    uid: str
    container: str = ""
    replicas: int = 0
    """Before the first scaling."""
    scaled_to: tuple[int, ...] = ()
    rolled: bool = False
    paused: tuple[PausedPod, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there is anything to put back."""
        return bool(self.scaled_to or self.rolled or self.paused)

    @property
    def object_kind(self) -> ObjectKind:
        """The kind of the workload."""
        return _KINDS[self.kind]


_CODEC: Final[Codec[Attachment]] = Codec(Attachment)


def written(attachment: Attachment) -> str:
    """As it stands in the Lease; empty where there is nothing to put back."""
    return _CODEC.encode(attachment) if attachment.anything else ""


def read(note: str) -> Attachment:
    """What `written` wrote. Raises InputError."""
    return _CODEC.decode(note, where="the note in the Lease")


def put_back(api: Api, attachment: Attachment) -> list[str]:
    """Have the workload as it was; what was done, in words. Raises ClusterError with all that failed.

    It returns once all of it is asked for: pods come and go for a while after that.
    """
    done: list[str] = []
    every(
        [
            *(partial(_go_on, api, attachment, pod, done) for pod in attachment.paused),
            lambda: done.extend(_scale_back(api, attachment)),
            lambda: done.extend(_template_back(api, attachment)),
        ]
    )
    return done


def _go_on(api: Api, attachment: Attachment, paused: PausedPod, done: list[str]) -> None:
    pod = api.get(POD, paused.name)
    if pod is None or str(pod["metadata"]["uid"]) != paused.uid:
        return
    if not running(with_first(pod, attachment.container)):
        return
    ended = run_in(api, paused.name, list(GO_ON), container=attachment.container)
    if ended.fine is False:
        raise ClusterError(f"pod {paused.name} does not go on: {ended.problem}")
    done.append(f"pod {paused.name} goes on")


def _found(api: Api, attachment: Attachment) -> Object | None:
    found = api.get(attachment.object_kind, attachment.name)
    return found if found is not None and str(found["metadata"]["uid"]) == attachment.uid else None


def _scale_back(api: Api, attachment: Attachment) -> list[str]:
    found = _found(api, attachment)
    if found is None or not attachment.scaled_to:
        return []
    now = int(found["spec"].get("replicas", 1))
    if now == attachment.replicas or now not in attachment.scaled_to:
        return []  # nothing came of it, or somebody else has scaled it since
    changes = {"metadata": {"uid": attachment.uid}, "spec": {"replicas": attachment.replicas}}
    api.change(attachment.object_kind, attachment.name, changes, sub="scale")
    return [f"{attachment.kind} {attachment.name} has {attachment.replicas} replicas again"]


def _template_back(api: Api, attachment: Attachment) -> list[str]:
    found = _found(api, attachment)
    if found is None or not attachment.rolled:
        return []
    if ROLLED not in (found["spec"]["template"]["metadata"].get("annotations") or {}):
        return []
    template = {"metadata": {"annotations": {ROLLED: None}}}
    changes = {"metadata": {"uid": attachment.uid}, "spec": {"template": template}}
    api.change(attachment.object_kind, attachment.name, changes)
    return [f"the pods' template of {attachment.kind} {attachment.name} is as before"]
