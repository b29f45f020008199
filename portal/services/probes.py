"""The very questions that a change should make the portal refuse, asked again right after it."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from agreements.access import Basis, Question
from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.credentials import Credential, CredentialKind
from agreements.deciders import Value
from agreements.errors import Forbidden, Unauthenticated
from agreements.grants import Grant, GrantStatus, HolderKind
from agreements.people import Person
from agreements.programs import Program
from agreements.scopes import Operation, Scope
from agreements.token_keys import TokenKeys
from model_access.registry import Checkpoint
from model_access.stages import Stage
from portal.services.aggregates import CREDENTIALS, GRANTS, stamp
from portal.services.checkpoints import CheckpointService
from portal.services.kernel import Kernel
from portal.services.presence import Presence
from portal.services.token_keys import TokenKeyService
from portal.services.token_records import TokenRecords
from portal.services.under_way import Ask
from portal.services.withdrawals import losing
from portal.store import Change

MOST = 64
"""Most questions that are asked again after one change."""

_ASKER = Actor(person_id="auto:access-watch", name="access-watch")
"""Stands for anybody who holds no grant."""


class Probes:
    """Finds out what to ask. What it asks goes the way of any request, and changes nothing."""

    def __init__(
        self, kernel: Kernel, presence: Presence, checkpoints: CheckpointService, token_keys: TokenKeyService
    ) -> None:
        self._kernel = kernel
        self._presence = presence
        self._checkpoints = checkpoints
        self._token_keys = token_keys
        self._records = TokenRecords(kernel)

    def of(self, change: Change) -> tuple[Ask, ...]:
        """Questions of those who lose access by the change; each raises a refusal if it is refused now."""
        found = (
            ask
            for stream in losing(change)
            for ask in self._of(stream, change.before[stream].state, change.after[stream].state)
        )
        return tuple(islice(found, MOST))

    def _of(self, stream: str, before: Value, after: Value) -> Iterator[Ask]:
        object_id = stream.partition("/")[2]
        match before, after:
            case Grant(), Grant():
                narrowed = after.scope if after.status is before.status else None
                yield from self._on_grant(before, _lost(before.scope, narrowed))
            case Agreement(), Agreement():
                kept = after.narrowing.operations if after.narrowing is not None else frozenset[Operation]()
                for grant in self._live("agreement_id = ?", object_id):
                    yield from self._on_grant(grant, _lost(grant.scope, None, kept))
            case Credential(), Credential():
                yield from self._of_credential(before)
            case Person(), Person():
                yield from self._of_person(before, after)
            case Program(), _:
                yield lambda: self._gone(object_id)
            case Checkpoint(), Checkpoint():
                yield from self._on_checkpoint(before, after)
            case TokenKeys(), TokenKeys():
                yield from self._of_keys(before, after)
            case _ if stream.startswith("passport/"):
                for grant in self._live("institution_id = ?", object_id):
                    yield from self._on_grant(grant, _lost(grant.scope, None))
            case _:
                return

    def _on_grant(self, grant: Grant, lost: tuple[Sequence[str], Operation, str] | None) -> Iterator[Ask]:
        if lost is None:
            return
        named, operation, purpose = lost
        checkpoint_id = self._concrete(named)
        if checkpoint_id is None:
            return
        question = Question(operations=frozenset({operation}), purpose=purpose)
        for actor in self._users(grant):
            yield partial(self._ask, actor, checkpoint_id, question, grant.id)

    def _ask(self, actor: Actor, checkpoint_id: str, question: Question, grant_id: str | None) -> None:
        now = self._presence.again(actor)
        basis = Basis.GRANT if grant_id is not None else Basis.PUBLIC
        self._checkpoints.still(now, checkpoint_id, question, basis=basis, grant_id=grant_id)

    def _users(self, grant: Grant) -> Iterator[Actor]:
        """Who can draw on a grant: its holder or one of the institution's people, and every token that names it."""
        match grant.holder.kind:
            case HolderKind.PERSON:
                yield Actor(person_id=grant.holder.id, name="")
            case HolderKind.INSTITUTION if not grant.delegated_only:
                rows = self._kernel.store.query(
                    "SELECT person_id FROM person_institution WHERE institution_id = ? ORDER BY person_id LIMIT 1",
                    [grant.institution_id],
                )
                yield from (Actor(person_id=row["person_id"], name="") for row in rows)
            case _:
                pass  # a program comes with a token
        yield from (_by_token(self._records.get(one)) for one in self._tokens("grant_id", grant.id))

    def _tokens(self, column: str, value: str) -> list[str]:
        rows = self._kernel.store.query(
            f"""
            SELECT credential_id FROM credential
            WHERE kind = 'access_token' AND NOT ended AND expires_at > ? AND {column} = ?
            ORDER BY credential_id LIMIT {MOST}
            """,  # noqa: S608 - the column is one of three words of this module
            [stamp(self._kernel.clock()), value],
        )
        return [row["credential_id"] for row in rows]

    def _live(self, where: str = "true", *params: str) -> Iterator[Grant]:
        """Grants that are neither revoked nor over; taken as they are asked for, since most need not be looked at."""
        rows = self._kernel.store.query(
            f"SELECT grant_id FROM access_grant WHERE {where} AND status <> ? AND expires_at > ? ORDER BY grant_id",  # noqa: S608 - as above
            [*params, GrantStatus.REVOKED.value, stamp(self._kernel.clock())],
        )
        yield from (self._kernel.state(GRANTS, row["grant_id"]) for row in rows)

    def _of_credential(self, record: Credential) -> Iterator[Ask]:
        if record.kind is CredentialKind.SESSION:
            by_session = Actor(person_id=record.person_id, name="", session_id=record.id)
            yield partial(self._present, by_session)
            return
        own = (record.id,) if record.kind is CredentialKind.ACCESS_TOKEN else ()
        for one in (*own, *self._tokens("parent_id", record.id)):
            actor = _by_token(self._kernel.state(CREDENTIALS, one))
            yield partial(self._present, actor)

    def _of_person(self, before: Person, after: Person) -> Iterator[Ask]:
        for one in self._tokens("person_id", before.id):
            actor = _by_token(self._kernel.state(CREDENTIALS, one))
            if after.deactivated_at is not None:
                yield partial(self._present, actor)
        by_name = Actor(person_id=before.id, name=before.name)
        if after.deactivated_at is not None:
            yield partial(self._present, by_name)
        for membership in before.memberships:
            if membership not in after.memberships:
                yield partial(self._has, by_name, membership)

    def _on_checkpoint(self, before: Checkpoint, after: Checkpoint) -> Iterator[Ask]:
        question = Question(operations=frozenset({Operation.GENERATE}))
        gone = after.stage is Stage.RETIRED or after.halt is not None
        if before.stage is Stage.PUBLIC or gone:
            yield partial(self._ask_anybody, before.id, question)
        if after.stage is Stage.PUBLIC and not gone:
            return
        for grant in self._live():
            scope = grant.scope
            if scope is None:
                continue
            opened = scope.names(before.id) or scope.covers_family(before.family)
            if opened and (gone or not scope.names(before.id)):
                yield from self._on_grant(grant, ((before.id,), min(scope.operations), min(scope.purposes)))

    def _ask_anybody(self, checkpoint_id: str, question: Question) -> None:
        self._checkpoints.still(_ASKER, checkpoint_id, question, basis=Basis.PUBLIC, grant_id=None)

    def _of_keys(self, before: TokenKeys, after: TokenKeys) -> Iterator[Ask]:
        now = self._kernel.clock()
        good = {key.kid for key in after.verifying(now)}
        for key in after.keys:
            known = next((one for one in before.keys if one.public_key == key.public_key), None)
            was_good = known is None or known.verifies_until is None or now < known.verifies_until
            if key.kid not in good and was_good:
                yield partial(self._trusted, key.kid)

    def _trusted(self, kid: str) -> None:
        if not self._token_keys.trusts(kid):
            raise Unauthenticated("token_key_withdrawn", "The key is not trusted any more.")

    def _present(self, actor: Actor) -> None:
        self._presence.again(actor)

    def _gone(self, program_id: str) -> None:
        self._records.holder(program_id)

    def _has(self, actor: Actor, membership: object) -> None:
        if membership not in self._presence.again(actor).memberships:
            raise Forbidden("not_a_member", "The role is gone.")

    def _concrete(self, named: Sequence[str]) -> str | None:
        """A registered checkpoint that a grant names, or one of a family that it covers."""
        rows = self._kernel.store.query(
            """
            SELECT checkpoint_id FROM model_checkpoint
            WHERE list_contains(?::VARCHAR[], checkpoint_id)
               OR (list_contains(?::VARCHAR[], family || '/*') AND stage IN ('partner_access', 'public'))
            ORDER BY checkpoint_id LIMIT 1
            """,
            [list(named), list(named)],
        )
        return rows[0]["checkpoint_id"] if rows else None


def _lost(
    before: Scope | None, after: Scope | None, kept: frozenset[Operation] = frozenset()
) -> tuple[Sequence[str], Operation, str] | None:
    """Checkpoints, operation and purpose that a scope allowed, of which at least one is lost; None if none is.

    ``after`` is None where everything is lost, ``kept`` the operations that are left of it all the same.
    """
    if before is None:
        return None
    if after is not None:
        gone = (
            before.checkpoints - after.checkpoints,
            before.operations - after.operations,
            before.purposes - after.purposes,
        )
        if not any(gone):
            return None
    else:
        gone = (frozenset(), before.operations - kept, frozenset())
        if not gone[1]:
            return None
    checkpoints, operations, purposes = gone
    return (
        sorted(checkpoints or before.checkpoints),
        min(operations or before.operations),
        min(purposes or before.purposes),
    )


def _by_token(record: Credential) -> Actor:
    return Actor(
        person_id=record.person_id,
        name="",
        token_id=record.id,
        grant_id=record.grant_id,
        key_thumbprint=record.key_thumbprint,
    )
