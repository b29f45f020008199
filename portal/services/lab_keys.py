"""The lab's signing key: whichever of its registered keys is active when something is signed."""

from agreements.actors import LAB
from agreements.errors import Fixer, Unavailable
from agreements.institutions import Custody
from agreements.keys import SigningKey
from portal.keyring import Keyring
from portal.services.aggregates import INSTITUTIONS
from portal.store import Store


class LabKeys:
    """Finds the lab's key at each use: a new key signs from its registration on, and a revoked one no more."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring
        self._read: dict[str, SigningKey] = {}
        """Keys by their public half, which says for good what they are."""

    def __call__(self) -> SigningKey:
        """The newest active key that the portal holds for the lab. Raises Unavailable ``no_lab_key``."""
        lab, _version = self._store.state(INSTITUTIONS, LAB)
        held = [key.public_key for key in lab.active_keys if key.custody is Custody.PORTAL]
        if not held:
            raise Unavailable(
                "no_lab_key",
                "The lab has no active signing key that the portal holds.",
                hint="Make one with: concordat institution key create lab.",
                fixer=Fixer.COORDINATOR,
            )
        newest = held[-1]
        if newest not in self._read:
            self._read[newest] = self._keyring.kept(LAB, newest)
        return self._read[newest]
