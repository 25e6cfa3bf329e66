"""False accusations of a healthy service: `python -m benchmarks.false_word --seconds 600`.

Three real replicas of a shop that is right, behind a balancer that cuts connections at random, while
replicas are paused (SIGSTOP) and busy processes take the processors away. Real load processes run a journey
of the public kind. In the end all is well again and everything is read once more. Any finding of the ledger
is false, and so is any session that is not kept then: exit code 1. The history is judged anew as well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.false_word.balancer import Balancer, balancing
from statefall.ledger.history.replay import judge
from statefall.load.channel import LoadChannel
from statefall.records.events import Event, SessionLost
from statefall.records.load import LoadConfig
from statefall.records.load import Shopper as PlannedShopper
from statefall.records.service import AnsweredBy
from statefall.records.verdicts import LoadResult, Verdict

PUBLISHED = Path(__file__).parents[2] / "results/published/false-word"
JOURNEY = f"{Path(__file__).with_name('shopper.py')}:Buyer"
NAMES = ("one", "two", "three")
TIMEOUT_S = 1.0
SEGMENT_S = 60.0
"""A fresh service, load and history each time, so that memory stays small."""
CUT_SHARE = 0.06
POLL_S = 0.25
PAUSE_S = (0.1, 1.6)
BUSY_S = 1.0


@dataclass(slots=True)
class Harm:
    """What was done to the service and to the machine."""

    pauses: int = 0
    paused_s: float = 0.0
    busy_s: float = 0.0
    cuts: Counter[str] = field(default_factory=Counter)


@contextmanager
def replica(name: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process, and its port."""
    command = [sys.executable, "-m", "benchmarks.false_word.replica", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def load(config: LoadConfig, folder: Path) -> Iterator[LoadChannel]:
    """A load generator's process."""
    file = folder / "load.json"
    file.write_bytes(config.to_json())
    command = [sys.executable, "-m", "statefall.load.main", "--config", str(file), "--die-with-parent"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        channel = LoadChannel(json.loads(process.stdout.readline())["control"])
        channel.wait_ready()
        yield channel
        channel.close()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def keep_busy() -> subprocess.Popen[bytes]:
    """A process that takes a processor for a while, and ends by itself."""
    work = f"import time; end = time.monotonic() + {BUSY_S}\nwhile time.monotonic() < end: pass"
    return subprocess.Popen([sys.executable, "-c", work])


@dataclass(slots=True)
class Segment:
    """What one stretch of the benchmark found."""

    result: LoadResult
    findings: list[SessionLost]
    judged: Counter[Verdict]
    """By the history alone."""
    undecided_under_harm: int


def run(seconds: float, seed: int, shoppers: int, think_s: float, harm: Harm) -> Segment:
    """One stretch: harm, then peace, then the last reading."""
    source, events, lines = random.Random(seed), list[Event](), list[str]()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        found = {name: stack.enter_context(replica(name)) for name in NAMES}
        ports = {name: port for name, (_, port) in found.items()}
        balancer = stack.enter_context(balancing(Balancer(ports, CUT_SHARE, seed)))
        config = LoadConfig(
            cell="healthy",
            target=f"http://127.0.0.1:{balancer.port}",
            seed=seed,
            shoppers=tuple(PlannedShopper(n, n + 1, n * 0.01, seed * 1_000 + n) for n in range(shoppers)),
            think_time_s=think_s,
            timeout_s=TIMEOUT_S,
            journey=JOURNEY,
            answered_by=AnsweredBy(header="x-pod"),
        )
        channel = stack.enter_context(load(config, Path(folder)))

        def poll() -> None:
            events.extend(channel.events())
            lines.extend(channel.history())

        channel.start()
        balancer.harming = True
        end, marked = time.monotonic() + seconds, False
        while (now := time.monotonic()) < end:
            if not marked and now > end - seconds / 2:
                channel.mark("none")
                marked = True
            disturb([process for process, _ in found.values()], source, harm)
            poll()
        balancer.harming = False
        harm.cuts += balancer.cut
        channel.audit()
        result = channel.finish()
        poll()
        judged = judge(map(json.loads, lines), "the history")
        assert judged.whole
        undecided = sum('"info"' in line for line in lines)
    losses = [event for event in events if isinstance(event, SessionLost)]
    return Segment(result, losses, Counter(each.verdict for each in judged.sessions), undecided)


def disturb(replicas: list[subprocess.Popen[str]], source: random.Random, harm: Harm) -> None:
    """Pause a replica or take the processors away, or nothing, for about as long as between two polls."""
    choice = source.random()
    if choice < 0.3:
        paused, pause_s = source.choice(replicas), source.uniform(*PAUSE_S)
        os.kill(paused.pid, signal.SIGSTOP)
        try:
            time.sleep(pause_s)
        finally:
            os.kill(paused.pid, signal.SIGCONT)
        harm.pauses += 1
        harm.paused_s += pause_s
    elif choice < 0.4:
        busy = [keep_busy() for _ in range(2 * (os.cpu_count() or 1))]
        for process in busy:
            process.wait()
        harm.busy_s += BUSY_S
    else:
        time.sleep(POLL_S)


def summed(segments: list[Segment], harm: Harm, seconds: float, seed: int) -> dict[str, Any]:
    """All stretches together, as they are published."""
    results = [segment.result for segment in segments]
    verdicts = Counter(record.verdict.value for result in results for record in result.sessions)
    failed = Counter[str]()
    for result in results:
        failed.update({how.value: count for how, count in result.requests.failed_by.items()})
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "seconds": round(seconds, 1),
        "processors": os.cpu_count(),
        "operations": sum(result.operations for result in results),
        "requests_failed": dict(failed),
        "writes_and_reads_of_unknown_outcome": sum(segment.undecided_under_harm for segment in segments),
        "connections_cut": dict(harm.cuts),
        "pauses": harm.pauses,
        "paused_s": round(harm.paused_s, 1),
        "processors_taken_s": round(harm.busy_s, 1),
        "sessions": dict(verdicts),
        "sessions_by_history": dict(sum((segment.judged for segment in segments), Counter[Verdict]())),
        "findings": [f"{each.verdict.value}: {each.evidence}" for s in segments for each in s.findings],
        "generator_faults": sorted({fault for result in results for fault in result.generator_faults}),
    }


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="under harm, in all")
    parser.add_argument("--shoppers", type=int, default=30)
    parser.add_argument("--think", type=float, default=0.02, help="mean think time, in seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    given = parser.parse_args(arguments)
    harm, segments, began = Harm(), list[Segment](), time.monotonic()
    rest = given.seconds
    while rest > 0:
        seconds = min(rest, SEGMENT_S)
        segments.append(run(seconds, given.seed + len(segments), given.shoppers, given.think, harm))
        rest -= seconds
    measured = summed(segments, harm, time.monotonic() - began, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "measured.json").write_text(json.dumps(measured, indent=1) + "\n")
    print(json.dumps(measured, indent=1))
    kept = {Verdict.KEPT.value}
    healthy = measured["sessions"].keys() == kept == measured["sessions_by_history"].keys()
    return 0 if healthy and not measured["findings"] else 1


if __name__ == "__main__":
    sys.exit(main())
