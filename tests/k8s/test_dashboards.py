"""Dashboards as files: each panel asks something and says what it shows. (That its query has data is
shown on a real Prometheus, in tests/kubernetes.)"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.k8s.conftest import ROOT

MONITORING = ROOT / "k8s" / "monitoring"
BOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))


def load(file: Any) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)
def test_every_panel_has_a_title_a_query_and_a_place_of_its_own(file: Any) -> None:
    board = load(file)
    assert board["uid"] == f"statefall-{file.stem}"
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "prometheus"
            assert target["expr"]
        at = panel["gridPos"]
        place = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not place & taken, panel["title"]
        assert max(x for x, _ in place) < 24, panel["title"]
        taken |= place


def test_every_dashboard_is_mounted() -> None:
    listed = yaml.safe_load((MONITORING / "kustomization.yaml").read_text())["configMapGenerator"]
    files = {name for generator in listed for name in generator["files"]}
    assert {f"grafana/dashboards/{file.name}" for file in BOARDS} <= files


def test_every_recorded_series_is_used() -> None:
    groups = yaml.safe_load((MONITORING / "prometheus" / "recording.yml").read_text())["groups"]
    alerts = (MONITORING / "prometheus" / "alerts.yml").read_text()
    shown = alerts + "".join(file.read_text() for file in BOARDS)
    recorded = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    for name in recorded:
        assert name in shown or any(name in expression for expression in recorded.values()), name


def test_every_alert_says_what_happened() -> None:
    for group in yaml.safe_load((MONITORING / "prometheus" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert rule["annotations"]["summary"]
