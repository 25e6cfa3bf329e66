"""Messages of a WebSocket as promises: each planted loss is named rightly, nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from statefall.records.events import SessionLost
from statefall.records.verdicts import LoadResult, Verdict
from tests.load.generator import assert_counts_balance, config_for, generating, wait_until
from tests.load.room import Message, Room, serving
from tests.load.test_own_journey import verdicts, written

TALKER = """
    from statefall.load import Shopper, identity, log, task

    class Buyer(Shopper):
        said = log(empty=True)
        me = identity(lambda user: user.name)

        def log_in(self):
            self.get("/login", params={"user": self.user.name})

        def look(self, live):
            texts = []
            for message in live.messages:
                texts += message.get("history", [message["text"]] if "text" in message else [])
                if "user" in message:
                    self.me.shows(message["user"])
            self.said.shows(texts)

        @task
        def talk(self):
            live = self.socket("/live", history=True)
            live.wait(lambda message: "history" in message)
            for _ in range(2):
                text = f"{self.user.name} {self.random.random()}"
                live.send(
                    {"text": text},
                    writes=self.said.append(text),
                    acknowledged=lambda message: message.get("acknowledged") == text,
                )
            live.wait(lambda message: message.get("text") == text)
            self.look(live)
            if self.random.random() < 0.3:
                live.close()
    """


def loaded(
    folder: Path, room: Room, *, texts: int = 150, text: str = TALKER
) -> tuple[LoadResult, list[SessionLost]]:
    """So many texts, then an audit and the final counts."""
    config = config_for(room.url, shoppers=4, journey=written(folder, text), think_time_s=0.02)
    with generating(config, folder) as generator:
        generator.channel.start()
        wait_until(lambda: room.texts >= texts, "all texts came")
        generator.channel.mark("none")
        generator.channel.audit()
        result = generator.channel.finish()
        findings = generator.of_kind(SessionLost)
        assert generator.complaints() == ""
    assert result.generator_faults == ()
    assert_counts_balance(result)
    return result, findings


def documented(heading: str) -> str:
    """The first piece of Python under a heading of the page about journeys, its class named as here."""
    page = (Path(__file__).parents[2] / "docs" / "journeys.md").read_text()
    piece = page.partition(f"\n## {heading}\n")[2].partition("```python\n")[2].partition("```")[0]
    return re.sub(r"class \w+\(", "class Buyer(", piece)


@pytest.mark.parametrize("text", [TALKER, documented("WebSockets")], ids=["receipts", "documented"])
def test_a_healthy_service_keeps_everything(tmp_path: Path, text: str) -> None:
    with serving(Room(receipts=text is TALKER)) as room:
        result, findings = loaded(tmp_path, room, text=text)
    assert findings == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
    assert len(result.sessions) == 4


def first_of_two(room: Room, user: str) -> bool:
    """Once, on a text after which another one comes at once."""
    if room.texts < 60 or room.hit or len(room.said[user]) % 2:
        return False
    room.hit.append(user)
    return True


def replaces_the_text(room: Room, user: str, message: Message) -> list[Message]:
    return [{**message, "text": "something else"}] if first_of_two(room, user) else [message]


def replaces_the_sender(room: Room, user: str, message: Message) -> list[Message]:
    return [{**message, "user": "somebody"}] if first_of_two(room, user) else [message]


def tells_everyone(room: Room, user: str, message: Message) -> list[Message]:
    if first_of_two(room, user):
        for other in room.connections:
            if other != user:
                room.deliver(other, {"text": message["text"]})
    return [message]


def doubles(room: Room, user: str, message: Message) -> list[Message]:
    return [message, message] if first_of_two(room, user) else [message]


def drops(room: Room, user: str, message: Message) -> list[Message]:
    return [] if first_of_two(room, user) else [message]


def reorders(room: Room, user: str, message: Message) -> list[Message]:
    if first_of_two(room, user):
        return []
    if room.hit == [user]:
        room.hit.append("late")
        return [message, {"user": user, "text": room.said[user][-1]}]
    return [message]


@pytest.mark.parametrize(
    ("defect", "told"),
    [
        (replaces_the_text, "rolled_back"),
        (doubles, "duplicated"),
        (drops, "rolled_back"),
        (reorders, "rolled_back"),
    ],
)
def test_a_defect_of_a_message_has_its_name(tmp_path: Path, defect: object, told: str) -> None:
    with serving(Room(defect)) as room:  # type: ignore[arg-type]
        _, findings = loaded(tmp_path, room)
    assert room.hit
    assert verdicts(findings) == {told: 1}


def test_anothers_name_as_the_sender_is_foreign(tmp_path: Path) -> None:
    """And rolled back, as any identity, when it is one's own again."""
    with serving(Room(replaces_the_sender)) as room:
        _, findings = loaded(tmp_path, room)
    assert room.hit
    assert findings[0].verdict is Verdict.FOREIGN
    assert {finding.session for finding in findings} == {findings[0].session}


def test_a_private_message_that_everyone_gets_is_foreign_to_all_others(tmp_path: Path) -> None:
    with serving(Room(tells_everyone)) as room:
        _, findings = loaded(tmp_path, room)
    assert set(verdicts(findings)) == {"foreign"}
    assert 1 <= len(findings) <= 3, "those who had a connection at that moment"


def forgets_once(room: Room, user: str) -> bool:
    if room.hit or len(room.said[user]) < 10:
        return False
    room.hit.append(user)
    room.said[user].clear()
    return True


def test_a_history_that_is_empty_is_a_loss(tmp_path: Path) -> None:
    with serving(Room(forgets=forgets_once)) as room:
        _, findings = loaded(tmp_path, room)
    assert room.hit
    assert len(findings) == 1
    assert findings[0].verdict in (Verdict.LOST, Verdict.ROLLED_BACK)


def cuts(room: Room, user: str, message: Message) -> list[Message] | None:
    """As a killed replica does whose state is elsewhere: the text is kept, or it is not."""
    if room.texts % 9:
        return [message]
    room.hit.append(user)
    if room.texts % 2:
        room.said[user].append(message["text"])
    return None


def test_a_connection_that_is_cut_loses_nothing_that_is_kept_elsewhere(tmp_path: Path) -> None:
    with serving(Room(cuts)) as room:
        result, findings = loaded(tmp_path, room)
    assert len(room.hit) > 5
    assert findings == []
    assert {record.verdict for record in result.sessions} == {Verdict.KEPT}
