"""The conditions under which a grant opens a checkpoint, each with the denial that names it."""

from agreements.access import tree_conditions
from agreements.access.answers import Denied
from agreements.access.case import Case
from agreements.agreement import AgreementStatus
from agreements.clauses import NamedUsers, PermittedUses, SuspensionReason
from agreements.errors import Fixer
from agreements.grants import GrantStatus
from agreements.scopes import family_selector


def membership(case: Case) -> Denied | None:
    """The actor belongs to the institution whose grant it is."""
    actor, grant = case.actor, case.grant
    if actor.belongs_to(grant.institution_id):
        return None
    return Denied(
        code="not_a_member",
        message=f"Grant {grant.id} belongs to an institution you are no member of.",
        hint="Use a grant of your own institution.",
        fixer=Fixer.LEAD,
    )


def live(case: Case) -> Denied | None:
    """The grant was not revoked and is not over."""
    grant = case.grant
    if grant.status is GrantStatus.REVOKED:
        return Denied(
            code="grant_revoked",
            message=f"Grant {grant.id} was revoked: {grant.revoked_reason.rstrip('.')}.",
            hint="A revoked grant never comes back; ask a coordinator about a new one.",
            fixer=Fixer.COORDINATOR,
        )
    if not grant.live_on(case.now):
        ended = f" on {grant.scope.expires_at:%Y-%m-%d %H:%M} UTC" if grant.scope else ""
        return Denied(
            code="grant_expired",
            message=f"Grant {grant.id} expired{ended}.",
            hint="Ask a coordinator for a new grant under the agreement.",
            fixer=Fixer.COORDINATOR,
        )
    return None


def agreement(case: Case) -> Denied | None:
    """The agreement, and the framework it belongs to, are in force."""
    for agreement in case.held.agreements:
        status = agreement.status_on(case.now)
        if status is AgreementStatus.SUSPENDED and agreement.suspension is not None:
            # What a coordinator suspended by hand, a coordinator lifts.
            overdue = agreement.suspension.reason is SuspensionReason.OVERDUE_DUTY and agreement.suspension.automatic
            return Denied(
                code="agreement_suspended",
                message=f"Agreement {agreement.id} is suspended since {agreement.suspension.takes_effect_at:%Y-%m-%d} "
                f"for {agreement.suspension.reason}: {agreement.suspension.statement.rstrip('.')}.",
                hint="Access opens again when the duty is fulfilled."
                if overdue
                else "Your partner lead can appeal on the agreement's page.",
                fixer=Fixer.LEAD if overdue else Fixer.COORDINATOR,
            )
        if status is not AgreementStatus.IN_FORCE:
            why = "past its term" if status is AgreementStatus.EXPIRED else status.label
            return Denied(
                code="agreement_not_in_force",
                message=f"Agreement {agreement.id}, on which grant {case.grant.id} rests, is {why}.",
                hint="A new agreement has to be signed by both sides.",
                fixer=Fixer.COORDINATOR,
            )
    return None


def versions(case: Case) -> Denied | None:
    """Both the version that the grant pins and the one that the token was issued under have to hold still."""
    agreement, pinned = case.held.agreement, case.grant.agreement_digest
    for digest, whose in ((pinned, "grant"), (case.actor.agreement_digest or pinned, "token")):
        version = agreement.version_of(digest)
        if version is None:
            return Denied(
                code="agreement_not_in_force",
                message=f"The version of agreement {agreement.id} that the {whose} names was never in force.",
                hint="Ask a coordinator for a new grant.",
                fixer=Fixer.COORDINATOR,
            )
        replaced_at, ended_at = version.replaced_at, version.grace_ends_at
        if replaced_at is not None and ended_at is not None and not version.works_on(case.now):
            return Denied(
                code="agreement_superseded",
                message=f"The {whose} rests on version {version.number} of agreement {agreement.id}, replaced on "
                f"{replaced_at:%Y-%m-%d}; it worked on until {ended_at:%Y-%m-%d %H:%M} UTC.",
                hint="Issue a new token: it will be under the version now in force."
                if whose == "token"
                else "Ask a coordinator for a grant under the version now in force.",
                fixer=Fixer.CALLER if whose == "token" else Fixer.COORDINATOR,
            )
    return None


def vetting(case: Case) -> Denied | None:
    """The institution's passport shows the vetting that the agreement asks for."""
    if not case.held.lacking:
        return None
    return Denied(
        code="vetting_lapsed",
        message=f"The institution's passport lacks what agreement {case.held.agreement.id} asks for: "
        f"{', '.join(case.held.lacking)}.",
        hint="Your partner lead hands in new evidence on the Passport page; a coordinator reviews it.",
        fixer=Fixer.LEAD,
    )


def named(case: Case) -> Denied | None:
    """Where the agreement names people, the actor is one of them."""
    users = case.held.clause(NamedUsers)
    if users is None or users.names(case.actor.email):
        return None
    return Denied(
        code="not_named",
        message=f"Agreement {case.held.agreement.id} names the people who may use it, and you are not among them.",
        hint="Your partner lead can propose an amendment that names you.",
        fixer=Fixer.LEAD,
    )


def checkpoint(case: Case) -> Denied | None:
    """The grant covers the checkpoint at its stage."""
    subject, grant = case.subject, case.grant
    scope = grant.scope
    if scope is not None:
        if scope.names(subject.checkpoint_id):
            return None
        if subject.stage in {"partner_access", "public"} and scope.covers_family(subject.family):
            return None
    # A family selector opens nothing while a checkpoint is withheld.
    naming = [subject.checkpoint_id, *([] if subject.stage == "withheld" else [family_selector(subject.family)])]
    withheld = scope is not None and subject.stage == "withheld" and scope.covers_family(subject.family)
    return Denied(
        code="checkpoint_not_granted",
        message=(
            f"{subject.checkpoint_id} is withheld, and grant {grant.id} covers only what has reached partner access."
            if withheld
            else f"Grant {grant.id} does not cover {subject.checkpoint_id}."
        ),
        hint=f"The grant would have to name {' or '.join(naming)}.",
        fixer=Fixer.COORDINATOR,
    )


def operations(case: Case) -> Denied | None:
    """The grant includes every operation."""
    question, grant = case.question, case.grant
    allowed = grant.scope.operations if grant.scope else frozenset()
    missing = sorted(question.operations - allowed)
    if not missing:
        return None
    return Denied(
        code="operation_not_granted",
        message=f"Grant {grant.id} does not include the operation {', '.join(missing)}.",
        hint=f"It includes {', '.join(sorted(allowed))}.",
        fixer=Fixer.COORDINATOR,
    )


def purpose(case: Case) -> Denied | None:
    """A purpose is declared, or the grant has only one, and the grant is for it."""
    question, grant = case.question, case.grant
    purposes = grant.scope.purposes if grant.scope else frozenset()
    listed = ", ".join(sorted(purposes))
    if question.purpose is None:
        if len(purposes) == 1:
            return None
        return Denied(
            code="purpose_required",
            message=f"Grant {grant.id} is for several purposes: {listed}; this request declares none.",
            hint="Declare one with the header X-Concordat-Purpose, or issue the token for one purpose.",
            fixer=Fixer.CALLER,
        )
    if question.purpose in purposes:
        return None
    return Denied(
        code="purpose_not_granted",
        message=f"Grant {grant.id} is not for the purpose {question.purpose!r}.",
        hint=f"It is for {listed}.",
        fixer=Fixer.CALLER,
    )


def use(case: Case) -> Denied | None:
    """Where uses are listed, a run is held to the one it declares."""
    uses, purpose = case.held.clause(PermittedUses), case.purpose
    if uses is None or uses.uses is None or purpose is None:
        return None
    use = uses.use(purpose)
    if use is None:
        return Denied(
            code="purpose_not_granted",
            message=f"Agreement {case.held.agreement.id} lists no use {purpose!r}.",
            hint=f"It lists {', '.join(sorted(uses.purposes))}.",
            fixer=Fixer.CALLER,
        )
    # As for grants, a family selector opens nothing while a checkpoint is withheld.
    selectors = set() if case.subject.stage == "withheld" else {family_selector(case.subject.family)}
    named = {case.subject.checkpoint_id} | selectors
    missing = sorted(case.question.operations - use.operations)
    if named & use.checkpoints and not missing:
        return None
    what = f"the operation {', '.join(missing)}" if missing else case.subject.checkpoint_id
    return Denied(
        code="use_not_permitted",
        message=f"The use {purpose!r} of agreement {case.held.agreement.id} does not include {what}.",
        hint="Declare the purpose that fits, or ask for an amendment.",
        fixer=Fixer.CALLER,
    )


def narrowed(case: Case) -> Denied | None:
    """Access was not narrowed to less, because a duty was late or by hand."""
    for agreement in case.held.agreements:
        narrowing = agreement.narrowing
        if narrowing is None or case.question.operations <= narrowing.operations:
            continue
        return Denied(
            code="access_narrowed",
            message=f"Access under agreement {agreement.id} is narrowed to {', '.join(sorted(narrowing.operations))} "
            f"since {narrowing.at:%Y-%m-%d}: {narrowing.statement.rstrip('.')}.",
            hint="It is widened again when the duty is fulfilled."
            if narrowing.automatic
            else "A coordinator can widen it.",
            fixer=Fixer.LEAD if narrowing.automatic else Fixer.COORDINATOR,
        )
    return None


CONDITIONS = (
    membership,
    tree_conditions.holder,
    live,
    tree_conditions.within,
    agreement,
    versions,
    vetting,
    named,
    checkpoint,
    operations,
    purpose,
    use,
    narrowed,
    *tree_conditions.LIMITS,
)
"""In the order in which they are asked: what comes later was closer to being allowed."""

STANDING = (
    membership,
    tree_conditions.holder,
    live,
    tree_conditions.within,
    agreement,
    versions,
    vetting,
    named,
    tree_conditions.suspended,
)
"""Those that are the same whatever is asked of the grant, the hours aside."""

FIRST_LIMIT = len(CONDITIONS) - len(tree_conditions.LIMITS)
"""From here on the grant is for what is asked, and only stops or limits it."""
