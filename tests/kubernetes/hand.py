"""What a person does with the manifests, with `kubectl` and the commands of `k8s/README.md`."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.content import MANIFESTS
from tests.kubernetes.conftest import IMAGE

README = (MANIFESTS / "README.md").read_text()


def kubectl(*arguments: str, timeout_s: float = 400.0) -> str:
    """Its standard output; fails with its standard error."""
    command = [str(manifests.kubectl()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def own(folder: str, namespace: str, here: Path, patches: Sequence[dict[str, Any]] = ()) -> str:
    """A kustomization as the README's own: a folder of `k8s/`, with the tests' image and namespace."""
    home = here / folder.replace("/", "-")
    home.mkdir(exist_ok=True)
    ours = RunTarget.from_environment().image_overrides
    renamed = [_renamed(name, image) for name, image in {"statefall": IMAGE, **ours}.items()]
    source = Path("../" * (len(home.resolve().parts) - 1)) / str(MANIFESTS / folder).lstrip("/")
    made: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [str(source)],
        "images": renamed,
        "patches": list(patches),
    }
    (home / "kustomization.yaml").write_text(json.dumps(made))
    return str(home)


def _renamed(name: str, image: str) -> dict[str, str]:
    new, _, tag = image.rpartition(":")
    return {"name": name, "newName": new, "newTag": tag}


def secret(namespace: str) -> None:
    """The README's own command, its values from here."""
    literals = re.findall(r"--from-literal=([a-z-]+)=", README)
    assert len(literals) == 4
    values = [f"--from-literal={key}={secrets.token_hex(32)}" for key in literals]
    kubectl("-n", namespace, "create", "secret", "generic", "statefall", *values)


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[str]:
    """The URL under which `kubectl port-forward` brings a port of the cluster here; a free port is taken."""
    command = [str(manifests.kubectl()), "-n", namespace, "port-forward", target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as forward:
        try:
            assert forward.stdout is not None
            line = forward.stdout.readline()
            found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", line)
            assert found, line + forward.stdout.read()
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            forward.terminate()
