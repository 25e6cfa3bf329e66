"""The routes of the stateful twin: from HTTP to its services and back."""

from __future__ import annotations

from dataclasses import asdict

from flask import Flask, Response, request

from services import bodies, contract, web
from services.contract import SessionStatus
from services.login_throttle import LoginThrottle
from services.replica import Replica
from services.shop.phrases import action_message
from services.stateful.answers import session_answer, session_cookie, set_session_cookie
from services.stateful.dashboards import Dashboards
from services.stateful.lookup import Lookup
from services.stateful.shopping_cart import StatefulShoppingCart
from services.stateful.user_service import StatefulUserService


class StatefulRoutes:
    """Every route of the contract that has to do with a session."""

    def __init__(
        self,
        replica: Replica,
        lookup: Lookup,
        users: StatefulUserService,
        carts: StatefulShoppingCart,
        dashboards: Dashboards,
    ) -> None:
        self._settings, self._metrics, self._lookup = replica.settings, replica.metrics, lookup
        self._throttle = LoginThrottle(replica.settings, replica.store, replica.metrics)
        self._users, self._carts, self._dashboards = users, carts, dashboards

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

    def login(self) -> Response:
        """Begin a session."""
        login = web.body(bodies.Login)
        with self._throttle.attempt(login.user, request.remote_addr):
            cookie, session = self._users.login(login.user, login.password, session_cookie())
        self._metrics.sessions_created.inc()
        response = session_answer(
            session,
            SessionStatus.NEW,
            name=session.name,
            preferences=session.preferences,
            expires_in=int(self._settings.session_ttl_s),
        )
        set_session_cookie(response, cookie)
        return response

    def logout(self) -> Response:
        """End the session."""
        web.body(bodies.Nothing)
        session = self._lookup.load(session_cookie())
        self._lookup.end(session_cookie())
        response = session_answer(session)
        response.delete_cookie(
            contract.SESSION_COOKIE,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self._settings.secure_cookies,
        )
        return response

    def profile(self) -> Response:
        """Who the user is, from the session."""
        session = self._lookup.load(session_cookie())
        return session_answer(
            session,
            name=session.name,
            email=session.email,
            preferences=session.preferences,
            permissions=session.permissions,
            login_at=session.login_at_s,
            last_activity_at=session.last_activity_at_s,
        )

    def preferences(self) -> Response:
        """Change preferences."""
        changes = web.body(bodies.PreferenceChanges).preferences
        session = self._users.set_preferences(session_cookie(), changes, web.operation())
        return session_answer(session, preferences=session.preferences)

    def cart_items(self) -> Response:
        """Add to the cart; a cart in the body is none of this twin's business."""
        item = web.body(bodies.CartItem)
        session, priced = self._carts.add(session_cookie(), item.product_id, item.quantity, web.operation())
        return session_answer(session, **priced)

    def cart_total(self) -> Response:
        """Price the cart."""
        web.body(bodies.CartTotal)
        session, priced = self._carts.total(session_cookie())
        return session_answer(session, **priced)

    def cart_validate(self) -> Response:
        """Check the cart against the catalogue."""
        web.body(bodies.CartToCheck)
        session, checked = self._carts.validate(session_cookie())
        return session_answer(session, **checked)

    def dashboard(self) -> Response:
        """What the session and the user's history say."""
        session = self._lookup.load(session_cookie())
        purchases = self._dashboards.recent_purchases(session.user_id)
        return session_answer(
            session,
            name=session.name,
            preferences=session.preferences,
            recent_activity=session.activity,
            cart_items=len(session.cart),
            recent_purchases=[asdict(purchase) for purchase in purchases],
        )

    def activity(self) -> Response:
        """Record an action."""
        action = web.body(bodies.Activity).action
        session = self._users.record_activity(session_cookie(), action, web.operation())
        return session_answer(
            session,
            recent_activity=session.activity,
            message=action_message(session.name, session.activity),
        )
