"""Every system of the services is on the map, and what the map names is there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from loadtests.journeys import Page, Step, call, weights
from loadtests.ledger.answer import AddToCart, Converse, RememberAction, SetPreferences, Write
from services import contract
from services.replica import Replica
from services.settings import Environment, SessionDesign, Settings, SettingsError
from services.stateful.app import create as create_stateful
from services.stateless.app import create as create_stateless
from statefall.reading import find, read

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "services.md"
SYSTEMS = (
    "StatelessUserService",
    "StatelessShoppingCart",
    "ClientSideShoppingCart",
    "ClientSideStateService",
    "StatelessServiceWithCaching",
    "StatelessRequestOverhead",
    "StatelessLimitations",
    "LoadBalancer",
    "StatelessServiceCluster",
    "StatelessDeployment",
    "StatefulUserService",
    "StatefulWebSocketService",
    "StatefulPerformanceOptimizations",
    "StatefulUserExperience",
    "StatefulConnectionManagement",
    "StatefulScalingChallenges",
    "StatefulFaultTolerance",
    "memory",
    "handoff",
    "write-through",
    "external",
    "replicated",
    "client",
    "expiry",
    "sweeping",
    "serialisation",
    "encryption at rest",
    "store metrics",
    "backup and restore",
    "degraded mode",
    "store cluster",
    "store Sentinel",
    "password hashes",
    "login throttling",
    "cookies and rotation",
    "key rotation",
    "refusal of default secrets",
    "size limits",
    "no detail in errors",
    "OpenAPI",
    "workload",
)


SETTINGS = Settings(
    pod="pod-a",
    database_url="postgresql://shop@127.0.0.1:9/shop",
    store_url="redis://127.0.0.1:9/0",
    keys=("a key of at least thirty-two bytes for tests",),
    state_keys=("a key of at least thirty-two bytes for tests",),
    environment=Environment.LOCAL,
)


WRITES: dict[Page, Write] = {
    Page.CART_ADD: AddToCart(1, 1),
    Page.ACTIVITY: RememberAction("saw 1"),
    Page.PREFERENCES: SetPreferences({}),
    Page.CONVERSATION: Converse("hello"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """What the map says of a system."""

    routes: tuple[str, ...]
    modules: tuple[str, ...]
    metrics: tuple[str, ...]
    tests: tuple[str, ...]
    experiments: tuple[str, ...]


@cache
def rows() -> dict[str, Row]:
    """The rows of all tables of the page, by the name of the system."""
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "system":
            if len(cells) == 2:  # the kinds of state
                continue
            assert len(cells) == 6, line
            assert cells[0] not in found, f"{cells[0]} has two rows"
            found[cells[0]] = Row(*(tuple(re.findall(r"`([^`]+)`", cell)) for cell in cells[1:]))
    return found


@cache
def twins() -> tuple[Replica, Replica]:
    """Both twins, put together and not opened: nothing is connected."""
    return create_stateless(SETTINGS), create_stateful(SETTINGS)


@cache
def served() -> set[str]:
    """The routes of both twins, as the page writes them."""
    return {rule.rule.partition("/<")[0] for replica in twins() for rule in replica.app.url_map.iter_rules()}


@cache
def counted() -> set[str]:
    """The names of all metrics of both twins, as Prometheus stores them."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for replica in twins()
        for family in replica.metrics.registry.collect()
    }


@cache
def called(experiment: str) -> set[str]:
    """The routes that the shoppers of an experiment, its probes and its scrapes ask for."""
    load = read(find(experiment)).load
    shares = {
        Page.CONVERSATION: load.conversation_share,
        Page.ORDERS: load.orders_share,
        Page.RECOMMENDATIONS: load.recommendations_share,
        Page.CART_VALIDATION: load.validations_share,
    }
    pages = {*weights(load.mix), *(page for page, share in shares.items() if share)}
    routes = {call(Step(page, 1, WRITES.get(page)), None).path.partition("?")[0] for page in pages}
    routes |= {contract.LOGIN, contract.READY, contract.METRICS}
    return routes | ({contract.WEBSOCKET} if load.websocket_share else set())


def path_of(module: str) -> Path:
    elsewhere = module.startswith(("clusters/", "loadtests/"))
    return ROOT / module if elsewhere else ROOT / "services" / module


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_the_map_has_a_row_for_every_system_and_no_other() -> None:
    assert sorted(rows()) == sorted(SYSTEMS)


@pytest.mark.parametrize("design", SessionDesign)
def test_a_state_design_is_on_the_map_when_a_twin_has_it(design: SessionDesign) -> None:
    accepted = 0
    for create in (create_stateless, create_stateful):
        try:
            create(replace(SETTINGS, state=design))
        except SettingsError:
            continue
        accepted += 1
    assert accepted == (design in rows())


def test_what_is_said_to_be_missing_is_missing() -> None:
    _, _, section = PAGE.read_text().partition("## Not there yet")
    for name in re.findall(r"no `([^`]+)`", section):
        assert not any((folder / name).exists() for folder in (ROOT, ROOT / "services")), name


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_a_route_that_is_served(system: str) -> None:
    assert rows()[system].routes
    assert set(rows()[system].routes) <= served()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_modules_that_are_there(system: str) -> None:
    assert rows()[system].modules
    for module in rows()[system].modules:
        assert path_of(module).is_file(), module


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name.startswith(("State", "Client"))])
def test_a_system_of_the_twins_is_named_where_it_is_made(system: str) -> None:
    modules = rows()[system].modules
    if not any(module.startswith("clusters/") for module in modules):  # those are shown by a cluster
        assert any(system in path_of(module).read_text() for module in modules)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_a_metric_that_is_counted(system: str) -> None:
    assert rows()[system].metrics
    assert set(rows()[system].metrics) <= counted()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_a_test(system: str) -> None:
    assert rows()[system].tests
    for test in rows()[system].tests:
        path, _, name = test.partition("::")
        assert name in functions(ROOT / "tests" / path), test


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_experiments_that_drive_a_system_are_there(system: str) -> None:
    driven = rows()[system].experiments
    assert driven or not system.startswith(("State", "Client")), "every system of the twins is driven"
    assert driven or system not in set(SessionDesign)
    for name in driven:
        assert called(name) & set(rows()[system].routes), f"no shopper of {name} comes to {system}"
