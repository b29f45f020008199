"""What has to be there before access can be granted on a request: each prerequisite, whether it is met, who clears it.

Shown while a draft is written, and asked again when it is submitted and when it is decided.
"""

from collections.abc import Iterator

from agreements.access_requests import AccessRequest, Blocker, Draft
from agreements.agreement import Agreement
from agreements.clauses import NamedUsers, PermittedUses, Vetting, only
from agreements.deciders import Value
from agreements.duties import DutyState
from agreements.errors import Fixer, NotFound
from agreements.grants import Holder, HolderKind
from portal.services.aggregates import AGREEMENTS, PEOPLE, PROGRAMS
from portal.services.duty_book import DutyBook
from portal.services.holders import Holders
from portal.services.kernel import Kernel
from portal.services.prerequisites import Prerequisites


class Prerequisite(Value):
    """One line of a request's checklist."""

    code: str
    """The code of the refusal where it is missing and blocks."""
    label: str
    met: bool
    blocks: bool
    """Whether nothing can be granted without it; what does not block, the coordinator weighs."""
    message: str
    """What is there, or what is missing."""
    hint: str
    fixer: Fixer
    screen: str
    """Where it is cleared."""


class RequestPrerequisites:
    """The checklist of a request, from what the portal knows now. Authorises nobody: that is its callers' part."""

    def __init__(self, kernel: Kernel, prerequisites: Prerequisites, holders: Holders) -> None:
        self._kernel = kernel
        self._prerequisites = prerequisites
        self._holders = holders
        self._book = DutyBook(kernel)

    def checklist(self, request: AccessRequest) -> tuple[Prerequisite, ...]:
        """Every prerequisite, in the order in which people clear them."""
        draft = request.draft
        agreement = self._agreement(draft.agreement_id, request.institution_id)
        if agreement is None:
            return (
                Prerequisite(
                    code="no_agreement",
                    label="Agreement in force",
                    met=False,
                    blocks=True,
                    message="no agreement is named under which access could be granted",
                    hint="Choose the agreement under which you ask; without one, your lead talks to the lab first.",
                    fixer=Fixer.CALLER,
                    screen="agreements",
                ),
            )
        return tuple(self._lines(request, draft, agreement))

    def blockers(self, request: AccessRequest) -> tuple[Blocker, ...]:
        """The prerequisites that are missing and block."""
        return tuple(
            Blocker(code=line.code, message=line.message, hint=line.hint, fixer=line.fixer)
            for line in self.checklist(request)
            if line.blocks and not line.met
        )

    def _agreement(self, agreement_id: str, institution_id: str) -> Agreement | None:
        if not agreement_id:
            return None
        agreement = self._kernel.state(AGREEMENTS, agreement_id)
        return agreement if agreement.institution_id == institution_id else None

    def _lines(self, request: AccessRequest, draft: Draft, agreement: Agreement) -> Iterator[Prerequisite]:
        yield from self._in_force(agreement)
        yield _signed(agreement)
        yield from self._vetting(agreement)
        yield self._duties(agreement)
        yield from self._holder(request.holder, agreement)
        named = request.terms.scope.purposes if request.terms is not None else draft.purposes
        yield from _purposes(named, agreement)

    def _in_force(self, agreement: Agreement) -> Iterator[Prerequisite]:
        now = self._kernel.clock()
        for one, what in self._resting_on(agreement):
            met = one.in_force_on(now)
            yield Prerequisite(
                code="agreement_not_in_force",
                label=f"{what} in force",
                met=met,
                blocks=True,
                message=f"{one.title} is {one.status_on(now).label}",
                hint="Access is granted once it is in force: signed by both sides, within its term, not suspended.",
                fixer=Fixer.LEAD,
                screen="agreements",
            )
        if only(agreement.clauses, PermittedUses) is None:
            yield Prerequisite(
                code="opens_nothing",
                label="Opens checkpoints",
                met=False,
                blocks=True,
                message=f"agreement {agreement.id} opens no checkpoint by itself",
                hint="Ask under a schedule, or under an agreement with permitted uses.",
                fixer=Fixer.CALLER,
                screen="agreements",
            )

    def _resting_on(self, agreement: Agreement) -> Iterator[tuple[Agreement, str]]:
        yield agreement, "Agreement"
        if agreement.framework is not None:
            yield self._kernel.state(AGREEMENTS, agreement.framework.agreement_id), "Framework"

    def _vetting(self, agreement: Agreement) -> Iterator[Prerequisite]:
        clause = self._book.clause(agreement, Vetting)
        for line in self._prerequisites.vetting(agreement.institution_id, clause, in_grace=True):
            yield Prerequisite(
                code="vetting_missing",
                label=f"Vetting: {line.label.lower()}",
                met=line.met,
                blocks=True,
                message=line.message.removeprefix(f"{line.label}: "),
                hint="A partner lead hands in evidence under Passport; a coordinator reviews it.",
                fixer=line.fixer,
                screen=line.screen,
            )

    def _duties(self, agreement: Agreement) -> Prerequisite:
        now = self._kernel.clock()
        standings = self._book.standings(agreement, now, until=now)
        late = [one.duty.title for one in standings if one.state is DutyState.OVERDUE]
        return Prerequisite(
            code="duties_overdue",
            label="No duty overdue",
            met=not late,
            blocks=False,
            message=f"overdue: {', '.join(late)}" if late else "nothing is overdue under the agreement",
            hint="A partner lead hands in what is owed under Duties; the coordinator sees what is late.",
            fixer=Fixer.LEAD,
            screen="duties",
        )

    def _holder(self, holder: Holder, agreement: Agreement) -> Iterator[Prerequisite]:
        institution = holder.kind is HolderKind.INSTITUTION
        gone = self._holders.gone(holder, agreement.institution_id)
        # Whoever is of another institution is not named to this one.
        name = holder.id if gone else self._holders.name(holder)
        if gone or not institution:
            met = not gone
            yield Prerequisite(
                code="holder_not_of_institution",
                label=f"{name} belongs to {agreement.institution_name}",
                met=met,
                blocks=True,
                message=f"{name} is {f'a {holder.kind.value}' if met else 'nobody active'} of "
                f"{agreement.institution_name}",
                hint="Have the person invited, or the program registered, by the institution first.",
                fixer=Fixer.LEAD,
                screen="people",
            )
        users = self._book.clause(agreement, NamedUsers)
        if users is None:
            return
        if institution:
            names = ", ".join(user.name for user in users.users)
            met, message = True, f"the agreement names who may use it: {names}"
        else:
            met = users.names(self._email(holder))
            message = f"the agreement {'names' if met else 'does not name'} {name} among those who may use it"
        yield Prerequisite(
            code="user_not_named",
            label="Named by the agreement",
            met=met,
            blocks=True,
            message=message,
            hint="Ask for somebody who is named, or propose an amendment that names them.",
            fixer=Fixer.LEAD,
            screen="agreements",
        )

    def _email(self, holder: Holder) -> str:
        try:
            if holder.kind is HolderKind.PROGRAM:
                return self._kernel.state(PROGRAMS, holder.id).contact
            return self._kernel.state(PEOPLE, holder.id).email
        except NotFound:
            return ""


def _signed(agreement: Agreement) -> Prerequisite:
    governing = agreement.governing
    names = [signature.signer_name for signature in governing.signatures] if governing is not None else []
    return Prerequisite(
        code="not_signed",
        label="Signed by both sides",
        met=governing is not None,
        blocks=True,
        message=f"signed by {' and '.join(names)}" if governing is not None else "not every signature is there",
        hint="A partner lead and a coordinator sign on the agreement's page.",
        fixer=Fixer.LEAD,
        screen="agreements",
    )


def _purposes(named: frozenset[str], agreement: Agreement) -> Iterator[Prerequisite]:
    uses = only(agreement.clauses, PermittedUses)
    if uses is None or not named:
        # That none is named is an open field.
        return
    outside = sorted(named - uses.purposes)
    listed = ", ".join(sorted(uses.purposes))
    message = "the agreement permits every purpose that is named"
    if outside:
        message = f"{', '.join(outside)} is not among the purposes that the agreement permits: {listed}"
    yield Prerequisite(
        code="purpose_not_permitted",
        label="Purpose permitted",
        met=not outside,
        blocks=True,
        message=message,
        hint="Choose a purpose that the agreement permits, or propose an amendment with another.",
        fixer=Fixer.CALLER,
        screen="agreements",
    )
