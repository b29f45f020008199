"""Finding stop strings in text that arrives in pieces."""

from collections.abc import Sequence


class StopMatcher:
    """Passes text on as soon as it cannot be part of a stop string, whatever pieces it comes in.

    Of several stop strings the one complete first wins; of those complete at once, the one that began first.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """Take the next piece; the text that may be shown now. Sets ``stopped`` when a stop string is complete."""
        if self.stopped:
            return ""
        held = self._held + text
        matches = [(place + len(stop), place) for stop in self._stops if (place := held.find(stop)) >= 0]
        if matches:
            self.stopped = True
            self._held = ""
            return held[: min(matches)[1]]
        keep = self._longest_beginning(held)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def flush(self) -> str:
        """The text still held back, once nothing more comes."""
        held, self._held = self._held, ""
        return held

    def _longest_beginning(self, text: str) -> int:
        """Characters at the end of ``text`` that may be the beginning of a stop string."""
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(text)), longest, -1):
                if text.endswith(stop[:length]):
                    longest = length
                    break
        return longest
