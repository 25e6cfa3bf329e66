"""Finds the cluster that kubectl would talk to, and says in one line why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3
from kubernetes import client, config

from foundation.errors import EnvironmentUnfit, InputError

DEFAULT_NAMESPACE: Final = "statefall"
DEFAULT_IMAGE: Final = "statefall:0.1.0"
CONNECT_TIMEOUT_S: Final = 5.0
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to run: which cluster, which namespace of it, which image."""

    namespace: str = DEFAULT_NAMESPACE
    context: str | None = None
    """Of the kubeconfig; None: its current one."""
    image: str = DEFAULT_IMAGE

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Place:
        """Read `STATEFALL_NAMESPACE`, `STATEFALL_CONTEXT` and `STATEFALL_IMAGE`.

        Inside a pod the namespace is the pod's own unless it is set.
        """
        own = _SERVICE_ACCOUNT / "namespace"
        return cls(
            namespace=environ.get("STATEFALL_NAMESPACE")
            or (own.read_text().strip() if _inside_a_pod(environ) and own.exists() else DEFAULT_NAMESPACE),
            context=environ.get("STATEFALL_CONTEXT") or None,
            image=environ.get("STATEFALL_IMAGE") or DEFAULT_IMAGE,
        )


def configuration(place: Place) -> Any:
    """The client's configuration for this place. Raises EnvironmentUnfit or InputError; sends nothing."""
    settings = client.Configuration()
    try:
        if _inside_a_pod(os.environ) and place.context is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(
                _kubeconfig(), place.context, client_configuration=settings, persist_config=False
            )
    except config.ConfigException as error:
        if place.context is not None and "context" in str(error).lower():
            raise InputError(
                f"the kubeconfig has no context {place.context!r}",
                where="STATEFALL_CONTEXT",
                hint=f"it has: {', '.join(_contexts()) or 'none'}",
            ) from error
        raise EnvironmentUnfit(
            "no cluster is configured: " + str(error).splitlines()[0].rstrip("."),
            hint="set KUBECONFIG, or make a cluster: kind create cluster --config k8s/kind.yaml",
        ) from error
    # A call that failed is the caller's to judge: nothing is sent twice in silence, and a 429 is an answer.
    settings.retries = urllib3.Retry(
        total=3, connect=3, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False
    )
    return settings


def _inside_a_pod(environ: Mapping[str, str]) -> bool:
    return "KUBERNETES_SERVICE_HOST" in environ and "KUBECONFIG" not in environ


def _kubeconfig() -> str | None:
    # The client looks at the variable once, when it is imported.
    return os.environ.get("KUBECONFIG") or None


def _contexts() -> list[str]:
    try:
        found, _ = config.list_kube_config_contexts(_kubeconfig())
    except config.ConfigException:
        return []
    return [str(context["name"]) for context in found]
