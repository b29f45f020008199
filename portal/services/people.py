"""People: who may sign in."""

from collections.abc import Collection

from agreements.actors import Actor, Membership, Role
from agreements.addresses import FreeAddress, TakeAddress, address_id
from agreements.errors import NotFound
from agreements.ids import new_id
from agreements.people import DeactivatePerson, Person, RegisterPerson
from portal.inputs import parse
from portal.services.aggregates import ADDRESSES, PEOPLE
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel, Step


class PeopleService:
    """Registers people and answers who is who."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService) -> None:
        self._kernel = kernel
        self._institutions = institutions

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

    def admitting(self, command: RegisterPerson) -> tuple[Step, ...]:
        """The steps that register a person: the person, and their e-mail as theirs alone."""
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

    def deactivate(self, actor: Actor, person_id: str, *, reason: str) -> Person:
        """Stop somebody from signing in; their sessions and tokens stop with it, and their e-mail is free again."""
        leaving = Step(PEOPLE, person_id, parse(DeactivatePerson, {"reason": reason}))
        freeing = Step(ADDRESSES, address_id(self.get(person_id).email), FreeAddress(person_id=person_id))
        self._kernel.execute_all([leaving, freeing], actor)
        return self.get(person_id)

    def get(self, person_id: str) -> Person:
        """One person. Raises NotFound."""
        return self._kernel.state(PEOPLE, person_id)

    def list(self, actor: Actor) -> tuple[Person, ...]:
        """Everyone, for coordinators; the people of one's own institutions, for everyone else."""
        rows = self._kernel.store.query(
            """
            SELECT person_id FROM person p
            WHERE ? OR EXISTS (
                SELECT 1 FROM person_institution i
                WHERE i.person_id = p.person_id AND list_contains(?::VARCHAR[], i.institution_id)
            )
            ORDER BY lower(name)
            """,
            [actor.is_coordinator, list(actor.institution_ids)],
        )
        return tuple(self.get(row["person_id"]) for row in rows)

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
