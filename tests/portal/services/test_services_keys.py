"""Keys over time: nobody of the lab signs for an institution that keeps its own, and the lab's own key is rotated."""

from typing import Any

import pytest

from agreements.actors import LAB, Actor, Role
from agreements.agreement import PAYLOAD_TYPE
from agreements.bundle import verify_bundle
from agreements.dsse import Envelope, sign
from agreements.errors import ConcordatError, Conflict, Forbidden
from agreements.institutions import Custody
from agreements.key_succession import hand_over, possession_challenge
from agreements.keys import PublicKey, SigningKey
from model_access.receipts import verify_receipt
from portal.documents import verify_document
from tests.portal.services.world import PURPOSE, World, ask


def _claim(key: SigningKey, institution_id: str = "south") -> dict[str, Any]:
    public_key = key.public.raw.hex()
    return {"public_key": public_key, "proof": key.sign(possession_challenge(institution_id, public_key)).hex()}


def _keeps_its_own(world: World) -> SigningKey:
    """South registers a key of its own and ends the portal's custody."""
    key, dan, institutions = SigningKey.generate(), world.actor("dan"), world.portal.institutions
    kept = institutions.kept_key("south") or ""
    institutions.register_key(dan, "south", **_claim(key))
    institutions.revoke_key(dan, "south", public_key=kept, reason="We keep our own.")
    return key


def _puppet(world: World) -> Actor:
    """A partner lead whom the coordinator made up."""
    mal = world.portal.people.register(
        world.actor("ada"), name="Mal", email="mal@south.example", memberships=[("south", Role.PARTNER_LEAD)]
    )
    world.people["mal"] = mal
    return world.actor("mal")


def _refused(call: Any) -> str:
    with pytest.raises(ConcordatError) as refusal:
        call()
    return refusal.value.code


def test_a_coordinator_does_not_come_by_a_key_of_an_institution_that_keeps_its_own(world: World) -> None:
    own, forged, institutions = _keeps_its_own(world), SigningKey.generate(), world.portal.institutions
    ada, mal = world.actor("ada"), _puppet(world)
    before, files = world.size, len(list(world.settings.keys_dir.iterdir()))
    assert _refused(lambda: institutions.register_key(ada, "south", **_claim(forged))) == "not_signatory"
    assert _refused(lambda: institutions.create_key(ada, "south")) == "not_signatory"
    assert _refused(lambda: institutions.register_key(mal, "south", **_claim(forged))) == "not_handed_over"
    assert _refused(lambda: institutions.create_key(mal, "south")) == "not_handed_over"
    word = hand_over("south", forged, public_key=forged.public.raw.hex(), number=3).to_json()
    assert (
        _refused(lambda: institutions.register_key(mal, "south", **_claim(forged), succession=word))
        == "not_handed_over"
    )
    assert (world.size, len(list(world.settings.keys_dir.iterdir()))) == (before, files)
    institutions.revoke_key(ada, "south", public_key=own.public.raw.hex(), reason="to make room")
    assert _refused(lambda: institutions.register_key(mal, "south", **_claim(forged))) == "not_handed_over"
    assert institutions.active_keys("south") == ()


def test_an_institution_rotates_its_own_key(world: World) -> None:
    old, new, dan = _keeps_its_own(world), SigningKey.generate(), world.actor("dan")
    institutions = world.portal.institutions
    word = hand_over("south", old, public_key=new.public.raw.hex(), number=3).to_json()
    state = institutions.register_key(dan, "south", **_claim(new), succession=word)
    assert state.active_keys[-1].origin == "registered by Dan, signed over by the own key before it"


def test_a_lost_key_is_replaced_by_two_and_every_signature_says_so(world: World) -> None:
    _keeps_its_own(world)
    new, dan, ada = SigningKey.generate(), world.actor("dan"), world.actor("ada")
    institutions = world.portal.institutions
    institutions.ask_for_key(dan, "south", **_claim(new), reason="The laptop was stolen.")
    for who, told in ((dan, True), (world.actor("ada"), True), (world.actor("ben"), False)):
        assert (institutions.look_up(who, "south").key_request is not None) is told
    with pytest.raises(Forbidden):
        institutions.allow_key(dan, "south", public_key=new.public.raw.hex(), note="It is us.")
    state = institutions.allow_key(ada, "south", public_key=new.public.raw.hex(), note="Called their legal office.")
    assert state.active_keys[-1].allowed_by == "Ada"

    agreements, agreement = world.portal.agreements, world.agreement("south", until="offered")
    signed = hand_signed(agreement.document_bytes(), new)
    agreements.submit_signature(dan, agreement.id, signed.to_json())
    agreements.sign(ada, agreement.id, typed_name="Ada", document_digest=agreement.document_digest or "")
    proof = verify_bundle(world.portal.papers.bundle(dan, agreement.id))
    assert proof.signatures[0].custody is Custody.OWN
    assert "asked for by Dan, allowed by Ada of the lab" in proof.signatures[0].key_origin


def hand_signed(payload: bytes, key: SigningKey) -> Envelope:
    """What ``concordat agreement sign`` makes."""
    return sign(PAYLOAD_TYPE, payload, key)


def _lab_key(world: World) -> PublicKey:
    return world.portal.kernel.lab_key.public


def test_the_labs_key_is_rotated_and_what_it_signed_stays_valid(world: World) -> None:
    portal, ada, ben = world.portal, world.actor("ada"), world.actor("ben")
    agreement, checkpoint = world.agreement(), world.checkpoint("ladder-l")
    old = _lab_key(world)
    bundle = portal.papers.bundle(ben, agreement.id)
    run = portal.runs.begin(ada, checkpoint, ask(), purpose=PURPOSE)
    run.result()
    receipt = portal.runs.receipt(ada, run.run_id)
    world.clock.advance(hours=1)

    portal.institutions.create_key(ada, LAB)
    new = _lab_key(world)
    assert new != old
    portal.institutions.revoke_key(ada, LAB, public_key=old.raw.hex(), reason="Rotated.")
    world.clock.advance(hours=1)
    assert verify_bundle(bundle, keys=[old]).lab_key == old.raw.hex()
    assert verify_document(bundle).kind == "agreement bundle"
    again = verify_bundle(portal.papers.bundle(ben, agreement.id), keys=[new])
    assert again.signatures[1].public_key == old.raw.hex()
    for data in (receipt, portal.runs.receipt(ada, run.run_id)):
        assert verify_receipt(data, vkey=portal.log.vkey).entry["body"]["lab_key"] == old.raw.hex()

    later = world.agreement()
    assert verify_bundle(portal.papers.bundle(ben, later.id), keys=[new]).signatures[1].public_key == new.raw.hex()
    fresh = portal.runs.begin(ada, checkpoint, ask(), purpose=PURPOSE)
    fresh.result()
    entry = verify_receipt(portal.runs.receipt(ada, fresh.run_id), vkey=portal.log.vkey).entry
    assert entry["body"]["lab_key"] == new.raw.hex()

    world.reopen()
    assert _lab_key(world) == new


def test_the_last_key_of_the_lab_stays(world: World) -> None:
    with pytest.raises(Conflict) as refusal:
        world.portal.institutions.revoke_key(
            world.actor("ada"), LAB, public_key=_lab_key(world).raw.hex(), reason="It leaked."
        )
    assert refusal.value.code == "last_lab_key"
