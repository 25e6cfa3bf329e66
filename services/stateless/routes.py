"""The routes of the stateless twin: from HTTP to its services and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Flask, Response, request

from services import bodies, contract, web
from services.contract import SessionStatus
from services.login_throttle import LoginThrottle
from services.refusals import SessionExpired, Unauthenticated
from services.replica import Replica
from services.shop.accounts import Accounts
from services.shop.history import History
from services.shop.phrases import action_message
from services.shop.recommender import shown
from services.stateless.client_side_cart import ClientSideShoppingCart
from services.stateless.client_state import ClientSideStateService, ClientState, initial_state
from services.stateless.recommendations import StatelessRecommendations
from services.stateless.request_overhead import Overhead, StatelessRequestOverhead
from services.stateless.shopping_cart import StatelessShoppingCart, travelling
from services.stateless.user_service import StatelessUserService


class StatelessRoutes:
    """Every route of the contract that has to do with a user. Nothing here outlives a request."""

    def __init__(
        self,
        replica: Replica,
        accounts: Accounts,
        tokens: ClientSideStateService,
        users: StatelessUserService,
        carts: StatelessShoppingCart,
        client_carts: ClientSideShoppingCart,
        history: History,
        recommendations: StatelessRecommendations,
        overhead: StatelessRequestOverhead,
    ) -> None:
        self._settings, self._metrics = replica.settings, replica.metrics
        self._metrics.may_lose_by((SessionStatus.EXPIRED,))
        self._throttle = LoginThrottle(replica.settings, replica.store, replica.metrics)
        self._accounts, self._tokens, self._users = accounts, tokens, users
        self._carts, self._client_carts, self._history = carts, client_carts, history
        self._recommendations, self._overhead = recommendations, overhead

    def register(self, app: Flask) -> None:
        """Add the routes."""
        app.add_url_rule(contract.LOGIN, "login", self.login, methods=["POST"])
        app.add_url_rule(contract.LOGOUT, "logout", self.logout, methods=["POST"])
        app.add_url_rule(contract.PROFILE, "profile", self.profile)
        app.add_url_rule(contract.PREFERENCES, "preferences", self.preferences, methods=["PUT"])
        app.add_url_rule(contract.CART_ITEMS, "cart_items", self.cart_items, methods=["POST"])
        app.add_url_rule(contract.CART_TOTAL, "cart_total", self.cart_total, methods=["POST"])
        app.add_url_rule(contract.CART_VALIDATE, "cart_validate", self.cart_validate, methods=["POST"])
        app.add_url_rule(contract.DASHBOARD, "dashboard", self.dashboard)
        app.add_url_rule(contract.ACTIVITY, "activity", self.activity, methods=["POST"])
        app.add_url_rule(contract.RECOMMENDATIONS, "recommendations", self.recommendations)

    def login(self) -> Response:
        """Hand out a first token."""
        login = web.body(bodies.Login)
        with self._throttle.attempt(login.user, request.remote_addr):
            account = self._accounts.authenticate(login.user, login.password)
        self._metrics.sessions_created.inc()
        state = initial_state(account)
        return self._answer(
            state,
            SessionStatus.NEW,
            name=account.name,
            preferences=state.preferences,
            expires_in=int(self._settings.session_ttl_s),
            token=self._issue(state),
        )

    def logout(self) -> Response:
        """The client forgets its token; that is all a service without sessions can offer."""
        web.body(bodies.Nothing)
        return self._answer(self._state())

    def profile(self) -> Response:
        """Who the user is."""
        state = self._state()
        account = self._users.profile(state.user_id, state.preferences_version)
        return self._answer(
            state,
            name=account.name,
            email=account.email,
            preferences=account.preferences.values,
            permissions=state.permissions,
        )

    def preferences(self) -> Response:
        """Change preferences."""
        state = self._state()
        changes = web.body(bodies.PreferenceChanges).preferences
        if not self._repeated(state):
            state = state.with_preferences(self._users.set_preferences(state.user_id, changes))
            state = state.after(web.operation())
        return self._answer(state, preferences=state.preferences, token=self._issue(state))

    def cart_items(self) -> Response:
        """Add to the cart that came with the request."""
        state = self._state()
        item = web.body(bodies.CartItem)
        held = item.cart.cart() if item.cart else ()
        if self._repeated(state):  # so does the cart, which was handed out with the token
            changed, priced = held, self._carts.total(held)
        else:
            changed, priced = self._carts.add(held, item.product_id, item.quantity)
            state = state.with_cart_change().after(web.operation())
        return self._answer(state, **priced, cart=travelling(changed), token=self._issue(state))

    def cart_total(self) -> Response:
        """Price the cart that came with the request."""
        state = self._state()
        sent = web.body(bodies.CartTotal).cart
        return self._answer(state, **self._carts.total(sent.cart() if sent else ()))

    def cart_validate(self) -> Response:
        """Check the cart that came with the request against the catalogue."""
        state = self._state()
        sent = web.body(bodies.CartToCheck).cart
        return self._answer(state, **self._client_carts.validate(sent.claims() if sent else ()))

    def dashboard(self) -> Response:
        """Put together anew for each request."""
        state = self._state()
        account = self._users.profile(state.user_id, state.preferences_version)
        return self._answer(
            state,
            name=account.name,
            preferences=account.preferences.values,
            recent_activity=state.activity,
            recent_purchases=[asdict(bought) for bought in self._history.recent(state.user_id)],
        )

    def activity(self) -> Response:
        """Record an action in the token; who is spoken to is fetched, as on each request."""
        state = self._state()
        action = web.body(bodies.Activity).action
        account = self._users.profile(state.user_id, state.preferences_version)
        if not self._repeated(state):
            state = state.with_action(action).after(web.operation())
        return self._answer(
            state,
            recent_activity=state.activity,
            message=action_message(account.name, state.activity),
            token=self._issue(state),
        )

    def recommendations(self) -> Response:
        """Fetched and computed for this request."""
        state = self._state()
        account = self._users.profile(state.user_id, state.preferences_version)
        return self._answer(state, **shown(self._recommendations.of(account)))

    def _state(self) -> ClientState:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("log in first and send the token (Authorization: Bearer)")
        with self._overhead.paying_for(Overhead.TOKEN_VALIDATION):
            try:
                return self._tokens.read(token.strip())
            except SessionExpired:
                self._metrics.lost(token.strip(), SessionStatus.EXPIRED)
                raise
            except Unauthenticated:
                self._metrics.forged.inc()
                raise

    def _repeated(self, state: ClientState) -> bool:
        """Whether the token holds this write already."""
        repeated = state.knows(web.operation())
        if repeated:
            self._metrics.repeated_writes.inc()
        return repeated

    def _issue(self, state: ClientState) -> str:
        with self._overhead.paying_for(Overhead.TOKEN_ISSUE):
            return self._tokens.issue(state)

    def _answer(
        self, state: ClientState, status: SessionStatus = SessionStatus.KNOWN, **fields: Any
    ) -> Response:
        web.know_session(status, state.version)
        return web.answer(state.user_id, state.version, **fields)
