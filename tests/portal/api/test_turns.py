"""Whose request is begun next, and that a turn is given back whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import Actor, Channel, Membership, Role
from agreements.errors import Limited
from portal.api.turns import Turns


def someone(name: str, institution: str) -> Actor:
    """A member of an institution."""
    return Actor(
        person_id=name,
        name=name,
        channel=Channel.API,
        memberships=(Membership(institution_id=institution, role=Role.PARTNER_MEMBER),),
    )


BEN, BEA = someone("ben", "north"), someone("bea", "north")
CLEO = someone("cleo", "south")


class Beginning:
    """Requests that begin as they get their turn, and go on until they are told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._end: dict[int, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, *actors: Actor) -> None:
        """One request of each, in this order."""
        for actor in actors:
            self._tasks.append(asyncio.create_task(self._one(actor, len(self._tasks))))
        await settled()

    async def end(self, *numbers: int) -> None:
        """These are over."""
        for number in numbers:
            self._end[number].set()
        await settled()

    async def cancel(self, number: int) -> None:
        """Nobody waits for that one any more."""
        self._tasks[number].cancel()
        await settled()

    async def over(self) -> None:
        """End them all, in the order in which they began."""
        while waiting := [task for task in self._tasks if not task.done()]:
            for event in self._end.values():
                event.set()
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    async def _one(self, actor: Actor, number: int) -> None:
        async with self.turns.turn(actor):
            self.begun.append(actor.person_id)
            self._end[number] = asyncio.Event()
            await self._end[number].wait()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def played(turns: Turns, play: Callable[[Beginning], Awaitable[Any]]) -> Sequence[str]:
    """Who began, in order, once everything is over."""

    async def all_of_it() -> Sequence[str]:
        beginning = Beginning(turns)
        await play(beginning)
        await beginning.over()
        return beginning.begun

    return asyncio.run(all_of_it())


def test_one_institution_leaves_turns_to_others_even_where_all_of_its_own_are_stuck() -> None:
    async def play(beginning: Beginning) -> None:
        await beginning.ask(*[BEN] * 6)
        assert beginning.begun == ["ben"] * 3
        await beginning.ask(CLEO)
        assert beginning.begun == [*["ben"] * 3, "cleo"]

    assert played(Turns(4, of_one=3), play) == [*["ben"] * 3, "cleo", *["ben"] * 3]


def test_institutions_take_turns_and_within_them_people() -> None:
    async def play(beginning: Beginning) -> None:
        await beginning.ask(*[BEN] * 4, BEA, CLEO, CLEO)

    assert played(Turns(1, of_one=1), play) == ["ben", "cleo", "bea", "cleo", "ben", "ben", "ben"]


def test_a_turn_that_nobody_wants_any_more_goes_to_the_next() -> None:
    async def play(beginning: Beginning) -> None:
        await beginning.ask(BEN, BEN, CLEO)
        await beginning.cancel(1)
        assert beginning.begun == ["ben"]
        await beginning.cancel(0)
        assert beginning.begun == ["ben", "cleo"]

    assert played(Turns(1, of_one=1), play) == ["ben", "cleo"]


def test_a_turn_given_in_the_very_moment_in_which_it_is_given_up_is_not_lost() -> None:
    async def all_of_it() -> None:
        turns = Turns(1, of_one=1)

        async def wanted() -> None:
            async with turns.turn(CLEO):
                raise AssertionError

        async with turns.turn(BEN):
            waiting = asyncio.create_task(wanted())
            await settled()
        waiting.cancel()  # it has its turn, and has not run since
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        async with asyncio.timeout(60), turns.turn(BEN):
            pass

    asyncio.run(all_of_it())


def test_an_institution_may_not_let_any_number_wait() -> None:
    async def play(beginning: Beginning) -> None:
        await beginning.ask(BEN, BEN, BEA)
        with pytest.raises(Limited) as refusal:
            async with beginning.turns.turn(BEN):
                raise AssertionError
        assert (refusal.value.code, refusal.value.retry_after_s) == ("queue_full", 1.0)
        await beginning.ask(CLEO)

    assert sorted(played(Turns(1, of_one=1, most_waiting=2), play)) == ["bea", "ben", "ben", "cleo"]


@given(st.lists(st.sampled_from([BEN, BEA, CLEO]), max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_everybody_begins_and_nobody_has_more_than_may_be(asked: list[Actor], at_once: int, of_one: int) -> None:
    held: list[str] = []

    async def one(turns: Turns, actor: Actor) -> None:
        async with turns.turn(actor):
            held.append(actor.institution_ids[0])
            assert len(held) <= at_once
            assert held.count(actor.institution_ids[0]) <= of_one
            await asyncio.sleep(0)
            held.remove(actor.institution_ids[0])

    async def all_of_it() -> None:
        turns = Turns(at_once, of_one=of_one)
        await asyncio.gather(*(one(turns, actor) for actor in asked))

    asyncio.run(all_of_it())
    assert held == []
