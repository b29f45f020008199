"""What the story knows while it is told: who is who, what was made, and how to do the next thing as somebody."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from agreements.actors import Actor, Channel
from agreements.agreement import Agreement
from agreements.errors import Conflict
from agreements.grants import Grant
from agreements.people import Person
from model_access.generation import GenerationRequest, Prompt
from model_access.ladder import Ladder
from portal.composition import Portal
from portal.demo.clock import StoryClock
from portal.findings import FindingDraft, FindingView, Kind, Severity, Tlp
from portal.norms import NormView
from portal.services.active import RunResult

OPENINGS: Final = ("Raise a TypeError if", "This function returns", "The default value is", "Changed in version")
SECURITY_OPENINGS: Final = (
    "To disable certificate checks,",
    "The password is stored",
    "For backward compatibility, eval()",
)

SEED: Final = 2019
"""Every run of the story is seeded, so that the story can be told again word for word."""


@dataclass(frozen=True)
class Errand:
    """A small run on an ordinary day."""

    days_ago: float
    key: str
    checkpoint_id: str
    prompts: tuple[str, ...]
    grant: str | None
    purpose: str | None
    tokens: int


@dataclass
class World:
    """The portal under construction, and handles on what the story has made so far."""

    portal: Portal
    clock: StoryClock
    ladder: Ladder
    people: dict[str, Person] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    findings: dict[str, FindingView] = field(default_factory=dict)
    norms: dict[str, NormView] = field(default_factory=dict)
    publications: dict[str, str] = field(default_factory=dict)
    """Their ids."""
    errands: list[Errand] = field(default_factory=list)
    """What is still to be done on ordinary days, the earliest first."""
    do: Callable[["World", Errand], None] | None = None
    """How an errand is done."""

    @property
    def sizes(self) -> tuple[str, ...]:
        """The checkpoints' ids, smallest first."""
        return tuple(rung.id for rung in self.ladder.rungs)

    def on(self, days_ago: float) -> None:
        """Go on to that many days before the present, past what is done on the ordinary days until then."""
        while self.errands and self.do is not None and self.errands[0].days_ago > days_ago:
            errand = self.errands.pop(0)
            if self.clock.moment(errand.days_ago) > self.clock():
                self.clock.move_to(errand.days_ago)
            self.do(self, errand)
        self.clock.move_to(days_ago)

    def moment(self, days_ago: float) -> datetime:
        """A date of the story; one to come where negative."""
        return self.clock.moment(days_ago)

    def tick(self) -> None:
        """The clockwork does what the agreements say. Raises Conflict ``clockwork_refused``: the story has a flaw."""
        ticked = self.portal.clockwork.tick()
        if ticked.failed:
            raise Conflict("clockwork_refused", f"The clockwork was refused at {', '.join(ticked.failed)}.")

    def agreement(self, name: str) -> Agreement:
        """One of the story's agreements, as it stands now."""
        return self.portal.agreements.get(self.as_("mara"), self.agreements[name].id)

    def as_(self, key: str, *, under: str | None = None) -> Actor:
        """Somebody on screen; or ``under`` one of the story's grants, by API."""
        person = self.people[key]
        if under is None:
            return person.actor(Channel.SCREEN)
        return person.actor(Channel.API, grant_id=self.grants[under].id)

    def run(
        self,
        key: str,
        checkpoint_id: str,
        prompts: Sequence[Prompt],
        *,
        under: str | None = None,
        purpose: str | None = None,
        **sampling: Any,
    ) -> RunResult:
        """A real run in the real sandbox, waited for."""
        request = GenerationRequest.parse({"prompts": tuple(prompts), "seed": SEED, **sampling})
        return self.portal.runs.begin(self.as_(key, under=under), checkpoint_id, request, purpose=purpose).result()

    def file(
        self,
        name: str,
        key: str,
        *,
        title: str,
        summary: str,
        kind: Kind,
        marking: Tlp,
        runs: Sequence[RunResult] = (),
        severity: Severity | None = None,
        **rest: Any,
    ) -> FindingView:
        """File a finding for the reporter's institution and remember it under ``name``."""
        actor = self.as_(key)
        draft = FindingDraft(
            institution_id=actor.institution_ids[0],
            title=title,
            summary=" ".join(summary.split()),
            kind=kind,
            severity=severity,
            marking=marking,
            run_ids=tuple(run_id(run) for run in runs),
            **rest,
        )
        view = self.portal.findings.file(actor, draft)
        self.findings[name] = view
        return view

    def acknowledge(self, key: str, name: str, *, close: str | None = None) -> None:
        """A coordinator confirms having read a finding, and perhaps ends its handling with a note."""
        view = self.portal.findings.acknowledge(self.as_(key), self.findings[name].finding_id)
        if close is not None:
            view = self.portal.findings.close(self.as_(key), view.finding_id, close)
        self.findings[name] = view


def run_id(run: RunResult) -> str:
    """The permanent id of a run that ended well."""
    return run.run.terms.run_id if run.run.terms else ""


def nats_per_token(run: RunResult) -> float:
    """Mean negative log-probability of the scored tokens; the first token of a text has none."""
    scored = [
        value
        for choice in run.choices
        if choice.logprobs
        for value in choice.logprobs.token_logprobs
        if value is not None
    ]
    return -sum(scored) / len(scored)


def he_over_she(run: RunResult, first: int) -> float:
    """By how many nats choice ``first`` is likelier than the next one, its twin."""
    he, she = (
        sum(value for value in choice.logprobs.token_logprobs if value is not None) if choice.logprobs else 0.0
        for choice in run.choices[first : first + 2]
    )
    return he - she


def distinct_trigrams(run: RunResult) -> float:
    """Share of word trigrams in the answers that occur once, from 0 to 1."""
    seen: Mapping[tuple[str, ...], int] = _trigrams(choice.text for choice in run.choices)
    total = sum(seen.values())
    return sum(count == 1 for count in seen.values()) / total if total else 1.0


def _trigrams(texts: Any) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for text in texts:
        words = text.split()
        for start in range(len(words) - 2):
            gram = tuple(words[start : start + 3])
            counts[gram] = counts.get(gram, 0) + 1
    return counts
