"""What a pod is and what happened to it, read from what the API server tells. Pure."""

from __future__ import annotations

from typing import Any, Final

from statefall.clusters.kubernetes.objects.kinds import Object, labels_of, name_of
from statefall.clusters.protocol import Pod, Transition

PORT: Final = 8000
"""Where a replica listens whose manifest names no port."""
_REVISION_LABELS: Final = ("pod-template-hash", "controller-revision-hash")
"""A Deployment's, a StatefulSet's."""
_SIGNAL_BASE: Final = 128
"""A process ended by signal n is told as exit code 128 + n."""


def pod_of(obj: Object, *, gone: bool = False) -> Pod:
    """The pod as the protocol has it; `gone` when it was deleted."""
    status: Object = obj.get("status", {})
    container = _container(obj)
    passes = not gone and _condition(status, "Ready") and running(obj)
    terminating = gone or "deletionTimestamp" in obj["metadata"]
    address = status.get("podIP", "")
    return Pod(
        name=name_of(obj),
        uid=str(obj["metadata"]["uid"]),
        address=f"{address}:{port_of(obj)}" if address else "",
        container_id=str(container.get("containerID", "")),
        restart_count=int(container.get("restartCount", 0)),
        ready=passes and not terminating,
        serving=passes,
        terminating=terminating,
        revision=next((labels_of(obj)[label] for label in _REVISION_LABELS if label in labels_of(obj)), ""),
        node=str(obj["spec"].get("nodeName", "")),
    )


def port_of(obj: Object) -> int:
    """The port of the pod's container that is called http, else the first that it names."""
    containers = obj["spec"].get("containers") or [{}]
    ports = sorted(containers[0].get("ports") or [{}], key=lambda port: port.get("name") != "http")
    return int(ports[0].get("containerPort", PORT))


def with_first(obj: Object, container: str) -> Object:
    """The pod with this container before the others: the first is the one that is spoken of."""
    if not container:
        return obj

    def others_after(of: Object, key: str) -> Object:
        return {**of, key: sorted(of.get(key) or [], key=lambda each: each["name"] != container)}

    spec = others_after(obj["spec"], "containers")
    return {**obj, "spec": spec, "status": others_after(obj.get("status", {}), "containerStatuses")}


def running(obj: Object) -> bool:
    """Whether the pod's container runs."""
    return "running" in _container(obj).get("state", {})


def succeeded(obj: Object) -> bool:
    """Whether the pod's work is done."""
    return bool(obj.get("status", {}).get("phase") == "Succeeded")


def finished(obj: Object) -> bool:
    """Whether all of the pod's containers have ended, never to run again."""
    return obj.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def transitions(before: Object | None, after: Object, *, gone: bool = False) -> list[tuple[Transition, str]]:
    """What happened between two sights of a pod, in order, each with its detail.

    A watch may skip states, so a container that was restarted in between counts as exited and started.
    """
    was = pod_of(before) if before else None
    now = pod_of(after, gone=gone)
    was_running, is_running = before is not None and running(before), running(after) and not gone
    restarted = was is not None and was.container_id != "" and now.container_id != was.container_id
    found: list[tuple[Transition, str]] = []
    if was is None:
        found.append((Transition.CREATED, ""))
    if now.terminating and not (was and was.terminating):
        found.append((Transition.TERMINATING, ""))
    ended = _ending(after, earlier=not gone)
    if was_running and (restarted or not is_running) and (ended or not gone):
        found.append((Transition.CONTAINER_EXITED, ended))
    if is_running and (not was_running or restarted):
        found.append((Transition.CONTAINER_STARTED, ""))
    if was and was.ready and not now.ready and not now.terminating:
        found.append((Transition.UNREADY, ""))
    if now.ready and not (was and was.ready and not restarted):
        found.append((Transition.READY, ""))
    if gone:
        found.append((Transition.GONE, ""))
    return found


def end_of(obj: Object | None) -> str:
    """How a pod ended that is not restarted, in words; None is one that is no more. Empty while it runs."""
    if obj is None or "deletionTimestamp" in obj["metadata"]:
        return "was deleted"
    status: Object = obj.get("status", {})
    if status.get("reason"):  # the kubelet's own, and no container's: Evicted, NodeLost
        return f"failed: {status['reason']}"
    how = _ending(obj)
    return f"ended: {how}" if how else ""


def problem(obj: Object) -> str:
    """What keeps this pod from coming up, in words; empty while nothing does.

    The kubelet goes on trying: a problem is final only once it has lasted for `problem_timeout_s`.
    """
    status: Object = obj.get("status", {})
    for container in status.get("containerStatuses", []):
        waiting: Object = container.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason in {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}:
            return f"the image {container['image']} cannot be had ({reason})"
        if reason in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
            return f"its container cannot be made: {_first_line(str(waiting.get('message') or reason))}"
        if reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= _CRASHES_UNTIL_HOPELESS:
            return f"it crashed {container['restartCount']} times ({_ending(obj)})"
    return ""


_CRASHES_UNTIL_HOPELESS: Final = 3


def eviction(pod: Pod, namespace: str) -> Object:
    """What is sent to have this pod evicted, and no other of its name."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }


def problem_timeout_s(obj: Object) -> float:
    """How long this pod's problem may last, in seconds, before waiting on is in vain.

    A kubelet that is busy does not get a Secret in time, and a registry that is busy refuses a pull: both
    are tried again after 10 s or a little more. A crash was given its chances by the restart count.
    """
    status: Object = obj.get("status", {})
    reasons = {
        c.get("state", {}).get("waiting", {}).get("reason") for c in status.get("containerStatuses", [])
    }
    if reasons & {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
        return 60.0
    return 15.0 if reasons & {"ErrImagePull", "ImagePullBackOff"} else 0.0


def waiting_for(obj: Object) -> str:
    """What the pod waits for, in words, for the message of a deadline that passed."""
    for condition in obj.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"not scheduled: {_first_line(condition.get('message', ''))}"
    if hopeless := problem(obj):
        return hopeless
    return "running, not ready" if running(obj) else str(obj.get("status", {}).get("phase", "Pending"))


def endpoint_states(slices: list[Object]) -> dict[str, str]:
    """Pod UID -> `open` (gets new sessions) or `fenced` (terminating and serving still)."""
    found = {}
    for endpoint in (e for s in slices for e in s.get("endpoints") or []):
        conditions: Object = endpoint.get("conditions", {})
        if not conditions.get("serving", conditions.get("ready", True)):
            continue
        uid = str((endpoint.get("targetRef") or {}).get("uid", ""))
        found[uid] = "fenced" if conditions.get("terminating") else "open"
    return found


def _container(obj: Object) -> dict[str, Any]:
    statuses = obj.get("status", {}).get("containerStatuses") or [{}]
    return dict(statuses[0])


def _condition(status: Object, kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in status.get("conditions", []))


def _ending(obj: Object, *, earlier: bool = True) -> str:
    """How the container ended, or (`earlier`) the one before it: `signal 9`, `exit 0`; empty if unknown."""
    container = _container(obj)
    states = [container.get("state", {}), *([container.get("lastState", {})] if earlier else [])]
    for state in states:
        if "terminated" in state:
            return _how(state["terminated"])
    return ""


def _how(terminated: Object) -> str:
    code = int(terminated.get("exitCode", 0))
    number = int(terminated.get("signal", 0)) or (code - _SIGNAL_BASE if code > _SIGNAL_BASE else 0)
    message = f"signal {number}" if number else f"exit {code}"
    return f"{message} (out of memory)" if terminated.get("reason") == "OOMKilled" else message


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
