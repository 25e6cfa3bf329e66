"""Where one logs in: an answer from there says that the session is not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from statefall.load.answers import HttpAnswer, NoAnswer
from statefall.load.journey.replies import Reply

USUAL: Final = ("login", "log-in", "signin", "sign-in")
"""A page whose path ends so asks who one is."""


@dataclass(slots=True)
class LoginPages:
    """What a journey's `log_in` sends its proof to, and the usual names."""

    base_path: str
    _paths: set[str] = field(default_factory=set)

    def add(self, path: str) -> None:
        """A page that takes the proof, or the page of its form; `path` as the journey writes it."""
        if own := self._own(path).strip("/"):
            self._paths.add(own)

    def led_to(self, reply: Reply) -> bool:
        """Whether a redirect led, or leads, to one of them."""
        redirects = [hop.headers.get("location", "") for hop in (*reply.hops, reply.answer)]
        paths = [self._own(location).strip("/") for location in redirects if location]
        return any(path in self._paths or path.rpartition("/")[2].lower() in USUAL for path in paths)

    def _own(self, location: str) -> str:
        path = urlsplit(location).path
        if self.base_path and (path == self.base_path or path.startswith(f"{self.base_path}/")):
            return path[len(self.base_path) :]
        return path


def away(answer: HttpAnswer | NoAnswer) -> str:
    """Where redirects led from the page that was asked for, or in a circle; empty: they did not."""
    if not answer.hops or answer.hops[0].request.method != "GET":
        return ""
    asked = answer.hops[0].request.target
    if isinstance(answer, NoAnswer):
        return f"GET {asked} led in a circle" if answer.circular else ""
    came = answer.request.target
    if _bare(came) == _bare(asked) or answer.status >= 500:
        return ""
    return f"GET {asked} led to {came}"


def _bare(target: str) -> str:
    return target.partition("?")[0].rstrip("/")
