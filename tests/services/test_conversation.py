"""The conversation: every reply rests on the exchanges that are kept, on facts in them, on the session."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services import contract
from services.contract import conversation_digest
from services.replica import Replica
from services.stateful.user_experience import facts_in
from tests.services.conftest import MakeReplica
from tests.services.shopper import Shopper, error_code, sample


@pytest.fixture
def replica(make_replica: MakeReplica) -> Replica:
    return make_replica("stateful")


@pytest.fixture
def shopper(replica: Replica) -> Shopper:
    shopper = Shopper(replica, user_id=31)
    assert shopper.login().status_code == 200
    return shopper


def say(shopper: Shopper, text: str) -> dict[str, Any]:
    answer = shopper.send("POST", contract.CONVERSATION, {"text": text})
    assert answer.status_code == 200, answer.text
    content = answer.get_json()
    assert isinstance(content, dict)
    return content


def test_facts_are_names_likings_and_counts() -> None:
    facts = facts_in(["My name is Ada", "I like tea and I need 2 lamps", "call me Bea", "3 lamps, 1 cup"])
    assert facts.name == "Bea"
    assert facts.likes == ("tea",)
    assert facts.counts == (("lamps", 5), ("cup", 1))
    assert str(facts_in([])) == "nothing yet"


def test_a_reply_knows_what_was_told_before(shopper: Shopper) -> None:
    first = say(shopper, "My name is Ada and I need 2 lamps")
    assert first["reply"].startswith("Ada, this is exchange 1, and we have just met.")
    second = say(shopper, "and 3 lamps more")
    assert "before this you said 'My name is Ada and I need 2 lamps'" in second["reply"]
    assert "your name is Ada, 5 lamps" in second["reply"]


def test_a_reply_knows_the_session(shopper: Shopper) -> None:
    assert "Your cart has 0 lines and you did nothing yet." in say(shopper, "hello")["reply"]
    shopper.add(1)
    shopper.act("looked around")
    assert "Your cart has 1 lines and lately you did 'looked around'." in say(shopper, "again")["reply"]


def test_an_exchange_is_a_write_and_a_look_back_is_none(shopper: Shopper) -> None:
    assert say(shopper, "one")["version"] == 1
    assert say(shopper, "two")["version"] == 2
    content = shopper.get(contract.CONVERSATION)
    assert content["version"] == 2
    assert [exchange["text"] for exchange in content["exchanges"]] == ["one", "two"]
    assert content["exchanges"][1]["reply"] == say_again(shopper)


def say_again(shopper: Shopper) -> str:
    """The last reply, as the session keeps it."""
    return str(shopper.get(contract.CONVERSATION)["exchanges"][-1]["reply"])


def test_the_last_20_exchanges_are_kept_and_the_digest_is_theirs(shopper: Shopper) -> None:
    texts = ["my name is Ada"] + [f"text {number}" for number in range(2, 26)]
    answers = [say(shopper, text) for text in texts]
    for number, content in enumerate(answers, 1):
        kept = texts[max(0, number - 20) : number]
        assert content["conversation"] == kept
        assert content["digest"] == conversation_digest(kept)
        assert content["exchange_count"] == number
    # A reply rests on the 20 exchanges before it: the 21st still knows the first, the 22nd does not.
    assert "your name is Ada" in answers[20]["reply"]
    assert "your name is Ada" not in answers[21]["reply"]


def test_the_same_words_get_another_reply_in_another_conversation(replica: Replica) -> None:
    told, untold = Shopper(replica, 32), Shopper(replica, 32)
    for shopper in (told, untold):
        shopper.login()
    say(told, "I have 7 cats")
    assert "7 cats" in say(told, "how many?")["reply"]
    assert "cats" not in say(untold, "how many?")["reply"]
    assert say(told, "bye")["digest"] != say(untold, "bye")["digest"]


def test_a_new_login_begins_a_new_conversation(shopper: Shopper) -> None:
    say(shopper, "my name is Ada")
    shopper.login()
    assert "we have just met" in say(shopper, "hello again")["reply"]


def test_exchanges_at_the_same_moment_all_count(shopper: Shopper, replica: Replica) -> None:
    def talk(number: int) -> None:
        mine = shopper.moved_to(replica)
        for turn in range(10):
            say(mine, f"{number}.{turn}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(8)))
    content = shopper.get(contract.CONVERSATION)
    assert content["version"] == content["exchange_count"] == 80
    assert len(content["exchanges"]) == 20
    assert content["digest"] == conversation_digest(content["conversation"])
    assert sample(replica, "statefall_conversation_exchanges_total") == 80


def test_a_conversation_dies_with_its_session(shopper: Shopper, make_replica: MakeReplica) -> None:
    say(shopper, "my name is Ada")
    answer = shopper.moved_to(make_replica("stateful", boot="another")).send("GET", contract.CONVERSATION)
    assert answer.status_code == 401
    assert error_code(answer) == "session_lost"


@pytest.mark.parametrize("text", ["", "x" * 201, "two\nlines", 7, None])
def test_a_text_is_one_line_of_at_most_200_characters(shopper: Shopper, text: object) -> None:
    answer = shopper.send("POST", contract.CONVERSATION, {"text": text})
    assert answer.status_code == 400
    assert error_code(answer) == "bad_request"
    assert shopper.get(contract.CONVERSATION)["exchange_count"] == 0
