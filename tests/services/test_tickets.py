"""The session cookie: secret, signed, and telling about its home."""

from __future__ import annotations

import pytest

from services.sessions.tickets import Forged, Ticket, Tickets
from tests.services.serving import KEY

OTHER_KEY = "another key of at least thirty-two bytes"
HERE = Tickets((KEY,), "pod-a", "boot-1")


def test_a_cookie_brings_back_its_ticket() -> None:
    ticket = HERE.issue(7)
    assert HERE.read(HERE.write(ticket)) == ticket
    assert ticket.user_id == 7


def test_ids_are_long_and_random() -> None:
    ids = {HERE.issue(7).secret_id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(found) == 32 for found in ids)  # 192 bits in base64


def test_stores_see_a_digest_that_does_not_open_the_session() -> None:
    ticket = HERE.issue(7)
    assert ticket.secret_id not in ticket.key
    assert ticket.key == HERE.read(HERE.write(ticket)).key
    assert ticket.secret_id not in repr(ticket)


def test_home_is_told_by_pod_and_boot() -> None:
    ticket = HERE.issue(7)
    assert (ticket.pod_tag, ticket.boot_tag) == (HERE.pod_tag, HERE.boot_tag)
    assert Tickets((KEY,), "pod-a", "boot-2").pod_tag == ticket.pod_tag
    assert Tickets((KEY,), "pod-a", "boot-2").boot_tag != ticket.boot_tag
    assert Tickets((KEY,), "pod-b", "boot-1").pod_tag != ticket.pod_tag


def test_keys_rotate() -> None:
    cookie = HERE.write(HERE.issue(7))
    assert Tickets((OTHER_KEY, KEY), "pod-a", "boot-1").read(cookie).user_id == 7
    with pytest.raises(Forged):
        Tickets((OTHER_KEY,), "pod-a", "boot-1").read(cookie)


def test_a_changed_cookie_is_forged() -> None:
    cookie = HERE.write(HERE.issue(7))
    for position in range(len(cookie)):
        changed = cookie[:position] + ("A" if cookie[position] != "A" else "B") + cookie[position + 1 :]
        with pytest.raises(Forged):
            HERE.read(changed)


@pytest.mark.parametrize("value", ["", ".", "x", "a.b.c.d.e", "a.1.b.c.", "\N{SNOWMAN}", "a" * 5000])
def test_nonsense_is_forged(value: str) -> None:
    with pytest.raises(Forged):
        HERE.read(value)


def test_a_ticket_of_another_user_cannot_be_made_from_ones_own() -> None:
    mine = HERE.issue(7)
    stolen = Ticket(mine.secret_id, 8, mine.pod_tag, mine.boot_tag)
    mac = HERE.write(mine).rpartition(".")[2]
    with pytest.raises(Forged):
        HERE.read(f"{HERE.write(stolen).rpartition('.')[0]}.{mac}")
