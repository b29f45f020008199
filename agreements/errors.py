"""Refusals: the one family of errors that leaves any floor of the house.

    ConcordatError
    ├── Invalid           the input is not well formed or breaks a rule of the object
    ├── Unauthenticated   nobody knows who is asking
    ├── Forbidden         known, and not allowed to do this to this object
    │   └── Withdrawn     allowed when it began, and not any more
    ├── NotFound          no such object, or none that this caller may know of
    ├── Conflict          the object is not in a state that allows it, or changed meanwhile
    ├── TooLarge          over a stated size
    ├── Limited           over a rate or budget
    ├── Unavailable       a part is down; the same request may succeed later
    └── VerificationError a signature, digest or proof does not hold

Every refusal has a stable ``code``, a ``message`` that names the failed condition, a ``hint`` that says what to do
next and a ``fixer``: who can clear it. Library exceptions are mapped to these at the boundary of each module.
"""

from enum import StrEnum
from typing import Self


class Fixer(StrEnum):
    """Who can clear the condition behind a refusal."""

    CALLER = "you"
    LEAD = "your partner lead"
    COORDINATOR = "a coordinator"
    OPERATOR = "the portal's operator"
    NOBODY = "nobody"


class ConcordatError(Exception):
    """Root of all refusals; never raised itself."""

    fixer_default = Fixer.CALLER
    hint_default = ""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        fixer: Fixer | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """``code`` is stable snake_case; ``param`` names the offending input field where there is one."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint or self.hint_default
        self.fixer = fixer or self.fixer_default
        self.param = param
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Invalid(ConcordatError):
    """The input is malformed or breaks a rule of the object."""


class Unauthenticated(ConcordatError):
    """No valid credential came with the request."""


class Forbidden(ConcordatError):
    """The caller is known and may not do this to this object."""

    fixer_default = Fixer.COORDINATOR


class Withdrawn(Forbidden):
    """It was allowed when it began and is not any more, so that it was stopped under way.

    ``code`` is ``access_withdrawn`` whatever the cause; ``reason`` is the code of the condition that failed.
    """

    def __init__(self, reason: str, message: str, *, hint: str = "", fixer: Fixer | None = None) -> None:
        super().__init__("access_withdrawn", message, hint=hint, fixer=fixer)
        self.reason = reason

    @classmethod
    def because_of(cls, refusal: ConcordatError) -> Self:
        """Stopped because of what asking again came to."""
        message = f"Access was withdrawn while this ran: {refusal.message}"
        hint = refusal.hint or "What was stopped is not taken up again; begin anew once access is open."
        return cls(refusal.code, message, hint=hint, fixer=refusal.fixer)


class NotFound(ConcordatError):
    """No such object, or none whose existence this caller may learn: the hint is the same for both."""

    hint_default = (
        "Check the id. If it is right, ask whoever gave it to you, your lead or a coordinator: what you may not see "
        "looks like what is not there."
    )


class Conflict(ConcordatError):
    """The object's state does not allow it."""


class StaleVersion(Conflict):
    """Somebody else changed the object between reading and writing (optimistic concurrency)."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            "stale_version",
            f"{stream} is at version {actual}, not {expected}: someone changed it meanwhile.",
            hint="Reload and try again.",
        )
        self.stream, self.expected, self.actual = stream, expected, actual


class TooLarge(ConcordatError):
    """The input is over a stated size."""


class Limited(ConcordatError):
    """A rate, concurrency or budget limit is reached."""


class Unavailable(ConcordatError):
    """A part of the portal is down; the request may be sent again."""

    fixer_default = Fixer.OPERATOR


class VerificationError(ConcordatError):
    """A signature, digest or proof does not hold."""

    fixer_default = Fixer.NOBODY
