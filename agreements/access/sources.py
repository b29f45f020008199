"""What a condition of access rests on: grants, clauses, measures, duties and papers, each by name and place."""

from collections.abc import Callable, Iterator
from enum import StrEnum

from agreements.access.answers import Draw, Held
from agreements.access.case import Case
from agreements.access.draws import account_of_agreement
from agreements.agreement import Agreement
from agreements.clauses import ClauseBase, LateDuties, PermittedUses, SafeHarbour, UsageLimits, Vetting
from agreements.deciders import Value
from agreements.grants import Grant


class SourceKind(StrEnum):
    """What kind of record something rests on."""

    CHECKPOINT = "checkpoint"
    INSTITUTION = "institution"
    GRANT = "grant"
    AGREEMENT = "agreement"
    CLAUSE = "clause"
    SUSPENSION = "suspension"
    NARROWING = "narrowing"
    DUTY = "duty"
    PASSPORT = "passport"
    TOKEN = "token"  # noqa: S105 - a kind of record


class Source(Value):
    """One record that something rests on."""

    kind: SourceKind
    id: str
    """Of the record; of a clause its own id, of a suspension or narrowing its number, of a duty its key."""
    says: str
    """The record in words."""
    agreement_id: str = ""
    """For a clause, a measure and a duty: of which agreement."""
    version: int | None = None
    """For an agreement and a clause: of which version."""
    number: int | None = None
    """For a clause: its place in the text, from 1."""


Sources = Callable[[Case], Iterator[Source]]
"""What a condition rests on, in one case."""


def institution(case: Case) -> Iterator[Source]:
    """The institution whose grant it is."""
    name = case.held.agreement.institution_name or case.grant.institution_id
    yield Source(kind=SourceKind.INSTITUTION, id=case.grant.institution_id, says=name)


def checkpoint(case: Case) -> Iterator[Source]:
    """The checkpoint at its stage."""
    subject = case.subject
    says = f"{subject.checkpoint_id}, {subject.stage.replace('_', ' ')}"
    yield Source(kind=SourceKind.CHECKPOINT, id=subject.checkpoint_id, says=says)


def grant(case: Case) -> Iterator[Source]:
    """The grant."""
    yield _grant(case.held, case.grant)


def line(case: Case) -> Iterator[Source]:
    """The grant and every one above it."""
    for one in (case.grant, *case.held.path):
        yield _grant(case.held, one)


def limited(dimension: str, clause_field: str) -> Sources:
    """The grants of the line that limit a dimension of their scope, and the clause of the agreement that does."""

    def found(case: Case) -> Iterator[Source]:
        for one in (case.grant, *case.held.path):
            if one.scope is not None and getattr(one.scope, dimension):
                yield _grant(case.held, one)
        stated = case.held.stated(UsageLimits)
        if stated is not None and getattr(stated.clause, clause_field):
            yield from clause(UsageLimits)(case)

    return found


def clause(*kinds: type[ClauseBase]) -> Sources:
    """The clauses of those types, as far as there are any."""

    def found(case: Case) -> Iterator[Source]:
        yield from (one for kind in kinds for one in _clause(case.held, kind))

    return found


def agreements(case: Case) -> Iterator[Source]:
    """The agreement and its framework, with the suspension that stops access or is announced, and its duties."""
    for agreement, version in case.held.texts:
        yield _agreement(agreement, version.number)
        suspension = agreement.suspension
        if suspension is None:
            continue
        says = f"suspension {suspension.number} of agreement {agreement.id}: {suspension.statement}"
        yield Source(kind=SourceKind.SUSPENSION, id=str(suspension.number), says=says, agreement_id=agreement.id)
        yield from _duties(agreement, suspension.duty_keys)
        yield from _clause(case.held, LateDuties if suspension.automatic else SafeHarbour)


def versions(case: Case) -> Iterator[Source]:
    """The versions that the grant and the token name, as far as they were in force."""
    agreement, pinned = case.held.agreement, case.grant.agreement_digest
    for digest in dict.fromkeys((pinned, case.actor.agreement_digest or pinned)):
        version = agreement.version_of(digest)
        if version is not None:
            yield _agreement(agreement, version.number)


def narrowings(case: Case) -> Iterator[Source]:
    """The narrowings that stand, each with its duties and the clause it follows from."""
    for agreement in case.held.agreements:
        narrowing = agreement.narrowing
        if narrowing is None:
            continue
        says = f"narrowing {narrowing.number} of agreement {agreement.id}: {narrowing.statement}"
        yield Source(kind=SourceKind.NARROWING, id=str(narrowing.number), says=says, agreement_id=agreement.id)
        yield from _duties(agreement, narrowing.duty_keys)
        if narrowing.automatic:
            yield from _clause(case.held, LateDuties)


def passport(case: Case) -> Iterator[Source]:
    """The institution's passport, where the agreement asks for any vetting."""
    if case.held.stated(Vetting) is None and not case.held.lacking:
        return
    name = case.held.agreement.institution_name or case.grant.institution_id
    yield Source(kind=SourceKind.PASSPORT, id=case.grant.institution_id, says=f"the passport of {name}")


def all_of(*parts: Sources) -> Sources:
    """What each of the parts names, in order."""

    def found(case: Case) -> Iterator[Source]:
        for part in parts:
            yield from part(case)

    return found


def of_draw(draw: Draw, held: Held | None) -> Source | None:
    """Which record sets a limit; None where it is the portal's own setting."""
    account = draw.account.partition("@")[0]
    if held is not None:
        for one in (held.grant, *held.path):
            if one.id == account:
                return _grant(held, one)
        agreement_id = held.agreement.id
        if account == account_of_agreement(agreement_id):
            return next(_clause(held, UsageLimits), None)
        if account.startswith(f"{agreement_id}/"):
            return next(_clause(held, PermittedUses), None)
    if draw.account.startswith("tok_"):
        return Source(kind=SourceKind.TOKEN, id=draw.account, says=draw.says)
    return None


def _grant(held: Held, one: Grant) -> Source:
    says = f"grant {one.id} of {held.called(one)}" + (f": {one.label}" if one.label else "")
    return Source(kind=SourceKind.GRANT, id=one.id, says=says)


def _agreement(agreement: Agreement, version: int) -> Source:
    says = f"agreement {agreement.id}, version {version}: {agreement.version(version).title}"
    return Source(kind=SourceKind.AGREEMENT, id=agreement.id, says=says, version=version)


def _clause(held: Held, kind: type[ClauseBase]) -> Iterator[Source]:
    stated = held.stated(kind)
    if stated is None:
        return
    agreement, version = stated.agreement, stated.version
    yield Source(
        kind=SourceKind.CLAUSE,
        id=stated.clause.clause_id,
        says=f"clause {stated.number}, {stated.clause.title}, of agreement {agreement.id}, version {version.number}",
        agreement_id=agreement.id,
        version=version.number,
        number=stated.number,
    )


def _duties(agreement: Agreement, keys: tuple[str, ...]) -> Iterator[Source]:
    for key in keys:
        yield Source(kind=SourceKind.DUTY, id=key, says=f"duty {key}", agreement_id=agreement.id)
