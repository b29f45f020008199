"""Each condition in words: what it asks, why it holds where it does, and on which records it rests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from agreements.access import conditions, sources, tree_conditions
from agreements.access.answers import Denied
from agreements.access.case import Case
from agreements.access.sources import Sources
from agreements.clauses import Amendments, NamedUsers, PermittedUses, Term, Vetting
from agreements.grants import HolderKind
from agreements.scopes import family_selector, precisions_in_words


@dataclass(frozen=True)
class Ground:
    """A condition as people read it."""

    name: str
    """Stable, snake_case."""
    asks: str
    holds: Callable[[Case], str]
    """Why it holds, in a sentence. Only asked where it does."""
    rests_on: Sources


def _member(case: Case) -> str:
    return f"{case.actor.name} belongs to {case.held.agreement.institution_name or case.grant.institution_id}."


def _holder(case: Case) -> str:
    if case.grant.holder.kind is HolderKind.INSTITUTION:
        return "The institution holds it, and its people run on it directly."
    return f"{case.held.called(case.grant)} holds it by name."


def _live(case: Case) -> str:
    scope = case.grant.scope
    return f"It was not revoked, and runs until {scope.expires_at:%Y-%m-%d %H:%M} UTC." if scope else ""


def _within(case: Case) -> str:
    above = len(case.held.path)
    if not above:
        return "It rests on the agreement directly; there is no grant above it."
    return f"It lies within the {'grant' if above == 1 else f'{above} grants'} above it, and each of them is live."


def _in_force(case: Case) -> str:
    said = []
    for agreement in case.held.agreements:
        until = f" until {agreement.expires_at:%Y-%m-%d}" if agreement.expires_at else ""
        coming = agreement.suspension
        but = f"; a suspension takes effect on {coming.takes_effect_at:%Y-%m-%d %H:%M} UTC" if coming else ""
        said.append(f"Agreement {agreement.id} is in force{until}{but}.")
    return " ".join(said)


def _version(case: Case) -> str:
    version = case.held.agreement.version_of(case.grant.agreement_digest)
    if version is None:
        return ""
    if version.grace_ends_at is not None:
        return f"It pins version {version.number}, which was replaced and works until {version.grace_ends_at:%Y-%m-%d}."
    return f"It pins version {version.number}, the one in force."


def _vetting(case: Case) -> str:
    clause = case.held.clause(Vetting)
    if clause is None:
        return "The agreement asks for no vetting."
    return f"The passport shows {', '.join(sorted(item.label for item in clause.items))}."


def _named(case: Case) -> str:
    if case.held.clause(NamedUsers) is None:
        return "The agreement names nobody in particular."
    return f"The agreement names {case.actor.email}."


def _checkpoint(case: Case) -> str:
    subject, scope = case.subject, case.grant.scope
    if scope is not None and scope.names(subject.checkpoint_id):
        return f"It names {subject.checkpoint_id}."
    return f"It covers {family_selector(subject.family)}, and {subject.checkpoint_id} has reached partner access."


def _operations(case: Case) -> str:
    return f"It includes {', '.join(sorted(case.question.operations))}."


def _purpose(case: Case) -> str:
    only = "" if case.question.purpose else ", the only one it has; none was declared"
    return f"It is for {case.purpose}{only}."


def _use(case: Case) -> str:
    use = case.held.listed_use(case.purpose) if case.purpose else None
    if use is None:
        return "The agreement lists no uses one by one; each purpose may do all of it."
    return f"The use {use.use_id}, {use.title}, includes it."


def _narrowed(case: Case) -> str:
    standing = [agreement for agreement in case.held.agreements if agreement.narrowing is not None]
    if not standing:
        return "Access is not narrowed."
    return f"Access under {' and '.join(one.id for one in standing)} is narrowed, and what is asked for stays open."


def _not_suspended(case: Case) -> str:
    return "Neither it nor a grant above it is suspended." if case.held.path else "It is not suspended."


def _sampling(case: Case) -> str:
    if not any(one.scope is not None and one.scope.sampling for one in (case.grant, *case.held.path)):
        return "How a request samples is not limited."
    if case.question.sampling is None:
        return "No request was described, so nothing is held against the limits on sampling."
    return "The request samples within the limits."


def _bias(case: Case) -> str:
    if case.question.sampling is None or not case.question.sampling.logit_bias:
        return "No logits are biased."
    return "The grant, and each above it, allows biasing logits."


def _precision(case: Case) -> str:
    scopes = [one.scope for one in (case.grant, *case.held.path) if one.scope is not None]
    allowed = [one.precisions for one in scopes if one.precisions is not None]
    if not allowed:
        return "In which precision answers are computed is not limited."
    said = precisions_in_words(frozenset.intersection(*allowed))
    served = case.subject.precision
    return f"It is served in {served}, and {said} is allowed." if served else f"{said} is allowed."


def _proof(case: Case) -> str:
    if not any(one.scope is not None and one.scope.holder_bound for one in (case.grant, *case.held.path)):
        return "Requests need not prove a key."
    return "The request proves the key that its token is bound to."


def _hours(case: Case) -> str:
    found = [one.scope.hours for one in (case.grant, *case.held.path) if one.scope is not None and one.scope.hours]
    if not found:
        return "Requests are taken at any hour."
    return f"It is within the hours: {'; '.join(dict.fromkeys(map(str, found)))}."


GROUNDS: Final[Mapping[Callable[[Case], Denied | None], Ground]] = {
    conditions.membership: Ground(
        "membership", "The grant belongs to an institution of the actor's", _member, sources.institution
    ),
    tree_conditions.holder: Ground("holder", "The actor may run on the grant", _holder, sources.grant),
    conditions.live: Ground(
        "live", "The grant was not revoked and is not over", _live, sources.all_of(sources.grant, sources.clause(Term))
    ),
    tree_conditions.within: Ground("within", "The grants above are live, and contain it", _within, sources.line),
    conditions.agreement: Ground("agreement", "The agreement is in force", _in_force, sources.agreements),
    conditions.versions: Ground(
        "version",
        "The version of the agreement works still",
        _version,
        sources.all_of(sources.versions, sources.clause(Amendments)),
    ),
    conditions.vetting: Ground(
        "vetting",
        "The institution is vetted as the agreement asks",
        _vetting,
        sources.all_of(sources.passport, sources.clause(Vetting)),
    ),
    conditions.named: Ground("named", "The agreement lets this person use it", _named, sources.clause(NamedUsers)),
    conditions.checkpoint: Ground(
        "checkpoint",
        "The grant covers the checkpoint at its stage",
        _checkpoint,
        sources.all_of(sources.grant, sources.checkpoint, sources.clause(PermittedUses)),
    ),
    conditions.operations: Ground(
        "operations",
        "The grant includes the operations",
        _operations,
        sources.all_of(sources.grant, sources.clause(PermittedUses)),
    ),
    conditions.purpose: Ground(
        "purpose",
        "The grant is for the purpose",
        _purpose,
        sources.all_of(sources.grant, sources.clause(PermittedUses)),
    ),
    conditions.use: Ground(
        "use", "The listed use includes the checkpoint and the operations", _use, sources.clause(PermittedUses)
    ),
    conditions.narrowed: Ground("narrowed", "Access is not narrowed to less", _narrowed, sources.narrowings),
    tree_conditions.suspended: Ground("suspended", "The grant is not suspended", _not_suspended, sources.line),
    tree_conditions.sampling: Ground(
        "sampling", "The request samples within the limits", _sampling, sources.limited("sampling", "sampling")
    ),
    tree_conditions.bias: Ground(
        "logit_bias", "Logits are biased only where that is granted", _bias, sources.limited("logit_bias", "logit_bias")
    ),
    tree_conditions.precision: Ground(
        "precision",
        "The checkpoint is served in a precision that is allowed",
        _precision,
        sources.limited("precisions", "precisions"),
    ),
    tree_conditions.proof: Ground(
        "proof", "The request proves its key, if it has to", _proof, sources.limited("holder_bound", "holder_bound")
    ),
    tree_conditions.hours: Ground(
        "hours", "Requests are taken at this hour", _hours, sources.limited("hours", "hours")
    ),
}
"""Every condition of ``CONDITIONS``; a test holds the two together."""
