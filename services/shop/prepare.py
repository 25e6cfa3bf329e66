"""Loads the generated shop into a database: `python -m services.shop.prepare --database-url URL`.

One transaction, under a lock: two at once do not disturb each other, a killed one leaves nothing
behind, and a second call with the same parameters changes nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from services.shop import generate, schema
from services.shop.generate import Parameters
from services.urls import read_database_url

_LOCK: Final = 0x53544154  # an arbitrary number that only this program uses for its advisory lock

DEFAULTS: Final = Parameters()


def prepare(database_url: str, parameters: Parameters) -> bool:
    """Make the database hold exactly the shop of these parameters.

    False when it did already. Raises psycopg.Error when the database does not play along.
    """
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if _prepared_with(connection) == parameters.record():
            return False
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(schema.TABLES)}".encode())
        connection.execute(schema.CREATE.encode())
        _copy(connection, "products", generate.products(parameters))
        _copy(
            connection,
            "users (id, name, email, password_hash, preferences, permissions, joined_at)",
            generate.users(parameters),
        )
        _copy(connection, "purchases", generate.purchases(parameters))
        connection.execute(schema.INDEX.encode())
        connection.execute("INSERT INTO shop_generation (parameters) VALUES (%s)", (parameters.record(),))
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Settles hint bits and statistics now, so that the first run does not pay for them.
        connection.execute("VACUUM (ANALYZE) users, products, purchases")
    return True


def _prepared_with(connection: psycopg.Connection[TupleRow]) -> str | None:
    found = connection.execute("SELECT to_regclass('shop_generation')").fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute("SELECT parameters FROM shop_generation").fetchone()
    return str(row[0]) if row else None


def _copy(connection: psycopg.Connection[TupleRow], target: str, rows: Iterable[generate.Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FREEZE)".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000_000:
        raise argparse.ArgumentTypeError("must be between 1 and 10,000,000")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 prepared, 2 the database could not be used."""
    parser = argparse.ArgumentParser(prog="python -m services.shop.prepare", description="Generate the shop.")
    parser.add_argument("--database-url", default=os.environ.get("STATEFALL_DATABASE_URL"))
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
    parser.add_argument("--users", type=_count, default=DEFAULTS.users)
    parser.add_argument("--products", type=_count, default=DEFAULTS.products)
    options = parser.parse_args(arguments)
    if not options.database_url:
        parser.error("no database: give --database-url or set STATEFALL_DATABASE_URL")
    try:
        read_database_url(options.database_url)
    except ValueError as error:
        parser.error(f"--database-url: {error}")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    begin = time.monotonic()
    try:
        made = prepare(options.database_url, Parameters(options.seed, options.users, options.products))
    except psycopg.Error as error:
        sys.stderr.write(f"the shop could not be prepared: {str(error).splitlines()[0]}\n")
        return 2
    took_s = time.monotonic() - begin
    sys.stderr.write(f"shop {'generated' if made else 'was there already'} ({took_s:.1f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
