"""What explains a result that was measured on a cluster: versions and sizes, in words."""

from __future__ import annotations

from statefall.clusters.kubernetes.objects.kinds import NODE, Object
from statefall.clusters.kubernetes.objects.labels import COMPONENT
from statefall.clusters.kubernetes.run.context import RunContext

_SHARED = ("balancer", "database", "store")
_DIGEST_SHOWN = 12


def fingerprint(context: RunContext) -> dict[str, str]:
    """Equal on equal clusters with equal programs."""
    images = {
        component: ", ".join(sorted({_image(obj) for obj in context.find(COMPONENT, component)}))
        for component in _SHARED
    }
    found = {
        "kubernetes": context.api.version(),
        **images,
        "image": _own(context),
        "database_durability": "none (fsync off): its data is thrown away after the run",
    }
    if context.api.allowed("list", "", "nodes", anywhere=True):
        found |= _nodes(list(context.api.list(NODE).items))
    return found


def _own(context: RunContext) -> str:
    """The replicas' image, as the Job that filled the database had it; its name alone where that is gone."""
    name = context.target.image
    made = {_image(obj) for obj in context.find(COMPONENT, "data")}
    return ", ".join(sorted(image for image in made if image.partition(" ")[0] == name)) or name


def _image(obj: Object) -> str:
    """Its name, and the first digits of the digest that the node found under that name."""
    name = str(obj["spec"]["containers"][0]["image"])
    ran = obj.get("status", {}).get("containerStatuses") or [{}]
    digest = str(ran[0].get("imageID", "")).rpartition("sha256:")[2]
    return f"{name} ({digest[:_DIGEST_SHOWN]})" if digest else name


def _nodes(nodes: list[Object]) -> dict[str, str]:
    info = [node["status"]["nodeInfo"] for node in nodes]
    return {
        "nodes": str(len(nodes)),
        "cores_per_node": ", ".join(sorted({str(node["status"]["capacity"]["cpu"]) for node in nodes})),
        "memory_per_node": ", ".join(sorted({str(node["status"]["capacity"]["memory"]) for node in nodes})),
        "kernel": ", ".join(sorted({f"{i['kernelVersion']} {i['architecture']}" for i in info})),
        "container_runtime": ", ".join(sorted({str(i["containerRuntimeVersion"]) for i in info})),
    }
