"""Nodes that take no new pods for a while. They outlive the run's namespace, so they are noted before."""

from __future__ import annotations

from functools import partial
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api, Forbidden, Refused
from statefall.clusters.kubernetes.objects.kinds import NODE
from statefall.clusters.kubernetes.ownership.lease import ConductorLease
from statefall.clusters.kubernetes.ownership.removal import every
from statefall.clusters.protocol import ClusterError

_NOT_FOUND: Final = 404


class Cordons:
    """The nodes that this run has cordoned."""

    def __init__(self, api: Api, lease: ConductorLease) -> None:
        self._api, self._lease = api, lease
        self._nodes: list[str] = []

    def cordon(self, node: str) -> None:
        """Let no new pod onto the node. Raises ClusterError if it is unknown."""
        existing = self._api.get(NODE, node)
        if existing is None:
            raise ClusterError(f"there is no node {node}")
        if existing["spec"].get("unschedulable"):
            return  # it is so already, and not ours to put back
        self._lease.cordoned([*self._nodes, node])
        self._nodes.append(node)
        try:
            self._api.patch_node(NODE, node, {"spec": {"unschedulable": True}})
        except (Refused, Forbidden):
            self._forget(node)  # it was not done: there is nothing to put back
            raise

    def uncordon(self, node: str) -> None:
        """Let pods onto a node again that was cordoned here; another is left as it is."""
        if node not in self._nodes:
            return
        try:
            self._api.patch_node(NODE, node, {"spec": {"unschedulable": None}})
        except Refused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
        self._forget(node)

    def put_back(self) -> None:
        """Uncordon every node that was cordoned here. Raises ClusterError with all that failed."""
        every(partial(self.uncordon, node) for node in tuple(self._nodes))

    def _forget(self, node: str) -> None:
        left = [name for name in self._nodes if name != node]
        self._lease.cordoned(left)
        self._nodes = left
