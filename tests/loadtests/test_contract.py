"""The tool, the shopper and the twins speak one contract, though none imports another's."""

from __future__ import annotations

from enum import EnumMeta

import pytest

from services import contract as twins
from shop import contract as shopper
from statefall.records import contract as tool

NAMES = sorted(
    name
    for name, value in {**vars(tool), **vars(shopper)}.items()
    if name.isupper() or (isinstance(value, EnumMeta) and name != "StrEnum")
)


@pytest.mark.parametrize("name", NAMES)
def test_a_word_of_the_contract_is_the_same_on_both_sides(name: str) -> None:
    mine, theirs = vars(shopper).get(name) or vars(tool)[name], getattr(twins, name)
    if isinstance(mine, EnumMeta):
        assert mine.__members__ == theirs.__members__  # of StrEnums: they are equal as words
    else:
        assert mine == theirs


def test_a_conversation_has_the_same_digest_on_both_sides() -> None:
    texts = ["I need 3 p12, in line 4", "", "ä"]
    assert shopper.conversation_digest(texts) == twins.conversation_digest(texts)


def test_there_is_something_to_compare() -> None:
    assert len(NAMES) > 25
