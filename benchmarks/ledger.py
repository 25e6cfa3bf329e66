"""How many answers a second the ledger checks, on one core: `python benchmarks/ledger.py`.

Each answer shows everything a session can show (version, ten actions, four preferences, a cart of
twenty lines) and is checked in full; six of ten requests are writes. The parsing of the JSON, which
costs more than the check, is measured apart. Measured on one of 2 shared cores, Python 3.11:
200,000 checks a second (5 us each), and 25,000 such bodies read a second.
"""

from __future__ import annotations

import json
import random
import time

from shop.contract import ACTIVITY_WINDOW, SessionStatus
from shop.ledger.answer import (
    AddToCart,
    Answer,
    RememberAction,
    Replica,
    SetPreferences,
    Write,
    read_answer,
    read_json,
)
from shop.ledger.sessions import ShopSessions
from statefall.ledger.session_registry import SessionRegistry

ANSWERS = 200_000
SESSIONS = 100
HOME = Replica("pod-a", "boot-1")


def stream() -> list[tuple[int, Write | None, Answer]]:
    """A healthy service's answers to many sessions, interleaved."""
    draw = random.Random(1)
    versions = [0] * SESSIONS
    carts: list[dict[int, int]] = [{} for _ in range(SESSIONS)]
    actions: list[tuple[str, ...]] = [()] * SESSIONS
    preferences = [{f"p{n}": "x" for n in range(4)} for _ in range(SESSIONS)]
    answers: list[tuple[int, Write | None, Answer]] = []
    for number in range(ANSWERS):
        who, kind = draw.randrange(SESSIONS), draw.random()
        write: Write | None = None
        if kind < 0.2:
            write = AddToCart(draw.randint(1, 20), 1)
            carts[who] = {**carts[who], write.product_id: carts[who].get(write.product_id, 0) + 1}
        elif kind < 0.4:
            write = RememberAction(f"saw {number}")
            actions[who] = (*actions[who], write.action)[-ACTIVITY_WINDOW:]
        elif kind < 0.6:
            write = SetPreferences({f"p{draw.randrange(4)}": f"v{number}"})
            preferences[who] = {**preferences[who], **write.changes}
        versions[who] += write is not None
        answer = Answer(
            200,
            HOME,
            SessionStatus.KNOWN,
            user_id=who,
            version=versions[who],
            lines=carts[who],
            recent_activity=actions[who],
            preferences=preferences[who],
        )
        answers.append((who, write, answer))
    return answers


def main() -> None:
    """Print both rates."""
    answers, shop = stream(), ShopSessions(SessionRegistry(), 1)
    login = {"p0": "x", "p1": "x", "p2": "x", "p3": "x"}
    sessions = [
        shop.open(
            who,
            who,
            Answer(200, HOME, SessionStatus.NEW, user_id=who, version=0, preferences=login),
            0.0,
            client_held=False,
        )[0]
        for who in range(SESSIONS)
    ]
    begin = time.perf_counter()
    findings = sum(len(shop.observe(sessions[who], write, answer, 1.0)) for who, write, answer in answers)
    took_s = time.perf_counter() - begin
    assert findings == 0
    print(f"ledger: {ANSWERS / took_s:,.0f} checks/s ({took_s / ANSWERS * 1e6:.1f} us each)")

    shown = answers[-1][2]
    lines = [
        {"product_id": p, "name": f"Product {p}", "quantity": q, "unit_price": 9.99, "line_total": 9.99 * q}
        for p, q in (shown.lines or {}).items()
    ]
    fields = {"user_id": 1, "version": 7, "lines": lines, "recent_activity": shown.recent_activity,
              "preferences": shown.preferences}  # fmt: skip
    body, headers = json.dumps(fields).encode(), {"statefall-pod": "a", "statefall-session": "known"}
    begin = time.perf_counter()
    for _ in range(ANSWERS // 10):
        read_answer(200, headers, read_json(body))
    took_s = (time.perf_counter() - begin) / (ANSWERS // 10)
    print(f"reading a body of {len(body)} bytes: {1 / took_s:,.0f}/s ({took_s * 1e6:.1f} us each)")


if __name__ == "__main__":
    main()
