"""Carries messages to the other replicas, so that a user's connections may be on several of them.

Over the store's publish/subscribe: at most once, nothing is kept for a replica that does not listen,
and the numbers in `channels` show what was missed. Without the store messages stay on their replica,
and their sender is told so.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Final

import redis
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.bodies import Line
from services.refusals import Unavailable
from services.stateful.realtime.channels import Message
from services.stateful.realtime.measures import RealtimeMeasures
from services.stateful.realtime.requests import Channel
from services.store import Store
from services.store_cluster import STORE_ERRORS

TOPIC: Final = "statefall:broadcast"
RECONNECT_S: Final = 0.5
LISTEN_S: Final = 0.5
SILENCE_S: Final = 5.0
"""After so long without a word the store is asked whether it is there."""


logger = logging.getLogger(__name__)


class Forwarded(BaseModel):
    """A message as it travels: who else can publish to the store is not known, so nothing is assumed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    boot: str
    """Of the replica that sends it, which hears it too."""
    channel: Channel
    stream: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    number: Annotated[int, Field(ge=1)]
    sender: Annotated[int, Field(ge=1)]
    text: Line
    at_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    def message(self) -> Message:
        """What the channel keeps."""
        return Message(**self.model_dump(exclude={"boot"}))


class Broadcast:
    """Sends and hears. Every replica hears everything: the topic is one for all channels."""

    def __init__(
        self, store: Store, boot: str, measures: RealtimeMeasures, heard: Callable[[Message], None]
    ) -> None:
        self._store, self._boot, self._messages, self._heard = store, boot, measures.broadcast, heard
        self._ignored = measures.broadcast.labels("ignored")
        self._end = threading.Event()
        self.listening = threading.Event()
        """Set while messages of other replicas are heard."""
        measures.tell_listening_with(self.listening.is_set)
        self._thread = threading.Thread(target=self._run, name="broadcast", daemon=True)

    def open(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._end.set()
        self._thread.join(timeout=2.0)

    def send(self, message: Message) -> bool:
        """Whether the store took it; to how many replicas it goes, nobody knows."""
        document = json.dumps({"boot": self._boot, **asdict(message)}, separators=(",", ":"))
        try:
            with self._store.measured("publish"):
                self._store.client.publish(TOPIC, document)
        except Unavailable:
            self._messages.labels("unsent").inc()
            return False
        self._messages.labels("sent").inc()
        return True

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._listen()
            except (*STORE_ERRORS, OSError):
                logger.debug("the store is away")
            except Exception:
                # Without this thread the replica would be deaf and not know it.
                logger.exception("listening to %s", TOPIC)
            self.listening.clear()
            self._end.wait(RECONNECT_S)

    def _listen(self) -> None:
        with self._store.client.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(TOPIC)
            last_word_s, asked = time.monotonic(), False
            while not self._end.is_set():
                word = subscription.get_message(timeout=LISTEN_S)
                now_s = time.monotonic()
                if word is not None:
                    last_word_s, asked = now_s, False
                    if word["type"] == "subscribe":
                        self.listening.set()
                    elif word["type"] == "message":
                        self._take(word["data"])
                elif now_s - last_word_s > 2 * SILENCE_S:
                    raise redis.ConnectionError("the store fell silent")
                elif now_s - last_word_s > SILENCE_S and not asked:
                    subscription.ping()
                    asked = True

    def _take(self, data: bytes) -> None:
        try:
            forwarded = Forwarded.model_validate_json(data)
        except ValidationError:
            self._ignored.inc()
            logger.warning("somebody else publishes to %s: %d bytes ignored", TOPIC, len(data))
            return
        if forwarded.boot == self._boot:
            return
        self._messages.labels("heard").inc()
        try:
            self._heard(forwarded.message())
        except Exception:
            # One message that cannot be delivered must not cost those that come after it.
            logger.exception("a message of another replica in %s", forwarded.channel)
