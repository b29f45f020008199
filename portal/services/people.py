"""People: who may sign in."""

from collections.abc import Collection

from agreements.actors import Actor, Membership, Role
from agreements.errors import NotFound
from agreements.ids import new_id
from agreements.people import DeactivatePerson, Person, RegisterPerson
from portal.inputs import parse
from portal.services.aggregates import PEOPLE
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel


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
        """Let somebody in with (institution id, role) pairs. Raises Forbidden, Invalid or NotFound."""
        for institution_id, _role in memberships:
            self._institutions.get(institution_id)
        person_id = new_id("per")
        command = parse(
            RegisterPerson,
            {
                "person_id": person_id,
                "name": name,
                "email": email,
                "memberships": tuple(
                    Membership(institution_id=institution_id, role=role) for institution_id, role in memberships
                ),
            },
        )
        return self._kernel.execute(PEOPLE, person_id, command, actor, idempotency_key=idempotency_key)

    def deactivate(self, actor: Actor, person_id: str, *, reason: str) -> Person:
        """Stop somebody from signing in; their sessions and tokens stop with it."""
        self.get(person_id)
        return self._kernel.execute(PEOPLE, person_id, parse(DeactivatePerson, {"reason": reason}), actor)

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
