"""A checkpoint's tokenizer without its weights: what a partner's own tools need to count and cut tokens.

The files are those of the manifest, each under its digest. They say nothing of the weights; sizes of layers stand in
``config.json``, which is left out.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Final

from agreements.errors import Unavailable, VerificationError
from model_access.manifest import Manifest, digest_file

TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
"""Those of them that a checkpoint has are its tokenizer."""

_A_DAY: Final = (1980, 1, 1, 0, 0, 0)


def tokenizer_archive(folder: Path, manifest: Manifest) -> bytes:
    """The tokenizer's files as a ZIP, the same bytes each time; ``AutoTokenizer.from_pretrained`` takes it unpacked.

    Where they do not name their class, a ``config.json`` with nothing but the model's type is put with them, by which
    ``transformers`` finds it. Raises VerificationError ``checkpoint_changed``, Unavailable ``unreadable_checkpoint``.
    """
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in _contents(folder, manifest).items():
            entry = zipfile.ZipInfo(name, _A_DAY)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return held.getvalue()


def _contents(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    entries = {entry.name: entry for entry in manifest.files}
    found: dict[str, bytes] = {}
    try:
        for name in TOKENIZER_FILES:
            if name not in entries:
                continue
            if digest_file(folder / name) != entries[name]:
                raise VerificationError(
                    "checkpoint_changed",
                    f"The checkpoint is not the registered one: {name} has another digest.",
                    hint="Tell the portal's operator.",
                )
            found[name] = (folder / name).read_bytes()
        config = json.loads((folder / "config.json").read_bytes())
        tokenizer = json.loads(found.get("tokenizer_config.json", b"{}"))
    except (OSError, ValueError, RecursionError) as error:
        raise Unavailable(
            "unreadable_checkpoint", f"The checkpoint's files cannot be read ({type(error).__name__})."
        ) from None
    says_its_class = isinstance(tokenizer, dict) and "tokenizer_class" in tokenizer
    if not says_its_class and isinstance(config, dict) and isinstance(config.get("model_type"), str):
        found["config.json"] = json.dumps({"model_type": config["model_type"]}).encode()
    return found
