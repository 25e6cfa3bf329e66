"""What a run asks of a quota, and where a quota leaves less than that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from kubernetes.utils.quantity import parse_quantity

from statefall.clusters.kubernetes.objects.kinds import DEPLOYMENT, JOB, Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, REPLICA

_MEASURES: Final = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods")


@dataclass(frozen=True, slots=True)
class Size:
    """The largest cell of a run, and what else it asks of the cluster."""

    replicas: int = 3
    workers: int = 1
    """Of the load generator; one works without a master."""
    drains: bool = False
    """Whether a node is drained."""


def needs(rendered: Iterable[Object], size: Size) -> dict[str, Decimal]:
    """What these objects ask for together while one cell runs, by the names that quotas use.

    One twin runs at a time, and the Job that fills the database has ended before it begins.
    """
    total = dict.fromkeys(_MEASURES, Decimal(0))
    for manifest in rendered:
        pod: Object = manifest.get("spec", {}).get("template", {}).get("spec", {})
        pods = Decimal(_pods(manifest, size)) if pod else Decimal(0)
        total["pods"] += pods
        for container in pod.get("containers", []) if pods else []:
            for side, amounts in container["resources"].items():
                for what, amount in amounts.items():
                    total[f"{side}.{what}"] += pods * parse_quantity(amount)
    return total


def _pods(manifest: Object, size: Size) -> int:
    component = labels_of(manifest).get(COMPONENT)
    if component == REPLICA:
        return size.replicas if labels_of(manifest).get("app.kubernetes.io/name") == "stateful" else 0
    if component == "load" and manifest["kind"] == DEPLOYMENT.name:
        return size.workers if size.workers > 1 else 0
    if component == "data" and manifest["kind"] == JOB.name:
        return 0
    return int(manifest["spec"].get("replicas", 1))


def shortages(quota: Object, wanted: Mapping[str, Decimal]) -> list[str]:
    """Where a quota leaves less than is wanted, in words."""
    hard = quota.get("status", {}).get("hard") or quota["spec"].get("hard", {})
    used = quota.get("status", {}).get("used", {})
    found = []
    for written, limit in hard.items():
        what = f"requests.{written}" if written in {"cpu", "memory"} else written
        if what not in wanted:
            continue
        left = parse_quantity(limit) - parse_quantity(used.get(written, "0"))
        if left < wanted[what]:
            found.append(f"{name_of(quota)} leaves {left} of {written}, {wanted[what]} are needed")
    return found
