"""The portal's private keys: PEM files that only the operator's account can read, and never anywhere else."""

from pathlib import Path

from agreements.errors import ConcordatError, Fixer, NotFound, Unavailable
from agreements.keys import SigningKey
from portal import durable


class Keyring:
    """Keys by name in one folder; a missing key is made on first use of ``own``."""

    def __init__(self, folder: Path) -> None:
        """The folder is made with mode 0700. Raises Unavailable ``keys_exposed`` if others can read it, or unusable."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            exposed = folder.stat().st_mode & 0o077
        except OSError as error:
            raise Unavailable(
                "keys_unusable",
                f"The key folder {folder} cannot be used ({error.strerror}).",
                hint="Check who owns it.",
            ) from None
        if exposed:
            raise Unavailable(
                "keys_exposed",
                f"The key folder {folder} can be read by other accounts.",
                hint=f"Run: chmod 700 {folder}",
            )
        self._folder = folder

    def own(self, name: str) -> SigningKey:
        """One of the portal's own keys (``lab``, ``log``, ``token``, ``webhook``), made if it does not exist."""
        path = self._folder / f"{name}.pem"
        if not path.exists():
            self._write(path, SigningKey.generate().to_pem())
        return self._read(path)

    def keep_own(self, name: str, key: SigningKey) -> None:
        """Keep another of the portal's own keys, beside the one that ``own`` makes."""
        self._write(self._own_path(name, key.public.raw.hex()), key.to_pem())

    def kept_own(self, name: str, public_key: str) -> SigningKey:
        """The portal's own key of that public half (raw, hex). Raises Unavailable ``key_unreadable``."""
        path = self._own_path(name, public_key)
        return self._read(path if path.exists() else self._folder / f"{name}.pem", public_key)

    def discard_own(self, name: str, public_key: str) -> None:
        """Let go of the private half of a key that signs no more."""
        self._own_path(name, public_key).unlink(missing_ok=True)
        first = self._folder / f"{name}.pem"
        if first.exists() and self._read(first).public.raw.hex() == public_key:
            first.unlink()

    def keep(self, institution_id: str, key: SigningKey) -> None:
        """Take an institution's key into custody."""
        self._write(self._custody_path(institution_id, key.public.raw.hex()), key.to_pem())

    def kept(self, institution_id: str, public_key: str) -> SigningKey:
        """A key in custody. Raises NotFound."""
        path = self._custody_path(institution_id, public_key)
        if not path.exists():
            raise NotFound(
                "key_not_kept",
                "The portal does not hold this institution's key.",
                hint="Sign with the key you keep yourselves, or have a coordinator let the portal keep one.",
            )
        return self._read(path)

    def _own_path(self, name: str, public_key: str) -> Path:
        return self._folder / f"{name}-{public_key[:16]}.pem"

    def keep_secret(self, name: str, secret: str) -> None:
        """Keep what another system handed out, in a file of its own; what was kept under the name is replaced."""
        self._write(self._folder / f"{name}.secret", secret.encode())

    def kept_secret(self, name: str) -> str:
        """A secret that was kept. Raises NotFound ``secret_not_kept`` or Unavailable ``key_unreadable``."""
        path = self._folder / f"{name}.secret"
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise NotFound(
                "secret_not_kept",
                "The portal does not hold that secret.",
                hint="A coordinator has to enter it again.",
                fixer=Fixer.COORDINATOR,
            ) from None
        except (OSError, UnicodeError):
            raise _unreadable(path) from None

    def drop_secret(self, name: str) -> None:
        """Forget a secret; one that is not there is no error."""
        (self._folder / f"{name}.secret").unlink(missing_ok=True)

    def _custody_path(self, institution_id: str, public_key: str) -> Path:
        return self._folder / f"institution-{institution_id}-{public_key[:16]}.pem"

    @staticmethod
    def _read(path: Path, public_key: str | None = None) -> SigningKey:
        try:
            key = SigningKey.from_pem(path.read_bytes())
        except (OSError, ConcordatError):
            key = None
        if key is None or public_key not in (None, key.public.raw.hex()):
            raise _unreadable(path)
        return key

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        try:
            durable.write(path, content)
        except OSError as error:
            raise Unavailable(
                "key_not_written",
                f"The key file {path.name} cannot be written ({error.strerror}).",
                hint="Check the folder's free space and owner.",
            ) from None


def _unreadable(path: Path) -> Unavailable:
    return Unavailable(
        "key_unreadable", f"The key file {path.name} cannot be read.", hint="Restore it from the backup."
    )
