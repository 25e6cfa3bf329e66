"""What a run made of the user's manifests: noted in the Lease before it is made, and removed.

An object is the run's by its kind, its name and the run's label: one of the same name without that label
is somebody else's, and stays.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.objects.kinds import Object, ObjectKind, labels_of
from statefall.clusters.kubernetes.objects.labels import RUN_LABEL
from statefall.clusters.kubernetes.ownership.removal import GONE_TIMEOUT_S, every
from statefall.clusters.protocol import ClusterError
from statefall.codec import Codec

_LOOK_EVERY_S: Final = 0.3
_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class MadeObject:
    """One of them, by kind and name."""

    kind: ObjectKind
    name: str

    @property
    def title(self) -> str:
        """`Deployment shop`."""
        return f"{self.kind.name} {self.name}"


@dataclass(frozen=True, slots=True)
class MadeByRun:
    """All that a run made in a namespace, or was about to make; in that order."""

    run: str
    """The value of its label."""
    objects: tuple[MadeObject, ...]


_CODEC: Final[Codec[MadeByRun]] = Codec(MadeByRun)


def written(made: MadeByRun) -> str:
    """As it stands in the Lease."""
    return _CODEC.encode(made)


def read(note: str) -> MadeByRun:
    """What `written` wrote. Raises InputError."""
    return _CODEC.decode(note, where="the note in the Lease")


def remove(api: Api, made: MadeByRun, *, timeout_s: float = GONE_TIMEOUT_S) -> list[str]:
    """Delete what the run made, the last first, and return once all is gone with its pods; in words.

    Raises ClusterError with all that could not be removed.
    """
    uids: dict[MadeObject, str] = {}
    last_first = made.objects[::-1]
    every(partial(_delete, api, made.run, each, uids) for each in last_first)
    deadline = time.monotonic() + timeout_s
    every(partial(_await_gone, api, each, uid, deadline) for each, uid in uids.items())
    return [each.title for each in uids]


def _delete(api: Api, run: str, each: MadeObject, uids: dict[MadeObject, str]) -> None:
    found = api.get(each.kind, each.name)
    if found is None or labels_of(found).get(RUN_LABEL) != run:
        return
    uid = _uid(found)
    uids[each] = uid
    try:
        # Its pods go before it does: once it is gone, so are they.
        api.delete(each.kind, each.name, uid=uid, last=True)
    except Refused as refusal:
        if refusal.status != _CONFLICT:  # else another took its place
            raise


def _await_gone(api: Api, each: MadeObject, uid: str, deadline: float) -> None:
    while (found := api.get(each.kind, each.name)) is not None and _uid(found) == uid:
        if time.monotonic() > deadline:
            raise ClusterError(f"{each.title} in namespace {api.namespace} was deleted and does not go")
        time.sleep(_LOOK_EVERY_S)


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])
