"""What has to be there before an agreement can enter into force: each requirement, whether it is met, who clears it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from agreements.actors import LAB, PartyKind, Role
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


SIGNS = {PartyKind.LAB: Role.COORDINATOR, PartyKind.INSTITUTION: Role.PARTNER_LEAD}
"""The role in which people sign for a side."""
_ROLE = {party: role.label for party, role in SIGNS.items()}


class _Person(Value):
    person_id: str
    email: str
    role: Role


class _Place(Value):
    party: PartyKind
    email: str | None
    known: bool
    """Whether whoever is named is registered there at all."""
    able: frozenset[str]


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
        self, institution_id: str, clause: Vetting | None, *, in_grace: bool = False, at: datetime | None = None
    ) -> tuple[Requirement, ...]:
        """What a vetting clause asks for and how it stands; ``in_grace`` counts what lapsed lately as still there.

        ``at`` is another moment than the present one.
        """
        if clause is None:
            return ()
        passport, now = self._vetting.state(institution_id), at or self._kernel.clock()
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
            (agreement.institution_id, agreement.institution_name, self._registrar(agreement)),
            (LAB, agreement.lab_name, Fixer.COORDINATOR),
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
        """Everybody the text names by address has to be there in the right role, and enough people have to sign."""
        users = only(version.clauses, NamedUsers)
        known = self._active(agreement.institution_id)
        lines = [
            Requirement(
                code="person",
                label=f"{email} may use the access",
                met=(met := any(one.email == email.casefold() for one in known)),
                message=f"{email}, who may use the access, is {'' if met else 'not '}registered",
                fixer=self._registrar(agreement),
                screen="people",
            )
            for email in dict.fromkeys(user.email for user in (users.users if users else ()))
        ]
        places = self._places(agreement, version)
        return (*lines, *_named_signatories(agreement, places), *_enough_signatories(agreement, places))

    def _registrar(self, agreement: Agreement) -> Fixer:
        """Who can do what a lead does at the institution: without one, a coordinator has to register one first."""
        leads = any(one.role is Role.PARTNER_LEAD for one in self._active(agreement.institution_id))
        return Fixer.LEAD if leads else Fixer.COORDINATOR

    def _places(self, agreement: Agreement, version: Version) -> tuple[_Place, ...]:
        """Every place for a signature with those who may fill it, or who filled it already."""
        sides = {PartyKind.LAB: LAB, PartyKind.INSTITUTION: agreement.institution_id}
        active = {party: self._active(institution_id) for party, institution_id in sides.items()}
        places = []
        for number, place in enumerate(version.order):
            wanted = place.email.casefold() if place.email is not None else None
            here = [one for one in active[place.party] if wanted in (None, one.email)]
            signed = version.signatures[number].signer_id if number < len(version.signatures) else None
            able = {signed} if signed else {one.person_id for one in here if one.role is SIGNS[place.party]}
            places.append(_Place(party=place.party, email=place.email, known=bool(here), able=frozenset(able)))
        return tuple(places)

    def _active(self, institution_id: str) -> tuple[_Person, ...]:
        rows = self._kernel.store.query(
            """
            SELECT p.person_id, p.email, i.role FROM person p JOIN person_institution i USING (person_id)
            WHERE p.active AND i.institution_id = ?
            """,
            [institution_id],
        )
        return tuple(_Person(person_id=row["person_id"], email=row["email"], role=Role(row["role"])) for row in rows)


def _named_signatories(agreement: Agreement, places: Sequence[_Place]) -> tuple[Requirement, ...]:
    lines = {}
    for place in places:
        if place.email is None or (place.email, place.party) in lines:
            continue
        side, met = _side(agreement, place.party), bool(place.able)
        if met:
            message = f"{place.email}, who signs for {side}, may do so"
        elif place.known:
            message = f"{place.email}, who signs for {side}, is registered there but not as its {_ROLE[place.party]}"
        else:
            message = f"{place.email}, who signs for {side}, is not registered there"
        lines[place.email, place.party] = Requirement(
            code="signatory",
            label=f"{place.email} signs for {side}",
            met=met,
            message=message,
            fixer=Fixer.COORDINATOR,
            screen="people",
        )
    return tuple(lines.values())


def _enough_signatories(agreement: Agreement, places: Sequence[_Place]) -> tuple[Requirement, ...]:
    """Each place is somebody else's, on both sides together: whoever signs for one side does not for the other."""
    # A named signatory who is missing has a line already.
    open_to = [place for place in places if place.able or place.email is None]
    filled = _filled([place.able for place in open_to])
    lines = []
    for party in PartyKind:
        wanted = [number for number, place in enumerate(open_to) if place.party is party]
        there = sum(number in filled for number in wanted)
        if len(wanted) > 1 or there < len(wanted):
            side = _side(agreement, party)
            lines.append(
                Requirement(
                    code="signatories",
                    label=f"Signatories of {side}",
                    met=there == len(wanted),
                    message=f"{len(wanted)} different people have to sign for {side}, and there are {there}"
                    if len(wanted) > 1
                    else f"nobody who may sign for {side} is left to do so",
                    fixer=Fixer.COORDINATOR,
                    screen="people",
                )
            )
    return tuple(lines)


def _filled(able: Sequence[frozenset[str]]) -> frozenset[int]:
    """Which places can be filled at once with nobody in two: a maximum bipartite matching (Kuhn's algorithm)."""
    holder: dict[str, int] = {}

    def place(number: int, tried: set[str]) -> bool:
        for person in sorted(able[number] - tried):
            tried.add(person)
            if person not in holder or place(holder[person], tried):
                holder[person] = number
                return True
        return False

    for number in range(len(able)):
        place(number, set())
    return frozenset(holder.values())


def _side(agreement: Agreement, party: PartyKind) -> str:
    return agreement.lab_name if party is PartyKind.LAB else agreement.institution_name
