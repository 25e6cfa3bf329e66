"""Puts the stateful twin together: this is where its state design is chosen."""

from __future__ import annotations

from services.openapi.document import OpenApi
from services.openapi.operations import Twin
from services.replica import Replica
from services.sessions.census import Census
from services.sessions.codec import SessionCodec
from services.sessions.external import ExternalSessions
from services.sessions.handoff import HandoffSessions
from services.sessions.measures import SessionMeasures
from services.sessions.memory import MemorySessions
from services.sessions.protocol import SessionStore
from services.sessions.records import SessionRecords
from services.sessions.replicated import ReplicatedSessions
from services.sessions.replication.place import Place
from services.sessions.sweeper import Sweeper
from services.sessions.tickets import Tickets
from services.sessions.write_through import WriteThroughSessions
from services.settings import KEEPS_SESSIONS_OUTSIDE, SessionDesign, Settings, SettingsError
from services.shop.accounts import Accounts
from services.shop.history import History
from services.shop.pages import ProductPages
from services.shop.recommender import Recommender
from services.stateful.answers import renew_cookie, send_renewed_cookie
from services.stateful.connection_management import StatefulConnectionManagement
from services.stateful.conversation_routes import ConversationRoutes
from services.stateful.dashboards import Dashboards
from services.stateful.degraded import DegradedSessions
from services.stateful.fault_tolerance import StatefulFaultTolerance
from services.stateful.lookup import Lookup
from services.stateful.orders import Orders
from services.stateful.places import Places
from services.stateful.realtime.measures import RealtimeMeasures
from services.stateful.realtime.routes import WebSocketRoute
from services.stateful.realtime.websocket_service import StatefulWebSocketService
from services.stateful.recommendations import DEFAULT_TTL_S, StatefulPerformanceOptimizations
from services.stateful.routes import StatefulRoutes
from services.stateful.shopping_cart import StatefulShoppingCart
from services.stateful.user_experience import StatefulUserExperience
from services.stateful.user_service import StatefulUserService
from services.store import Store

SWEEPS_PER_TTL = 60
IN_STORE = frozenset({SessionDesign.EXTERNAL, SessionDesign.WRITE_THROUGH})
"""Designs whose sessions can only be had from the store."""


def create(settings: Settings) -> Replica:
    """A replica of the stateful twin. Raises SettingsError for a state design that it does not have."""
    replica = Replica(settings, websockets=settings.websockets)
    measures = SessionMeasures(replica.metrics.registry)
    sessions = make_sessions(settings, replica.store, measures)
    if isinstance(sessions, ReplicatedSessions):
        replica.ready_when("peers", sessions.check)
    replica.on_drain.append(sessions.drain)
    replica.parts += [sessions, Sweeper(sessions, settings.session_ttl_s / SWEEPS_PER_TTL)]
    if settings.state in KEEPS_SESSIONS_OUTSIDE:
        replica.parts.append(Census(replica.store, measures))
    replica.metrics.count_sessions_with(sessions.active)
    tickets = Tickets(settings.keys, settings.pod, settings.boot)
    accounts = Accounts(replica.database)
    degraded = DegradedSessions(accounts, measures) if settings.state in IN_STORE else None
    lookup = Lookup(sessions, tickets, replica.metrics, degraded)
    replica.app.config["SESSION_COOKIE_SECURE"] = settings.secure_cookies
    lookup.on_renewed.append(renew_cookie)
    replica.app.after_request(send_renewed_cookie)
    history = History(replica.database)
    dashboards = Dashboards(history, replica.metrics, settings.cache_ttl_s)
    places = Places(settings.max_sessions, sessions.active, replica.metrics)
    users = StatefulUserService(accounts, sessions, tickets, lookup, dashboards, places)
    carts = StatefulShoppingCart(replica.catalogue, lookup)
    OpenApi(Twin.STATEFUL).register(replica.app)
    ProductPages(replica.catalogue, replica.catalogue).register(replica.app)
    recommender = Recommender(replica.database, replica.catalogue, settings.recommendation_rounds)
    replica.parts.append(recommender)
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
    websockets = StatefulWebSocketService(
        settings, lookup, replica.store, RealtimeMeasures(replica.metrics.registry)
    )
    WebSocketRoute(settings, lookup, websockets).register(replica.app)
    watch.holders += [connections, websockets]
    lookup.on_gone.append(watch.gone)
    replica.on_drain.append(websockets.drain)
    replica.parts += [connections, watch, websockets]
    return replica


def make_sessions(settings: Settings, store: Store, measures: SessionMeasures) -> SessionStore:
    """The session store of the chosen state design. Raises SettingsError for one that is not ours."""
    design, ttl_s = settings.state or SessionDesign.MEMORY, settings.session_ttl_s
    if design is SessionDesign.MEMORY:
        return MemorySessions(ttl_s)
    if design not in KEEPS_SESSIONS_OUTSIDE:
        raise SettingsError(f"STATEFALL_STATE is {design.value!r}: the stateful twin has no such design")
    codec = SessionCodec(settings.state_keys, settings.serialisation)
    records = SessionRecords(store, codec, ttl_s)
    match design:
        case SessionDesign.REPLICATED:
            where = Place(settings.host, settings.peer_port, settings.peer_address, settings.store_url)
            return ReplicatedSessions(
                settings.boot, settings.pod, where, settings.state_keys, ttl_s, store, codec, measures
            )
        case SessionDesign.HANDOFF:
            return HandoffSessions(MemorySessions(ttl_s), records, measures, settings.boot)
        case SessionDesign.WRITE_THROUGH:
            return WriteThroughSessions(records, measures, ttl_s)
        case _:
            return ExternalSessions(records, measures)
