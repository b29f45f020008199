"""What the files of a checkpoint say of it besides its manifest: layers, heads, stored formats, tokenizer.

Only data is read: two JSON files and the headers of the weight files. The registered digests are checked for the JSON.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from agreements.deciders import Value
from agreements.errors import Invalid, Unavailable
from model_access.conversations import TEMPLATE_FILES, ChatTemplate
from model_access.manifest import MAX_JSON_BYTES, Manifest, digest_file
from model_access.safetensors_header import read_header

_LAYERS: Final = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEADS: Final = ("num_attention_heads", "n_head", "num_heads", "n_heads")
_MOST_WORDS: Final = 80

README_NAMES: Final = ("README.md", "README.txt", "README")
LICENCE_NAMES: Final = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
MOST_TEXT_BYTES: Final = 32 * 1024


class StoredFormat(Value):
    """How many numbers of the weights are stored in one format."""

    name: str
    """As safetensors names it, for instance ``F32`` or ``BF16``."""
    numbers: int


class TokenizerFacts(Value):
    """What ``tokenizer.json`` says."""

    kind: str
    """Its algorithm, for instance ``BPE``; empty where it does not say."""
    entries: int
    """Of its vocabulary, special tokens included."""
    special: tuple[str, ...]
    """Special tokens, the first ones."""


class ModelFacts(Value):
    """Facts of the architecture. None where the files do not say."""

    layers: int | None
    heads: int | None
    stored: tuple[StoredFormat, ...]
    """The most numbers first."""
    tokenizer: TokenizerFacts
    chat: bool
    """Whether a chat template lies beside the tokenizer: whether it takes conversations."""


def facts_of(folder: Path, manifest: Manifest) -> ModelFacts:
    """The facts of the checkpoint in ``folder``.

    Raises Unavailable ``checkpoint_files_missing``, also where the files are not the registered ones.
    """
    try:
        config = _registered(folder, manifest, "config.json")
        tokenizer = _registered(folder, manifest, "tokenizer.json")
        chat = _takes_conversations(folder, manifest)
        numbers: Counter[str] = Counter()
        for entry in manifest.files:
            if entry.name.endswith(".safetensors"):
                for tensor in read_header(folder / entry.name).values():
                    numbers[tensor.dtype] += tensor.elements
    except (OSError, Invalid):
        raise _missing() from None
    return ModelFacts(
        layers=_number(config, _LAYERS),
        heads=_number(config, _HEADS),
        stored=tuple(StoredFormat(name=name, numbers=found) for name, found in numbers.most_common()),
        tokenizer=_tokenizer(tokenizer),
        chat=chat,
    )


def texts_beside(folder: Path) -> tuple[str | None, str | None]:
    """The read-me and the licence's text that lie beside a checkpoint; what is no short UTF-8 text is left out."""
    return _text(folder, README_NAMES), _text(folder, LICENCE_NAMES)


def _text(folder: Path, names: tuple[str, ...]) -> str | None:
    for name in names:
        path = folder / name
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_TEXT_BYTES:
                continue
            return path.read_bytes().decode().strip() or None
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _registered(folder: Path, manifest: Manifest, name: str) -> dict[str, Any]:
    """A JSON file, if it is the registered one. Raises OSError or Unavailable."""
    path = folder / name
    entry = next((one for one in manifest.files if one.name == name), None)
    if entry is None or path.stat().st_size > MAX_JSON_BYTES or digest_file(path) != entry:
        raise _missing()
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise _missing() from None
    return value if isinstance(value, dict) else {}


def _takes_conversations(folder: Path, manifest: Manifest) -> bool:
    """Whether there is a chat template, in files that are the registered ones. Raises OSError, Invalid, Unavailable."""
    registered = {entry.name: entry for entry in manifest.files}
    for name in TEMPLATE_FILES:
        found = digest_file(folder / name) if (folder / name).exists() else None
        if found != registered.get(name):
            raise _missing()
    return ChatTemplate.of(folder) is not None


def _number(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    found = (config.get(name) for name in names)
    return next((value for value in found if type(value) is int and value > 0), None)


def _tokenizer(value: Mapping[str, Any]) -> TokenizerFacts:
    model, added = value.get("model"), value.get("added_tokens")
    model = model if isinstance(model, dict) else {}
    vocabulary = model.get("vocab")
    known = vocabulary if isinstance(vocabulary, dict | list) else {}
    tokens = [one for one in added if isinstance(one, dict)] if isinstance(added, list) else []
    names = [str(one.get("content", "")) for one in tokens]
    beside = [name for name in names if not isinstance(known, dict) or name not in known]
    return TokenizerFacts(
        kind=str(model.get("type") or "")[:_MOST_WORDS],
        entries=len(known) + (len(beside) if isinstance(known, dict) else 0),
        special=tuple(str(one.get("content", ""))[:_MOST_WORDS] for one in tokens[:8] if one.get("special")),
    )


def _missing() -> Unavailable:
    return Unavailable(
        "checkpoint_files_missing",
        "The checkpoint's files are not there, or not the registered ones.",
        hint="Restore the checkpoint's folder.",
    )
