"""What the code under test asked of its fakes, in one order over all of them, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Script:
    """One for all fakes of a test."""

    calls: list[str] = field(default_factory=list)
    """`<name> <argument>` of each call; a test may write its own lines in between."""
    raising: dict[str, BaseException] = field(default_factory=dict)
    """Call -> what its next occurrence raises, once; a call with arguments is found by its name, too."""

    def call(self, name: str, about: str = "") -> None:
        """Note the call; raise what the test wants of it."""
        words = f"{name} {about}".rstrip()
        self.calls.append(words)
        for key in (words, name):
            if key in self.raising:
                raise self.raising.pop(key)

    def of(self, *names: str) -> list[str]:
        """The calls of these names alone, in order."""
        return [call for call in self.calls if call.split()[0] in names]
