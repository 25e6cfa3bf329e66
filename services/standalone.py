"""One replica to try out: `flask --app services.stateful run`, or `services.stateless`.

A database and a store are started beside it where no setting names them, with a small shop in them; all
other settings are read as always, for the local environment. It serves HTTP on Flask's own server:
WebSockets, and an end in order, need `python -m services.serve`.
"""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
import threading
from contextlib import ExitStack
from typing import Final

import click
from flask import Flask

from services.embedded import start_database, start_store
from services.replica import Replica
from services.settings import Environment, SettingsError, read_settings
from services.shop.generate import Parameters
from services.shop.prepare import prepare

SHOP: Final = Parameters(seed=1, users=1_000, products=1_000)
_LACKING: Final = {"STATEFALL_DATABASE_URL": start_database, "STATEFALL_STORE_URL": start_store}


def stand_alone(twin: str) -> Flask:
    """The application of an open replica, closed when this process ends. Raises click.ClickException."""
    until = ExitStack()
    atexit.register(until.close)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what was registered is done
    try:
        environ = {"STATEFALL_ENVIRONMENT": Environment.LOCAL.value, **os.environ}
        for name, start in _LACKING.items():
            if not environ.get(name):
                environ[name] = start(until)
        settings = read_settings(environ)
        if not os.environ.get("STATEFALL_DATABASE_URL"):
            prepare(settings.database_url, SHOP)
        replica: Replica = importlib.import_module(f"services.{twin}.app").create(settings)
    except SettingsError as error:
        raise click.ClickException(f"cannot start: {error}") from None
    replica.open()
    until.callback(replica.close)
    return replica.app
