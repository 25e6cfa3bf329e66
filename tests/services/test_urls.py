"""The URLs of database and store: read before they are used, and never repeated."""

from __future__ import annotations

import pytest

from services.settings import SettingsError, read_settings
from services.urls import read_database_url, read_store_url
from tests.services.test_settings import GOOD

SECRET = "s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://:s3cret@host:6379/0",
        "redis://user:s3%2Fcret%40@[::1]:6379/15",
        "rediss://host:6380?ssl_cert_reqs=none",
        "unix:///run/store.sock?db=2",
        "redis+cluster://user:s3cret@a:1,b:2",
        "redis+sentinel://a:1,[::1]:2/shop",
    ],
)
def test_what_names_a_store_is_taken(url: str) -> None:
    assert url.startswith(f"{read_store_url(url).scheme}://")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "the scheme"),
        ("redis//:s3cret@host:6379/0", "the scheme"),
        ("s3cret", "the scheme"),
        ("redis://[s3cret", "no URL"),
        ("redis://:s3cret/et@host", "percent-encode"),
        ("redis://:12/s3cret@host", "percent-encode"),
        ("redis://user:12?s3cret@host", "percent-encode"),
        ("redis://user:12#s3cret@host", "percent-encode"),
        ("redis://:s3cret", "the port"),
        ("redis://:s3cret@host:nope/0", "the port"),
        ("redis://:s3cret@host:0/0", "the port"),
        ("redis://:s3cret@host:65536/0", "the port"),
        ("redis://:s3cret@", "no host"),
        ("redis://", "no host"),
        ("unix://", "no host"),
        ("redis://host/s3cret", "number of a database"),
        ("redis://host/0?s3cret=1", "question mark"),
        ("redis://host/0?socket_timeout=s3cret", "question mark"),
        ("redis+cluster://:s3cret/et@a:1", "percent-encode"),
        ("redis+cluster://:s3cret", "host:port"),
        ("redis+cluster://a:1,s3cret", "host:port"),
        ("redis+cluster://a:65536", "host:port"),
        ("redis+cluster://a:1/3", "numbered databases"),
        ("redis+sentinel://user:12/s3cret@a:1", "percent-encode"),
        ("redis+sentinel://a:1/s3cret/0", "name the primary"),
    ],
)
def test_what_names_no_store_is_refused_and_not_repeated(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        read_store_url(url)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop@localhost/shop",
        "postgres://shop:s3%2Fcret@a:5432,b:5433/shop?sslmode=require",
        "postgresql:///shop?host=/run/postgresql",
        "postgresql://host/shop?user=shop@tenant",
    ],
)
def test_what_names_a_database_is_taken(url: str) -> None:
    assert read_database_url(url) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgres//statefall:s3cret@host/shop", "must begin with"),
        ("mysql://shop:s3cret@host/shop", "must begin with"),
        ("host=localhost password=s3cret", "must begin with"),
        ("postgresql://shop:s3cret%zz@host/shop", "no URL"),
        ("postgresql://host/shop?s3cret=1", "no URL"),
        ("postgresql://shop:s3cret/x@host/shop", "percent-encode"),
        ("postgresql://shop:12/s3cret@host/shop", "percent-encode"),
        ("postgresql://shop:s3cret@host:nope/shop", "percent-encode"),
        ("postgresql://shop:s3cret@host:65536/shop", "percent-encode"),
        ("postgresql://shop:s3cret@/shop", "no host"),
    ],
)
def test_what_names_no_database_is_refused_and_not_repeated(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        read_database_url(url)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("name", ["STATEFALL_DATABASE_URL", "STATEFALL_STORE_URL"])
def test_settings_name_the_variable_and_a_good_example(name: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_settings({**GOOD, name: "//shop:s3cret@host/0"})
    said = str(refusal.value)
    assert said.startswith(f"{name}: ")
    assert "for example" in said
    assert SECRET not in said
    assert "\n" not in said
