"""A replica starts with good settings, or says in one line what is wrong with them."""

from __future__ import annotations

import pytest

from services.settings import (
    LOCAL_KEY,
    Environment,
    SessionDesign,
    SettingsError,
    new_boot_id,
    read_settings,
)
from services.stateful.app import create as create_stateful
from services.stateless.app import create as create_stateless

KEY = "x" * 32
GOOD = {
    "STATEFALL_DATABASE_URL": "postgresql://shop@localhost/shop",
    "STATEFALL_STORE_URL": "redis://localhost:6379/0",
    "STATEFALL_JWT_KEYS": KEY,
}


def test_what_is_not_set_has_a_safe_default() -> None:
    settings = read_settings(GOOD)
    assert settings.environment is Environment.PRODUCTION
    assert settings.secure_cookies
    assert settings.state is None
    assert (settings.session_ttl_s, settings.cache_ttl_s) == (3600, 300)
    assert settings.pod


def test_everything_can_be_set() -> None:
    settings = read_settings(
        {
            **GOOD,
            "STATEFALL_POD": "pod-7",
            "STATEFALL_STATE": "memory",
            "STATEFALL_JWT_KEYS": f"{KEY}, {'y' * 40}",
            "STATEFALL_ENVIRONMENT": "local",
            "STATEFALL_SESSION_TTL_S": "60",
            "STATEFALL_CACHE_TTL_S": "0.5",
            "STATEFALL_SECURE_COOKIES": "1",
        }
    )
    assert settings.pod == "pod-7"
    assert settings.state is SessionDesign.MEMORY
    assert settings.keys == (KEY, "y" * 40)
    assert (settings.session_ttl_s, settings.cache_ttl_s) == (60, 0.5)
    assert settings.secure_cookies


def test_the_local_environment_needs_no_key() -> None:
    settings = read_settings({**GOOD, "STATEFALL_JWT_KEYS": "", "STATEFALL_ENVIRONMENT": "local"})
    assert settings.keys == (LOCAL_KEY,)
    assert not settings.secure_cookies


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"STATEFALL_JWT_KEYS": ""}, "STATEFALL_JWT_KEYS is not set"),
        ({"STATEFALL_JWT_KEYS": LOCAL_KEY}, "key of the local environment"),
        ({"STATEFALL_JWT_KEYS": f"{KEY},{LOCAL_KEY}"}, "key of the local environment"),
        ({"STATEFALL_JWT_KEYS": f"{KEY},short"}, "key 2 is shorter than 32 bytes"),
        ({"STATEFALL_DATABASE_URL": ""}, "STATEFALL_DATABASE_URL is not set"),
        ({"STATEFALL_STORE_URL": ""}, "STATEFALL_STORE_URL is not set"),
        ({"STATEFALL_ENVIRONMENT": "prod"}, "STATEFALL_ENVIRONMENT is 'prod' (one of: local, production)"),
        ({"STATEFALL_STATE": "disk"}, "STATEFALL_STATE is 'disk'"),
        ({"STATEFALL_SESSION_TTL_S": "0"}, "STATEFALL_SESSION_TTL_S is '0'"),
        ({"STATEFALL_SESSION_TTL_S": "inf"}, "STATEFALL_SESSION_TTL_S is 'inf'"),
        ({"STATEFALL_CACHE_TTL_S": "soon"}, "STATEFALL_CACHE_TTL_S is 'soon'"),
        ({"STATEFALL_SECURE_COOKIES": "perhaps"}, "STATEFALL_SECURE_COOKIES is 'perhaps'"),
    ],
)
def test_bad_settings_are_refused_by_name(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_settings({**GOOD, **changes})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_settings_do_not_print_their_secrets() -> None:
    assert KEY not in repr(read_settings(GOOD))
    assert "localhost" not in repr(read_settings(GOOD))


def test_a_twin_refuses_a_state_design_that_is_not_its_own() -> None:
    with pytest.raises(SettingsError, match="stateless twin"):
        create_stateless(read_settings({**GOOD, "STATEFALL_STATE": "memory"}))
    with pytest.raises(SettingsError, match="STATEFALL_STATE is 'client'"):
        create_stateful(read_settings({**GOOD, "STATEFALL_STATE": "client"}))


def test_boot_ids_differ() -> None:
    assert len({new_boot_id() for _ in range(1000)}) == 1000
