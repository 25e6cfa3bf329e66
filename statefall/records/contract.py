"""The few words that a service under test and the tool may share without being asked in a file.

The operation header is the tool's own. The rest is what the twins use and other services may: where probes
go, and the setting by which a session's time to live is changed.
"""

from __future__ import annotations

from typing import Final

OPERATION_HEADER: Final = "Statefall-Operation"
"""Names each request of the load, for a service that counts them and for a balancer that logs them."""

LIVE: Final = "/live"
READY: Final = "/ready"
METRICS: Final = "/metrics"

SESSION_TTL: Final = "STATEFALL_SESSION_TTL_S"
"""The setting that says how many seconds a session lives without being used (a token: from its issue)."""
DEFAULT_SESSION_TTL_S: Final = 3600.0
