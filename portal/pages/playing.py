"""A run that a screen follows: its pieces gathered in the background, so that the screen stays free to say stop."""

import threading
from dataclasses import dataclass, field

from model_access.generation import ChoiceDelta, ChoiceResult, assemble
from portal.services.active import ActiveRun


@dataclass
class Playing:
    """One run under way in one browser tab. It goes on when the tab closes, and settles by itself."""

    run: ActiveRun
    prompt: str
    budget_before: int | None
    scored: bool
    _deltas: list[ChoiceDelta] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._gather, name=f"follow-{self.run.run_id}", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether the last piece has come and the run is settled."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; whether it came."""
        return self._over.wait(seconds)

    def answers(self) -> tuple[ChoiceResult, ...]:
        """The choices as far as they have come."""
        return assemble(tuple(self._deltas))

    def _gather(self) -> None:
        for delta in self.run.deltas():
            self._deltas.append(delta)
        self._over.set()
