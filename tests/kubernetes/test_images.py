"""Which images nodes lack, as far as nodes tell."""

from __future__ import annotations

import pytest

from statefall.clusters.kubernetes.objects.images import (
    LOAD_HINT,
    PULL_HINT,
    full_name,
    hint_for,
    lacking,
    only_local,
)
from statefall.clusters.kubernetes.objects.kinds import Object
from statefall.clusters.kubernetes.objects.target import RunTarget, image_name
from statefall.records.errors import InputError


def node(name: str, *images: str, unnamed: int = 0) -> Object:
    told = [{"names": [image]} for image in images] + [{"names": None}] * unnamed
    return {"metadata": {"name": name}, "status": {"images": told}}


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("statefall:0.1.0", "docker.io/library/statefall:0.1.0"),
        ("postgres", "docker.io/library/postgres:latest"),
        ("prom/prometheus:v3", "docker.io/prom/prometheus:v3"),
        ("registry:5000/x", "registry:5000/x:latest"),
        ("localhost/x:1", "localhost/x:1"),
        ("ghcr.io/a/b@sha256:12", "ghcr.io/a/b@sha256:12"),
    ],
)
def test_names_are_written_out(image: str, full: str) -> None:
    assert full_name(image) == full


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("postgres:18.6", "postgres"),
        ("prom/prometheus:v3.13.3", "prom/prometheus"),
        ("registry:5000/x", "registry:5000/x"),
        ("registry:5000/x:1", "registry:5000/x"),
        ("ghcr.io/a/b@sha256:12", "ghcr.io/a/b"),
    ],
)
def test_a_name_has_no_tag(image: str, name: str) -> None:
    assert image_name(image) == name


def test_a_mirrors_images_take_the_place_of_the_public_ones() -> None:
    asked = "postgres=mirror:5000/postgres:18.6, prom/prometheus=mirror:5000/prometheus@sha256:12"
    target = RunTarget.from_environment(
        {"STATEFALL_IMAGES": asked, "STATEFALL_IMAGE": "mirror:5000/statefall:1"}
    )
    assert target.runs("postgres:18.6") == "mirror:5000/postgres:18.6"
    assert target.runs("prom/prometheus:v3.13.3") == "mirror:5000/prometheus@sha256:12"
    assert target.runs("traefik:v3.7.15") == "traefik:v3.7.15"
    assert target.runs("statefall:0.1.0") == "mirror:5000/statefall:1"


@pytest.mark.parametrize("asked", ["postgres", "postgres=", "=x:1", "postgres:18=x:1"])
def test_a_pair_that_names_no_two_images_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match="takes the place of which") as refused:
        RunTarget.from_environment({"STATEFALL_IMAGES": asked})
    assert refused.value.where == "STATEFALL_IMAGES"
    assert refused.value.exit_code == 2


def test_a_node_that_lacks_an_image_is_named() -> None:
    nodes = [node("one", "docker.io/library/statefall:1", unnamed=2), node("two")]
    assert lacking(["statefall:1"], nodes) == {"statefall:1": ["two"]}
    assert lacking(["statefall:1"], nodes[:1]) == {}


def test_a_node_that_does_not_name_all_its_images_proves_nothing() -> None:
    assert lacking(["statefall:1"], [node("full", unnamed=50)]) == {}


def test_only_a_name_without_a_path_cannot_be_pulled() -> None:
    assert only_local("statefall:0.1.0")
    assert not only_local("me/statefall:0.1.0")
    assert not only_local("registry:5000/statefall")


def test_the_hint_is_to_build_only_what_can_be_built() -> None:
    assert hint_for("replica") == hint_for("load") == hint_for("data") == LOAD_HINT
    assert hint_for("database") == hint_for("balancer") == hint_for("store") == PULL_HINT
