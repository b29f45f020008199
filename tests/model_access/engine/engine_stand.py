"""Driving an engine by hand: submitting, stepping, and keeping everything it says."""

from dataclasses import dataclass, field
from typing import Any

from model_access.engine.engine import Delta, Done, Ended, Engine
from model_access.generation import ChoiceDelta, ChoiceResult, GenerationRequest, assemble

CONTEXT = 96
PROMPTS = ("the theory", "that other there", "x", "then — ü the the the the the the", "of")


@dataclass
class Heard:
    """Everything an engine said, by ticket."""

    deltas: dict[int, list[ChoiceDelta]] = field(default_factory=dict)
    tokens: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    passed_over: dict[tuple[int, int], int] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)

    def take(self, engine: Engine) -> None:
        for event in engine.step():
            if isinstance(event, Delta):
                self.deltas.setdefault(event.ticket, []).append(event.delta)
            elif isinstance(event, Ended):
                assert (event.ticket, event.index) not in self.tokens
                self.tokens[event.ticket, event.index] = event.token_ids
                self.passed_over[event.ticket, event.index] = event.passed_over
            elif isinstance(event, Done):
                self.done.append(event.ticket)

    def choices(self, ticket: int) -> tuple[ChoiceResult, ...]:
        return assemble(self.deltas[ticket])


def submit(engine: Engine, ticket: int, *, holder: str | None = None, **options: Any) -> GenerationRequest:
    request = GenerationRequest.parse({"prompts": PROMPTS[:1], "seed": ticket, "max_tokens": 12, **options})
    prompts = [
        engine.vocabulary.encode([prompt])[0] if isinstance(prompt, str) else list(prompt)
        for prompt in request.prompts
        if isinstance(prompt, str | tuple)
    ]
    engine.submit(ticket, request, prompts, holder)
    return request


def finish(engine: Engine) -> Heard:
    heard = Heard()
    while not engine.idle:
        heard.take(engine)
    return heard
