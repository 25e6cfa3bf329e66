"""Callers with fewer rights than the tests have."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT, Object
from statefall.clusters.kubernetes.objects.labels import PART_OF


def grant(api: Api, account: str, rules: list[Object]) -> None:
    """A ServiceAccount with these rights in the namespace."""
    metadata = {"name": account, "namespace": api.namespace, "labels": {PART_OF: "statefall"}}
    group = "rbac.authorization.k8s.io"
    subject = {"kind": SERVICE_ACCOUNT.name, "name": account, "namespace": api.namespace}
    for obj in (
        {"apiVersion": "v1", "kind": SERVICE_ACCOUNT.name, "metadata": metadata},
        {"apiVersion": ROLE.api_version, "kind": ROLE.name, "metadata": metadata, "rules": rules},
        {
            "apiVersion": ROLE_BINDING.api_version,
            "kind": ROLE_BINDING.name,
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": ROLE.name, "name": account},
            "subjects": [subject],
        },
    ):
        api.create(obj)


def as_service_account(api: Api, account: str, folder: Path) -> Path:
    """A kubeconfig that calls as this account, with a token of one hour."""
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    token = api.post(SERVICE_ACCOUNT, account, "token", request)["status"]["token"]
    cluster = {"server": api.host, "certificate-authority": str(api.configuration.ssl_ca_cert)}
    file = folder / f"{account}.kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": account,
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": account, "context": {"cluster": "cluster", "user": account}}],
    }
    file.write_text(json.dumps(document))
    return file


def rules_of(role_file: Path) -> list[Object]:
    """The rules of the Role in a manifest."""
    (role,) = [t for t in yaml.safe_load_all(role_file.read_text()) if t["kind"] == ROLE.name]
    return list(role["rules"])
