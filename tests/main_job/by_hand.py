"""`statefall up` with replicas that start at once, in a process of its own."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.main_job.conductor import DEADLINE_S, STATEFALL

REPLICA = Path(__file__).resolve().parent.parent / "clusters" / "local" / "replica.py"
EXPERIMENT = """
name: small
summary: Replicas that start at once.
service:
  name: small
  journey: nobody.py:Nobody
  state: replica
  local:
    command: ["{python}", REPLICA, --bind, "{address}"]
    ready: /ready
    store: STORE
    environment: {STATEFALL_POD: "{pod}", STATEFALL_TEST_CONTROL: DIARIES}
matrix: {fault: [kill]}
replicas: 3
"""


def write_experiment(folder: Path, *, store: bool = False) -> None:
    """`small.yaml` in this folder."""
    (folder / "nobody.py").write_text("")
    (folder / "diaries").mkdir()
    text = EXPERIMENT.replace("REPLICA", str(REPLICA)).replace("STORE", str(store).lower())
    (folder / "small.yaml").write_text(text.replace("DIARIES", str(folder / "diaries")))


@dataclass
class Up:
    """What is up."""

    process: subprocess.Popen[str]
    said: str = ""

    @classmethod
    def start(cls, *arguments: str, cwd: Path) -> Up:
        """Begin; `wait` for it."""
        command = [STATEFALL, "up", *arguments]
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(command, cwd=cwd, stdout=pipe, stderr=pipe, text=True))

    def wait(self) -> Up:
        """Until all of it is up."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if line.startswith("end it:"):
                return self
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        raise AssertionError(f"it ended first: {errors}")

    @property
    def balancer(self) -> str:
        return self._line(r"^  balancer  (\S+)$")

    @property
    def folder(self) -> str:
        return self._line(r"^  folder    (\S+)$")

    @property
    def pods(self) -> dict[str, str]:
        """Name -> URL."""
        return {name: url for url, name in re.findall(r"^  pod       (\S+)  (\S+)$", self.said, re.MULTILINE)}

    def _line(self, pattern: str) -> str:
        (found,) = re.findall(pattern, self.said, re.MULTILINE)
        return str(found)

    def end(self, number: int) -> tuple[int, str]:
        """With this signal; its exit code and what it said of errors and progress."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        self.said += out
        return self.process.returncode, err
