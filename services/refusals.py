"""Every way a request can be refused, with its code, status and what it says of the session.

Refusal                      the base; carries the contract's error code
├── BadRequest          400  the body or the query is not what the contract says
├── BadCredentials      401  no such user, or another password
├── Unauthenticated     401  no proof of a login came with the request, or a forged one
├── SessionLost         401  there was a login, but this service no longer knows its session
├── SessionExpired      401  the session or the token was too old
├── NotFound            404  no such product, user or route
├── Throttled           429  too many wrong passwords for this user or from this address
├── Overloaded          503  a limit is reached; later it may work (StoreBusy says so, too)
│   └── Full                 this replica holds as many sessions as it may
└── Unavailable         503  something behind this replica does not answer, or another replica
    ├── DatabaseUnavailable  the database
    └── services.store.StoreUnavailable  the store
"""

from __future__ import annotations

from services.contract import ErrorCode, SessionStatus


class Refusal(Exception):
    """A request that is answered with an error; the text is shown to the client."""

    status = 500
    code = ErrorCode.INTERNAL
    session: SessionStatus | None = None
    retry_after_s: float | None = None


class BadRequest(Refusal):
    """The client sent something the contract does not allow."""

    status = 400
    code = ErrorCode.BAD_REQUEST


class BadCredentials(Refusal):
    """Does not say which of user and password was wrong."""

    status = 401
    code = ErrorCode.BAD_CREDENTIALS


class Unauthenticated(Refusal):
    """Log in first."""

    status = 401
    code = ErrorCode.UNAUTHENTICATED


class SessionLost(Refusal):
    """The session existed and is gone from where this replica looked."""

    status = 401
    code = ErrorCode.SESSION_LOST
    session = SessionStatus.LOST


class SessionExpired(Refusal):
    """Unused for longer than its time to live."""

    status = 401
    code = ErrorCode.SESSION_EXPIRED
    session = SessionStatus.EXPIRED


class NotFound(Refusal):
    """There is no such thing, or it is not for sale."""

    status = 404
    code = ErrorCode.NOT_FOUND


class Throttled(Refusal):
    """Too many wrong passwords; says when to come back."""

    status = 429
    code = ErrorCode.THROTTLED

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(Refusal):
    """This replica has a limit, and it is reached; the request changed nothing."""

    status = 503
    code = ErrorCode.OVERLOADED


class Full(Overloaded):
    """No session can begin here now; says when to come back."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(Refusal):
    """Something behind this replica does not answer; nothing is known of the outcome."""

    status = 503
    code = ErrorCode.STORE_UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or not yet; the store may be well."""

    code = ErrorCode.DATABASE_UNAVAILABLE
