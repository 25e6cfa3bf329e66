"""The stateless twin: whatever a request needs comes with it or from a shared place."""

from __future__ import annotations

import importlib

from flask import Flask


def create_app() -> Flask:
    """For `flask --app services.stateless run`: one replica to try out, with all that it needs."""
    # Only here: a replica that is served has no use for what makes a shop, and would pay for it.
    app: Flask = importlib.import_module("services.standalone").stand_alone("stateless")
    return app
