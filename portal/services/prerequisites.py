"""What has to be there before an agreement can enter into force: each requirement, whether it is met, who clears it."""

from typing import Protocol

from agreements.actors import LAB
from agreements.agreement import Agreement, Version
from agreements.clauses import Form, NamedUsers, Vetting, only
from agreements.deciders import Value
from agreements.errors import Fixer
from agreements.vetting import Passport
from portal.services.aggregates import AGREEMENTS
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel


class Requirement(Value):
    """One line of a checklist."""

    code: str
    label: str
    met: bool
    message: str
    """What is there, or what is missing."""
    fixer: Fixer
    screen: str
    """Where it is cleared."""


class VettingBook(Protocol):
    """Who keeps institutions' passports."""

    def state(self, institution_id: str) -> Passport:
        """The institution's passport; an empty one where nothing was ever handed in."""
        ...


class Prerequisites:
    """The checklist of an agreement, from what the portal knows now."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService, vetting: VettingBook) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._vetting = vetting

    def checklist(self, agreement: Agreement, version: Version) -> tuple[Requirement, ...]:
        """Everything that ``version`` needs to come into force, in the order in which people clear it."""
        return (
            *self._keys(agreement),
            *self._framework(agreement),
            *self.vetting(agreement.institution_id, self._clause(agreement, version)),
            *self._people(agreement, version),
        )

    def missing(self, agreement: Agreement, version: Version) -> tuple[str, ...]:
        """What keeps ``version`` from coming into force, in words."""
        return tuple(line.message for line in self.checklist(agreement, version) if not line.met)

    def vetting(
        self, institution_id: str, clause: Vetting | None, *, in_grace: bool = False
    ) -> tuple[Requirement, ...]:
        """What a vetting clause asks for and how it stands; ``in_grace`` counts what lapsed lately as still there."""
        if clause is None:
            return ()
        passport, now = self._vetting.state(institution_id), self._kernel.clock()
        grace_days = clause.grace_days if in_grace else 0
        missing = {standing.item for standing in passport.missing(clause.items, now, grace_days=grace_days)}
        return tuple(
            Requirement(
                code=standing.item.value,
                label=standing.item.label.capitalize(),
                met=standing.item not in missing,
                message=standing.message.rstrip("."),
                fixer=standing.fixer,
                screen="passports",
            )
            for standing in passport.checklist(clause.items, now)
        )

    def _clause(self, agreement: Agreement, version: Version) -> Vetting | None:
        own = only(version.clauses, Vetting)
        if own is not None or agreement.framework is None:
            return own
        return only(self._kernel.state(AGREEMENTS, agreement.framework.agreement_id).clauses, Vetting)

    def _keys(self, agreement: Agreement) -> tuple[Requirement, ...]:
        sides = (
            (agreement.institution_id, agreement.institution_name, Fixer.LEAD),
            (LAB, agreement.lab_name, Fixer.OPERATOR),
        )
        lines = []
        for institution_id, name, fixer in sides:
            met = bool(self._institutions.active_keys(institution_id))
            lines.append(
                Requirement(
                    code="signing_key",
                    label=f"Signing key of {name}",
                    met=met,
                    message=f"{name} has {'a' if met else 'no'} key to sign with",
                    fixer=fixer,
                    screen="institutions",
                )
            )
        return tuple(lines)

    def _framework(self, agreement: Agreement) -> tuple[Requirement, ...]:
        if agreement.form is not Form.SCHEDULE or agreement.framework is None:
            return ()
        framework = self._kernel.state(AGREEMENTS, agreement.framework.agreement_id)
        runs = framework.runs_on(self._kernel.clock())
        return (
            Requirement(
                code="framework",
                label="Framework in force",
                met=runs,
                message=f"Framework {framework.id} is in force."
                if runs
                else f"framework {framework.id} is not in force",
                fixer=Fixer.COORDINATOR,
                screen="agreements",
            ),
        )

    def _people(self, agreement: Agreement, version: Version) -> tuple[Requirement, ...]:
        """Everybody the text names by address has to be somebody the portal knows."""
        users = only(version.clauses, NamedUsers)
        named = [
            (user.email, "may use the access", agreement.institution_id) for user in (users.users if users else ())
        ]
        named += [
            (place.email, "signs", LAB if place.party.value == LAB else agreement.institution_id)
            for place in version.order
            if place.email is not None
        ]
        lines = []
        for email, what, institution_id in dict.fromkeys(named):
            known = self._knows(email, institution_id)
            lines.append(
                Requirement(
                    code="person",
                    label=f"{email} {what}",
                    met=known,
                    message=f"{email}, who {what}, is {'' if known else 'not '}registered",
                    fixer=Fixer.LEAD,
                    screen="people",
                )
            )
        return tuple(lines)

    def _knows(self, email: str, institution_id: str) -> bool:
        rows = self._kernel.store.query(
            """
            SELECT 1 FROM person p JOIN person_institution i USING (person_id)
            WHERE p.email = ? AND p.active AND i.institution_id = ? LIMIT 1
            """,
            [email.casefold(), institution_id],
        )
        return bool(rows)
