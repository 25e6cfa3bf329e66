"""Puts the stateful twin together: this is where its state design is chosen."""

from __future__ import annotations

from services.replica import Replica
from services.sessions.memory import MemorySessions
from services.sessions.protocol import SessionStore
from services.sessions.sweeper import Sweeper
from services.sessions.tickets import Tickets
from services.settings import SessionDesign, Settings, SettingsError
from services.shop.accounts import Accounts
from services.shop.history import History
from services.shop.pages import ProductPages
from services.shop.recommender import Recommender
from services.stateful.connection_management import StatefulConnectionManagement
from services.stateful.conversation_routes import ConversationRoutes
from services.stateful.dashboards import Dashboards
from services.stateful.fault_tolerance import StatefulFaultTolerance
from services.stateful.lookup import Lookup
from services.stateful.orders import Orders
from services.stateful.recommendations import DEFAULT_TTL_S, StatefulPerformanceOptimizations
from services.stateful.routes import StatefulRoutes
from services.stateful.shopping_cart import StatefulShoppingCart
from services.stateful.user_experience import StatefulUserExperience
from services.stateful.user_service import StatefulUserService

SWEEPS_PER_TTL = 60


def create(settings: Settings) -> Replica:
    """A replica of the stateful twin. Raises SettingsError for a state design that it does not have."""
    sessions = make_sessions(settings)
    replica = Replica(settings)
    replica.parts += [sessions, Sweeper(sessions, settings.session_ttl_s / SWEEPS_PER_TTL)]
    replica.metrics.count_sessions_with(sessions.active)
    tickets = Tickets(settings.keys, settings.pod, settings.boot)
    lookup = Lookup(sessions, tickets, replica.metrics)
    history = History(replica.database)
    dashboards = Dashboards(history, replica.metrics, settings.cache_ttl_s)
    users = StatefulUserService(Accounts(replica.database), sessions, tickets, lookup, dashboards)
    carts = StatefulShoppingCart(replica.catalogue, lookup)
    ProductPages(replica.catalogue, replica.catalogue).register(replica.app)
    recommender = Recommender(replica.database, replica.catalogue, settings.recommendation_rounds)
    ttl_s = settings.recommendation_ttl_s
    StatefulPerformanceOptimizations(
        lookup, history, recommender, replica.metrics, DEFAULT_TTL_S if ttl_s is None else ttl_s
    ).register(replica.app)
    StatefulRoutes(replica, lookup, users, carts, dashboards).register(replica.app)
    ConversationRoutes(StatefulUserExperience(lookup), replica.metrics).register(replica.app)
    connections = StatefulConnectionManagement(
        settings.database_url, settings.session_connections, replica.metrics
    )
    Orders(lookup, connections).register(replica.app)
    watch = StatefulFaultTolerance(sessions)
    watch.holders += [connections]
    lookup.on_gone.append(watch.gone)
    replica.parts += [connections, watch]
    return replica


def make_sessions(settings: Settings) -> SessionStore:
    """The session store of the chosen state design."""
    design = settings.state or SessionDesign.MEMORY
    if design is SessionDesign.MEMORY:
        return MemorySessions(settings.session_ttl_s)
    raise SettingsError(
        f"STATEFALL_STATE is {design.value!r}: the stateful twin knows {SessionDesign.MEMORY}"
    )
