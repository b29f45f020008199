"""Agreements of the story, in every state they can be in, and the grants that rest on them."""

from collections.abc import Collection

from agreements.agreement import Agreement
from agreements.clauses import Clause, PermittedUses, Term, UsageLimits
from agreements.scopes import Operation, family_selector
from agreements.standard_terms import template
from portal.demo.cast import ESTUARY, LAKESIDE, NORTHGATE, OPENWATCH, TESSELLATE
from portal.demo.world import World

TERM_DAYS = 1096
"""So long that a demonstration kept for two years still opens what it shows."""


def northgate_signs(world: World) -> None:
    """Full access to every size for Northgate, under a signed agreement."""
    family = family_selector(world.ladder.family)
    agreement = _offer(
        world,
        NORTHGATE,
        offered=143,
        title="Evaluation of the ladder before release",
        checkpoints=(*world.sizes, family),
        purposes=("bias-analysis", "detection-research", "misuse-analysis"),
        token_budget=2_000_000,
    )
    agreement = _sign(world, agreement, "priya", days_ago=140.2)
    agreement = _sign(world, agreement, "mara", days_ago=139.9)
    world.on(139.8)
    world.grants["northgate"] = world.portal.grants.issue(
        world.as_("mara"), agreement_id=agreement.id, label="Northgate: all sizes, three purposes"
    )


def openwatch_signs(world: World) -> None:
    """Open Watch gets the two smaller sizes, and whatever of the family reaches partner access later."""
    family = family_selector(world.ladder.family)
    agreement = _offer(
        world,
        OPENWATCH,
        offered=138.5,
        title="Detection and misuse research on the ladder",
        checkpoints=(*world.sizes[:2], family),
        purposes=("detection-research", "misuse-analysis"),
        token_budget=600_000,
    )
    agreement = _sign(world, agreement, "elena", days_ago=136.4)
    agreement = _sign(world, agreement, "tobias", days_ago=136.1)
    world.on(136)
    bounds = world.portal.grants.bounds(world.as_("tobias"), agreement.id)
    world.grants["openwatch"] = world.portal.grants.issue(
        world.as_("tobias"),
        agreement_id=agreement.id,
        label="Open Watch: detection desk",
        scope=bounds.model_copy(update={"token_budget": 400_000}),
    )
    world.grants["openwatch-interns"] = world.portal.grants.issue(
        world.as_("tobias"),
        agreement_id=agreement.id,
        label="Open Watch: summer placement",
        scope=bounds.model_copy(
            update={
                "checkpoints": frozenset({world.sizes[0]}),
                "operations": frozenset({Operation.GENERATE}),
                "purposes": frozenset({"detection-research"}),
                "token_budget": 50_000,
                "requests_per_minute": 20,
            }
        ),
    )


def tessellate_declines(world: World) -> None:
    """A developer that cannot accept the publication clause says so."""
    agreement = _offer(
        world,
        TESSELLATE,
        offered=133,
        title="Product evaluation of the ladder",
        checkpoints=world.sizes[:2],
        purposes=("product-evaluation",),
        token_budget=200_000,
    )
    world.on(129.3)
    world.agreements["tessellate-declined"] = world.portal.agreements.decline(
        world.as_("yuki"),
        agreement.id,
        reason="Thirty days of review before each publication do not fit our release cycle; ten would.",
    )


def interns_lose_access(world: World) -> None:
    """A grant ends the day its token turns up in a public notebook."""
    world.on(58.6)
    world.grants["openwatch-interns"] = world.portal.grants.revoke(
        world.as_("tobias"),
        world.grants["openwatch-interns"].id,
        reason="A token of this grant was pasted into a public notebook; Open Watch reported it within the hour.",
    )


def agreements_under_way(world: World) -> None:
    """One waits for the lab's countersignature, one for the partner's signature, one is still a draft."""
    estuary = _offer(
        world,
        ESTUARY,
        offered=9,
        title="Safety evaluation of the largest checkpoint",
        checkpoints=(world.sizes[-1],),
        purposes=("misuse-analysis",),
        token_budget=500_000,
    )
    world.agreements[ESTUARY] = _sign(world, estuary, "malcolm", days_ago=5.7)
    _offer(
        world,
        LAKESIDE,
        offered=3.4,
        title="Bias measurement across the ladder",
        checkpoints=(world.sizes[-1], family_selector(world.ladder.family)),
        purposes=("bias-analysis", "misuse-analysis"),
        token_budget=300_000,
    )
    world.on(1.9)
    world.agreements[TESSELLATE] = world.portal.agreements.draft(
        world.as_("tobias"),
        institution_id=TESSELLATE,
        title="Product evaluation of the ladder, second attempt",
        clauses=_clauses(world.sizes[:2], ("product-evaluation",), 200_000),
    )


def _offer(
    world: World,
    institution_id: str,
    *,
    offered: float,
    title: str,
    checkpoints: Collection[str],
    purposes: Collection[str],
    token_budget: int,
) -> Agreement:
    world.on(offered + 0.3)
    coordinator = world.as_("mara")
    draft = world.portal.agreements.draft(
        coordinator,
        institution_id=institution_id,
        title=title,
        clauses=_clauses(checkpoints, purposes, token_budget),
    )
    world.on(offered)
    world.agreements[institution_id] = world.portal.agreements.offer(coordinator, draft.id)
    return world.agreements[institution_id]


def _sign(world: World, agreement: Agreement, key: str, *, days_ago: float) -> Agreement:
    world.on(days_ago)
    signed = world.portal.agreements.sign(
        world.as_(key),
        agreement.id,
        typed_name=world.people[key].name,
        document_digest=agreement.document_digest or "",
    )
    world.agreements[agreement.institution_id] = signed
    return signed


def _clauses(checkpoints: Collection[str], purposes: Collection[str], token_budget: int) -> tuple[Clause, ...]:
    def adapted(clause: Clause) -> Clause:
        match clause:
            case PermittedUses():
                return clause.model_copy(
                    update={"checkpoints": frozenset(checkpoints), "purposes": frozenset(purposes)}
                )
            case UsageLimits():
                return clause.model_copy(update={"token_budget": token_budget})
            case Term():
                return clause.model_copy(update={"days": TERM_DAYS})
            case _:
                return clause

    return tuple(adapted(clause) for clause in template("software-access").clauses)
