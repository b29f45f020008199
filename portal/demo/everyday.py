"""What partners do on ordinary days: small runs, told between the chapters, so that usage has a shape to look at."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from agreements.errors import Limited
from portal.demo.cast import ESTUARY, NORTHGATE, OPENWATCH, RIDGELINE
from portal.demo.world import OPENINGS, SECURITY_OPENINGS, SEED, Errand, World

_PROMPTS: Final = (*OPENINGS, *SECURITY_OPENINGS)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class _Habit:
    """How often somebody runs what, between two days of the story."""

    key: str
    grant: str | None
    purpose: str | None
    sizes: tuple[int, ...]
    since: float
    """Days before the story's end."""
    until: float
    every: float
    """Days from one run to the next, on average; none falls on a weekend."""
    tokens: int = 8


_HABITS: Final = (
    _Habit("amara", NORTHGATE, "bias-analysis", (2, 3), 110, 28, 4.5, 12),
    _Habit("amara", NORTHGATE, "bias-analysis", (1, 2, 3), 28, 2, 3.0, 12),
    _Habit("jonas", NORTHGATE, "misuse-analysis", (0, 3), 96, 28, 6),
    _Habit("jonas", NORTHGATE, "misuse-analysis", (3,), 28, 2, 2.4),
    _Habit("samir", OPENWATCH, "detection-research", (0, 1), 118, 106, 3, 16),
    _Habit("samir", OPENWATCH, "detection-research", (1,), 46, 2, 2.6, 16),
    _Habit("malcolm", ESTUARY, "misuse-analysis", (0, 1), 84, 3, 5),
    _Habit("beatriz", RIDGELINE, "misuse-analysis", (3,), 35, 3, 5, 10),
    _Habit("tobias", None, None, (0, 1, 2, 3), 140, 2, 7),
)

RUSH_DAYS_AGO: Final = 6
"""About when Jonas tries everything at once before a meeting."""
_RUSH_TOKENS: Final = 48


def plan(world: World) -> list[Errand]:
    """Every errand of the story, the earliest first; the same for the same end of the story, but for weekends."""
    chance = Random(SEED)  # noqa: S311 - a pattern to look at, no secret
    found = [errand for habit in _HABITS for errand in _of_habit(world, habit, chance)]
    rush = _at_work(world, RUSH_DAYS_AGO, 15.2)
    found += [
        Errand(rush - number * 0.004, "jonas", world.sizes[3], _PROMPTS, NORTHGATE, "misuse-analysis", _RUSH_TOKENS)
        for number in range(3)
    ]
    return sorted(found, key=lambda errand: -errand.days_ago)


def run_errand(world: World, errand: Errand) -> None:
    """One of them. A minute of the story is no minute here: whom the rate of the grant stops leaves it at that."""
    with suppress(Limited):
        world.run(
            errand.key,
            errand.checkpoint_id,
            errand.prompts,
            under=errand.grant,
            purpose=errand.purpose,
            max_tokens=errand.tokens,
            temperature=0.8,
        )


def _of_habit(world: World, habit: _Habit, chance: Random) -> list[Errand]:
    found, day = [], habit.since
    while day > habit.until:
        days_ago = _at_work(world, day, chance.triangular(8, 19, 14))
        if habit.until < days_ago < habit.since:
            size = world.sizes[chance.choice(habit.sizes)]
            prompts = tuple(chance.sample(_PROMPTS, chance.randint(1, 3)))
            found.append(Errand(days_ago, habit.key, size, prompts, habit.grant, habit.purpose, habit.tokens))
        day -= habit.every * chance.uniform(0.6, 1.4)
    return found


def _at_work(world: World, days_ago: float, hour: float) -> float:
    """A working hour of that day, or of the Friday before a weekend; in days before the story's end."""
    moment = world.moment(days_ago)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    midnight -= _DAY * max(0, midnight.weekday() - 4)
    return (world.moment(0) - midnight - timedelta(hours=hour)) / _DAY
