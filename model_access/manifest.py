"""The manifest of a checkpoint: every file by digest, and what the architecture is.

A checkpoint *is* its manifest digest: grants, receipts and workers name it, and a worker refuses to load anything else.
"""

import hashlib
import json
import re
import stat
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agreements.canonical import digest_of
from agreements.deciders import Value
from agreements.errors import Invalid, NotFound, TooLarge, Unavailable, VerificationError
from model_access.gpt2_tensors import refuse_incomplete
from model_access.safetensors_header import TensorEntry, read_header

MAX_CHECKPOINT_BYTES = 400 * 2**30
MAX_JSON_BYTES = 64 * 2**20
_CHUNK_BYTES = 1 << 20
_WEIGHT_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,115}\.safetensors")

ALLOWED_JSON = frozenset(
    {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "model.safetensors.index.json",
    }
)
ALLOWED_TEXT = frozenset({"merges.txt", "chat_template.jinja"})
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".pickle", ".h5", ".msgpack", ".ot", ".npz")


class FileEntry(Value):
    """One file of a checkpoint."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    size: int = Field(ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(Value):
    """What a checkpoint is. Two folders with equal manifests are the same checkpoint."""

    architecture: str
    """The class name of the model in ``transformers``, for example ``GPT2LMHeadModel``."""
    parameters: int = Field(gt=0)
    """Numbers in the stored weights; tied weights are stored, and counted, once."""
    context_length: int = Field(gt=0)
    """The longest prompt and answer together, in tokens."""
    vocabulary_size: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    files: tuple[FileEntry, ...] = Field(min_length=3)
    """Sorted by name."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the RFC 8785 form of the manifest."""
        return digest_of(self.model_dump(mode="json"))

    @property
    def weight_bytes(self) -> int:
        """The size of all weight files together."""
        return sum(entry.size for entry in self.files if entry.name.endswith(".safetensors"))


def build_manifest(folder: Path) -> Manifest:
    """Look at every file of ``folder`` and describe the checkpoint in it.

    Raises NotFound ``no_such_folder``; Invalid ``symlink_refused``, ``pickle_refused``, ``remote_code_refused``,
    ``unexpected_file``, ``missing_file``, ``bad_config``, ``bad_safetensors`` or ``missing_tensor``; TooLarge;
    Unavailable.
    """
    try:
        return _describe(folder, _admissible_files(folder))
    except OSError as error:
        raise Unavailable("unreadable_checkpoint", f"{folder} cannot be read ({error.strerror}).") from None


def _describe(folder: Path, paths: list[Path]) -> Manifest:
    config = _read_json(folder / "config.json")
    if "auto_map" in config or "auto_map" in _read_json(folder / "tokenizer_config.json", optional=True):
        raise Invalid(
            "remote_code_refused",
            "The checkpoint asks for its own Python code to be run (auto_map).",
            hint="Use a checkpoint whose architecture transformers knows by itself.",
        )
    tensors = _tensors(folder, [path for path in paths if path.suffix == ".safetensors"])
    architecture = _architecture(config)
    if architecture == "GPT2LMHeadModel":
        refuse_incomplete(config, tensors)
    return Manifest(
        architecture=architecture,
        parameters=sum(tensor.elements for tensor in tensors.values()),
        context_length=_positive(config, "max_position_embeddings", "n_positions", "n_ctx", "seq_length"),
        vocabulary_size=_positive(config, "vocab_size"),
        hidden_size=_positive(config, "hidden_size", "n_embd", "d_model"),
        files=tuple(digest_file(path) for path in paths),
    )


def verify_folder(folder: Path, manifest: Manifest) -> None:
    """Digest every file again. Raises VerificationError ``checkpoint_changed`` naming the first that differs."""
    try:
        _compare(folder, manifest)
    except OSError as error:
        raise _changed(folder.name, f"cannot be read ({error.strerror})") from None


def _compare(folder: Path, manifest: Manifest) -> None:
    found = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    expected = {entry.name: entry for entry in manifest.files}
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise _changed(name, "is missing")
        if name not in expected:
            raise _changed(name, "is not in the manifest")
        path = found[name]
        if path.is_symlink() or not path.is_file():
            raise _changed(name, "is not a plain file")
        if path.stat().st_size != expected[name].size:
            raise _changed(name, f"has {path.stat().st_size} bytes, not {expected[name].size}")
        if digest_file(path) != expected[name]:
            raise _changed(name, "has another digest")


def digest_file(path: Path) -> FileEntry:
    """The manifest entry of one file."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(name=path.name, size=size, sha256=digest.hexdigest())


def is_admissible(name: str) -> bool:
    """Whether a file of this name may be part of a checkpoint."""
    return name in ALLOWED_JSON or name in ALLOWED_TEXT or _WEIGHT_FILE.fullmatch(name) is not None


def _admissible_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotFound(
            "no_such_folder", f"There is no folder {folder}.", hint="Give the folder with config.json in it."
        )
    paths = sorted(folder.iterdir(), key=lambda path: path.name)
    for path in paths:
        _refuse_dangerous(path)
    total = sum(path.stat().st_size for path in paths)
    if total > MAX_CHECKPOINT_BYTES:
        raise TooLarge(
            "checkpoint_too_large", f"The checkpoint has {total} bytes; the limit is {MAX_CHECKPOINT_BYTES}."
        )
    names = {path.name for path in paths}
    for name in ("config.json", "tokenizer.json"):
        if name not in names:
            raise Invalid("missing_file", f"{name} is missing.", hint="Save model and fast tokenizer into one folder.")
    if not any(name.endswith(".safetensors") for name in names):
        raise Invalid("missing_file", "No *.safetensors file is there.", hint="Save the weights with safetensors.")
    return paths


def _refuse_dangerous(path: Path) -> None:
    name = path.name
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise Invalid("symlink_refused", f"{name} is a symbolic link.", hint="Copy the files themselves.")
    if name.lower().endswith(_PICKLES):
        raise Invalid(
            "pickle_refused",
            f"{name} can run code when it is loaded.",
            hint="Keep only safetensors weights in the folder.",
        )
    if name.endswith((".py", ".pyc", ".so")):
        raise Invalid("remote_code_refused", f"{name} is code.", hint="A checkpoint holds data only.")
    if not stat.S_ISREG(mode) or not is_admissible(name):
        raise Invalid(
            "unexpected_file",
            f"{name} does not belong to a checkpoint.",
            hint="Leave only config, tokenizer and safetensors files in the folder.",
        )


def _tensors(folder: Path, shards: list[Path]) -> dict[str, TensorEntry]:
    tensors: dict[str, TensorEntry] = {}
    for shard in shards:
        for name, entry in read_header(shard).items():
            if name in tensors:
                raise Invalid("bad_safetensors", f"{name} is stored twice, the second time in {shard.name}.")
            tensors[name] = entry
    index = _read_json(folder / "model.safetensors.index.json", optional=True)
    promised = index.get("weight_map", {})
    missing = sorted(set(promised) - set(tensors)) if isinstance(promised, dict) else ["weight_map"]
    if missing or not tensors:
        name = missing[0] if missing else "every tensor"
        raise Invalid("missing_tensor", f"{name} is not in any safetensors file.", hint="Copy every shard.")
    return tensors


def _architecture(config: dict[str, Any]) -> str:
    names = config.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str) or not names[0].isidentifier():
        raise Invalid("bad_config", "config.json does not name exactly one architecture.")
    return names[0]


def _positive(config: dict[str, Any], *keys: str) -> int:
    for key in keys:
        value = config.get(key)
        if type(value) is int and value > 0:
            return value
    raise Invalid("bad_config", f"config.json gives no usable {keys[0]}.")


def _read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if optional and not path.exists():
        return {}
    if path.stat().st_size > MAX_JSON_BYTES:
        raise TooLarge("checkpoint_too_large", f"{path.name} has more than {MAX_JSON_BYTES} bytes.")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise Invalid("bad_config", f"{path.name} is not JSON.") from None
    if not isinstance(value, dict):
        raise Invalid("bad_config", f"{path.name} is not a JSON object.")
    return value


def _changed(name: str, how: str) -> VerificationError:
    return VerificationError(
        "checkpoint_changed",
        f"The checkpoint is not the registered one: {PurePosixPath(name).name} {how}.",
        hint="Restore the folder or register the changed checkpoint as a new one.",
    )
