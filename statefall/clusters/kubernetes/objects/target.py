"""Where a run goes: which context of the kubeconfig, which namespace of that cluster, which images."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from statefall.records.errors import InputError

DEFAULT_NAMESPACE: Final = "statefall"
DEFAULT_IMAGE: Final = "statefall:0.1.0"
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What a namespace may be called: RFC 1123, section 2.1."""
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class RunTarget:
    """Where to run: which cluster, which namespace of it, which image."""

    namespace: str = DEFAULT_NAMESPACE
    kubeconfig_context: str | None = None
    """Of the kubeconfig; None: its current one."""
    image: str = DEFAULT_IMAGE
    image_overrides: Mapping[str, str] = field(default_factory=dict)
    """Image of the manifests, without tag or digest -> what runs in its place (of a mirror, or newer)."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> RunTarget:
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
            or (own.read_text().strip() if inside_a_pod(environ) and own.exists() else DEFAULT_NAMESPACE),
            kubeconfig_context=environ.get("STATEFALL_CONTEXT") or None,
            image=environ.get("STATEFALL_IMAGE") or DEFAULT_IMAGE,
            image_overrides=_image_overrides(environ.get("STATEFALL_IMAGES", "")),
        )

    def runs(self, image: str) -> str:
        """What pods run here where the manifests say `image`."""
        if image == DEFAULT_IMAGE:
            return self.image
        return self.image_overrides.get(image_name(image), image)


def image_name(image: str) -> str:
    """The name without tag or digest: `registry:5000/x:1` is `registry:5000/x`."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def _image_overrides(text: str) -> dict[str, str]:
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


def inside_a_pod(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a pod and no kubeconfig says otherwise."""
    return "KUBERNETES_SERVICE_HOST" in environ and "KUBECONFIG" not in environ
