"""Starts the cluster's processes so that none can outlive the harness, and sees each of them end.

All are forked from one long-lived thread, because Linux sends the parent-death signal when the
*thread* that forked ends. Each child leads a session and a process group of its own: a signal to
the group reaches whatever it has started, and Ctrl-C on the terminal reaches none of it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from statefall.clusters.local import identity
from statefall.clusters.local.directories import Account, replace_file
from statefall.clusters.protocol import ClusterError
from statefall.records.clock import Instant, system_clock

MARKER = "STATEFALL_RUN"
"""Every child carries the key of its run in this variable: `recover` knows its own by it."""
RECORD = "processes.json"
_LAUNCH = Path(__file__).with_name("launch.py")
_SUSPEND_S = 5.0
"""How long stopped processes may take to stand still: those in a system call that cannot be left."""
_GROUP_GRACE_S = 5.0
"""How long a killed group may take to be gone: it dies at once, unless the machine is drowning."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start."""

    role: str
    """In words for people: `database`, `replica c1-abc-xyz`."""
    command: tuple[str, ...]
    log: Path
    """Gets what it prints, appended."""
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    account: Account | None = None
    """Whose rights to take; None keeps those of the harness."""
    death_signal: signal.Signals = signal.SIGKILL
    """What the program gets when the harness dies."""


ExitListener = Callable[["Child"], None]


class Child:
    """A running program and, once it has ended, how."""

    def __init__(self, program: Program, process: subprocess.Popen[bytes], started: str) -> None:
        self.program = program
        self.pid = process.pid
        self.started = started
        self.how = ""
        """`exit 0` or `signal 9`, once it has ended."""
        self.asked_to_end = False
        """The harness sent it a signal: its end is no surprise."""
        self._origin = threading.current_thread()
        self._starved = identity.ended_for_memory()
        self.at: Instant | None = None
        self._process = process
        self._ended = threading.Event()
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether the program and its whole group are gone."""
        return self._ended.is_set()

    def send(self, number: signal.Signals) -> bool:
        """Send it to the program alone; False when that has ended."""
        self.asked_to_end = True
        return self._send(os.kill, number)

    def send_to_group(self, number: signal.Signals) -> bool:
        """Send it to the program and all that it has started; False when those have ended."""
        self.asked_to_end = True
        return self._send(os.killpg, number)

    def suspend(self) -> bool:
        """Have the program and all that it has started stand still; False when that was not seen in time."""
        if not self._send(os.killpg, signal.SIGSTOP):
            return False
        deadline = time.monotonic() + _SUSPEND_S
        while not all(map(identity.stands_still, identity.group_pids(self.pid))):
            if self.ended or time.monotonic() > deadline:
                self.go_on()
                return False
            time.sleep(0.002)
        return not self.ended

    def hold(self) -> None:
        """As `suspend`, unseen."""
        self._send(os.killpg, signal.SIGSTOP)

    def kill_worker(self) -> bool:
        """SIGKILL the eldest process that the program started; False when there is none, or it stayed."""
        workers = identity.children_of(self.pid)
        if not workers:
            return False
        eldest = min(workers, key=lambda process: process.create_time())
        with suppress(psutil.NoSuchProcess):
            eldest.kill()
        deadline = time.monotonic() + _GROUP_GRACE_S
        while identity.runs(eldest.pid) and time.monotonic() < deadline:
            time.sleep(0.002)
        return not identity.runs(eldest.pid)

    def go_on(self) -> None:
        """After `suspend`; a no-op when they have ended."""
        self._send(os.killpg, signal.SIGCONT)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the whole group; False when it did not come in time."""
        return self._ended.wait(timeout_s)

    def explained(self) -> str:
        """How it ended, and of a signal that the harness did not send what is known of where it came from."""
        if self.asked_to_end or not self.how.startswith("signal"):
            return self.how
        known = ["not sent by this harness"]
        if not self._origin.is_alive():
            known.append("the thread that started it has ended, at which the kernel sends the death signal")
        if starved := identity.ended_for_memory() - self._starved:
            known.append(f"the kernel ended {starved} processes of this machine for want of memory meanwhile")
        return f"{self.how}, {'; '.join(known)}"

    def last_output(self) -> str:
        """The last line of its log that says anything."""
        if not self.program.log.exists():
            return ""
        lines = self.program.log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _send(self, send: Callable[[int, int], None], number: signal.Signals) -> bool:
        with self._lock:  # Until it is collected below, the pid cannot mean another process.
            # Somebody else in this process may have collected it: then the pid can be another's already.
            if self._process.returncode is not None or identity.start_of(self.pid) != self.started:
                return False
            try:
                send(self.pid, number)
            except ProcessLookupError:
                return False
            return True

    def collect(self) -> None:
        """Wait for its end, end the rest of its group, note how it ended."""
        known = _await_exit(self._process)
        self.at = system_clock()
        # What outlives the first process of a container is killed with it, as a kubelet's runtime does.
        self._send(os.killpg, signal.SIGKILL)
        deadline = time.monotonic() + _GROUP_GRACE_S
        while identity.group_pids(self.pid) and time.monotonic() < deadline:
            time.sleep(0.002)
        with self._lock:
            code = self._process.wait()
        self.how = f"signal {-code}" if code < 0 else f"exit {code}"
        if not known:
            self.how = "unknown: somebody else collected it"
        self._ended.set()


def _await_exit(process: subprocess.Popen[bytes]) -> bool:
    """Wait without collecting, so that the pid stays its own until its group has been killed.

    False when it cannot be known any more how it ended.
    """
    if not identity.LINUX:  # no waitid before Python 3.13 on macOS
        process.wait()
        return True
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class Spawner:
    """The thread that forks, the list of what runs, and its copy on disk for `recover`."""

    def __init__(self, record: Path, run: str) -> None:
        """`record`: the file for `recover`; `run`: a key that no other run has."""
        self._record, self._run = record, run
        self._children: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._wanted: queue.Queue[tuple[Program, ExitListener | None, Future[Child]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._fork_on_demand, name="spawner", daemon=True)
        self._thread.start()

    def start(self, program: Program, on_exit: ExitListener | None = None) -> Child:
        """Start it; `on_exit` is called from a thread of its own when its whole group is gone."""
        future: Future[Child] = Future()
        self._wanted.put((program, on_exit, future))
        return future.result()

    def close(self, *, grace_s: float = 2.0) -> list[str]:
        """Kill all that runs and start nothing more; the roles of what would not die (none, one hopes)."""
        with self._lock:
            self._closed = True
            children = list(self._children.values())
        for child in children:
            child.send_to_group(child.program.death_signal)
        deadline = time.monotonic() + grace_s
        for child in children:
            if not child.wait(max(deadline - time.monotonic(), 0)):
                child.send_to_group(signal.SIGKILL)
        left = [child.program.role for child in children if not child.wait(1.0)]
        self._wanted.put(None)
        self._thread.join()
        return left

    def _fork_on_demand(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            program, on_exit, future = wanted
            try:
                future.set_result(self._fork(program, on_exit))
            except Exception as error:  # noqa: BLE001 - handed to the caller; this thread must live on
                future.set_exception(error)

    def _fork(self, program: Program, on_exit: ExitListener | None) -> Child:
        with self._lock:
            if self._closed:
                raise ClusterError(f"{program.role}: the cluster is closed")
            with program.log.open("ab") as log:
                process = subprocess.Popen(
                    _launched(program),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=program.directory,
                    env={**program.environment, MARKER: self._run},
                    start_new_session=True,
                )
            child = Child(program, process, identity.start_of(process.pid) or "")
            self._children[child.pid] = child
            name = f"waits for {program.role}"
            threading.Thread(target=self._see_end, args=(child, on_exit), name=name, daemon=True).start()
            try:
                self._write_record()
            except OSError as error:
                child.send_to_group(signal.SIGKILL)
                raise ClusterError(
                    f"{program.role}: cannot be written down for `recover`: {error.strerror}"
                ) from error
        return child

    def _see_end(self, child: Child, on_exit: ExitListener | None) -> None:
        child.collect()
        with self._lock:
            del self._children[child.pid]
            if not self._closed:
                with suppress(OSError):  # what is written down too much does no harm; its end must be told
                    self._write_record()
        if on_exit is not None:
            on_exit(child)

    def _write_record(self) -> None:
        processes = [
            {
                "pid": child.pid,
                "started": child.started,
                "role": child.program.role,
                "end_signal": int(child.program.death_signal),
            }
            for child in self._children.values()
        ]
        document = {"run": self._run, "processes": processes}
        replace_file(self._record, json.dumps(document, indent=1).encode())


def _launched(program: Program) -> list[str]:
    account = program.account
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(int(program.death_signal))]
    return [*launch, str(uid), str(gid), *program.command]
