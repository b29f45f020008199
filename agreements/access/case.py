"""One grant held against one question."""

from dataclasses import dataclass
from datetime import datetime

from agreements.access.answers import Held, Question, Subject
from agreements.actors import Actor
from agreements.grants import Grant


@dataclass(frozen=True)
class Case:
    """One grant held against one question."""

    actor: Actor
    subject: Subject
    question: Question
    held: Held
    now: datetime

    @property
    def grant(self) -> Grant:
        return self.held.grant

    @property
    def purpose(self) -> str | None:
        """What is declared; where the grant has only one purpose, that one."""
        purposes = self.grant.scope.purposes if self.grant.scope else frozenset()
        return self.question.purpose or (next(iter(purposes)) if len(purposes) == 1 else None)
