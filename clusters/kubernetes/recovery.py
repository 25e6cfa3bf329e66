"""Puts a namespace back that a killed conductor left: its cells, its load, its nodes, its store."""

from __future__ import annotations

from clusters.kubernetes.access import Place, configuration
from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.infrastructure import START_STORE
from clusters.kubernetes.kinds import LEASE, NAMESPACE, NODE, POD, Object, labels_of, name_of
from clusters.kubernetes.lease import NAME, lives, nodes_to_put_back
from clusters.kubernetes.manifests import COMPONENT, RUN_LABEL
from clusters.kubernetes.removal import remove_all
from clusters.kubernetes.tunnel import run_in
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
    """The same, through an API that is open already."""
    if api.get(NAMESPACE, api.namespace) is None:
        return []
    lease = api.get(LEASE, NAME)
    if lease is not None and lives(api, lease):
        raise InputError(
            f"the run {lease['spec'].get('holderIdentity')} is under way",
            where=f"namespace {api.namespace}",
            hint="end that first",
        )
    done = _put_nodes_back(api, nodes_to_put_back(lease) if lease else [])
    for run in sorted(_runs(api)):
        done += [f"{run}: removed {words}" for words in remove_all(api, run)]
    if api.get(NAMESPACE, api.namespace) is not None:
        done += _store_back(api)
        api.delete(LEASE, NAME)
    return done


def _runs(api: Api) -> set[str]:
    """The runs that left anything: a pod, an object of a cell, or the namespace itself."""
    namespace = api.get(NAMESPACE, api.namespace)
    found: list[Object] = [namespace] if namespace else []
    lease = api.get(LEASE, NAME)
    runs = {str(lease["spec"]["holderIdentity"])} if lease else set()
    found += api.list(POD, f"{OURS},{RUN_LABEL}").items
    return runs | {labels_of(thing)[RUN_LABEL] for thing in found if RUN_LABEL in labels_of(thing)}


def _put_nodes_back(api: Api, nodes: list[str]) -> list[str]:
    done = []
    for node in nodes:
        standing = api.get(NODE, node)
        if standing is not None and standing["spec"].get("unschedulable"):
            api.patch_node(NODE, node, {"spec": {"unschedulable": None}})
            done.append(f"uncordoned node {node}")
    return done


def _store_back(api: Api) -> list[str]:
    """A store that was in an outage listens again; asking one that does so changes nothing."""
    for thing in api.list(POD, f"{OURS},{COMPONENT}=store").items:
        ended = run_in(api, name_of(thing), ["sh", "-c", "valkey-cli config get bind"])
        if "127.0.0.1" in ended.output:
            run_in(api, name_of(thing), ["sh", "-c", START_STORE])
            return ["the session store answers again"]
    return []
