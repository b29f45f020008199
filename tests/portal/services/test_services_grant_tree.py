"""Delegated grants as a service: who gets what, who is refused by whose limit, and what follows from a change above."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from agreements.actors import Actor, Membership, Role
from agreements.agreement import Change
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, Limited, NotFound
from agreements.grants import Grant, GrantStatus, Holder, HolderKind
from agreements.grants.tree import Becomes
from agreements.limits import Hours, Period, PeriodBudget, Sampling
from agreements.scopes import Operation, Scope
from portal.services.grant_views import GrantAct, Staleness
from tests.portal.services.world import PURPOSE, World, ask

PER_RUN = 8
"""Tokens of ``ask()``: four words, four more."""


@pytest.fixture
def root(world: World) -> Grant:
    """A grant of north's for a withheld checkpoint."""
    world.checkpoint("ladder-l")
    return world.grant(token_budget=100 * PER_RUN)


def held_by(world: World, name: str) -> Holder:
    """A person as a holder."""
    return Holder(kind=HolderKind.PERSON, id=world.people[name].id)


def delegated(world: World, parent: Grant, to: str, by: str = "ben", **narrower: object) -> Grant:
    """A grant delegated to somebody."""
    assert parent.scope is not None
    return world.portal.grants.delegate(
        world.actor(by),
        parent.id,
        holder=held_by(world, to),
        label=f"For {to}",
        scope=parent.scope.model_copy(update=narrower),
    )


def run(world: World, who: str | Actor, **more: object) -> str:
    """One run to its end; the grant it drew on."""
    actor = world.actor(who) if isinstance(who, str) else who
    active = world.portal.runs.begin(actor, "ladder-l", ask(**more), purpose=PURPOSE)  # type: ignore[arg-type]  # fields of a request
    active.result()
    return active.terms.grant_id or ""


def refused(world: World, who: str | Actor, **more: object) -> ConcordatError:
    """Why a run is refused."""
    with pytest.raises(ConcordatError) as refusal:
        run(world, who, **more)
    return refusal.value


def test_a_delegated_grant_is_drawn_on_first_and_charges_everything_above(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben", token_budget=50 * PER_RUN)
    cleo = delegated(world, lead, "cleo", token_budget=PER_RUN)
    nina = delegated(world, lead, "nina", token_budget=PER_RUN)
    assert run(world, "cleo") == cleo.id
    used = {view.grant.id: view.used_tokens for view in world.portal.grants.list(world.actor("ada"))}
    assert used == {root.id: PER_RUN, lead.id: PER_RUN, cleo.id: PER_RUN, nina.id: 0}
    refusal = refused(world, "cleo")
    assert (refusal.code, type(refusal)) == ("budget_exhausted", Limited)
    assert "the grant of Cleo" in refusal.message
    # Her budget is gone, and nobody else's.
    assert run(world, "nina") == nina.id
    assert run(world, "ben") == lead.id


def test_an_exhausted_parent_refuses_its_children_by_its_name(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben", token_budget=PER_RUN)
    delegated(world, lead, "cleo")
    run(world, "cleo")
    refusal = refused(world, "cleo")
    assert refusal.code == "budget_exhausted"
    assert "the grant of Cleo" in refusal.message  # her own was no larger
    world.portal.grants.extend(
        world.actor("ada"), lead.id, scope=_scope(lead).model_copy(update={"token_budget": 5 * PER_RUN}), reason="more"
    )
    assert run(world, "ben") == lead.id
    assert refused(world, "cleo").code == "budget_exhausted"


def _scope(grant: Grant) -> Scope:
    assert grant.scope is not None
    return grant.scope


@pytest.mark.parametrize(
    ("limit", "more", "code", "says"),
    [
        ({"request_budget": 1}, {}, "requests_exhausted", "the grant of Cleo"),
        ({"requests_per_minute": 1}, {}, "rate_limited", "the grant of Cleo"),
        (
            {"periods": (PeriodBudget(period=Period.DAY, tokens=PER_RUN),)},
            {},
            "budget_exhausted",
            "the day's budget of Cleo",
        ),
        (
            {"periods": (PeriodBudget(period=Period.WEEK, requests=1),)},
            {},
            "requests_exhausted",
            "the week's budget of Cleo",
        ),
        ({"sampling": Sampling(max_tokens=4)}, {"max_tokens": 5}, "sampling_not_granted", "max_tokens"),
        ({"sampling": Sampling(choices=1)}, {"n": 2}, "sampling_not_granted", "choices"),
        ({"sampling": Sampling(top_logprobs=0)}, {"logprobs": 1}, "sampling_not_granted", "top_logprobs"),
        ({"sampling": Sampling(max_temperature=0.5)}, {}, "sampling_not_granted", "temperature"),
        ({"hours": Hours(opens="10:00", zone="UTC")}, {}, "outside_hours", "takes requests"),
        ({"holder_bound": True}, {}, "proof_required", "bound to a key"),
    ],
)
def test_a_limit_refuses_with_whose_it_is(
    world: World, root: Grant, limit: dict[str, object], more: dict[str, object], code: str, says: str
) -> None:
    cleo = delegated(world, root, "cleo", "ben", **limit)
    if code not in {"sampling_not_granted", "outside_hours", "proof_required"}:
        run(world, "cleo")
    refusal = refused(world, "cleo", **more)
    assert refusal.code == code
    assert says in refusal.message
    if "sampling" in code:
        assert cleo.id in refusal.message
    # It is hers alone: her lead draws on the institution's grant.
    if code != "sampling_not_granted":
        assert run(world, "ben") == root.id


def test_what_a_grant_above_limits_is_named_as_that_ones(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben", sampling=Sampling(max_tokens=8))
    delegated(world, lead, "cleo")
    world.portal.grants.narrow(
        world.actor("ada"),
        root.id,
        scope=_scope(root).model_copy(update={"hours": Hours(opens="10:00", zone="UTC")}),
        reason="by day only",
    )
    refusal = refused(world, "cleo")
    assert refusal.code == "outside_hours"
    assert "10:00 UTC" in refusal.hint
    world.clock.advance(hours=2)
    run(world, "cleo")


def test_a_day_begins_anew_and_says_when(world: World, root: Grant) -> None:
    delegated(world, root, "cleo", periods=(PeriodBudget(period=Period.DAY, tokens=PER_RUN, requests=1),))
    run(world, "cleo")
    world.reopen(crash=True)
    refusal = refused(world, "cleo")
    assert refusal.code == "requests_exhausted"
    assert "2026-11-24 at 00:00 UTC" in refusal.hint
    assert refusal.retry_after_s == timedelta(hours=15).total_seconds()
    world.clock.advance(hours=15)
    run(world, "cleo")


def test_runs_at_once_are_counted_while_they_last(world: World, root: Grant) -> None:
    delegated(world, root, "cleo", concurrency=1)
    world.pool.holds = True
    first = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE)
    assert refused(world, "cleo").code == "too_many_at_once"
    world.pool.asked[-1].answer()
    first.result()
    world.pool.holds = False
    run(world, "cleo")


def test_a_root_may_be_for_delegation_alone(world: World) -> None:
    world.checkpoint("ladder-l")
    agreement = world.agreement()
    root = world.portal.grants.issue(
        world.actor("ada"), agreement_id=agreement.id, label="By name only", delegated_only=True
    )
    assert refused(world, "ben").code == "delegated_only"
    cleo = delegated(world, root, "cleo")
    assert run(world, "cleo") == cleo.id


def test_revoking_above_ends_what_is_below_at_once(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben")
    cleo = delegated(world, lead, "cleo", by="ben")
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=cleo.id)
    preview = world.portal.grants.preview(world.actor("ben"), lead.id, GrantAct.REVOKE)
    assert [(one.grant.id, one.becomes) for one in preview.grants] == [(cleo.id, Becomes.REVOKED)]
    assert preview.tokens == 1
    world.portal.grants.revoke(world.actor("ben"), lead.id, reason="the study ended")
    ended = world.portal.grants.get(world.actor("ada"), cleo.id).grant
    assert (ended.status, ended.revoked_with) == (GrantStatus.REVOKED, lead.id)
    actor = world.portal.tokens.authenticate(token.token).actor
    assert refused(world, actor).code == "grant_revoked"
    names = [entry.event.type_name for entry in world.portal.grants.history(world.actor("ben"), lead.id)]
    assert names == ["grant:issued", "grant:delegated", "grant:revoked"]


def test_suspending_above_stops_what_is_below_and_lifting_opens_it(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben")
    cleo = delegated(world, lead, "cleo")
    world.portal.grants.suspend(world.actor("ada"), lead.id, reason="looked into")
    bound = world.actor("cleo").model_copy(update={"grant_id": cleo.id})
    refusal = refused(world, bound)
    assert (refusal.code, lead.id in refusal.message) == ("grant_suspended", True)
    view = world.portal.grants.get(world.actor("cleo"), cleo.id)
    assert (view.active, view.closed_above) == (False, lead.id)
    with pytest.raises(Forbidden):
        world.portal.grants.lift(world.actor("ben"), lead.id, reason="it was nothing")
    world.portal.grants.lift(world.actor("ada"), lead.id, reason="it was nothing")
    assert run(world, bound) == cleo.id


def test_narrowing_below_nothing_in_common_is_previewed_and_done(world: World, root: Grant) -> None:
    purposes = sorted(_scope(root).purposes)
    cleo = delegated(world, root, "cleo", purposes=frozenset({purposes[0]}))
    nina = delegated(world, root, "nina", token_budget=PER_RUN)
    scope = _scope(root).model_copy(update={"purposes": frozenset({purposes[1]})})
    before = world.portal.grants.preview(world.actor("ada"), root.id, GrantAct.NARROW, scope=scope)
    assert {one.grant.id: one.becomes for one in before.grants} == {
        cleo.id: Becomes.REVOKED,
        nina.id: Becomes.NARROWED,
    }
    world.portal.grants.narrow(world.actor("ada"), root.id, scope=scope, reason="one purpose")
    after = {view.grant.id: view.grant for view in world.portal.grants.list(world.actor("ada"))}
    assert after[cleo.id].status is GrantStatus.REVOKED
    assert _scope(after[nina.id]).purposes == {purposes[1]}
    assert _scope(after[nina.id]).token_budget == PER_RUN


def test_a_child_takes_the_finer_limits_it_leaves_unsaid(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben", concurrency=2, sampling=Sampling(max_tokens=8))
    bare = Scope.model_validate(_scope(lead).model_dump(exclude={"concurrency", "sampling"}))
    child = world.portal.grants.delegate(
        world.actor("ben"), lead.id, holder=held_by(world, "cleo"), label="As above", scope=bare
    )
    assert child.scope == lead.scope


@pytest.mark.parametrize("outside", ["dan", "rae"])
def test_a_grant_is_delegated_within_its_institution(world: World, root: Grant, outside: str) -> None:
    with pytest.raises(Invalid) as refusal:
        delegated(world, root, outside)
    assert refusal.value.code == "holder_not_of_institution"
    with pytest.raises(Invalid):
        world.portal.grants.delegate(
            world.actor("ben"),
            root.id,
            holder=Holder(kind=HolderKind.PROGRAM, id="prg_unknown"),
            label="For nobody",
            scope=_scope(root),
        )


def test_others_neither_see_nor_pass_on_what_is_not_theirs(world: World, root: Grant) -> None:
    cleo = delegated(world, root, "cleo")
    assert {view.grant.id for view in world.portal.grants.list(world.actor("nina"))} == {root.id}
    for who in ("nina", "dan", "eve"):
        with pytest.raises(NotFound):
            world.portal.grants.get(world.actor(who), cleo.id)
    with pytest.raises(Forbidden):
        delegated(world, root, "nina", by="cleo")
    further = delegated(world, cleo, "nina", by="cleo", token_budget=PER_RUN)
    assert [view.grant.id for view in world.portal.grants.below(world.actor("ben"), root.id)] == [cleo.id, further.id]
    with pytest.raises(Forbidden):
        world.portal.grants.revoke(world.actor("nina"), further.id, reason="not mine")


def test_a_program_runs_only_on_what_it_holds(world: World, root: Grant) -> None:
    member = (Membership(institution_id="north", role=Role.PARTNER_MEMBER),)
    program = Actor(person_id="prg_x", name="Nightly", memberships=member, program=True)
    assert refused(world, program).code == "no_grant"
    assert refused(world, program.model_copy(update={"grant_id": root.id})).code == "not_the_holder"
    cleo = delegated(world, root, "cleo")
    assert refused(world, program.model_copy(update={"grant_id": cleo.id})).code == "not_the_holder"
    assert refused(world, world.actor("ben").model_copy(update={"grant_id": cleo.id})).code == "not_the_holder"


def test_a_repeated_key_delegates_once(world: World, root: Grant) -> None:
    once = [
        world.portal.grants.delegate(
            world.actor("ben"),
            root.id,
            holder=held_by(world, "cleo"),
            label="For Cleo",
            scope=_scope(root),
            idempotency_key="the-same",
        )
        for _ in range(2)
    ]
    assert once[0].id == once[1].id
    twice = [
        world.portal.grants.revoke(world.actor("ben"), once[0].id, reason="enough", idempotency_key="end-it")
        for _ in range(2)
    ]
    assert twice[0] == twice[1]


def test_an_amendment_carries_children_over_with_their_parent(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben")
    cleo = delegated(world, lead, "cleo", token_budget=PER_RUN)
    service, agreement_id = world.portal.agreements, root.agreement_id
    agreement = service.get(world.actor("ada"), agreement_id)
    clauses = [clause.model_dump(mode="json") for clause in agreement.clauses]
    clauses[0]["text"] += " This was amended."
    service.propose(
        world.actor("ada"), agreement_id, change=Change.AMENDMENT, clauses=clauses, note="one more sentence"
    )
    service.offer(world.actor("ada"), agreement_id)
    digest = service.get(world.actor("ada"), agreement_id).versions[-1].digest or ""
    for name in ("ben", "ada"):
        service.sign(world.actor(name), agreement_id, typed_name=world.actor(name).name, document_digest=digest)
    for grant in (root, lead, cleo):
        assert world.portal.grants.get(world.actor("ada"), grant.id).grant.agreement_digest == digest
    assert run(world, "cleo") == cleo.id


def test_the_report_names_why_a_grant_is_stale(world: World, root: Grant) -> None:
    cleo = delegated(world, root, "cleo")
    nina = delegated(world, root, "nina", expires_at=world.clock.now + timedelta(days=20))
    assert world.portal.stale_grants.list(world.actor("ada")) == ()
    world.clock.advance(days=10)
    run(world, "cleo")
    world.portal.people.deactivate(world.actor("ada"), world.people["cleo"].id, reason="left")
    stale = {one.grant.id: set(one.why) for one in world.portal.stale_grants.list(world.actor("ada"))}
    assert stale == {cleo.id: {Staleness.HOLDER_GONE}, nina.id: {Staleness.NEAR_EXPIRY}}
    world.clock.advance(days=25)
    stale = {one.grant.id: set(one.why) for one in world.portal.stale_grants.list(world.actor("ben"))}
    # What was delegated drew on the root ten days in, and that was 25 days ago.
    assert stale == {cleo.id: {Staleness.HOLDER_GONE}}
    assert world.portal.stale_grants.list(world.actor("dan")) == ()


CLIENTS = 64


def _settled(world: World, grants: Sequence[Grant]) -> dict[str, int]:
    return {grant.id: world.portal.grants.usage(grant.id).settled for grant in grants}


def test_64_clients_on_a_tree_never_pass_the_budget_of_any_ancestor(world: World, root: Grant) -> None:
    budgets = {"root": 100 * PER_RUN, "lead": 30 * PER_RUN, "cleo": 12 * PER_RUN, "nina": 25 * PER_RUN}
    day = (PeriodBudget(period=Period.DAY, requests=10),)
    lead = delegated(world, root, "ben", token_budget=budgets["lead"])
    cleo = delegated(world, lead, "cleo", token_budget=budgets["cleo"], periods=day)
    nina = delegated(world, lead, "nina", token_budget=budgets["nina"])
    actors = [world.actor(name) for name in ("cleo", "nina", "ben", "nina")]
    for round_ in range(3):
        start = threading.Barrier(CLIENTS)

        def client(number: int, start: threading.Barrier = start, round_: int = round_) -> str:
            start.wait()
            actor = actors[number % 4]
            try:
                active = world.portal.runs.begin(
                    actor, "ladder-l", ask(), purpose=PURPOSE, stream=bool((number + round_) % 2)
                )
                active.result()
            except Limited as refusal:
                return refusal.code
            return "ran"

        with ThreadPoolExecutor(CLIENTS) as crowd:
            list(crowd.map(client, range(CLIENTS)))
        # Some runs are under way when the portal goes down; streamed ones are charged all that they held.
        world.pool.holds = True
        for name in ("nina", "ben"):
            with suppress(Limited):
                world.portal.runs.begin(world.actor(name), "ladder-l", ask(), purpose=PURPOSE, stream=round_ == 0)
        world.pool.holds = False
        world.reopen(crash=True)
        used = _settled(world, [root, lead, cleo, nina])
        assert used[cleo.id] <= budgets["cleo"]
        assert used[nina.id] <= budgets["nina"]
        assert used[cleo.id] + used[nina.id] <= used[lead.id] <= budgets["lead"]
        assert used[lead.id] == used[root.id] <= budgets["root"]
        assert world.portal.grants.usage(cleo.id).requests <= 10
        assert all(world.portal.grants.usage(one.id).reserved == 0 for one in (root, lead, cleo, nina))
    assert _settled(world, [lead])[lead.id] == budgets["lead"]


def test_revoking_amid_a_crowd_lets_nothing_through_afterwards(world: World, root: Grant) -> None:
    lead = delegated(world, root, "ben")
    children = [delegated(world, lead, name, by="ben") for name in ("cleo", "nina") for _ in range(2)]
    start = threading.Barrier(9)
    revoked = threading.Event()
    late: list[str] = []

    def use(grant: Grant) -> None:
        holder = next(name for name, person in world.people.items() if person.id == grant.holder.id)
        actor = world.actor(holder).model_copy(update={"grant_id": grant.id})
        start.wait()
        for _ in range(10):
            was_revoked = revoked.is_set()
            try:
                active = world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE)
                active.result()
            except (Forbidden, Limited):
                continue
            if was_revoked:
                late.append(active.run_id)

    def delegate(grant: Grant) -> None:
        start.wait()
        for _ in range(5):
            try:
                delegated(world, grant, "nina", by="ada")
            except (Conflict, Invalid):
                continue

    def revoke() -> None:
        start.wait()
        world.portal.grants.revoke(world.actor("ada"), lead.id, reason="it leaked")
        revoked.set()

    with ThreadPoolExecutor(9) as crowd:
        done = [crowd.submit(use, grant) for grant in children]
        done += [crowd.submit(delegate, grant) for grant in children]
        done.append(crowd.submit(revoke))
        for future in done:
            future.result()
    assert late == []
    everyone = world.portal.grants.list(world.actor("ada"))
    assert all(view.grant.status is GrantStatus.REVOKED for view in everyone if view.grant.parent_id)


def test_operations_of_a_child_are_its_own(world: World, root: Grant) -> None:
    cleo = delegated(world, root, "cleo", operations=frozenset({Operation.GENERATE}))
    bound = world.actor("cleo").model_copy(update={"grant_id": cleo.id})
    assert refused(world, bound, logprobs=1).code == "operation_not_granted"
