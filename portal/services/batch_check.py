"""A batch's file checked whole before anything is run: every line, the access it needs, and what it would cost."""

from collections.abc import Sequence

from agreements.access import Allowed, AskedSampling, Basis, Draw
from agreements.actors import Actor
from agreements.clauses import Confidentiality
from agreements.deciders import Value
from agreements.errors import ConcordatError
from agreements.scopes import Operation
from model_access.batches import MOST_PROBLEMS, Problem
from model_access.batches.model import Ground
from model_access.metering import Left
from portal.config import Settings
from portal.services.aggregates import GRANTS
from portal.services.batch_lines import Endpoints, Line, problem_of, read_lines
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.runs import RunService, sampling_of
from portal.services.stored_files import Retention

_Kind = tuple[frozenset[Operation], AskedSampling]


class Checked(Value):
    """What was found in a file."""

    lines: int
    """Good lines."""
    model: str
    endpoint: str = ""
    """Where its requests go; empty where nothing could be read."""
    problems: tuple[Problem, ...] = ()
    """The first ones."""
    problem_count: int = 0
    prompt_tokens: int = 0
    most_tokens: int = 0
    """Of all lines together: prompts and every token that might be generated."""
    budget_left: int | None = None
    """None where no budget applies."""
    requests_left: int | None = None
    ground: Ground | None = None
    retention: Retention | None = None

    @property
    def good(self) -> bool:
        """Whether it can be started."""
        return not self.problem_count


class BatchChecker:
    """Checks files; runs nothing and records nothing."""

    def __init__(
        self, kernel: Kernel, runs: RunService, grants: GrantService, endpoints: Endpoints, settings: Settings
    ) -> None:
        self._kernel = kernel
        self._runs = runs
        self._grants = grants
        self._endpoints = endpoints
        self._settings = settings

    @property
    def most_lines(self) -> int:
        """How many lines a batch may have."""
        return self._settings.batch_max_lines

    def check(self, actor: Actor, content: bytes, url: str, purpose: str | None) -> tuple[Checked, tuple[Line, ...]]:
        """What is in the file, and its good lines. What is refused of it is a problem, and nothing is raised for it."""
        reading = read_lines(content, url, self._endpoints[url], most_lines=self.most_lines)
        problems = list(reading.problems)
        prompt_tokens = most_tokens = 0
        allowed: Allowed | None = None
        asked: dict[_Kind, Allowed | ConcordatError] = {}
        for line in reading.lines:
            try:
                allowed = self._allowed(actor, line, purpose, asked)
                prompts, most = self._runs.cost(actor, line.model, line.request, allowed)
            except ConcordatError as refusal:
                problems.append(problem_of(line.number, refusal))
                continue
            prompt_tokens += prompts
            most_tokens += most
        draws = self._runs.draws(actor, allowed) if allowed is not None else ()
        left = self._runs.left(draws)
        if not problems:
            problems += _beyond(left, draws, len(reading.lines), most_tokens, most_tokens - prompt_tokens)
        problems.sort(key=lambda problem: problem.line or 0)
        checked = Checked(
            lines=len(reading.lines),
            model=reading.model,
            endpoint=url,
            problems=tuple(problems[:MOST_PROBLEMS]),
            problem_count=len(problems),
            prompt_tokens=prompt_tokens,
            most_tokens=most_tokens,
            budget_left=left.tokens,
            requests_left=left.requests,
            ground=_ground(allowed) if allowed is not None else None,
            retention=self.retention(allowed.basis, allowed.grant_id) if allowed is not None else None,
        )
        return checked, reading.lines

    def retention(self, basis: Basis, grant_id: str | None) -> Retention:
        """How long what was obtained on that ground is kept: as the agreement says, or the lab for itself."""
        if basis is Basis.LAB:
            return Retention(days=self._settings.batch_lab_days, because="the lab keeps its own for so long")
        if grant_id is not None:
            held = self._grants.held(self._kernel.state(GRANTS, grant_id))
            clause = held.clause(Confidentiality)
            if clause is not None and clause.portal_keeps_days is not None:
                return Retention(days=clause.portal_keeps_days, because=f"agreement {held.agreement.id} says so")
        return Retention(days=None, because="no agreement says that the portal keeps prompts and answers")

    def _allowed(
        self, actor: Actor, line: Line, purpose: str | None, asked: dict[_Kind, Allowed | ConcordatError]
    ) -> Allowed:
        """Asked once for all lines that need the same."""
        kind = (self._runs.operations_for(line.request), sampling_of(line.request))
        if kind not in asked:
            try:
                asked[kind] = self._runs.ground(actor, line.model, line.request, purpose=purpose)
            except ConcordatError as refusal:
                asked[kind] = refusal
        answer = asked[kind]
        if isinstance(answer, ConcordatError):
            raise answer
        return answer


def _beyond(left: Left, draws: Sequence[Draw], lines: int, most_tokens: int, most_outputs: int) -> list[Problem]:
    """What the whole batch would take beyond what is left."""
    whose = " and ".join(draw.says for draw in draws if draw.budget is not None or draw.requests is not None)
    outputs_of = " and ".join(draw.says for draw in draws if draw.outputs is not None)
    fewer = "Ask for fewer tokens or fewer lines, or ask for a larger grant."
    found = []
    if left.tokens is not None and most_tokens > left.tokens:
        message = f"The batch may use up to {most_tokens:,} tokens; {left.tokens:,} are left of {whose}."
        found.append(Problem(code="over_budget", message=message, hint=fewer))
    if left.requests is not None and lines > left.requests:
        message = f"The batch has {lines:,} lines; {left.requests:,} requests are left of {whose}."
        hint = "Submit fewer lines now, or ask for a larger grant."
        found.append(Problem(code="over_requests", message=message, hint=hint))
    if left.outputs is not None and most_outputs > left.outputs:
        message = f"The batch may generate up to {most_outputs:,} tokens; {left.outputs:,} are left of {outputs_of}."
        found.append(Problem(code="over_outputs", message=message, hint=fewer))
    return found


def _ground(allowed: Allowed) -> Ground:
    return Ground(
        basis=allowed.basis,
        grant_id=allowed.grant_id,
        institution_id=allowed.institution_id,
        agreement_digest=allowed.agreement_digest,
        purpose=allowed.purpose,
    )


def refused_for(refusal: ConcordatError) -> Checked:
    """What is found of a file whose submitter may not go on, or whose content cannot be read."""
    problem = Problem(code=refusal.code, message=refusal.message, hint=refusal.hint)
    return Checked(lines=0, model="", problems=(problem,), problem_count=1)
