"""Finds the cluster that kubectl would talk to, and says in one line why there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config import kube_config

from foundation.errors import EnvironmentUnfit, InputError

DEFAULT_NAMESPACE: Final = "statefall"
DEFAULT_IMAGE: Final = "statefall:0.1.0"
CONNECT_TIMEOUT_S: Final = 5.0
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What a namespace may be called: RFC 1123, section 2.1."""
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to run: which cluster, which namespace of it, which image."""

    namespace: str = DEFAULT_NAMESPACE
    context: str | None = None
    """Of the kubeconfig; None: its current one."""
    image: str = DEFAULT_IMAGE
    others: Mapping[str, str] = field(default_factory=dict)
    """Image of the manifests, without tag or digest -> what runs in its place (of a mirror, or newer)."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Place:
        """Read `STATEFALL_NAMESPACE`, `STATEFALL_CONTEXT`, `STATEFALL_IMAGE` and `STATEFALL_IMAGES`.

        Inside a pod the namespace is the pod's own unless it is set. Raises InputError.
        """
        asked = environ.get("STATEFALL_NAMESPACE")
        if asked and not _DNS_LABEL.fullmatch(asked):
            raise InputError(
                f"no namespace can be called {asked!r}",
                where="STATEFALL_NAMESPACE",
                hint="lower-case letters, digits and `-` between them, at most 63",
            )
        own = _SERVICE_ACCOUNT / "namespace"
        return cls(
            namespace=asked
            or (own.read_text().strip() if _inside_a_pod(environ) and own.exists() else DEFAULT_NAMESPACE),
            context=environ.get("STATEFALL_CONTEXT") or None,
            image=environ.get("STATEFALL_IMAGE") or DEFAULT_IMAGE,
            others=_others(environ.get("STATEFALL_IMAGES", "")),
        )

    def runs(self, image: str) -> str:
        """What pods run here where the manifests say `image`."""
        if image == DEFAULT_IMAGE:
            return self.image
        return self.others.get(image_name(image), image)


def image_name(image: str) -> str:
    """The name without tag or digest: `registry:5000/x:1` is `registry:5000/x`."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def _others(text: str) -> dict[str, str]:
    """`postgres=registry.example.com/postgres:18.6, ...`, read. Raises InputError."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, image = (side.strip() for side in pair.partition("="))
        if not name or not image or image_name(name) != name:
            raise InputError(
                f"{pair!r} does not say which image takes the place of which",
                where="STATEFALL_IMAGES",
                hint="postgres=registry.example.com/postgres:18.6, with commas between",
            )
        found[name] = image
    return found


def configuration(place: Place) -> Any:
    """The client's configuration for this place. Raises EnvironmentUnfit or InputError; sends nothing."""
    settings = client.Configuration()
    try:
        if _inside_a_pod(os.environ) and place.context is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            _refuse_unreadable()
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
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # YAML, and not what a kubeconfig looks like: the client stumbles over it in many ways.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"cannot be used: {reason[0]}", where="kubeconfig", hint=_LOOK_AT_IT) from error
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


def _refuse_unreadable() -> None:
    """Raises InputError for a kubeconfig that cannot be read or is not YAML; one that is missing is not."""
    files = (_kubeconfig() or kube_config.KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep)
    for file in (Path(name).expanduser() for name in files if name):
        try:
            text = file.read_text() if file.exists() else "{}"
            found = yaml.safe_load(text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise InputError(f"cannot be read: {reason}", where=str(file), hint=_LOOK_AT_IT) from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f" at line {mark.line + 1}" if mark else ""
            raise InputError(f"is not YAML{place}", where=str(file), hint=_LOOK_AT_IT) from error
        if found is not None and not isinstance(found, dict):
            raise InputError("is no kubeconfig", where=str(file), hint=_LOOK_AT_IT)


_LOOK_AT_IT: Final = "KUBECONFIG says which file; `kubectl config view` shows it"


def _contexts() -> list[str]:
    try:
        found, _ = config.list_kube_config_contexts(_kubeconfig())
    except config.ConfigException:
        return []
    return [str(context["name"]) for context in found]
