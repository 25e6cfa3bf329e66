"""Preparing the database: once, whole, and again only when asked for another shop."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from services.shop.generate import Parameters
from services.shop.prepare import main, prepare
from tests.services.backing import free_port

URL = "postgresql://host/shop"
SHOP = Parameters(seed=3, users=200, products=50)


@pytest.fixture
def empty_url(database_url: str) -> Iterator[str]:
    """An empty database beside the prepared one."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE to_prepare")
    yield database_url.replace("/postgres", "/to_prepare")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE to_prepare")


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return int(row[0])


def test_a_second_call_changes_nothing(empty_url: str) -> None:
    assert prepare(empty_url, SHOP)
    assert (count(empty_url, "users"), count(empty_url, "products")) == (200, 50)
    purchases = count(empty_url, "purchases")
    assert 700 < purchases < 1300
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET name = 'changed' WHERE id = 1")
    assert not prepare(empty_url, SHOP)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT name FROM users WHERE id = 1").fetchone() == ("changed",)


def test_another_shop_replaces_the_old_one(empty_url: str) -> None:
    prepare(empty_url, SHOP)
    assert prepare(empty_url, Parameters(seed=3, users=20, products=50))
    assert count(empty_url, "users") == 20
    assert count(empty_url, "shop_generation") == 1


def test_two_at_once_prepare_it_once(empty_url: str) -> None:
    made: list[bool] = []
    threads = [threading.Thread(target=lambda: made.append(prepare(empty_url, SHOP))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, True]
    assert count(empty_url, "users") == 200


def test_a_failure_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(parameters: Parameters) -> Iterator[tuple[object, ...]]:
        yield (1, 1, 1, "2025-01-01")
        raise KeyboardInterrupt

    monkeypatch.setattr("services.shop.generate.purchases", breaks)
    with pytest.raises(KeyboardInterrupt):
        prepare(empty_url, SHOP)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('users')").fetchone() == (None,)


def test_the_command_prepares_and_says_so(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--database-url", empty_url, "--seed", "5", "--users", "100", "--products", "30"]
    assert main(arguments) == 0
    assert "shop generated" in capsys.readouterr().err
    assert main(arguments) == 0
    assert "was there already" in capsys.readouterr().err
    assert count(empty_url, "products") == 30


def test_an_unreachable_database_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--database-url", f"postgresql://shop@127.0.0.1:{free_port()}/postgres"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("the shop could not be prepared:")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--database-url", URL, "--users", "0"], ["--database-url", URL, "--seed", "-1"]]
)
def test_bad_arguments_are_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATEFALL_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_a_malformed_url_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--database-url", "postgres//shop:s3cret@host/shop"])
    said = capsys.readouterr().err
    assert "--database-url: it must begin with postgresql://" in said
    assert "s3cret" not in said
