"""One conductor in a namespace at a time: a Lease that is renewed while it lives.

The Lease also remembers what lies outside of the namespace and would not go with it (cordoned
nodes), so that whoever recovers after a killed conductor knows what to put back.

Every write names the UID of the Lease that was taken: one that lost it (its machine slept, its network
was away) touches nothing of the next conductor's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Refused
from statefall.clusters.kubernetes.objects.kinds import LEASE, Object
from statefall.clusters.kubernetes.objects.labels import PART_OF
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import InputError, StatefallError

NAME: Final = "statefall-conductor"
DURATION_S: Final = 15
"""A conductor that has not renewed for so long is dead."""
RENEW_EVERY_S: Final = 3.0
CORDONED: Final = "statefall/cordoned"
"""Annotation: names of the nodes that this conductor cordoned, comma separated."""
ATTACHED: Final = "statefall/attached"
"""Annotation: it works on what is not Statefall's: what it has changed there, as JSON, or empty."""
MADE: Final = "statefall/made"
"""Annotation: what this conductor made of the user's manifests, as JSON; absent where it made nothing."""
_LOOK_EVERY_S: Final = 0.5
_CONFLICT: Final = 409
_TAKEN_OVER: Final = "another run took over the namespace"
_MICRO_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class ConductorLease:
    """This conductor's hold on the namespace."""

    def __init__(self, api: Api, run: str, on_loss: Callable[[str], None], *, attached: bool = False) -> None:
        """`on_loss`: is told, from another thread, when somebody else took the namespace.

        `attached`: whoever finds the Lease of a dead conductor removes nothing, and puts back what it notes.
        """
        self._attached, self._changed, self._made = attached, "", ""
        self._api, self._run, self._on_loss = api, run, on_loss
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._writing = threading.Lock()
        self._uid = ""
        """Of the Lease that was taken; empty while none is held."""
        self._noted: tuple[str, ...] = ()
        self._renewed_at = 0.0
        """Wall clock: a machine that slept has to count its sleep."""
        self.lost = False
        """Whether it is known that somebody else took the namespace, or that the Lease was removed."""

    def take(self) -> None:
        """Hold the namespace. Raises InputError while another conductor lives in it."""
        existing = self._api.get(LEASE, NAME)
        if existing is not None:
            if lives(self._api, existing):
                raise InputError(
                    f"another run is under way here ({_holder(existing)})",
                    where=f"namespace {self._api.namespace}",
                    hint="wait for it, or choose another namespace with STATEFALL_NAMESPACE",
                )
            self._api.delete(LEASE, NAME, uid=str(existing["metadata"]["uid"]))
        try:
            self._uid = str(self._api.create(self._lease())["metadata"]["uid"])
        except Refused as refusal:
            if refusal.status == _CONFLICT:
                raise InputError(
                    "another run began at the same moment", where=f"namespace {self._api.namespace}"
                ) from refusal
            raise
        self._renewed_at = time.time()
        self._thread.start()

    def confirm(self) -> None:
        """Raises ClusterError when the namespace is another's after a time without renewal; else free."""
        if self._uid and time.time() - self._renewed_at > DURATION_S and self.taken():
            self._lose()
            raise ClusterError(_TAKEN_OVER)

    def taken(self) -> bool:
        """Whether another conductor has the namespace now; asked anew. Not so where nobody has it."""
        existing = self._api.get(LEASE, NAME)
        return existing is not None and not self._is_ours(existing)

    def cordoned(self, nodes: list[str]) -> None:
        """Remember these nodes: called before the first is cordoned and after the last was put back.

        Raises ClusterError, and changes nothing, once the Lease is lost. (That a node was put back need not
        be noted in a Lease that went with its namespace.)
        """
        with self._writing:
            if len(nodes) >= len(self._noted) or self._api.get(LEASE, NAME) is not None:
                self._write({"metadata": {"annotations": {CORDONED: ",".join(nodes) or None}}})
            self._noted = tuple(nodes)

    def changed(self, document: str) -> None:
        """Remember what is changed at a workload that is not ours: called before each change.

        Empty: all of it was put back. Raises ClusterError, and changes nothing, once the Lease is lost.
        """
        with self._writing:
            if document or self._api.get(LEASE, NAME) is not None:
                self._write({"metadata": {"annotations": {ATTACHED: document}}})
            self._changed = document

    def made(self, document: str) -> None:
        """Remember what is made of the user's manifests: called before the first of them is.

        Empty: all of it is gone. Raises ClusterError, and changes nothing, once the Lease is lost.
        """
        with self._writing:
            if document or self._api.get(LEASE, NAME) is not None:
                self._write({"metadata": {"annotations": {MADE: document or None}}})
            self._made = document

    def let_expire(self) -> None:
        """Renew it no more, and leave it: `statefall recover` finds by it what could not be taken away."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def release(self) -> None:
        """Let go. Idempotent. While anything is noted the Lease stays, unrenewed, for `statefall recover`."""
        self.let_expire()
        if self._noted or self._changed or self._made:
            return
        if self._uid:
            try:
                self._api.delete(LEASE, NAME, uid=self._uid)
            except Refused as refusal:
                if refusal.status != _CONFLICT:  # else it is another conductor's by now
                    raise
        self._uid = ""

    def _renew(self) -> None:
        while not self._ending.wait(RENEW_EVERY_S):
            try:
                with self._writing:
                    existing = self._api.get(LEASE, NAME)
                    if existing is None or not self._is_ours(existing):
                        self._lose()
                        return
                    self._write({"spec": {"renewTime": _now()}})
                    self._renewed_at = time.time()
            except StatefallError:
                continue  # out of reach: the watches say so; until then it is tried again

    def _lose(self) -> None:
        self.lost = True
        self._on_loss(_TAKEN_OVER)

    def _is_ours(self, existing: Object) -> bool:
        return str(existing["metadata"]["uid"]) == self._uid

    def _write(self, changes: Object) -> None:
        """Raises Refused when another Lease stands in the place of the one that was taken."""
        metadata = {**changes.get("metadata", {}), "uid": self._uid}
        self._api.patch(LEASE, NAME, {**changes, "metadata": metadata})

    def _lease(self) -> Object:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {
                "name": NAME,
                "namespace": self._api.namespace,
                "labels": {PART_OF: "statefall"},
                **({"annotations": {ATTACHED: ""}} if self._attached else {}),
            },
            "spec": {
                "holderIdentity": self._run,
                "leaseDurationSeconds": DURATION_S,
                "acquireTime": _now(),
                "renewTime": _now(),
            },
        }


def lives(api: Api, lease: Object) -> bool:
    """Whether its conductor renews it still: watched for as long as it holds, whatever the clocks say."""
    deadline = time.monotonic() + float(lease["spec"].get("leaseDurationSeconds", DURATION_S))
    renewed = lease["spec"].get("renewTime")
    while time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
        existing = api.get(LEASE, NAME)
        if existing is None:
            return False
        if existing["spec"].get("renewTime") != renewed:
            return True
    return False


def nodes_to_put_back(lease: Object) -> list[str]:
    """Nodes that its conductor had cordoned."""
    noted = (lease["metadata"].get("annotations") or {}).get(CORDONED, "")
    return [name for name in noted.split(",") if name]


def attached_note(lease: Object) -> str | None:
    """What its conductor had changed of what is not ours; None where it was not attached to any such."""
    found = (lease["metadata"].get("annotations") or {}).get(ATTACHED)
    return None if found is None else str(found)


def made_note(lease: Object) -> str:
    """What its conductor made of the user's manifests; empty where it made nothing."""
    return str((lease["metadata"].get("annotations") or {}).get(MADE) or "")


def _holder(lease: Object) -> str:
    return str(lease["spec"].get("holderIdentity", ""))


def _now() -> str:
    return datetime.now(UTC).strftime(_MICRO_TIME)
