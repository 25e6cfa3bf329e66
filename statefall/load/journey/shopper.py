"""The Locust user that a journey subclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from statefall.load.http import Fields
from statefall.load.journey.acting import Acting
from statefall.load.journey.exchanges import Exchanges, Writes
from statefall.load.journey.replies import Reply
from statefall.load.journey.sockets import Socket
from statefall.load.journey.tabs import Tab


class Asking:
    """Requests over one tab."""

    _exchanges: Exchanges
    _tab: Tab

    def request(
        self,
        method: str,
        path: str,
        *,
        name: str | None = None,
        writes: Writes = None,
        json: object = None,
        data: Fields | bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Fields | None = None,
        allow_redirects: bool = True,
    ) -> Reply:
        """Ask once, and follow redirects.

        `writes`: what a good answer promises, as the promises declare it (`self.cart.add(1)`); several in a
        list. `json`: a document. `data`: a form's fields, or a body as it is. `params`: the query. `name`:
        under which the statistics have it. Without a whole answer below 500 the task ends here (NoReply).
        """
        return self._exchanges.request(
            self._tab, method, path, name=name, writes=writes, json=json, data=data, headers=headers,
            params=params, allow_redirects=allow_redirects,
        )  # fmt: skip

    def get(self, path: str, **options: Any) -> Reply:
        """See `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Reply:
        """See `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Reply:
        """See `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Reply:
        """See `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Reply:
        """See `request`."""
        return self.request("DELETE", path, **options)

    def socket(self, path: str, *, history: bool) -> Socket:
        """The session's WebSocket to this path, opened where there is none, or it has ended.

        `history`: whether the service tells each new connection all that was said before.
        """
        return self._tab.socket(path, history=history)

    def form(
        self, path: str, which: str | int | None = None, *, name: str | None = None, writes: Writes = None,
        data: Fields | None = None, **fields: object,
    ) -> Reply:  # fmt: skip
        """Get the page and send its form with these fields typed in; hidden ones go along as they are.

        `data`: fields whose names are those of this call's own options.
        """
        found = self.get(path).form(which)
        typed = {**found.fields, **(data or {}), **fields}
        if found.method == "POST":
            if self._exchanges.logging_in:
                self._exchanges.login_pages.add(path)
            return self.request("POST", found.action, data=typed, name=name, writes=writes)
        return self.request("GET", found.action.partition("?")[0], params=typed, name=name, writes=writes)


class OtherTab(Asking):
    """One more tab of the same session."""

    def __init__(self, exchanges: Exchanges, tab: Tab) -> None:
        self._exchanges, self._tab = exchanges, tab

    def close(self) -> None:
        """Drop its connection."""
        self._tab.close()


class Shopper(Acting, Asking):  # type: ignore[override]
    """A shopper: subclass it with promises, `log_in` and tasks.

    `log_in` begins a session, again after a loss. `sign_up`, where it is defined, comes once before the
    first login. `audit`, where it is defined, reads all that was promised; else the tasks that compare
    something are run again at the end. `wait_time` may be Locust's own (`wait_time = between(1, 2)`); else
    the load's think time counts.
    """

    abstract = True

    def wait_time(self) -> float:
        """Seconds until the next task."""
        return self._walk.think_s()

    @contextmanager
    def tab(self) -> Iterator[OtherTab]:
        """One more tab: the same cookies and promises, a connection of its own."""
        other = OtherTab(self._exchanges, self._exchanges.open_tab())
        try:
            yield other
        finally:
            other.close()
            self._exchanges.tabs.remove(other._tab)

    @property
    def _tab(self) -> Tab:  # type: ignore[override]
        return cast("Tab", self._exchanges.tabs[0])
