"""A framework that names its users, a schedule under it, and what both open on every day while they change and end."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from agreements.access import Denied
from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus, Change
from agreements.errors import ConcordatError
from agreements.scopes import Operation
from agreements.standard_terms import template
from portal.services.aggregates import CHECKPOINTS
from portal.services.agreement_facts import Act
from tests.portal.services.duty_world import MODEL, granted, sign_by_both, terms
from tests.portal.services.world import World

BEN, CLEO = "ben@people.example", "cleo@people.example"
GRACE, OWN_GRACE = 30, 14
"""Days that the shipped framework and the usual terms promise to what was issued under a replaced version."""


def naming(*emails: str) -> dict[str, Any]:
    """A clause that names these people."""
    users = [{"name": email.split("@")[0].capitalize(), "email": email} for email in emails]
    return {"kind": "named_users", "clause_id": "named-users", "title": "Users", "text": "{users}.", "users": users}


def framework_text(*emails: str) -> list[dict[str, Any]]:
    """The shipped framework without vetting, for these people."""
    clauses = [one.model_dump(mode="json") for one in template("framework").clauses if one.kind != "vetting"]
    return [*clauses, naming(*emails)]


def standalone_text(*emails: str) -> list[dict[str, Any]]:
    """The usual terms for these people."""
    return [*terms(vetting=None, named_users=None), naming(*emails)]


@dataclass
class Story:
    """A framework for Ben and Cleo with a schedule under it, and a grant."""

    world: World
    framework: Agreement = field(init=False)
    schedule: Agreement = field(init=False)

    def __post_init__(self) -> None:
        ada, service = self.world.actor("ada"), self.world.portal.agreements
        self.world.checkpoint(MODEL)
        drafted = service.draft(ada, institution_id="north", template_id="framework", clauses=framework_text(BEN, CLEO))
        self.framework = sign_by_both(self.world, service.offer(ada, drafted.id))
        drafted = service.draft(
            ada, institution_id="north", template_id="model-schedule", framework_id=self.framework.id
        )
        self.schedule = sign_by_both(self.world, service.offer(ada, drafted.id))
        self.grant = granted(self.world, self.schedule)

    def amended(self, *emails: str) -> Agreement:
        """The framework, amended so that it names these people."""
        self.proposed(*emails)
        return sign_by_both(self.world, self.world.portal.agreements.get(self.world.actor("ada"), self.framework.id))

    def proposed(self, *emails: str) -> None:
        """An amendment on the table that names these people."""
        ada, service = self.world.actor("ada"), self.world.portal.agreements
        service.propose(ada, self.framework.id, change=Change.AMENDMENT, clauses=framework_text(*emails))
        service.offer(ada, self.framework.id)


def token(world: World, who: str, grant_id: str) -> str:
    """An access token for the grant, for as long as one may live."""
    return world.portal.tokens.issue(world.actor(who), label="notebook", grant_id=grant_id, hours=TOKEN_HOURS).token


TOKEN_HOURS = 24 * 60


def by_token(world: World, issued: str) -> str:
    """How a run with the token is answered now."""
    try:
        bearer = world.portal.tokens.authenticate(issued).actor
    except ConcordatError as refused:
        return refused.code
    return answer(world, bearer)


def answer(world: World, actor: Actor) -> str:
    """``open``, or the code with which a run is refused."""
    checkpoint = world.portal.kernel.state(CHECKPOINTS, MODEL)
    found = world.portal.checkpoints.access(actor, checkpoint, frozenset({Operation.GENERATE}), "misuse-analysis")
    return found.code if isinstance(found, Denied) else "open"


@pytest.fixture(autouse=True)
def long_tokens(world: World) -> None:
    """Tokens that live through a grace."""
    object.__setattr__(world.portal.settings, "token_hours", TOKEN_HOURS)


def test_what_was_issued_under_a_framework_goes_on_for_its_grace_day_by_day(world: World) -> None:
    story = Story(world)
    old = token(world, "cleo", story.grant.id)
    world.clock.advance(days=1)
    story.proposed(BEN)
    foreseen = world.portal.agreement_facts.consequences(world.actor("ben"), story.framework.id, Act.AMEND)
    assert foreseen.at == world.clock.now + timedelta(days=GRACE)
    assert (foreseen.schedules, foreseen.tokens) == ((story.schedule.id,), 1)
    assert [fate.goes_on for fate in foreseen.grants] == [True]
    assert foreseen.people == (
        f"Cleo <{CLEO}> is not named any more and goes on until {foreseen.at:%Y-%m-%d %H:%M} UTC.",
    )
    sign_by_both(world, world.portal.agreements.get(world.actor("ada"), story.framework.id))
    fresh = token(world, "cleo", story.grant.id)
    for day in range(GRACE + 10):
        in_grace = "open" if day < GRACE else "not_named"
        assert by_token(world, old) == in_grace, day
        assert answer(world, world.actor("cleo")) == in_grace, day
        assert by_token(world, fresh) == in_grace, day
        assert answer(world, world.actor("ben")) == "open"
        world.clock.advance(days=1)


def test_whom_an_amended_framework_names_anew_is_in_at_once(world: World) -> None:
    story = Story(world)
    old = token(world, "cleo", story.grant.id)
    story.amended(BEN)
    world.clock.advance(days=GRACE)
    assert by_token(world, old) == "not_named"
    story.amended(BEN, CLEO)
    assert answer(world, world.actor("cleo")) == by_token(world, old) == "open"


def test_a_token_is_held_to_the_version_it_names_while_that_works(world: World) -> None:
    ada, service = world.actor("ada"), world.portal.agreements
    world.checkpoint(MODEL)
    agreement = service.draft(ada, institution_id="north", clauses=standalone_text(BEN, CLEO))
    agreement = sign_by_both(world, service.offer(ada, agreement.id))
    grant = granted(world, agreement)
    old = token(world, "cleo", grant.id)
    world.clock.advance(days=1)
    service.propose(ada, agreement.id, change=Change.AMENDMENT, clauses=standalone_text(BEN))
    service.offer(ada, agreement.id)
    foreseen = world.portal.agreement_facts.consequences(ada, agreement.id, Act.AMEND)
    assert [fate.goes_on for fate in foreseen.grants] == [True]
    assert (foreseen.tokens, foreseen.at) == (1, world.clock.now + timedelta(days=OWN_GRACE))
    assert "refused on screen at once" in foreseen.people[0]
    sign_by_both(world, service.get(ada, agreement.id))
    for day in range(OWN_GRACE + 5):
        assert by_token(world, old) == ("open" if day < OWN_GRACE else "agreement_superseded"), day
        assert answer(world, world.actor("cleo")) == "not_named", day
        assert answer(world, world.actor("ben")) == "open", day
        world.clock.advance(days=1)


def test_with_a_framework_its_schedules_end_and_what_they_owe_counts_from_then(world: World) -> None:
    story = Story(world)
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    world.clock.advance(days=10)
    foreseen = world.portal.agreement_facts.consequences(ben, story.framework.id, Act.TERMINATE)
    assert foreseen.schedules == (story.schedule.id,)
    assert any(story.schedule.id in line and "final report" in line for line in foreseen.duties)
    service.terminate(ben, story.framework.id, reason="We close the laboratory.")
    ended = service.get(ada, story.schedule.id)
    assert (ended.status, ended.ends_at) == (AgreementStatus.TERMINATED, world.clock.now)
    assert story.framework.id in ended.end_reason
    due = {view.standing.duty.key: view.standing.due_at for view in world.portal.duties.of_agreement(ben, ended.id)}
    assert due == dict.fromkeys(("final-report/term-1", "termination/term-1"), world.clock.now + timedelta(days=30))
    for _ in range(25):
        world.clock.advance(days=1)
        ticked = world.portal.clockwork.tick()
        assert (ticked.narrowed, ticked.suspended, ticked.failed) == (0, 0, ())
        assert answer(world, ben) == "agreement_not_in_force"
    for one in (story.schedule, story.framework):
        service.close(ada, one.id, fulfilled=False)


def test_a_schedule_that_outlives_its_frameworks_term_ends_with_it(world: World) -> None:
    ada, service = world.actor("ada"), world.portal.agreements
    short = [one | ({"days": 60} if one["kind"] == "term" else {}) for one in framework_text(BEN, CLEO)]
    framework = sign_by_both(
        world, service.offer(ada, service.draft(ada, institution_id="north", template_id="framework", clauses=short).id)
    )
    drafted = service.draft(ada, institution_id="north", template_id="model-schedule", framework_id=framework.id)
    schedule = sign_by_both(world, service.offer(ada, drafted.id))
    assert schedule.expires_at is not None
    assert framework.expires_at is not None
    assert schedule.expires_at > framework.expires_at
    world.clock.advance(days=59)
    assert world.portal.clockwork.tick().ended == 0
    world.clock.advance(days=2)
    assert world.portal.clockwork.tick().ended == 1
    ended = service.get(ada, schedule.id)
    assert ended.status is AgreementStatus.TERMINATED
    assert framework.id in ended.end_reason
    assert world.portal.clockwork.tick().ended == 0
