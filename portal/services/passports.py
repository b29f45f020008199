"""Passports: an institution's vetting, handed in, reviewed, revoked, exported and taken over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from agreements.actors import LAB, Actor
from agreements.deciders import Value
from agreements.errors import NotFound
from agreements.institutions import Institution
from agreements.keys import PublicKey
from agreements.passport_credential import credential_for, sign_passport
from agreements.passports import (
    Evidence,
    ImportCredential,
    ItemStanding,
    Passport,
    PassportCommand,
    ReviewItem,
    Revoke,
    Submit,
    VettingItem,
)
from agreements.vetting import MAX_EVIDENCE, MAX_PEOPLE
from portal.inputs import Line, Prose, parse
from portal.services.aggregates import PASSPORTS, stamp
from portal.services.clicks import clicked
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel


class Handed(Value):
    """What is handed in for one item."""

    item: VettingItem
    statement: Prose
    evidence: tuple[Evidence, ...] = Field(default=(), max_length=MAX_EVIDENCE)
    people: tuple[Line, ...] = Field(default=(), max_length=MAX_PEOPLE)
    """Who was trained; for training only."""


class Word(Value):
    """A reviewer's reason, in words that can be kept."""

    reason: Prose


class PassportView(Value):
    """A passport as shown: its whole history, and how every item stands now."""

    institution_id: str
    institution_name: str
    checklist: tuple[ItemStanding, ...]
    """Every item in the order of the enumeration, whether or not anything was handed in."""
    passport: Passport


class Expiring(Value):
    """An item that lapses soon."""

    institution_id: str
    item: VettingItem
    valid_until: datetime
    awaiting_review: bool
    """Whether a newer submission waits for review already."""


class PassportService:
    """Keeps passports. Read by coordinators and by whoever belongs to the institution."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService) -> None:
        self._kernel = kernel
        self._institutions = institutions

    def state(self, institution_id: str) -> Passport:
        """The passport, for other services; one with every item missing if nothing was handed in yet."""
        passport, _version = self._kernel.store.state(PASSPORTS, institution_id)
        return passport.model_copy(update={"institution_id": institution_id})

    def get(self, actor: Actor, institution_id: str) -> PassportView:
        """One passport. Raises NotFound for an institution that is not there or not the caller's."""
        return self._view(self._visible(actor, institution_id))

    def list(self, actor: Actor) -> tuple[PassportView, ...]:
        """The passports the caller may read, by name: all for a coordinator, else those of their institutions."""
        rows = self._kernel.store.query("SELECT institution_id FROM institution ORDER BY lower(name)")
        return tuple(
            self._view(self._institutions.get(row["institution_id"]))
            for row in rows
            if _may_read(actor, row["institution_id"])
        )

    def submit(
        self,
        actor: Actor,
        institution_id: str,
        *,
        item: VettingItem,
        statement: str,
        evidence: Sequence[Evidence] = (),
        people: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> PassportView:
        """Hand in one item, as the partner lead or as a coordinator on their behalf.

        Raises NotFound, Forbidden or Invalid. What was valid before stays so until it lapses or is reviewed anew.
        """
        institution = self._visible(actor, institution_id)
        handed = parse(
            Handed, {"item": item, "statement": statement, "evidence": tuple(evidence), "people": tuple(people)}
        )
        command = parse(Submit, {**dict(handed), "institution_id": institution_id})
        return self._execute(actor, institution, command, idempotency_key)

    def review(
        self,
        actor: Actor,
        institution_id: str,
        *,
        item: VettingItem,
        accepted: bool,
        valid_until: datetime | None = None,
        reason: str = "",
        submission: int | None = None,
        idempotency_key: str | None = None,
    ) -> PassportView:
        """Accept what waits for review until ``valid_until``, or return it with a reason.

        ``submission`` is the number of the one that was read; None takes the latest. Raises NotFound, Forbidden,
        Invalid, or Conflict ``own_evidence``, ``nothing_to_review`` or ``other_submission``.
        """
        institution = self._visible(actor, institution_id)
        command = parse(
            ReviewItem,
            {
                "item": item,
                "accepted": accepted,
                "valid_until": valid_until,
                "reason": _words(reason),
                "submission": submission,
            },
        )
        return self._execute(actor, institution, command, idempotency_key)

    @clicked
    def revoke(
        self, actor: Actor, institution_id: str, *, item: VettingItem, reason: str, idempotency_key: str | None = None
    ) -> PassportView:
        """End what was accepted. The acceptance stays on record. Raises NotFound, Forbidden, Invalid or Conflict."""
        institution = self._visible(actor, institution_id)
        command = parse(Revoke, {"item": item, "reason": _words(reason)})
        return self._execute(actor, institution, command, idempotency_key)

    def export(self, actor: Actor, institution_id: str) -> dict[str, Any]:
        """What this portal's reviewers accepted and is valid now, as a credential signed by the lab (DSSE).

        Raises NotFound, or Conflict ``nothing_to_export``.
        """
        institution = self._visible(actor, institution_id)
        key = self._kernel.lab_key
        credential = credential_for(
            self.state(institution_id),
            institution,
            issuer_name=self._institutions.get(LAB).name,
            issuer_key=key.public,
            now=self._kernel.clock(),
        )
        return sign_passport(credential, key).to_json()

    def import_credential(
        self,
        actor: Actor,
        institution_id: str,
        data: bytes,
        *,
        issuer_key: PublicKey,
        subject_confirmed: bool = False,
        idempotency_key: str | None = None,
    ) -> PassportView:
        """Take over what another portal attests in the file ``data``, for as long as it says and no longer.

        Raises NotFound, Forbidden, Invalid, VerificationError, or Conflict ``own_credential``, ``other_subject`` or
        ``nothing_to_import``.
        """
        institution = self._visible(actor, institution_id)
        command = ImportCredential(
            institution_id=institution_id,
            institution_name=institution.name,
            data=data,
            issuer_key=issuer_key.raw.hex(),
            own_key=self._kernel.lab_key.public.raw.hex(),
            earlier_own_keys=tuple(key.public_key for key in self._institutions.get(LAB).keys),
            subject_confirmed=subject_confirmed,
        )
        return self._execute(actor, institution, command, idempotency_key)

    def expiring(self, within: timedelta) -> tuple[Expiring, ...]:
        """What is valid now and lapses within that time, the soonest first; for the portal's own rules."""
        now = self._kernel.clock()
        rows = self._kernel.store.query(
            "SELECT institution_id, item, valid_until, awaiting_review FROM passport_item "
            "WHERE valid_until > ? AND valid_until <= ? ORDER BY valid_until, institution_id, item",
            [stamp(now), stamp(now + within)],
        )
        return tuple(Expiring.model_validate(row) for row in rows)

    def _visible(self, actor: Actor, institution_id: str) -> Institution:
        if not _may_read(actor, institution_id):
            raise _not_found(institution_id)
        try:
            return self._institutions.get(institution_id)
        except NotFound:
            raise _not_found(institution_id) from None

    def _execute(
        self, actor: Actor, institution: Institution, command: PassportCommand, idempotency_key: str | None
    ) -> PassportView:
        self._kernel.execute(PASSPORTS, institution.id, command, actor, idempotency_key=idempotency_key)
        return self._view(institution)

    def _view(self, institution: Institution) -> PassportView:
        passport = self.state(institution.id)
        return PassportView(
            institution_id=institution.id,
            institution_name=institution.name,
            checklist=passport.checklist(frozenset(VettingItem), self._kernel.clock()),
            passport=passport,
        )


def _may_read(actor: Actor, institution_id: str) -> bool:
    return institution_id != LAB and (actor.is_coordinator or actor.belongs_to(institution_id))


def _not_found(institution_id: str) -> NotFound:
    return NotFound("passport_not_found", f"There is no passport of {institution_id!r}.")


def _words(reason: str) -> str:
    return parse(Word, {"reason": reason}).reason if reason.strip() else ""
