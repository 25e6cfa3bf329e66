"""One HTTP request to a process of this machine: a new connection, no proxy, no retry.

By the standard library: it is asked twice a second for every replica, beside the load that is measured
(docs/decisions/0051-own-watch-and-lease.md).
"""

from __future__ import annotations

import http.client


class Unanswered(Exception):
    """Nobody answered, or not in HTTP."""


def request(
    address: str, method: str, path: str, body: bytes | None = None, *, timeout_s: float = 1.0
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises Unanswered."""
    connection = http.client.HTTPConnection(address, timeout=timeout_s)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"{method} http://{address}{path}: {error or type(error).__name__}") from error
    finally:
        connection.close()
