"""Puts the stateless twin together."""

from __future__ import annotations

from services.openapi.document import OpenApi
from services.openapi.operations import Twin
from services.replica import Replica
from services.settings import SessionDesign, Settings, SettingsError
from services.shop.accounts import Accounts
from services.shop.history import History
from services.shop.pages import ProductPages
from services.shop.recommender import Recommender
from services.stateless.caching import StatelessServiceWithCaching
from services.stateless.client_side_cart import ClientSideShoppingCart
from services.stateless.client_state import ClientSideStateService
from services.stateless.product_pages import CachedProductPages, CacheWarmer
from services.stateless.recommendations import DEFAULT_TTL_S, StatelessRecommendations
from services.stateless.request_overhead import StatelessRequestOverhead
from services.stateless.routes import StatelessRoutes
from services.stateless.shopping_cart import StatelessShoppingCart
from services.stateless.user_service import StatelessUserService


def create(settings: Settings) -> Replica:
    """A replica of the stateless twin. Raises SettingsError for a state design that is not its own."""
    if settings.state not in (None, SessionDesign.CLIENT):
        raise SettingsError(f"STATEFALL_STATE is {settings.state.value!r}: the stateless twin knows client")
    replica = Replica(settings)
    accounts, history = Accounts(replica.database), History(replica.database)
    cache = StatelessServiceWithCaching(replica.store, replica.metrics)
    overhead = StatelessRequestOverhead(replica.metrics)
    pages = CachedProductPages(replica.catalogue, cache, settings.cache_ttl_s)
    replica.parts.append(CacheWarmer(pages, replica.metrics))
    OpenApi(Twin.STATELESS).register(replica.app)
    ProductPages(replica.catalogue, pages).register(replica.app)
    recommender = Recommender(replica.database, replica.catalogue, settings.recommendation_rounds)
    replica.parts.append(recommender)
    ttl_s = settings.recommendation_ttl_s
    StatelessRoutes(
        replica,
        accounts,
        ClientSideStateService(settings.keys, settings.session_ttl_s),
        StatelessUserService(accounts, cache, overhead, settings.cache_ttl_s),
        StatelessShoppingCart(replica.catalogue),
        ClientSideShoppingCart(replica.catalogue),
        history,
        StatelessRecommendations(
            history, recommender, cache, overhead, DEFAULT_TTL_S if ttl_s is None else ttl_s
        ),
        overhead,
    ).register(replica.app)
    return replica
