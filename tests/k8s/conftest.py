"""The manifests, rendered once, and the linters in an environment of their own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.kinds import Object
from statefall.content import MANIFESTS

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
KUSTOMIZATIONS = sorted(str(file.parent.relative_to(K8S)) for file in K8S.rglob("kustomization.yaml"))
COMPONENTS = [folder for folder in KUSTOMIZATIONS if folder.startswith("components/")]
"""What changes other kustomizations, and renders nothing by itself."""
OPERATOR = "monitoring/operator"
"""Kinds of an operator's own: no API server without it knows them."""
FOLDERS = [folder for folder in KUSTOMIZATIONS if folder not in {*COMPONENTS, OPERATOR}]
OVERLAYS = [folder for folder in FOLDERS if folder.startswith("overlays/")]


@pytest.fixture(scope="session")
def rendered() -> dict[str, tuple[Object, ...]]:
    """Folder of `k8s/` -> its objects."""
    return {folder: manifests.render(folder) for folder in FOLDERS}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder of `k8s/` -> a file with what `kubectl kustomize` makes of it."""
    directory = tmp_path_factory.mktemp("manifests")
    found = {}
    for folder in FOLDERS:
        file = directory / f"{folder.replace('/', '-')}.yaml"
        command = [str(manifests.kubectl()), "kustomize", str(MANIFESTS / folder)]
        file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
        found[folder] = file
    return found


@pytest.fixture(scope="session")
def linters() -> Path:
    """The folder of checkov and kubernetes-validate, installed from their lock where it changed."""
    lock = ROOT / "constraints" / "manifests.txt"
    home = Path(sys.prefix) / "manifests"
    home.mkdir(exist_ok=True)
    uv = str(Path(sys.executable).parent / "uv")
    with (home / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # another test run may be installing
        installed = home / "installed.txt"
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            python = home / "bin" / "python"
            if not python.exists():
                command = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(home)]
                subprocess.run(command, check=True)
            command = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock)]
            subprocess.run(command, check=True)
            installed.write_bytes(lock.read_bytes())
    return home / "bin"
