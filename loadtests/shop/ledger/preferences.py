"""The promised preferences. They outlive the session: the service keeps them for each user."""

from __future__ import annotations

from collections.abc import Mapping

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.ledger.kinds.register import RegistersPromise
from statefall.records.verdicts import Verdict

from .answer import SetPreferences


class PreferencesPromise:
    """Acknowledged values, and values whose outcome is unknown: registers of the shop's.

    Where the client holds its state, a lost answer leaves its token behind the database. Answers may
    then show either, in any order, so an open value never becomes the only legal one.
    """

    __slots__ = ("_registers",)

    def __init__(
        self,
        values: Mapping[str, str] | None,
        *,
        client_held: bool,
        owner: int | None = None,
        others: KnownWrites | None = None,
    ) -> None:
        """`values`: None takes the first sight as it is.

        `others`: what all sessions of the process wrote, by user; without it nothing proves a leak.
        """
        self._registers = RegistersPromise(
            "preferences", owner=owner, others=others, initial=values, learns=not client_held
        )

    @property
    def open_values(self) -> dict[str, set[str]]:
        """Values that may still come to light, in this session or in the user's next."""
        return {str(name): values for name, values in self._registers.open_values.items()}

    def acknowledge(self, write: SetPreferences) -> None:
        """The change was answered."""
        for name, value in write.changes.items():
            self._registers.acknowledged(name, value)

    def leave_open(self, write: SetPreferences) -> None:
        """The change was sent and not answered."""
        for name, value in write.changes.items():
            change = self._registers.write(name, value)
            change.begin()
            change.leave_open()

    def inherit(self, open_values: Mapping[str, set[str]]) -> None:
        """Values that the user's former session left open."""
        for name, values in open_values.items():
            self._registers.may_show(name, values)

    def adopt(self, values: Mapping[str, str] | None) -> None:
        """A deviation was told: what was not seen with it is excused when it is seen."""
        if values is None:
            self._registers.excuse_next()

    def check(self, seen: Mapping[str, str]) -> list[Deviation]:
        """Hold what was seen to the promise. Whether all is lost is for the version to say."""
        return [
            Deviation(Verdict.ROLLED_BACK, deviation.evidence)
            if deviation.verdict is Verdict.LOST
            else deviation
            for deviation in self._registers.check(seen)
        ]
