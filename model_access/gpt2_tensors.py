"""Which tensors a checkpoint of the GPT-2 family has to have, told from its configuration before it is registered.

Other architectures are held to theirs when a worker loads them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agreements.errors import Invalid
from model_access.safetensors_header import TensorEntry

_PREFIX = "transformer."
"""Before every name, where the whole model was saved rather than its body."""


def refuse_incomplete(config: Mapping[str, Any], tensors: Mapping[str, TensorEntry]) -> None:
    """Raises Invalid ``missing_tensor`` naming the first that is not there in its shape."""
    prefix = _PREFIX if f"{_PREFIX}wte.weight" in tensors else ""
    for name, shape in _expected(config):
        entry = tensors.get(f"{prefix}{name}")
        if entry is None or entry.shape != shape:
            how = "is not in any safetensors file" if entry is None else f"has the shape {list(entry.shape)}"
            raise Invalid(
                "missing_tensor",
                f"{prefix}{name} {how}; config.json asks for {list(shape)}.",
                hint="Save the whole model again, with its configuration.",
            )


def _expected(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, layers = _whole(config, "n_embd"), _whole(config, "n_layer")
    inner = 4 * width if config.get("n_inner") is None else _whole(config, "n_inner")
    yield "wte.weight", (_whole(config, "vocab_size"), width)
    yield "wpe.weight", (_whole(config, "n_positions"), width)
    for layer in range(layers):
        for norm in ("ln_1", "ln_2"):
            yield from _pair(f"h.{layer}.{norm}", (width,), width)
        yield from _pair(f"h.{layer}.attn.c_attn", (width, 3 * width), 3 * width)
        yield from _pair(f"h.{layer}.attn.c_proj", (width, width), width)
        yield from _pair(f"h.{layer}.mlp.c_fc", (width, inner), inner)
        yield from _pair(f"h.{layer}.mlp.c_proj", (inner, width), width)
    yield from _pair("ln_f", (width,), width)


def _pair(name: str, weight: tuple[int, ...], bias: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", weight
    yield f"{name}.bias", (bias,)


def _whole(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    if type(value) is not int or value <= 0:
        raise Invalid("bad_config", f"config.json gives no usable {name}.")
    return value
