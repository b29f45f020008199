"""Who signs in by an identity provider, and who would be left without a way in if it ended."""

from agreements.actors import Actor, Role
from agreements.deciders import Value
from agreements.errors import NotFound
from agreements.identity_providers import ProviderStatus
from agreements.people import Person
from portal.services.aggregates import CREDENTIALS, PEOPLE, stamp
from portal.services.identity_providers import IdentityProviderService
from portal.services.kernel import Kernel
from portal.services.people_rows import IDENTITY_PROVIDERS


class ProviderUser(Value):
    """Somebody who signs in by a provider."""

    person_id: str
    name: str
    email: str
    waits: bool
    """Whether they were not let in yet."""
    sessions: int
    """Live sessions opened through the provider; they end with it."""
    other: str
    """Another provider in use by which they sign in, by name; empty where there is none."""


class ProviderUse(Value):
    """Who signs in by a provider; people who were deactivated do not count."""

    people: tuple[ProviderUser, ...]
    own_session: bool
    """Whether the session that asks was opened through it."""
    every_coordinator: bool
    """Whether every coordinator signs in by it and by nothing else."""

    @property
    def sessions(self) -> int:
        """How many sessions end with it."""
        return sum(user.sessions for user in self.people)

    @property
    def stranded(self) -> tuple[ProviderUser, ...]:
        """Who would need a one-time link from a coordinator."""
        return tuple(user for user in self.people if not user.other)


class WaysIn:
    """Answers who comes in by what."""

    def __init__(self, kernel: Kernel, providers: IdentityProviderService) -> None:
        self._kernel = kernel
        self._providers = providers

    def of_provider(self, actor: Actor, provider_id: str, *, current: str = "") -> ProviderUse:
        """Who signs in by a provider, for coordinators and for the lead of its institution.

        ``current`` is the id of the session that asks. Raises NotFound.
        """
        provider = self._providers.visible(actor, provider_id)
        if not (actor.is_coordinator or actor.has(Role.PARTNER_LEAD, provider.institution_id)):
            raise NotFound("identity_provider_not_found", f"There is no provider {provider_id!r} that you may see.")
        rows = self._kernel.store.query(
            """
            SELECT i.person_id, (
                SELECT count(*) FROM credential c
                WHERE c.person_id = i.person_id AND c.provider_id = $1 AND NOT c.ended AND c.expires_at > $2
            ) AS sessions
            FROM (
                -- By issuer, as identities are known: who came by a provider removed since comes by this one too.
                SELECT DISTINCT person_id FROM identity JOIN identity_provider first USING (provider_id)
                WHERE first.issuer = $3 AND person_id <> ''
            ) i
            """,
            [provider_id, stamp(self._kernel.clock()), provider.issuer],
        )
        users = []
        for row in rows:
            person = self._kernel.state(PEOPLE, row["person_id"])
            if person.deactivated_at is None and _of(person, provider.institution_id):
                users.append(
                    ProviderUser(
                        person_id=person.id,
                        name=person.name,
                        email=person.email,
                        waits=person.pending is not None,
                        sessions=int(row["sessions"]),
                        other=self._other(person, provider_id),
                    )
                )
        stranded = {user.person_id for user in users if not user.other}
        return ProviderUse(
            people=tuple(sorted(users, key=lambda user: (user.waits, user.name.casefold(), user.person_id))),
            own_session=bool(current) and self._opened_through(current) == provider_id,
            every_coordinator=self._coordinators() <= stranded,
        )

    def _other(self, person: Person, provider_id: str) -> str:
        places = [one.institution_id for one in person.memberships]
        rows = self._kernel.store.query(
            """
            SELECT min(p.provider_id) AS provider_id
            FROM identity i JOIN identity_provider first USING (provider_id)
            JOIN identity_provider p ON p.issuer = first.issuer
            WHERE i.person_id = ? AND p.provider_id <> ? AND p.status = ?
              AND list_contains(?::VARCHAR[], p.institution_id)
            """,
            [person.id, provider_id, ProviderStatus.ACTIVE.value, places],
        )
        found = rows[0]["provider_id"]
        return self._kernel.state(IDENTITY_PROVIDERS, found).label if found else ""

    def _coordinators(self) -> set[str]:
        rows = self._kernel.store.query("SELECT person_id FROM person WHERE coordinator AND active")
        return {row["person_id"] for row in rows}

    def _opened_through(self, session_id: str) -> str | None:
        try:
            return self._kernel.state(CREDENTIALS, session_id).provider_id
        except NotFound:
            return None


def _of(person: Person, institution_id: str) -> bool:
    waits_there = person.pending is not None and person.pending.institution_id == institution_id
    return waits_there or any(one.institution_id == institution_id for one in person.memberships)
