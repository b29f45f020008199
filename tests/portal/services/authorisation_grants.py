"""Who may do what to north's grants and to the tokens that name them."""

from collections.abc import Callable
from typing import Any

from agreements.actors import Actor
from agreements.clauses import PermittedUses
from agreements.grants import Grant, Holder, HolderKind
from portal.composition import Portal
from portal.services.grant_views import GrantAct
from tests.portal.services.authorisation_stage import LAB_ONLY, NORTH, PARTIES, SIGNATORIES, Call, Rows, Stage, scope_of

CLEO = frozenset({"cleo"})
SEES_CHILD = frozenset({"ada", "ben", "cleo"})
WHY = "it is asked for"


def _on(kind: str, act: Callable[[Portal, Actor, str], object]) -> Call:
    def call(stage: Stage, actor: Actor) -> object:
        return act(stage.world.portal, actor, stage.one(kind)) or True

    return call


def _with(kind: str, act: Callable[[Portal, Actor, Grant], object]) -> Call:
    """An act that takes the grant as it is now."""

    def call(stage: Stage, actor: Actor) -> object:
        portal = stage.world.portal
        return act(portal, actor, portal.grants.get(stage.world.actor("ada"), stage.one(kind)).grant) or True

    return call


def _delegate(stage: Stage, actor: Actor) -> object:
    portal = stage.world.portal
    parent = portal.grants.get(stage.world.actor("ada"), stage.one("root")).grant
    holder = Holder(kind=HolderKind.PERSON, id=stage.world.people["nina"].id)
    scope = scope_of(parent).model_copy(update={"delegation_depth": 0})
    return portal.grants.delegate(actor, parent.id, holder=holder, label="For Nina", scope=scope)


def _narrow(portal: Portal, actor: Actor, grant: Grant) -> object:
    scope = scope_of(grant).model_copy(update={"requests_per_minute": 1})
    return portal.grants.narrow(actor, grant.id, scope=scope, reason=WHY)


def _extend(portal: Portal, actor: Actor, grant: Grant) -> object:
    scope = scope_of(grant).model_copy(update={"requests_per_minute": 2})
    return portal.grants.extend(actor, grant.id, scope=scope, reason=WHY)


def _reads(method: str, **fields: Any) -> Callable[[Portal, Actor, str], object]:
    return lambda portal, actor, grant_id: getattr(portal.grants, method)(actor, grant_id, **fields)


def _suspend(portal: Portal, actor: Actor, grant_id: str) -> object:
    return portal.grants.suspend(actor, grant_id, reason=WHY)


GRANTS: Rows = {
    "grants.below": (_on("root", _reads("below")), PARTIES),
    "grants.history": (_on("root", _reads("history")), PARTIES),
    "grants.preview": (_on("child", _reads("preview", act=GrantAct.REVOKE)), SEES_CHILD),
    "grants.delegate": (_delegate, LAB_ONLY | frozenset({"ben"})),
    "grants.narrow": (_with("root", _narrow), LAB_ONLY),
    "grants.narrow (child)": (_with("child", _narrow), SIGNATORIES),
    "grants.suspend": (_on("root", _suspend), LAB_ONLY),
    "grants.suspend (child)": (_on("child", _suspend), SIGNATORIES),
    "grants.lift": (_on("stopped", lambda p, a, one: p.grants.lift(a, one, reason=WHY)), SIGNATORIES),
    "grants.revoke (child)": (_on("child", lambda p, a, one: p.grants.revoke(a, one, reason=WHY)), SIGNATORIES),
    "grants.extend": (_with("narrowed", _extend), SIGNATORIES),
    "agreement_facts.clause": (
        lambda s, a: s.world.portal.agreement_facts.clause(a, s.in_force, PermittedUses),
        PARTIES,
    ),
    "tokens.held_by": (_on("token", lambda p, a, one: p.tokens.held_by(a, one)), CLEO),
    "tokens.opens": (_on("token", lambda p, a, one: p.tokens.opens(a, one)), CLEO),
    "tokens.narrow": (_on("token", lambda p, a, one: p.tokens.narrow(a, one, label="narrower")), CLEO),
    "tokens.rotate": (_on("token", lambda p, a, one: p.tokens.rotate(a, one)), CLEO),
    "refresh.issue": (
        lambda s, a: s.world.portal.refresh.issue(a, label="script", grant_id=s.one("root")),
        NORTH,
    ),
    "token_keys.list": (lambda s, a: s.world.portal.token_keys.list(a), LAB_ONLY),
    "token_keys.rotate": (lambda s, a: s.world.portal.token_keys.rotate(a), LAB_ONLY),
}
