"""Signing on screen: what is still missing, keys kept elsewhere, several signatories in order."""

import json

from agreements.actors import LAB, Role
from agreements.agreement import PAYLOAD_TYPE, Agreement, VersionStatus
from agreements.dsse import sign
from agreements.key_succession import possession_challenge
from agreements.keys import SigningKey
from agreements.people import Person
from portal.pages.agreement_next import next_steps, waits_for
from tests.portal.pages.life_world import terms
from tests.portal.pages.pages_world import World, click, existing, said


def offered(world: World, institution: str = "northfield", template_id: str = "software-access") -> Agreement:
    lab = world.actor(world.coordinator)
    drafted = world.portal.agreements.draft(lab, institution_id=institution, template_id=template_id)
    return world.portal.agreements.offer(lab, drafted.id)


def signed_by_partner(world: World, agreement: Agreement) -> None:
    lead = world.actor(world.lead)
    world.portal.agreements.sign(
        lead, agreement.id, typed_name=lead.name, document_digest=existing(agreement.document_digest)
    )


def own_key(world: World) -> SigningKey:
    """A key that the institution keeps to itself, in place of the one the portal kept for it."""
    key, lead = SigningKey.generate(), world.actor(world.lead)
    kept = existing(world.portal.institutions.kept_key("northfield"))
    public = key.public.raw.hex()
    proof = key.sign(possession_challenge("northfield", public)).hex()
    world.portal.institutions.register_key(lead, "northfield", public_key=public, proof=proof)
    world.portal.institutions.revoke_key(lead, "northfield", public_key=kept, reason="We keep our own.")
    return key


def test_what_is_missing_is_explained_where_the_last_signature_would_stand(world: World) -> None:
    agreement = offered(world, template_id="framework")
    ours = world.screen(world.lead, "agreements", agreement=agreement.id)
    assert "You can sign now" in said(ours)
    assert "Your partner lead can clear this" in said(ours)
    signed_by_partner(world, agreement)
    lab = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    words = said(lab)
    assert "it cannot yet" in words
    assert "**a partner lead of Northfield University** can clear this" in words
    assert lab.button(key="sign_blocked").disabled
    assert not lab.checkbox


def test_an_institution_with_its_own_key_signs_elsewhere_and_hands_it_in(world: World) -> None:
    key, agreement = own_key(world), offered(world)
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    words = said(app)
    assert f"concordat agreement sign {agreement.id}-v1.json --key KEY.pem --digest" in words
    assert existing(agreement.document_digest) in words
    form = f"agreement.submit:{agreement.id}"
    click(app, f"{form}.submit")
    assert "no_file" in said(app)
    envelope = sign(PAYLOAD_TYPE, agreement.document_bytes(), key)
    payload = json.dumps(envelope.to_json()).encode()
    app.file_uploader(key=f"{form}.file").upload("signature.json", payload, "application/json")
    click(app, f"{form}.submit")
    assert "Signed. The lab countersigns next." in said(app)
    seen = world.portal.agreements.get(world.actor(world.lead), agreement.id)
    assert existing(seen.proposal).status is VersionStatus.SIGNED


def test_a_signature_of_something_else_is_refused(world: World) -> None:
    key, agreement = own_key(world), offered(world)
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    form = f"agreement.submit:{agreement.id}"
    for data, code in ((b"no json", "bad_json"), (b"{}", "bad_envelope"), (_foreign(key), "other_document")):
        app.file_uploader(key=f"{form}.file").upload("signature.json", data, "application/json")
        click(app, f"{form}.submit")
        assert code in said(app), code
    assert existing(world.portal.agreements.get(world.actor(world.lead), agreement.id).proposal).signatures == ()


def _foreign(key: SigningKey) -> bytes:
    return json.dumps(sign(PAYLOAD_TYPE, b"{}", key).to_json()).encode()


def test_several_sign_in_their_order_and_only_the_named_one_is_asked(world: World) -> None:
    second = _second_coordinator(world)
    order = [
        {"party": "lab", "role": "head of research", "email": second.email},
        {"party": "institution", "role": "authorised signatory"},
        {"party": "lab", "role": "authorised signatory"},
    ]
    lab = world.actor(world.coordinator)
    clauses = [
        {
            "kind": "signatories",
            "clause_id": "signatories",
            "title": "Signatures",
            "text": "Signed by {order}.",
            "order": order,
        },
        *[data for data in terms({}) if data["kind"] != "signatories"],
    ]
    drafted = world.portal.agreements.draft(lab, institution_id="northfield", clauses=clauses)
    agreement = world.portal.agreements.offer(lab, drafted.id)
    first = world.screen(world.coordinator, "agreements", agreement=agreement.id, part="sign")
    assert "head of research" in said(first)
    assert not first.checkbox
    app = world.screen(second, "agreements", agreement=agreement.id)
    form = f"agreement.sign:{agreement.id}"
    app.checkbox(key=f"{form}.read").check()
    app.text_input(key=f"{form}.name").set_value(second.name)
    click(app, f"{form}.submit")
    assert "Next signs **Northfield University**" in said(app)
    (step,) = next_steps(world.portal.agreements.get(lab, agreement.id), world.portal.kernel.clock())
    assert waits_for(step, agreement, world.actor(world.lead))
    assert not waits_for(step, agreement, world.actor(world.member))


def test_the_inbox_asks_for_the_signature_and_shows_the_lab_what_is_out(world: World) -> None:
    offered(world)
    assert "it awaits your signature" in said(world.screen(world.lead))
    assert "awaits **Northfield University**'s signature" in said(world.screen(world.coordinator))
    assert "signature" not in said(world.screen(world.member)).replace("signatures", "")


def _second_coordinator(world: World) -> Person:
    return world.portal.people.register(
        world.actor(world.coordinator),
        name="Dora Second",
        email="dora@meridian.example",
        memberships=[(LAB, Role.COORDINATOR)],
    )
