"""People: who may sign in, as what, and who waits to be let in."""

import threading
from collections.abc import Collection
from typing import Any

from agreements.actors import Actor, Membership, Role
from agreements.addresses import FreeAddress, TakeAddress, address_id
from agreements.errors import Conflict, NotFound
from agreements.ids import new_id
from agreements.people import (
    AddMembership,
    ApproveMembership,
    ChangeRole,
    DeactivatePerson,
    Person,
    PersonCommand,
    ReactivatePerson,
    RefuseMembership,
    RegisterPerson,
    RemoveMembership,
    RequestMembership,
)
from portal.inputs import clean, parse
from portal.services.aggregates import ADDRESSES, PEOPLE
from portal.services.clicks import clicked
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel, Step
from portal.services.sessions import SessionService

_KEPT_ROLES = (Role.COORDINATOR, Role.PARTNER_LEAD)
"""Roles that somebody has to hold."""


class PeopleService:
    """Registers people, changes what they are, and answers who is who."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService, sessions: SessionService) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._sessions = sessions
        # Held while it is counted who else holds a role and one of them loses it: two who go at once must not both
        # see the other stay.
        self._roster = threading.Lock()

    def register(
        self,
        actor: Actor,
        *,
        name: str,
        email: str,
        memberships: Collection[tuple[str, Role]],
        idempotency_key: str | None = None,
    ) -> Person:
        """Let somebody in with (institution id, role) pairs.

        Raises Forbidden, Invalid, NotFound, or Conflict ``address_taken`` where somebody active has that e-mail.
        """
        for institution_id, _role in memberships:
            self._institutions.get(institution_id)
        command = parse(
            RegisterPerson,
            {
                "person_id": new_id("per"),
                "name": name,
                "email": email,
                "memberships": tuple(
                    Membership(institution_id=institution_id, role=role) for institution_id, role in memberships
                ),
            },
        )
        committed = self._kernel.execute_all(self.admitting(command), actor, idempotency_key=idempotency_key)
        streams = committed.versions if committed is not None else ()
        first_made = [stream for stream in streams if stream.startswith(PEOPLE.decider.stream(""))]
        return self.get(first_made[0].partition("/")[2])

    def admitting(self, command: RegisterPerson | RequestMembership) -> tuple[Step, ...]:
        """The steps that make a person: the person, and their e-mail as theirs alone."""
        address = address_id(command.email)
        taking = TakeAddress(person_id=command.person_id, held_before=self._held_before(address, command.email))
        return Step(PEOPLE, command.person_id, command), Step(ADDRESSES, address, taking)

    def _held_before(self, address: str, email: str) -> bool:
        """Whether somebody has the address who was registered before addresses were kept: nothing ever freed it."""
        if self._kernel.store.state(ADDRESSES, address)[1]:
            return False
        return bool(
            self._kernel.store.query("SELECT 1 FROM person WHERE email = ? AND active LIMIT 1", [email.casefold()])
        )

    def refuse_taken(self, email: str) -> None:
        """Return if nobody active has the address. Raises Conflict ``address_taken``."""
        if self.with_address(email):
            raise Conflict(
                "address_taken",
                "Somebody else is registered under this e-mail address.",
                hint="Each person has an address of their own: agreements name people by it.",
                param="email",
            )

    def with_address(self, email: str) -> tuple[Person, ...]:
        """Who may sign in, or waits to, under an e-mail address, whatever its case."""
        rows = self._kernel.store.query(
            """
            SELECT person_id FROM person p WHERE email = ? AND (active OR EXISTS (
                SELECT 1 FROM person_waiting w WHERE w.person_id = p.person_id AND w.open
            )) ORDER BY person_id
            """,
            [email.casefold()],
        )
        return tuple(self.get(row["person_id"]) for row in rows)

    def deactivated_with_address(self, institution_id: str, email: str) -> bool:
        """Whether somebody of the institution was deactivated who had this address."""
        rows = self._kernel.store.query(
            """
            SELECT p.person_id FROM person p JOIN person_institution i USING (person_id)
            WHERE p.email = ? AND NOT p.active AND i.institution_id = ?
            """,
            [email.casefold(), institution_id],
        )
        return bool(rows)

    def approve(self, actor: Actor, person_id: str, *, role: Role) -> Person:
        """Let in who waits. Raises NotFound, Forbidden ``not_lead``, Invalid or Conflict ``not_waiting``."""
        return self._change(actor, person_id, ApproveMembership(role=role))

    def refuse(self, actor: Actor, person_id: str, *, reason: str) -> Person:
        """Do not let in who waits; they see why. Raises NotFound, Forbidden ``not_lead`` or Conflict."""
        return self._change(
            actor, person_id, _with_reason(RefuseMembership, reason), self._freeing(self.visible(actor, person_id))
        )

    def add_membership(self, actor: Actor, person_id: str, *, institution_id: str, role: Role) -> Person:
        """Give somebody one more role; it counts from their next request on. Raises Forbidden, Invalid or Conflict."""
        self._institutions.get(institution_id)
        membership = Membership(institution_id=institution_id, role=role)
        return self._change(actor, person_id, AddMembership(membership=membership))

    @clicked
    def change_role(
        self,
        actor: Actor,
        person_id: str,
        *,
        institution_id: str,
        before: Role,
        after: Role,
        without_lead: bool = False,
    ) -> Person:
        """Make somebody something else at an institution; it counts from their next request on.

        Raises Forbidden, Invalid, or Conflict, among them ``last_lead`` unless ``without_lead``, ``last_coordinator``.
        """
        fields = {"institution_id": institution_id, "before": before, "after": after, "without_lead": without_lead}
        return self._leave(actor, person_id, ChangeRole, fields)

    @clicked
    def remove_membership(
        self,
        actor: Actor,
        person_id: str,
        *,
        institution_id: str,
        role: Role,
        reason: str,
        without_lead: bool = False,
    ) -> Person:
        """Take a role from somebody; it counts from their next request on. Raises as ``change_role`` does."""
        membership = Membership(institution_id=institution_id, role=role)
        fields = clean({"membership": membership, "reason": reason, "without_lead": without_lead})
        return self._leave(actor, person_id, RemoveMembership, fields)

    @clicked
    def deactivate(self, actor: Actor, person_id: str, *, reason: str, without_lead: bool = False) -> Person:
        """Stop somebody from signing in; their sessions, links and tokens end with it, for good.

        Raises NotFound, Forbidden or Conflict, among them ``last_lead`` unless ``without_lead``.
        """
        fields = clean({"reason": reason, "without_lead": without_lead})
        person = self._leave(actor, person_id, DeactivatePerson, fields, self._freeing(self.get(person_id)))
        self._sessions.end_for_good(person_id, reason="the person was deactivated")
        return person

    def reactivate(self, actor: Actor, person_id: str, *, reason: str) -> Person:
        """Let somebody sign in again, with the roles they had; what they came in with before stays ended.

        Raises NotFound, Forbidden, or Conflict ``not_deactivated`` or ``address_taken``.
        """
        person = self.visible(actor, person_id)
        command = _with_reason(ReactivatePerson, reason)
        # Refused before anything is ended for somebody who may not.
        PEOPLE.decider.decide(person, command, actor, self._kernel.clock())
        self.refuse_taken(person.email)
        # Whatever a crash between deactivating and ending left open must not come back with the person.
        self._sessions.end_for_good(person_id, reason="the person was deactivated")
        taking = TakeAddress(person_id=person_id)
        self._kernel.execute_all(
            [Step(PEOPLE, person_id, command), Step(ADDRESSES, address_id(person.email), taking)], actor
        )
        return self.get(person_id)

    def get(self, person_id: str) -> Person:
        """One person. Raises NotFound."""
        return self._kernel.state(PEOPLE, person_id)

    def visible(self, actor: Actor, person_id: str) -> Person:
        """One person whom the actor may know of. Raises NotFound."""
        missing = NotFound("person_not_found", f"There is no person {person_id!r} that you may see.")
        try:
            person = self.get(person_id)
        except NotFound:
            raise missing from None
        if actor.is_coordinator or actor.is_automatic or actor.person_id == person_id:
            return person
        waits_here = person.pending is not None and actor.has(Role.PARTNER_LEAD, person.pending.institution_id)
        if waits_here or any(actor.belongs_to(m.institution_id) for m in person.memberships):
            return person
        raise missing

    def list(self, actor: Actor) -> tuple[Person, ...]:
        """Everyone, for coordinators; the people of one's own institutions, for everyone else; not those who wait."""
        rows = self._kernel.store.query(
            """
            SELECT person_id FROM person p
            WHERE NOT EXISTS (SELECT 1 FROM person_waiting w WHERE w.person_id = p.person_id)
            AND (? OR EXISTS (
                SELECT 1 FROM person_institution i
                WHERE i.person_id = p.person_id AND list_contains(?::VARCHAR[], i.institution_id)
            ))
            ORDER BY lower(name)
            """,
            [actor.is_coordinator, list(actor.institution_ids)],
        )
        return tuple(self.get(row["person_id"]) for row in rows)

    def directory(self, actor: Actor) -> tuple[Person, ...]:
        """Everyone the actor may see by name, whatever their state: with those who wait or waited, for who answers."""
        led = [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]
        rows = self._kernel.store.query(
            """
            SELECT person_id FROM person p WHERE ? OR EXISTS (
                SELECT 1 FROM person_institution i
                WHERE i.person_id = p.person_id AND list_contains(?::VARCHAR[], i.institution_id)
            ) OR EXISTS (
                SELECT 1 FROM person_waiting w
                WHERE w.person_id = p.person_id AND list_contains(?::VARCHAR[], w.institution_id)
            )
            ORDER BY lower(name), person_id
            """,
            [actor.is_coordinator, list(actor.institution_ids), led],
        )
        return tuple(self.get(row["person_id"]) for row in rows)

    def waiting(self, actor: Actor) -> tuple[Person, ...]:
        """Who waits for a membership the actor may answer, longest first; those who were refused come last."""
        led = [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]
        rows = self._kernel.store.query(
            """
            SELECT person_id FROM person_waiting
            WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY NOT open, requested_at, person_id
            """,
            [actor.is_coordinator, led],
        )
        people = (self.get(row["person_id"]) for row in rows)
        return tuple(person for person in people if person.deactivated_at is None)

    def coordinator_ids(self) -> tuple[str, ...]:
        """Everyone who coordinates for the lab today."""
        rows = self._kernel.store.query("SELECT person_id FROM person WHERE coordinator AND active ORDER BY person_id")
        return tuple(row["person_id"] for row in rows)

    def unknown(self, person_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that belong to nobody."""
        rows = self._kernel.store.query(
            "SELECT person_id FROM person WHERE list_contains(?::VARCHAR[], person_id)", [sorted(person_ids)]
        )
        return frozenset(person_ids) - {row["person_id"] for row in rows}

    def institution_name(self, institution_id: str) -> str:
        """How the institution is called. Raises NotFound."""
        return self._institutions.get(institution_id).name

    def name(self, person_id: str) -> str:
        """How the person is called; automatic actors go by their rule's name."""
        try:
            return self.get(person_id).name
        except NotFound:
            return person_id.removeprefix("auto:")

    def _freeing(self, person: Person) -> Step:
        return Step(ADDRESSES, address_id(person.email), FreeAddress(person_id=person.id))

    def _change(self, actor: Actor, person_id: str, command: PersonCommand, *also: Step) -> Person:
        self.visible(actor, person_id)
        self._kernel.execute_all([Step(PEOPLE, person_id, command), *also], actor)
        return self.get(person_id)

    def _leave(
        self,
        actor: Actor,
        person_id: str,
        kind: type[ChangeRole | RemoveMembership | DeactivatePerson],
        fields: dict[str, Any],
        *also: Step,
    ) -> Person:
        person = self.visible(actor, person_id)
        with self._roster:
            command = parse(kind, {**fields, "sole": self.sole(person)})
            self._kernel.execute_all([Step(PEOPLE, person_id, command), *also], actor)
            return self.get(person_id)

    def sole(self, person: Person) -> tuple[Membership, ...]:
        """Which of the person's roles nobody else who is active holds, of those that somebody has to hold."""
        rows = self._kernel.store.query(
            """
            SELECT DISTINCT i.institution_id, i.role FROM person_institution i JOIN person p USING (person_id)
            WHERE p.active AND p.person_id <> ?
            """,
            [person.id],
        )
        others = {(row["institution_id"], row["role"]) for row in rows}
        return tuple(
            membership
            for membership in person.memberships
            if membership.role in _KEPT_ROLES and (membership.institution_id, membership.role.value) not in others
        )


def _with_reason(kind: type[RefuseMembership | ReactivatePerson], reason: str) -> RefuseMembership | ReactivatePerson:
    return parse(kind, clean({"reason": reason}))
