"""The manifests, rendered once, and the linters in an environment of their own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.kubernetes import manifests
from clusters.kubernetes.kinds import Object

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(f"overlays/{folder.name}" for folder in (ROOT / "k8s" / "overlays").iterdir())
FOLDERS = ["base", *OVERLAYS, "load", "conductor", "monitoring"]


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
        command = [str(manifests.kubectl()), "kustomize", str(manifests.MANIFESTS / folder)]
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
