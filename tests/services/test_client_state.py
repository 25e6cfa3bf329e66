"""The token: what it carries, and which ones are refused."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest

from services import contract
from services.refusals import SessionExpired, Unauthenticated
from services.serve import MAX_HEADER_BYTES
from services.sessions.tickets import Tickets
from services.shop.accounts import Preferences
from services.stateless.client_state import ClientSideStateService, ClientState
from tests.services.conftest import MakeReplica
from tests.services.serving import KEY
from tests.services.shopper import Shopper, error_code, sample

OTHER_KEY = "another key of at least thirty-two bytes"
STATE = ClientState(7, ("shop",), {"theme": "dark"}, 3, ("looked", "left"), 5)
SERVICE = ClientSideStateService((KEY,), 3600)


def claims_of(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, KEY, algorithms=["HS256"]))


def test_a_token_brings_back_what_was_put_in() -> None:
    assert SERVICE.read(SERVICE.issue(STATE)) == STATE


def test_a_token_lives_for_its_time_and_is_unlike_any_other() -> None:
    first, second = claims_of(SERVICE.issue(STATE)), claims_of(SERVICE.issue(STATE))
    assert first["jti"] != second["jti"]
    assert isinstance(first["iat"], int)
    assert first["exp"] == first["iat"] + 3600
    assert abs(first["iat"] - time.time()) < 60


def test_changes_make_new_states() -> None:
    changed = STATE.with_action("bought").with_preferences(Preferences({"theme": "light"}, 4))
    assert changed.activity == ("looked", "left", "bought")
    assert (changed.preferences, changed.preferences_version) == ({"theme": "light"}, 4)
    assert changed.with_cart_change().version == STATE.version + 3
    assert STATE.version == 5


def test_an_expired_token_is_refused() -> None:
    old = ClientSideStateService((KEY,), 3600, now=lambda: time.time() - 3601)
    with pytest.raises(SessionExpired):
        SERVICE.read(old.issue(STATE))


def test_a_clock_that_is_ahead_elsewhere_does_no_harm() -> None:
    ahead = ClientSideStateService((KEY,), 3600, now=lambda: time.time() + 30)
    assert SERVICE.read(ahead.issue(STATE)) == STATE


def test_keys_rotate_without_logging_anyone_out() -> None:
    token = SERVICE.issue(STATE)
    rotated = ClientSideStateService((OTHER_KEY, KEY), 3600)
    assert rotated.read(token) == STATE
    assert ClientSideStateService((OTHER_KEY,), 3600).read(rotated.issue(STATE)) == STATE
    with pytest.raises(Unauthenticated):
        ClientSideStateService((OTHER_KEY,), 3600).read(token)


def unsigned(claims: dict[str, object]) -> str:
    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def test_forged_tokens_are_refused() -> None:
    token = SERVICE.issue(STATE)
    claims = claims_of(token)
    header, payload, signature = token.split(".")
    without_exp = {name: value for name, value in claims.items() if name != "exp"}
    forged = [
        "",
        "x",
        "a.b.c",
        "\N{SNOWMAN}.b.c",
        unsigned(claims),
        jwt.encode(claims, OTHER_KEY, algorithm="HS256"),
        jwt.encode(claims, KEY, algorithm="HS512"),
        jwt.encode(claims, KEY, algorithm="HS384"),
        jwt.encode(without_exp, KEY, algorithm="HS256"),
        jwt.encode({"sub": "7", "exp": claims["exp"]}, KEY, algorithm="HS256"),
        f"{header}.{payload[:-2]}AA.{signature}",
        f"{header}.{payload}.",
        Tickets((KEY,), "pod", "boot").write(Tickets((KEY,), "pod", "boot").issue(7)),
    ]
    for number, token in enumerate(forged):
        with pytest.raises(Unauthenticated):
            pytest.fail(f"{number} was read as {SERVICE.read(token)}")


def test_refused_tokens_are_answered_with_401(make_replica: MakeReplica) -> None:
    replica = make_replica("stateless")
    shopper = Shopper(replica)
    shopper.token = ClientSideStateService((OTHER_KEY,), 3600).issue(STATE)
    answer = shopper.send("GET", contract.PROFILE)
    assert (answer.status_code, error_code(answer)) == (401, "unauthenticated")
    assert contract.SESSION_HEADER not in answer.headers
    assert sample(replica, "statefall_forged_total") == 1
    shopper.token = ClientSideStateService((KEY,), 60, now=lambda: time.time() - 61).issue(STATE)
    answer = shopper.send("GET", contract.PROFILE)
    assert (answer.status_code, error_code(answer)) == (401, "session_expired")
    assert answer.headers[contract.SESSION_HEADER] == "expired"
    shopper.send("GET", contract.PROFILE)
    assert (
        sample(replica, "statefall_sessions_lost_total", cause="expired") == 1
    )  # of one session, however often
    answer = shopper.send("GET", contract.PROFILE, Authorization="Basic dXNlcjc6c2hvcHBlcg==")
    assert error_code(answer) == "unauthenticated"


def test_any_replica_knows_the_client(make_replica: MakeReplica) -> None:
    here, there = make_replica("stateless"), make_replica("stateless", pod="pod-b", boot="other")
    shopper = Shopper(here, 51)
    shopper.login()
    shopper.add(1, 2)
    shopper.act("looked")
    moved = shopper.moved_to(there)
    assert moved.total()["lines"][0]["quantity"] == 2
    assert moved.get(contract.DASHBOARD)["recent_activity"] == ["looked"]
    assert moved.add(1)["version"] == 3


def test_the_largest_state_fits_into_a_header(make_replica: MakeReplica) -> None:
    shopper = Shopper(make_replica("stateless"), 52)
    shopper.login()
    widest = "\N{PILE OF POO}" * 64  # twelve bytes each in a token's JSON
    shopper.prefer(**{f"preference-{number:021}": widest for number in range(14)})
    for _ in range(10):
        shopper.act(widest)
    assert shopper.token is not None
    assert len(shopper.token) + len("Authorization: Bearer \r\n") < MAX_HEADER_BYTES
