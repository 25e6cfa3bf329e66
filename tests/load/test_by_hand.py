"""The file of a journey under Locust's own command line, with and without its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.load.generator import DEADLINE_S, wait_until
from tests.load.planted import PlantedShop, serving
from tests.load.test_own_journey import CART, forgets_one_in_50, written

NUMBER = re.compile(r"Buyer: (\d+) sessions: (.*)")


@contextmanager
def locust(
    folder: Path, shop: PlantedShop, *more: str, text: str = CART
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Locust on the shop's journey; its words are in the file."""
    file = written(folder, text).partition(":")[0]
    output = folder / "locust.txt"
    command = [sys.executable, "-m", "locust", "-f", file, "--host", shop.url, "--think-time", "0.05", *more]
    with output.open("w") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "COLUMNS": "100"},
        )
    try:
        yield process, output
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()


def test_headless_it_says_what_became_of_its_sessions(tmp_path: Path) -> None:
    with (
        serving(PlantedShop(forgets_one_in_50)) as shop,
        locust(tmp_path, shop, "--headless", "-u", "5", "-r", "5") as (process, output),
    ):
        wait_until(lambda: shop.requests >= 200 and len(shop.hit) > 0, "a session was forgotten")
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)
        text = output.read_text()
    assert "Traceback" not in text
    assert text.count(": lost: ") == len(shop.hit)
    found = NUMBER.search(text)
    assert found is not None, text
    assert int(found[1]) == 5 + len(shop.hit) or int(found[1]) == 5 + len(shop.hit) - 1
    assert f"{len(shop.hit)} lost" in found[2]


def test_its_page_shows_the_sessions(tmp_path: Path, free_port: int) -> None:
    page = f"http://127.0.0.1:{free_port}"
    more = ("--web-host", "127.0.0.1", "--web-port", str(free_port), "--autostart", "-u", "5", "-r", "5")
    with serving(PlantedShop()) as shop, locust(tmp_path, shop, *more):
        wait_until(lambda: shop.requests >= 100, "shoppers shop")
        answer = httpx.get(f"{page}/stats/requests", timeout=DEADLINE_S).json()
        [tab] = answer["extended_stats"]
        assert tab["key"] == "sessions"
        assert sum(row["sessions"] for row in tab["data"]) == 5
        assert '"extended_tabs"' in httpx.get(page, timeout=DEADLINE_S).text


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_host_that_is_none_is_one_line(tmp_path: Path) -> None:
    file = written(tmp_path, CART).partition(":")[0]
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "locust", "-f", file, "--host", "shop", "--headless", "-u", "1", "-t", "300s"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S * 2,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "'shop' is not a base URL" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - began < 300
