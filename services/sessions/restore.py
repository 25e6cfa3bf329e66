"""Brings saved sessions back: `python -m services.sessions.restore --store-url URL --from FILE`.

Each lives on for as long as it had left when it was saved. A session never goes back: where the store
has the same or a newer version, or knows that it was logged out or moved to a replica, it is left alone,
unless `--overwrite` is given; stop the replicas before that, for they may hold newer copies.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services.sessions.archive import NotAnArchive, open_archive, write_store
from services.sessions.backup import add_store, open_store
from services.store import StoreUnavailable


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 restored, 2 not possible."""
    parser = argparse.ArgumentParser(
        prog="python -m services.sessions.restore", description="Bring saved sessions back."
    )
    add_store(parser)
    parser.add_argument("--from", required=True, type=Path, metavar="FILE", dest="file")
    parser.add_argument("--overwrite", action="store_true", help="also what is newer in the store")
    given = parser.parse_args(arguments)
    store = open_store(parser, given.store_url)
    try:
        done = write_store(store, open_archive(given.file), overwrite=given.overwrite)
    except (NotAnArchive, OSError) as error:
        sys.stderr.write(f"nothing restored: {error}\n")
        return 2
    except StoreUnavailable as error:
        sys.stderr.write(f"not all restored: {error}; doing it again does no harm\n")
        return 2
    finally:
        store.close()
    sys.stdout.write(f"restored {done.restored} sessions, left {done.left_alone} alone\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
