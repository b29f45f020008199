"""Credentials live one life and keep no secret; templates are ready to be offered."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import Actor
from agreements.clauses import check_clauses, parse_clauses
from agreements.credentials import (
    CREDENTIAL,
    Credential,
    CredentialCommand,
    CredentialKind,
    EndCredential,
    IssueCredential,
    UseOnce,
    secret_id,
)
from agreements.deciders import Event
from agreements.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.standard_terms import template, templates
from tests.agreements.parties import COORDINATOR, LATER, LEAD, MEMBER, NOW, OUTSIDER

SECRET = "the words in the link"
SIGN_IN = Actor.automatic("sign-in")


def apply(
    command: CredentialCommand, state: Credential, actor: Actor = SIGN_IN, *, hours: float = 0
) -> tuple[Credential, list[Event]]:
    events = list(CREDENTIAL.decide(state, command, actor, NOW + timedelta(hours=hours)))
    assert [Event.parse(event.type_name, event.body()) for event in events] == events
    return CREDENTIAL.fold(events, state), events


def issued(kind: CredentialKind) -> Credential:
    command = IssueCredential(
        credential_id=secret_id(SECRET),
        kind=kind,
        person_id=MEMBER.person_id,
        label="a credential",
        expires_at=LATER,
    )
    return apply(command, Credential())[0]


@pytest.mark.parametrize("kind", CredentialKind)
def test_a_credential_is_good_until_its_time_and_not_a_moment_longer(kind: CredentialKind) -> None:
    credential = issued(kind)
    assert credential.live_on(LATER - timedelta(microseconds=1))
    assert not credential.live_on(LATER)
    assert not Credential().live_on(NOW)


def test_a_link_is_spent_by_its_use() -> None:
    spent, _ = apply(UseOnce(), issued(CredentialKind.SIGN_IN_LINK))
    assert (spent.end_reason, spent.live_on(NOW)) == ("used", False)
    with pytest.raises(Unauthenticated) as refusal:
        apply(UseOnce(), spent)
    assert refusal.value.code == "link_spent"


@pytest.mark.parametrize("hours", [24, 25, 10_000])
def test_a_link_that_is_over_signs_nobody_in(hours: int) -> None:
    with pytest.raises(Unauthenticated):
        apply(UseOnce(), issued(CredentialKind.SIGN_IN_LINK), hours=hours)


@pytest.mark.parametrize("kind", [CredentialKind.SESSION, CredentialKind.ACCESS_TOKEN])
def test_only_links_are_used_once(kind: CredentialKind) -> None:
    with pytest.raises(Unauthenticated):
        apply(UseOnce(), issued(kind))


def test_a_revoked_link_signs_nobody_in() -> None:
    revoked, _ = apply(EndCredential(reason="sent to the wrong person"), issued(CredentialKind.SIGN_IN_LINK))
    with pytest.raises(Unauthenticated):
        apply(UseOnce(), revoked)


@pytest.mark.parametrize("actor", [MEMBER, COORDINATOR, SIGN_IN])
def test_its_holder_a_coordinator_or_a_rule_ends_it_once(actor: Actor) -> None:
    ended, _ = apply(EndCredential(reason="over"), issued(CredentialKind.ACCESS_TOKEN), actor)
    assert ended.ended_at == NOW
    assert apply(EndCredential(reason="again"), ended, actor) == (ended, [])


@pytest.mark.parametrize("actor", [LEAD, OUTSIDER])
def test_others_do_not_end_it(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        apply(EndCredential(reason="over"), issued(CredentialKind.ACCESS_TOKEN), actor)


def test_an_id_is_issued_once() -> None:
    credential = issued(CredentialKind.SESSION)
    again = IssueCredential(
        credential_id=credential.id, kind=CredentialKind.SESSION, person_id="per_x", label="x", expires_at=LATER
    )
    with pytest.raises(Conflict):
        apply(again, credential)


@pytest.mark.parametrize("kind", CredentialKind)
def test_no_secret_is_kept(kind: CredentialKind) -> None:
    credential = issued(kind)
    _, events = apply(EndCredential(reason="over"), credential)
    assert SECRET not in credential.model_dump_json()
    assert all(SECRET not in event.model_dump_json() for event in events)
    assert credential.id == hashlib.sha256(SECRET.encode()).hexdigest()


@given(st.text(st.characters()))
def test_any_text_that_is_presented_has_an_id(secret: str) -> None:
    assert len(secret_id(secret)) == 64


def test_half_a_surrogate_pair_has_an_id_too() -> None:
    assert secret_id("\ud800") != secret_id("\udfff")


def test_every_template_can_be_offered_as_it_is() -> None:
    assert templates()
    for entry in templates():
        check_clauses(entry.clauses, entry.form)
        assert all(clause.rendered() and clause.effects() for clause in entry.clauses)
        assert entry.summary


def test_templates_are_found_by_id_newest_version_first() -> None:
    ids = {entry.template_id for entry in templates()}
    for template_id in ids:
        newest = max(entry.version for entry in templates() if entry.template_id == template_id)
        assert template(template_id).version == newest


@pytest.mark.parametrize("unknown", ["", "no-such", "../software-access-v1", "software-access-v1"])
def test_an_unknown_template_is_not_found(unknown: str) -> None:
    with pytest.raises(NotFound) as refusal:
        template(unknown)
    assert "software-access" in refusal.value.hint


def test_a_template_with_more_uses_than_a_grant_can_hold_is_refused_when_it_is_read() -> None:
    clauses = [clause.model_dump(mode="json") for clause in template("software-access").clauses]
    for clause in clauses:
        if clause["kind"] == "permitted_uses":
            clause["purposes"] = [f"purpose-{number}" for number in range(51)]
    with pytest.raises(Invalid) as refusal:
        parse_clauses(clauses)
    assert refusal.value.code == "bad_clause"
