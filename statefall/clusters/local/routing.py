"""Which endpoints the balancer gets, and what it is to do with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from statefall.clusters.local.lifecycle import PodState

COOKIE = "statefall_balancer"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod as the balancer sees it."""

    uid: str
    address: str
    fenced: bool
    """Serving but terminating: keeps the clients whose cookie names it and gets no new ones."""


@dataclass(frozen=True, slots=True)
class Route:
    """All traffic to one deployment."""

    deployment: str
    sticky: bool
    endpoints: tuple[Endpoint, ...] = ()

    def load_balancer(self) -> dict[str, Any]:
        """Traefik's `loadBalancer`; without servers it answers 503."""
        balancer: dict[str, Any] = {"passHostHeader": True}
        if self.sticky:
            cookie = {"name": COOKIE, "httpOnly": True, "sameSite": "lax"}
            balancer["sticky"] = {"cookie": cookie}
        if self.endpoints:
            balancer["servers"] = [_server(endpoint) for endpoint in self.endpoints]
        return balancer

    def configuration(self) -> dict[str, Any]:
        """Traefik's dynamic configuration."""
        router = {"entryPoints": ["web"], "rule": "PathPrefix(`/`)", "service": self.deployment}
        services = {self.deployment: {"loadBalancer": self.load_balancer()}}
        return {"http": {"routers": {"everything": router}, "services": services}}


def _server(endpoint: Endpoint) -> dict[str, Any]:
    server: dict[str, Any] = {"url": f"http://{endpoint.address}"}
    return {**server, "fenced": True} if endpoint.fenced else server


def endpoints(pods: Iterable[PodState]) -> tuple[Endpoint, ...]:
    """Who gets requests: the ready, and fenced those that terminate and serve still."""
    return tuple(Endpoint(pod.uid, pod.address, fenced=pod.terminating) for pod in pods if pod.serving)


def changes(before: Route | None, after: Route) -> dict[str, str]:
    """UID -> `open`, `fenced` or `closed`, of every pod whose endpoint became that."""
    was = {endpoint.uid: endpoint for endpoint in before.endpoints} if before else {}
    now = {endpoint.uid: endpoint for endpoint in after.endpoints}
    changed = {uid: "closed" for uid in was if uid not in now}
    for uid, endpoint in now.items():
        if was.get(uid) != endpoint:
            changed[uid] = "fenced" if endpoint.fenced else "open"
    return changed
