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
CONTRACT = {
    "Stateless twin": (
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
    ),
    "Stateful twin": (
        "StatefulUserService",
        "StatefulWebSocketService",
        "StatefulPerformanceOptimizations",
        "StatefulUserExperience",
        "StatefulConnectionManagement",
        "StatefulScalingChallenges",
        "StatefulFaultTolerance",
    ),
    "State designs: `STATEFALL_STATE`": (
        "memory",
        "handoff",
        "write-through",
        "external",
        "replicated",
        "client",
    ),
    "Session management": (
        "expiry",
        "sweeping",
        "serialisation",
        "encryption at rest",
        "store metrics",
        "backup and restore",
        "degraded mode",
        "store cluster",
        "store Sentinel",
    ),
    "Security": (
        "password hashes",
        "login throttling",
        "cookies and rotation",
        "key rotation",
        "refusal of default secrets",
        "size limits",
        "no detail in errors",
        "OpenAPI",
    ),
    "Workload and decision": ("workload",),
}
"""What must be there, by the heading of its table. Written here a second time on purpose: the page is
checked against it, so that a row cannot go from the page unnoticed. A new system is added to both."""
SYSTEMS = tuple(name for names in CONTRACT.values() for name in names)
KINDS_OF_STATE = ("session", "application", "connection", "process", "configuration")
PLACES_OF_STATE = ("memory", "local disk", "database", "shared cache", "client")


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
def tables() -> dict[str, dict[str, Row]]:
    """The tables of systems, by their headings; the rows by the name of the system."""
    found: dict[str, dict[str, Row]] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        if lines and lines[0].startswith("| system |"):
            found[heading] = dict(map(row, lines[1:]))
            assert len(found[heading]) == len(lines) - 1, f"{heading}: a system has two rows"
    return found


def row(line: str) -> tuple[str, Row]:
    """A line of a table: the system and what is said of it."""
    name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
    assert len(cells) == 5, line
    return name, Row(*(tuple(re.findall(r"`([^`]+)`", cell)) for cell in cells))


@cache
def rows() -> dict[str, Row]:
    """The rows of all tables, by the name of the system."""
    return {name: found for table in tables().values() for name, found in table.items()}


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


def test_every_table_has_a_row_for_each_of_its_systems_and_no_other() -> None:
    assert {heading: sorted(table) for heading, table in tables().items()} == {
        heading: sorted(names) for heading, names in CONTRACT.items()
    }
    assert len(rows()) == len(SYSTEMS), "a system has rows in two tables"


def test_every_kind_of_state_and_every_place_for_it_is_shown() -> None:
    section = PAGE.read_text().partition("\n## Kinds of state\n")[2].partition("\n## ")[0]
    named = re.findall(r"^\| ([a-z ]+?)(?::[^|]*)? \|", section, re.MULTILINE)
    assert named == ["what is kept", *KINDS_OF_STATE, "place", *PLACES_OF_STATE]


def test_a_module_that_opens_with_the_name_of_a_system_is_in_its_row() -> None:
    openings = {
        path: opening[1]
        for path in (ROOT / "services").rglob("*.py")
        if (opening := re.match(r'"""((?:Stateless|Stateful|ClientSide)\w+):', path.read_text()))
    }
    assert openings
    for path, system in openings.items():
        assert path in [path_of(module) for module in rows()[system].modules], system


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
