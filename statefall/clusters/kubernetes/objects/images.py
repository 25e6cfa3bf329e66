"""Whether the nodes hold the images that a run needs, as far as nodes tell. Pure.

It is a hint: a node names its 50 largest images at most, and a new one up to a minute after it was loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from statefall.clusters.kubernetes.objects.kinds import Object

_NAMED_BY_A_NODE: Final = 50
"""The kubelet's default for `nodeStatusMaxImages`."""
_OF_OTHERS: Final = {"balancer", "database", "store"}
LOAD_HINT: Final = "build and load it (make kind), or name another with STATEFALL_IMAGE"
PULL_HINT: Final = (
    "it is public: let the nodes reach its registry, load it into them, or name a mirror's (k8s/README.md)"
)


def full_name(image: str) -> str:
    """The name with registry and tag, as nodes have it: `postgres` is `docker.io/library/postgres:latest`."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif not ({".", ":"} & set(first) or first == "localhost"):
        image = f"docker.io/{image}"
    tagged = "@" in image or ":" in image.rpartition("/")[2]
    return image if tagged else f"{image}:latest"


def lacking(images: Iterable[str], nodes: Iterable[Object]) -> dict[str, list[str]]:
    """Image -> the nodes that lack it, if any do. Nodes that do not name all they hold are left out."""
    held = {
        str(node["metadata"]["name"]): {name for image in told for name in image.get("names") or []}
        for node in nodes
        if len(told := node.get("status", {}).get("images") or []) < _NAMED_BY_A_NODE
    }
    found = {
        image: [node for node, names in held.items() if full_name(image) not in names] for image in images
    }
    return {image: without for image, without in found.items() if without}


def only_local(image: str) -> bool:
    """Whether no registry can serve it: without a path, only Docker's own images can be pulled."""
    return "/" not in image


def hint_for(component: str) -> str:
    """How to get the image of a component that cannot be had."""
    return PULL_HINT if component in _OF_OTHERS else LOAD_HINT
