"""A journey's file is tried before anything is started: its mistakes are one line, and cost nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from statefall.conductor.plan import Plan
from statefall.content import is_content, with_content
from statefall.records.cells import PlannedCell
from statefall.records.errors import InputError
from statefall.records.load import LoadConfig

LIMIT_S: Final = 180.0
SOMEWHERE: Final = "http://127.0.0.1"
"""Stands for a balancer whose address is not known yet."""


def refuse_bad_journeys(plan: Plan) -> None:
    """Import each journey as the load will, in a process of its own. Raises InputError.

    What comes along with the tool was tried before it was shipped.
    """
    tried: set[tuple[str, str]] = set()
    for cell in plan.cells:
        service = cell.under_test
        if service is None or is_content(service.journey):
            continue
        same = (service.journey, service.reached.users)
        if same in tried:
            continue
        tried.add(same)
        target = service.attached.url if service.attached is not None else SOMEWHERE
        _try(_config(cell, target or SOMEWHERE), service.journey)


def _config(cell: PlannedCell, target: str) -> LoadConfig:
    config = LoadConfig.of(
        cell.load, cell=cell.name, seed=cell.seed, shoppers=cell.shoppers, service=cell.under_test
    )
    return replace(config, target=target)


def _try(config: LoadConfig, journey: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "load.json"
        file.write_bytes(config.to_json())
        command = [sys.executable, "-m", "statefall.load.main", "--check", "--config", str(file)]
        try:
            ended = subprocess.run(
                command,
                cwd=folder,
                env=with_content(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"importing it takes longer than {LIMIT_S:.0f} s",
                where=journey,
                hint="what waits or works belongs into log_in or a task",
            ) from None
    if ended.returncode == 0:
        return
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    said = lines[-1] if lines else f"its process ended with code {ended.returncode}"
    raise InputError(said if ended.returncode == InputError.exit_code else f"{journey}: {said}")
