"""The routes of the conversation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Flask, Response
from prometheus_client import Counter

from services import bodies, contract, web
from services.contract import conversation_digest
from services.metrics import Metrics
from services.sessions.session import Session
from services.stateful.answers import session_answer, session_cookie
from services.stateful.user_experience import StatefulUserExperience


class ConversationRoutes:
    """Talk, and look back at what was said."""

    def __init__(self, experience: StatefulUserExperience, metrics: Metrics) -> None:
        self._experience = experience
        self._exchanges = Counter(
            "statefall_conversation_exchanges", "Replies given in conversations.", registry=metrics.registry
        )

    def register(self, app: Flask) -> None:
        """Add the routes."""
        app.add_url_rule(contract.CONVERSATION, "say", self.say, methods=["POST"])
        app.add_url_rule(contract.CONVERSATION, "recall", self.recall)

    def say(self) -> Response:
        """One exchange."""
        text = web.body(bodies.Utterance).text
        session = self._experience.say(session_cookie(), text, web.operation())
        self._exchanges.inc()
        last = session.conversation.exchanges[-1]
        return session_answer(session, reply=last.reply, **_shown(session))

    def recall(self) -> Response:
        """What is kept of the conversation."""
        session = self._experience.recall(session_cookie())
        exchanges = [asdict(exchange) for exchange in session.conversation.exchanges]
        return session_answer(session, exchanges=exchanges, **_shown(session))


def _shown(session: Session) -> dict[str, Any]:
    talk = session.conversation
    return {
        "digest": conversation_digest(talk.texts),
        "exchange_count": talk.count,
        "conversation": talk.texts,
    }
