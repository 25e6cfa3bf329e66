"""The load generator on this machine, for a cluster that is elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from statefall.clusters.local.directories import LiveRun, cache_directory
from statefall.clusters.local.infrastructure import harness_environment
from statefall.clusters.local.load import LocalLoad
from statefall.clusters.local.ports import Ports
from statefall.clusters.local.processes import RECORD, Spawner
from statefall.clusters.protocol import ClusterError
from statefall.content import with_content
from statefall.records.load import LoadConfig


class LoadOnThisMachine:
    """A `SeparateLoadHost`: takes folders and ports at the first start, gives them back at `close`."""

    def __init__(self, run_dir: Path, ports: range | None = None) -> None:
        """`run_dir`: keeps its log where it ended of itself. `ports`: take only these."""
        self._home, self._allowed = run_dir.resolve() / "cluster", ports
        self._load: LocalLoad | None = None
        self._live: LiveRun | None = None
        self._keep_logs = False

    def start_load(self, config: LoadConfig) -> str:
        """See `LoadHost.start_load`. The configuration names its target."""
        if self._load is None:
            self._load = self._begin()
        try:
            return self._load.start(config, config.target)
        except ClusterError:
            self._keep_logs = True
            raise

    def load_end(self) -> str:
        """See `LoadHost.load_end`. Its log is kept then."""
        end = self._load.end() if self._load is not None else ""
        self._keep_logs = self._keep_logs or bool(end)
        return end

    def stop_load(self) -> None:
        """See `LoadHost.stop_load`."""
        if self._load is not None:
            self._load.stop()

    def close(self) -> None:
        """See `SeparateLoadHost.close`."""
        load, self._load, live, self._live = self._load, None, self._live, None
        left = []
        if load is not None:
            load.stop()
            left = load.spawner.close()
            load.ports.release_all()
        if live is not None:
            live.leave()
        if self._keep_logs:
            (self._home / RECORD).unlink(missing_ok=True)
        elif self._home.exists():
            shutil.rmtree(self._home)
        if left:
            raise ClusterError(f"these processes would not end: {', '.join(left)}")

    def _begin(self) -> LocalLoad:
        cache, logs = cache_directory(), self._home / "logs"
        live = self._live = LiveRun.planned(cache, self._home)
        logs.mkdir(parents=True, exist_ok=True)
        live.enter()
        return LocalLoad(
            Spawner(self._home / RECORD, live.key),
            Ports(self._allowed, cache / "ports"),
            live.folder("load"),
            logs / "load.log",
            with_content(harness_environment()),
        )
