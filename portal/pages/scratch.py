"""What somebody was writing, over a reload of the page: in memory alone, for their sign-in session alone, not for long.

A prompt belongs in no address and in no database. What a tab knows is gone when it is loaded anew.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

KEPT_S = 30 * 60.0
MOST_SESSIONS = 500


@dataclass
class Scratch:
    """One text for each session. Thread-safe."""

    clock: Callable[[], float] = time.monotonic
    _texts: OrderedDict[str, tuple[float, str]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, session_id: str, text: str) -> None:
        """Hold the text for a while from now; an empty one is let go. What is oldest goes first."""
        with self._lock:
            self._texts.pop(session_id, None)
            if session_id and text:
                self._texts[session_id] = (self.clock(), text)
            self._drop()

    def kept(self, session_id: str) -> str:
        """The text, if it is still there."""
        with self._lock:
            self._drop()
            return self._texts.get(session_id, (0.0, ""))[1]

    def _drop(self) -> None:
        oldest = self.clock() - KEPT_S
        while self._texts and (len(self._texts) > MOST_SESSIONS or next(iter(self._texts.values()))[0] < oldest):
            self._texts.popitem(last=False)


PROMPTS = Scratch()
"""The prompts of the playground."""
