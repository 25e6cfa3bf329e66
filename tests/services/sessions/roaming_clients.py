"""Users who roam between replicas, and what they must never see.

`roam`: every user has a session of their own and moves with each request; an answer must show exactly
what was acknowledged to them. `share`: the same with several tabs at once, all of one browser; no version
is acknowledged twice, and none is older than one that was acknowledged before the request. `come_and_go`:
users log in and out and let sessions expire, many at once; an answer must be about the user whose cookie
came with the request, or about nobody, and about nobody after a logout or an expiry. A refusal (503) is
counted and is no wrong answer: short timeouts on a busy machine bring some.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from services import contract
from tests.services.backing import together
from tests.services.serving import Served
from tests.services.sessions.processes import Answer, Browser

LATE: Final = 1.25
"""A session that was not used for so many times its life has surely expired."""


@dataclass(slots=True)
class Tally:
    """What was checked, and what was wrong; safe for several threads."""

    operations: int
    """How many to do."""
    done: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> bool:
        """Take one operation on; False when all are taken or something was wrong."""
        with self._lock:
            if self.done >= self.operations or self.wrong:
                return False
            self.done += 1
            return True

    def saw(self, what: str) -> None:
        """Count an outcome."""
        with self._lock:
            self.seen[what] += 1

    def fails(self, words: str) -> None:
        """Something was wrong."""
        with self._lock:
            self.wrong.append(words)


def roam(
    replicas: Sequence[Served],
    operations: int,
    *,
    threads: int,
    seed: int,
    users: int = 4,
    first_user: int = 1,
) -> Tally:
    """Each thread has so many users of its own, whose sessions it moves with every request."""
    tally = Tally(operations)

    def run(thread: int) -> None:
        chance = random.Random(f"{seed}/{thread}")
        browsers = [Browser(first_user + thread * users + number) for number in range(users)]
        for browser in browsers:
            _log_in(browser, chance, replicas, tally)
        recent: dict[int, list[str]] = {browser.user_id: [] for browser in browsers}
        while tally.next():
            browser = chance.choice(browsers)
            _one_step(browser, recent[browser.user_id], chance, replicas, tally)

    together([partial(run, thread) for thread in range(threads)])
    return tally


def _log_in(browser: Browser, chance: random.Random, replicas: Sequence[Served], tally: Tally) -> None:
    while browser.login(chance.choice(replicas)).status != 200:
        tally.saw("refused")


def _one_step(
    browser: Browser, recent: list[str], chance: random.Random, replicas: Sequence[Served], tally: Tally
) -> None:
    there, write = chance.choice(replicas), chance.random() < 0.4
    before = browser.version
    if write:
        action = f"{browser.user_id}:{before + 1}"
        answer = browser.act(there, action)
        recent.append(action)
    else:
        answer = browser.send(there, "GET", contract.DASHBOARD)
    due = before + write
    if answer.status == 503:  # a busy machine; whether a write was applied is unknown, so begin anew
        tally.saw("refused")
        if write:
            recent.clear()
            _log_in(browser, chance, replicas, tally)
        return
    if answer.status != 200:
        tally.fails(f"user {browser.user_id} at port {there.port}: {answer.status} {answer.body}")
    elif (answer.body["user_id"], answer.body["version"]) != (browser.user_id, due):
        tally.fails(f"user {browser.user_id} at port {there.port}: version {due} was due, not {answer.body}")
    elif answer.body["recent_activity"] != recent[-contract.ACTIVITY_WINDOW :]:
        tally.fails(f"user {browser.user_id} at port {there.port}: {recent[-3:]} was due, not {answer.body}")
    tally.saw("write" if write else "read")


def share(replicas: Sequence[Served], operations: int, *, threads: int, seed: int, users: int = 2) -> Tally:
    """All threads are tabs of these users' browsers, each with one cookie jar and one session."""
    tally = Tally(operations)
    jars = [_Jar(Browser(number + 1)) for number in range(users)]
    for jar in jars:
        _log_in(jar.browser, random.Random(seed), replicas, tally)

    def run(thread: int) -> None:
        chance = random.Random(f"{seed}/{thread}")
        while tally.next():
            _in_a_tab(chance.choice(jars), chance, replicas, tally)

    together([partial(run, thread) for thread in range(threads)])
    for jar in jars:
        twice = [version for version, times in jar.acknowledged.items() if times > 1]
        if twice:
            tally.fails(f"user {jar.browser.user_id}: versions acknowledged twice: {twice[:5]}")
    return tally


@dataclass(slots=True)
class _Jar:
    """One browser's cookies, and what was acknowledged to it."""

    browser: Browser
    acknowledged: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _in_a_tab(jar: _Jar, chance: random.Random, replicas: Sequence[Served], tally: Tally) -> None:
    there, write = chance.choice(replicas), chance.random() < 0.5
    with jar.lock:
        tab, due = Browser(jar.browser.user_id, jar.browser.cookie), jar.browser.version
    answer = tab.act(there) if write else tab.profile(there)
    with jar.lock:
        if answer.status == 503:
            tally.saw("refused")
            return
        if answer.status != 200:
            tally.fails(f"user {tab.user_id} at port {there.port}: {answer.status} {answer.body}")
            return
        version = int(answer.body["version"])
        if version < due + write:
            tally.fails(f"user {tab.user_id} at port {there.port}: version {version}, {due} was acknowledged")
        jar.acknowledged[version] += write
        if version >= jar.browser.version:  # cookies of later answers, as a browser would mostly have them
            jar.browser.version, jar.browser.cookie = version, tab.cookie
        tally.saw("write" if write else "read")


def come_and_go(
    replicas: Sequence[Served], operations: int, *, threads: int, seed: int, expiry_s: float, users: int = 12
) -> Tally:
    """All threads share the users, so that one logs in while another one of the same user logs out."""
    tally = Tally(operations)

    def run(thread: int) -> None:
        chance = random.Random(f"{seed}/{thread}")
        browsers = [Browser(chance.randint(1, users)) for _ in range(6)]
        asked_s, answered_s, asleep_until_s = ([0.0] * len(browsers) for _ in range(3))
        while tally.next():
            awake = [number for number, until_s in enumerate(asleep_until_s) if until_s < time.monotonic()]
            number = chance.choice(awake or range(len(browsers)))
            browser, before_s, asked_s[number] = browsers[number], asked_s[number], time.monotonic()
            # At the least: from when it was answered last until this is sent.
            idle_s = asked_s[number] - answered_s[number]
            began = browser.cookie is None
            answer = _live(browser, chance.choice(replicas), chance, tally)
            answered_s[number] = time.monotonic()
            # At the most: from before it was sent last until after this was answered.
            unused_s = answered_s[number] - before_s
            _judge(browser, answer, unused_s >= expiry_s, tally)
            if idle_s > LATE * expiry_s and not began and answer.session == "known":
                tally.fails(f"user {browser.user_id} had a session that was not used for {idle_s:.1f} s")
            if chance.random() < 0.01:
                asleep_until_s[number] = time.monotonic() + 1.5 * expiry_s

    together([partial(run, thread) for thread in range(threads)])
    return tally


def _live(browser: Browser, there: Served, chance: random.Random, tally: Tally) -> Answer:
    draw = chance.random()
    if browser.cookie is None or draw < 0.01:
        return browser.login(there)
    if draw < 0.02:
        return browser.send(there, "POST", contract.LOGOUT, {})
    if draw < 0.03:  # a cookie from before the logout, as a thief would keep it
        kept = browser.cookie
        left = browser.send(there, "POST", contract.LOGOUT, {})
        browser.cookie = kept
        answer = browser.profile(there)
        if left.status == 200 and answer.status == 200:
            tally.fails(f"user {browser.user_id} was answered {answer.body} after a logout")
        return answer
    if draw < 0.4:
        return browser.act(there, f"user {browser.user_id}")
    return browser.send(there, "GET", contract.DASHBOARD if draw < 0.7 else contract.PROFILE)


def _judge(browser: Browser, answer: Answer, may_have_expired: bool, tally: Tally) -> None:
    who = f"user {browser.user_id}"
    if answer.status == 200:
        if answer.body["user_id"] != browser.user_id:
            tally.fails(f"{who} was answered {answer.body}")
        for action in answer.body.get("recent_activity", ()):
            if action != who:
                tally.fails(f"{who} was shown what {action} did")
        tally.saw("answered")
    elif answer.status == 401:
        tally.saw(answer.code)
        if answer.code == "session_lost":
            tally.fails(f"{who} was told of a loss, and nothing was lost: {answer.body}")
        if answer.code == "session_expired" and not may_have_expired:
            tally.fails(f"{who} was told of an expiry, and the session was in use")
        browser.cookie = None
    elif answer.status == 503:
        tally.saw("refused")
    else:
        tally.fails(f"{who}: {answer.status} {answer.body}")
