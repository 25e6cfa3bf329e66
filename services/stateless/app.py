"""Puts the stateless twin together."""

from __future__ import annotations

from services.replica import Replica
from services.settings import SessionDesign, Settings, SettingsError
from services.shop.accounts import Accounts
from services.shop.history import History
from services.stateless.client_state import ClientSideStateService
from services.stateless.routes import StatelessRoutes
from services.stateless.shopping_cart import StatelessShoppingCart
from services.stateless.user_service import StatelessUserService


def create(settings: Settings) -> Replica:
    """A replica of the stateless twin. Raises SettingsError for a state design that is not its own."""
    if settings.state not in (None, SessionDesign.CLIENT):
        raise SettingsError(f"STATEFALL_STATE is {settings.state.value!r}: the stateless twin knows client")
    replica = Replica(settings)
    accounts = Accounts(replica.database)
    StatelessRoutes(
        replica,
        accounts,
        ClientSideStateService(settings.keys, settings.session_ttl_s),
        StatelessUserService(accounts, replica.store, settings.cache_ttl_s),
        StatelessShoppingCart(replica.catalogue),
        History(replica.database),
    ).register(replica.app)
    return replica
