"""The tokenizer as the engine and the portal use it: ``tokenizer.json`` read by the Rust library, no Python of the
checkpoint's own."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from agreements.errors import Invalid

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Vocabulary:
    """Text to token ids and back. Special tokens are written out, so that what the model saw is what is shown."""

    def __init__(self, folder: Path) -> None:
        """Raises Invalid ``bad_tokenizer`` when ``folder/tokenizer.json`` is not a tokenizer."""
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # noqa: BLE001 - the library raises plain Exception
            raise Invalid("bad_tokenizer", f"tokenizer.json cannot be read ({type(error).__name__}).") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._byte_of = _byte_level_alphabet()

    def encode(self, texts: Sequence[str], *, bare: bool = False) -> list[list[int]]:
        """Token ids of each text; ``bare``: without what the tokenizer puts around a text by itself."""
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=not bare)
        return [list(encoding.ids) for encoding in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; U+FFFD where they are not whole characters."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def name(self, token: int) -> str:
        """One token's own text, or ``bytes:\\xe2\\x82`` if it is only part of a character."""
        text = self.decode([token])
        if _REPLACEMENT not in text:
            return text
        piece = self._tokenizer.id_to_token(token)
        if piece is None:
            return f"<{token}>"
        if piece.startswith("<0x") and piece.endswith(">"):
            return f"bytes:\\x{piece[3:-1].lower()}"
        if all(character in self._byte_of for character in piece):
            return "bytes:" + "".join(f"\\x{self._byte_of[character]:02x}" for character in piece)
        return str(piece)


def _byte_level_alphabet() -> dict[str, int]:
    """The printable stand-ins GPT-2's byte-level BPE writes bytes as, back to the bytes."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + place): byte for place, byte in enumerate(hidden)}
