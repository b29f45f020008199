"""What becomes of everything that hangs on somebody's roles when they change, before anybody changes them."""

from collections.abc import Collection

from agreements.actors import Actor, Channel, Membership, Role
from agreements.clauses import NamedUsers, Signatories, only
from agreements.deciders import Value
from agreements.errors import Fixer, Forbidden, Unauthenticated
from agreements.grants import Grant
from agreements.invitations import may_manage
from agreements.people import Person, governs, may_admit
from portal.services.aggregates import CREDENTIALS, GRANTS, stamp
from portal.services.agreements import AgreementService
from portal.services.kernel import Kernel
from portal.services.people import PeopleService
from portal.services.people_rows import IDENTITY_PROVIDERS, INVITATIONS
from portal.services.sessions import check_speaks_for


class HeldGrant(Value):
    """A grant that somebody holds by name."""

    grant_id: str
    label: str
    institution_id: str


class NamedIn(Value):
    """An agreement whose clauses name somebody by address."""

    agreement_id: str
    title: str
    signs: bool
    """As one of those who sign it; otherwise as one of those who may use the access."""


class RoleConsequences(Value):
    """What stops when somebody is left with certain roles; nothing of it comes back by itself."""

    leaves: bool
    """Whether no role is left, so that they may not sign in any more."""
    sessions: int
    """Open sessions that end."""
    links: int
    """One-time sign-in links not used yet that are dead."""
    tokens: int
    """Live access tokens that are refused from then on."""
    grants: tuple[HeldGrant, ...]
    """Grants in their name that open nothing any more."""
    agreements: tuple[NamedIn, ...]
    """Agreements that go on naming them, though they cannot use or sign them any more; of those the actor may see."""
    invitations: tuple[str, ...]
    """Addresses they invited whose links are dead."""
    without_lead: tuple[str, ...]
    """Institutions that are left without a partner lead."""
    without_coordinator: bool
    """Whether nobody would coordinate; that is refused."""
    provider: str
    """The identity provider that would not speak for them any more, by name."""


class PersonConsequences:
    """Works consequences out, for whoever could bring them about."""

    def __init__(self, kernel: Kernel, people: PeopleService, agreements: AgreementService) -> None:
        self._kernel = kernel
        self._agreements = agreements
        self._people = people

    def if_left_with(self, actor: Actor, person_id: str, after: Collection[Membership]) -> RoleConsequences:
        """What stops if somebody has exactly those roles; none stands for deactivation.

        Raises NotFound, or Forbidden ``not_lead`` for whoever may not make that change.
        """
        person = self._people.visible(actor, person_id)
        lost = [one for one in person.memberships if one not in after]
        changed = {*lost, *(one for one in after if one not in person.memberships)}
        if not (all(may_admit(actor, one) for one in changed) if after else governs(actor, person)):
            raise Forbidden(
                "not_lead", "Only a coordinator or their partner lead changes their roles.", fixer=Fixer.COORDINATOR
            )
        left = {one.institution_id for one in after}
        gone = {one.institution_id for one in lost} - left
        silenced = self._silenced(person, after) if after else {}
        sole = [one for one in self._people.sole(person) if one in lost]
        return RoleConsequences(
            leaves=not after,
            sessions=len(silenced if after else self._live(person, "session")),
            links=0 if after else len(self._live(person, "sign_in_link")),
            tokens=self._tokens(person, gone, everything=not after),
            grants=self._grants(person, gone),
            agreements=self._named(actor, person, lost, left),
            invitations=self._invitations(person, after),
            without_lead=tuple(one.institution_id for one in sole if one.role is Role.PARTNER_LEAD),
            without_coordinator=any(one.role is Role.COORDINATOR for one in sole),
            provider=next(iter(silenced.values()), ""),
        )

    def grants_of(self, actor: Actor, person_id: str) -> tuple[HeldGrant, ...]:
        """Live grants in somebody's name, for themselves and for whoever governs them; for nobody else. Raises
        NotFound.
        """
        person = self._people.visible(actor, person_id)
        if actor.person_id != person.id and not governs(actor, person):
            return ()
        return self._grants(person, {one.institution_id for one in person.memberships})

    def _grants(self, person: Person, places: Collection[str]) -> tuple[HeldGrant, ...]:
        rows = self._kernel.store.query(
            """
            SELECT grant_id FROM access_grant
            WHERE holder_kind = 'person' AND holder_id = ? AND list_contains(?::VARCHAR[], institution_id)
            ORDER BY issued_at DESC, grant_id
            """,
            [person.id, sorted(places)],
        )
        now = self._kernel.clock()
        grants: list[Grant] = [self._kernel.state(GRANTS, row["grant_id"]) for row in rows]
        return tuple(
            HeldGrant(grant_id=one.id, label=one.label, institution_id=one.institution_id)
            for one in grants
            if one.live_on(now)
        )

    def _live(self, person: Person, kind: str) -> list[str]:
        rows = self._kernel.store.query(
            """
            SELECT credential_id FROM credential
            WHERE person_id = ? AND kind = ? AND NOT ended AND expires_at > ? ORDER BY credential_id
            """,
            [person.id, kind, stamp(self._kernel.clock())],
        )
        return [row["credential_id"] for row in rows]

    def _tokens(self, person: Person, gone: Collection[str], *, everything: bool) -> int:
        rows = self._kernel.store.query(
            """
            SELECT count(*) AS tokens FROM credential c LEFT JOIN access_grant g USING (grant_id)
            WHERE c.person_id = ? AND c.kind = 'access_token' AND NOT c.ended AND c.expires_at > ?
              AND (? OR list_contains(?::VARCHAR[], g.institution_id))
            """,
            [person.id, stamp(self._kernel.clock()), everything, sorted(gone)],
        )
        return int(rows[0]["tokens"])

    def _silenced(self, person: Person, after: Collection[Membership]) -> dict[str, str]:
        """Live sessions that end because their provider would not speak for the person any more, with its name."""
        then, found = person.model_copy(update={"memberships": tuple(after)}), {}
        for session_id in self._live(person, "session"):
            provider_id = self._kernel.state(CREDENTIALS, session_id).provider_id
            if provider_id is not None:
                provider = self._kernel.state(IDENTITY_PROVIDERS, provider_id)
                try:
                    check_speaks_for(provider.institution_id, then)
                except Unauthenticated:
                    found[session_id] = provider.label
        return found

    def _named(
        self, actor: Actor, person: Person, lost: Collection[Membership], left: Collection[str]
    ) -> tuple[NamedIn, ...]:
        now, email = self._kernel.clock(), person.email.casefold()
        places = {one.institution_id for one in lost}
        leads = {one.institution_id for one in lost if one.role is Role.PARTNER_LEAD}
        found = []
        for agreement in self._agreements.list(actor):
            live = agreement.runs_on(now) or agreement.proposal is not None
            if agreement.institution_id not in places or not live:
                continue
            clauses = agreement.shown.clauses
            order = only(clauses, Signatories)
            signs = order is not None and any((one.email or "").casefold() == email for one in order.order)
            users = only(clauses, NamedUsers)
            uses = users is not None and users.names(person.email) and agreement.institution_id not in left
            if uses or (signs and agreement.institution_id in leads):
                found.append(NamedIn(agreement_id=agreement.id, title=agreement.title, signs=signs))
        return tuple(found)

    def _invitations(self, person: Person, after: Collection[Membership]) -> tuple[str, ...]:
        rows = self._kernel.store.query(
            "SELECT invitation_id FROM invitation WHERE status = 'open' ORDER BY invited_at, invitation_id"
        )
        now = self._kernel.clock()
        then = person.model_copy(update={"memberships": tuple(after)}).actor(Channel.SCREEN)
        sent = (self._kernel.state(INVITATIONS, row["invitation_id"]) for row in rows)
        return tuple(
            one.email for one in sent if one.invited_by == person.id and one.open_on(now) and not may_manage(then, one)
        )
