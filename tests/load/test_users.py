"""Users of a file, and made-up ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefall.load.users import User, users_of
from statefall.records.errors import InputError
from statefall.records.service import Reached


def of_file(tmp_path: Path, content: bytes, count: int = 1) -> list[User]:
    file = tmp_path / "users.txt"
    file.write_bytes(content)
    return users_of(Reached(users=str(file)), count, 1)


@given(count=st.integers(0, 300), seed=st.integers())
def test_made_up_users_differ_and_are_the_same_for_the_same_seed(count: int, seed: int) -> None:
    users = users_of(Reached(), count, seed)
    assert len({user.name for user in users}) == len({user.password for user in users}) == count
    assert users == users_of(Reached(), count, seed)
    assert users[:10] == users_of(Reached(), min(count, 10), seed)
    assert all(user.name.isalnum() and user.name.isascii() for user in users)


def test_another_seed_makes_up_others() -> None:
    assert not {u.name for u in users_of(Reached(), 50, 1)} & {u.name for u in users_of(Reached(), 50, 2)}


def test_a_file_has_a_user_a_line(tmp_path: Path) -> None:
    content = "\ufeff# name,password\n\nann , s3cret,with comma \r\nbob\n  # end\nzoé,x".encode()
    assert of_file(tmp_path, content, 3) == [
        User("ann", "s3cret,with comma"),
        User("bob", ""),
        User("zoé", "x"),
    ]
    assert of_file(tmp_path, content, 1) == [User("ann", "s3cret,with comma")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\n,x", "users.txt, line 2: there is no name"),
        (b"a,", "users.txt, line 1: there is no password after 'a'"),
        (b"a\n\nb\na,x", "users.txt, line 4: 'a' is in line 1 already"),
        (b"a\x07", "users.txt, line 1: there are characters"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        of_file(tmp_path, content)


def test_too_few_users_are_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"users\.txt: 2 users for 3 shoppers"):
        of_file(tmp_path, b"a\nb\n", 3)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot be read: No such file"):
        users_of(Reached(users=str(tmp_path / "none.txt")), 1, 1)


@given(content=st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    try:
        users = of_file(tmp_path_factory.getbasetemp(), content)
    except InputError:
        return
    assert len(users) == 1
