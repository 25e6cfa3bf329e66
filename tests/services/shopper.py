"""A client that keeps the contract on either twin, in the process: token, cookie and cart."""

from __future__ import annotations

from itertools import count
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services import contract
from services.replica import Replica

_operations = count(1)


class Shopper:
    """One user's browser. Keeps what it is handed and sends it back, as the contract says."""

    def __init__(self, replica: Replica, user_id: int = 1) -> None:
        self.user_id = user_id
        self.token: str | None = None
        self.cart: dict[str, Any] | None = None
        self._client: FlaskClient = replica.app.test_client()

    def moved_to(self, replica: Replica) -> Shopper:
        """The same browser, with its next requests answered by another replica."""
        other = Shopper(replica, self.user_id)
        other.token, other.cart, other.cookie = self.token, self.cart, self.cookie
        return other

    @property
    def cookie(self) -> str | None:
        """The session cookie's value."""
        found = self._client.get_cookie(contract.SESSION_COOKIE)
        return found.value if found else None

    @cookie.setter
    def cookie(self, value: str | None) -> None:
        if value is None:
            self._client.delete_cookie(contract.SESSION_COOKIE)
        else:
            self._client.set_cookie(contract.SESSION_COOKIE, value)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send one request and keep what the answer hands over."""
        sent = {contract.OPERATION_HEADER: f"op-{next(_operations)}"}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if self.cart is not None and isinstance(body, dict) and path.startswith("/cart/"):
            body = {"cart": self.cart, **body}
        answer = self._client.open(path, method=method, json=body, headers={**sent, **headers})
        content = answer.get_json(silent=True)
        if isinstance(content, dict):
            self.token = content.get("token", self.token)
            self.cart = content.get("cart", self.cart)
        return answer

    def login(self, password: str = "shopper") -> TestResponse:
        """Log in."""
        return self.send("POST", contract.LOGIN, {"user": f"user{self.user_id}", "password": password})

    def get(self, path: str) -> dict[str, Any]:
        """Read a page that must be answered with 200."""
        return self._ok(self.send("GET", path))

    def add(self, product_id: int, quantity: int = 1) -> dict[str, Any]:
        """Add to the cart."""
        body = {"product_id": product_id, "quantity": quantity}
        return self._ok(self.send("POST", contract.CART_ITEMS, body))

    def total(self) -> dict[str, Any]:
        """Price the cart."""
        return self._ok(self.send("POST", contract.CART_TOTAL, {}))

    def act(self, action: str) -> dict[str, Any]:
        """Record an action."""
        return self._ok(self.send("POST", contract.ACTIVITY, {"action": action}))

    def prefer(self, **preferences: str) -> dict[str, Any]:
        """Change preferences."""
        return self._ok(self.send("PUT", contract.PREFERENCES, {"preferences": preferences}))

    def _ok(self, answer: TestResponse) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        content = answer.get_json()
        assert isinstance(content, dict)
        return content


def error_code(answer: TestResponse) -> str:
    """The code of an answer that refuses; fails when it is not shaped as the contract says."""
    content = answer.get_json()
    assert set(content) == {"error"}
    assert set(content["error"]) == {"code", "message"}
    return str(content["error"]["code"])


def sample(replica: Replica, name: str, **labels: str) -> float:
    """One figure of a replica's own metrics; 0 while it was never counted."""
    return replica.metrics.registry.get_sample_value(name, labels) or 0.0
