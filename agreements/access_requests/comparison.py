"""A request beside what the agreement allows, dimension by dimension, and the widest alternative within both."""

from collections.abc import Callable, Iterable

from agreements.bounds import Bounds, UseBound
from agreements.deciders import Value
from agreements.scopes import Apart, Scope, excesses, filled, meet, precisions_in_words

UNLIMITED = "no limit"


class Line(Value):
    """One dimension: what is asked, what the agreement allows, and how the one goes beyond the other."""

    dimension: str
    label: str
    asked: str
    allowed: str
    beyond: str
    """How it goes beyond; empty where it lies within."""
    share: float | None = None
    """Asked as a share of what is allowed, where both are numbers."""


class UseNote(Value):
    """Under one purpose the agreement allows less than the request asks for as a whole."""

    purpose: str
    says: str
    closed: bool = False
    """Whether nothing of what is asked for is open under it."""


class Comparison(Value):
    """A request beside an agreement. Finer limits that the request leaves open are taken from the agreement."""

    lines: tuple[Line, ...]
    uses: tuple[UseNote, ...]
    asked: Scope
    suggestion: Scope | None
    """The widest scope within both; None where they have nothing in common, or nothing was to be cut."""
    apart: str = ""
    """The dimension in which they have nothing in common."""

    @property
    def within(self) -> bool:
        """Whether it can be granted as asked."""
        return not any(line.beyond for line in self.lines)


def compared(asked: Scope, bounds: Bounds) -> Comparison:
    """The request beside what the agreement allows."""
    wanted = filled(asked, bounds.scope)
    beyond: dict[str, list[str]] = {}
    for excess in bounds.beyond(wanted):
        beyond.setdefault(excess.dimension.partition(".")[0], []).append(excess.message)
    lines = tuple(
        Line(
            dimension=dimension,
            label=label,
            asked=say(wanted),
            allowed=say(bounds.scope),
            beyond="; ".join(beyond.get(dimension, ())),
            share=_share(getattr(wanted, dimension), getattr(bounds.scope, dimension)),
        )
        for dimension, (label, say) in DIMENSIONS.items()
    )
    suggestion, apart = None, ""
    if beyond:
        try:
            suggestion = meet(wanted, bounds.scope)
        except Apart as dimension:
            apart = str(dimension.args[0])
    uses = (_use_note(wanted, use) for use in bounds.uses if use.purpose in wanted.purposes)
    return Comparison(
        lines=lines,
        uses=tuple(note for note in uses if note is not None),
        asked=wanted,
        suggestion=suggestion,
        apart=apart,
    )


def differences(asked: Scope, offered: Scope) -> tuple[Line, ...]:
    """The dimensions in which an offer differs from what was asked for; ``beyond`` says where it is less."""
    less = {excess.dimension.partition(".")[0] for excess in excesses(asked, offered)}
    more = {excess.dimension.partition(".")[0] for excess in excesses(offered, asked)}
    return tuple(
        Line(
            dimension=dimension,
            label=label,
            asked=say(asked),
            allowed=say(offered),
            beyond="other" if dimension in less & more else "less" if dimension in less else "",
        )
        for dimension, (label, say) in DIMENSIONS.items()
        if say(asked) != say(offered)
    )


def said(scope: Scope) -> tuple[tuple[str, str], ...]:
    """Every dimension in which the scope says something, with its name."""
    pairs = ((label, say(scope)) for label, say in DIMENSIONS.values())
    return tuple((label, text) for label, text in pairs if text not in _NOTHING)


def _use_note(asked: Scope, use: UseBound) -> UseNote | None:
    if not (asked.operations & use.operations and asked.checkpoints & use.checkpoints):
        allowed = f"{_listed(use.operations)} on {_listed(use.checkpoints)}"
        return UseNote(purpose=use.purpose, says=f"it allows only {allowed}", closed=True)
    said = [
        *(f"not the operation {operation}" for operation in sorted(asked.operations - use.operations)),
        *(f"not {checkpoint}" for checkpoint in sorted(asked.checkpoints - use.checkpoints)),
    ]
    if use.token_budget is not None and use.token_budget < asked.token_budget:
        said.append(f"at most {use.token_budget:,} tokens")
    if use.requests_per_minute is not None and use.requests_per_minute < asked.requests_per_minute:
        said.append(f"at most {use.requests_per_minute:,} requests a minute")
    return UseNote(purpose=use.purpose, says=", ".join(said)) if said else None


def _share(asked: object, allowed: object) -> float | None:
    if isinstance(asked, bool) or not isinstance(asked, int) or not isinstance(allowed, int):
        return None
    return asked / allowed


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))


def _number(value: int | None) -> str:
    return UNLIMITED if value is None else f"{value:,}"


DIMENSIONS: dict[str, tuple[str, Callable[[Scope], str]]] = {
    "checkpoints": ("Checkpoints", lambda scope: _listed(scope.checkpoints)),
    "operations": ("Operations", lambda scope: _listed(scope.operations)),
    "purposes": ("Purposes", lambda scope: _listed(scope.purposes)),
    "token_budget": ("Tokens in all", lambda scope: _number(scope.token_budget)),
    "request_budget": ("Requests in all", lambda scope: _number(scope.request_budget)),
    "output_budget": ("Generated tokens in all", lambda scope: _number(scope.output_budget)),
    "requests_per_minute": ("Requests a minute", lambda scope: _number(scope.requests_per_minute)),
    "periods": ("Per period", lambda scope: "; ".join(map(str, scope.periods)) or UNLIMITED),
    "concurrency": ("Runs at once", lambda scope: _number(scope.concurrency)),
    "sampling": ("Sampling", lambda scope: str(scope.sampling) if scope.sampling else UNLIMITED),
    "logit_bias": ("Biasing logits", lambda scope: "yes" if scope.logit_bias else "no"),
    "precisions": ("Precision", lambda scope: precisions_in_words(scope.precisions)),
    "hours": ("Hours", lambda scope: str(scope.hours) if scope.hours else "at any time"),
    "expires_at": ("Until", lambda scope: f"{scope.expires_at:%Y-%m-%d %H:%M} UTC"),
    "holder_bound": ("Tokens bound to a key", lambda scope: "yes" if scope.holder_bound else "no"),
}
"""Every dimension of a scope with its name and how it is said."""

_NOTHING = (UNLIMITED, "at any time", "no", precisions_in_words(None))
