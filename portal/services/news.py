"""What moved at an agreement, its grants and an institution's vetting, as notices made from the record alone.

Only what is recent: a portal that learns to tell of more does not tell of its whole past at once.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from agreements.actors import PartyKind
from agreements.agreement import Agreement, AgreementStatus, Change, Version, VersionStatus
from agreements.grants import Grant
from agreements.vetting import ItemRecord, Passport, Review, Revocation, Submission
from portal.inputs import parse
from portal.notices.model import Notice
from portal.services.notice_making import EVERYBODY, LAB_SIDE, LEADS, PARTNERS, notice_about

RECENT: Final = timedelta(days=14)
"""How long something is news, for a portal that was switched off meanwhile."""


def recent(notices: Iterable[Notice], now: datetime) -> Iterator[Notice]:
    """Those of what happened lately."""
    return (notice for notice in notices if now - notice.at <= RECENT)


def of_agreement(agreement: Agreement, now: datetime) -> Iterator[Notice]:
    """Signatures, texts that were dropped, versions in force, and the end."""
    for version in agreement.versions:
        yield from _version(agreement, version)
    yield from _dropped(agreement, now)
    terminated = agreement.status in {AgreementStatus.TERMINATED, AgreementStatus.CLOSED} and agreement.end_reason
    if terminated and agreement.ended_at is not None:
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:terminated",
            "agreement.terminated",
            f"Ended: {agreement.title}",
            f"{agreement.end_reason}\n\nEvery grant under it ended with it on {agreement.ended_at:%Y-%m-%d %H:%M} UTC. "
            "What is owed after the end is listed under Duties.",
            agreement.ended_at,
            EVERYBODY,
        )
    if agreement.closed_at is not None:
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:closed",
            "agreement.closed",
            f"Closed: {agreement.title}",
            agreement.close_note or "Nothing is owed under it any more.",
            agreement.closed_at,
            LEADS | LAB_SIDE,
        )


def of_grant(agreement: Agreement, grant: Grant) -> Iterator[Notice]:
    """That access was opened, and that it was closed for good."""
    link = f"/grants?grant={grant.id}"
    if grant.issued_at is not None and grant.scope is not None:
        until = f"{grant.scope.expires_at:%Y-%m-%d %H:%M} UTC"
        yield notice_about(
            agreement,
            f"grant:{grant.id}:issued",
            "grant.issued",
            f"Access opened: {grant.label}",
            f"{', '.join(sorted(grant.scope.operations))} on {', '.join(sorted(grant.scope.checkpoints))}, "
            f"until {until}.",
            grant.issued_at,
            PARTNERS,
            link=link,
        )
    if grant.revoked_at is not None:
        yield notice_about(
            agreement,
            f"grant:{grant.id}:revoked",
            "grant.revoked",
            f"Access closed: {grant.label}",
            f"{grant.revoked_reason}\n\nA revoked grant never comes back.",
            grant.revoked_at,
            PARTNERS,
            link=link,
        )


def of_passport(institution_id: str, passport: Passport) -> Iterator[Notice]:
    """What was handed in, and what became of it."""
    for record in passport.items:
        for place, entry in enumerate(record.entries, start=1):
            told = _vetting(record, entry)
            if told is not None:
                kind, subject, body, audience = told
                yield parse(
                    Notice,
                    {
                        "id": f"passport:{institution_id}:{record.item.value}:{place}",
                        "kind": kind,
                        "institution_id": institution_id,
                        "subject": subject,
                        "body": body,
                        "link": f"/passports?institution={institution_id}",
                        "at": entry.at,
                        "audience": audience,
                    },
                )


def _vetting(record: ItemRecord, entry: object) -> tuple[str, str, str, frozenset[str]] | None:
    label = record.item.label
    match entry:
        case Submission():
            return "passport.submitted", f"To review: {label}", entry.statement, LAB_SIDE
        case Review(accepted=True):
            until = f"It counts until {entry.valid_until:%Y-%m-%d}." if entry.valid_until else ""
            return "passport.accepted", f"Accepted: {label}", f"{until} {entry.reason}".strip(), LEADS
        case Review():
            return "passport.returned", f"Returned: {label}", entry.reason, LEADS
        case Revocation():
            stops = "Agreements that ask for it refuse requests from now on, until new evidence is accepted."
            return "passport.revoked", f"Revoked: {label}", f"{entry.reason}\n\n{stops}", LEADS | LAB_SIDE
        case _:
            return None


def _version(agreement: Agreement, version: Version) -> Iterator[Notice]:
    what = {Change.FIRST: "agreement", Change.AMENDMENT: "amendment", Change.RENEWAL: "renewal"}[version.change]
    next_one = version.next_signatory
    if version.status is VersionStatus.SIGNED and next_one is not None:
        last = version.signatures[-1]
        lab_next = next_one.party is PartyKind.LAB
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:signed:{version.number}:{len(version.signatures)}",
            "agreement.signed",
            f"Signed, and your side is next: {version.title}",
            f"{last.signer_name} signed the {what} on {last.signed_at:%Y-%m-%d %H:%M} UTC. "
            f"Next signs {'the lab' if lab_next else agreement.institution_name}.",
            last.signed_at,
            LAB_SIDE if lab_next else LEADS,
        )
    if version.effective_at is not None:
        replaced = "" if version.change is Change.FIRST else " It takes the place of the version before it."
        yield notice_about(
            agreement,
            f"agreement:{agreement.id}:in_force:{version.number}",
            "agreement.in_force",
            f"In force: {version.title}",
            f"All have signed the {what}, version {version.number}.{replaced}",
            version.effective_at,
            EVERYBODY,
        )


def _dropped(agreement: Agreement, now: datetime) -> Iterator[Notice]:
    """That the newest text is off the table. When is not part of the version, so only the newest is told of."""
    last = agreement.versions[-1] if agreement.versions else None
    if last is None or last.tabled_at is None or last.status not in {VersionStatus.DECLINED, VersionStatus.WITHDRAWN}:
        return
    over = agreement.status in {AgreementStatus.DECLINED, AgreementStatus.WITHDRAWN}
    yield notice_about(
        agreement,
        f"agreement:{agreement.id}:{last.status.value}:{last.number}",
        f"agreement.{last.status.value}",
        f"{last.status.label.capitalize()}: {last.title}",
        (agreement.end_reason if over else last.drop_reason) or "No reason was given.",
        agreement.ended_at if over and agreement.ended_at is not None else now,
        LEADS | LAB_SIDE,
    )
