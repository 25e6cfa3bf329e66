"""Which writes of unknown outcome explain a sum: the arithmetic of a counter's open adds.

Open adds stand in groups: an add under way is a group of its own, adds of unknown outcome that are
equal stand in one group with their number. A *choice* says how many of each group were applied.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Final

Choice = frozenset[tuple[Hashable, int]]
"""`(group, how many of it)`, each at least one."""
NOTHING: Final[Choice] = frozenset()
MOST_STEPS: Final = 400
MOST_SUMS: Final = 2_000


def choices(
    need: int, amounts: Mapping[Hashable, int], counts: Mapping[Hashable, int]
) -> list[Choice] | None:
    """Every choice that makes exactly `need`, or None where there are too many to look through."""
    groups = [group for group, count in counts.items() if count > 0 and amounts[group]]
    found: list[Choice] = []
    steps = 0

    def go(place: int, rest: int, taken: tuple[tuple[Hashable, int], ...]) -> bool:
        nonlocal steps
        steps += 1
        if steps > MOST_STEPS:
            return False
        if place == len(groups):
            if rest == 0:
                found.append(frozenset(taken))
            return True
        group = groups[place]
        return all(
            go(place + 1, rest - n * amounts[group], (*taken, (group, n)) if n else taken)
            for n in range(counts[group] + 1)
        )

    # The recursion is as deep as there are groups.
    if len(groups) > MOST_STEPS or not go(0, need, ()):
        return None
    return found


def sums(amounts: Mapping[Hashable, int], counts: Mapping[Hashable, int]) -> set[int] | range:
    """Every sum that a choice makes; a range that covers them all where there are too many."""
    reached = {0}
    for group, count in counts.items():
        amount = amounts[group]
        reached = {total + n * amount for total in reached for n in range(count + 1)}
        if len(reached) > MOST_SUMS:
            ends = [(min(0, amounts[g] * n), max(0, amounts[g] * n)) for g, n in counts.items()]
            return range(sum(low for low, _ in ends), sum(high for _, high in ends) + 1)
    return reached


def least(options: Iterable[Choice]) -> frozenset[Choice]:
    """Those that contain no other: what is known is that at least one of them was applied."""
    kept: list[Choice] = []
    for option in sorted(set(options), key=lambda choice: sum(n for _, n in choice)):
        if not any(within(other, option) for other in kept):
            kept.append(option)
    return frozenset(kept)


def within(small: Choice, large: Choice) -> bool:
    """Whether the large choice contains the small one."""
    numbers = dict(large)
    return all(numbers.get(group, 0) >= n for group, n in small)


def join(one: Choice, other: Choice) -> Choice:
    """The least choice that contains both."""
    numbers = dict(one)
    for group, n in other:
        numbers[group] = max(n, numbers.get(group, 0))
    return frozenset(numbers.items())


def common(options: frozenset[Choice]) -> Iterator[tuple[Hashable, int]]:
    """What every option contains."""
    numbers = [dict(option) for option in options]
    for group, n in numbers[0].items() if numbers else ():
        shared = min(n, *(other.get(group, 0) for other in numbers))
        if shared:
            yield group, shared


def made_of(total: int, amounts: Iterable[int]) -> bool:
    """Whether repeated amounts of one sign make the total; large totals are taken to be."""
    positive = {abs(amount) for amount in amounts if amount * total > 0}
    goal = abs(total)
    if not positive or goal > MOST_SUMS:
        return bool(positive)
    reached = 1
    for amount in positive:
        for _ in range(goal // amount):
            reached |= reached << amount
    return bool(reached >> goal & 1)
