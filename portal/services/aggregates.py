"""The store's view of the access objects: which typed rows stand for each state."""

from collections.abc import Sequence
from datetime import datetime

from agreements.addresses import ADDRESS, Address
from agreements.agreement import AGREEMENT, Agreement
from agreements.credentials import CREDENTIAL, Credential
from agreements.grants import GRANT, Grant
from agreements.institutions import INSTITUTION, Institution
from agreements.passports import PASSPORT, Passport
from agreements.people import PERSON, Person
from agreements.programs import PROGRAM, Program
from agreements.token_keys import TOKEN_KEYS as TOKEN_KEYS_DECIDER
from agreements.token_keys import TokenKeys
from model_access.exposure import states_of, values_of
from model_access.registry import CHECKPOINT, Checkpoint
from model_access.runs import RUN, Run, RunTerms
from portal.store import Aggregate, Row


def stamp(moment: datetime | None) -> str:
    """A moment as the read rows keep it: ISO 8601, UTC, sortable as text."""
    return moment.isoformat(timespec="microseconds") if moment else ""


def account_of(terms: RunTerms) -> str:
    """Whose budget a run draws on first: its grant's, the lab's, or the person's own for public use."""
    return terms.grant_id or f"{terms.basis}:{terms.person_id}"


def accounts_of(terms: RunTerms) -> tuple[str, ...]:
    """Every account that a run draws on."""
    return terms.accounts or (account_of(terms),)


def _institution(object_id: str, _version: int, state: Institution) -> Sequence[Row]:
    return [
        Row(
            "institution",
            {
                "institution_id": object_id,
                "name": state.name,
                "constituency": state.constituency.value,
                "registered_at": stamp(state.registered_at),
            },
        )
    ]


def _person(object_id: str, _version: int, state: Person) -> Sequence[Row]:
    memberships = [
        Row(
            "person_institution",
            {"person_id": object_id, "institution_id": m.institution_id, "role": m.role.value},
        )
        for m in state.memberships
    ]
    person = Row(
        "person",
        {
            "person_id": object_id,
            "name": state.name,
            "email": state.email.casefold(),
            "coordinator": any(m.role.value == "coordinator" for m in state.memberships),
            "active": state.active,
        },
    )
    pending = state.pending
    if pending is None:
        return [person, *memberships]
    waiting = Row(
        "person_waiting",
        {
            "person_id": object_id,
            "institution_id": pending.institution_id,
            "requested_at": stamp(pending.requested_at),
            "open": not pending.refused and state.deactivated_at is None,
        },
    )
    return [person, *memberships, waiting]


def _passport(object_id: str, _version: int, state: Passport) -> Sequence[Row]:
    return [
        Row(
            "passport_item",
            {
                "institution_id": object_id,
                "item": record.item.value,
                "valid_until": stamp(record.valid_until),
                "awaiting_review": record.pending is not None,
            },
        )
        for record in state.items
    ]


def _agreement(object_id: str, _version: int, state: Agreement) -> Sequence[Row]:
    return [
        Row(
            "agreement",
            {
                "agreement_id": object_id,
                "institution_id": state.institution_id,
                "title": state.title,
                "status": state.status.value,
                "drafted_at": stamp(state.drafted_at),
                "form": state.form.value,
                "framework_id": state.framework.agreement_id if state.framework else None,
            },
        )
    ]


def _grant(object_id: str, _version: int, state: Grant) -> Sequence[Row]:
    return [
        Row(
            "access_grant",
            {
                "grant_id": object_id,
                "institution_id": state.institution_id,
                "agreement_id": state.agreement_id,
                "status": state.status.value,
                "expires_at": stamp(state.scope.expires_at if state.scope else None),
                "issued_at": stamp(state.issued_at),
                "parent_id": state.parent_id,
                "holder_kind": state.holder.kind.value,
                "holder_id": state.holder.id,
            },
        )
    ]


def _credential(object_id: str, _version: int, state: Credential) -> Sequence[Row]:
    return [
        Row(
            "credential",
            {
                "credential_id": object_id,
                "kind": state.kind.value,
                "person_id": state.person_id,
                "grant_id": state.grant_id,
                "issued_at": stamp(state.issued_at),
                "expires_at": stamp(state.expires_at),
                "ended": state.ended_at is not None,
                "provider_id": state.provider_id,
                "parent_id": state.parent_id or None,
                "institution_id": state.institution_id or None,
                "granted_by": list(state.granted_by),
            },
        )
    ]


def _program(object_id: str, _version: int, state: Program) -> Sequence[Row]:
    return [
        Row(
            "program",
            {
                "program_id": object_id,
                "institution_id": state.institution_id,
                "name": state.name,
                "status": state.status.value,
                "registered_at": stamp(state.registered_at),
            },
        )
    ]


def _no_rows(_object_id: str, _version: int, _state: TokenKeys) -> Sequence[Row]:
    return []


def _checkpoint(object_id: str, _version: int, state: Checkpoint) -> Sequence[Row]:
    return [
        Row(
            "model_checkpoint",
            {
                "checkpoint_id": object_id,
                "family": state.family,
                "parameters": state.parameters,
                "digest": state.digest,
                "stage": state.stage.value,
            },
        )
    ]


def _run(object_id: str, _version: int, state: Run) -> Sequence[Row]:
    terms = state.terms
    if terms is None:
        return []
    run = Row(
        "run",
        {
            "run_id": object_id,
            "checkpoint_id": terms.checkpoint_id,
            "person_id": terms.person_id,
            "institution_id": terms.institution_id,
            "grant_id": terms.grant_id,
            "account": account_of(terms),
            "status": state.status.value,
            "purpose": terms.purpose,
            "operation": terms.operation.value,
            "reserved_tokens": terms.reserved_tokens,
            "charged_tokens": state.charged_tokens,
            "started_at": stamp(state.started_at),
            "prompt_tokens": state.prompt_tokens,
            "completion_tokens": state.completion_tokens,
            "token_id": terms.token_id,
            "failure_code": state.failure_code,
            "replays": terms.replays.run_id if terms.replays is not None else None,
            "seen_values": values_of(state),
            "seen_states": states_of(state),
        },
    )
    drawn = [
        Row("run_account", {"run_id": object_id, "account": account, "charged_tokens": state.charged_tokens})
        for account in accounts_of(terms)
    ]
    return [run, *drawn]


INSTITUTIONS = Aggregate(decider=INSTITUTION, state_type=Institution, project=_institution)
PASSPORTS = Aggregate(decider=PASSPORT, state_type=Passport, project=_passport)
PEOPLE = Aggregate(decider=PERSON, state_type=Person, project=_person)
ADDRESSES = Aggregate(decider=ADDRESS, state_type=Address, project=lambda *_: ())
AGREEMENTS = Aggregate(decider=AGREEMENT, state_type=Agreement, project=_agreement)
GRANTS = Aggregate(decider=GRANT, state_type=Grant, project=_grant)
CREDENTIALS = Aggregate(decider=CREDENTIAL, state_type=Credential, project=_credential)
PROGRAMS = Aggregate(decider=PROGRAM, state_type=Program, project=_program)
TOKEN_KEYS = Aggregate(decider=TOKEN_KEYS_DECIDER, state_type=TokenKeys, project=_no_rows)
CHECKPOINTS = Aggregate(decider=CHECKPOINT, state_type=Checkpoint, project=_checkpoint)
RUNS = Aggregate(decider=RUN, state_type=Run, project=_run)
