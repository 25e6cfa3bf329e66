"""Saves the sessions of a store: `python -m services.sessions.backup --store-url URL --to FILE`.

Live sessions only, sealed as they lie there, with their versions and what is left of their lives. It
reads while replicas write: each session is saved as it was at one moment, and not all at the same one.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from services.metrics import Metrics
from services.sessions.archive import read_store, save
from services.store import Store, StoreUnavailable
from services.store_client import COMMAND_TIMEOUT_S


def add_store(parser: argparse.ArgumentParser) -> None:
    """The option that says which store."""
    parser.add_argument(
        "--store-url",
        default=os.environ.get("STATEFALL_STORE_URL"),
        metavar="URL",
        help="the store; better given as STATEFALL_STORE_URL, which nobody else can read",
    )


def open_store(parser: argparse.ArgumentParser, url: str | None) -> Store:
    """The store of that option. Ends the program when it names none."""
    if not url:
        parser.error("--store-url is not given, nor STATEFALL_STORE_URL")
    try:
        return Store(url, Metrics("command", ""), connections=1, timeout_s=COMMAND_TIMEOUT_S)
    except ValueError as error:
        parser.error(f"--store-url: {error}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 saved, 2 not possible."""
    parser = argparse.ArgumentParser(
        prog="python -m services.sessions.backup", description="Save the sessions of a store."
    )
    add_store(parser)
    parser.add_argument("--to", required=True, type=Path, metavar="FILE", help="written whole or not at all")
    given = parser.parse_args(arguments)
    store = open_store(parser, given.store_url)
    try:
        number = save(given.to, read_store(store))
    except (StoreUnavailable, OSError) as error:
        sys.stderr.write(f"nothing saved: {error}\n")
        return 2
    finally:
        store.close()
    sys.stdout.write(f"saved {number} sessions to {given.to}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
