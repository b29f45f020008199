"""The tree of grants: child ⊆ parent and no revival, whatever is planned and done in whatever order."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agreements.access import Allowed, Held, Question, Subject, decide_access
from agreements.actors import Actor, Membership, Role
from agreements.deciders import Event
from agreements.errors import ConcordatError, Conflict, Fixer, Forbidden, Invalid
from agreements.grants import (
    GRANT,
    MAX_CHILDREN,
    MAX_DEPTH,
    DelegateGrant,
    ExtendGrant,
    Grant,
    GrantStatus,
    Holder,
    HolderKind,
    IssueGrant,
    LiftGrantSuspension,
    MakeRoom,
    NarrowGrant,
    ReceiveGrant,
    RevokeGrant,
    SuspendGrant,
    may_lift,
    may_suspend,
)
from agreements.grants.commands import GrantCommand
from agreements.grants.tree import Becomes, following, if_narrowed, if_revoked, path_to_root
from agreements.limits import Hours, Period, PeriodBudget, Sampling
from agreements.scopes import Operation, Scope, excesses
from tests.agreements.parties import COORDINATOR, LEAD, MEMBER, NOW, OUTSIDER, PARTNER, in_force

AGREEMENT = in_force()
BOUNDS = AGREEMENT.bounds()
LATER = NOW + timedelta(days=1)
ASKED = Question(operations=frozenset({Operation.GENERATE}), purpose="bias-analysis")
SUBJECT = Subject(checkpoint_id="ladder-l", family="ladder", stage="withheld")

Steps = list[tuple[str, GrantCommand]]


def person(number: int) -> Actor:
    """A member of the partner."""
    return Actor(
        person_id=f"per_{number}",
        name=f"Person {number}",
        memberships=(Membership(institution_id=PARTNER, role=Role.PARTNER_MEMBER),),
    )


def held_by(number: int) -> Holder:
    """What a child says about its holder."""
    return Holder(kind=HolderKind.PERSON, id=f"per_{number}")


class Forest:
    """Grants by id, changed as the service changes them: several steps, all or none, each decided on what is there."""

    def __init__(self) -> None:
        self.grants: dict[str, Grant] = {}
        self.made = 0

    def find(self, grant_id: str) -> Grant:
        """A grant by its id."""
        return self.grants[grant_id]

    def do(self, steps: Steps, actor: Actor = COORDINATOR) -> None:
        """Carry out the steps. Raises the first refusal, and then nothing has changed."""
        decided: list[tuple[str, Iterable[Event]]] = []
        for grant_id, command in steps:
            state = self.grants.get(grant_id, Grant())
            decided.append((grant_id, GRANT.decide(state, command, actor, LATER)))
        for grant_id, events in decided:
            self.grants[grant_id] = GRANT.fold(events, self.grants.get(grant_id, Grant()))

    def root(self, scope: Scope = BOUNDS.scope) -> str:
        """A grant of the institution."""
        self.made += 1
        command = IssueGrant(
            grant_id=f"grt_{self.made}",
            institution_id=PARTNER,
            agreement_id=AGREEMENT.id,
            agreement_digest=AGREEMENT.document_digest or "",
            label="a root",
            scope=scope,
            bounds=BOUNDS,
        )
        self.do([(command.grant_id, command)])
        return command.grant_id

    def delegation(self, parent_id: str, scope: Scope, holder: Holder) -> tuple[str, Steps]:
        """The id of a child to be, and the steps that make it."""
        self.made += 1
        child_id, parent = f"grt_{self.made}", self.find(parent_id)
        shared = {"holder": holder, "scope": scope, "agreement_digest": parent.agreement_digest}
        receive = ReceiveGrant.model_validate(
            {
                **shared,
                "grant_id": child_id,
                "institution_id": PARTNER,
                "agreement_id": parent.agreement_id,
                "label": "a child",
                "parent_id": parent_id,
                "depth": parent.depth + 1,
            }
        )
        delegate = DelegateGrant.model_validate({**shared, "child_id": child_id})
        return child_id, [(parent_id, delegate), (child_id, receive)]

    def child(self, parent_id: str, holder: int = 1, actor: Actor = COORDINATOR, **narrower: object) -> str:
        """A grant delegated to a person."""
        scope = self.find(parent_id).scope
        assert scope is not None
        child_id, steps = self.delegation(parent_id, scope.model_copy(update=narrower), held_by(holder))
        self.do(steps, actor)
        return child_id

    def above(self, grant_id: str) -> tuple[Holder, ...]:
        """Who holds the grants above."""
        return tuple(grant.holder for grant in path_to_root(self.find(grant_id), self.find))

    def narrowing(self, grant_id: str, scope: Scope) -> Steps:
        """The steps that narrow a grant and what is below it."""
        grant = self.find(grant_id)
        command = NarrowGrant(scope=scope, reason="too wide", above=self.above(grant_id), seen=grant.tree_changes)
        below = following(grant, if_narrowed(grant, scope, self.find), "too wide")
        return [(grant_id, command), *((one.id, follow) for one, follow in below)]

    def revoking(self, grant_id: str) -> Steps:
        """The steps that end a grant and what is below it."""
        grant = self.find(grant_id)
        command = RevokeGrant(reason="it leaked", above=self.above(grant_id), seen=grant.tree_changes)
        below = following(grant, if_revoked(grant, self.find), "it leaked")
        return [(grant_id, command), *((one.id, follow) for one, follow in below)]

    def extending(self, grant_id: str, scope: Scope) -> Steps:
        """The steps that widen a grant within what is above it."""
        grant, above = self.find(grant_id), self.above(grant_id)
        if not grant.parent_id:
            return [(grant_id, ExtendGrant(scope=scope, reason="more work", above=above, bounds=BOUNDS))]
        return [
            (grant_id, ExtendGrant(scope=scope, reason="more work", above=above)),
            (grant.parent_id, MakeRoom(child_id=grant_id, scope=scope)),
        ]

    def opens(self, grant_id: str) -> bool:
        """Whether its holder may use it."""
        grant = self.find(grant_id)
        actor = Actor(
            person_id=grant.holder.id if grant.parent_id else "per_anyone",
            name="holder",
            memberships=(Membership(institution_id=PARTNER, role=Role.PARTNER_MEMBER),),
            key_thumbprint="proved",
        )
        held = Held(grant=grant, agreement=AGREEMENT, path=path_to_root(grant, self.find))
        return isinstance(decide_access(actor, SUBJECT, ASKED, [held], LATER), Allowed)


def scope_of(**narrower: object) -> Scope:
    """What the agreement allows, with changes."""
    return BOUNDS.scope.model_copy(update=narrower)


SCOPES = st.builds(
    scope_of,
    purposes=st.frozensets(st.sampled_from(["bias-analysis", "misuse-analysis"]), min_size=1),
    token_budget=st.integers(1, 4).map(lambda share: share * BOUNDS.scope.token_budget // 4),
    concurrency=st.none() | st.integers(1, 2),
    periods=st.just(()) | st.builds(lambda n: (PeriodBudget(period=Period.DAY, requests=n),), st.integers(1, 3)),
    sampling=st.none() | st.builds(Sampling, max_tokens=st.integers(1, 3)),
    hours=st.none() | st.builds(Hours, opens=st.sampled_from(["00:00", "09:00"]), zone=st.just("UTC")),
    holder_bound=st.booleans(),
    expires_at=st.integers(2, 4).map(lambda days: NOW + timedelta(days=days)),
)


class Trees(RuleBasedStateMachine):
    """Plans are made on the tree as it stands and carried out later, as those of many people at once are."""

    def __init__(self) -> None:
        super().__init__()
        self.forest = Forest()
        self.plans: list[Steps] = []
        self.ended: set[str] = set()

    @initialize()
    def plant(self) -> None:
        self.forest.root()

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.forest.grants)))

    @rule(data=st.data(), scope=SCOPES, holder=st.integers(1, 3))
    def plan_delegation(self, data: st.DataObject, scope: Scope, holder: int) -> None:
        self.plans.append(self.forest.delegation(self.pick(data), scope, held_by(holder))[1])

    @rule(data=st.data(), scope=SCOPES, holder=st.integers(1, 3))
    def delegate(self, data: st.DataObject, scope: Scope, holder: int) -> None:
        self.attempt(self.forest.delegation(self.pick(data), scope, held_by(holder))[1])

    @rule(data=st.data(), scope=SCOPES)
    def plan_narrowing(self, data: st.DataObject, scope: Scope) -> None:
        self.plans.append(self.forest.narrowing(self.pick(data), scope))

    @rule(data=st.data(), scope=SCOPES)
    def narrow(self, data: st.DataObject, scope: Scope) -> None:
        self.attempt(self.forest.narrowing(self.pick(data), scope))

    @rule(data=st.data(), scope=SCOPES)
    def plan_extension(self, data: st.DataObject, scope: Scope) -> None:
        self.plans.append(self.forest.extending(self.pick(data), scope))

    @rule(data=st.data())
    def plan_revocation(self, data: st.DataObject) -> None:
        self.plans.append(self.forest.revoking(self.pick(data)))

    @rule(data=st.data(), lifts=st.booleans())
    def suspend_or_lift(self, data: st.DataObject, lifts: bool) -> None:
        grant_id = self.pick(data)
        kind = LiftGrantSuspension if lifts else SuspendGrant
        self.attempt([(grant_id, kind(reason="looked into", above=self.forest.above(grant_id)))])

    @precondition(lambda self: self.plans)
    @rule(data=st.data())
    def carry_out(self, data: st.DataObject) -> None:
        self.attempt(self.plans.pop(data.draw(st.integers(0, len(self.plans) - 1))))

    def attempt(self, steps: Steps) -> None:
        try:
            self.forest.do(steps)
        except (Invalid, Conflict) as refusal:
            assert refusal.message

    @invariant()
    def every_child_lies_within_its_parent(self) -> None:
        for grant in self.forest.grants.values():
            if not grant.parent_id or grant.status is GrantStatus.REVOKED:
                continue
            parent = self.forest.find(grant.parent_id)
            assert grant.id in parent.children
            assert parent.status is not GrantStatus.REVOKED
            assert grant.scope is not None
            assert parent.scope is not None
            assert excesses(grant.scope, parent.scope) == ()
            assert grant.depth == parent.depth + 1 <= MAX_DEPTH

    @invariant()
    def what_was_revoked_never_opens_again_and_neither_does_what_is_below(self) -> None:
        grants = self.forest.grants
        assert self.ended <= {one.id for one in grants.values() if one.status is GrantStatus.REVOKED}
        self.ended |= {one.id for one in grants.values() if one.status is GrantStatus.REVOKED}
        for grant in grants.values():
            line = (grant, *path_to_root(grant, self.forest.find))
            if any(one.status is not GrantStatus.ACTIVE for one in line):
                assert not self.forest.opens(grant.id)


TestTrees = Trees.TestCase
TestTrees.settings = settings(stateful_step_count=30, max_examples=150, deadline=None)


def three() -> tuple[Forest, str, str, str]:
    """A root, a lead's grant and a researcher's."""
    forest = Forest()
    root = forest.root()
    middle = forest.child(root, 1)
    return forest, root, middle, forest.child(middle, 2)


def refusal(forest: Forest, steps: Steps, actor: Actor = COORDINATOR) -> ConcordatError:
    """Why the steps are refused."""
    before = dict(forest.grants)
    with pytest.raises(ConcordatError) as refused:
        forest.do(steps, actor)
    assert forest.grants == before
    return refused.value


WIDEST = BOUNDS.scope
LIMITED = WIDEST.model_copy(
    update={
        "request_budget": 10,
        "concurrency": 2,
        "periods": (PeriodBudget(period=Period.DAY, tokens=10, requests=5),),
        "sampling": Sampling(max_tokens=8, choices=2, top_logprobs=3, max_temperature=1.0),
        "hours": Hours(opens="09:00", closes="17:00", zone="Europe/Zurich"),
        "holder_bound": True,
        "operations": frozenset({Operation.GENERATE}),
        "purposes": frozenset({"bias-analysis"}),
        "checkpoints": frozenset({"ladder-l"}),
    }
)


@pytest.mark.parametrize(
    ("wider", "dimension"),
    [
        ({"checkpoints": WIDEST.checkpoints}, "checkpoints"),
        ({"operations": frozenset({Operation.GENERATE, Operation.EMBED})}, "operations"),
        ({"purposes": WIDEST.purposes}, "purposes"),
        ({"token_budget": WIDEST.token_budget + 1}, "token_budget"),
        ({"requests_per_minute": WIDEST.requests_per_minute + 1}, "requests_per_minute"),
        ({"expires_at": WIDEST.expires_at + timedelta(seconds=1)}, "expires_at"),
        ({"request_budget": 11}, "request_budget"),
        ({"concurrency": None}, "concurrency"),
        ({"periods": (PeriodBudget(period=Period.DAY, tokens=11, requests=5),)}, "periods.day.tokens"),
        ({"periods": (PeriodBudget(period=Period.DAY, tokens=10),)}, "periods.day.requests"),
        ({"sampling": Sampling(max_tokens=9, choices=2, top_logprobs=3, max_temperature=1)}, "sampling.max_tokens"),
        ({"sampling": Sampling(max_tokens=8, choices=3, top_logprobs=3, max_temperature=1)}, "sampling.choices"),
        ({"sampling": Sampling(max_tokens=8, choices=2, top_logprobs=4, max_temperature=1)}, "sampling.top_logprobs"),
        ({"sampling": Sampling(max_tokens=8, choices=2, top_logprobs=3)}, "sampling.max_temperature"),
        ({"hours": Hours(opens="08:00", closes="17:00", zone="Europe/Zurich")}, "hours"),
        ({"holder_bound": False}, "holder_bound"),
    ],
)
def test_a_child_beyond_its_parent_is_refused_with_the_dimension(wider: dict[str, object], dimension: str) -> None:
    forest = Forest()
    root = forest.root(LIMITED)
    child = forest.child(root)
    scope = LIMITED.model_copy(update=wider)
    for steps in (forest.delegation(root, scope, held_by(2))[1], forest.extending(child, scope)):
        refused = refusal(forest, steps)
        assert (refused.code, refused.param) == ("beyond_parent", dimension)
        assert dimension in refused.message


def test_narrowing_cuts_everything_below_and_ends_what_has_nothing_left() -> None:
    forest, root, middle, leaf = three()
    other = forest.child(root, 3, purposes=frozenset({"misuse-analysis"}))
    scope = WIDEST.model_copy(update={"purposes": frozenset({"bias-analysis"}), "token_budget": 5})
    fates = {one.grant.id: one for one in if_narrowed(forest.find(root), scope, forest.find)}
    assert {grant_id: one.becomes for grant_id, one in fates.items()} == {
        middle: Becomes.NARROWED,
        leaf: Becomes.NARROWED,
        other: Becomes.REVOKED,
    }
    assert set(fates[leaf].dimensions) == {"purposes", "token_budget"}
    forest.do(forest.narrowing(root, scope))
    assert forest.find(leaf).scope == forest.find(middle).scope == scope
    assert forest.find(other).revoked_with == root


def test_a_revocation_planned_before_a_delegation_is_planned_anew() -> None:
    forest, _, middle, leaf = three()
    plan = forest.revoking(middle)
    forest.child(leaf, 3)
    assert refusal(forest, plan).code == "tree_changed"
    forest.do(forest.revoking(middle))
    assert all(grant.status is GrantStatus.REVOKED for grant in forest.grants.values() if grant.parent_id)


def test_a_narrowing_planned_before_a_child_was_widened_is_planned_anew() -> None:
    forest = Forest()
    root = forest.root()
    child = forest.child(root, token_budget=5)
    plan = forest.narrowing(root, WIDEST.model_copy(update={"token_budget": 5}))
    forest.do(forest.extending(child, WIDEST.model_copy(update={"token_budget": 6})))
    assert refusal(forest, plan).code == "tree_changed"


def test_a_suspension_stops_what_is_below_until_it_is_lifted() -> None:
    forest, _, middle, leaf = three()
    assert forest.opens(leaf)
    forest.do([(middle, SuspendGrant(reason="looked into"))])
    assert not forest.opens(leaf)
    scope = forest.find(middle).scope
    assert scope is not None
    assert refusal(forest, forest.delegation(middle, scope, held_by(4))[1]).code == "grant_suspended"
    assert refusal(forest, [(middle, SuspendGrant(reason="once more"))]).code == "already_suspended"
    lift = LiftGrantSuspension(reason="all is well", above=forest.above(middle))
    refused = refusal(forest, [(middle, lift)], LEAD)
    assert (refused.code, type(refused)) == ("not_coordinator", Forbidden)
    forest.do([(middle, lift)])
    assert forest.opens(leaf)
    assert refusal(forest, [(middle, lift)]).code == "not_suspended"


WHO = {"lab": COORDINATOR, "lead": LEAD, "upper": person(1), "lower": person(2), "issuer": person(4)}
"""Of a leaf three steps below the root, from the highest to the lowest."""


@given(stops=st.sampled_from(sorted(WHO)), lifts=st.sampled_from(sorted(WHO)))
def test_a_suspension_is_lifted_from_where_it_was_made_or_higher(stops: str, lifts: str) -> None:
    forest, _, _, lower = three()
    leaf = forest.child(lower, 3)
    forest.grants[leaf] = forest.find(leaf).model_copy(update={"issued_by": WHO["issuer"].person_id})
    above = forest.above(leaf)
    forest.do([(leaf, SuspendGrant(reason="looked into", above=above))], WHO[stops])
    lift: Steps = [(leaf, LiftGrantSuspension(reason="all is well", above=above))]
    ranks = list(WHO)
    enough = ranks.index(lifts) <= ranks.index(stops)
    assert may_lift(forest.find(leaf), above, WHO[lifts]) is enough
    if enough:
        forest.do(lift, WHO[lifts])
        assert forest.opens(leaf)
    else:
        refused = refusal(forest, lift, WHO[lifts])
        assert refused.code == ("not_coordinator" if stops == "lab" else "suspended_from_above")
        assert refused.hint or refused.fixer is Fixer.COORDINATOR


@given(first=st.sampled_from(sorted(WHO)), then=st.sampled_from(sorted(WHO)))
def test_whoever_stands_higher_takes_a_suspension_over_and_nobody_else(first: str, then: str) -> None:
    forest, _, _, lower = three()
    leaf = forest.child(lower, 3)
    forest.grants[leaf] = forest.find(leaf).model_copy(update={"issued_by": WHO["issuer"].person_id})
    above = forest.above(leaf)
    forest.do([(leaf, SuspendGrant(reason="looked into", above=above))], WHO[first])
    again: Steps = [(leaf, SuspendGrant(reason="for good reason", above=above))]
    higher = list(WHO).index(then) < list(WHO).index(first)
    assert may_suspend(forest.find(leaf), above, WHO[then]) is higher
    if higher:
        forest.do(again, WHO[then])
        lift: Steps = [(leaf, LiftGrantSuspension(reason="all is well", above=above))]
        assert refusal(forest, lift, WHO[first]).code in {"not_coordinator", "suspended_from_above"}
        forest.do(lift, WHO[then])
        assert forest.opens(leaf)
    else:
        assert refusal(forest, again, WHO[then]).code == "already_suspended"


def test_a_suspension_that_does_not_say_from_where_is_a_leads() -> None:
    forest, _, _, leaf = three()
    forest.do([(leaf, SuspendGrant(reason="looked into", above=forest.above(leaf)))], person(1))
    grant = forest.find(leaf)
    assert grant.suspension is not None
    forest.grants[leaf] = grant.model_copy(update={"suspension": grant.suspension.model_copy(update={"stands": None})})
    lift: Steps = [(leaf, LiftGrantSuspension(reason="all is well", above=forest.above(leaf)))]
    assert refusal(forest, lift, person(1)).code == "suspended_from_above"
    forest.do(lift, LEAD)


def test_depth_and_breadth_are_bounded() -> None:
    forest = Forest()
    grant_id = forest.root()
    for _ in range(MAX_DEPTH):
        grant_id = forest.child(grant_id)
    assert refusal(forest, forest.delegation(grant_id, WIDEST, held_by(1))[1]).code == "tree_too_deep"
    root = forest.root()
    full = tuple(f"grt_{n}" for n in range(MAX_CHILDREN))
    forest.grants[root] = forest.find(root).model_copy(update={"children": full})
    assert refusal(forest, forest.delegation(root, WIDEST, held_by(1))[1]).code == "too_many_children"


def test_who_passes_on_and_who_changes_follows_the_tree() -> None:
    forest, root, middle, leaf = three()
    narrower = WIDEST.model_copy(update={"token_budget": 5})
    who = {"lab": COORDINATOR, "lead": LEAD, "holder": person(1), "below": person(2), "other": person(3)}

    def allowed(steps: Steps) -> set[str]:
        found = set()
        for name, actor in {**who, "outsider": OUTSIDER, "member": MEMBER}.items():
            try:
                for grant_id, command in steps:
                    GRANT.decide(forest.grants.get(grant_id, Grant()), command, actor, LATER)
                found.add(name)
            except Forbidden:
                pass
        return found

    assert allowed(forest.delegation(root, narrower, held_by(4))[1]) == {"lab", "lead"}
    assert allowed(forest.delegation(middle, narrower, held_by(4))[1]) == {"lab", "lead", "holder"}
    assert allowed(forest.revoking(root)[:1]) == {"lab"}
    assert allowed(forest.revoking(middle)[:1]) == {"lab", "lead"}
    assert allowed(forest.revoking(leaf)[:1]) == {"lab", "lead", "holder"}
    assert allowed(forest.narrowing(leaf, narrower)[:1]) == {"lab", "lead", "holder"}


@pytest.mark.parametrize("change", [{"grant_id": "grt_2"}, {"program": True}])
def test_tokens_and_programs_manage_no_grant(change: dict[str, object]) -> None:
    forest, _, middle, leaf = three()
    actor = person(1).model_copy(update=change)
    refused = refusal(forest, forest.delegation(middle, WIDEST, held_by(4))[1], actor)
    assert refused.code == "token_opens_only"
    assert refusal(forest, forest.revoking(leaf), actor).code == "token_opens_only"


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (
            lambda f, g: f.narrowing(g, scope_of(token_budget=WIDEST.token_budget + 1)),
            "not_narrower",
        ),
        (lambda f, g: f.narrowing(g, WIDEST), "nothing_changes"),
        (lambda f, g: f.narrowing(g, WIDEST.model_copy(update={"expires_at": LATER})), "already_expired"),
        (lambda f, g: f.extending(g, WIDEST.model_copy(update={"token_budget": 1})), "not_wider"),
        (lambda f, g: f.extending(g, WIDEST), "nothing_changes"),
        (
            lambda f, g: f.delegation(g, scope_of(expires_at=LATER), held_by(1))[1],
            "already_expired",
        ),
        (
            lambda f, g: f.delegation(g, WIDEST, Holder(kind=HolderKind.INSTITUTION, id=PARTNER))[1],
            "holder_not_named",
        ),
    ],
)
def test_what_changes_nothing_or_goes_the_other_way_is_refused(steps: object, code: str) -> None:
    forest = Forest()
    root = forest.root()
    assert callable(steps)
    assert refusal(forest, steps(forest, root)).code == code


def test_a_root_is_not_extended_beyond_the_agreement() -> None:
    forest = Forest()
    root = forest.root(WIDEST.model_copy(update={"token_budget": 5}))
    beyond = WIDEST.model_copy(update={"token_budget": WIDEST.token_budget + 1})
    refused = refusal(forest, forest.extending(root, beyond))
    assert (refused.code, refused.param) == ("beyond_agreement", "token_budget")
    forest.do(forest.extending(root, WIDEST))
    assert forest.find(root).scope == WIDEST


def test_nothing_is_done_to_a_revoked_grant() -> None:
    forest, _, middle, _ = three()
    forest.do(forest.revoking(middle))
    plans: list[Steps] = [
        forest.delegation(middle, WIDEST, held_by(1))[1],
        forest.narrowing(middle, WIDEST.model_copy(update={"token_budget": 1})),
        forest.extending(middle, WIDEST),
        [(middle, SuspendGrant(reason="looked into"))],
    ]
    assert {refusal(forest, steps).code for steps in plans} == {"grant_not_active"}


class _Unknown(Event, type="test:nothing-of-a-grant"):
    pass


def test_a_grant_folds_only_its_own_events() -> None:
    with pytest.raises(TypeError):
        GRANT.evolve(Grant(), _Unknown())


@pytest.mark.parametrize(
    ("stage", "purpose", "said"),
    [
        ("public", None, "public"),
        ("public", "bias-analysis", "proof_required"),
        ("partner_access", None, "proof_required"),
    ],
)
def test_a_limit_by_name_keeps_nobody_from_what_anybody_may_do(stage: str, purpose: str | None, said: str) -> None:
    forest = Forest()
    root = forest.root()
    child = forest.child(root, 1, holder_bound=True, purposes=frozenset({"bias-analysis"}))
    helds = [
        Held(grant=forest.find(one), agreement=AGREEMENT, path=path_to_root(forest.find(one), forest.find))
        for one in (child, root)
    ]
    subject = SUBJECT.model_copy(update={"stage": stage})
    question = Question(operations=ASKED.operations, purpose=purpose)
    answer = decide_access(person(1), subject, question, helds, LATER)
    assert (answer.basis.value if isinstance(answer, Allowed) else answer.code) == said
