"""Puts a namespace back that a killed conductor left: its cells, its load, its nodes, its store."""

from __future__ import annotations

from functools import partial

from clusters.kubernetes.access import Place, configuration
from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.infrastructure import START_STORE
from clusters.kubernetes.kinds import LEASE, NAMESPACE, NODE, POD, Object, labels_of, name_of
from clusters.kubernetes.lease import NAME, lives, nodes_to_put_back
from clusters.kubernetes.manifests import COMPONENT, RUN_LABEL
from clusters.kubernetes.pods import pod_of
from clusters.kubernetes.removal import IN_A_CELL, every, remove_all
from clusters.kubernetes.tunnel import run_in
from clusters.protocol import ClusterError
from foundation.errors import InputError


def recover(place: Place | None = None) -> list[str]:
    """Clear what a dead conductor left in the namespace; what was done, in words (empty: nothing).

    Raises InputError while a conductor lives there, EnvironmentUnfit without a cluster.
    """
    chosen = place or Place.from_environment()
    api = Api(configuration(chosen), chosen.namespace)
    try:
        return clear(api)
    finally:
        api.close()


def clear(api: Api) -> list[str]:
    """The same, through an API that is open already.

    Raises ClusterError with all that could not be put back; the Lease, and with it the note of what lies
    outside of the namespace, then stays for the next attempt.
    """
    if api.get(NAMESPACE, api.namespace) is None:
        return []
    lease = api.get(LEASE, NAME)
    if lease is not None and lives(api, lease):
        raise InputError(
            f"the run {lease['spec'].get('holderIdentity')} is under way",
            where=f"namespace {api.namespace}",
            hint="end that first",
        )
    lease = api.get(LEASE, NAME)  # it may have cordoned one more node while it was watched
    done: list[str] = []

    def put_back(node: str) -> None:
        done.extend(_put_back(api, node))

    def remove(run: str) -> None:
        done.extend(f"{run}: removed {words}" for words in remove_all(api, run))

    nodes = nodes_to_put_back(lease) if lease else []
    every(
        [
            *(partial(put_back, node) for node in nodes),
            *(partial(remove, run) for run in sorted(_runs(api))),
            lambda: done.extend(store_back(api)),
        ]
    )
    if lease is not None:
        api.delete(LEASE, NAME, uid=str(lease["metadata"]["uid"]))
    return done


def store_back(api: Api) -> list[str]:
    """A store that was in an outage listens again; asking one that does so changes nothing. In words."""
    if api.get(NAMESPACE, api.namespace) is None:
        return []
    stores = api.list(POD, f"{OURS},{COMPONENT}=store").items
    done: list[str] = []

    def start(store: str) -> None:
        if "127.0.0.1" in run_in(api, store, ["sh", "-c", "valkey-cli config get bind"]).output:
            started = run_in(api, store, ["sh", "-c", START_STORE])
            if not started.fine:
                raise ClusterError(f"the store did not start again: {started.output.strip() or 'no answer'}")
            done.append("the session store answers again")

    # One that is not ready runs nothing; when it comes up it listens of itself.
    every(partial(start, name_of(thing)) for thing in stores if pod_of(thing).ready)
    return done


def _runs(api: Api) -> set[str]:
    """The runs that left anything: a pod, an object of a cell, or the namespace itself."""
    namespace = api.get(NAMESPACE, api.namespace)
    found: list[Object] = [namespace] if namespace else []
    lease = api.get(LEASE, NAME)
    runs = {str(lease["spec"]["holderIdentity"])} if lease else set()
    for kind in (POD, *IN_A_CELL):
        found += api.list(kind, f"{OURS},{RUN_LABEL}").items
    return runs | {labels_of(thing)[RUN_LABEL] for thing in found if RUN_LABEL in labels_of(thing)}


def _put_back(api: Api, node: str) -> list[str]:
    standing = api.get(NODE, node)
    if standing is None or not standing["spec"].get("unschedulable"):
        return []
    api.patch_node(NODE, node, {"spec": {"unschedulable": None}})
    return [f"uncordoned node {node}"]
