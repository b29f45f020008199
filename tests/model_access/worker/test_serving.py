"""What a worker does with commands that wait while it has answers to go on with."""

import io
import queue
from typing import Any, cast

import pytest

from model_access.conversations import ChatTemplate, Conversation, Message
from model_access.engine.engine import Delta, Engine
from model_access.generation import ChoiceDelta, GenerationRequest
from model_access.worker import frames
from model_access.worker.frames import (
    Cancel,
    NotRendered,
    Piece,
    Render,
    Rendered,
    Stopped,
    Submit,
    parse_from_worker,
    read_bytes,
)
from model_access.worker.pacing import Pacing
from model_access.worker.serving import Command, _Link, _obey
from model_access.worker.templates import Layout

TALK = Conversation(messages=(Message(role="user", content='"'),))


class Busy:
    """In an engine's place: always with something to do."""

    idle = False

    def __init__(self) -> None:
        self.taken: list[int] = []

    def submit(self, ticket: int, *_: Any) -> None:
        """Note it."""
        self.taken.append(ticket)

    def cancel(self, _: int) -> int:
        """Three tokens were made."""
        return 3


class Worker:
    """Commands in, what is said out; a template that says the first message as JSON."""

    def __init__(self) -> None:
        self.engine = Busy()
        self.inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._said = io.BytesIO()
        self._link = _Link(self._said)
        self.pacing = Pacing(lambda: 0.0)
        self._layout = Layout(ChatTemplate(source="{{ messages[0].content | tojson }}", tokens={}))

    def between_two_steps(self) -> list[frames.FromWorker]:
        """What is said then."""
        self._said.seek(0)
        self._said.truncate()
        assert _obey(cast("Engine", self.engine), self._layout, self.inbox, self._link, self.pacing)
        self._said.seek(0)
        return [parse_from_worker(body) for body in iter(lambda: read_bytes(self._said), None)]


def test_conversations_wait_for_each_other_and_answers_under_way_for_none_but_one() -> None:
    worker = Worker()
    request = GenerationRequest(prompts=((1,),), seed=0)
    for command in (
        Submit(ticket=0, request=request),
        Render(ticket=1, conversation=TALK),
        Render(ticket=2, conversation=TALK),
        Submit(ticket=3, request=request),
    ):
        worker.inbox.put(command)
    assert worker.between_two_steps() == [Rendered(ticket=1, text=r'"\""')]
    assert worker.engine.taken == [0]
    assert worker.between_two_steps() == [Rendered(ticket=2, text=r'"\""')]
    assert worker.between_two_steps() == []
    assert worker.engine.taken == [0, 3]


def test_a_layout_too_large_for_a_frame_is_no_layout_and_the_worker_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 100)
    worker = Worker()
    for ticket, quotes in ((1, 40), (2, 1)):
        talk = Conversation(messages=(Message(role="user", content='"' * quotes),))
        worker.inbox.put(Render(ticket=ticket, conversation=talk))
    assert worker.between_two_steps() == [NotRendered(ticket=1, message="")]
    assert worker.between_two_steps() == [Rendered(ticket=2, text=r'"\""')]


def test_what_was_made_of_a_request_that_is_called_off_is_told_before_its_end() -> None:
    worker = Worker()
    made = [Delta(4, ChoiceDelta(index=0, text=text, token_ids=(1,))) for text in "abc"]
    for delta in made:
        list(worker.pacing.paced([delta]))
    worker.inbox.put(Cancel(ticket=4))
    rest = ChoiceDelta(index=0, text="bc", token_ids=(1, 1))
    assert worker.between_two_steps() == [Piece(ticket=4, delta=rest), Stopped(ticket=4, completion_tokens=3)]
