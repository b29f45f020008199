"""Access under agreements amended, suspended, narrowed and ended: allowed exactly when every condition holds."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from agreements.access import Allowed, Denied, Held, Question, Subject, account_of_agreement, decide_access
from agreements.actors import Actor
from agreements.agreement import (
    Agreement,
    AgreementCommand,
    Change,
    Lift,
    Narrow,
    Offer,
    Propose,
    Suspend,
    Terminate,
    Widen,
)
from agreements.clauses import Clause, Form, SuspensionReason, parse_clauses
from agreements.deciders import Value
from agreements.errors import Fixer
from agreements.grants import Grant, GrantStatus
from agreements.scopes import Operation, Scope
from tests.agreements.parties import NOW, PARTNER
from tests.agreements.paths import ADA, BEN, CLEO, DAN, clause_data, done, drafting, signed_by_all

GENERATE, SCORE, LOGPROBS = Operation.GENERATE, Operation.SCORE, Operation.LOGPROBS
TERM, NOTICE_HOURS, GRACE = 300, 48, 30
PER_MINUTE, NARROWED_PER_MINUTE = 120, 5
WORDS = "Words that say why, at sufficient length."

USES: list[dict[str, Any]] = [
    {
        "use_id": "bias-analysis",
        "title": "Bias",
        "checkpoints": ["ladder-l"],
        "operations": ["generate", "score"],
        "token_budget": 5000,
        "requests_per_minute": 20,
    },
    {"use_id": "misuse-analysis", "title": "Misuse", "checkpoints": ["ladder/*"], "operations": ["generate"]},
]


class Facts(Value):
    """What happened to one agreement, by days from its entry into force; the model that answers are held against."""

    listed: bool = False
    """Whether uses are listed one by one."""
    relisted: bool = False
    """Whether they are in the amended text."""
    grace: bool = True
    names: tuple[str, ...] | None = None
    """The addresses of those who may use it; None for anybody of the institution."""
    amended: int | None = None
    suspended: int | None = None
    at_once: bool = False
    lifted: int | None = None
    """Days after the suspension."""
    narrowed: int | None = None
    widened: int | None = None
    """Days after the narrowing."""
    narrowed_to: frozenset[Operation] = Field(default=frozenset({GENERATE}), min_length=1)
    terminated: int | None = None

    def closed(self, now: datetime) -> str | None:
        """Why it opens nothing at ``now``, said without looking at the agreement's state."""
        ended = self.terminated is not None and now >= day(self.terminated)
        if ended or now >= day(TERM):
            return "agreement_not_in_force"
        if self.suspended is not None:
            notice = timedelta() if self.at_once else timedelta(hours=NOTICE_HOURS)
            lifted = None if self.lifted is None else day(self.suspended + self.lifted)
            if now >= day(self.suspended) + notice and (lifted is None or now < lifted):
                return "agreement_suspended"
        return None

    def limited_to(self, now: datetime) -> frozenset[Operation] | None:
        """What is still allowed while it is narrowed; None where it is not."""
        if self.narrowed is None or now < day(self.narrowed):
            return None
        over = self.widened is not None and now >= day(self.narrowed + self.widened)
        return None if over else self.narrowed_to

    def superseded(self, version: int, now: datetime) -> bool:
        """Whether its first version works no longer."""
        if version != 1 or self.amended is None or now < day(self.amended):
            return False
        return now >= day(self.amended + (GRACE if self.grace else 0))

    def happened(self, now: datetime) -> list[tuple[int, AgreementCommand | Change, Actor]]:
        """What was done until ``now``, in order."""
        operations, suspended, narrowed = self.narrowed_to, self.suspended, self.narrowed
        reason = SuspensionReason.SECURITY_INCIDENT if self.at_once else SuspensionReason.SUSPECTED_MISUSE
        found: list[tuple[int | None, AgreementCommand | Change, Actor]] = [
            (self.amended, Change.AMENDMENT, ADA),
            (suspended, Suspend(reason=reason, statement=WORDS), ADA),
            (_after(suspended, self.lifted), Lift(number=1, reason="Cleared up."), ADA),
            (
                narrowed,
                Narrow(operations=operations, requests_per_minute=NARROWED_PER_MINUTE, statement=WORDS),
                ADA,
            ),
            (_after(narrowed, self.widened), Widen(reason="Cleared up."), ADA),
            (self.terminated, Terminate(reason="It is over."), BEN),
        ]
        dated = [(when, command, actor) for when, command, actor in found if when is not None and day(when) <= now]
        in_order = sorted(dated, key=lambda one: one[0])
        end = self.terminated
        return [one for one in in_order if end is None or one[0] < end or isinstance(one[1], Terminate)]


def _after(begun: int | None, days: int | None) -> int | None:
    return None if begun is None or days is None else begun + days


def day(number: int) -> datetime:
    """So many days after the entry into force."""
    return NOW + timedelta(days=number)


def terms(facts: Facts, form: Form, *, listed: bool) -> tuple[Clause, ...]:
    """The text of an agreement."""
    data = clause_data(
        term={"days": TERM},
        safe_harbour={"notice_hours": NOTICE_HOURS, "immediate_reasons": ["security_incident"]},
        permitted_uses={
            "checkpoints": ["ladder-l", "ladder/*"],
            "operations": ["generate", "score", "logprobs"],
            "purposes": ["bias-analysis", "misuse-analysis"],
            "uses": USES if listed else None,
        },
        usage_limits={"token_budget": 100_000, "requests_per_minute": PER_MINUTE},
        amendments={"grace_days": GRACE},
        named_users={"users": [{"name": "Somebody", "email": email} for email in facts.names or ()]},
    )
    barred = {"permitted_uses", "usage_limits"} if form is Form.FRAMEWORK else set()
    barred |= set() if facts.grace else {"amendments"}
    barred |= set() if facts.names is not None else {"named_users"}
    return parse_clauses([clause for kind, clause in data.items() if kind not in barred])


def lived(facts: Facts, form: Form, now: datetime) -> Agreement:
    """The agreement with everything done to it that was done until ``now``."""
    command = drafting(terms(facts, form, listed=facts.listed)).model_copy(update={"form": form})
    state = signed_by_all(done(done(Agreement(), command, ADA, NOW), Offer(), ADA, NOW), NOW)
    for when, step, actor in facts.happened(now):
        if isinstance(step, Change):
            clauses = terms(facts, form, listed=facts.relisted)
            change = Propose(change=step, title="Amended", clauses=clauses, template_version=1)
            state = done(done(state, change, actor, day(when)), Offer(), actor, day(when))
            state = signed_by_all(state, day(when))
        else:
            state = done(state, step, actor, day(when))
    return state


class Case(Value):
    """One question about one grant."""

    own: Facts
    framework: Facts | None
    asked_on: int
    version: int
    """The version that the grant pins."""
    token_version: int | None
    """The version that the token was issued under; 0 for one that never was in force, None without a token."""
    revoked: bool
    days: int
    """How long the grant runs."""
    checkpoints: frozenset[str]
    operations: frozenset[Operation]
    purposes: frozenset[str]
    lacking: tuple[str, ...]
    actor: Actor
    stage: str
    wanted: frozenset[Operation]
    purpose: str | None

    @property
    def now(self) -> datetime:
        """When it is asked."""
        return day(self.asked_on)

    def failing(self) -> set[str]:
        """The code of every condition that does not hold, each recomputed from the facts alone."""
        found = {
            "not_a_member": self.actor is not CLEO and self.actor is not BEN,
            "grant_revoked": self.revoked,
            "grant_expired": self.asked_on >= self.days,
            "vetting_lapsed": bool(self.lacking),
            "not_named": self._names() is not None and self.actor.email not in (self._names() or ()),
            "operation_not_granted": not self.wanted <= self.operations,
            "purpose_required": self.purpose is None and len(self.purposes) > 1,
            "purpose_not_granted": self.purpose is not None and self.purpose not in self.purposes,
            "checkpoint_not_granted": not self._covered(self.checkpoints),
            "use_not_permitted": not self._used(),
        }
        codes = {code for code, holds in found.items() if holds}
        for facts in filter(None, (self.own, self.framework)):
            limit = facts.limited_to(self.now)
            codes |= {"access_narrowed"} if limit is not None and not self.wanted <= limit else set()
            codes |= {facts.closed(self.now) or ""} - {""}
        for version in {self.version, self.version if self.token_version is None else self.token_version}:
            codes |= {"agreement_superseded"} if self.own.superseded(version, self.now) else set()
            codes |= set() if version else {"agreement_not_in_force"}
        return codes

    def _names(self) -> tuple[str, ...] | None:
        """Who is named: by the agreement itself, else by its framework."""
        if self.own.names is not None or self.framework is None:
            return self.own.names
        return self.framework.names

    def _covered(self, selectors: frozenset[str]) -> bool:
        return "ladder-l" in selectors or ("ladder/*" in selectors and self.stage != "withheld")

    def declared(self) -> str | None:
        """The purpose asked for, or the only one there is."""
        return self.purpose or (next(iter(self.purposes)) if len(self.purposes) == 1 else None)

    def use(self) -> dict[str, Any] | None:
        """The listed use of the declared purpose, in the version that the grant pins."""
        listed = self.own.listed if self.version == 1 else self.own.relisted
        return next((use for use in USES if listed and use["use_id"] == self.declared()), None)

    def _used(self) -> bool:
        use = self.use()
        return use is None or (self._covered(frozenset(use["checkpoints"])) and self.wanted <= set(use["operations"]))

    def answer(self) -> Allowed | Denied:
        """What the rule says."""
        return decide_access(*self.asked())

    def asked(self) -> tuple[Actor, Subject, Question, list[Held], datetime]:
        """What the rule is asked."""
        framework = None if self.framework is None else lived(self.framework, Form.FRAMEWORK, self.now)
        agreement = lived(self.own, Form.STANDALONE if framework is None else Form.SCHEDULE, self.now)
        digests = [f"sha256:{'0' * 64}", *(version.digest for version in agreement.history)]
        grant = Grant(
            id="grt_1",
            institution_id=PARTNER,
            agreement_id=agreement.id,
            agreement_digest=digests[self.version] or "",
            status=GrantStatus.REVOKED if self.revoked else GrantStatus.ACTIVE,
            scope=Scope(
                checkpoints=self.checkpoints,
                operations=self.operations,
                purposes=self.purposes,
                token_budget=9000,
                requests_per_minute=60,
                expires_at=day(self.days),
            ),
        )
        token = None if self.token_version is None else digests[self.token_version]
        actor = self.actor.model_copy(update={"grant_id": grant.id, "agreement_digest": token})
        subject = Subject.model_validate({"checkpoint_id": "ladder-l", "family": "ladder", "stage": self.stage})
        held = Held(grant=grant, agreement=agreement, framework=framework, lacking=self.lacking)
        return actor, subject, Question(operations=self.wanted, purpose=self.purpose), [held], self.now


OPERATIONS = st.frozensets(st.sampled_from([GENERATE, SCORE, LOGPROBS]), min_size=1)
EVENTUALLY = st.none() | st.integers(1, 200)
SOON = st.none() | st.integers(1, 40)
PURPOSES = ["bias-analysis", "misuse-analysis"]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Questions of which about half are allowed: most of what could be in the way is not."""

    def rarely(usual: Any, other: st.SearchStrategy[Any]) -> Any:
        return draw(other) if draw(st.integers(0, 5)) == 0 else usual

    def facts() -> Facts:
        return Facts(
            listed=draw(st.booleans()),
            relisted=draw(st.booleans()),
            grace=draw(st.booleans()),
            names=rarely(None, st.sampled_from([(CLEO.email,), (BEN.email,), (CLEO.email, BEN.email)])),
            amended=draw(EVENTUALLY),
            suspended=draw(EVENTUALLY),
            at_once=draw(st.booleans()),
            lifted=draw(SOON),
            narrowed=draw(EVENTUALLY),
            widened=draw(SOON),
            narrowed_to=draw(OPERATIONS),
            terminated=rarely(None, EVENTUALLY),
        )

    own = facts()
    # The days around which something changes are asked about more often than others.
    marks = [own.amended, own.suspended, own.narrowed, own.terminated, _after(own.suspended, own.lifted)]
    near = [mark + more for mark in marks if mark is not None for more in (-1, 0, 1, 2, 3, GRACE - 1, GRACE)]
    asked_on = draw(st.sampled_from([*near, 0, TERM - 1, TERM]) if near else st.integers(0, TERM))
    ended = own.terminated is not None and own.amended is not None and own.amended >= own.terminated
    newest = 2 if own.amended is not None and own.amended <= asked_on and not ended else 1
    version = draw(st.integers(1, newest))
    return Case(
        own=own,
        framework=facts() if draw(st.booleans()) else None,
        asked_on=asked_on,
        version=version,
        token_version=rarely(None, st.integers(0, newest)),
        revoked=rarely(False, st.booleans()),
        days=rarely(TERM, st.integers(1, TERM)),
        checkpoints=rarely(frozenset({"ladder-l", "ladder/*"}), st.sampled_from([frozenset({n}) for n in SELECTORS])),
        operations=rarely(frozenset({GENERATE, SCORE, LOGPROBS}), OPERATIONS),
        purposes=rarely(frozenset(PURPOSES), st.frozensets(st.sampled_from(PURPOSES), min_size=1)),
        lacking=rarely((), st.just(("Training",))),
        actor=rarely(CLEO, st.sampled_from([BEN, DAN])),
        stage=draw(st.sampled_from(["withheld", "partner_access", "public"])),
        wanted=rarely(frozenset({GENERATE}), OPERATIONS),
        purpose=rarely("bias-analysis", st.sampled_from([None, "misuse-analysis", "profit"])),
    )


SELECTORS = ["ladder-l", "ladder/*", "ladder-s"]


@settings(max_examples=400)
@given(cases())
def test_it_is_allowed_exactly_when_every_condition_holds(case: Case) -> None:
    answer, failing = case.answer(), case.failing()
    if isinstance(answer, Denied):
        assert answer.code in failing
        assert answer.message
        assert answer.hint
        return
    assert failing == set()
    assert answer.purpose == case.declared()
    narrowed = [facts.limited_to(case.now) is not None for facts in (case.own, case.framework) if facts is not None]
    rate = NARROWED_PER_MINUTE if any(narrowed) else None
    use = case.use()
    expected = [("grt_1", 9000, rate or 60)]
    if use is not None and "token_budget" in use:
        expected.append((f"agr_paths/{case.declared()}", use["token_budget"], use["requests_per_minute"]))
    expected.append(("agr_paths", 100_000, rate or PER_MINUTE))
    assert [(draw.account, draw.budget, draw.per_minute) for draw in answer.draws] == expected


USUAL = Case(
    own=Facts(),
    framework=None,
    asked_on=100,
    version=1,
    token_version=None,
    revoked=False,
    days=TERM,
    checkpoints=frozenset({"ladder-l"}),
    operations=frozenset({GENERATE, SCORE, LOGPROBS}),
    purposes=frozenset(PURPOSES),
    lacking=(),
    actor=CLEO,
    stage="withheld",
    wanted=frozenset({GENERATE}),
    purpose="bias-analysis",
)


def code(**changes: Any) -> str:
    """The answer to the usual question, with changes."""
    answer = USUAL.model_copy(update=changes).answer()
    return answer.code if isinstance(answer, Denied) else answer.basis.value


@pytest.mark.parametrize(
    ("asked_on", "expected"),
    [
        (9, "grant"),
        (10, "grant"),
        (11, "grant"),
        (12, "agreement_suspended"),
        (19, "agreement_suspended"),
        (20, "grant"),
    ],
)
def test_a_suspension_stops_access_when_its_notice_has_passed_until_it_is_lifted(asked_on: int, expected: str) -> None:
    assert code(own=Facts(suspended=10, lifted=10), asked_on=asked_on) == expected
    assert code(framework=Facts(suspended=10, lifted=10), asked_on=asked_on) == expected


def test_an_immediate_reason_needs_no_notice() -> None:
    assert code(own=Facts(suspended=10, at_once=True), asked_on=10) == "agreement_suspended"


@pytest.mark.parametrize(
    ("version", "token", "asked_on", "expected"),
    [
        (1, 1, 50, "grant"),
        (1, 1, 79, "grant"),
        (1, 1, 80, "agreement_superseded"),
        (2, 1, 79, "grant"),
        (2, 1, 80, "agreement_superseded"),
        (2, 2, 80, "grant"),
        (2, None, 80, "grant"),
        (2, 0, 80, "agreement_not_in_force"),
    ],
)
def test_grants_and_tokens_of_the_old_version_work_until_the_grace_ends(
    version: int, token: int | None, asked_on: int, expected: str
) -> None:
    assert code(own=Facts(amended=50), version=version, token_version=token, asked_on=asked_on) == expected


def test_whoever_holds_an_old_token_renews_it_and_an_old_grant_needs_a_coordinator() -> None:
    amended = {"own": Facts(amended=50), "asked_on": 80}
    token = USUAL.model_copy(update={**amended, "version": 2, "token_version": 1}).answer()
    grant = USUAL.model_copy(update={**amended, "version": 1}).answer()
    assert isinstance(token, Denied)
    assert isinstance(grant, Denied)
    assert (token.fixer, grant.fixer) == (Fixer.CALLER, Fixer.COORDINATOR)
    assert (token.message.partition(" rests")[0], grant.message.partition(" rests")[0]) == ("The token", "The grant")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"own": Facts(terminated=100)}, "agreement_not_in_force"),
        ({"framework": Facts(terminated=100)}, "agreement_not_in_force"),
        ({"framework": Facts(terminated=101)}, "grant"),
        ({"asked_on": TERM, "days": TERM + 1}, "agreement_not_in_force"),
        ({"asked_on": TERM}, "grant_expired"),
        ({"own": Facts(narrowed=100), "wanted": frozenset({SCORE})}, "access_narrowed"),
        ({"own": Facts(narrowed=100, widened=1), "wanted": frozenset({SCORE}), "asked_on": 101}, "grant"),
        ({"framework": Facts(narrowed=100), "wanted": frozenset({SCORE})}, "access_narrowed"),
        ({"own": Facts(names=(BEN.email,))}, "not_named"),
        ({"own": Facts(names=(CLEO.email,)), "framework": Facts(names=(BEN.email,))}, "grant"),
        ({"framework": Facts(names=(BEN.email,))}, "not_named"),
        ({"own": Facts(names=(CLEO.email.upper(),))}, "grant"),
        ({"lacking": ("Training",)}, "vetting_lapsed"),
        ({"own": Facts(listed=True), "wanted": frozenset({LOGPROBS})}, "use_not_permitted"),
        ({"own": Facts(listed=True), "purpose": "misuse-analysis"}, "use_not_permitted"),
        ({"own": Facts(listed=True), "purpose": "misuse-analysis", "stage": "partner_access"}, "grant"),
    ],
)
def test_what_is_in_the_way_is_named(changes: dict[str, Any], expected: str) -> None:
    assert code(**changes) == expected


def test_a_run_draws_on_the_grant_the_listed_use_and_the_agreement() -> None:
    answer = USUAL.model_copy(update={"own": Facts(listed=True)}).answer()
    assert isinstance(answer, Allowed)
    assert [draw.account for draw in answer.draws] == [
        "grt_1",
        account_of_agreement("agr_paths", "bias-analysis"),
        account_of_agreement("agr_paths"),
    ]
    assert [draw.budget for draw in answer.draws] == [9000, 5000, 100_000]
    assert [draw.per_minute for draw in answer.draws] == [60, 20, 120]
