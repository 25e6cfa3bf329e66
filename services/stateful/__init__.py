"""The stateful twin: a session lives on the server; where, is the state design's business."""

from __future__ import annotations

import importlib

from flask import Flask


def create_app() -> Flask:
    """For `flask --app services.stateful run`: one replica to try out, with all that it needs."""
    # Only here: a replica that is served has no use for what makes a shop, and would pay for it.
    app: Flask = importlib.import_module("services.standalone").stand_alone("stateful")
    return app
