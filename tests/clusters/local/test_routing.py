"""What the balancer is told."""

from __future__ import annotations

from statefall.clusters.local import lifecycle
from statefall.clusters.local.lifecycle import PodState
from statefall.clusters.local.routing import COOKIE, Endpoint, Route, changes, endpoints

STARTING = lifecycle.started(PodState("p", "u1", "127.0.0.1:1001", "a", created_s=0.0), "c", 0.0)
READY = lifecycle.probed(STARTING, True, 1.0)
LEAVING = lifecycle.deleted(READY, 2.0, grace_s=10.0, pre_stop_s=1.0)


def test_ready_pods_are_open_and_terminating_ones_fenced_while_they_serve() -> None:
    assert endpoints([STARTING]) == ()
    assert endpoints([READY]) == (Endpoint("u1", "127.0.0.1:1001", fenced=False),)
    assert endpoints([LEAVING]) == (Endpoint("u1", "127.0.0.1:1001", fenced=True),)
    assert endpoints([lifecycle.exited(LEAVING, 3.0)]) == ()
    assert endpoints([lifecycle.exited(READY, 3.0)]) == ()


def test_changes_name_what_became_of_each_endpoint() -> None:
    a, b, c = (
        Endpoint(uid, f"127.0.0.1:{port}", fenced=False) for uid, port in (("a", 1), ("b", 2), ("c", 3))
    )
    fenced = Endpoint("b", "127.0.0.1:2", fenced=True)
    before = Route("c1", sticky=True, endpoints=(a, b))
    assert changes(None, before) == {"a": "open", "b": "open"}
    after = Route("c1", sticky=True, endpoints=(fenced, c))
    assert changes(before, after) == {"a": "closed", "b": "fenced", "c": "open"}
    assert changes(after, after) == {}


def test_a_sticky_route_has_a_cookie_and_a_plain_one_has_none() -> None:
    sticky = Route("c1", sticky=True, endpoints=(Endpoint("a", "127.0.0.1:1", fenced=True),))
    assert sticky.load_balancer() == {
        "passHostHeader": True,
        "sticky": {"cookie": {"name": COOKIE, "httpOnly": True, "sameSite": "lax"}},
        "servers": [{"url": "http://127.0.0.1:1", "fenced": True}],
    }
    assert Route("c1", sticky=False).load_balancer() == {"passHostHeader": True}
