"""Finds the cluster that kubectl would talk to, and says in one line why there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config import kube_config

from statefall.clusters.kubernetes.objects.target import RunTarget, inside_a_pod
from statefall.records.errors import EnvironmentUnfit, InputError

CONNECT_TIMEOUT_S: Final = 5.0


def configuration(target: RunTarget) -> Any:
    """The client's configuration for this target. Raises EnvironmentUnfit or InputError; sends nothing."""
    settings = client.Configuration()
    try:
        if inside_a_pod(os.environ) and target.kubeconfig_context is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            _refuse_unreadable()
            config.load_kube_config(
                _kubeconfig(), target.kubeconfig_context, client_configuration=settings, persist_config=False
            )
    except config.ConfigException as error:
        if target.kubeconfig_context is not None and "context" in str(error).lower():
            raise InputError(
                f"the kubeconfig has no context {target.kubeconfig_context!r}",
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
            line = f" at line {mark.line + 1}" if mark else ""
            raise InputError(f"is not YAML{line}", where=str(file), hint=_LOOK_AT_IT) from error
        if found is not None and not isinstance(found, dict):
            raise InputError("is no kubeconfig", where=str(file), hint=_LOOK_AT_IT)


_LOOK_AT_IT: Final = "KUBECONFIG says which file; `kubectl config view` shows it"


def _contexts() -> list[str]:
    try:
        found, _ = config.list_kube_config_contexts(_kubeconfig())
    except config.ConfigException:
        return []
    return [str(one["name"]) for one in found]
