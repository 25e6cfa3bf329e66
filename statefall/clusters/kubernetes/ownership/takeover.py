"""Puts a namespace back that a killed conductor left: its cells, its load, its nodes, its store."""

from __future__ import annotations

from functools import partial

from statefall.clusters.kubernetes.api.access import configuration
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.api.tunnel import run_in
from statefall.clusters.kubernetes.objects import store_commands
from statefall.clusters.kubernetes.objects.kinds import (
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    Object,
    labels_of,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import COMPONENT, OURS, RUN_LABEL
from statefall.clusters.kubernetes.objects.pods import pod_of
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.kubernetes.ownership import made
from statefall.clusters.kubernetes.ownership.attachment import put_back, read
from statefall.clusters.kubernetes.ownership.lease import (
    NAME,
    attached_note,
    lives,
    made_note,
    nodes_to_put_back,
)
from statefall.clusters.kubernetes.ownership.removal import IN_A_CELL, every, remove_all
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import InputError, StatefallError


def recover(target: RunTarget | None = None) -> list[str]:
    """Clear what a dead conductor left in the namespace; what was done, in words (empty: nothing).

    In other namespaces, workloads are put back that a dead conductor was attached to: as far as the caller
    may look for them. Raises InputError while a conductor lives here, EnvironmentUnfit without a cluster.
    """
    chosen = target or RunTarget.from_environment()
    api = Api(configuration(chosen), chosen.namespace)
    try:
        done: list[str] = []
        failed: StatefallError | None = None
        try:
            done.extend(clear(api))
        except StatefallError as error:  # it keeps its kind, and so its exit code
            failed = error
        every([partial(_clear_elsewhere, api, namespace, done) for namespace in _attached_elsewhere(api)])
        if failed is not None:
            raise failed
        return done
    finally:
        api.close()


def _attached_elsewhere(api: Api) -> list[str]:
    """The namespaces, other than this one, in which a conductor noted that it was attached to a workload."""
    if not api.allowed("list", LEASE.group, LEASE.plural, anywhere=True):
        return []
    return [
        str(lease["metadata"]["namespace"])
        for lease in api.list_anywhere(LEASE, OURS)
        if attached_note(lease) is not None and lease["metadata"]["namespace"] != api.namespace
    ]


def _clear_elsewhere(api: Api, namespace: str, done: list[str]) -> None:
    """The same there; a conductor that lives is left alone."""
    there = Api(api.configuration, namespace)
    try:
        lease = there.get(LEASE, NAME)
        if lease is not None and not lives(there, lease):
            done.extend(clear_attached(there))
    finally:
        there.close()


def clear_attached(api: Api) -> list[str]:
    """Put back what the Lease of a dead conductor notes of workloads that are not ours; in words."""
    lease = api.get(LEASE, NAME)
    note = attached_note(lease) if lease is not None else None
    if lease is None or note is None:
        return []
    done: list[str] = []

    def uncordon(node: str) -> None:
        done.extend(_put_back(api, node))

    def workload(note: str) -> None:
        done.extend(put_back(api, read(note)))

    def remove(note: str) -> None:
        done.extend(f"removed {line}" for line in made.remove(api, made.read(note)))

    left = made_note(lease)
    every(
        [
            *(partial(uncordon, node) for node in nodes_to_put_back(lease)),
            *([partial(workload, note)] if note else []),
            *([partial(remove, left)] if left else []),
        ]
    )
    api.delete(LEASE, NAME, uid=str(lease["metadata"]["uid"]))
    return [f"namespace {api.namespace}: {line}" for line in done]


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
    if lease is not None and attached_note(lease) is not None:
        return clear_attached(api)
    lease = api.get(LEASE, NAME)  # it may have cordoned one more node while it was watched
    done: list[str] = []

    def put_back(node: str) -> None:
        done.extend(_put_back(api, node))

    def remove(run: str) -> None:
        done.extend(f"{run}: removed {message}" for message in remove_all(api, run))

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
        if store_commands.STOPPED in run_in(api, store, ["sh", "-c", store_commands.BOUND_TO]).output:
            started = run_in(api, store, ["sh", "-c", store_commands.START])
            if not started.fine:
                raise ClusterError(f"the store did not start again: {started.output.strip() or 'no answer'}")
            done.append("the session store answers again")

    # One that is not ready runs nothing; when it comes up it listens of itself.
    every(partial(start, name_of(obj)) for obj in stores if pod_of(obj).ready)
    return done


def _runs(api: Api) -> set[str]:
    """The runs that left anything: a pod, an object of a cell, or the namespace itself."""
    namespace = api.get(NAMESPACE, api.namespace)
    found: list[Object] = [namespace] if namespace else []
    lease = api.get(LEASE, NAME)
    runs = {str(lease["spec"]["holderIdentity"])} if lease else set()
    for kind in (POD, *IN_A_CELL):
        found += api.list(kind, f"{OURS},{RUN_LABEL}").items
    return runs | {labels_of(obj)[RUN_LABEL] for obj in found if RUN_LABEL in labels_of(obj)}


def _put_back(api: Api, node: str) -> list[str]:
    existing = api.get(NODE, node)
    if existing is None or not existing["spec"].get("unschedulable"):
        return []
    api.patch_node(NODE, node, {"spec": {"unschedulable": None}})
    return [f"uncordoned node {node}"]
