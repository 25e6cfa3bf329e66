"""Every system of the services is on the map, and what the map names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from services import contract
from services.replica import Replica
from services.settings import Environment, SessionDesign, Settings, SettingsError
from services.stateful.app import create as create_stateful
from services.stateless.app import create as create_stateless
from shop.journeys import Page, Step, call, weights
from shop.ledger.answer import AddToCart, Converse, RememberAction, SetPreferences, Write
from statefall.conductor.reading import find, read

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
        "cap on sessions",
        "sweeping",
        "serialisation",
        "repeated writes",
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
ELSEWHERE = ("statefall/", "loadtests/")
"""Modules that are not of the twins."""
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
    return ROOT / module if module.startswith(ELSEWHERE) else ROOT / "services" / module


@cache
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


def unserved_routes(system: str, said: Row) -> Iterator[str]:
    if not said.routes:
        yield "no route"
    yield from (f"no twin serves {route}" for route in said.routes if route not in served())


def missing_modules(system: str, said: Row) -> Iterator[str]:
    if not said.modules:
        yield "no module"
    yield from (f"{module} is no file" for module in said.modules if not path_of(module).is_file())


def missing_name(system: str, said: Row) -> Iterator[str]:
    """Of the twins' systems; those that a cluster shows are named elsewhere."""
    if not is_of_the_twins(system) or any(module.startswith(ELSEWHERE) for module in said.modules):
        return
    if not any(
        path_of(module).is_file() and system in path_of(module).read_text() for module in said.modules
    ):
        yield "none of its modules names it"


def uncounted_metrics(system: str, said: Row) -> Iterator[str]:
    if not said.metrics:
        yield "no metric"
    yield from (f"no twin counts {metric}" for metric in said.metrics if metric not in counted())


def missing_tests(system: str, said: Row) -> Iterator[str]:
    if not said.tests:
        yield "no test"
    for test in said.tests:
        path, _, name = test.partition("::")
        if name not in functions(ROOT / "tests" / path):
            yield f"there is no test {test}"


def idle_experiments(system: str, said: Row) -> Iterator[str]:
    if not said.experiments and (is_of_the_twins(system) or system in set(SessionDesign)):
        yield "no experiment drives it"
    for name in said.experiments:
        if not called(name) & set(said.routes):
            yield f"no shopper of {name} comes to its routes"


def is_of_the_twins(system: str) -> bool:
    return system.startswith(("State", "Client"))


@pytest.mark.parametrize(
    "faults",
    [
        unserved_routes,
        missing_modules,
        missing_name,
        uncounted_metrics,
        missing_tests,
        idle_experiments,
    ],
)
def test_what_a_row_says_of_its_system_holds(faults: Callable[[str, Row], Iterable[str]]) -> None:
    """Of every row; all that does not hold is told at once."""
    assert [f"{system}: {fault}" for system, said in rows().items() for fault in faults(system, said)] == []


NOTHING = Row((), (), (), (), ())
FALSE = Row(
    ("/nowhere",), ("nowhere.py",), ("nothing_total",), ("test_services_map.py::nothing",), ("default",)
)


@pytest.mark.parametrize(
    ("faults", "of_nothing", "of_what_is_false"),
    [
        (unserved_routes, "no route", "no twin serves /nowhere"),
        (missing_modules, "no module", "nowhere.py is no file"),
        (missing_name, "none of its modules names it", "none of its modules names it"),
        (uncounted_metrics, "no metric", "no twin counts nothing_total"),
        (missing_tests, "no test", "there is no test test_services_map.py::nothing"),
        (
            idle_experiments,
            "no experiment drives it",
            "no shopper of default comes to its routes",
        ),
    ],
)
def test_a_row_that_says_nothing_or_what_is_false_is_found(
    faults: Callable[[str, Row], Iterable[str]], of_nothing: str, of_what_is_false: str
) -> None:
    assert list(faults("StatelessX", NOTHING)) == [of_nothing]
    assert list(faults("StatelessX", FALSE)) == [of_what_is_false]
