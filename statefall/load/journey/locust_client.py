"""The client of an existing Locust user, each of its requests held to what the session was promised.

It sends as it always does; what it cannot say (whether a request left, how often) stays unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final
from urllib.parse import urlencode

from gevent.local import local
from locust.contrib.fasthttp import FastHttpSession

from statefall.ledger.kinds.promise import Write
from statefall.load.answers import Headers, HttpAnswer, HttpRequest, NoAnswer
from statefall.load.journey.declared import JourneyMistake
from statefall.load.journey.exchanges import Exchanges, Writes
from statefall.load.journey.replicas import NOBODY
from statefall.load.journey.replies import NoReply, Reply, TaskEnded
from statefall.records.contract import OPERATION_HEADER
from statefall.records.verdicts import RequestFailure

SHOWING: Final = frozenset({"content", "headers", "iter_content", "iter_lines", "js", "json", "text"})
"""Who reads one of these reads what an answer shows."""
RESENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""What geventhttpclient sends again by itself (its IDEMPOTENT_METHODS)."""
CIRCULAR: Final = ("redirects", "Redirection limit")
"""How the errors of both clients speak of too many redirects."""


class LocustCookies:
    """What a client of Locust's keeps."""

    def __init__(self, client: Any) -> None:
        self._jar = client.cookiejar if isinstance(client, FastHttpSession) else client.cookies

    def value(self, name: str) -> str | None:
        """See `Cookies.value`."""
        found = [cookie.value for cookie in self._jar if cookie.name == name]
        return found[-1] if found else None

    def clear(self) -> None:
        """See `Cookies.clear`."""
        self._jar.clear()


class LocustTab:
    """A client that Locust made. All its verbs come to its `request`, which is this one from now on."""

    def __init__(self, exchanges: Exchanges, client: Any) -> None:
        self._exchanges, self._client = exchanges, client
        self._send: Callable[..., Any] = client.request
        self._under_way: Any = local()
        self.operation = ""
        client.request = self.request
        exchanges.cookies = LocustCookies(client)

    def request(
        self, method: str, url: str, name: str | None = None, *, writes: Writes = None, **options: Any
    ) -> Any:
        """As the client's own; `writes` is what a good answer promises.

        Raises TaskEnded where the session is over.
        """
        self._refuse_repeats(method.upper(), writes)
        answered: list[Any] = []
        catch = bool(options.get("catch_response"))
        self._under_way.answered, self._under_way.options = answered, {"name": name, "catch_response": catch}
        ask = partial(self._ask, method, url, {**options, "name": name})
        try:
            reply = self._exchanges.exchange(self, method, url, ask, writes)
        except NoReply:
            _report(answered[:-1], catch)
            return self._showing(answered[-1], self._nothing(answered[-1], method, url))
        except TaskEnded:
            _report(answered, catch)
            raise
        _report(answered[:-1], catch)
        return self._showing(answered[-1], reply)

    def ask_again(self, page: HttpRequest) -> HttpAnswer | NoAnswer:
        """The same page, as a reload asks for it."""
        return self._ask("GET", page.url, {**self._under_way.options, "headers": page.headers})

    def reload(self, page: HttpRequest) -> None:
        """Ask for a page as the journey would."""
        self.request("GET", page.url, headers=page.headers)
        if self._exchanges.failed:
            raise TaskEnded

    def hang_up(self) -> None:
        """It has no WebSockets."""

    def close(self) -> None:
        """Its pool may be that of other users, too: it ends with the process."""

    def _nothing(self, response: Any, method: str, url: str) -> Reply:
        """What is not compared, whatever its content is."""
        asked = HttpRequest(method, url, url)
        answer = HttpAnswer(response.status_code or 0, Headers(), b"", asked)
        return Reply(answer, NOBODY, None, self._exchanges.touch)

    def _showing(self, response: Any, reply: Reply) -> Any:
        """The answer that came last is compared, until the content of another one is read."""
        self._exchanges.touch(reply)
        return _noticing(response, partial(self._exchanges.touch, reply))

    def _refuse_repeats(self, method: str, writes: Writes) -> None:
        """What is sent again in silence would look like the service's doubling."""
        if writes is None or method not in RESENT or not isinstance(self._client, FastHttpSession):
            return
        for write in (writes,) if isinstance(writes, Write) else writes:
            if write.shows_repeats:
                raise JourneyMistake(
                    f"{write.of}: FastHttpUser may send a {method} several times, which cannot be told "
                    "from a doubled write; use HttpUser or Shopper"
                )

    def _ask(self, method: str, url: str, options: dict[str, Any]) -> HttpAnswer | NoAnswer:
        """Send, and count. Killed in the middle it stays in flight."""
        load = self._exchanges.context.load
        recorder = load.recorder
        self.operation = self._exchanges.next_operation()
        own = dict(options.pop("headers", None) or {})
        headers = {**self._for_all(), **own, OPERATION_HEADER: self.operation}
        if not isinstance(self._client, FastHttpSession):
            options.setdefault("timeout", load.config.timeout_s)
        phase, began_s = recorder.scheduled(), time.perf_counter()
        recorder.operations += 1
        try:
            response = self._send(method, url, headers=headers, **options)
        except Exception:
            recorder.dropped(phase)
            raise
        took_s = time.perf_counter() - began_s
        self._under_way.answered.append(response)
        answer = self._answer(response, self._asked(method, url, options, own), bool(options.get("stream")))
        if isinstance(answer, NoAnswer):
            recorder.failed(phase, took_s, answer.failure)
        elif answer.status >= 500:
            recorder.failed(phase, took_s, RequestFailure.of_status(answer.status))
        else:
            recorder.completed(phase, took_s)
        return answer

    def _for_all(self) -> dict[str, str]:
        site = self._exchanges.context.site
        another_host = {"Host": site.authority} if site.origin != site.connects_to else {}
        return {**another_host, **site.headers}

    def _asked(
        self, method: str, url: str, options: Mapping[str, Any], headers: Mapping[str, str]
    ) -> HttpRequest:
        asked = str(self._client._build_url(url))
        params = options.get("params")
        if params:
            query = params if isinstance(params, str) else urlencode(params, doseq=True)
            asked = f"{asked}{'&' if '?' in asked else '?'}{query}"
        target = self._exchanges.context.site.target_of(asked) or asked
        return HttpRequest(method.upper(), asked, target, headers)

    def _answer(self, response: Any, asked: HttpRequest, streamed: bool) -> HttpAnswer | NoAnswer:
        """What the ledger needs of an answer."""
        if not response.status_code or response.headers is None:
            reason = str(getattr(response, "error", "no answer"))
            circular = any(text in reason for text in CIRCULAR)
            hop = HttpAnswer(302, Headers(), b"", asked)
            return NoAnswer(sent=True, reason=reason, hops=(hop,) * circular, circular=circular)
        try:
            body = b"" if streamed else bytes(response.content or b"")
        except Exception as error:  # noqa: BLE001 - whatever the client makes of a broken body
            return NoAnswer(sent=True, reason=f"broken answer: {error}")
        final = str(getattr(response.request, "url", None) or asked.url)
        target = self._exchanges.context.site.target_of(final)
        method = str(getattr(response.request, "method", None) or asked.method)
        hops = _hops(response, asked, final)
        return HttpAnswer(
            response.status_code,
            Headers((str(name), str(value)) for name, value in response.headers.items()),
            body,
            HttpRequest(method, final, target or final, asked.headers, hop=len(hops)),
            hops=hops,
            elsewhere="" if target is not None else final,
        )


def _hops(response: Any, asked: HttpRequest, final: str) -> tuple[HttpAnswer, ...]:
    """The redirects, with where each led; FastHttpUser's client forgets them under `catch_response`."""
    history = getattr(response, "history", None)
    if history:
        led = [(each.status_code, str(each.headers.get("location", ""))) for each in history]
    else:
        led = [(302, final)] if final.partition("?")[0] != asked.url.partition("?")[0] else []
    return tuple(HttpAnswer(status, Headers([("location", where)]), b"", asked) for status, where in led)


def _report(responses: list[Any], catch: bool) -> None:
    """Have Locust's statistics count what nobody will see in a `with`."""
    if catch:
        for response in responses:
            with response:
                pass


def _noticing(response: Any, touched: Callable[[], None]) -> Any:
    """The same answer, which says when its content is read."""
    response._touched = touched
    kind: Any = type(response)
    response.__class__ = _noticing_kind(kind)
    return response


@cache
def _noticing_kind(kind: Any) -> type[Any]:
    get_plainly: Callable[[Any, str], Any] = kind.__getattribute__

    def get(self: Any, name: str) -> Any:
        if name in SHOWING:
            get_plainly(self, "_touched")()
        return get_plainly(self, name)

    return type(kind.__name__, (kind,), {"__getattribute__": get, "__module__": kind.__module__})
