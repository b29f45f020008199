"""Institutions and their keys."""

from collections.abc import Mapping
from typing import Any

from agreements.actors import LAB, Actor
from agreements.dsse import Envelope, sign
from agreements.errors import Conflict, Fixer, NotFound
from agreements.institutions import (
    AllowKey,
    AskForKey,
    Constituency,
    Custody,
    Institution,
    RegisterInstitution,
    RegisterKey,
    RevokeKey,
)
from agreements.key_succession import possession_challenge
from agreements.keys import SigningKey
from portal.inputs import clean, parse
from portal.keyring import Keyring
from portal.services.aggregates import INSTITUTIONS
from portal.services.kernel import Kernel
from portal.standing import is_active, represents


class InstitutionService:
    """Registers institutions, their keys, and signs with keys in custody."""

    def __init__(self, kernel: Kernel, keyring: Keyring) -> None:
        self._kernel = kernel
        self._keyring = keyring

    def register(
        self,
        actor: Actor,
        *,
        institution_id: str,
        name: str,
        constituency: Constituency,
        contact_email: str,
        country: str = "",
        idempotency_key: str | None = None,
    ) -> Institution:
        """Enter an institution. Raises Forbidden, Conflict or Invalid."""
        command = parse(
            RegisterInstitution,
            {
                "institution_id": institution_id,
                "name": name,
                "constituency": constituency,
                "country": country,
                "contact_email": contact_email,
            },
        )
        return self._kernel.execute(
            INSTITUTIONS, command.institution_id, command, actor, idempotency_key=idempotency_key
        )

    def register_key(
        self,
        actor: Actor,
        institution_id: str,
        *,
        public_key: str,
        proof: str,
        succession: Mapping[str, Any] | None = None,
    ) -> Institution:
        """Register a key that the institution keeps itself; its partner lead alone may.

        ``succession`` is the statement by which the own key before it hands over. Raises Forbidden, and
        VerificationError ``no_possession`` or ``not_handed_over``.
        """
        self.get(institution_id)
        fields = {"public_key": public_key, "proof": proof, "custody": Custody.OWN, "succession": succession}
        return self._kernel.execute(INSTITUTIONS, institution_id, parse(RegisterKey, fields), actor)

    def create_key(
        self, actor: Actor, institution_id: str, *, succession: Mapping[str, Any] | None = None
    ) -> Institution:
        """Make a key and hold it for the institution; it signs only at its signatory's word, on screen.

        For its partner lead alone, or a coordinator for the lab. Raises as ``register_key``.
        """
        self.get(institution_id)
        return self._take(actor, institution_id, SigningKey.generate(), succession)

    def ask_for_key(
        self, actor: Actor, institution_id: str, *, public_key: str, proof: str, reason: str
    ) -> Institution:
        """Ask, as partner lead, for a key in place of an own key that was lost. Raises Forbidden or Conflict."""
        self.get(institution_id)
        fields = {"public_key": public_key, "proof": proof, "reason": reason}
        return self._kernel.execute(INSTITUTIONS, institution_id, parse(AskForKey, clean(fields)), actor)

    def allow_key(self, actor: Actor, institution_id: str, *, public_key: str, note: str) -> Institution:
        """Let in the key that was asked for, as a coordinator; every signature by it says so. Raises Forbidden."""
        self.get(institution_id)
        command = parse(AllowKey, clean({"public_key": public_key, "note": note}))
        return self._kernel.execute(INSTITUTIONS, institution_id, command, actor)

    def register_lab(self, actor: Actor, name: str, contact_email: str) -> Institution:
        """Enter the lab itself, with the portal's lab key; done once, when the portal is made."""
        self.register(actor, institution_id=LAB, name=name, constituency=Constituency.LAB, contact_email=contact_email)
        return self._take(actor, LAB, self._keyring.own("lab"))

    def revoke_key(self, actor: Actor, institution_id: str, *, public_key: str, reason: str) -> Institution:
        """Stop a key from signing. Raises Forbidden or Invalid."""
        self.get(institution_id)
        command = parse(RevokeKey, clean({"public_key": public_key, "reason": reason}))
        return self._kernel.execute(INSTITUTIONS, institution_id, command, actor)

    def get(self, institution_id: str) -> Institution:
        """One institution. Raises NotFound."""
        return self._kernel.state(INSTITUTIONS, institution_id)

    def look_up(self, actor: Actor, institution_id: str) -> Institution:
        """One institution, as far as the actor may know it: see ``list``. Raises NotFound."""
        return _told(actor, self.get(institution_id))

    def list(self, actor: Actor) -> tuple[Institution, ...]:
        """All institutions by name, the lab first; whoever signs in may know who takes part.

        What is between one of them and the lab, its weight and a key that it asked for, is told to these two: to
        everybody else it reads as if there were none.
        """
        if not is_active(actor):
            return ()
        rows = self._kernel.store.query("SELECT institution_id FROM institution ORDER BY lower(name)")
        found = [_told(actor, self.get(row["institution_id"])) for row in rows]
        return tuple(sorted(found, key=lambda institution: institution.id != LAB))

    def active_keys(self, institution_id: str) -> tuple[str, ...]:
        """The public keys (raw, hex) that may sign for the institution now. Raises NotFound."""
        return tuple(key.public_key for key in self.get(institution_id).active_keys)

    def kept_key(self, institution_id: str) -> str | None:
        """The public key the portal holds for the institution, if it holds an active one."""
        kept = [key for key in self.get(institution_id).active_keys if key.custody is Custody.PORTAL]
        return kept[-1].public_key if kept else None

    def sign(self, institution_id: str, actor: Actor, payload_type: str, payload: bytes) -> Envelope:
        """A DSSE envelope with the key in custody, at its representative's word. Raises NotFound or Conflict."""
        if not represents(actor, institution_id):
            raise NotFound(
                "key_not_kept",
                "You do not sign for this institution.",
                hint="Ask a lead of the institution to sign.",
                fixer=Fixer.LEAD,
            )
        public_key = self.kept_key(institution_id)
        if public_key is None:
            raise Conflict(
                "no_key_in_custody",
                "The portal holds no signing key for this institution.",
                hint="Sign with your own key: concordat agreement sign FILE --key KEY.",
            )
        return sign(payload_type, payload, self._keyring.kept(institution_id, public_key))

    def _take(
        self, actor: Actor, institution_id: str, key: SigningKey, succession: Mapping[str, Any] | None = None
    ) -> Institution:
        public_key = key.public.raw.hex()
        command = RegisterKey(
            public_key=public_key,
            proof=key.sign(possession_challenge(institution_id, public_key)).hex(),
            custody=Custody.PORTAL,
            succession=None if succession is None else dict(succession),
        )
        # Refused before a file is written; and the file is there before anyone can be told of the key.
        INSTITUTIONS.decider.decide(self.get(institution_id), command, actor, self._kernel.clock())
        self._keyring.keep(institution_id, key)
        return self._kernel.execute(INSTITUTIONS, institution_id, command, actor)


def _told(actor: Actor, institution: Institution) -> Institution:
    if actor.is_coordinator or actor.belongs_to(institution.id):
        return institution
    return institution.model_copy(update={"weight": Institution().weight, "key_request": None})
