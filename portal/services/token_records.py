"""What the portal knows of a credential: everything it was made from, and who holds it, as they stand now."""

from collections.abc import Iterable
from datetime import datetime

from agreements.actors import Actor, Channel, Membership, Role, TokenBounds
from agreements.credentials import Credential, CredentialKind
from agreements.errors import NotFound, Unauthenticated
from agreements.narrowing import Narrowing, widens
from portal.services.aggregates import CHECKPOINTS, CREDENTIALS, GRANTS, PEOPLE, PROGRAMS
from portal.services.kernel import Kernel

PROGRAM_PREFIX = "prg_"

MOST_NARROWINGS = 8
"""How often a token can be narrowed."""

_ABOVE = frozenset({CredentialKind.ACCESS_TOKEN, CredentialKind.REFRESH_FAMILY})


class TokenRecords:
    """Reads credentials with what they descend from. Nothing is remembered between two looks."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def get(self, credential_id: str) -> Credential:
        """One credential. Raises NotFound."""
        return self._kernel.state(CREDENTIALS, credential_id)

    def line(self, record: Credential) -> tuple[Credential, ...]:
        """The credential and all that it was made from, the first of them first.

        Raises Unauthenticated ``token_unknown`` where the record does not lead back to one that was issued by itself.
        """
        found = [record]
        while found[-1].parent_id:
            try:
                above = self.get(found[-1].parent_id)
            except NotFound:
                raise _unknown() from None
            if above.kind not in _ABOVE or len(found) > 2 * MOST_NARROWINGS:
                raise _unknown()
            found.append(above)
        return tuple(reversed(found))

    def live_line(self, record: Credential, now: datetime) -> tuple[Credential, ...]:
        """``line``, all of it live and every holder still let in. Raises Unauthenticated saying what is not."""
        line = self.line(record)
        above: list[Narrowing] = []
        for one in line:
            if one.ended_at is not None:
                which = "The access token" if one is line[-1] else "A token that this one was made from"
                raise Unauthenticated(
                    "token_revoked", f"{which} was revoked: {one.end_reason.rstrip('.')}.", hint="Issue a new one."
                )
            if not one.live_on(now):
                raise _over(one)
            if widens(one.narrowing, above, self.family_of):
                raise _unknown()
            above.append(one.narrowing)
            self.holder(one.person_id)
        return line

    def family_of(self, checkpoint_id: str) -> str:
        """The family of a checkpoint; empty where none is registered under that id."""
        try:
            return self._kernel.state(CHECKPOINTS, checkpoint_id).family
        except NotFound:
            return ""

    def holder(self, holder_id: str, channel: Channel = Channel.API) -> Actor:
        """Whoever holds credentials under that id: a person or a program. Raises Unauthenticated.

        It has all of its roles; what a token leaves of them is for ``bearer``.
        """
        try:
            if holder_id.startswith(PROGRAM_PREFIX):
                program = self._kernel.state(PROGRAMS, holder_id)
                if not program.active:
                    raise Unauthenticated(
                        "program_stopped",
                        f"The program {program.id} is {program.status.value}: {program.reason.rstrip('.')}.",
                        hint="Its institution's lead can say more.",
                    )
                return program.actor()
            person = self._kernel.state(PEOPLE, holder_id)
        except NotFound:
            raise _unknown() from None
        if person.deactivated_at is not None:
            raise Unauthenticated("person_deactivated", "The token's holder may not use the portal any more.")
        if not person.active:
            raise Unauthenticated("awaiting_approval", "The token's holder was not let in yet.")
        return person.actor(channel)

    def bearer(self, line: tuple[Credential, ...], agreement_digest: str | None) -> Actor:
        """Whom the last token of a line speaks for.

        One that names a grant lies in notebooks and scripts: it speaks for a member of the grant's institution, and
        binds nobody, whatever else its holder is.
        """
        record = line[-1]
        changes: dict[str, object] = {
            "token_id": record.id,
            "grant_id": record.grant_id,
            "bounds": tuple(
                TokenBounds(token_id=one.id, narrowing=one.narrowing, account=one.continues)
                for one in line
                if one.narrowing
            ),
            "areas": None if record.areas is None else frozenset(area.value for area in record.areas),
        }
        actor = self.holder(record.person_id)
        if record.grant_id is None:
            return actor.model_copy(update=changes)
        institution_id = self._kernel.state(GRANTS, record.grant_id).institution_id
        memberships = held_to(institution_id, actor.memberships)
        return actor.model_copy(update={**changes, "memberships": memberships, "agreement_digest": agreement_digest})


def held_to(institution_id: str, memberships: Iterable[Membership]) -> tuple[Membership, ...]:
    """What a token that names a grant of the institution leaves of its holder's roles: it binds nobody."""
    left = dict.fromkeys(
        membership.model_copy(update={"role": Role.PARTNER_MEMBER})
        if membership.role is Role.PARTNER_LEAD
        else membership
        for membership in memberships
        if membership.institution_id == institution_id
    )
    return tuple(left)


def _over(record: Credential) -> Unauthenticated:
    """What to say of one whose time is over; it has a reason where its end was moved forward."""
    ended = f"{record.expires_at:%Y-%m-%d %H:%M} UTC" if record.expires_at else "an unknown day"
    if record.end_reason:
        message = f"The access token ended on {ended}: {record.end_reason.rstrip('.')}."
        return Unauthenticated("token_revoked", message, hint="Use the token that took its place.")
    return Unauthenticated("token_expired", f"The access token expired on {ended}.", hint="Issue a new one.")


def _unknown() -> Unauthenticated:
    return Unauthenticated("token_unknown", "The portal's record of the token differs from it, or there is none.")
