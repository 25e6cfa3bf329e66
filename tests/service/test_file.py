"""Service files: what they may say, what becomes of it, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.reading import read
from statefall.conductor.services import read_service, services_of, twins
from statefall.records.errors import InputError
from statefall.records.service import Workload, filled, placeholders_in
from statefall.records.terms import Balancer, StateDesign

FILE = """\
name: rollout
summary: What do our users lose in a rollout?
service:
  journey: buyer.py:Buyer
  state: replica
  local:
    command: [gunicorn, "app:app", --bind, "{address}"]
    ready: /healthz
  kubernetes:
    deployment: shop
    namespace: shop
    url: http://shop.example.com
  answered_by: {header: X-Pod}
matrix: {fault: [kill, scale-in]}
replicas: 3
load: {shoppers: 60}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "buyer.py").touch()
    (tmp_path / "rollout.yaml").write_text(FILE)
    return tmp_path


def planned(folder: Path, **given: bool) -> Plan:
    file = folder / "rollout.yaml"
    experiment = read(file)
    services = services_of(experiment, file)
    return make_plan(experiment, seed=1, repeats=1, services=services, folder=folder, **given)


def test_a_service_of_ones_own_is_crossed_with_faults_and_balancers(folder: Path) -> None:
    plan = planned(folder)
    assert {(cell.service, cell.state, cell.balancer) for cell in plan.cells} == {
        ("rollout", StateDesign.REPLICA, Balancer.PLAIN),
        ("rollout", StateDesign.REPLICA, Balancer.STICKY),
    }
    assert len(plan.cells) == 4
    (service,) = plan.services
    assert service.journey == f"{folder / 'buyer.py'}:Buyer"
    assert service.answered_by.header == "x-pod", "headers are compared in lower case"
    assert service.local is not None
    assert service.local.command == ("gunicorn", "app:app", "--bind", "{address}")
    assert service.local.directory == str(folder)


def test_what_comes_along_is_named_by_where_the_content_lies_there(folder: Path) -> None:
    file = folder / "rollout.yaml"
    file.write_text(
        file.read_text().replace("buyer.py:Buyer", '"{content}/loadtests/locustfile.py:Shopping"')
    )
    plan = planned(folder)
    assert plan.services[0].journey == "{content}/loadtests/locustfile.py:Shopping"
    assert plan.document()["services"][0]["journey"] == plan.services[0].journey
    file.write_text(file.read_text().replace("locustfile.py", "nothing.py"))
    with pytest.raises(InputError, match=r"there is no file .*loadtests/nothing\.py"):
        planned(folder)


def test_what_stands_already_has_the_balancer_that_stands_there(folder: Path) -> None:
    plan = planned(folder, attached=True)
    assert [cell.balancer for cell in plan.cells] == [Balancer.AS_FOUND] * 2
    attached = plan.services[0].attached
    assert attached is not None
    assert (attached.workload, attached.name, attached.namespace) == (Workload.DEPLOYMENT, "shop", "shop")


def test_manifests_are_found_from_the_files_folder_and_a_missing_one_is_refused(folder: Path) -> None:
    file = folder / "rollout.yaml"
    file.write_text(
        file.read_text().replace("deployment: shop", "deployment: shop\n    manifests: [shop.yaml]")
    )
    with pytest.raises(InputError, match=r"there is no file or folder .*/shop\.yaml"):
        planned(folder, attached=True)
    (folder / "shop.yaml").touch()
    plan = planned(folder, attached=True)
    attached = plan.services[0].attached
    assert attached is not None
    assert attached.manifests == (str((folder / "shop.yaml").resolve()),)
    assert plan.document()["services"][0]["attached"]["manifests"] == ["shop.yaml"]
    (folder / "shop.yaml").unlink()
    (folder / "shop.yaml").mkdir()
    with pytest.raises(InputError, match=r"has no kustomization\.yaml"):
        planned(folder, attached=True)


def test_a_plan_is_the_same_wherever_the_files_lie(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "buyer.py").touch()
    (elsewhere / "rollout.yaml").write_text(FILE)
    assert planned(folder).to_json() == planned(elsewhere).to_json()


def test_a_service_file_stands_alone_or_in_an_experiment(folder: Path) -> None:
    section = "\n".join(line[2:] for line in FILE.splitlines() if line.startswith("  "))
    (folder / "shop.yaml").write_text(f"name: shop\n{section}\n")
    assert read_service(folder / "shop.yaml").name == "shop"
    text = f"{FILE.partition('service:')[0]}services: [shop.yaml]\nmatrix: {{fault: [kill]}}\n"
    (folder / "rollout.yaml").write_text(text)
    assert {cell.service for cell in planned(folder).cells} == {"shop"}


def test_the_twins_are_said_in_the_same_format() -> None:
    file = twins()
    assert file.local is not None
    assert "services.serve" in file.local.command
    assert file.local.prepared_from, "the shop's data are made once and kept"


def test_placeholders_are_filled_in_and_doubled_braces_are_braces() -> None:
    assert list(placeholders_in("{{x}} {address} a{port}")) == ["address", "port"]
    assert filled("{{x}} {address}", {"address": "127.0.0.1:1"}) == "{x} 127.0.0.1:1"


MISTAKES = {
    "placeholder": ('"{address}"', '"{adress}"', "service.local.command: {adress} is not known"),
    "journey's form": ("buyer.py:Buyer", "buyer", "must be FILE.py:CLASS, for example buyer.py:Buyer"),
    "journey's file": ("buyer.py:Buyer", "buyr.py:Buyer", "there is no file"),
    "key": ("{header: X-Pod}", "{heder: X-Pod}", "did you mean 'header'?"),
    "design of the twins": ("state: replica", "state: memory", "must be one of replica, store, client"),
    "no such state": ("state: replica", "state: nowhere", "service.state: input should be"),
    "object's name": ("deployment: shop", "deployment: SHOP", "is no name of a Kubernetes object"),
    "URL": ("http://shop.example.com", "shop", "must be a URL such as"),
    "port": ("http://shop.example.com", "http://shop:x", "service.kubernetes.url"),
    "two workloads": ("deployment: shop", "deployment: shop\n    statefulset: shop", "give exactly one of"),
    "store": ('"{address}"', '"{store}"', "say `store: true`"),
    "boot alone": ("{header: X-Pod}", "{boot: X-Boot}", "boot needs header"),
    "two who answer": ("{header: X-Pod}", "{header: X-Pod, cookie: pod}", "give one of header, cookie"),
    "state in the matrix": (
        "{fault: [kill",
        "{state: [memory], fault: [kill",
        "matrix.state is for the twins",
    ),
    "both": ("matrix:", "services: [x.yaml]\nmatrix:", "give either service or services"),
    "unknown in the matrix": ("{fault:", "{service: [shop], fault:", "there is no service 'shop'"),
    "no journey": ("  journey: buyer.py:Buyer\n", "", "the service rollout has no journey"),
    "folder": ("    ready: /healthz", "    directory: nowhere", "there is no folder"),
    "nowhere": ("  local:\n", "  other:\n", "unknown key 'service.other'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_with_its_mend(folder: Path, mistake: str) -> None:
    right, wrong, message = MISTAKES[mistake]
    assert right in FILE
    (folder / "rollout.yaml").write_text(FILE.replace(right, wrong, 1))
    with pytest.raises(InputError) as caught:
        planned(folder)
    told = str(caught.value)
    assert message in told
    assert "\n" not in told
    assert "function-after" not in told
    assert caught.value.exit_code == 2
