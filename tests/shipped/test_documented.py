"""Every command that the documentation shows is run, or stands below with the reason why it is not.

The pages are searched, so that a new command is run, or fails here until somebody says what becomes of it.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from statefall.cli.main import invoke
from statefall.conductor.experiment import Experiment
from statefall.conductor.reading import find, read
from tests.main_job.conductor import call, overrides
from tests.shipped.documented import ROOT, commands
from tests.shipped.experiments import shortened

NOT_RUN: Final = {
    "docker build -f Containerfile -t statefall:0.1.0 .": "needs a container engine",
    "docker buildx imagetools inspect postgres:18.6": "needs a container engine and a registry",
    "kubectl apply -k k8s/monitoring/operator": "no operator at hand: tests/k8s/test_components.py checks it",
    "kind create cluster --config k8s/kind.yaml": "needs kind",
    "kind load docker-image statefall:0.1.0 --name statefall": "needs kind",
    "minikube start --nodes 3 --cni calico": "needs minikube",
    "minikube image load statefall:0.1.0": "needs minikube",
    "kubectl -n statefall port-forward service/grafana 3000": "no Grafana at hand: its manifest is checked",
    "kubectl -n statefall delete job shop-data": "mends a secret that comes a quarter of an hour late",
    "kubectl -n statefall delete ingress stateful stateless": "takes away what an overlay before has left",
    "kubectl delete -f": "a part of a command that stands elsewhere in full",
    "kubectl apply": "names the command that manifests of a run are compared with",
    "kubectl kustomize": "names the command that renders as a run does",
    "kubectl rollout restart": "names the command that a roll is compared with",
    "kubectl diff": "names the command that another tool than this one would be asked by",
    "pip install 'statefall[local,kubernetes]'": "needs a registry; see tests/installed",
    "pip install": "needs a package registry; tests/installed installs the wheel without one",
    ". .venv/bin/activate": "changes a shell; the tests call what lies in the environment",
    "export STATEFALL_IMAGES=postgres=mirror.example.com/postgres:18.6,"
    "traefik=mirror.example.com/traefik:v3.7.15": (
        "names a mirror that is not there; tests/kubernetes/test_images.py reads such a list"
    ),
    "statefall advise": "names the command without its file",
}
_HAND: Final = "tests/kubernetes/test_by_hand.py::test_an_overlay_works_by_hand"
_CONDUCTOR: Final = (
    "tests/kubernetes/test_conductor.py::"
    "test_a_conductor_in_a_pod_runs_the_experiment_and_its_results_can_be_fetched"
)
_CORDON: Final = (
    "tests/kubernetes/test_conductor.py::"
    "test_a_conductor_whose_job_is_deleted_takes_its_cell_its_load_and_its_cordon_away"
)
_FIRST: Final = "tests/shipped/test_first_steps.py"
_MONITORING: Final = "tests/kubernetes/test_monitoring.py::test_panels_have_data_and_alerts_fire_during_a_run"
_REPLICA: Final = "tests/services/test_standalone.py::test_the_documented_commands_do_what_the_page_says"
_ATTACHED: Final = "tests/kubernetes/test_attached.py::test_a_missing_right_is_named_and_nothing_is_done"
RUN_BY: Final = {
    ".venv/bin/flask --app services.stateful run": _REPLICA,
    "curl -s -c cookies": _REPLICA,
    "curl -s -b cookies": _REPLICA,
    "kubectl apply -f -": _ATTACHED,
    "statefall doctor rollout.yaml --cluster kubernetes": _ATTACHED,
    "kubectl apply -k k8s/overlays/sticky": _HAND,
    "kubectl -n statefall create secret generic statefall": _HAND,
    "kubectl -n statefall wait --for=condition=Available deployment --all --timeout=300s": _HAND,
    "kubectl -n statefall port-forward deployment/balancer 8001 8002": _HAND,
    "curl localhost:8001/ready": _HAND,
    "kubectl apply -f k8s/overlays/client-ip/visitor.yaml": _HAND,
    "kubectl -n statefall logs -f visitor": _HAND,
    "kubectl delete -f k8s/overlays/client-ip/visitor.yaml": _HAND,
    "kubectl delete -k k8s/overlays/sticky --ignore-not-found": _HAND,
    "kubectl apply -k k8s/monitoring": _MONITORING,
    "kubectl delete -k k8s/monitoring": _MONITORING,
    "kubectl -n statefall port-forward service/prometheus 9090": _MONITORING,
    "kubectl -n statefall port-forward service/load 8089": _MONITORING,
    "kubectl apply -f k8s/base/namespace.yaml": _CONDUCTOR,
    "kubectl apply -k k8s/conductor": _CONDUCTOR,
    "kubectl delete -k k8s/conductor": _CONDUCTOR,
    "kubectl -n statefall cp": _CONDUCTOR,
    "kubectl apply -f k8s/conductor/nodes.yaml": _CORDON,
    "kubectl -n statefall delete job conductor": _CORDON,
    "kubectl -n statefall wait --for=delete pod -l job-name=conductor --timeout=180s": _CORDON,
    "statefall compare": "tests/cli/test_compare.py::test_the_documented_comparisons_say_what_is_shown",
    "statefall new": f"{_FIRST}::test_the_other_folder_that_it_names_works_too",
    "statefall run rollout.yaml": (
        f"{_FIRST}::test_the_first_ends_in_a_true_table_about_an_app_with_sessions_in_memory"
    ),
    "statefall run --ui": "tests/shipped/test_live_page.py::test_a_run_is_watched_until_its_report",
    "statefall ui": (
        "tests/shipped/test_live_page.py::test_a_button_kills_a_replica_and_its_sessions_are_told_lost"
    ),
    "statefall up": f"{_FIRST}::test_the_second_holds_the_app_up_to_be_hit_by_hand",
    "statefall fault": f"{_FIRST}::test_the_second_holds_the_app_up_to_be_hit_by_hand",
    "pip install '/path/to/the/checkout[local]'": (
        "tests/installed/test_wheel.py::test_a_run_passes_beside_somebody_elses_packages"
    ),
    "statefall check": (
        "tests/cli/test_check.py::test_a_runs_folder_is_judged_and_handed_to_another_checker"
    ),
    "python -m benchmarks.false_word": (
        "tests/load/test_no_false_word.py::test_a_healthy_service_is_accused_of_nothing"
    ),
    "locust -f loadtests/locustfile.py --host http://127.0.0.1:8080": (
        "tests/load/test_process.py::test_a_person_runs_the_same_shoppers_from_locusts_command_line"
    ),
}
"""The beginning of a command, up to the end or to what each reader gives -> the test that runs it."""
RUN_ON_KUBERNETES_BY: Final = {
    "statefall run --cluster kubernetes": (
        "tests/kubernetes/test_experiment.py::test_the_default_experiment_loses_what_it_loses_locally"
    ),
    "statefall run drain --cluster kubernetes": (
        "tests/kubernetes/test_drain.py::"
        "test_a_drained_node_costs_the_sessions_that_lived_there_in_memory_and_no_others"
    ),
}
"""Without the seed, and without the place where the record goes -> the test that runs it."""
FOUND: Final = commands()
WITH_STATEFALL: Final = [
    text
    for text in FOUND
    if text.startswith("statefall ") and text not in NOT_RUN and not any(map(text.startswith, RUN_BY))
]
ON_KUBERNETES: Final = [text for text in WITH_STATEFALL if "--cluster kubernetes" in text]
_SAME_RUN: Final = re.compile(r" --(seed|out) \S+")
NOT_RUN_YET: Final = {
    same: text for text in ON_KUBERNETES if (same := _SAME_RUN.sub("", text)) not in RUN_ON_KUBERNETES_BY
}
HERE: Final = [text for text in WITH_STATEFALL if text not in ON_KUBERNETES]
WITH_MAKE: Final = [text for text in FOUND if text.startswith("make ")]
WITH_PYTEST: Final = [text for text in FOUND if re.match(r"(\w+=\S+ )?pytest ", text)]


def test_it_is_known_of_each_what_becomes_of_it() -> None:
    run = {*WITH_STATEFALL, *WITH_MAKE, *WITH_PYTEST, *NOT_RUN}
    unknown = [text for text in FOUND if text not in run and not any(map(text.startswith, RUN_BY))]
    assert unknown == [], "say in this file which test runs them, or why none can"


def test_no_exception_outlives_its_command() -> None:
    assert [text for text in NOT_RUN if text not in FOUND] == []
    assert [start for start in RUN_BY if not any(text.startswith(start) for text in FOUND)] == []
    assert RUN_ON_KUBERNETES_BY.keys() <= {_SAME_RUN.sub("", text) for text in ON_KUBERNETES}


@pytest.mark.parametrize("test", sorted({*RUN_BY.values(), *RUN_ON_KUBERNETES_BY.values()}))
def test_the_test_that_runs_them_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what the documentation speaks of: an experiment, needs and a recorded run."""
    (tmp_path / "my-experiment.yaml").write_bytes(find("default").read_bytes())
    (needs,) = re.findall(
        r"^```yaml\n(# needs.yaml.*?)^```", (ROOT / "docs/deciding.md").read_text(), re.M | re.S
    )
    (tmp_path / "needs.yaml").write_text(needs)
    shutil.copytree(ROOT / "results/published/default", tmp_path / "results/runs/a-run")
    (tmp_path / "results/published").symlink_to(ROOT / "results/published")
    return tmp_path


def arguments(text: str, desk: Path) -> list[str]:
    """What is typed after `statefall`, with a reader's own names in it, and a long run made short."""
    words = shlex.split(text.replace("<run-id>", "a-run").replace("FILE", "needs.yaml"))[1:]
    if words[0] != "run":
        return words
    given = [after for word, after in pairwise(words) if word == "--set"]
    named = words[1] if len(words) > 1 and not words[1].startswith("-") else "default"
    path = desk / named
    experiment = read(path if path.is_file() else find(named), given)
    return [*words, *overrides(shortened(experiment), one_cell(experiment), ("gates=[]",))]


def one_cell(experiment: Experiment) -> list[str]:
    """Overrides that leave the first of each list."""
    axes = ("service", "state", "balancer", "fault")
    listed = {axis: getattr(experiment.matrix, axis) for axis in axes}
    return [f"matrix.{axis}=[{values[0]}]" for axis, values in listed.items() if values]


@pytest.mark.shipped
@pytest.mark.parametrize("text", HERE)
def test_a_command_works(text: str, desk: Path) -> None:
    done = call(*arguments(text, desk), cwd=desk)
    # A run that is so short may end before a busy machine shows the fault's effect: inconclusive.
    fine = {0, 5} if text.startswith("statefall run") else {0}
    assert done.returncode in fine, f"{done.stdout}\n{done.stderr}"
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", [text for text in ON_KUBERNETES if text.startswith("statefall run")])
def test_a_run_on_kubernetes_is_planned(
    text: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    assert invoke([*shlex.split(text)[1:], "--plan"]) == 0
    assert '"cells"' in capsys.readouterr().out


@pytest.mark.kubernetes
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("whole_cluster")
@pytest.mark.parametrize("text", NOT_RUN_YET.values())
def test_a_command_works_on_kubernetes(text: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATEFALL_NAMESPACE", "statefall-documented")
    done = call(*arguments(text, desk), cwd=desk, timeout_s=500)
    assert done.returncode in {0, 5}, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", WITH_MAKE)
def test_a_target_of_make_is_one(text: str) -> None:
    """Its recipe would install, or run these tests: it is only printed. `make test` is how they are run."""
    command = ["make", "--dry-run", "--always-make", *shlex.split(text)[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("text", WITH_PYTEST)
def test_the_tests_that_are_asked_for_are_there(text: str, pytestconfig: pytest.Config) -> None:
    words = shlex.split(text)
    marks = [line.partition(":")[0] for line in pytestconfig.getini("markers")]
    asked = [after for word, after in pairwise(words) if word == "-m"]
    assert set(asked) <= set(marks)
    named = [word for word in words if word.startswith("tests/")]
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert asked or named
