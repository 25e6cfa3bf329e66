"""The built wheel in a virtual environment of its own, in a folder that holds somebody else's packages.

What the wheel depends on is borrowed from the environment that the tests run in: a `.pth` file names its
packages' folder, and a `.pth` file is not read in a folder that another one names, so that the editable
install of the checkout does not come along.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEIRS = ("services", "results", "chaos", "clusters", "loadtests", "foundation")
"""Names that somebody else's packages may have."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Where it is installed, and the folder to work in."""

    programs: Path
    packages: Path
    here: Path
    paths: tuple[Path, ...] = ()
    """PYTHONPATH, for an install that no environment knows of."""

    @property
    def python(self) -> str:
        return str(self.programs / "python")

    def statefall(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, in the folder."""
        return self.call(str(self.programs / "statefall"), *arguments)

    def call(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; nothing of the checkout is in its environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PATH"] = os.pathsep.join((str(self.programs), os.defpath))
        if self.paths:
            environment["PYTHONPATH"] = os.pathsep.join(map(str, self.paths))
        return subprocess.run(
            command,
            cwd=cwd or self.here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir")
    pip(*build, str(folder), str(ROOT))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A path with a space in it, as people have."""
    home = tmp_path_factory.mktemp("some where")
    venv = home / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip("--python", str(venv / "bin" / "python"), "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    packages = venv / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    borrow_programs(venv / "bin")
    return Installed(venv / "bin", packages, somebody_elses(home / "their project"))


@pytest.fixture(scope="session")
def beside(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install --target`: a folder that only PYTHONPATH knows."""
    home = tmp_path_factory.mktemp("target")
    pip("install", "--quiet", "--no-deps", "--no-index", "--target", str(home / "lib"), str(wheel))
    borrow_programs(home / "lib" / "bin")
    return Installed(
        home / "lib" / "bin",
        home / "lib",
        somebody_elses(home / "here"),
        (home / "lib", Path(sysconfig.get_path("purelib"))),
    )


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def borrow_programs(folder: Path) -> None:
    """Those that the dependencies bring, beside the command as pip puts them."""
    for name in ("traefik", "kubectl"):
        (folder / name).symlink_to(Path(sys.executable).parent / name)


def somebody_elses(folder: Path) -> Path:
    """Packages that complain when they are imported."""
    for name in THEIRS:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise ImportError('somebody else has a {name}')\n")
    return folder
